"""ledgerd is killed, frozen and loses its power at each of its steps; then everything still holds."""
import os

import pytest

import aim
from clerk import Clerk, FirstLedgers

SEED = int(os.environ.get("GONGKAI_SEED", "20261124"))

STEPS = {
    "load": ("ledgerd/entries-read", "ledgerd/bytes-read", "ledgerd/rows-written", "ledgerd/positions-written",
             "ledgerd/committed", "ledgerd/receipt-sent:2", "ledgerd/told", "ledgerd/trim-written", "ledgerd/trimmed",
             "ledgerd/notes-written", "ledgerd/notes-committed", "ledgerd/head-written"),
    "start": ("core/ledger-opened",),
    "gift": ("ledgerd/gift-written", "ledgerd/given"),
    "stopping": ("ledgerd/stopping",),
}
FOUNDING = {"founding": ("core/ledger-migrating", "core/ledger-opened", "ledgerd/era-written", "ledgerd/era-committed",
                         "ledgerd/rows-written")}
SHOTS = [*aim.shots_of(STEPS), *aim.shots_of(FOUNDING)]


@pytest.fixture(scope="module")
def results():
    found = aim.shoot(lambda number: Clerk(aim.FAULTS, SEED), list(aim.shots_of(STEPS)), 3)
    return found | aim.shoot(lambda number: FirstLedgers(aim.FAULTS, SEED), list(aim.shots_of(FOUNDING)), 3)


@pytest.mark.parametrize("shot", SHOTS, ids=str)
def test_ledgerd_keeps_its_promises_when_it_is_hit(results, shot):
    aim.judge(results, shot)
