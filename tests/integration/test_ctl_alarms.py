"""gongkaictl: alarms, dead letters, channels; exit codes; what it says when little works."""
import json
import os
import pathlib
import re
import stat
import subprocess

import pytest

from county import PROGRAMS, TREE, publish, wait_until
from test_alarms import alarm
from test_ledger import rows


def run(one, *arguments, stdin=None, language="zh_CN.UTF-8"):
    return subprocess.run([PROGRAMS / "gongkaictl", "--config", one.conf, *map(str, arguments)], input=stdin,
                          capture_output=True, text=True, timeout=60, env=dict(os.environ, LANG=language))


@pytest.fixture
def sink():
    """A receiver whose answer can be changed."""
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.server.requests.append((dict(self.headers), json.loads(body)))
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.status = [], 410
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def one(county, sink):
    made = county()
    made.channel("hook", driver="webhook", carrier="政府网站", url=f"http://127.0.0.1:{sink.server_port}/in",
                 retry="100ms*3")
    made.start_all(["hook"])
    made.start_ledgerd()
    return made


# -- alarms


def test_alarms_are_listed_when_nothing_runs(county):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    assert "没有警报" in run(one, "alarm", "list").stdout
    one.start_all()
    one.redis().config_set("appendfsync", "everysec")
    wait_until(lambda: alarm(one, "store-settings", "redis"), 20, "it opens")
    one.stop("publisherd")
    one.kill("redis")
    listed = run(one, "alarm", "list")
    assert listed.returncode == 0 and "[严重] store-settings redis" in listed.stdout and "处理：" in listed.stdout
    assert "[critical] store-settings redis" in run(one, "alarm", "list", language="en_US.UTF-8").stdout
    assert json.loads(run(one, "alarm", "list", "--json").stdout)[0]["code"] == "store-settings"
    status = run(one, "status")
    assert status.returncode == 3 and status.stdout.startswith("[严重]"), "the alarm comes first, and may say why"
    assert run(one, "alarm", "ack", "store-settings").returncode == 3


def test_an_alarm_is_acknowledged(county):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    assert run(one, "alarm", "ack").returncode == 64
    assert run(one, "alarm", "ack", "store-full").returncode == 1
    one.redis().config_set("appendfsync", "everysec")
    wait_until(lambda: alarm(one, "store-settings", "redis"), 20, "it opens")
    assert run(one, "alarm", "ack", "store-settings", "other").returncode == 1
    status = run(one, "status")
    assert status.returncode == 1 and status.stdout.startswith("[严重] store-settings")
    assert json.loads(run(one, "status", "--json").stdout)["alarms"][0]["code"] == "store-settings"
    assert run(one, "alarm", "ack", "store-settings", "redis", "--reason", "在修").returncode == 0
    assert "已确认，不再重复通知。在修" in run(one, "alarm", "list").stdout
    one.redis().config_set("appendfsync", "always")
    wait_until(lambda: alarm(one, "store-settings", "redis") is None, 20, "it closes")
    assert one.ctl("status").startswith("发布服务")


# -- dead letters


def dead(one, **more):
    return json.loads(run(one, "dead", "list", "--json").stdout or "[]")


def test_a_dead_letter_is_an_alarm_is_listed_shown_and_replayed(one, sink):
    assert one.ask(publish("doc-1"))["status"] == "accepted"
    found = wait_until(lambda: dead(one), 30, "it is dead")
    assert [(r["document"], r["channel"], r["region"]) for r in found] == [("doc-1", "hook", "530581")]
    said = wait_until(lambda: alarm(one, "dead-letters", "hook"), 20, "it is an alarm")
    assert said["fields"]["count"] == "1" and "doc-1" in said["sentence"]
    assert "doc-1" in one.ctl("dead", "list") and "doc-1" in one.ctl("dead", "list", "hook")
    assert "doc-1" not in one.ctl("dead", "list", "other")
    history = one.ctl_json("dead", "show", "doc-1")[0]["history"]
    assert history[-1]["state"] == "dead" and "410" in one.ctl("dead", "show", "doc-1")
    assert run(one, "dead", "show", "doc-2").returncode == 1
    assert run(one, "dead", "replay", "doc-1").returncode == 64, "which channel?"
    assert run(one, "dead", "replay", "doc-1", "hook").returncode == 64, "why?"
    assert run(one, "dead", "replay", "doc-2", "hook", "--reason", "x").returncode == 1
    sink.status = 200
    before = len(sink.requests)
    assert "重新开始发" in one.ctl("dead", "replay", "doc-1", "hook", "--reason", "对方修好了")
    one.shown("doc-1", "hook")
    assert len(sink.requests) == before + 1
    assert re.search(r"执行了.*dead replay 530581 hook doc-1: 对方修好了", one.log("publisherd")), "who and why"
    wait_until(lambda: not dead(one), 20, "it is dead no more")
    wait_until(lambda: alarm(one, "dead-letters", "hook") is None, 20, "and no alarm")
    states = [row[1] for row in rows(one) if row[2] == "doc-1"]
    assert states[-3:] == ["dead", "replayed", "published"]


