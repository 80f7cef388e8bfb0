"""The smoke of the storm: short, seeded, everything in it, the carriers too; `make soak` is the long one."""
import os
import pathlib
import re
import subprocess
import sys

STORM = pathlib.Path(__file__).resolve().parent / "storm.py"
SEED = os.environ.get("GONGKAI_SEED", "20261124")
FAULTS, EVENTS = 45, 450


def test_a_storm_loses_nothing_doubles_nothing_and_keeps_the_order():
    run = subprocess.run([sys.executable, STORM, "--seed", SEED, "--faults", str(FAULTS), "--events", str(EVENTS),
                          "--rate", "40", "--carried", "0.2", "--most", "130"], capture_output=True, text=True, timeout=500)
    closing = re.search(r"^storm: seed=\d+ commit=\S+ faults=(\d+) events=(\d+) lost=0 doubled=0 disordered=0 doubt=\d+$",
                        run.stdout, re.M)
    assert run.returncode == 0 and closing, run.stdout[-6000:] + run.stderr[-3000:]
    assert int(closing[1]) >= FAULTS and int(closing[2]) >= EVENTS, closing[0]
