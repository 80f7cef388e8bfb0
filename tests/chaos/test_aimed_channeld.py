"""channeld is killed, frozen and loses its power at each of its steps; then everything still holds."""
import os

import pytest

import aim
from fair import Fair

SEED = int(os.environ.get("GONGKAI_SEED", "20261124"))

STEPS = {
    "webhook": ("channeld/slot-taken", "channeld/take-written", "channeld/taken", "channeld/bytes-read",
                "channeld/request-begun:2", "channeld/request-sent:2", "channeld/reply-begun:2",
                "channeld/reply-read:2", "channeld/verdict:2", "channeld/settle-begun:2", "channeld/settle-written:2",
                "channeld/settled:2"),
    "asked": ("channeld/checkpoint-written:2", "channeld/checkpoint-kept:2", "channeld/request-sent",
              "channeld/reply-read", "channeld/settle-written"),
    "again": ("channeld/reclaim-written", "channeld/reclaimed", "channeld/request-sent", "channeld/settle-written"),
    "slow": ("channeld/renewal-written", "channeld/renewed"),
    "blocked": ("channeld/pause-written",),
    "site": ("channeld/tree-indexed:2", "channeld/tree-file-put:3", "channeld/tree-files-put:2",
             "channeld/tree-committed:2", "core/file-synced:2", "core/file-renamed:2"),
    "stopping": ("channeld/stopping", "channeld/drained"),
}
SHOTS = list(aim.shots_of(STEPS))


@pytest.fixture(scope="module")
def results():
    return aim.side_by_side(Fair, SHOTS, SEED)


@pytest.mark.parametrize("shot", SHOTS, ids=str)
def test_channeld_keeps_its_promises_when_it_is_hit(results, shot):
    aim.judge(results, shot)
