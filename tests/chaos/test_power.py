"""Power cuts under load: what was acked is there after each of them, its attachments too.

The last test takes away what makes it so, and must see events lost: the others can fail.
"""
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3

import oracle
from county import attachment, publish, wait_until
from emitters import Chorus, letters_of
from power import Power

SEED = int(os.environ.get("GONGKAI_SEED", "20261120"))
CUTS = 12
REFUSAL = "的存储丢失了记录"  # STORE_LOST in core/messages.def


def is_empty(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    # A dead child that nobody has waited for yet is still of the group, and does no harm.
    return all(state in "ZX" for state in states_of(group))


def states_of(group):
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = path.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(of_group) == group:
            yield state


class Mains:
    """One machine with Redis and the door on it."""

    def __init__(self, county, power, redis_delay_us=None):
        self.county, self.power = county, power
        self.redis_delay_us = redis_delay_us or power.environment["POWERLOSS_DELAY_US"]

    def on(self):
        self.county.start_redis(env={**self.power.environment, "POWERLOSS_DELAY_US": str(self.redis_delay_us)})
        self.county.start_publisherd(env=self.power.environment)

    def stop_the_clocks(self):
        """Both stand still: what is looked at now is so at the cut."""
        for name in ("redis", "publisherd"):
            os.kill(self.county.processes[name].pid, signal.SIGSTOP)

    def go_on(self):
        for name in ("redis", "publisherd"):
            os.kill(self.county.processes[name].pid, signal.SIGCONT)

    def off(self):
        for name in ("redis", "publisherd"):
            # Each has a session of its own, and Redis' child that rewrites the file dies with it.
            group = self.county.processes[name].pid
            os.killpg(group, signal.SIGKILL)
            self.county.kill(name)
            wait_until(lambda: is_empty(group), 10, f"all of {name} is dead")

    def found_county(self):
        """The first start, and then some quiet years."""
        self.on()
        self.county.ready()
        self.county.stop("publisherd")
        self.county.stop("redis")
        self.power.settle()
        self.on()


def test_nothing_acked_is_lost_when_the_power_fails_under_load(county):
    one = county()
    one.channel("first", driver="discard", carrier="政府网站", timeout="1s", lease="6s")
    power, chance = Power(one, delay_us=3000), random.Random(SEED)
    mains = Mains(one, power)
    mains.found_county()
    one.start_channel("first")
    chorus = Chorus(one, [letters_of(f"oa{i}", 60, 5, SEED + i) for i in range(4)])
    try:
        chorus.start(allowance=10)
        for n in range(CUTS):
            one.ready()
            before = chorus.n_closed()
            wait_until(lambda: chorus.allow(1) or chorus.n_closed() > before + chance.randint(20, 60), 20, "events taken")
            if n % 3 == 2:  # in the middle of a rewrite of the append-only file, or soon after
                one.redis().bgrewriteaof()

            # Two of three cuts find Redis between a write and its sync, all of them something open.
            def ripe():
                chorus.allow(1)
                mains.stop_the_clocks()
                if chorus.flying_since(0) and (n % 3 == 0 or power.unsynced()):
                    return True
                mains.go_on()
                return False
            wait_until(ripe, 20, "something under way")
            mains.off()
            power.cut()
            mains.on()
        chorus.finish(60)
    finally:
        chorus.end()
    assert power.n_cuts == CUTS and power.n_bytes_lost > 0, "the cuts took nothing: that tells nothing"
    wait_until(lambda: not oracle.due_problems(one.redis(), ("first",)), 40, "nothing is due any more")
    oracle.assert_well(oracle.problems(one, chorus.files, chorus.letters, ("first",)))


def test_an_attachment_that_a_killed_door_left_half_way_counts_only_when_it_is_synced(county):
    one = county()
    one.channel("first", driver="discard", carrier="政府网站")
    power = Power(one, delay_us=300_000)
    mains = Mains(one, power)
    mains.found_county()
    one.ready()
    content = "附件".encode() * 1000
    event = publish(attachments=[attachment("附件.txt", content)])
    path = one.folder / "state" / "attachments" / event["data"]["attachments"][0]["sha256"][:2]
    path = path / event["data"]["attachments"][0]["sha256"]
    door = one.door()
    door.send(event, [content])
    wait_until(path.exists, 20, "the attachment has its name")
    one.kill("publisherd")
    door.close()
    power.read_notes()
    assert str(path) not in power.names, "the name was synced already: this tells nothing"

    power.environment["POWERLOSS_DELAY_US"] = "0"
    one.start_publisherd(env=power.environment)
    one.ready()
    assert one.ask(event)["status"] == "accepted"  # without its bytes: they are known
    mains.off()
    power.cut()
    assert path.exists() and path.read_bytes() == content


def test_what_a_channel_shows_is_known_after_a_cut_on_its_first_day(county):
    one = county()
    one.channel("portal", driver="site", carrier="政府网站", title="测试县人民政府", root=one.folder / "www", address="https://www.example.gov.cn")
    power = Power(one)
    mains = Mains(one, power)
    mains.found_county()
    one.start_channel("portal", env=power.environment)
    one.ask(publish())
    one.shown("doc-1", "portal")
    mains.stop_the_clocks()
    one.kill("channeld-portal")
    mains.off()
    power.cut()
    with sqlite3.connect(one.folder / "state" / "channels" / "portal" / "index.db") as index:
        assert index.execute("SELECT document FROM entry").fetchall() == [("doc-1",)]
    mains.on()
    one.ready()


def control(county, question):
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(county.folder / "run" / "control"))
        line.sendall(json.dumps(question).encode() + b"\n")
        return json.loads(line.makefile().readline())


def cut_with_a_loss(one, mains, chorus):
    """Cuts the power right behind publisherd's note of how far it is: Redis is a second behind."""
    known = one.folder / "state" / "store.known"
    noted = known.read_text()
    wait_until(lambda: chorus.allow(1) or known.read_text() != noted, 20, "publisherd noted how far it is")
    mains.off()
    mains.power.cut()


def test_without_syncing_events_are_lost_and_the_store_that_lost_them_is_refused(county):
    one = county(fsync="everysec", config="[redis]\ndurability = no")
    one.channel("first", driver="discard", carrier="政府网站", timeout="1s", lease="6s")
    power = Power(one)
    mains = Mains(one, power, redis_delay_us=1_000_000)
    mains.found_county()
    chorus = Chorus(one, [letters_of(f"oa{i}", 500, 2, SEED + i, part_with_frames=0.05) for i in range(4)])
    try:
        chorus.start(allowance=50)
        one.ready()
        cut_with_a_loss(one, mains, chorus)
        mains.on()
        wait_until(lambda: REFUSAL in one.log("publisherd"), 20, "publisherd says that the store lost records")

        # Nothing is taken, however often it is asked, until a person has said so.
        taken = chorus.n_closed()
        for _ in range(3):
            assert one.ask(publish("new"))["status"] == "busy"
        assert chorus.n_closed() == taken
        chorus.end()
        acks = oracle.read_acks(chorus.files)
        assert control(one, {"do": "store.adopt"})["ok"]
        one.ready()
        assert one.ask(publish("new"))["status"] == "accepted"
    finally:
        chorus.end()
    acked = [letter for letter in chorus.letters if letter.id in acks]
    lost = [each for each in oracle.problems(one, chorus.files, acked) if "now accepted as" in each]
    assert lost, "this must lose acked events, or the test of the synced store proves nothing"
