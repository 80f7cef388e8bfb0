"""gongkai-consoled: what people see of a real county, and who may ask."""
import json
import re
import signal
import subprocess
import urllib.parse

import pytest

from consolekit import make
from county import PROGRAMS, publish, wait_until, withdraw
from ledgerkit import caught_up, rows

SECRET_TITLE = "张三的低保审批"


@pytest.fixture
def county_with_console(county):
    def begin(config=""):
        one = make(county, config)
        one.channel("portal", driver="discard", carrier="政府网站", title="门户<b>网站</b>")
        one.channel("hook", driver="webhook", carrier="政府网站", title="部门接口", url="http://127.0.0.1:9/x", retry="0, 50ms",
                    breaker="0")
        one.start_redis()
        one.start_publisherd()
        one.start_ledgerd()
        one.start_channel("portal")
        one.start_channel("hook")
        one.ready()
        one.console.start()
        return one
    return begin


def cards(county):
    return rows_of(county, "SELECT document, state, title, revision FROM card ORDER BY id")


def rows_of(county, sql):
    import sqlite3
    path = county.folder / "state" / "console" / "cards.db"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def of_document(name):
    return "/document/530581/" + urllib.parse.quote(name)


def test_the_overview_says_what_needs_a_person(county_with_console):
    one = county_with_console()
    assert one.ask(publish("doc-1", title="关于<script>alert(1)</script>的通告"))["status"] == "accepted"
    one.shown("doc-1", "portal")
    assert one.ask(publish("held-1", title=SECRET_TITLE, body="手机13800138000"))["status"] == "held"
    assert one.ask(publish("bad-1", item="nix.9"))["status"] == "rejected"
    page = one.console.shows("/", "等人放行", "发不出去", "dead-letters", "gongkaictl dead list", "退回 1")
    # The channel's own title is no mark-up, and neither is anything else.
    assert "门户&lt;b&gt;网站&lt;/b&gt;" in page and "<b>网站" not in page and "<script>alert" not in page
    assert page.count("<svg class=\"sparkline\"") == 2
    english = one.console.page("/?lang=en")
    assert '<html lang="en">' in english and "For a person to do" in english and "/channels?lang=en" in english
    assert "等人放行" not in english.split("<main")[1].replace("部门", "")


def test_a_document_is_found_and_shows_its_way(county_with_console):
    one = county_with_console()
    name = "县〔2026〕1/2 号?#&\"<x>"
    one.ask(publish(name, title="关于征收集体土地的公告", number="腾政发〔2026〕12号"))
    one.ask(publish("doc-2", title="关于公布预算的通告", number="腾财〔2026〕7号"))
    one.shown(name, "portal")
    one.ask(publish(name, title="关于征收集体土地的公告（修订）", number="腾政发〔2026〕12号"))
    one.shown(name, "portal", revision=2)
    one.ask(withdraw("doc-2"))
    caught_up(one)
    for typed, found in (("征收", True), ("集体土地", True), ("政发〔2026〕12号", True), ("腾冲市人民政府", True), ("征收 2026", True),
                         ("预算", False), ("公告征收", False)):
        page = one.console.shows("/documents?q=" + urllib.parse.quote(typed))
        if found:
            page = one.console.shows("/documents?q=" + urllib.parse.quote(typed), "征收集体土地的公告（修订）")
        assert ("征收集体土地的公告（修订）" in page) == found, typed
    assert "请至少写两个字" in one.console.page("/documents?q=" + urllib.parse.quote("征"))
    assert "征收集体土地" not in one.console.shows("/documents?state=withdrawn", "关于公布预算的通告")
    assert "没有找到" in one.console.page("/documents?from=2020-01-01&to=2020-12-31")
    # The link that the list has leads to the document, whatever is in its name.
    link = re.search(r'href="(/document/530581/[^"]*)"[^>]*>关于征收', one.console.page("/documents?q=" + urllib.parse.quote("征收")))[1]
    assert link == of_document(name)
    page = one.console.shows(link, "部门接口", "已发布", "收下", "版次 2", "urn:gongkai:530581:oa", "发不出去")
    assert "县〔2026〕1/2 号?#&amp;&quot;&lt;x&gt;" in page and "<x>" not in page
    history = page.split('<ol class="history">')[1]
    assert history.index("收下") < history.index("已发布")


