#!/usr/bin/python3
"""Speed and memory, side by side in one run. One line per figure:

    bench: NAME VALUE UNIT goal GOAL ok|short

The figures with a ratio are what must hold on any machine; absolute ones depend on it, and their
goals are for two quiet cores. QUICK=1 keeps the run under a minute.
"""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
QUICK = bool(os.environ.get("QUICK"))
short = 0


def figure(name, value, unit, goal, least=True):
    global short
    well = value >= goal if least else value <= goal
    short += not well
    print(f"bench: {name} {value:.3g} {unit} goal {goal:g} {'ok' if well else 'short'}" if value < 1000 else
          f"bench: {name} {value:.0f} {unit} goal {goal:g} {'ok' if well else 'short'}", flush=True)


def resident_mib(process, what="VmRSS"):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    raise AssertionError(what)


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


CHANNELS = {"portal": "政府网站", "hall": "社区/企事业单位/村公示栏（电子屏）", "press": "纸质媒体", "archive": "公开查阅点"}


def county(programs, channels):
    import county as stories
    stories.PROGRAMS = programs
    one = stories.County()
    for name in channels:
        one.channel(name, driver="discard", carrier=CHANNELS[name])
    return one


def store_and_door(programs, bench):
    """The store alone, plain commands, and publisherd in front of it: in turn on the same Redis."""
    rounds, batches, events = (2, 60, 15000) if QUICK else (5, 200, 60000)
    one = county(programs, CHANNELS)
    rates, accept, plain = [], [], []
    try:
        # A rewrite of the file in the middle would be paid by whichever happens to run.
        redis = one.start_redis(**{"auto-aof-rewrite-percentage": 0})
        publisherd = one.start_publisherd()
        one.ready()
        door = f"ipc://{one.folder}/run/publish"
        for i in range(rounds):
            out = subprocess.run([bench / "store", one.redis_socket, "1", str(batches)], check=True, capture_output=True)
            pair = json.loads(out.stdout)
            accept += pair["accept_us"]
            plain += pair["plain_us"]
            used = cpu_seconds(publisherd), cpu_seconds(redis)
            out = subprocess.run([bench / "flood", "--door", door, "--events", str(events), "--emitters", "4", "--window",
                                  "256", "--bytes", "2048", "--channels", ",".join(CHANNELS), "--prefix", f"r{i}",
                                  "--resend"], check=True, capture_output=True)
            flood = json.loads(out.stdout)
            rates.append(flood["rate"])
            used = [(now - then) * 1e6 / events for now, then in zip((cpu_seconds(publisherd), cpu_seconds(redis)), used)]
        memory = resident_mib(publisherd, "VmHWM")
    finally:
        one.close()
    accept_rate, plain_rate = 1e6 / statistics.median(accept), 1e6 / statistics.median(plain)
    rate = statistics.median(rates)
    pairs = [p / a for a, p in zip(accept, plain)]
    figure("store-accept-against-plain", statistics.median(pairs), "ratio", 0.5)
    figure("door-against-store-accept", statistics.median(r * a / 1e6 for r, a in zip(rates, accept)), "ratio", 0.6)
    figure("store-accept-f4", accept_rate, "events/s", 35000)
    figure("store-plain-f4", plain_rate, "events/s", 50000)
    figure("door-accept-f4", rate, "events/s", 30000)
    figure("door-cpu-per-event", used[0], "us", 30, least=False)
    figure("redis-cpu-per-event", used[1], "us", 25, least=False)
    figure("publisherd-memory-under-load", memory, "MiB", 64, least=False)


def idle_memory(programs):
    one = county(programs, ["portal"])
    (one.folder / "web").mkdir()
    one.channel("site", driver="site", carrier="政府网站", title="网站", root=one.folder / "web", address="http://127.0.0.1")
    one.channel("hook", driver="webhook", carrier="政府网站", url="http://127.0.0.1:9/")
    try:
        one.start_all(["portal", "site", "hook"])
        for name in ("publisherd", "channeld-portal", "channeld-site", "channeld-hook"):
            figure(f"memory-idle-{name}", resident_mib(one.processes[name]), "MiB", 24, least=False)
    finally:
        one.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", type=pathlib.Path, default=HERE.parents[1] / "build" / "release")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    programs = arguments.programs.resolve()
    idle_memory(programs)
    store_and_door(programs, programs / "tests" / "bench")
    print(f"bench: {short} figures short of their goal")


main()
