"""The range for publisherd: one county, a few letters under way, publisherd hit at a step.

Every scene ends the same: the letters all get their last word, nothing is due, and the invariants
hold. What an operator asked for and got no answer to is asked for again, as an operator would.
"""
import itertools
import os
import random
import signal
import threading
import time

import invariants
from aim import PATIENCE, Sight, wait_for_quiet
from county import PROGRAMS, County, publish, wait_until
from emitters import Chorus, letters_of
from knock import control
from power import Power

FROZEN = 2.5  # seconds: more than Redis' timeout and the emitters' patience
HOLDS = "530690190001010018"  # a resident number that is nobody's: a person must look
NUMBERS = itertools.count(1)


def bytes_written(pid):
    """What a process has handed to write() so far; its words to Redis are among it."""
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("wchar:"))


class Doorstep:
    def __init__(self, faults, seed, config=""):
        """`faults`: with "power" everything runs with the shim that notes what is synced."""
        self.one = County(config="[redis]\ntimeout = 1s\n" + config)
        self.seed, self.victim = seed, None
        self.one.channel("first", driver="discard", carrier="政府网站", timeout="1s", lease="6s")
        self.power = Power(self.one) if "power" in faults else None
        self.found()

    def found(self):
        self.start_redis()
        if self.power:
            # The folder's name is as old as the machine: Redis itself does not sync it.
            self.one.stop("redis")
            self.power.settle()
            self.start_redis()
        self.start_door()
        self.one.ready()
        self.one.start_channel("first", env=self.environment())

    def environment(self, delay_us=0):
        return {**self.power.environment, "POWERLOSS_DELAY_US": str(delay_us)} if self.power else {}

    def start_redis(self):
        self.one.start_redis(env=self.environment(3000))

    def start_door(self, sight=None):
        """With a sight nobody waits until it is ready: perhaps it never is."""
        (self.one.folder / "run" / "publish").unlink(missing_ok=True)
        more = sight.environment if sight else {}
        self.victim = self.one.start("publisherd", PROGRAMS / "gongkai-publisherd", "--config", self.one.conf,
                                     env={**self.environment(), **more},
                                     ready=None if sight else (self.one.folder / "run" / "publish").exists)
        return self.victim

    def aim(self, sight):
        self.one.stop(self.VICTIM)
        return self.start_victim(sight)

    def chorus(self, shot):
        number = next(NUMBERS)
        chance = random.Random(f"{self.seed} {shot}")
        letters = letters_of(f"n{number}", 3, 3, chance.random(), part_with_frames=0.8)
        return Chorus(self.one, [letters], name=f"acks-{number}", window=3, deadline=0.4)

    # -- after the fault

    VICTIM = "publisherd"

    def start_victim(self, sight=None):
        return self.start_door(sight)

    def recover(self, shot):
        if shot.fault == "stop":
            time.sleep(FROZEN)  # how long it stands still is the fault itself
            os.kill(self.victim.pid, signal.SIGCONT)
        elif shot.fault == "kill":
            self.one.processes.pop(self.VICTIM)
            self.start_victim()
        else:
            self.cut()
        if self.victim.poll() is not None:  # it was about to end, and has ended
            assert self.one.processes.pop(self.VICTIM).wait() == 0
            self.start_victim()

    def cut(self):
        for process in self.one.processes.values():
            os.kill(process.pid, signal.SIGSTOP)
        for name, process in list(self.one.processes.items()):
            os.killpg(process.pid, signal.SIGKILL)
            self.one.kill(name)
        self.power.cut()
        self.start_redis()
        self.start_door()
        self.one.start_channel("first", env=self.environment())

    def end(self, chorus):
        try:
            chorus.finish(PATIENCE)
        finally:
            chorus.end()
        wait_for_quiet(self.one, ("first",))
        invariants.assert_well(self.one, chorus.files, chorus.letters, channels=("first",))

    def shoot(self, shot):
        getattr(self, "in_" + shot.scene)(shot, Sight(self.one.folder, shot))

    def close(self):
        self.one.close()

    # -- scenes

    def in_load(self, shot, sight):
        victim, chorus = self.aim(sight), self.chorus(shot).start()
        sight.wait(victim)
        self.recover(shot)
        self.end(chorus)

    in_start = in_load  # the letters are on their way before the door opens

    def in_reload(self, shot, sight):
        victim, chorus = self.aim(sight), self.chorus(shot)
        self.one.ready()
        chorus.start()
        victim.send_signal(signal.SIGHUP)
        sight.wait(victim)
        self.recover(shot)
        self.end(chorus)

    def in_stopping(self, shot, sight):
        """SIGTERM comes while Redis holds something up."""
        victim, chorus = self.aim(sight), self.chorus(shot)
        self.one.ready()
        chorus.start(allowance=3)
        wait_until(lambda: chorus.n_closed() == 3, PATIENCE, "the first are taken")
        redis = self.one.processes["redis"]
        redis.send_signal(signal.SIGSTOP)
        try:
            written = bytes_written(victim.pid)
            chorus.allow(3)
            wait_until(lambda: bytes_written(victim.pid) > written + 1000, PATIENCE, "it has asked Redis to commit")
            victim.send_signal(signal.SIGTERM)
            if shot.point.endswith(("/stopping", "/draining")):
                sight.wait(victim)
        finally:
            redis.send_signal(signal.SIGCONT)
        sight.wait(victim)
        self.recover(shot)
        if shot.fault == "stop":
            assert self.one.processes.pop("publisherd").wait(PATIENCE) == 0
            self.start_door()
        self.end(chorus)

    def asked(self, **question):
        """What the operator hears; None when the line is cut."""
        try:
            return control(self.one, **question)
        except (AssertionError, OSError):
            return None

    def in_release(self, shot, sight):
        victim, chorus = self.aim(sight), self.chorus(shot)
        self.one.ready()
        held = self.one.ask(publish(f"held-{next(NUMBERS)}", body=f"张三，{HOLDS}"))
        assert held["status"] == "held", held
        question = {"do": "held.release", "event": held["event"], "reason": "核对过"}
        chorus.start()
        self.ask_under_fire(shot, sight, victim, question)
        again = self.asked(**question)  # the operator heard nothing: perhaps it was done, perhaps not
        assert again is not None
        self.one.shown(held["document"], "first")
        self.end(chorus)
        records = [one for one in invariants.Evidence(self.one, chorus.files).of("released", "published")
                   if one.document == held["document"]]
        assert [one.state for one in records] == ["released", "published"], (again, records)

    def in_pause(self, shot, sight):
        victim, chorus = self.aim(sight), self.chorus(shot)
        self.one.ready()
        chorus.start()
        self.ask_under_fire(shot, sight, victim, {"do": "channel.pause", "channel": "first", "reason": "检修"})
        assert self.asked(do="channel.pause", channel="first", reason="检修")["ok"]
        wait_until(lambda: b"pause:first" in self.one.redis().hgetall("{530581}:ctl"), PATIENCE, "it is paused")
        assert self.asked(do="channel.resume", channel="first")["ok"]
        self.end(chorus)

    def ask_under_fire(self, shot, sight, victim, question):
        asking = threading.Thread(target=self.asked, kwargs=question, daemon=True)
        asking.start()
        sight.wait(victim)
        self.recover(shot)
        asking.join(PATIENCE)
        self.one.ready()


class Fresh(Doorstep):
    def found(self):
        self.start_redis()
        if self.power:
            self.one.stop("redis")
            self.power.settle()
            self.start_redis()

    def in_founding(self, shot, sight):
        victim, chorus = self.start_door(sight), self.chorus(shot).start()
        sight.wait(victim)
        if shot.fault != "power":  # the cut starts it
            self.one.start_channel("first", env=self.environment())
        self.recover(shot)
        self.end(chorus)
        assert len({entry[b"e"] for _, entry in self.one.redis().xrange("{530581}:log")}) == 1, "founded twice"


class Founding:
    """Each shot finds an empty machine."""
    RANGE = Fresh

    def __init__(self, faults, seed):
        self.faults, self.seed = faults, seed

    def shoot(self, shot):
        place = self.RANGE(self.faults, self.seed)
        try:
            place.shoot(shot)
        finally:
            place.close()

    def close(self):
        pass
