"""The weibo channel dies between each pair of its steps, and loses each answer: one post stands."""
import contextlib
import pathlib
import sys

import pytest

from county import publish, withdraw
from hookkit import states
from steps import Fleet, aims_of

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from weibo import Weibo  # noqa: E402

SHARE, DESTROY, TIMELINE = (f"/2/statuses/{name}.json" for name in ("share", "destroy", "user_timeline"))

# How often a deed comes by each point: "request-begun" is before each request and each look into the book.
PUBLISH = aims_of(request_begun=4, request_sent=1, checkpoint_kept=1, verdict=1, settle_written=1)
REVISE = aims_of(request_begun=5, request_sent=2, checkpoint_kept=2, verdict=1, settle_written=1)
TAKE_DOWN = aims_of(request_begun=3, request_sent=1, checkpoint_kept=1, verdict=1, settle_written=1)
TOOK_EFFECT = {"lost": {"how": "lost"}, "half": {"how": "half"}, "gateway-after": {"status": 502, "effect": True},
               "broke-after": {"error": 10011, "effect": True}}
NO_EFFECT = {"hang": {"how": "hang"}, "reset": {"how": "reset"}, "broke": {"status": 500}}
FAULTS = {**TOOK_EFFECT, **NO_EFFECT}


@pytest.fixture
def fleet(county):
    with contextlib.ExitStack() as stack:
        def make(names):
            one = county()

            def settings(account, name):
                account.repeat_seconds = account.similar_seconds = 0  # Weibo's own look at what is posted twice must not be what saves us
                secret = one.folder / f"{name}.secret"
                secret.write_text(f"app_secret = {account.app_secret}\naccess_token = {account.grant()}\n")
                secret.chmod(0o600)
                return {"driver": "weibo", "carrier": "政府网站", "after": "portal", "address": account.url, "app_key": account.app_key,
                        "safe_domain": "tengchong.gov.cn", "rip": "39.130.1.1", "secret_file": secret, "timeout": "3s", "lease": "3s",
                        "retry": "50ms, 100ms, 200ms*100", "breaker": "0", "appears": "1s"}
            one.channel("portal", driver="site", carrier="政府网站", title="示例网站", root=one.folder / "www",
                        address="https://www.tengchong.gov.cn")
            made = Fleet(one, {name: stack.enter_context(Weibo()) for name in names}, settings)
            one.start_all(["portal"])
            return made
        yield make


def look(fleet, begins, n_ever):
    for name, account in fleet.accounts.items():
        with account.lock:
            seen = [p.text for p in account.posts if not p.deleted]
            assert len(seen) == len(begins) and all(map(str.startswith, seen, begins)), f"{name}: {seen}"
            assert len(account.posts) == n_ever, f"{name}: one that was taken down again"


def test_wherever_it_dies_one_post_stands_and_a_withdrawal_leaves_none(fleet):
    here = fleet([f"w{n}" for n in range(max(map(len, (PUBLISH, REVISE, TAKE_DOWN))))])
    here.die_at(PUBLISH, publish(title="停水通告", summary="明日停水。"))
    look(here, ["【停水通告】明日"], 1)
    here.die_at(REVISE, publish(title="停水通告", summary="改为后日，原通告作废。"), revision=2)
    look(here, ["【停水通告】改为"], 2)
    here.die_at(TAKE_DOWN, withdraw(), state="withdrawn")
    look(here, [], 2)
    here.county.ask(publish(document="doc-2", title="停电通告"))
    here.settle("doc-2")
    here.die_at(TAKE_DOWN, withdraw(document="doc-2", mode="erase", reason_code="personal"), state="withdrawn")
    look(here, [], 3)


def test_whatever_answer_is_lost_one_post_stands_and_a_withdrawal_leaves_none(fleet):
    here = fleet(FAULTS)
    here.start()

    def deed(path, event, **settled):
        troubles = [account.trouble(path, **FAULTS[name]) for name, account in here.accounts.items()]
        here.county.ask(event)
        here.settle(event["data"]["document"], **settled)
        assert [t.hit for t in troubles] == [1] * len(troubles), "each of them took place"

    deed(SHARE, publish(title="停水通告", summary="明日停水。"))
    look(here, ["【停水通告】明日"], 1)
    assert states(here.county).count("uncertain") >= len(FAULTS)
    for name, account in here.accounts.items():
        paths = [r.path for r in account.calls()]
        assert paths.count(SHARE) == (1 if name in TOOK_EFFECT else 2), name
        assert paths.index(SHARE) < paths.index(TIMELINE), f"{name}: looked for, and only then posted again"
        if name in NO_EFFECT:
            first, again = account.calls(SHARE)
            assert paths.index(TIMELINE) < len(paths) - 1 - paths[::-1].index(SHARE) and again.at - first.at > 1, name
    deed(SHARE, publish(title="停水通告", summary="改为后日，原通告作废。"), revision=2)
    look(here, ["【停水通告】改为"], 2)
    deed(DESTROY, publish(title="停水通告", summary="取消，照常供水，不停了。"), revision=3)
    look(here, ["【停水通告】取消"], 3)
    deed(DESTROY, withdraw(), state="withdrawn")
    look(here, [], 3)
    here.county.ask(publish(document="doc-2", title="停电通告"))
    here.settle("doc-2")
    deed(DESTROY, withdraw(document="doc-2", mode="erase", reason_code="personal"), state="withdrawn")
    look(here, [], 4)
