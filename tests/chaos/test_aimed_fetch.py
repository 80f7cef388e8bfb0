"""publisherd is hit while it fetches attachments: nothing is shown with half of them, and all are."""
import hashlib
import itertools
import os
import random

import pytest

import aim
from aim import PATIENCE
from county import attachment, publish, wait_until
from doorstep import Doorstep
from filehost import FileHost, good
from knock import until_taken

SEED = int(os.environ.get("GONGKAI_SEED", "20261124"))
STEPS = {
    "fetch": ("publisherd/download-begun", "publisherd/download-begun:2", "publisherd/download-coming:2",
              "core/attachment-synced", "core/attachment-synced:2", "core/attachment-renamed",
              "core/attachment-renamed:2", "publisherd/fetched-written", "publisherd/fetched-answered"),
    "reject": ("publisherd/rejected-written",),
}
SHOTS = list(aim.shots_of(STEPS))
NUMBERS = itertools.count(1)


class FetchStep(Doorstep):
    """The emitter's host is not hit; everything else may lose its power."""

    def found(self):
        self.host = FileHost()
        self.one.emitter("oa", sources="urn:gongkai:530581:*", fetch_from=f"http://127.0.0.1:{self.host.port}")
        super().found()

    def close(self):
        self.host.close()
        super().close()

    def in_fetch(self, shot, sight):
        number = next(NUMBERS)
        contents = [random.Random(f"{SEED} {number} {i}").randbytes(200000) for i in range(2)]
        pieces = []
        for i, content in enumerate(contents):
            path = f"/{number}-{i}"
            self.host.answers[path] = good(content)
            pieces.append(attachment(path[1:], content, url=self.host.url(path)))
        victim = self.aim(sight)
        self.one.ready()
        document = f"fetched-{number}"
        event = publish(document, title=f"第 {number} 号", attachments=pieces)
        door = self.one.door()
        door.send(event)  # the answer may die with the daemon
        sight.wait(victim)
        self.recover(shot)
        door.close()
        self.one.ready()
        assert until_taken(self.one, event)["status"] == "duplicate"
        self.one.shown(document, "first", timeout=PATIENCE)
        for content in contents:
            digest = hashlib.sha256(content).hexdigest()
            path = self.one.folder / "state" / "attachments" / digest[:2] / digest
            assert path.read_bytes() == content
        wait_until(lambda: self.one.redis().hlen("{530581}:fetch") == 0, PATIENCE, "the list is empty")
        assert not list((self.one.folder / "state" / "attachments" / "unfinished").iterdir())

    def in_reject(self, shot, sight):
        """The list of what was rejected may lack the last entries, and is whole."""
        number = next(NUMBERS)
        before = {row["document"] for row in self.one.ctl_json("rejected", "list")}
        victim = self.aim(sight)
        self.one.ready()
        door = self.one.door()
        door.send(publish(f"bad-{number}", item="none.0000"))
        sight.wait(victim)
        self.recover(shot)
        door.close()
        self.one.ready()
        assert self.one.ask(publish(f"worse-{number}", item="none.0000"))["status"] == "rejected"
        after = {row["document"] for row in self.one.ctl_json("rejected", "list")}
        assert f"worse-{number}" in after and after - before <= {f"worse-{number}", f"bad-{number}"}
        if shot.fault != "power":
            assert before <= after


@pytest.fixture(scope="module")
def results():
    quick = list(aim.shots_of(STEPS, ("kill", "power")))
    slow = list(aim.shots_of(STEPS, ("stop",)))
    return aim.shoot(lambda number: FetchStep(aim.FAULTS, SEED), slow + quick, 3)


@pytest.mark.parametrize("shot", SHOTS, ids=str)
def test_what_is_fetched_is_whole_whenever_it_is_hit(results, shot):
    aim.judge(results, shot)
