"""The county of a storm: Redis, all daemons with several workers, endpoints that lie, and ways between
them that can be cut. Whoever dies is started again, as systemd would.

Every daemon has a configuration of its own beside gongkai.conf, which differs in the way to Redis, and
a clock of its own; both are files that a fault changes under it.
"""
import json
import mmap
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import redis

import county as stories
from broker import Broker
from carrierkit import LATE, settings_of
from county import County, free_port, wait_until
from power import Power

TESTS = pathlib.Path(__file__).resolve().parents[1]
REGION = "530581"
LEASE_S, TIMEOUT_S = 6, 1
RETRY = "50ms, 100ms, 200ms, 300ms, 500ms" + ", 1s" * 55
# name: kind of endpoint, workers, more settings
CHANNELS = {
    "keyed": ("keyed", 2, {}),
    "looked": ("looked", 2, {"lookup": True}),
    "ranked": ("ranked", 2, {}),
    "waits": ("ranked", 1, {"after": "ranked"}),
}


class Control:
    """The line to a helper program: one JSON line there, one back."""

    def __init__(self, path):
        self.path, self.lock, self.file = str(path), threading.Lock(), None

    def ask(self, **wish):
        with self.lock:
            if not self.file:
                line = socket.socket(socket.AF_UNIX)
                line.connect(self.path)
                self.file = line.makefile("rw")
            self.file.write(json.dumps(wish) + "\n")
            self.file.flush()
            return json.loads(self.file.readline())


class Page:
    """Two numbers that a process looks at: see faultshim.c."""

    def __init__(self, path):
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(16))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 16)

    def get(self, i=0):
        return struct.unpack_from("<q", self.map, 8 * i)[0]

    def set(self, value, i=0):
        struct.pack_into("<q", self.map, 8 * i, int(value))


