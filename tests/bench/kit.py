"""What the benches share: figures, what a process has used, the sink, a county that posts to it."""
import contextlib
import http.client
import json
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "integration"))
import county as stories  # noqa: E402

QUICK = bool(os.environ.get("QUICK"))
short = []


def rounds(quick, usual):
    """How often each variant has its turn; ROUNDS=n says otherwise."""
    return int(os.environ.get("ROUNDS") or (quick if QUICK else usual))


def figure(name, value, unit, goal=None, least=True):
    """One line; with a goal, whether it is reached."""
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    line = f"bench: {name} {text} {unit}"
    if goal is not None:
        well = value >= goal if least else value <= goal
        line += f" goal {goal:g} {'ok' if well else 'short'}"
        if not well:
            short.append(name)
    print(line, flush=True)


def median(values):
    return statistics.median(values)


def say(text):
    print(f"bench: # {text}", flush=True)


def resident_mib(process, what="VmRSS"):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    raise AssertionError(what)


def cpu_seconds(process):
    """What all its threads have used, to the nanosecond, and its ended children by the tick."""
    used = 0
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        try:
            used += int((task / "schedstat").read_text().split()[0]) / 1e9
        except FileNotFoundError:
            pass  # a thread that has just ended
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return used + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def wait_until(condition, timeout, what):
    return stories.wait_until(condition, timeout, what)


def run_json(*command):
    out = subprocess.run([str(c) for c in command], check=True, capture_output=True)
    return json.loads(out.stdout)


class Sink:
    """tests/bench/sink.c: its figures, and forgetting them."""

    def __init__(self, programs):
        self.process = subprocess.Popen([programs / "tests" / "bench" / "sink"], stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        self.link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def ask(self, path):
        self.link.request("GET", path)
        return self.link.getresponse().read()

    def figures(self):
        return json.loads(self.ask("/figures"))

    def reset(self, fail=0, stamps=0, after=0):
        self.ask(f"/reset?fail={fail}&stamps={stamps}&after={after}")

    def wait(self, keys, timeout=120):
        """Until so many different deliveries were answered 200."""
        def there():
            seen = self.figures()
            return seen if seen["ok"] - seen["doubled"] >= keys else None
        return wait_until(there, timeout, f"{keys} deliveries at the sink")

    def close(self):
        self.process.kill()
        self.process.wait()


def shipped_redis_settings():
    """Those of conf/redis.conf that say how it works, and not where."""
    settings = {}
    for line in (TREE / "conf" / "redis.conf").read_text().splitlines():
        name, _, value = line.strip().partition(" ")
        if name and not name.startswith("#") and name not in (
                "port", "unixsocket", "unixsocketperm", "dir", "daemonize", "supervised", "logfile", "maxmemory"):
            settings[name] = value
    return settings


class Way:
    """A whole county with `fan_out` webhook channels, as shipped, that post to the sink."""

    def __init__(self, programs, sink, fan_out, folder=None, **redis_settings):
        stories.PROGRAMS = programs
        self.programs, self.sink, self.fan_out = programs, sink, fan_out
        self.county = stories.County(folder)
        self.channels = [f"hook{i + 1}" for i in range(fan_out)]
        self.redis_settings = {**shipped_redis_settings(), **redis_settings}
        self.n_floods = 0
        for name in self.channels:
            self.county.channel(name, driver="webhook", carrier="政府网站", url=f"{sink.url}/{name}")

    def start(self, workers=True):
        self.county.start_redis(**self.redis_settings)
        self.county.start_publisherd()
        self.county.start_ledgerd()
        if workers:
            for name in self.channels:
                self.county.start_channel(name)
        self.county.ready()
        return self

    def is_ledgered(self):
        """Whether every record of the store stands in the ledger."""
        n = int(self.county.redis().hget("{530581}:meta", "n"))
        with contextlib.closing(sqlite3.connect(f"file:{self.county.folder}/state/ledger.db?mode=ro", uri=True)) as ledger:
            found = ledger.execute("SELECT n FROM position WHERE region = '530581'").fetchall()
        return bool(found) and found[0][0] == n

    def cpu(self):
        """Seconds used so far, by program: the channels' workers together."""
        used = {}
        for name, process in self.county.processes.items():
            program = name.split("-")[0]
            used[program] = used.get(program, 0) + cpu_seconds(process)
        return used

    def flood_command(self, events, **options):
        self.n_floods += 1
        command = [self.programs / "tests" / "bench" / "flood", "--door", self.county.endpoint, "--events", events,
                   "--emitters", 4, "--window", 256, "--bytes", 2048, "--prefix", f"f{self.n_floods}", "--resend"]
        for name, value in options.items():
            at = command.index(f"--{name}") if f"--{name}" in command else len(command)
            command[at:at + 2] = [f"--{name}", value]
        return [str(word) for word in command]

    def flood(self, events, **options):
        return run_json(*self.flood_command(events, **options))

    def flood_begin(self, events, **options):
        return subprocess.Popen(self.flood_command(events, **options), stdout=subprocess.PIPE)

    def close(self):
        self.county.close()


def load():
    return os.getloadavg()[0]