def test_lists_are_paged_by_key(county_with_console):
    one = county_with_console()
    for start in range(0, 120, 40):
        replies = one.ask([publish(f"doc-{i:03}", title=f"第{i:03}号通告") for i in range(start, start + 40)])
        assert {reply["status"] for reply in replies} == {"accepted"}
    caught_up(one)
    one.console.shows("/documents", "第119号通告")
    seen, path = [], "/documents?lang=en"
    while path:
        page = one.console.page(path)
        seen += re.findall(r">第(\d+)号通告<", page)
        found = re.search(r'href="([^"]+)" rel="next"', page)
        path = found and found[1].replace("&amp;", "&")
        assert not path or "before=" in path and "lang=en" in path
    assert seen == [f"{i:03}" for i in reversed(range(120))]
    wait_until(lambda: rows(one, "SELECT count(*) FROM trouble WHERE state = 'dead'")[0][0] == 120, what="all are dead on hook")
    seen, path = [], "/trouble?state=dead&channel=hook"
    while path:
        page = one.console.page(path)
        seen += re.findall(r"<small>doc-(\d+)</small>", page)
        found = re.search(r'href="([^"]+)" rel="next"', page)
        path = found and found[1].replace("&amp;", "&")
    assert sorted(seen) == [f"{i:03}" for i in range(120)]


def test_what_nobody_may_read_is_not_there(county_with_console):
    """Held, erased, not for the public: no title on any page, and none in the index."""
    one = county_with_console()
    one.ask(publish("held-1", title=SECRET_TITLE, body="手机13800138000"))
    one.ask(publish("closed-1", title=SECRET_TITLE + "甲", openness="closed"))
    one.ask(publish("erased-1", title=SECRET_TITLE + "乙"))
    one.shown("erased-1", "portal")
    one.console.shows("/documents", SECRET_TITLE + "乙")
    one.ask(withdraw("erased-1", mode="erase", reason_code="personal"))
    caught_up(one)
    wait_until(lambda: dict((c[0], c[1]) for c in cards(one)) == {"held-1": "held", "closed-1": "closed", "erased-1": "withdrawn"},
               what="the cards")
    for path in ("/", "/documents", "/held", "/trouble", "/channels/hook", of_document("held-1"), of_document("closed-1"),
                 of_document("erased-1"), "/documents?q=" + urllib.parse.quote("低保")):
        assert "低保" not in one.console.page(path).replace('value="低保"', "").replace("q=%E4%BD%8E%E4%BF%9D", ""), path
    event = one.ctl_json("held", "list")[0]["event"]
    assert f"gongkaictl held show {event}" in one.console.page("/held")
    assert not any("低保" in str(row) for row in cards(one))
    one.ctl("held", "reject", event, "--reason", "内容不宜公开")
    wait_until(lambda: ("held-1", "refused") in [c[:2] for c in cards(one)], what="the refusal is on its card")


def test_who_asks_by_another_name_is_refused(county_with_console):
    one = county_with_console("hosts = gongkai.example.gov.cn")
    for host, status in (("evil.example", 421), (f"127.0.0.1.evil.example:{one.console.port}", 421), (f"localhost:{one.console.port}", 200),
                         ("gongkai.example.gov.cn", 200)):
        reply = one.console.get("/", Host=host)
        assert reply.status == status, host
        assert (one.console.get("/metrics", Host=host).status, one.console.get("/assets/console.js", Host=host).status) == (status, status)
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert one.console.get("/", method=method).status == 405
    head = one.console.get("/", method="HEAD")
    assert head.status == 200 and head.text == ""
    policy = head.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert head.headers["Set-Cookie"] is None and head.headers["X-Content-Type-Options"] == "nosniff"
    assert head.headers["Cache-Control"] == "no-store"
    for path in ("/nix", "/document", "/document/530581", "/document/530581/nix", "/channels/nix", "/held/x", "/documents/x", "/%ff", "/../etc",
                 "/document/530581/%00", "/trouble/x"):
        assert one.console.get(path).status in (400, 404), path
    # Nothing of ours comes from elsewhere, and no page has a script or a style within.
    for path in ("/", "/documents", "/channels", "/channels/hook", "/trouble", "/alarms", "/held", "/rejected", "/nix"):
        page = one.console.get(path).text
        assert not re.search(r'(src|href)="(https?:)?//', page.replace('href="http://127.0.0.1', "")), path
        assert not re.search(r"<style|style=|\son\w+=|<script(?! src=\"/assets/console.js\" defer></script>)", page), path


