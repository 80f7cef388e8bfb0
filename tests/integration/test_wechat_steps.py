"""The wechat channel dies between each pair of its steps, and loses each answer: what stands is there once."""
import contextlib

import pytest

from county import publish, withdraw
from socialkit import JPG, Wechat
from steps import Fleet, aims_of

STABLE, MATERIAL, DRAFT = "/cgi-bin/stable_token", "/cgi-bin/material/add_material", "/cgi-bin/draft/add"
SUBMIT, GET, DELETE = "/cgi-bin/freepublish/submit", "/cgi-bin/freepublish/get", "/cgi-bin/freepublish/delete"

# How often a deed comes by each point: "request-begun" is before each request and each look into the book.
PUBLISH = aims_of(request_begun=15, request_sent=5, checkpoint_kept=1, verdict=2, settle_written=2)
REVISE = aims_of(request_begun=16, request_sent=5, checkpoint_kept=1, verdict=2, settle_written=2)
TAKE_DOWN = aims_of(request_begun=5, request_sent=2, verdict=1, settle_written=1)
FAULTS = {"lost": {"how": "lost"}, "reset": {"how": "reset"}, "half": {"how": "half"}, "gateway": {"status": 502},
          "gateway-after": {"status": 502, "effect": True}, "busy-after": {"error": -1, "effect": True}}


@pytest.fixture
def fleet(county):
    with contextlib.ExitStack() as stack:
        def make(names):
            one = county()
            (one.folder / "cover.jpg").write_bytes(JPG)

            def settings(account, name):
                key = one.folder / f"{name}.key"
                key.write_text(f"appsecret = {account.secret}\n")
                key.chmod(0o600)
                return {"driver": "wechat", "carrier": "政府网站", "appid": account.appid, "api": account.url, "cover": "cover.jpg",
                        "secret_file": key, "timeout": "5s", "late_effect": "300ms", "unclear": "300ms", "poll": "2s",
                        "retry": "0, 100ms*40, 1h", "breaker": "0", "lease": "3s"}
            made = Fleet(one, {name: stack.enter_context(Wechat()) for name in names}, settings)
            one.start_all()
            return made
        yield make


def look(fleet, titles, n_ever):
    for name, account in fleet.accounts.items():
        with account.lock:
            standing = sorted(a.fields["title"] for a in account.articles.values() if not a.deleted)
            assert standing == sorted(titles), name
            assert len(account.articles) == n_ever, f"{name}: one that was taken down again"


def test_wherever_it_dies_one_article_stands_and_a_withdrawal_leaves_none(fleet):
    here = fleet([f"w{n}" for n in range(max(map(len, (PUBLISH, REVISE, TAKE_DOWN))))])
    here.die_at(PUBLISH, publish(title="停气通知"))
    look(here, ["停气通知"], 1)
    here.die_at(REVISE, publish(title="停气通知", body="改为后日。"), revision=2)
    look(here, ["停气通知"], 2)
    here.die_at(TAKE_DOWN, withdraw(), state="withdrawn")
    look(here, [], 2)
    here.county.ask(publish(document="doc-2", title="停电通知"))
    here.settle("doc-2")
    here.die_at(TAKE_DOWN, withdraw(document="doc-2", mode="erase", reason_code="personal"), state="withdrawn")
    look(here, [], 3)


def test_whatever_answer_is_lost_one_article_stands_and_a_withdrawal_leaves_none(fleet):
    here = fleet(FAULTS)
    here.start()

    def deed(paths, event, **settled):
        troubles = []
        for name, account in here.accounts.items():
            if STABLE in paths and account.stable:
                account.expire_token()
            troubles += [account.trouble(path, **FAULTS[name]) for path in paths]
        here.county.ask(event)
        here.settle(event["data"]["document"], **settled)
        assert [t.hit for t in troubles] == [1] * len(troubles), "each of them took place"

    for n, paths in enumerate([(STABLE, MATERIAL), (DRAFT,), (SUBMIT,), (GET,)]):
        deed(paths, publish(document=f"doc-{n}", title=f"第{n}号公告"))
    look(here, [f"第{n}号公告" for n in range(4)], 4)
    for n, paths in enumerate([(STABLE, DRAFT), (SUBMIT,), (GET,), (DELETE,)]):
        deed(paths, publish(document=f"doc-{n}", title=f"第{n}号公告", body="第二版。"), revision=2)
    look(here, [f"第{n}号公告" for n in range(4)], 8)
    # WeChat's ten deletions of the day: five by now, two by each of these.
    deed((STABLE, DELETE), withdraw(document="doc-0"), state="withdrawn")
    deed((DELETE,), withdraw(document="doc-1", mode="erase", reason_code="personal"), state="withdrawn")
    look(here, ["第2号公告", "第3号公告"], 8)
