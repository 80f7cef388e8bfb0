"""publisherd is killed, frozen and loses its power at each of its steps; then everything still holds."""
import os

import pytest

import aim
from doorstep import Doorstep, Founding

SEED = int(os.environ.get("GONGKAI_SEED", "20261124"))

# Where a name has a number: the first times are those of the start, or too early to tell much.
STEPS = {
    "load": ("publisherd/message-received:2", "publisherd/event-checked:3", "publisherd/attachments-stored:2",
             "core/file-synced:3", "core/file-renamed:2", "publisherd/commit-begun:2", "publisherd/commit-written:2",
             "publisherd/commit-answered:2", "publisherd/nudged:2", "publisherd/ack-ready:3", "publisherd/ack-sent:2"),
    "start": ("publisherd/library-written", "publisherd/library-loaded", "publisherd/hello-written",
              "publisherd/hello-answered", "core/file-synced", "core/file-renamed", "publisherd/memory-written"),
    "reload": ("publisherd/reload-read",),
    "stopping": ("publisherd/stopping", "publisherd/draining", "publisherd/drained", "publisherd/memory-written:2"),
    "release": ("publisherd/control-read", "publisherd/held-written", "publisherd/held-decided",
                "publisherd/control-done"),
    "pause": ("publisherd/switch-written", "publisherd/switched"),
}
FOUNDING = {"founding": STEPS["start"]}
SHOTS = [*aim.shots_of(STEPS), *aim.shots_of(FOUNDING)]


@pytest.fixture(scope="module")
def results():
    """Three ranges side by side for what stands still and waits, one each for the others."""
    found = {}
    for kind, table, n_ranges in ((Doorstep, STEPS, 2), (Founding, FOUNDING, 2)):
        quick = list(aim.shots_of(table, ("kill", "power")))
        slow = list(aim.shots_of(table, ("stop",)))
        found |= aim.shoot(lambda number, kind=kind: kind(aim.FAULTS, SEED), slow + quick, n_ranges + 2)
    return found


@pytest.mark.parametrize("shot", SHOTS, ids=str)
def test_publisherd_keeps_its_promises_when_it_is_hit(results, shot):
    aim.judge(results, shot)
