"""Aimed faults: a program is killed, frozen or loses its power at one named step (core/crash.h).

A shot is one point, one fault and the scene around it. Shots of one kind share a range: a county
whose daemons run on between them, only the victim is started anew. Several ranges work side by side,
since a shot mostly waits. shoot() gives what went wrong by shot, so that each is a test of its own.
"""
import dataclasses
import functools
import itertools
import os
import queue
import signal
import subprocess
import threading
import time
import traceback

import pytest

import oracle
from county import PROGRAMS, wait_until

FAULTS = ("kill", "stop", "power")
PATIENCE = 20  # seconds until the step is reached
NUMBERS = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Shot:
    point: str
    fault: str
    scene: str
    nth: int = 1

    def __str__(self):
        return f"{self.point}-{self.fault}-in-{self.scene}"


def shots_of(table, faults=FAULTS):
    """`table`: scene -> its points, "NAME" or "NAME:N" for the Nth time that the program comes by."""
    for scene, points in table.items():
        for point in points:
            name, _, nth = point.partition(":")
            for fault in faults:
                yield Shot(name, fault, scene, int(nth or 1))


@functools.cache
def points_of(program):
    """What a program of the test build says of itself."""
    run = subprocess.run([PROGRAMS / program, "--list-crashpoints"], capture_output=True, text=True, check=True)
    return run.stdout.split()


class Sight:
    """One aim: what the victim is started with, and whether the step was reached."""

    def __init__(self, folder, shot):
        self.shot, self.seen = shot, folder / f"seen-{next(NUMBERS)}"
        how = "kill" if shot.fault == "kill" else "stop"
        self.environment = {"GONGKAI_CRASH": f"{shot.point}:{shot.nth}:{how}", "GONGKAI_CRASH_SEEN": str(self.seen)}

    def is_hit(self):
        return self.seen.exists() and self.seen.read_text().split() == [self.shot.point]

    def wait(self, process):
        """Until the fault took effect: the mark is there, and the process is gone or stands still."""
        wait_until(lambda: self.is_hit() or process.poll() is not None, PATIENCE, f"{self.shot.point} is reached")
        if self.shot.fault == "kill":
            code = process.wait(PATIENCE)
            assert self.is_hit() and code == -signal.SIGKILL, f"{self.shot} ended with {code}, no mark"
            return
        wait_until(lambda: state_of(process.pid) in "TZX", PATIENCE, f"{self.shot.point} stands still")
        assert self.is_hit() and state_of(process.pid) == "T", f"{self.shot}: not stopped, no mark"


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def shoot(make_range, shots, n_ranges):
    """Shot -> None, or what went wrong. A range that something went wrong on is not used again."""
    waiting, results, threads = queue.SimpleQueue(), {}, []
    for shot in shots:
        waiting.put(shot)

    def work(number):
        place = None
        while True:
            try:
                shot = waiting.get_nowait()
            except queue.Empty:
                break
            try:
                if place is None:
                    place = make_range(number)
                began = time.monotonic()
                place.shoot(shot)
                results[shot] = None
                say(f"{shot}: {time.monotonic() - began:.1f} s")
            except BaseException:  # told by the shot's own test
                results[shot] = traceback.format_exc()
                place = leave(place, results, shot)
        leave(place, results, None)

    def leave(place, results, shot):
        try:
            if place:
                place.close()
        except BaseException:
            key = shot or f"end of range {threading.get_ident()}"
            results[key] = f"{results.get(key) or ''}\n{traceback.format_exc()}"
    for number in range(n_ranges):
        threads.append(threading.Thread(target=work, args=(number,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return results


def side_by_side(fair, shots, seed):
    """A fair per fault, all at once: what its shots came to, and by name what befell a whole fair."""
    found, threads = {}, []

    def work(fault):
        try:
            found.update(fair(fault, [shot for shot in shots if shot.fault == fault], seed).run())
        except BaseException:  # told by each test
            found[f"the fair of {fault}"] = traceback.format_exc()
    for fault in FAULTS:
        threads.append(threading.Thread(target=work, args=(fault,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return found


def wait_for_quiet(county, channels):
    """Until nothing is due. A nudge may have gone with its connection: it has to come right by itself."""
    seen = []

    def quiet():
        seen[:] = oracle.due_problems(county.redis(), channels)
        return not seen
    try:
        wait_until(quiet, PATIENCE, "nothing is due any more")
    except AssertionError as problem:
        raise AssertionError(f"{problem}: {seen}") from None


def say(line):
    path = os.environ.get("GONGKAI_AIM_LOG")
    if path:
        with open(path, "a", encoding="utf-8") as log:
            log.write(line + "\n")


def judge(results, shot):
    """What a test of one shot asserts."""
    wrong = [results.get(shot, f"{shot} was never made"), *(results[key] for key in results if isinstance(key, str))]
    for text in wrong:
        if text:
            pytest.fail(text, pytrace=False)
