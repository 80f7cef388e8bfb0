"""channeld is killed, frozen and loses its power at each of its steps; then everything still holds."""
import os
import threading
import traceback

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
    """A fair per fault, all side by side."""
    found, threads = {}, []

    def work(fault):
        try:
            found.update(Fair(fault, [shot for shot in SHOTS if shot.fault == fault], SEED).run())
        except BaseException:  # told by each test
            found[f"the fair of {fault}"] = traceback.format_exc()
    for fault in aim.FAULTS:
        threads.append(threading.Thread(target=work, args=(fault,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("shot", SHOTS, ids=str)
def test_channeld_keeps_its_promises_when_it_is_hit(results, shot):
    aim.judge(results, shot)