def test_a_whole_channels_dead_letters_are_replayed_or_dropped(one, sink):
    for number in range(5):
        assert one.ask(publish(f"doc-{number}"))["status"] == "accepted"
    wait_until(lambda: len(dead(one)) == 5, 40, "all are dead")
    wait_until(lambda: (alarm(one, "dead-letters", "hook") or {"fields": {}})["fields"].get("count") == "5", 90,
               "the alarm counts them")
    assert "不再发了" in one.ctl("dead", "drop", "doc-0", "hook", "--reason", "对方不收")
    assert run(one, "dead", "drop", "--channel", "hook", "--all", "--reason", "x").returncode == 64
    assert run(one, "dead", "drop", "--channel", "other", "--reason", "x").returncode == 1
    wait_until(lambda: len(dead(one)) == 4, 20, "one is given up")
    sink.status = 200
    sink.requests.clear()
    assert one.ctl("dead", "replay", "--channel", "hook", "--reason", "修好了").count("重新开始发") == 4
    for number in range(1, 5):
        one.shown(f"doc-{number}", "hook")
    wait_until(lambda: not dead(one), 20, "none is left")
    assert sorted(r[1]["data"]["document"] for r in sink.requests) == [f"doc-{n}" for n in range(1, 5)]
    assert run(one, "dead", "replay", "--all", "--reason", "x").returncode == 1, "nothing found"


def test_without_a_ledger_it_says_so(county):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    listed = run(one, "dead", "list")
    assert listed.returncode == 1 and "gongkai-ledgerd" in listed.stderr


# -- channels


def test_a_channel_is_added_checked_and_gets_its_secret(county, sink):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    assert run(one, "channel", "add", "Bad", "driver=discard").returncode == 64
    assert run(one, "channel", "add", "duty", stdin="").returncode == 1, "it would ask (test_channel_add.py)"
    assert run(one, "channel", "add", "duty", "driver").returncode == 64
    assert run(one, "channel", "add", "duty", "driver=discard\nurl=x").returncode == 64
    wrong = run(one, "channel", "add", "duty", "driver=webhook", "url=nowhere")
    assert wrong.returncode == 1 and not (one.folder / "channels.d" / "duty.conf").exists()
    url = f"http://127.0.0.1:{sink.server_port}/in"
    added = run(one, "channel", "add", "duty", "driver=webhook", f"url={url}", "carrier=政务微信")
    assert added.returncode == 0 and "gongkai-channeld@duty" in added.stdout, added
    assert run(one, "channel", "add", "duty", "driver=discard").returncode == 1, "never over another"
    wait_until(lambda: any(row["channel"] == "duty" for row in one.ctl_json("channel", "list")), 10,
               "publisherd knows it")

    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    kept = run(one, "channel", "secret", "duty", stdin=secret + "\n")
    assert kept.returncode == 0 and secret not in kept.stdout + kept.stderr
    conf = (one.folder / "channels.d" / "duty.conf").read_text()
    path = pathlib.Path(re.search(r"^secret_file = (.*)$", conf, re.M).group(1))
    assert path.read_text() == secret and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert secret not in conf
    assert run(one, "channel", "secret", "duty", stdin="").returncode == 1
    assert run(one, "channel", "secret", "nowhere", stdin="x").returncode == 1
    assert path.read_text() == secret, "a mistake leaves the old one"
    assert run(one, "channel", "secret", "duty", stdin="whsec_b3RoZXI=\n").returncode == 0
    assert path.read_text() == "whsec_b3RoZXI=" and conf == (one.folder / "channels.d" / "duty.conf").read_text()

    login = run(one, "channel", "login", "duty")
    assert login.returncode == 0 and "不需要登录" in login.stdout
    assert run(one, "channel", "login", "nowhere").returncode == 1


