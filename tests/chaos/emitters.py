"""Emitters that keep the rules of the contract while the door is killed under their hands.

Each has a window of messages. It waits for an answer no longer than its deadline, then closes the
socket, opens a new one and sends the same bytes again; what was busy it sends again when told to.
Messages that speak of one document wait for each other, as libgongkai has it. Every last word goes
to a file, one JSON line each: these files are all that the oracle knows.
"""
import collections
import dataclasses
import hashlib
import json
import random
import threading
import time

import zmq

from county import attachment, publish, withdraw


@dataclasses.dataclass
class Letter:
    id: str
    document: str
    bytes: bytes
    frames: tuple = ()
    digests: tuple = ()
    is_withdrawal: bool = False
    sent: float = 0.0
    due: float = 0.0


def write_letter(chance, source, document, revision, named, part_with_frames):
    letter_id, frames, more = f"{document}-r{revision}", (), {}
    if chance.random() < part_with_frames:
        frames = tuple(chance.randbytes(chance.randint(100, 50_000)) for _ in range(chance.randint(1, 2)))
        more["attachments"] = [attachment(f"附件{i}.bin", frame, "application/octet-stream")
                               for i, frame in enumerate(frames)]
    if named:
        more["revision"] = revision
    event = publish(document, title=f"关于 {document} 的第 {revision} 次通告", body=f"{letter_id}：第一条 内容。",
                    id=letter_id, source=source, **more)
    return Letter(letter_id, document, json.dumps(event, ensure_ascii=False).encode(), frames,
                  tuple(hashlib.sha256(frame).hexdigest() for frame in frames))


def letters_of(prefix, n_documents, n_revisions, seed, part_with_frames=0.3):
    """Documents with several revisions each, some with numbers, some without; some end withdrawn."""
    chance, source, rows = random.Random(seed), f"urn:gongkai:530581:{prefix}", []
    for d in range(n_documents):
        document, named, ends_withdrawn = f"{prefix}-{d}", chance.random() < 0.5, chance.random() < 0.1
        letters = [write_letter(chance, source, document, r, named, part_with_frames)
                   for r in range(1, n_revisions + 1)]
        if ends_withdrawn:
            event = withdraw(document, id=f"{document}-w", source=source)
            letters[-1] = Letter(event["id"], document, json.dumps(event).encode(), is_withdrawal=True)
        rows.append(iter(letters))
    # Documents take turns, so that the revisions of one lie apart.
    turns = [row for row in rows for _ in range(n_revisions)]
    chance.shuffle(turns)
    return [next(row) for row in turns]


class Emitter(threading.Thread):
    def __init__(self, endpoint, letters, acks, window=16, deadline=1.0):
        super().__init__(daemon=True)
        self.endpoint, self.letters, self.acks = endpoint, letters, open(acks, "a", encoding="utf-8")
        self.window, self.deadline = window, deadline
        self.waiting = collections.deque(letters)
        self.flying, self.again = {}, []  # flying: by id, in the order of sending
        self.busy_documents = set()
        self.allowance = len(letters)  # how many may be sent: the test may slow us down
        self.n_sent = self.n_closed = self.n_reopened = self.n_busy = 0
        self.socket, self.problem, self.ended = None, None, threading.Event()

    def open(self):
        if self.socket:
            self.socket.close(0)
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(self.endpoint)

    def send(self, letter):
        self.socket.send_multipart([b"", letter.bytes, *letter.frames])
        letter.sent = time.monotonic()
        self.flying[letter.id] = letter

    def next(self):
        """The first letter whose document is not under way; a few places ahead is far enough."""
        for i in range(min(len(self.waiting), 4 * self.window)):
            if self.waiting[i].document not in self.busy_documents:
                letter = self.waiting[i]
                del self.waiting[i]
                return letter
        return None

    def fill(self):
        now = time.monotonic()
        for letter in [one for one in self.again if one.due <= now]:
            self.again.remove(letter)
            self.send(letter)
        while len(self.flying) + len(self.again) < self.window and self.n_sent < self.allowance:
            letter = self.next()
            if not letter:
                return
            self.n_sent += 1
            self.busy_documents.add(letter.document)
            self.send(letter)

    def answered(self, reply):
        letter = self.flying.pop(reply["id"])
        if reply["status"] == "busy":
            self.n_busy += 1
            letter.due = time.monotonic() + reply["retry_after_ms"] / 1000
            self.again.append(letter)
            return
        self.busy_documents.discard(letter.document)
        self.acks.write(json.dumps({**reply, "is_withdrawal": letter.is_withdrawal,
                                    "digests": letter.digests}, ensure_ascii=False) + "\n")
        self.acks.flush()
        self.n_closed += 1

    def lose_patience(self):
        # libzmq connects anew by itself: what had left before is lost then, what came later is not.
        oldest = next(iter(self.flying.values()), None)
        if oldest and time.monotonic() - oldest.sent > self.deadline:
            self.n_reopened += 1
            self.open()
            silent, self.flying = self.flying, {}
            for letter in silent.values():
                self.send(letter)

    def run(self):
        try:
            self.open()
            while self.n_closed < len(self.letters) and not self.ended.is_set():
                self.fill()
                if self.socket.poll(20):
                    self.answered(json.loads(self.socket.recv_multipart()[1]))
                self.lose_patience()
        except Exception as problem:  # told by whoever looks
            self.problem = problem
        finally:
            self.socket.close(0)
            self.acks.close()


class Chorus:
    """Several emitters, and how far they are."""

    def __init__(self, county, rows, name="acks", **arguments):
        self.files = [county.folder / f"{name}-{i}.jsonl" for i in range(len(rows))]
        self.emitters = [Emitter(county.endpoint, row, file, **arguments)
                         for row, file in zip(rows, self.files)]
        self.letters = [letter for row in rows for letter in row]

    def start(self, allowance=1 << 30):
        for emitter in self.emitters:
            emitter.allowance = allowance
            emitter.start()
        return self

    def allow(self, more):
        for emitter in self.emitters:
            emitter.allowance += more

    def look(self):
        for emitter in self.emitters:
            if emitter.problem:
                raise emitter.problem

    def n_closed(self):
        self.look()
        return sum(emitter.n_closed for emitter in self.emitters)

    def part_sent(self):
        return sum(emitter.n_sent for emitter in self.emitters) / len(self.letters)

    def flying_since(self, moment):
        """Messages without an answer that were sent after a moment."""
        return sum(1 for emitter in self.emitters for letter in list(emitter.flying.values()) if letter.sent > moment)

    def finish(self, timeout):
        self.allow(1 << 30)
        end = time.monotonic() + timeout
        for emitter in self.emitters:
            emitter.join(max(0, end - time.monotonic()))
            self.look()
            assert not emitter.is_alive(), (f"after {timeout} s {len(emitter.letters) - emitter.n_closed} of "
                                            f"{len(emitter.letters)} events have no last word")

    def end(self):
        for emitter in self.emitters:
            emitter.ended.set()
        for emitter in self.emitters:
            if emitter.ident:
                emitter.join(10)
