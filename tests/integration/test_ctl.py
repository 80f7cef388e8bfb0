"""gongkaictl, as an operator at three in the morning and a channel admin use it."""
import json
import os
import re
import stat

import pytest

from county import publish, query, wait_until, withdraw

REGION = "530581"
SECRET = "根据有关规定，本件为机密★五年，限于内部掌握。"


@pytest.fixture
def one(county):
    made = county()
    made.channel("bin", driver="discard", carrier="政府网站, 社区/企事业单位/村公示栏（电子屏）", title="丢弃")
    return made.start_all(["bin"])


def test_status_tells_regions_and_channels(one):
    one.ask(publish())
    one.shown("doc-1", "bin")
    text = one.ctl("status")
    assert "530581 腾冲市：正常" in text and re.search(r"bin +丢弃 +discard +0 +0", text)
    status = one.ctl_json("status")
    assert status["accepted"] == 1 and status["rows"][0]["ready"] is True
    assert status["rows"][0]["channels"][0]["channel"] == "bin"


def test_english_where_the_shell_is_english(one):
    assert "publisher" in one.ctl("status", language="en_US.UTF-8")


def test_a_document_is_listed_shown_and_has_a_history(one):
    one.ask(publish(document="开发改投资〔2026〕67号", title="一号"))
    one.shown("开发改投资〔2026〕67号", "bin")
    assert "开发改投资〔2026〕67号" in one.ctl("document", "list")
    shown = one.ctl_json("document", "show", "开发改投资〔2026〕67号")
    assert (shown["revision"], shown["state"], shown["owner"]) == (1, "published", "urn:gongkai:530581:oa")
    assert shown["channels"][0]["state"] == "published"
    history = one.ctl_json("document", "history", "开发改投资〔2026〕67号")
    assert [row["state"] for row in history] == ["accepted", "published"]
    assert "没有这份文件" in _error(one, 1, "document", "show", "没有的")


def test_the_newest_documents_of_all_regions_are_listed(county):
    one = county(regions=("530581 腾冲市", "530626 绥江县"))
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    for i in range(6):
        region = ("530581", "530626")[i % 2]
        one.ask(publish(document=f"d{i}", title=f"第{i}件", source=f"urn:gongkai:{region}:oa"))
    rows = one.ctl_json("document", "list", "--limit", 3)
    assert [(r["document"], r["region"]) for r in rows] == [("d5", "530626"), ("d4", "530581"), ("d3", "530626")]


def _error(one, code, *arguments):
    import subprocess
    from county import PROGRAMS
    run = subprocess.run([PROGRAMS / "gongkaictl", "--config", one.conf, *map(str, arguments)], capture_output=True,
                         text=True, env=dict(os.environ, LANG="zh_CN.UTF-8"), timeout=60)
    assert run.returncode == code, (run.returncode, run.stdout, run.stderr)
    return run.stderr


def test_an_operator_withdraws_and_it_is_told_who_did_it(one):
    one.ask(publish())
    one.shown("doc-1", "bin")
    assert "请用 --reason" in _error(one, 64, "document", "withdraw", "doc-1")
    assert "已登记撤回" in one.ctl("document", "withdraw", "doc-1", "--reason", "有误")
    one.shown("doc-1", "bin", state="withdrawn")
    wait_until(lambda: "document withdraw 530581 doc-1" in one.log("publisherd"), what="the log says who")
    assert re.search(r"root\(0\) 执行了|\w+\(\d+\) 执行了", one.log("publisherd"))
    assert "没有撤回" in _error(one, 1, "document", "withdraw", "doc-1", "--reason", "有误")
    erased = one.ctl_json("document", "withdraw", "doc-1", "--reason", "个人信息", "--erase", "--reason-code", "personal")
    assert erased["status"] == "accepted"