def test_a_preview_shows_the_request_and_sends_nothing(one, sink):
    one.ctl("config", "check")
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert run(one, "channel", "secret", "hook", stdin=key).returncode == 0
    event = one.folder / "event.json"
    event.write_text(json.dumps(publish("doc-9", title="预览的通告"), ensure_ascii=False))
    shown = run(one, "channel", "preview", "hook", event)
    assert shown.returncode == 0, shown
    assert shown.stdout.startswith(f"第 1 步，发给 127.0.0.1:{sink.server_port}：\nPOST http://127.0.0.1:{sink.server_port}/in\n")
    assert "做完就是已发布" in shown.stdout
    folder = one.folder / "preview"
    assert run(one, "channel", "preview", "hook", event, "--out", folder).returncode == 0
    kept = (folder / "step-1.txt").read_text()
    assert "预览的通告" in kept and key not in kept
    again = run(one, "channel", "preview", "hook", event, "--out", folder)
    assert again.returncode == 1 and "请给一个新的文件夹" in again.stdout
    assert "Idempotency-Key: 530581/doc-9/1/hook" in shown.stdout and "预览的通告" in shown.stdout
    assert "webhook-signature: v1," in shown.stdout and key not in shown.stdout
    assert "什么也没有发出" in shown.stdout and sink.requests == []
    sink.status = 200
    assert one.ask(publish("doc-1", title="真的通告"))["status"] == "accepted"
    one.shown("doc-1", "hook")
    n = len(sink.requests)
    real = wait_until(lambda: (lambda r: r if r.returncode == 0 else None)(run(one, "channel", "preview", "hook", "doc-1")),
                      20, "the ledger has it")
    assert "真的通告" in real.stdout and len(sink.requests) == n
    event.write_text("{}")
    assert run(one, "channel", "preview", "hook", event).returncode == 1
    assert run(one, "channel", "preview", "hook", "doc-none").returncode == 1
    assert run(one, "channel", "preview", "hook").returncode == 64


def test_a_preview_of_the_portal_lists_its_files(county):
    one = county()
    one.channel("portal", driver="site", carrier="政府网站", title="示例网站", root=one.folder / "www", address="http://portal.example")
    event = one.folder / "event.json"
    event.write_text(json.dumps(publish("doc-9"), ensure_ascii=False))
    shown = run(one, "channel", "preview", "portal", event)
    assert shown.returncode == 0, shown
    assert ".html" in shown.stdout and not (one.folder / "www").exists()
    folder = one.folder / "preview"
    told = run(one, "channel", "preview", "portal", event, "--out", folder).stdout
    page, = [line.strip() for line in told.split("用浏览器打开")[1].splitlines() if "/2026" in line or "doc-9" in line][:1]
    assert "关于公布一项安排的通告" in (folder / page).read_text()
    assert "关于公布一项安排的通告" in (folder / "index.html").read_text() and not (one.folder / "www").exists()


def test_a_preview_goes_on_with_the_address_of_the_site_before(county):
    one = county()
    one.channel("portal", driver="site", carrier="政府网站", title="示例网站", root=one.folder / "www", address="http://portal.example")
    one.channel("weibo", driver="weibo", carrier="政务微博", after="portal", app_key="1", safe_domain="portal.example", rip="203.0.113.7")
    assert run(one, "channel", "secret", "weibo", stdin="access_token = 2.00token\n").returncode == 0
    event = one.folder / "event.json"
    event.write_text(json.dumps(publish("doc-9"), ensure_ascii=False))
    shown = run(one, "channel", "preview", "weibo", event)
    assert "关于公布一项安排的通告" in shown.stdout and "http://portal.example/" in shown.stdout, shown
    assert "已发布 https://weibo.com/" in shown.stdout and "2.00token" not in shown.stdout


# -- help, exit codes


def test_help_is_a_command_and_names_what_there_is(county):
    one = county()
    told = run(one, "help")
    assert told.returncode == 0 and told.stdout == run(one, "--help").stdout
    for word in ("alarm list", "dead list", "dead replay|drop", "channel add", "secret", "login", "preview", "退出码"):
        assert word in told.stdout
    assert "Exit codes" in run(one, "help", language="en_US.UTF-8").stdout
    assert run(one, "nonsense").returncode == 64 and run(one, "alarm").returncode == 64
    assert run(one, "--nonsense").returncode == 64


@pytest.mark.parametrize("name", ["operations.md", "operations.zh-CN.md"])
def test_the_manual_has_every_alarm_and_every_exit_code(name):
    text = (TREE / "docs" / name).read_text()
    codes = re.findall(r'^ALARM\([A-Z_]+, "([a-z-]+)"', (TREE / "core" / "alarms.def").read_text(), re.M)
    assert len(codes) > 20
    assert [code for code in codes if f"| `{code}` |" not in text] == []
    section = re.search(r"^## (?:Alarms|警报)$(.*?)^## ", text, re.M | re.S).group(1)
    assert re.findall(r"^\| `([a-z-]+)` \|", section, re.M) == codes, "in the same order, and no other"
    assert [code for code in ("0", "1", "3", "64") if f"| {code} |" not in text] == []
