"""The faults of a storm. Each is a function that does its harm, holds it for a while, mends it, and
returns what was seen of its effect: a dictionary, or None when nothing came of it. Only what came into
effect counts.
"""
import time

import redis as redis_module

import carrierkit
from crowd import Spooler
from troupe import LEASE_S, REGION


def wait_for(condition, seconds):
    """The condition's value, or a false one when time is up: a fault that finds nothing is no error."""
    end = time.monotonic() + seconds
    while True:
        seen = condition()
        if seen or time.monotonic() > end:
            return seen
        time.sleep(0.005)


class Faults(carrierkit.CarrierFaults):
    def __init__(self, troupe, crowd, ended):
        self.troupe, self.crowd, self.ended = troupe, crowd, ended

    def sleep(self, seconds):
        self.ended.wait(seconds)

    # -- processes

    def in_hand(self, name):
        """What a process that stands still has under way."""
        troupe = self.troupe
        if name == "ledgerd":
            return troupe.redis().xlen(f"{{{REGION}}}:log")
        if name in ("publisherd", "redis"):
            return self.crowd.n_flying()
        return troupe.n_leased(name)

    def freeze_busy(self, name, seconds=4):
        """Stops a process when it has something under way: how much, or None where that never was."""
        troupe = self.troupe

        def busy():
            # Redis itself is asked before it stands still.
            n = self.crowd.n_flying() if name == "redis" else True
            if not n:
                return None
            troupe.freeze(name)
            n = n if name == "redis" else self.in_hand(name)
            if n:
                return n
            troupe.thaw(name)
            return None
        try:
            return wait_for(busy, seconds)
        except redis_module.exceptions.RedisError:
            troupe.thaw(name)
            return None

    def kill(self, name, chance):
        n = self.freeze_busy(name)
        if not n:
            return None
        self.troupe.murder(name)
        self.troupe.held.discard(name)
        return {"under_way": n}

    def stop(self, name, chance):
        n = self.freeze_busy(name)
        if not n:
            return None
        began = time.monotonic()
        is_worker = name in self.troupe.workers
        most = LEASE_S + 3 if is_worker and chance.random() < 0.5 else 3.5
        self.sleep(chance.uniform(1.2, most))
        self.troupe.thaw(name)
        return {"under_way": n, "seconds": round(time.monotonic() - began, 2)}

    def kill_emit(self, name, chance):
        for emitter in self.crowd.emitters:
            if not isinstance(emitter, Spooler) or emitter.closing.is_set():
                continue

            def running():
                now = emitter.process
                return now if now and now.poll() is None and emitter.flying else None
            process = wait_for(running, 3)
            if process:
                self.sleep(chance.uniform(0, 0.05))
                process.kill()
                if process.wait() == -9:
                    return {"under_way": len(emitter.flying)}
        return None

    def power(self, name, chance):
        """All of the machine stops at once, and what was not synced is gone."""
        troupe = self.troupe
        with troupe.lock:
            names = ["redis", *troupe.daemons]
            alive = [each for each in names if troupe.wanted[each].poll() is None]
            wait_for(self.crowd.n_flying, 3)
            for each in alive:
                troupe.freeze(each)
            n = self.crowd.n_flying()
            for each in alive:
                troupe.murder(each)
            lost = troupe.power.cut()
            troupe.launch("redis")
            wait_for(troupe.redis_is_up, 20)
            for each in troupe.daemons:
                troupe.launch(each)
        return {"under_way": n, "bytes": lost} if n or lost else None

    # -- ways

    def way(self, name, hold_s, do, **more):
        proxy = self.troupe.proxy
        proxy.ask(name=name, do=do, **more)
        self.sleep(hold_s)
        hit = proxy.ask(name=name, do="pass")["hit"]
        return {"hit": hit} if hit else None

    def cut(self, name, chance):
        if chance.random() < 0.5:
            return self.way(name, 1.5, "cut", after=chance.randint(0, 400))
        hit = wait_for(lambda: self.troupe.proxy.ask(name=name, do="cut")["hit"], 2)
        return {"hit": hit} if hit else None

    def away(self, name, chance):
        return self.way(name, chance.uniform(0.5, 3), "away")

    def half(self, name, chance):
        hit = wait_for(lambda: self.troupe.proxy.ask(name=name, do="half")["hit"], 2)
        return {"hit": hit} if hit else None

    def stall(self, name, chance):
        return self.way(name, chance.uniform(1, 4), "stop")

    def delay(self, name, chance):
        return self.way(name, chance.uniform(1, 3), "delay", seconds=chance.uniform(0.05, 1.2))

    def drip(self, name, chance):
        return self.way(name, chance.uniform(1, 3), "drip", seconds=chance.uniform(0.002, 0.05),
                        bytes=chance.randint(1, 64))

    # -- endpoints

    def lie(self, name, chance, behaviour):
        liars = self.troupe.liars
        liars.ask(name=name, behaviour=behaviour, share=chance.choice((0.3, 1)), wait=chance.uniform(1.05, 2.5)
                  if behaviour == "late" else 0.3)
        self.sleep(chance.uniform(0.7, 3))
        hit = liars.ask(name=name, behaviour="")["hit"]
        return {"hit": hit} if hit else None

    # -- clocks

    def shift(self, names, by_ms):
        for name in names:
            page = self.troupe.clocks[name]
            page.set(page.get() + by_ms)

    def redis_time(self):
        return self.troupe.redis().time()[0]

    def clock_on(self, name, chance):
        """Everybody's clock goes forward, for good."""
        by_ms = carrierkit.DAY_MS if name == "day" else chance.choice((5_000, 60_000, 1_800_000))
        before = self.redis_time()
        self.shift(self.troupe.clocks, by_ms)
        after = self.redis_time()
        return {"seconds": after - before} if after - before >= by_ms // 1000 else None

    def clock_back(self, name, chance):
        """Everybody's clock steps back a little, and after a while forward again."""
        by_ms = chance.choice((2_000, 20_000, 50_000))
        before = self.redis_time()
        self.shift(self.troupe.clocks, -by_ms)
        after = self.redis_time()
        self.sleep(chance.uniform(1, 4))
        self.shift(self.troupe.clocks, by_ms)
        return {"seconds": after - before} if after < before else None

    def clock_of(self, name, chance):
        """One machine's clock is wrong for a while."""
        page, by_ms = self.troupe.clocks[name], chance.choice((-50_000, -5_000, 5_000, 40_000))
        before = page.get()
        page.set(before + by_ms)
        self.sleep(chance.uniform(1, 4))
        page.set(page.get() - by_ms)
        return {"seconds": by_ms // 1000}

    # -- what refuses

    def disk_full(self, name, chance):
        disk = self.troupe.disk
        before = disk.get(1)
        disk.set(1)
        wait_for(lambda: disk.get(1) > before or self.ended.is_set(), 3)
        self.sleep(chance.uniform(0.5, 2))
        disk.set(0)
        n = disk.get(1) - before
        return {"refused": n} if n else None

    def refused(self, word):
        found = self.troupe.redis().info("errorstats").get(f"errorstat_{word}", "count=0")
        return found["count"] if isinstance(found, dict) else int(found.partition("=")[2])

    def redis_refuses(self, name, chance, word):
        store = self.troupe.redis()
        before = self.refused(word)
        begin, end = {"OOM": (self.no_memory, self.memory), "READONLY": (self.replica, self.master),
                      "MISCONF": (self.no_snapshot, self.snapshot)}[word]
        begin(store)
        try:
            self.sleep(chance.uniform(0.7, 2.5))
            n = self.refused(word) - before
        finally:
            end(store)
        return {"refused": n} if n > 0 else None

    @staticmethod
    def no_memory(store):
        store.config_set("maxmemory", "1mb")

    @staticmethod
    def memory(store):
        store.config_set("maxmemory", "0")

    @staticmethod
    def replica(store):
        store.replicaof("127.0.0.1", 1)

    @staticmethod
    def master(store):
        store.replicaof("NO", "ONE")

    def no_snapshot(self, store):
        # A folder stands where the snapshot is to be: it fails, and Redis takes no more writes.
        blocker = self.troupe.folder / "redis" / "dump.rdb"
        blocker.mkdir(exist_ok=True)
        (blocker / "in-the-way").write_text("")
        store.config_set("save", "3600 1")
        for _ in range(3):
            try:
                store.bgsave()
            except redis_module.exceptions.RedisError:
                pass
            if wait_for(lambda: store.info("persistence")["rdb_last_bgsave_status"] == "err", 1):
                return

    def snapshot(self, store):
        blocker = self.troupe.folder / "redis" / "dump.rdb"
        store.config_set("save", "")
        (blocker / "in-the-way").unlink(missing_ok=True)
        if blocker.exists():
            blocker.rmdir()

    def loading(self, name, chance):
        """Redis dies, and takes its time to read its files."""
        troupe = self.troupe
        n = self.freeze_busy("redis")
        if not n:
            return None
        troupe.redis_settings = {"key-load-delay": 2000, "loading-process-events-interval-bytes": "1024"}
        with troupe.lock:
            troupe.murder("redis")
            troupe.launch("redis")
        troupe.redis_settings = {}

        def seen():
            try:
                troupe.redis().ping()
                return None
            except redis_module.exceptions.BusyLoadingError:
                return True
            except redis_module.exceptions.RedisError:
                return None
        was_loading = wait_for(seen, 2)
        self.sleep(chance.uniform(0.3, 1.5))

        def hurried():
            try:
                return troupe.redis().config_set("key-load-delay", 0)
            except redis_module.exceptions.RedisError:
                return False
        wait_for(hurried, 10)
        wait_for(troupe.redis_is_up, 20)
        return {"under_way": n} if was_loading else None


REFUSALS = ("OOM", "READONLY", "MISCONF")
WAYS = carrierkit.WAYS
LIES = ("500", "503", "429", "reset", "hang", "slow", "late", "half", "lost", "drip", "lie")


def catalogue(troupe):
    """(weight, name of the fault, what it is done to, the words for it) of all that can be done."""
    rows = []
    for name in ("publisherd", "redis", *troupe.workers):
        rows += [(3, "kill", name, ()), (2, "stop", name, ())]
    if troupe.has_ledger:
        rows += [(5, "kill", "ledgerd", ()), (2, "stop", "ledgerd", ()), (4, "disk_full", "ledgerd", ())]
    rows += [(4, "kill_emit", "gongkai-emit", ())]
    if troupe.power:
        rows += [(5, "power", "all", ())]
    for name in troupe.daemons:
        rows += [(1, way, name, ()) for way in WAYS]
        rows += [(1, "clock_of", name, ())]
    for name, (kind, _, _) in troupe.channels.items():
        rows += [(1, way, f"to-{name}", ()) for way in WAYS]
        # Only who honours a key may be told an untruth about what was taken.
        rows += [(1, "lie", name, (lie,)) for lie in LIES if lie != "lie" or kind != "looked"]
    rows += carrierkit.catalogue(troupe) + ([(3, "clock_on", "day", ())] if troupe.carriers else [])
    rows += [(2, "clock_of", "redis", ()), (3, "clock_on", "all", ()), (3, "clock_back", "all", ())]
    rows += [(3, "redis_refuses", "redis", (word,)) for word in REFUSALS] + [(4, "loading", "redis", ())]
    return rows