def test_it_stands_while_everything_else_is_away(county_with_console):
    one = county_with_console()
    one.ask(publish("doc-1", title="关于道路施工的通告"))
    one.shown("doc-1", "portal")
    one.console.shows("/documents", "关于道路施工的通告")
    one.stop("publisherd")
    one.kill("redis")
    one.console.shows("/", "连不上 Redis", "gongkai-publisherd 没有答复")
    page = one.console.page(of_document("doc-1"))
    assert "存储没有答复" in page and "已发布" in page
    assert "gongkai-publisherd 没有答复" in one.console.page("/held")
    assert one.console.metrics()["gongkai_store_up"].samples == {("", ()): 0}
    one.start_redis()
    one.start_publisherd()
    one.console.shows("/", "每次写入都落盘", "启动以来收下")


def test_the_index_is_made_anew_when_the_ledger_is_another(county_with_console):
    one = county_with_console()
    one.ask(publish("doc-1", title="第一份通告"))
    one.shown("doc-1", "portal")
    one.console.shows("/documents", "第一份通告")
    one.stop("consoled")
    (one.folder / "state" / "console" / "cards.db").write_bytes(b"no database at all" * 100)
    one.console.start()
    one.console.shows("/documents", "第一份通告")
    before = one.console.metrics()["gongkai_events"].samples
    one.kill("consoled", signal.SIGKILL)
    one.ask(publish("doc-2", title="第二份通告"))
    one.shown("doc-2", "portal")
    one.console.start()
    one.console.shows("/documents", "第一份通告", "第二份通告")
    # Counted once, however often it was ended.
    wait_until(lambda: one.console.metrics()["gongkai_events"].samples ==
               {key: n + 1 if ("outcome", "accepted") in key[1] else n for key, n in before.items()}, what="each event once")
    one.stop("consoled")
    one.stop("ledgerd")
    ledger = one.folder / "state" / "ledger.db"
    subprocess.run(["sqlite3", str(ledger), "PRAGMA wal_checkpoint(TRUNCATE)"], check=False)
    import sqlite3
    with sqlite3.connect(ledger) as writer:
        writer.execute("UPDATE entry SET hash = zeroblob(32) WHERE seq = (SELECT max(seq) FROM entry)")
    one.console.start()
    one.console.shows("/documents", "第二份通告")
    assert "不是索引" in one.log("consoled") and "从头重建" in one.log("consoled")


def test_a_reload_brings_new_channels_and_keeps_the_old_configuration_when_it_is_wrong(county_with_console):
    one = county_with_console()
    assert "新渠道" not in one.console.page("/channels")
    one.channel("new", driver="discard", carrier="政府网站", title="新渠道")
    one.processes["consoled"].send_signal(signal.SIGHUP)
    one.console.shows("/channels", "新渠道")
    one.conf.write_text(one.conf.read_text() + "\n[consol]\nx = y\n")
    one.processes["consoled"].send_signal(signal.SIGHUP)
    wait_until(lambda: "[consol]" in one.log("consoled"), what="it says what is wrong")
    one.console.shows("/channels", "新渠道")


@pytest.mark.parametrize("listen", ["0.0.0.0:5580", "10.0.0.1:5580", "[::]:5580", "5580", "localhost:x"])
def test_it_listens_on_this_machine_alone(county, listen):
    one = county(config=f"[console]\nlisten = {listen}")
    run = subprocess.run([PROGRAMS / "gongkai-consoled", "--config", one.conf, "--check"], capture_output=True, text=True,
                         env={"LANG": "zh_CN.UTF-8"})
    assert run.returncode == 1 and listen in run.stderr and "反向代理" in run.stderr


def test_the_check_says_that_all_is_well(county):
    one = make(county)
    run = subprocess.run([PROGRAMS / "gongkai-consoled", "--config", one.conf, "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_rejected_events_show_codes_and_no_content(county_with_console):
    one = county_with_console()
    one.ask(publish("bad-1", item="nix.9", title=SECRET_TITLE))
    page = one.console.shows("/rejected", "unknown_item", "bad-1")
    assert "低保" not in page and json.dumps(SECRET_TITLE) not in page
