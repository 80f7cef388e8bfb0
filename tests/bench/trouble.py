"""When not all is well: answers of 500, a killed process, a million documents that wait."""
import os
import re
import shutil
import tempfile
import time

from kit import QUICK, TREE, Way, figure, median, resident_mib, rounds, say, wait_until


def share_with_failures(programs, sink):
    """5 of 100 answers are 500. What counts is what was shown while new work came in, up to the moment
    when the last delivery was tried for the first time; then the endpoint is well again, and everything
    is waited for."""
    events = 4000 if QUICK else 15000
    clean, failing, tails = [], [], []
    way = Way(programs, sink, 4).start()
    try:
        sink.reset()
        way.flood(2000)
        sink.wait(8000)
        for i in range(rounds(1, 5)):
            for fail, rates in ((0, clean), (5, failing))[:: 1 if i % 2 == 0 else -1]:
                sink.reset(fail=fail)
                flood = way.flood(events)
                wait_until(lambda: sink.figures()["keys"] == 4 * events, 120, "every delivery was tried")
                sink.ask("/fail?fail=0")
                seen = sink.wait(4 * events, 900) # the third failure of one waits five minutes
                assert seen["doubled"] == 0 and seen["keys"] == 4 * events, seen
                rates.append(seen["ok_at_last_new"] * 1e6 / (seen["last_new_us"] - flood["began_us"]))
                if fail:
                    tails.append((seen["last_us"] - seen["last_new_us"]) / 1e6)
                    say(f"of {seen['requests']} requests {seen['failed']} were answered 500; lost=0 doubled={seen['doubled']}")
    finally:
        way.close()
    figure("share-of-clean-rate-at-5-percent-500", median([f / c for f, c in zip(failing, clean)]), "ratio", 0.7)
    figure("seconds-until-the-last-retry", median(tails), "s")


def restart_seconds(unit):
    """As long as systemd waits before it starts the program again."""
    text = (TREE / "systemd" / unit).read_text()
    number, letters = re.search(r"^RestartSec=([0-9.]+)(ms|s|)$", text, re.M).groups()
    return float(number) * (0.001 if letters == "ms" else 1)


def after_kill(way, sink, name, unit, start):
    """Seconds from SIGKILL to the first delivery of an event that was sent after it, with the wait of the unit added."""
    sink.reset(stamps=1)
    flood = way.flood_begin(1500 if QUICK else 3000, rate=500, patience=500)
    wait_until(lambda: sink.figures()["ok"] > 100, 20, "deliveries before the kill")
    killed = int(time.monotonic() * 1e6)
    way.county.kill(name)
    sink.reset(stamps=1, after=killed)
    start()
    seen = wait_until(lambda: (lambda s: s if s["first_after_us"] else None)(sink.figures()), 60, "deliveries after it")
    assert flood.wait(60) == 0
    return (seen["first_after_us"] - killed) / 1e6 + restart_seconds(unit)


def again_after_kills(programs, sink):
    way = Way(programs, sink, 1).start()
    county = way.county
    cases = [("redis", "gongkai-redis.service", lambda: county.start_redis()),
             ("publisherd", "gongkai-publisherd.service", county.start_publisherd),
             ("channeld-hook1", "gongkai-channeld@.service", lambda: county.start_channel("hook1")),
             ("ledgerd", "gongkai-ledgerd.service", county.start_ledgerd)]
    try:
        for name, unit, start in cases:
            seconds = []
            for _ in range(rounds(1, 3)):
                seconds.append(after_kill(way, sink, name, unit, start))
                settle(way)
            figure(f"delivering-again-after-kill-{name.split('-')[0]}", median(seconds), "s", 2, least=False)
    finally:
        way.close()


def settle(way):
    """Until nothing is due any more."""
    wait_until(lambda: waiting(way) == 0, 120, "all is delivered")


def waiting(way):
    redis = way.county.redis()
    return sum(redis.zcard(f"{{530581}}:due:{name}") for name in way.channels)


def fcall_us(redis):
    return redis.info("commandstats").get("cmdstat_fcall", {"usec": 0})["usec"]


def drained(way, sink, documents, waiting_mib):
    """With all that is due, the channel's worker starts and delivers `documents`: what Redis spent on
    the queue's functions per delivery, without the disk. Appends the worker's memory meanwhile."""
    redis = way.county.redis()
    sink.reset()
    redis.config_resetstat()
    worker = way.county.start_channel("hook1")
    most = 0

    def delivered():
        nonlocal most
        most = max(most, resident_mib(worker))
        return sink.figures()["ok"] >= documents
    wait_until(delivered, 900, "the backlog is delivered")
    spent, done = fcall_us(redis), sink.figures()["ok"]
    waiting_mib.append(max(most, resident_mib(worker, "VmHWM")))
    way.county.kill("channeld-hook1")
    return spent / done


def in_memory(n_bytes):
    """A folder in memory, where there is room: the disk has no part in what a full queue costs."""
    if not os.path.isdir("/dev/shm") or shutil.disk_usage("/dev/shm").free < n_bytes:
        return None
    return tempfile.mkdtemp(prefix="gk-", dir="/dev/shm")


def backlog(programs, sink):
    many, few, times = (20000, 1000, 3) if QUICK else (1000000, 1000, 7)
    share = 5000 if QUICK else 30000
    way = Way(programs, sink, 1, folder=in_memory(8 << 30), maxmemory="16gb").start(workers=False)
    redis = way.county.redis()
    small, large, memory = [], [], []
    try:
        for _ in range(times):
            way.flood(few)
            small.append(drained(way, sink, few, []))
            redis.delete("{530581}:due:hook1") # what the killed worker had in hand
        empty = redis.info("memory")["used_memory"]
        flood = way.flood(many)
        full = redis.info("memory")["used_memory"]
        figure("backlog-documents", redis.zcard("{530581}:due:hook1"), "documents")
        figure("backlog-accepted", flood["rate"], "events/s")
        figure("backlog-redis-bytes-each", (full - empty) / many, "bytes")
        for _ in range(times):
            large.append(drained(way, sink, share // times, memory))
        say(f"the queue's functions, us per delivery: with {few} due {median(small):.1f}, with {many} due {median(large):.1f}")
        figure("queue-cost-at-many-against-few", median(large) / median(small), "ratio", 1.5, least=False)
        figure("channeld-memory-with-backlog", max(memory), "MiB", 24, least=False)
        figure("publisherd-memory-after-backlog", resident_mib(way.county.processes["publisherd"], "VmHWM"), "MiB", 64,
               least=False)
    finally:
        way.close()
