"""channeld is killed, frozen and loses its power at the steps that only carriers other than a webhook have."""
import os

import pytest

import aim
from booths import Booths

SEED = int(os.environ.get("GONGKAI_SEED", "20261124"))

STEPS = {
    "wechat": ("channeld/account-made", "channeld/book-written:2", "channeld/book-answered:4", "channeld/file-read", "channeld/upload-read"),
    "onbon": ("channeld/tcp-sent:2", "channeld/tcp-answered:2", "channeld/sight-written:3", "channeld/sight-noted:3"),
    "mqtt": ("channeld/mqtt-connected", "channeld/mqtt-half-published:2", "channeld/mqtt-published:2", "channeld/mqtt-puback:3",
             "channeld/mqtt-confirmed:2"),
}
# With a kill alone: the steps that others have too, where these carriers have most to lose.
KILLED = {
    "wechat": ("channeld/request-sent:5", "channeld/checkpoint-kept", "channeld/settle-begun"),
    "aliyun": ("channeld/book-written:3", "channeld/book-answered:3", "channeld/checkpoint-kept", "channeld/reply-begun:2", "channeld/reply-read:2",
               "channeld/settle-begun"),
    "onbon": ("channeld/tree-indexed:2", "channeld/tree-committed", "channeld/settle-begun"),
    "mqtt": ("channeld/tree-indexed:2", "channeld/tree-committed", "channeld/settle-begun", "channeld/settle-written"),
}
SHOTS = [*aim.shots_of(STEPS), *aim.shots_of(KILLED, faults=("kill",))]


@pytest.fixture(scope="module")
def results():
    return aim.side_by_side(Booths, SHOTS, SEED)


@pytest.mark.parametrize("shot", SHOTS, ids=str)
def test_everybody_sees_the_newest_once_when_channeld_is_hit(results, shot):
    aim.judge(results, shot)