def test_a_held_event_is_seen_and_released_or_rejected(one):
    held = one.ask(publish(document="held-1", body=SECRET))
    assert held["status"] == "held"
    rows = one.ctl_json("held", "list")
    assert [(r["event"], r["document"], r["reasons"]) for r in rows] == [(held["event"], "held-1", "secrecy_mark")]
    assert SECRET in one.ctl("held", "show", held["event"])
    assert "请用 --reason" in _error(one, 1, "held", "release", held["event"])
    assert "已放行" in one.ctl("held", "release", held["event"], "--reason", "已审查")
    one.shown("held-1", "bin")
    second = one.ask(publish(document="held-2", body=SECRET))
    assert "已退回" in one.ctl("held", "reject", second["event"], "--reason", "涉密")
    assert one.ctl_json("held", "list") == []
    assert [r["state"] for r in one.ctl_json("document", "history", "held-2")] == ["held", "refused"]
    assert "没有编号为" in _error(one, 1, "held", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV")


def test_stop_holds_what_is_new_and_lets_withdrawals_go(one):
    one.ask(publish(document="shown"))
    one.shown("shown", "bin")
    assert "已停发" in one.ctl("stop", "--reason", "演练")
    assert one.ask(publish(document="waits"))["status"] == "accepted"
    assert one.ask(withdraw("shown"))["status"] == "accepted"
    one.shown("shown", "bin", state="withdrawn")
    assert one.ask(query("waits"))["channels"][0]["state"] == "waiting"
    assert "演练" in one.ctl("status", code=1)
    one.ctl("start")
    one.shown("waits", "bin")


def test_a_paused_channel_holds_everything_and_goes_on(one):
    assert "已暂停" in one.ctl("channel", "pause", "bin", "--reason", "换账号")
    one.ask(publish(document="waits"))
    wait_until(lambda: "换账号" in one.log("channeld-bin"), what="the channel says that it is paused")
    assert one.ask(query("waits"))["channels"][0]["state"] == "waiting"
    assert "换账号" in one.ctl("channel", "list")
    one.ctl("channel", "resume", "bin")
    one.shown("waits", "bin")
    assert "执行了：channel pause bin" in one.log("publisherd") and "执行了：channel resume bin" in one.log("publisherd")
    assert "没有叫" in _error(one, 1, "channel", "pause", "none")


def test_the_configuration_is_checked_with_file_and_line(one):
    assert "没有问题" in one.ctl("config", "check")
    one.channel("bin", driver="discard", carrier="政府网站", tiemout="5s")
    assert re.search(r"bin\.conf:3: 不认识的设置“tiemout”，是不是“timeout”", _error(one, 1, "config", "check"))


def test_a_channel_is_tried(one):
    assert "可用" in one.ctl("channel", "test", "bin")
    assert "没有渠道" in _error(one, 1, "channel", "test", "none")


def test_keys_are_made_listed_and_revoked(one):
    key = one.folder / "tax.key"
    one.ctl("key", "new", "tax", "--source", "urn:gongkai:530581:tax", "--region", REGION, "--out", key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    text = key.read_text()
    public = re.search(r"public = (\S{40})", text).group(1)
    assert re.search(r"secret = \S{40}", text)
    assert f"key = {public}" in (one.folder / "emitters.d" / "tax.conf").read_text()
    assert [(r["emitter"], r["key"]) for r in one.ctl_json("key", "list")] == [("tax", public)]
    assert "写不了" in _error(one, 1, "key", "new", "tax", "--source", "urn:gongkai:530581:tax", "--out", key)
    assert key.read_text() == text  # a key in use is never overwritten
    one.ctl("key", "revoke", "tax")
    assert one.ctl_json("key", "list") == []
    server = one.folder / "server.key"
    assert re.search(r"\S{40}", one.ctl("key", "new", "--server", "--out", server))
    assert stat.S_IMODE(server.stat().st_mode) == 0o600


def test_without_the_daemon_it_says_so(one):
    one.stop("publisherd")
    assert "没有答复" in _error(one, 3, "status")


def test_a_wrong_command_shows_the_help(one):
    assert "用法" in _error(one, 64, "dokument", "list")
    assert "gongkaictl 0." in one.ctl("--version")
    assert "document list" in one.ctl("--help")


def test_a_number_that_is_none_is_a_wrong_word(one):
    for option in ("--limit", "--since"):
        for value in ("abc", "-1", "7x", ""):
            assert option in _error(one, 64, "document", "list", option, value)


def test_alarms_that_cannot_be_read_are_no_good_news(one):
    folder = one.folder / "state" / "alarms"
    if folder.exists():
        folder.rename(one.folder / "state" / "alarms.away")
    folder.write_text("")
    assert "警报" in _error(one, 1, "status")


def test_json_is_json_everywhere(one):
    one.ask(publish())
    for command in (["status"], ["document", "list"], ["document", "show", "doc-1"], ["document", "history", "doc-1"],
                    ["held", "list"], ["channel", "list"], ["key", "list"]):
        json.loads(one.ctl(*command, "--json"))


def test_a_mistake_in_one_channels_file_stops_no_other(one):
    one.channel("other", driver="discard", carrier="政府网站", tiemout="5s")
    one.stop("channeld-bin")
    one.start_channel("bin")
    one.ask(publish())
    one.shown("doc-1", "bin")
    assert "tiemout" in one.log("channeld-bin")


def test_a_wrong_row_of_the_catalogue_stops_only_the_check(one):
    path = one.folder / "catalogue" / "extra.csv"
    head = (one.folder / "catalogue" / "pilot.csv").read_text().splitlines()[0]
    path.write_text(head + "\nxx.0101,某领域,1,某事项,,,,,,,,,,,\n")
    assert "extra.csv:2" in _error(one, 1, "config", "check")
    one.stop("publisherd")
    one.start_publisherd()
    one.ready()
    assert "extra.csv:2" in one.log("publisherd")
