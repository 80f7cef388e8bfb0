"""The range for ledgerd: it copies what happens in a county, and is hit at a step of that."""
import itertools
import json
import signal
import threading

import invariants
from aim import PATIENCE
from county import PROGRAMS, publish, wait_until
from doorstep import Doorstep, Founding
from ledgerkit import caught_up, receipts_query, rows, subscriber

NUMBERS = itertools.count(1)


class Ear(threading.Thread):
    """Somebody who listens all the time: a subscription is sent anew only by one who does."""

    def __init__(self, county):
        super().__init__(daemon=True)
        self.socket = subscriber(county, connected_within=PATIENCE)
        self.heard, self.enough = [], threading.Event()
        self.start()

    def run(self):
        while not self.enough.is_set():
            if self.socket.poll(20):
                self.heard.append(json.loads(self.socket.recv_multipart()[1]))
        self.socket.close(0)

    def close(self):
        self.enough.set()
        self.join(PATIENCE)
        return self.heard


class Clerk(Doorstep):
    VICTIM = "ledgerd"
    n_listened = n_heard = 0

    def found(self):
        super().found()
        self.start_ledger()

    def start_ledger(self, sight=None):
        more = sight.environment if sight else {}
        path = self.one.folder / "run" / "receipts"
        path.unlink(missing_ok=True)
        self.victim = self.one.start("ledgerd", PROGRAMS / "gongkai-ledgerd", "--config", self.one.conf,
                                     env={**self.environment(), **more}, ready=None if sight else path.exists)
        return self.victim

    def start_victim(self, sight=None):
        return self.start_ledger(sight)

    def close(self):
        super().close()
        # One shot alone may hit before the subscription has arrived.
        assert self.n_heard > 0 or self.n_listened < 5, "no receipt was ever heard"

    def cut(self):
        super().cut()
        self.start_ledger()

    def end(self, chorus):
        caught_up(self.one)
        super().end(chorus)
        caught_up(self.one)
        invariants.assert_well(self.one, chorus.files, chorus.letters, channels=("first",))
        redis = self.one.redis()
        wait_until(lambda: redis.xlen("{530581}:log") <= 1, PATIENCE, "the log is trimmed")

    def in_load(self, shot, sight):
        """Somebody listens to receipts; whatever he hears is what the ledger has under that number."""
        ear = Ear(self.one)
        victim, chorus = self.aim(sight), self.chorus(shot)
        chorus.start()
        sight.wait(victim)
        self.recover(shot)
        chorus.finish(PATIENCE)
        self.end(chorus)
        known = {row[0]: row[1:] for row in rows(self.one, "SELECT receipt, document, state, event FROM entry")}
        heard = ear.close()
        self.n_listened, self.n_heard = self.n_listened + 1, self.n_heard + len(heard)
        wrong = [one for one in heard if known.get(one["sequence"])
                 != (one["data"]["document"], one["data"]["state"], one["data"]["event"] or "")]
        assert not wrong, f"heard, and not in the ledger: {wrong[:3]}"
        sources = {letter.id: json.loads(letter.bytes)["source"] for letter in chorus.letters}
        told = self.one.ask(receipts_query(source=next(iter(sources.values()))))["receipts"]
        assert [one["sequence"] for one in told] == sorted(one["sequence"] for one in told)

    in_start = in_load

    def in_gift(self, shot, sight):
        """A document that is shown for long is to be shown again: its bytes come from the ledger."""
        redis, document = self.one.redis(), f"gift-{next(NUMBERS)}"
        chorus = self.chorus(shot)
        event = self.one.ask(publish(document))["event"]
        self.one.shown(document, "first")
        wait_until(lambda: not redis.exists(f"{{530581}}:body:{event}"), PATIENCE, "its bytes have gone")
        caught_up(self.one)
        victim = self.aim(sight)
        keys = [f"{{530581}}:{name}" for name in ("meta", "log", f"doc:{document}", "due:first")]
        epoch = redis.hget(keys[0], "epoch")
        assert redis.fcall("gk1_put_back", 4, *keys, epoch, "first", "root", "核对")[0] == b"ok"
        chorus.start()  # and nudges the channel
        sight.wait(victim)
        self.recover(shot)
        chorus.finish(PATIENCE)
        wait_until(lambda: not self.one.redis().zscore("{530581}:due:first", document), 2 * PATIENCE, "it is shown again")
        self.end(chorus)

    def in_stopping(self, shot, sight):
        victim, chorus = self.aim(sight), self.chorus(shot)
        chorus.start()
        wait_until((self.one.folder / "run" / "receipts").exists, PATIENCE, "it is up")
        caught_up(self.one)
        wait_until(lambda: chorus.n_closed() >= 3, PATIENCE, "something to copy")
        victim.send_signal(signal.SIGTERM)
        sight.wait(victim)
        self.recover(shot)
        if shot.fault == "stop":
            assert self.one.processes.pop("ledgerd").wait(PATIENCE) == 0
            self.start_ledger()
        chorus.finish(PATIENCE)
        self.end(chorus)


class FirstLedger(Clerk):
    """Each shot finds a county without a ledger."""

    def found(self):
        Doorstep.found(self)

    def in_founding(self, shot, sight):
        victim, chorus = self.start_ledger(sight), self.chorus(shot).start()
        sight.wait(victim)
        self.recover(shot)
        chorus.finish(PATIENCE)
        self.end(chorus)


class FirstLedgers(Founding):
    RANGE = FirstLedger