class Troupe(County):
    def __init__(self, channels=CHANNELS, carriers=None, power=True, options=None, **arguments):
        super().__init__(**arguments)
        self.carriers, self.broker, self.broker_lock = carriers or {}, None, threading.Lock()
        self.stage = Control(self.folder / "carriers.control")
        self.channels, self.options, self.wanted, self.deaths, self.crashes = channels, options or {}, {}, {}, []
        self.clocks, self.held, self.lock, self.ended = {}, set(), threading.RLock(), threading.Event()
        self.redis_settings = {}
        self.disk = Page(self.folder / "disk")
        self.power = Power(self, delay_us=300) if power else None
        self.proxy, self.liars = Control(self.folder / "proxy.control"), Control(self.folder / "liars.control")
        self.requests = self.folder / "requests.jsonl"
        self.workers = [f"{name}-{i + 1}" for name, (_, n, _) in (channels | self.carriers).items()
                        for i in range(n)]
        self.has_ledger = (stories.PROGRAMS / "gongkai-ledgerd").exists()
        self.daemons = ["publisherd", *self.workers, *(["ledgerd"] if self.has_ledger else [])]
        self.prepare()

    # -- what lies between

    def prepare(self):
        (self.folder / "ways").mkdir()
        links = [f"{name}={self.folder}/ways/{name},{self.redis_socket}" for name in self.daemons]
        endpoints = []
        for name, (kind, _, more) in self.channels.items():
            port, way = free_port(), free_port()
            endpoints.append(f"{name}={kind}:{port}")
            links.append(f"to-{name}={way},{port}")
            settings = {"driver": "webhook", "url": f"http://127.0.0.1:{way}/in", "carrier": "政府网站",
                        **self.common(), **more}
            if settings.pop("lookup", False) and self.knows("lookup_url"):
                settings["lookup_url"] = f"http://127.0.0.1:{way}/lookup?key={{key}}"
            self.channel(name, **settings | self.options)
        stages = self.prepare_carriers(links)
        for name in self.daemons:
            self.configure(name)
            self.clocks[name] = Page(self.folder / f"clock.{name}")
        self.clocks["redis"] = Page(self.folder / "clock.redis")
        if stages:
            self.clocks["carriers"] = Page(self.folder / "clock.carriers")
            self.helper("carriers", TESTS / "chaos" / "carriers.py", self.stage.path, self.clocks["carriers"].path, *stages)
        self.helper("proxy", TESTS / "chaos" / "proxy.py", self.proxy.path, *links)
        self.helper("liars", TESTS / "simulators" / "liars.py", self.liars.path, self.requests, *endpoints)

    def common(self):
        settings = {"timeout": f"{TIMEOUT_S}s", "lease": f"{LEASE_S}s", "retry": RETRY}
        if self.knows("breaker_probe_most"):
            settings |= {"breaker_probe": "200ms", "breaker_probe_most": "1s"}
        if self.knows("late_effect"):
            settings["late_effect"] = LATE
        return settings

    def prepare_carriers(self, links):
        """Their channels and ways, and the broker; the simulators that are to be started, as NAME=KIND:PORT."""
        stages = []
        for name, (kind, _, more) in self.carriers.items():
            port, way = free_port(), free_port()
            if kind == "mqtt":
                self.broker = Broker(self.folder / "broker", keeps=True, port=port, each=False).start()
            else:
                stages.append(f"{name}={kind}:{port}")
            links.append(f"to-{name}={way},{port}")
            self.channel(name, **settings_of(name, kind, self.folder, way) | self.common() | more | self.options)
        return stages

    def break_broker(self, keep):
        self.broker.stop(signal.SIGKILL)
        if not keep:
            (self.folder / "broker" / "mosquitto.db").unlink(missing_ok=True)

    def configure(self, name):
        """The daemon's own configuration: its way to Redis, and addresses that tell who it is."""
        folder, text = self.folder / f"conf.{name}", self.conf.read_text()
        (folder / "channels.d").mkdir(parents=True)
        (folder / "emitters.d").symlink_to(self.folder / "emitters.d")
        for each in ("catalogue", "state", "run"):
            text = text.replace(f" = {each}\n", f" = {self.folder}/{each}\n")
        (folder / "gongkai.conf").write_text(text.replace("socket = redis.sock", f"socket = {self.folder}/ways/{name}"))
        for path in (self.folder / "channels.d").iterdir():
            own = path.read_text().replace("/in\n", f"/in?worker={name}\n")
            (folder / "channels.d" / path.name).write_text(own)

    def knows(self, option):
        """Whether the webhook's options know a word: the harness runs older programs too."""
        return option.encode() in (stories.PROGRAMS / "gongkai-channeld").read_bytes()

    def helper(self, name, *command):
        self.start(name, sys.executable, *command,
                   ready=lambda: (self.folder / f"{name}.control").exists())

    # -- processes

    def environment_of(self, name):
        clock = str(self.clocks[name].path)
        shim = stories.PROGRAMS / "tests" / "chaos" / "faultshim.so"
        own = {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1:verify_asan_link_order=0"}
        preload = []
        if name == "redis":
            own["FAULT_CLOCK"] = clock
            preload.append(str(shim))
        else:
            own["GONGKAI_TEST_CLOCK"] = clock
        if name == "ledgerd":
            own["FAULT_DISK"] = str(self.disk.path)
            preload.append(str(shim))
        if self.power:
            own |= self.power.environment
            preload.append(self.power.environment["LD_PRELOAD"])
        if preload:
            own["LD_PRELOAD"] = ":".join(preload)
        return own

    def launch(self, name):
        """Starts one, without waiting for it."""
        if name == "redis":
            command = ["redis-server", "--port", "0", "--unixsocket", self.redis_socket,
                       "--dir", self.folder / "redis", "--appendonly", "yes", "--appendfsync", self.fsync, "--save", "",
                       "--no-appendfsync-on-rewrite", "no", "--maxmemory-policy", "noeviction",
                       "--enable-debug-command", "yes"]
            for key, value in self.redis_settings.items():
                command += [f"--{key}", str(value)]
        elif name in ("publisherd", "ledgerd"):
            command = [stories.PROGRAMS / f"gongkai-{name}", "--config", self.folder / f"conf.{name}" / "gongkai.conf"]
        else:
            command = [stories.PROGRAMS / "gongkai-channeld", "--config", self.folder / f"conf.{name}" / "gongkai.conf",
                       name.rsplit("-", 1)[0]]
        process = self.start(name, *command, env=self.environment_of(name))
        self.wanted[name] = process
        process.born = time.monotonic()
        return process

    def raise_all(self):
        self.launch("redis")
        wait_until(self.redis_is_up, 20, "Redis is up")
        for name in self.daemons:
            self.launch(name)
        self.ready()

    def redis_is_up(self):
        try:
            return self.redis().ping()
        except (redis.exceptions.RedisError, OSError):
            return False

    def watch(self):
        """Starts again whoever died, unless somebody holds it."""
        while not self.ended.wait(0.1):
            with self.lock:
                for name, process in list(self.wanted.items()):
                    if process.poll() is None or name in self.held:
                        continue
                    if not getattr(process, "meant", False):
                        self.crashes.append(f"{name} ended by itself with {process.returncode}:\n"
                                            f"{self.log(name)[-3000:]}")
                        if len(self.crashes) > 20:
                            return
                    self.launch(name)

    def all_live(self):
        return all(process.poll() is None for process in self.wanted.values())

    def state_of(self, name):
        """What the kernel knows of a process that does not answer."""
        folder = pathlib.Path(f"/proc/{self.wanted[name].pid}")
        words = [line for line in (folder / "status").read_text().splitlines() if line.startswith("State")]
        for each in ("wchan", "stack"):
            try:
                words.append((folder / each).read_text())
            except OSError:
                continue
        return " ".join(words)

    def begin_watching(self):
        self.guard = threading.Thread(target=self.watch, daemon=True)
        self.guard.start()

    def process(self, name):
        return self.wanted[name]

    def murder(self, name):
        process = self.wanted[name]
        process.meant = True
        if name == "redis":
            os.killpg(process.pid, signal.SIGKILL)  # its child that rewrites the file goes along
        else:
            process.kill()
        process.wait()

    def freeze(self, name):
        os.kill(self.wanted[name].pid, signal.SIGSTOP)

    def thaw(self, name):
        os.kill(self.wanted[name].pid, signal.SIGCONT)

    def calm(self):
        """All that a fault may have left behind is taken away."""
        for name in self.daemons + [f"to-{name}" for name in self.channels | self.carriers]:
            self.proxy.ask(name=name, do="pass")
        for name, (kind, _, _) in self.carriers.items():
            if kind == "mqtt":
                with self.broker_lock:
                    self.broker.thaw()
            else:
                self.stage.ask(name=name, do="calm")
        for name in self.channels:
            self.liars.ask(name=name, behaviour="")
        self.disk.set(0)
        for name in self.wanted:
            try:
                self.thaw(name)
            except ProcessLookupError:
                pass

    def close_all(self):
        self.ended.set()
        self.guard.join(10)
        self.calm()
        if self.broker:
            self.broker.close()
        return County.close(self)

    def keep(self):
        """Ends the programs, and leaves the folder for whoever wants to look."""
        self.ended.set()
        if self.broker:
            self.broker.close()
        for process in self.processes.values():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # -- what is under way

    def n_leased(self, worker):
        """Leases of a worker (of its channel, where the store does not say whose they are)."""
        store, channel = self.redis(), worker.rsplit("-", 1)[0]
        entries = [entry.decode().split("\n")[1:] for key in store.scan_iter(f"{{{REGION}}}:hand:{channel}:*")
                   for entry in store.lrange(key, 0, -1)]
        if entries:
            return sum(store.zscore(f"{{{REGION}}}:due:{channel}", document) == int(lease)
                       for words in entries for lease, document in zip(words[::2], words[1::2]))
        rows = store.zrange(f"{{{REGION}}}:due:{channel}", 10 ** 12, "+inf", byscore=True, withscores=True)
        return sum(1 for _, score in rows if score % 2 == 1)

    def n_leased_of(self, channel):
        return sum(self.n_leased(f"{channel}-{i + 1}") for i in range(self.carriers[channel][1]))

    def left_due(self):
        store = self.redis()
        return sum(store.zcard(f"{{{REGION}}}:due:{name}") for name in self.channels | self.carriers)

    def waiting_workers(self):
        store = self.redis()
        return [worker for worker in self.workers if store.zcard(f"{{{REGION}}}:due:{worker.rsplit('-', 1)[0]}")]

    def left_for(self):
        """Milliseconds until something is due: 0 when something is now, or in somebody's hands; None where nothing is left."""
        store, now = self.redis(), self.county_ms()
        scores = [score for name in self.channels | self.carriers
                  for _, score in store.zrange(f"{{{REGION}}}:due:{name}", 0, -1, withscores=True)]
        waits = [0 if score < 1e12 or score % 2 == 1 else max(0, score - now) for score in scores]
        return min(waits, default=None)

    def county_ms(self):
        seconds, micros = self.redis().time()
        return seconds * 1000 + micros // 1000

    def time_offset(self):
        return max(page.get() for page in self.clocks.values())

    def set_clocks(self, ms, names=None):
        for name in names or self.clocks:
            self.clocks[name].set(ms)


def programs_are_there():
    return shutil.which("redis-server") and (stories.PROGRAMS / "gongkai-publisherd").exists()


def commit():
    said = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=10", "--match", "none"],
                          cwd=TESTS, capture_output=True, text=True)
    return said.stdout.strip() or "unknown"
