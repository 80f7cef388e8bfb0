"""The range for channeld: a county with a channel for every step, each with a worker of its own.

All of them are hit at once, each at its own step, while they show the same documents. So a lease has
to pass only once for all. What each carrier was asked for is kept by its own simulator; the invariants
are looked at channel by channel.
"""
import dataclasses
import os
import pathlib
import signal
import sys
import time
import traceback

import invariants
from aim import PATIENCE, Sight, say, wait_for_quiet
from county import PROGRAMS, County, wait_until
from emitters import Chorus, letters_of
from knock import control
from power import FOLDERS, Power

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from sink import Answer, Sink  # noqa: E402

BAD_SECRET = "whsec_c2VjcmV0!NOT*BASE64"
LEASE = 3
FROZEN = 1.6 * LEASE  # seconds: the lease passes, and somebody else takes the work and ends it
SECRET = "whsec_" + "c2VjcmV0LWNhbmFyeS0wMTIzNDU2Nzg5"


@dataclasses.dataclass
class Stall:
    """One channel, the step that its worker is hit at, and what became of that."""
    shot: object
    name: str
    sink: Sink
    sight: Sight = None
    victim: object = None
    problem: str = None


class Fair:
    def __init__(self, fault, shots, seed):
        self.fault, self.one = fault, County(config="[redis]\ntimeout = 1s\n")
        self.power = Power(self.one, folders=(*FOLDERS, "tree")) if fault == "power" else None
        self.stalls = [Stall(shot, f"c{n}", self.sink_of(n, shot)) for n, shot in enumerate(shots)]
        (self.one.folder / "tree").mkdir()
        for stall in self.stalls:
            stall.sight = Sight(self.one.folder, stall.shot)
            self.one.channel(stall.name, **self.settings(stall))
        self.chorus = self.chorus_of(seed)

    def sink_of(self, n, shot):
        sink = Sink()
        sink.by_default = Answer(200, wait=0.01)
        return sink

    def chorus_of(self, seed):
        return Chorus(self.one, [letters_of("n", 4, 3, seed, part_with_frames=0.2)], deadline=0.5)

    @staticmethod
    def common():
        return {"carrier": "政府网站", "timeout": "2s", "lease": f"{LEASE}s", "concurrency": "1",
                "retry": "0, 100ms*50", "breaker": "0", "late_effect": "200ms"}

    def settings(self, stall):
        common = self.common()
        if stall.shot.scene == "site":
            return {**common, "driver": "site", "root": self.one.folder / "tree" / stall.name, "title": "测试县人民政府",
                    "address": "https://www.example.gov.cn"}
        if stall.shot.scene == "asked":
            common["lookup_url"] = f"{stall.sink.url}?key={{key}}"
        secret = self.one.folder / f"secret-{stall.name}"
        self.write_secret(secret, BAD_SECRET if stall.shot.scene == "blocked" else SECRET)
        return {**common, "driver": "webhook", "url": stall.sink.url, "secret_file": secret}

    def write_secret(self, path, text):
        path.write_text(text)
        path.chmod(0o600)

    # -- processes

    def environment(self, delay_us=0):
        return {**self.power.environment, "POWERLOSS_DELAY_US": str(delay_us)} if self.power else {}

    def start_common(self):
        self.one.start_redis(env=self.environment(2000))
        self.one.start_publisherd(env=self.environment())

    def found(self):
        self.start_common()
        self.one.ready()
        if self.power:  # and then some quiet years
            self.one.stop("publisherd")
            self.one.stop("redis")
            self.power.settle()
            self.start_common()

    def start_worker(self, stall, sight=None, instance=""):
        more = sight.environment if sight else {}
        return self.one.start(f"channeld-{stall.name}{instance}", PROGRAMS / "gongkai-channeld", "--config",
                              self.one.conf, stall.name, env={**self.environment(), **more})

    def forget(self, stall):
        self.one.processes.pop(f"channeld-{stall.name}", None)

    # -- what is done to each

    def hit(self, stall):
        """Prepares the scene and lets the worker run into its step."""
        scene = stall.shot.scene
        if scene == "again":  # the one before it left something half done
            before = Sight(self.one.folder, dataclasses.replace(stall.shot, point="channeld/request-sent", fault="kill",
                                                                nth=1))
            before.wait(self.start_worker(stall, before))
            self.forget(stall)
        if scene == "slow":
            stall.sink.next(Answer(200, wait=LEASE / 2))
        if scene == "stopping":
            stall.sink.next(Answer(200, wait=0.5))
        stall.victim = self.start_worker(stall, stall.sight)

    def recover(self):
        if self.fault == "power":
            self.cut()
        for stall in self.stalls:
            if stall.shot.scene == "blocked":  # somebody has acted
                self.write_secret(self.one.folder / f"secret-{stall.name}", SECRET)
            if self.fault == "stop":
                self.start_worker(stall, instance="b")
            else:
                self.forget(stall)
                self.start_worker(stall)
        if self.fault == "kill":
            # The same again is what they have to do; after the other faults newer revisions are there by then.
            wait_for_quiet(self.one, [stall.name for stall in self.stalls if stall.shot.scene != "blocked"])
        self.chorus.allow(1 << 30)
        if self.fault != "stop":
            return
        time.sleep(FROZEN)  # how long it stands still is the fault itself
        for stall in self.stalls:
            if stall.victim.poll() is None:
                stall.victim.send_signal(signal.SIGCONT)
            if stall.shot.scene == "blocked":  # it has not heard of the new secret
                stall.victim.send_signal(signal.SIGTERM)
                assert stall.victim.wait(PATIENCE) == 0
                self.forget(stall)

    def cut(self):
        for process in self.one.processes.values():
            os.kill(process.pid, signal.SIGSTOP)
        for name, process in list(self.one.processes.items()):
            os.killpg(process.pid, signal.SIGKILL)
            self.one.kill(name)
        self.power.cut()
        self.start_common()

    def look(self, stall):
        sinks = {stall.name: stall.sink}
        is_site = stall.shot.scene == "site"
        kind = {} if is_site else {"unkeyed": sinks} if stall.shot.scene == "asked" else {"keyed": sinks}
        found = invariants.problems(self.one, self.chorus.files, self.chorus.letters, channels=(stall.name,),
                                    secrets=(SECRET, BAD_SECRET), **kind)
        if is_site:
            found += invariants.site_problems(self.one.folder / "tree" / stall.name, self.chorus.files, self.chorus.letters)
        assert not found, f"{stall.shot}: {len(found)} problems:\n" + "\n".join(found[:30])

    def each(self, act):
        for stall in self.stalls:
            try:
                if not stall.problem:
                    act(stall)
            except BaseException:  # told by the shot's own test
                stall.problem = traceback.format_exc()

    def run(self):
        began = time.monotonic()
        try:
            self.found()
            self.chorus.start(allowance=4)
            wait_until(lambda: self.chorus.n_closed() == 4, PATIENCE, "there is something to show")
            self.each(self.hit)
            for stall in self.stalls:
                if stall.shot.scene == "stopping":
                    wait_until(lambda stall=stall: stall.sink.requests, PATIENCE, "something is under way")
                    stall.victim.send_signal(signal.SIGTERM)
            self.each(lambda stall: stall.sight.wait(stall.victim))
            say(f"channeld-{self.fault}: all are hit after {time.monotonic() - began:.1f} s")
            self.recover()
            self.chorus.finish(2 * PATIENCE)
            for stall in self.stalls:
                if stall.shot.scene == "blocked":
                    assert control(self.one, do="channel.resume", channel=stall.name)["ok"]
            wait_for_quiet(self.one, [stall.name for stall in self.stalls])
            self.each(self.look)
        finally:
            self.chorus.end()
            say(f"channeld-{self.fault}: {time.monotonic() - began:.1f} s")
            self.close()
        return {stall.shot: stall.problem for stall in self.stalls}

    def close(self):
        for stall in self.stalls:
            stall.sink.close()
            if stall.victim and stall.victim.poll() is not None and stall.shot.scene == "stopping":
                self.forget(stall)
        self.one.close()
