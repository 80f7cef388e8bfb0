"""gongkai-emit is killed, frozen and loses its power at each of its steps; then everything still holds."""
import os

import pytest

import aim
from sender import Sender

SEED = int(os.environ.get("GONGKAI_SEED", "20261124"))

STEPS = {
    "direct": ("emitter/sent:3", "emitter/answered:2"),
    "spooling": ("emitter/spool-written:3", "emitter/spool-renamed:3", "emitter/spool-synced:2"),
    "spool": ("emitter/spool-synced:5", "emitter/sent:2", "emitter/answered:2", "emitter/spool-answered:2",
              "emitter/spool-settled:2", "emitter/spool-reply-written", "emitter/spool-reply-placed",
              "emitter/spool-refused-moved"),
    "watch": ("emitter/sent:2", "emitter/answered:2", "emitter/watch-reply-kept:2", "emitter/watch-reply-shown:2",
              "emitter/watch-files-taken:2", "emitter/watch-event-moved:2"),
}
# Without a spool nothing is on a disk: a power loss is a kill.
SHOTS = [shot for shot in aim.shots_of(STEPS) if (shot.scene, shot.fault) != ("direct", "power")]


@pytest.fixture(scope="module")
def results():
    return aim.shoot(lambda number: Sender(SEED), SHOTS, 3)


@pytest.mark.parametrize("shot", SHOTS, ids=str)
def test_an_emitter_keeps_its_promises_when_it_is_hit(results, shot):
    aim.judge(results, shot)
