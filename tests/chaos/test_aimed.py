"""Every step that a program names is aimed at by some test, and no program of a release has any."""
import pathlib
import subprocess

import pytest

import aim
import test_aimed_carriers
import test_aimed_channeld
import test_aimed_emitter
import test_aimed_fetch
import test_aimed_ledgerd
import test_aimed_publisherd
from county import PROGRAMS, TREE

PROGRAM_NAMES = ("gongkai-publisherd", "gongkai-channeld", "gongkai-ledgerd", "gongkai-emit", "gongkaictl")
TABLES = (test_aimed_publisherd, test_aimed_emitter, test_aimed_fetch, test_aimed_channeld, test_aimed_carriers,
          test_aimed_ledgerd)


def aimed_at():
    return {(shot.point, shot.fault) for table in TABLES for shot in table.SHOTS}


def named():
    return {point for program in PROGRAM_NAMES for point in aim.points_of(program)}


def test_every_step_is_aimed_at_and_every_aim_is_a_step():
    points = {point for point, _ in aimed_at()}
    assert named() - points == set(), "named, but hit by no test"
    assert points - named() == set(), "aimed at, but no program has it"


def test_a_step_has_its_name_once_in_a_program():
    for program in PROGRAM_NAMES:
        points = aim.points_of(program)
        assert points and len(points) == len(set(points)), sorted(points)


@pytest.mark.parametrize("fault", aim.FAULTS)
def test_every_step_meets_every_fault(fault):
    assert {point for point, how in aimed_at() if how == fault} == named()


def test_the_list_is_no_option_that_people_are_shown():
    for program in PROGRAM_NAMES:
        run = subprocess.run([PROGRAMS / program, "--help"], capture_output=True, text=True, check=False)
        assert "crash" not in run.stdout.lower() + run.stderr.lower()


def test_a_release_has_nothing_of_it():
    release = TREE / "build" / "release"
    # With its end: daemons/channeld/verdict.c is a source, channeld/verdict a step.
    names = [point.encode() + b"\0" for point in named()] + [b"GONGKAI_CRASH", b"list-crashpoints"]
    for program in PROGRAM_NAMES:
        path = pathlib.Path(release / program)
        if not path.exists():
            pytest.skip("no release is built here")
        assert [name for name in names if name in path.read_bytes()] == [], program
    run = subprocess.run([release / "gongkai-publisherd", "--list-crashpoints"], capture_output=True, check=False)
    assert run.returncode == 64 and run.stdout == b""
