"""The emitters of a storm: they invent events for as long as it lasts, and write down every last word.

Each keeps some documents hot: publications with and without numbers, withdrawals, embargoes, expiries,
the same content again. After some revisions a document is left alone and another takes its place. Part
of them speak through gongkai-emit with a spool, which is killed like everybody else.
"""
import datetime
import json
import random
import subprocess
import threading
import time

import county as stories
from county import SHANGHAI, publish, withdraw
from emitters import Emitter, Letter

REFUSED_PART = 0.02


def moment(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, SHANGHAI).isoformat(timespec="milliseconds")


class Author:
    """Writes the events of one source, in an order that their times tell."""

    def __init__(self, name, seed, clock_ms, hot=6, plain=False, numbered=False,
                 life=14, carriers=(), carried=0.0):
        self.name, self.source = name, f"urn:gongkai:530581:{name}"
        self.chance, self.clock_ms, self.hot, self.plain = random.Random(seed), clock_ms, hot, plain
        self.life, self.part_numbered = life, 1 if numbered else 0.5
        self.carriers, self.carried, self.other_chance = carriers, carried, random.Random(f"carried {seed}")
        self.n_documents, self.n_events, self.last_ms, self.documents = 0, 0, 0, []

    def now_ms(self):
        self.last_ms = max(self.last_ms + 1, self.clock_ms())
        return self.last_ms

    def document(self):
        if len(self.documents) < self.hot:
            self.n_documents += 1
            self.documents.append({"name": f"{self.name}-{self.n_documents}", "revision": 0, "last": None,
                                   "numbered": self.chance.random() < self.part_numbered,
                                   "left": self.chance.randint(1 + self.life // 5, self.life), "channels": self.carriers_of()})
        one = self.chance.choice(self.documents)
        one["left"] -= 1
        if one["left"] <= 0:
            self.documents.remove(one)
        return one

    def carriers_of(self):
        """The carriers of a document; of those that have some, WeChat every third (it lets nobody delete often)."""
        if self.other_chance.random() >= self.carried:
            return []
        return [name for name in self.carriers if name != "wechat" or self.other_chance.random() < 0.34]

    def next(self):
        """(letter, what the checker will want to know of it)."""
        one, dice = self.document(), self.chance.random()
        self.n_events += 1
        letter_id, now = f"{one['name']}-e{self.n_events}", self.now_ms()
        note = {"id": letter_id, "document": one["name"], "source": self.source, "kind": "P", "order": self.n_events,
                "publish_at": 0, "expires": 0, "refused": False, "channels": one["channels"], "word": ""}
        if one["last"] and dice < 0.15:
            event = withdraw(one["name"], id=letter_id, source=self.source, time=moment(now))
            if one["numbered"]:
                event["data"]["revision"] = one["revision"]
            one["last"], note["kind"] = None, "W"
            return self.letter(event, note)
        one["revision"] += 1
        more = {"revision": one["revision"]} if one["numbered"] else {}
        word = self.chance.randbytes(4).hex()
        if not self.plain and dice < 0.22:
            note["publish_at"] = now + self.chance.randint(500, 6000)
            more["publish_at"] = moment(note["publish_at"])
        elif not self.plain and dice < 0.29:
            note["expires"] = now + self.chance.randint(1500, 9000)
            more["expires"] = moment(note["expires"])
        elif not self.plain and dice < 0.29 + REFUSED_PART:
            word, note["refused"] = f"{word}不收", True
        if one["channels"]:
            more["channels"] = one["channels"]
        note["word"] = word
        event = publish(one["name"], title=f"关于 {one['name']} 的通告（{word}）", body=f"{letter_id}：第一条 内容。",
                        id=letter_id, source=self.source, time=moment(now), **more)
        one["last"] = letter_id
        return self.letter(event, note)

    @staticmethod
    def letter(event, note):
        letter = Letter(note["id"], note["document"], json.dumps(event, ensure_ascii=False).encode(),
                        is_withdrawal=note["kind"] == "W")
        letter.note = note
        return letter


class Stream(Emitter):
    """An emitter whose letters come from an author, so many a second, until it is told to stop."""

    def __init__(self, endpoint, author, acks, rate, window=12, deadline=1.0):
        super().__init__(endpoint, [], acks, window=window, deadline=deadline)
        self.author, self.rate, self.allowance, self.closing = author, rate, 0.0, False
        self.sent_file = open(str(acks).replace("acks", "sent"), "a", encoding="utf-8")

    def next(self):
        letter = super().next()
        if not letter and not self.closing and len(self.waiting) < 4 * self.window:
            letter = self.author.next()
            self.letters.append(letter.id)
            self.sent_file.write(json.dumps(letter.note) + "\n")
            self.sent_file.flush()
            if letter.document in self.busy_documents:
                self.waiting.append(letter)
                return super().next()
        return letter

    def answered(self, reply):
        letter = self.flying.get(reply["id"])
        if letter is None:
            return  # the second answer to one that was sent twice
        super().answered(reply | {"note": letter.note, "at": time.time()})

    def run(self):
        last = time.monotonic()
        try:
            self.open()
            while not self.ended.is_set() and not (self.closing and self.n_closed == len(self.letters)):
                now = time.monotonic()
                self.allowance = min(self.allowance + (now - last) * self.rate, self.n_sent + 2 * self.window)
                if self.closing:
                    self.allowance = 1 << 30
                last = now
                self.fill()
                if self.socket.poll(20):
                    self.answered(json.loads(self.socket.recv_multipart()[1]))
                self.lose_patience()
        except Exception as problem:  # told by whoever looks
            self.problem = problem
        finally:
            self.socket.close(0)
            self.acks.close()
            self.sent_file.close()


class Spooler(threading.Thread):
    """Somebody who gives heaps of events to gongkai-emit, and gives a heap again until it was taken."""

    def __init__(self, folder, endpoint, author, acks, heap=8, pause=0.5):
        super().__init__(daemon=True)
        self.folder, self.endpoint, self.author, self.heap, self.pause = folder, endpoint, author, heap, pause
        self.acks = open(acks, "a", encoding="utf-8")
        self.sent_file = open(str(acks).replace("acks", "sent"), "a", encoding="utf-8")
        self.letters, self.n_closed, self.closing, self.ended = [], 0, threading.Event(), threading.Event()
        self.process, self.problem, self.n_runs, self.flying, self.heard_of = None, None, 0, {}, set()

    def once(self, heap):
        """One run of gongkai-emit over the heap; whether it took all."""
        path = self.folder / f"{self.author.name}.jsonl"
        path.write_text("".join(letter.bytes.decode() + "\n" for letter in heap.values()))
        with open(self.folder / f"{self.author.name}.out", "w+") as out, \
                open(self.folder / f"{self.author.name}.log", "a") as log:
            self.n_runs += 1
            self.process = subprocess.Popen(
                [stories.PROGRAMS / "gongkai-emit", "--spool", self.folder / f"{self.author.name}.spool", "--json",
                 "--door", self.endpoint, "--timeout", "2s", "--try-for", "20s", path], stdout=out, stderr=log)
            code = self.process.wait()
            out.seek(0)
            for line in out.read().splitlines():
                self.heard(line, heap)
        if code not in (0, 2, -9):
            raise AssertionError(f"gongkai-emit ended with {code}: {self.folder}/{self.author.name}.log")
        return not heap.keys() - self.heard_of

    def heard(self, line, heap):
        try:
            reply = json.loads(line)
        except ValueError:
            return  # it was killed while it wrote
        letter = heap.get(reply.get("id"))
        if letter and reply["status"] != "busy":
            self.acks.write(json.dumps({**reply, "is_withdrawal": letter.is_withdrawal, "digests": [],
                                        "note": letter.note, "at": time.time()}, ensure_ascii=False) + "\n")
            self.acks.flush()
            self.heard_of.add(letter.id)

    def run(self):
        try:
            while not self.closing.wait(self.pause):
                heap = {letter.id: letter for letter in (self.author.next() for _ in range(self.heap))}
                for letter in heap.values():
                    self.letters.append(letter.id)
                    self.sent_file.write(json.dumps(letter.note) + "\n")
                self.sent_file.flush()
                self.flying = heap
                while not self.once(heap) and not self.ended.is_set():
                    self.ended.wait(0.1)  # its patience between two tries
                self.flying = {}
                self.n_closed += len(heap)
        except Exception as problem:  # told by whoever looks
            self.problem = problem
        finally:
            self.acks.close()
            self.sent_file.close()


class Crowd:
    def __init__(self, folder, endpoint, seed, clock_ms, rate, streams=3, spoolers=1, **author):
        self.files = [folder / f"acks-{i}.jsonl" for i in range(streams + spoolers)]
        self.emitters = [Stream(endpoint, Author(f"oa{i}", seed + i, clock_ms, **author), self.files[i],
                                rate / (streams + 0.5))
                         for i in range(streams)]
        self.emitters += [Spooler(folder, endpoint, Author(f"sp{i}", seed + 100 + i, clock_ms, **author),
                                  self.files[streams + i]) for i in range(spoolers)]

    def start(self):
        for emitter in self.emitters:
            emitter.start()
        return self

    def look(self):
        for emitter in self.emitters:
            if emitter.problem:
                raise emitter.problem

    def n_sent(self):
        return sum(len(emitter.letters) for emitter in self.emitters)

    def n_flying(self):
        return sum(len(emitter.flying) for emitter in self.emitters)

    def finish(self, timeout):
        """Everything that was sent gets its last word, or these many do not."""
        for emitter in self.emitters:
            if isinstance(emitter, Spooler):
                emitter.closing.set()
            else:
                emitter.closing = True
        end = time.monotonic() + timeout
        for emitter in self.emitters:
            emitter.join(max(0.1, end - time.monotonic()))
        self.look()
        late = sum(len(emitter.letters) - emitter.n_closed for emitter in self.emitters if emitter.is_alive())
        for emitter in self.emitters:
            emitter.ended.set()
        return late
