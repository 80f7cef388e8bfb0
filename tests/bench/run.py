#!/usr/bin/python3
"""Speed and memory, side by side in one run. One line per figure:

    bench: NAME VALUE UNIT goal GOAL ok|short

Figures without a goal stand beside the others to be compared with. The figures with a ratio are what
must hold on any machine; absolute ones depend on it, and their goals are for two quiet cores. Lines
with "#" tell how the run went. ROUNDS=n gives each variant n turns. QUICK=1 keeps the run under a minute; --only NAME runs one part.
"""
import argparse
import pathlib
import signal
import sys

from kit import HERE, QUICK, Sink, cpu_seconds, figure, load, median, resident_mib, rounds, run_json, say, shipped_redis_settings, short, stories
from deliver import end_to_end
from drivers import pure_part
from trouble import again_after_kills, backlog, share_with_failures

CHANNELS = ("portal", "hall", "press", "archive")  # four that take everything: nobody works on them


def county(programs, channels):
    stories.PROGRAMS = programs
    one = stories.County()
    for name in channels:
        one.channel(name, driver="discard", carrier="政府网站")
    return one


def door(programs, sink):
    """The store alone, plain commands, and publisherd in front of it: in turn on the same Redis."""
    batches, events = (60, 15000) if QUICK else (200, 60000)
    bench = programs / "tests" / "bench"
    one = county(programs, CHANNELS)
    rates, accept, plain, used = [], [], [], []
    try:
        # A rewrite of the file in the middle would be paid by whichever happens to run.
        redis = one.start_redis(**{**shipped_redis_settings(), "auto-aof-rewrite-percentage": 0})
        publisherd = one.start_publisherd()
        one.ready()
        for i in range(rounds(2, 5)):
            pair = run_json(bench / "store", one.redis_socket, 1, batches)
            accept += pair["accept_us"]
            plain += pair["plain_us"]
            before = cpu_seconds(publisherd), cpu_seconds(redis)
            flood = run_json(bench / "flood", "--door", one.endpoint, "--events", events, "--emitters", 4, "--window", 256,
                             "--bytes", 2048, "--prefix", f"r{i}", "--resend")
            rates.append(flood["rate"])
            used.append([(now - then) * 1e6 / events
                         for now, then in zip((cpu_seconds(publisherd), cpu_seconds(redis)), before)])
        memory = resident_mib(publisherd, "VmHWM")
    finally:
        one.close()
    pairs = [p / a for a, p in zip(accept, plain)]
    figure("store-accept-against-plain", median(pairs), "ratio", 0.5)
    figure("door-against-store-accept", median([r * a / 1e6 for r, a in zip(rates, accept)]), "ratio", 0.6)
    figure("store-accept-f4", 1e6 / median(accept), "events/s", 35000)
    figure("store-plain-f4", 1e6 / median(plain), "events/s", 50000)
    figure("door-accept-f4", median(rates), "events/s", 30000)
    figure("door-cpu-per-event", median([u[0] for u in used]), "us", 30, least=False)
    figure("redis-cpu-per-event", median([u[1] for u in used]), "us", 25, least=False)
    figure("publisherd-memory-under-load", memory, "MiB", 64, least=False)


def idle(programs, sink):
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


PARTS = {"drivers": pure_part, "idle": idle, "door": door, "deliver": end_to_end, "failures": share_with_failures, "kills": again_after_kills,
         "backlog": backlog}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", type=pathlib.Path, default=HERE.parents[1] / "build" / "release")
    parser.add_argument("--only", choices=PARTS, action="append")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    programs = arguments.programs.resolve()
    sink = Sink(programs)
    try:
        for name, part in PARTS.items():
            if arguments.only and name not in arguments.only:
                continue
            say(f"{name}: load of the machine {load():.2f}")
            part(programs, sink)
    finally:
        sink.close()
    print(f"bench: {len(short)} figures short of their goal{': ' if short else ''}{' '.join(short)}")


main()
