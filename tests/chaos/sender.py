"""The range for the emitter library: gongkai-emit is hit while everything else runs on.

Whoever called it does what docs/protocol.md tells him: until a run has ended well he calls again with
the same files; what a spool has taken he only lets it send. In the end each event was accepted once,
the refused one was refused, and nothing is left lying about.
"""
import itertools
import json
import os
import signal
import subprocess
import time

import invariants
from aim import PATIENCE, Sight, wait_for_quiet
from county import PROGRAMS, County, attachment, publish, wait_until
from emitters import Letter
from power import Power

FROZEN = 1.5  # seconds: more than the patience it is started with
N_LETTERS = 4
NUMBERS = itertools.count(1)
ENDED_WELL = (0, 1)  # 1: one was refused, as it has to be


class Sender:
    def __init__(self, seed):
        self.one, self.seed = County(), seed
        self.one.channel("first", driver="discard", carrier="政府网站", timeout="1s", lease="6s")
        self.one.start_all(["first"])
        self.process = None

    def write(self, shot):
        """Events in a file, the last of them one that the door refuses."""
        self.prefix = f"e{next(NUMBERS)}"
        self.place = self.one.folder / f"sender-{self.prefix}"
        self.place.mkdir()
        self.power = Power(self.one, folders=(self.place.name,), notes=f"{self.place.name}.notes") \
            if shot.fault == "power" else None
        self.letters, events, in_folder = [], [], shot.scene == "watch"
        self.attached = self.one.folder / f"附件{self.prefix}.txt"
        self.attached.write_bytes(f"附件 {self.prefix}".encode() * 500)
        content = self.attached.read_bytes()
        for n in range(N_LETTERS):
            more = {"attachments": [attachment(self.attached.name, content)]} if n == 2 or in_folder else {}
            # Two revisions of one document, so that the order is seen to hold; a folder has none.
            document = n if in_folder else n // 2
            event = publish(f"{self.prefix}-{document}", title=f"{self.prefix} 第 {n} 件", id=f"{self.prefix}-{n}", **more)
            events.append(event)
            self.letters.append(Letter(event["id"], event["data"]["document"],
                                       json.dumps(event, ensure_ascii=False).encode(),
                                       (content,) if more else (),
                                       tuple(one["sha256"] for one in more.get("attachments", ()))))
        self.refused = publish(f"{self.prefix}-bad", item="no.such", id=f"{self.prefix}-bad")
        self.events = [*events[:2], self.refused, *events[2:]]
        self.file = self.one.folder / f"{self.prefix}.jsonl"
        self.file.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in self.events))

    def start(self, *arguments, sight=None):
        environment = dict(os.environ, GONGKAI_DOOR=self.one.endpoint, LANG="en_US.UTF-8",
                           ASAN_OPTIONS="abort_on_error=1:detect_leaks=1")
        environment |= self.power.environment if self.power else {}
        environment |= sight.environment if sight else {}
        with open(self.one.folder / "emit.log", "ab") as log:
            self.process = subprocess.Popen([PROGRAMS / "gongkai-emit", "--timeout", "1s", *arguments], env=environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self.process

    def strike(self, shot, sight):
        """True when the program is dead and whoever called it has to act."""
        sight.wait(self.process)
        if shot.fault == "stop":
            time.sleep(FROZEN)  # how long it stands still is the fault itself
            self.process.send_signal(signal.SIGCONT)
            return False
        self.process.kill()
        self.process.wait()
        if self.power:
            self.power.cut()
        return True

    def end(self):
        acks = self.one.folder / f"acks-{self.prefix}.jsonl"
        with open(acks, "w", encoding="utf-8") as file:
            for letter in self.letters:
                door = self.one.door()
                reply = door.ask(letter.bytes, letter.frames)
                door.close()
                assert reply["status"] == "duplicate", f"the caller was told that all is well: {reply}"
                file.write(json.dumps({**reply, "is_withdrawal": False, "digests": letter.digests}) + "\n")
        wait_for_quiet(self.one, ("first",))
        invariants.assert_well(self.one, [acks], self.letters, channels=("first",))
        mine = [record for record in invariants.Evidence(self.one, [acks]).of("accepted")
                if record.document.startswith(f"{self.prefix}-")]
        order = sorted(record.document for record in mine), [record.extra.rsplit(" ", 1)[-1] for record in
                                                              sorted(mine, key=lambda record: record.document)]
        assert order == ([letter.document for letter in self.letters], [letter.id for letter in self.letters])

    def shoot(self, shot):
        self.write(shot)
        try:
            getattr(self, "in_" + shot.scene)(shot, Sight(self.one.folder, shot))
        finally:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGCONT)
                self.process.kill()
            self.process.wait()

    def close(self):
        log = self.one.log("emit")
        self.one.close()
        assert "Sanitizer" not in log and "runtime error" not in log, log[-6000:]

    # -- scenes

    def in_direct(self, shot, sight):
        """Without a spool the caller keeps the file until the program has ended well."""
        command = ("--window", "1", "--attach", self.attached, self.file)
        self.start(*command, sight=sight)
        if self.strike(shot, sight):
            self.start(*command)
        assert self.process.wait(PATIENCE) in ENDED_WELL
        self.end()

    def in_spool(self, shot, sight):
        spool = self.place / "spool"
        if self.power:
            spool.mkdir()
            self.power.settle()
        command = ("--window", "1", "--spool", spool, "--attach", self.attached, self.file)
        self.start(*command, sight=sight)
        if self.strike(shot, sight):
            # Before all were put the caller does not know which: he gives all of them again.
            self.start(*command) if shot.scene == "spooling" else self.start("--spool", spool)
        assert self.process.wait(PATIENCE) in ENDED_WELL
        left = [path.name for path in spool.rglob("*.msg")]
        assert len(list((spool / "refused").glob("*.reply.json"))) == len(left), f"in the spool: {left}"
        assert left and all((spool / "refused" / name).exists() for name in left), f"in the spool: {left}"
        self.end()

    in_spooling = in_spool

    def in_watch(self, shot, sight):
        """A folder that others write into; every event is a file of its own."""
        folder = self.place / "share"
        folder.mkdir()
        for n, event in enumerate(self.events):
            (folder / f"公告{n}.json").write_text(json.dumps(event, ensure_ascii=False))
            if event["data"].get("attachments"):
                (folder / f"公告{n}.files").mkdir()
                (folder / f"公告{n}.files" / self.attached.name).write_bytes(self.attached.read_bytes())
        if self.power:
            self.power.settle()
        command = ("--window", "1", "--watch", folder)
        self.start(*command, sight=sight)
        if self.strike(shot, sight):
            self.start(*command)
        wait_until(lambda: not list(folder.glob("*.json")) or
                   all(path.name.endswith(".reply.json") for path in folder.glob("*.json")), PATIENCE, "all are gone")
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        for n, event in enumerate(self.events):
            where = "refused" if event is self.refused else "done"
            reply = json.loads((folder / f"公告{n}.reply.json").read_text())
            assert (folder / where / f"公告{n}.json").exists() and (reply["status"] == "rejected") == (where == "refused")
            assert (folder / where / f"公告{n}.files" / self.attached.name).exists() or event is self.refused
        assert not list(folder.glob("*.files")) + list(folder.glob(".*")), "something of a sent event lies about"
        self.end()
