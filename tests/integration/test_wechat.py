"""The wechat channel from the door to a strict account: what a citizen sees is what stands there, once."""

import pytest

from county import attachment, free_port, now, publish, query, wait_until, withdraw
from hookkit import is_quiet
from test_reload import hup
from socialkit import JPG, PNG, Wechat

TOKEN, AES_KEY = "gongkaitoken", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
SUBMIT, DRAFT, GET = "/cgi-bin/freepublish/submit", "/cgi-bin/draft/add", "/cgi-bin/freepublish/get"
LIST, DELETE, STABLE = "/cgi-bin/freepublish/batchget", "/cgi-bin/freepublish/delete", "/cgi-bin/stable_token"
SENDALL = "/cgi-bin/message/mass/sendall"


@pytest.fixture
def account():
    with Wechat() as one:
        yield one


@pytest.fixture
def office(county, account):
    """A county with the channel wechat; `start=False` leaves the channel to the test."""
    def make(start=True, **more):
        one = county()
        (one.folder / "cover.jpg").write_bytes(JPG)
        key = one.folder / "wechat.key"
        key.write_text(f"appsecret = {account.secret}\ntoken = {TOKEN}\n" + (f"aes_key = {AES_KEY}\n" if more.pop("safe", False) else ""))
        key.chmod(0o600)
        settings = {"driver": "wechat", "carrier": "政府网站", "appid": account.appid, "api": account.url, "cover": "cover.jpg",
                    "secret_file": key, "timeout": "2s", "late_effect": "300ms", "unclear": "300ms", "poll": "200ms",
                    "retry": "0, 100ms*20, 1h", "breaker": "0"}
        one.channel("wechat", **{**settings, **more})
        one.start_all(["wechat"] if start else [])
        return one
    return make


def standing(account):
    with account.lock:
        return [a for a in account.articles.values() if not a.deleted and not a.blocked]


def titles(account):
    return [a.fields["title"] for a in standing(account)]


def state_of(county, document="doc-1"):
    return next((c for c in county.ask(query(document)).get("channels", []) if c["channel"] == "wechat"), {})


# ---- the whole way ----

def test_a_notice_is_published_revised_withdrawn_and_erased(office, account):
    county = office()
    county.ask(publish(title="停水通知", body="11月23日停水。"))
    shown = county.shown("doc-1", "wechat", revision=1)
    article, = standing(account)
    assert shown["url"] == article.url and shown["reference"]
    assert article.fields["title"] == "停水通知" and "11月23日停水。" in article.fields["content"]
    assert article.fields["author"] == "腾冲市人民政府办公室"

    county.ask(publish(title="停水通知", body="改为11月24日停水。", correction={"note": "日期有误"}))
    second = county.shown("doc-1", "wechat", revision=2)
    article, = standing(account)
    assert "11月24日" in article.fields["content"] and "日期有误" in article.fields["content"]
    assert second["reference"] != shown["reference"]

    county.ask(withdraw())
    county.shown("doc-1", "wechat", state="withdrawn")
    assert standing(account) == []
    county.ask(publish(title="停水通知", body="第三版。"))
    county.shown("doc-1", "wechat", revision=3)
    county.ask(withdraw(mode="erase", reason_code="personal"))
    county.shown("doc-1", "wechat", state="withdrawn", revision=3)
    assert standing(account) == []
    assert not account.drafts
    assert len(account.calls(STABLE)) == 1
    assert len(account.calls(DELETE)) == 3


def test_pictures_go_up_once_and_the_cover_is_the_documents_own(office, account):
    county = office()
    for n in (1, 2):
        body = {"format": "markdown", "content": "图：![平面图](attachment:plan.png)"}
        county.ask(publish(document=f"doc-{n}", title=f"第{n}号规划公示", **{
            "body": "x", "attachments": [attachment("plan.png", PNG, "image/png", role="inline"), attachment("c.jpg", JPG, "image/jpeg", role="cover")]})
            | {"data": publish(document=f"doc-{n}", title=f"第{n}号规划公示")["data"] | {
                "body": body, "attachments": [attachment("plan.png", PNG, "image/png", role="inline"),
                                              attachment("c.jpg", JPG, "image/jpeg", role="cover")]}}, [PNG, JPG])
        county.shown(f"doc-{n}", "wechat")
    assert len(account.calls("/cgi-bin/media/uploadimg")) == 1
    assert len(account.calls("/cgi-bin/material/add_material")) == 1
    for article in standing(account):
        assert f'<img src="{account.url}/mmbiz_png/' in article.fields["content"]


