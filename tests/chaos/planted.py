#!/usr/bin/python3
"""The storm can fail: each fault of tests/chaos/planted is built into the programs, and seen.

    planted.py [--only WORD] [--healthy] [--rules]

A planted fault is a patch whose head says what it is, which storm finds it, and as what:

    What: ack before commit
    Storm: --seed 1 --faults 8 --only kill:redis
    Red: lost

It is applied to a copy of the tree in build/planted/NAME, never to the tree itself. With --healthy the same
storms run on the programs as they are, and must be green. With --rules the rules of the queue are taken
out one at a time, as tests/integration/test_store_schedules.py has it.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
PLANTED = TREE / "tests" / "chaos" / "planted"
CLOSING = re.compile(r"^storm: seed=\d+ .*lost=(\d+) doubled=(\d+) disordered=(\d+) doubt=(\d+)$", re.M)


def head_of(patch):
    return dict(re.findall(r"^(What|Storm|Red): (.*)$", patch.read_text(), re.M))


def copy_of_tree(name):
    """The tree's files and what was built of them, in a place of its own, times and all."""
    folder = TREE / "build" / "planted" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TREE,
                           capture_output=True, check=True).stdout.decode().split("\0")
    for each in filter(None, files):
        if (TREE / each).exists():
            (folder / each).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / each, folder / each)
    shutil.copytree(TREE / "build" / "release", folder / "build" / "release", dirs_exist_ok=True)
    return folder


def build(folder, patch=None):
    if patch:
        said = subprocess.run(["patch", "-p1", "--no-backup-if-mismatch", "-i", patch], cwd=folder, capture_output=True,
                              text=True)
        if said.returncode:
            return f"the patch does not fit any more: {said.stdout.strip().splitlines()[-1]}"
    said = subprocess.run(["make", "-j2", "all", "shims", *(f"{k}={os.environ[k]}" for k in ("CC",) if k in os.environ)],
                          cwd=folder, capture_output=True, text=True)
    return "" if said.returncode == 0 else f"it does not build: {said.stderr[-400:]}"


def storm(programs, words):
    """(exit code, what was found, everything that was said)."""
    run = subprocess.run([sys.executable, TREE / "tests" / "chaos" / "storm.py", "--programs", programs, "--discard",
                          *words.split()], capture_output=True, text=True, timeout=900)
    found = CLOSING.search(run.stdout)
    counts = dict(zip(("lost", "doubled", "disordered", "doubt"), map(int, found.groups()))) if found else None
    return run.returncode, counts, run.stdout + run.stderr


def plant(patch, healthy):
    """(what, outcome, whether it is as it has to be)."""
    head, began = head_of(patch), time.monotonic()
    if healthy:
        code, counts, said = storm(TREE / "build" / "release", head["Storm"])
        good = code == 0
        outcome = "green" if good else "red"
    else:
        folder = copy_of_tree(patch.stem)
        trouble = build(folder, patch)
        if trouble:
            return head["What"], trouble, False
        code, counts, said = storm(folder / "build" / "release", head["Storm"])
        good = code != 0 and bool(counts) and any(counts.get(word) or f"odd: {word}" in said for word in head["Red"].split(", "))
        outcome = "red" if good else "GREEN" if code == 0 else "red for another reason"
        shutil.rmtree(folder)
    if not good:
        print(said[-3000:])
    told = " ".join(f"{word}={n}" for word, n in (counts or {}).items()) or "no closing line"
    return head["What"], f"{outcome}: {told} in {time.monotonic() - began:.0f} s", good


def rules():
    run = subprocess.run([sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-k", "rule_is_left_out",
                          "tests/integration/test_store_schedules.py"], cwd=TREE, capture_output=True, text=True)
    rows = re.findall(r"left_out\[(.*)\] (PASSED|FAILED|ERROR)", run.stdout)
    for rule, outcome in rows:
        yield f"rule: {rule}", "red" if outcome == "PASSED" else outcome, outcome == "PASSED"
    if not rows:
        yield "rules of the queue", f"did not run: {run.stdout[-300:]}", False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="planted faults whose file has this word")
    parser.add_argument("--healthy", action="store_true", help="the same storms on the programs as they are")
    parser.add_argument("--rules", action="store_true", help="the rules of the queue too")
    options = parser.parse_args()
    table = []
    for patch in sorted(PLANTED.glob("*.patch")):
        if options.only in patch.name:
            table.append(plant(patch, options.healthy))
            print(f"{'ok  ' if table[-1][2] else 'FAIL'} {table[-1][0]}: {table[-1][1]}", flush=True)
    if options.rules:
        for row in rules():
            table.append(row)
            print(f"{'ok  ' if row[2] else 'FAIL'} {row[0]}: {row[1]}", flush=True)
    print()
    width = max((len(row[0]) for row in table), default=0)
    for what, outcome, good in table:
        print(f"{what:<{width}}  {outcome}")
    n_bad = sum(1 for row in table if not row[2])
    print(f"storm-proof: {len(table) - n_bad} as they have to be, {n_bad} not")
    return 1 if n_bad or not table else 0


if __name__ == "__main__":
    sys.exit(main())
