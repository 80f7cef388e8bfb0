"""Nothing that was acked is lost, doubled or forgotten while the daemons are killed again and again."""
import collections
import os
import pathlib
import random
import signal
import sys
import threading
import time

import pytest

import oracle
from county import query, wait_until
from emitters import Chorus, letters_of
from knock import control

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from sink import Answer, Sink  # noqa: E402

KILLS = 18
SEED = int(os.environ.get("GONGKAI_SEED", "20261120"))


class Killer(threading.Thread):
    """Kills one daemon again and again, each time when it has something in hand, and starts it anew.

    The daemon is stopped first, so that what `in_hand` sees is still so when the kill comes."""

    def __init__(self, name, start_daemon, in_hand, seed):
        super().__init__(daemon=True)
        self.name, self.start_daemon, self.in_hand = name, start_daemon, in_hand
        self.chance, self.n_kills, self.problem = random.Random(seed), 0, None
        self.enough = threading.Event()

    def try_once(self, process):
        os.kill(process.pid, signal.SIGSTOP)
        if not self.in_hand():
            os.kill(process.pid, signal.SIGCONT)
            return False
        process.kill()
        process.wait()
        self.n_kills += 1
        return True

    def run(self):
        try:
            while self.n_kills < KILLS:
                process = self.start_daemon()
                # Some die young, some in the middle of much work.
                self.enough.wait(self.chance.choice((0, 0.1, 0.3, 0.8)))
                while not self.enough.is_set() and not self.try_once(process):
                    self.enough.wait(self.chance.uniform(0.001, 0.005))
                if self.enough.is_set():
                    return
            self.start_daemon()
        except Exception as problem:  # told by whoever looks
            self.problem = problem


class Storm:
    """A county of one door and two channels, of which the second waits for the first."""

    def __init__(self, county, chorus):
        self.county, self.chorus, self.store = county, chorus, county.redis()
        self.born, self.lease = 0, {}
        self.killers = [Killer("publisherd", self.start_publisherd, self.door_is_busy, SEED)]
        for name in ("first", "second"):
            self.killers.append(Killer(name, lambda name=name: self.start_channel(name),
                                       lambda name=name: self.channel_is_busy(name), SEED + len(self.killers)))

    def start_publisherd(self):
        process = self.county.start_publisherd()
        self.born = time.monotonic()
        return process

    def door_is_busy(self):
        return self.chorus.flying_since(self.born) > 0

    def start_channel(self, name):
        self.lease[name] = int(self.store.get(f"{{530581}}:lease:{name}") or 0)
        return self.county.start_channel(name)

    def channel_is_busy(self, name):
        """Whether it holds a lease that it took since it was started."""
        times = self.store.zrange(f"{{530581}}:due:{name}", "(1000000000000", "+inf", byscore=True, withscores=True)
        return any(score % 2 == 1 and score >= self.lease[name] + 8 for _, score in times)

    def rage(self, seconds):
        for killer in self.killers:
            killer.start()
        end = time.monotonic() + seconds
        while any(killer.is_alive() for killer in self.killers) and time.monotonic() < end:
            # Work comes in small heaps, and no faster than the kills: the last one must find some too.
            self.chorus.look()
            killed = min(killer.n_kills for killer in self.killers) / KILLS
            self.chorus.allow(3 if self.chorus.part_sent() < killed + 0.05 else 1)
            self.killers[0].join(0.2)
        for killer in self.killers:
            killer.enough.set()
            killer.join(30)
            if killer.problem:
                raise killer.problem
        return {killer.name: killer.n_kills for killer in self.killers}


@pytest.fixture
def sink():
    """A system that keeps what it was sent, as a webhook's receiver should; answering takes it a moment."""
    made = Sink()
    made.by_default = Answer(200, wait=0.01)
    yield made
    made.close()


def sink_problems(sink, acks):
    """What the receiver has in the end is the newest that was acked; it never got anything older later."""
    found, bodies = [], collections.defaultdict(set)
    for document, (revision, withdrawn) in oracle.newest_acked(acks).items():
        if document not in sink.shown:
            found += [f"{document} never arrived"] * (not withdrawn)
        elif sink.shown[document][0] != (revision, 1 if withdrawn else 0):
            found.append(f"{document} arrived as {sink.shown[document]}, acked was {revision} {withdrawn}")
    for request in sink.requests:
        bodies[request.key].add(request.body)
    found += [f"{key} was sent with {len(each)} contents" for key, each in bodies.items() if len(each) > 1]
    return found + [f"{sink.older} older ones came after a newer one"] * (sink.older > 0)


def replay_what_was_set_aside(one, documents):
    """On a slow machine the kills can hit one document five times in a row: it is set aside, as one that kills
    its worker would be, and a person has it tried again."""
    for document in documents:
        for channel in one.ask(query(document))["channels"]:
            if channel["state"] == "dead":
                assert channel["error"] == "poison", channel
                answer = control(one, do="dead.replay", document=document, channel=channel["channel"], reason="the kills are over")
                assert answer["ok"], answer


def test_nothing_acked_is_lost_or_doubled_when_the_daemons_are_killed_in_the_middle(county, sink):
    one, names = county(), ("first", "second")
    # One at a time, so that a kill easily finds the quick one with something in hand.
    one.channel("first", driver="discard", carrier="政府网站", timeout="1s", lease="6s", concurrency="1")
    one.channel("second", driver="webhook", url=sink.url, carrier="政府网站", timeout="1s", lease="6s",
                retry="100ms*100", after="first")
    one.start_redis()
    chorus = Chorus(one, [letters_of(f"oa{i}", 100, 5, SEED + i) for i in range(4)])
    assert len(chorus.letters) == 2000 and sum(1 for letter in chorus.letters if letter.frames) >= 400
    try:
        chorus.start(allowance=20)
        kills = Storm(one, chorus).rage(90)
        assert all(n >= KILLS for n in kills.values()), f"too few kills to tell anything: {kills}"
        chorus.finish(60)
    finally:
        chorus.end()
    assert sum(emitter.n_reopened for emitter in chorus.emitters) > 0, "no emitter noticed a kill"
    wait_until(lambda: not oracle.due_problems(one.redis(), names), 40, "nothing is due any more")
    replay_what_was_set_aside(one, oracle.newest_acked(oracle.read_acks(chorus.files)))
    wait_until(lambda: not oracle.due_problems(one.redis(), names), 40, "what was set aside is shown too")
    assert any(request.known for request in sink.requests), "no kill left the channel in doubt"
    oracle.assert_well(oracle.problems(one, chorus.files, chorus.letters, names)
                       + oracle.order_problems(one.redis(), *names)
                       + sink_problems(sink, oracle.read_acks(chorus.files)))