def test_pictures_that_an_endpoint_does_not_take_are_named_and_the_rest_goes_out(office, account):
    """In a text less than 1 MB, as a cover up to 10 MB."""
    def picture(n):
        return PNG + b"x" * (n - len(PNG))
    files = [("小.png", picture((1 << 20) - 1), "inline"), ("大.png", picture(1 << 20), "inline"), ("封面.png", picture(3 << 20), "cover")]
    county = office()
    county.ask(publish(title="规划公示", attachments=[attachment(name, data, "image/png", role=role) for name, data, role in files],
                       **{"body": ""}) | {"data": publish(title="规划公示")["data"] | {
                           "body": {"format": "markdown", "content": "".join(f"![{name}](attachment:{name})\n\n" for name, _, _ in files[:2])},
                           "attachments": [attachment(name, data, "image/png", role=role) for name, data, role in files]}},
               [data for _, data, _ in files], timeout=30)
    county.shown("doc-1", "wechat")
    article, = standing(account)
    content = article.fields["content"]
    assert content.count("<img ") == 1 and "附件：" in content and "大.png（1.0 MB）" in content and "小.png（" not in content
    assert [len(m.data) for m in account.store.materials.values()] == [3 << 20], "the cover is the document's own"
    assert len(account.calls("/cgi-bin/media/uploadimg")) == 1


@pytest.mark.parametrize("on_end, titles_then", [("mark", ["公示"]), ("remove", [])])
def test_at_the_end_of_its_time_an_article_is_marked_or_taken_down(office, account, on_end, titles_then):
    county = office(on_end=on_end)
    county.ask(publish(title="公示", show_until=now(seconds=3)))
    first = county.shown("doc-1", "wechat")
    assert "公示已结束" not in standing(account)[0].fields["content"]
    wait_until(lambda: titles(account) == titles_then and all("公示已结束" in a.fields["content"] for a in standing(account)), 20)
    wait_until(lambda: is_quiet(county, "wechat"), 20, "nothing is left to do")
    assert len(account.calls(DELETE)) == 1
    if on_end == "mark":
        assert standing(account)[0].url == county.shown("doc-1", "wechat", state="ended")["url"] != first["url"]
        county.ask(withdraw())
        county.shown("doc-1", "wechat", state="withdrawn")
        assert standing(account) == []


# ---- results ----

@pytest.mark.parametrize("safe", [False, True], ids=["plain", "aes"])
def test_a_call_of_the_platform_brings_the_result_at_once(office, account, safe):
    port = free_port()
    county = office(poll="1h", listen=f"127.0.0.1:{port}", safe=safe)
    account.set_callback(f"http://127.0.0.1:{port}/wechat", TOKEN, AES_KEY if safe else None)
    assert account.verify_callback()
    account.publish_seconds = 1
    county.ask(publish())
    shown = county.shown("doc-1", "wechat")
    assert shown["url"] == standing(account)[0].url
    assert len(account.calls(GET)) == (0 if safe else 1)  # a plain call is a hint only
    assert {p["outcome"] for p in account.pushes} == {"taken"}


def test_a_stranger_at_the_callback_changes_nothing(office, account):
    port = free_port()
    county = office(poll="1h", listen=f"127.0.0.1:{port}", safe=True)
    account.set_callback(f"http://127.0.0.1:{port}/wechat", "another token")
    assert not account.verify_callback()
    wait_until(lambda: "没有通过验证" in county.log("channeld-wechat"))


def test_another_address_for_the_callback_needs_a_restart_and_the_old_one_stays(office, account):
    old, new = free_port(), free_port()
    county = office(listen=f"127.0.0.1:{old}", safe=True, poll="1h")
    path = county.folder / "channels.d" / "wechat.conf"
    path.write_text(path.read_text().replace(f":{old}", f":{new}"))
    assert hup(county, "wechat") == "新配置没有采用"
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if text.startswith("listen"))
    assert f"wechat.conf:{line}" in county.log("channeld-wechat") and f"127.0.0.1:{new}" in county.log("channeld-wechat")
    account.set_callback(f"http://127.0.0.1:{old}/wechat", TOKEN, AES_KEY)
    assert account.verify_callback()
    account.publish_seconds = 1
    county.ask(publish())
    county.shown("doc-1", "wechat")
    county.stop("channeld-wechat")
    county.start_channel("wechat")
    account.set_callback(f"http://127.0.0.1:{new}/wechat", TOKEN, AES_KEY)
    assert account.verify_callback()


def test_an_article_that_the_review_refuses_is_dead_with_the_reason(office, account):
    account.publish_results = [4]
    county = office()
    county.ask(publish())
    county.shown("doc-1", "wechat", state="dead")
    assert "审核不通过" in state_of(county)["error"]
    assert standing(account) == []
    county.ctl("dead", "replay", "doc-1", "wechat", "--reason", "审核意见已处理")
    county.shown("doc-1", "wechat")
    assert len(standing(account)) == 1


# ---- faults (each step's: test_wechat_steps.py) ----

def test_a_revision_overtakes_a_submission_that_was_not_answered(office, account):
    account.trouble(SUBMIT, "lost")
    county = office(unclear="1h", poll="1h", listen=f"127.0.0.1:{free_port()}")
    county.ask(publish(title="第一版"))
    wait_until(lambda: titles(account) == ["第一版"])
    county.ask(withdraw())
    county.shown("doc-1", "wechat", state="withdrawn")
    assert standing(account) == []


# ---- tokens, quotas, the account ----

def test_an_expired_token_is_renewed_once_for_all(office, account):
    county = office()
    county.ask(publish())
    county.shown("doc-1", "wechat")
    account.expire_token()
    county.ask([publish(document=f"doc-{n}") for n in range(2, 6)])
    for n in range(2, 6):
        county.shown(f"doc-{n}", "wechat")
    assert len(standing(account)) == 5
    assert len(account.calls(STABLE)) == 2


def test_what_waits_for_a_token_shares_its_failure_and_goes_on_with_the_next(office, account):
    account.trouble(STABLE, "hang")
    county = office(retry="0, 100ms*40, 1h", concurrency=4)
    county.ask([publish(document=f"doc-{n}", title=f"第{n}号公告") for n in range(4)])
    for n in range(4):
        county.shown(f"doc-{n}", "wechat")
    assert sorted(titles(account)) == [f"第{n}号公告" for n in range(4)] and len(account.articles) == 4
    assert len(account.calls(STABLE)) == 2, "one that was waited for in vain by all, and one for all"

    account.expire_token()
    account.trouble(STABLE, error=40125)
    county.ask([publish(document=f"doc-{n}", title=f"第{n}号公告") for n in range(4, 8)])
    paused = wait_until(lambda: next((c for c in county.ctl_json("channel", "list") if c["paused"]), None))
    assert "appsecret" in paused["paused"] and len(account.calls(STABLE)) == 3
    county.ctl("channel", "resume", "wechat")
    for n in range(4, 8):
        county.shown(f"doc-{n}", "wechat")
    assert len(standing(account)) == len(account.articles) == 8 and len(account.calls(STABLE)) == 4


def test_a_quota_that_is_used_up_waits_for_midnight_in_shanghai(office, account):
    account.use_up(SUBMIT)
    county = office()
    county.ask(publish())
    seen = wait_until(lambda: state_of(county).get("state") == "parked" and state_of(county), what="parked")
    assert seen["next"][11:16] == "00:00" and "45009" in seen["error"]
    assert standing(account) == []
    county.ask(withdraw())
    county.shown("doc-1", "wechat", state="withdrawn")
    assert not account.drafts


def test_an_address_that_is_not_on_the_list_is_named(office, account):
    account.allowed_ips = []
    county = office()
    county.ask(publish())
    channel = wait_until(lambda: next((c for c in county.ctl_json("channel", "list") if c["paused"]), None))
    assert "127.0.0.1" in channel["paused"] and "IP白名单" in channel["paused"]


def test_an_unknown_code_stops_the_channel(office, account):
    account.trouble(DRAFT, error=77777)
    county = office()
    county.ask(publish())
    channel = wait_until(lambda: next((c for c in county.ctl_json("channel", "list") if c["paused"]), None))
    assert "77777" in channel["paused"]
    assert len(account.calls(DRAFT)) == 1
    county.ctl("channel", "resume", "wechat")
    county.shown("doc-1", "wechat")


def test_a_channel_test_says_what_the_account_may_use(office, account):
    county = office()
    assert "发布：可以用" in county.ctl("channel", "test", "wechat")
    account.verified = False
    assert "48001" in county.ctl("channel", "test", "wechat", code=1)
    assert standing(account) == [] and not account.drafts


# ---- pushes ----

def test_a_first_publication_is_pushed_and_the_next_of_the_day_only_published(office, account):
    county = office(push="yes")
    county.ask(publish(title="群发的"))
    first = county.shown("doc-1", "wechat")
    assert first["reference"].startswith("mass:")
    county.ask(publish(document="doc-2", title="不群发的"))
    county.shown("doc-2", "wechat")
    assert sorted(a.way for a in standing(account)) == ["发布", "群发"]
    county.ask(withdraw())
    county.shown("doc-1", "wechat", state="withdrawn")
    assert titles(account) == ["不群发的"]


def test_a_push_without_an_answer_is_sent_once(office, account):
    account.mass_pace = 0
    account.trouble(SENDALL, "lost")
    county = office(push="yes")
    county.ask(publish(title="只发一次"))
    county.shown("doc-1", "wechat")
    assert titles(account) == ["只发一次"] and len(account.sends) == 1
