"""The display channel: from the door to the glass of a hall's screen, and off it again."""
import datetime
import http.server
import json
import pathlib
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import zlib

import pytest

from county import PROGRAMS, attachment, now, publish, query, wait_until, withdraw

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from sink import Sink, Take  # noqa: E402

CARRIERS = "政府网站, 社区/企事业单位/村公示栏（电子屏）"
FAST = "index.html?poll=0.2&speed=100"


@pytest.fixture
def hall(county):
    """A county with displays; `folder` is what their web server shows."""
    def make(start=True, emitter=None, **settings):
        one = county()
        one.root = one.folder / "display"
        one.channel("hall", driver="display", carrier=CARRIERS, root=one.root, retry="100ms*100", timeout="1s",
                    **settings)
        if emitter:
            one.emitter("oa", sources="urn:gongkai:530581:oa", **emitter)
        one.start_all(["hall"] if start else [])
        return one
    return make


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a browser that hangs up is the ordinary case here


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def end_headers(self):
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


@pytest.fixture
def web():
    """A web server over a county's folder; returns its address."""
    servers = []

    def serve(folder):
        servers.append(Server(("127.0.0.1", 0), lambda *a: Handler(*a, directory=str(folder))))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        return "http://127.0.0.1:%d" % servers[-1].server_address[1]
    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def screen():
    from glass import Glass
    glass = Glass()
    glass.size(1920, 1080)
    yield glass
    glass.close()


@pytest.fixture
def glass(screen):
    yield screen
    screen.open("about:blank")


def playlist(county, display="hall"):
    return json.loads((county.root / display / "playlist.json").read_text())


def titles(county, display="hall"):
    return [entry["title"] for entry in playlist(county, display)["entries"]]


def set_up(county, display="hall"):
    wait_until((county.root / display / "playlist.json").exists, what="the channel is set up")


def state_of(county, document="doc-1"):
    return next(c for c in county.ask(query(document))["channels"] if c["channel"] == "hall")


# ---- on the glass ----

def test_a_notice_comes_changes_and_goes_on_the_glass(hall, web, glass):
    from glass import READ
    county = hall()
    set_up(county)
    glass.open(f"{web(county.root)}/hall/{FAST}")
    idle = glass.wait(lambda s: s["polls"] > 0 and s["count"] == 0)
    assert idle["showing"] is None
    assert "腾冲市" in glass.run("return document.getElementById('rest-county').textContent")
    county.ask(publish(title="关于公布停水安排的通告", body="城南片区停水。", number="腾政发〔2026〕7号"))
    glass.wait(lambda s: s["showing"] and s["showing"]["document"] == "doc-1", what="the notice is on the glass")
    read = glass.run(READ)
    assert "关于公布停水安排的通告" in read["text"] and "城南片区停水。" in read["text"]
    assert glass.run("return document.title") == "腾冲市政务公开"
    county.ask(publish(title="关于公布停水安排的通告", body="城北片区停水。"))
    glass.wait(lambda s: s["showing"] and s["showing"]["revision"] == 2, what="the revision is on the glass")
    read = glass.run(READ)
    assert "城北片区停水。" in read["text"] and "城南" not in read["text"]
    county.ask(withdraw(reason="停水取消"))
    glass.wait(lambda s: s["showing"] is None and s["count"] == 0, what="it is gone")
    assert "城北" not in glass.run("return document.documentElement.outerHTML + JSON.stringify(localStorage)")
    county.shown("doc-1", "hall", state="withdrawn")


def test_an_embargo_holds_until_its_moment(hall, web, glass):
    county = hall()
    set_up(county)
    glass.open(f"{web(county.root)}/hall/{FAST}")
    at = datetime.datetime.fromisoformat(now(seconds=3))
    county.ask(publish(title="九点整公布", publish_at=at.isoformat(timespec="milliseconds")))
    while time.time() < at.timestamp() - 0.3:
        assert "九点整" not in (county.root / "hall" / "playlist.json").read_text()
        state = glass.state()
        assert not state or state["showing"] is None
        time.sleep(0.1)
    glass.wait(lambda s: s["showing"] and s["showing"]["document"] == "doc-1", what="it is shown after its moment")
    assert time.time() >= at.timestamp()


def png(width=64, height=40):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    rows = (b"\0" + b"\xcc\x22\x11" * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def test_a_picture_in_the_text_is_seen_and_goes_with_it(hall, web, glass):
    county = hall()
    set_up(county)
    content = png()
    event = publish(attachments=[attachment("图一.png", content, "image/png", role="inline")])
    event["data"]["body"] = {"format": "markdown", "content": "见图：\n\n![示意图](attachment:图一.png)"}
    assert county.ask(event, [content])["status"] == "accepted"
    county.shown("doc-1", "hall")
    picture, = (county.root / "hall" / "a").iterdir()
    assert picture.read_bytes() == content
    glass.open(f"{web(county.root)}/hall/{FAST}")
    glass.wait(lambda s: s["showing"])
    width = glass.run("const i = document.querySelector('#flow img'); return i ? i.naturalWidth : -1")
    assert width == 64
    county.ask(withdraw(mode="erase", reason_code="personal"))
    county.shown("doc-1", "hall", state="withdrawn")
    assert not picture.exists()


# ---- in the folder ----

def test_an_erased_notice_leaves_no_word_in_folder_or_index(hall):
    county = hall()
    county.ask(publish(title="泄露了某人姓名的公示", body="张三丰的身份"))
    county.shown("doc-1", "hall")
    assert titles(county) == ["泄露了某人姓名的公示"]
    county.ask(withdraw(mode="erase", reason_code="personal", reason="涉及个人信息"))
    county.shown("doc-1", "hall", state="withdrawn")
    for path in county.root.rglob("*"):
        assert not path.is_file() or "张三丰".encode() not in path.read_bytes(), path
    index = sqlite3.connect(county.folder / "state" / "channels" / "hall" / "index.db")
    assert index.execute("SELECT live, data FROM entry").fetchall() == [(0, '{"gone":"erased"}')]
    index.close()


def test_each_display_shows_what_concerns_its_place(hall):
    county = hall(displays="hall, wuhe@530581103, heshun@530581104", address="https://screen.example.cn")
    county.ask(publish("doc-1", title="全市停水"))
    county.ask(publish("doc-2", title="五合停水", areas=["530581103"]))
    county.ask(publish("doc-3", title="和顺某村停水", areas=["530581104201"]))
    for n in (1, 2, 3):
        settled = county.shown(f"doc-{n}", "hall")
        assert settled["url"] == "https://screen.example.cn/hall/"
    assert sorted(titles(county)) == ["五合停水", "全市停水", "和顺某村停水"]
    assert sorted(titles(county, "wuhe")) == ["五合停水", "全市停水"]
    assert sorted(titles(county, "heshun")) == ["全市停水", "和顺某村停水"]
    for display in ("hall", "wuhe", "heshun"):
        assert (county.root / display / "index.html").exists()
    # A display that comes later starts with what is shown already.
    county.stop("channeld-hall")
    county.channel("hall", driver="display", carrier=CARRIERS, root=county.root, displays="tv, wuhe@530581103")
    county.start_channel("hall")
    set_up(county, "tv")
    assert len(titles(county, "tv")) == 3


def test_urgent_is_red_only_for_those_who_may(hall):
    county = hall(emitter={"may_urgent": "no"})
    assert county.ask(publish(urgent=True))["status"] == "accepted"
    county.shown("doc-1", "hall")
    entry, = playlist(county)["entries"]
    assert entry["urgent"] is False
    allowed = hall(emitter={"may_urgent": "yes"})
    allowed.ask(publish("doc-1", title="平常"))
    allowed.ask(publish("doc-2", title="紧急", urgent=True))
    allowed.ask(publish("doc-3", title="后来"))
    for n in (1, 2, 3):
        allowed.shown(f"doc-{n}", "hall")
    assert titles(allowed)[0] == "紧急"
    assert [e["urgent"] for e in playlist(allowed)["entries"]] == [True, False, False]


def test_what_ended_is_gone_after_the_next_start(hall):
    county = hall()
    county.ask(publish("doc-1", title="短的", show_until=now(seconds=2)))
    county.ask(publish("doc-2", title="长的"))
    county.shown("doc-1", "hall")
    county.shown("doc-2", "hall")
    ends = {e["title"]: e["end"] for e in playlist(county)["entries"]}
    assert datetime.datetime.fromisoformat(ends["短的"]) < datetime.datetime.fromisoformat(ends["长的"])
    wait_until(lambda: now() > ends["短的"])
    before = playlist(county)["serial"]
    county.kill("channeld-hall", signal.SIGKILL)
    county.start_channel("hall")
    wait_until(lambda: playlist(county)["serial"] > before)
    assert titles(county) == ["长的"]


def test_the_link_is_that_of_the_channel_that_went_before(hall):
    sink = Sink()
    sink.by_default = Take(id="7", url="https://media.example.cn/7")
    county = hall(start=False)
    county.channel("media", driver="webhook", url=sink.url, carrier=CARRIERS)
    county.channel("hall", driver="display", carrier=CARRIERS, root=county.root, after="media")
    county.stop("publisherd")
    county.start_publisherd()
    county.start_channel("hall")
    county.start_channel("media")
    county.ready()
    county.ask(publish())
    county.shown("doc-1", "hall")
    entry, = playlist(county)["entries"]
    assert entry["url"] == "https://media.example.cn/7"
    sink.close()


def test_two_processes_write_one_display_without_losing_an_entry(hall):
    county = hall()
    set_up(county)
    county.start_channel("hall", "-2")
    door = county.door()
    for n in range(40):
        door.send(publish(f"doc-{n}", title=f"第{n}件"))
    for _ in range(40):
        assert door.receive()["status"] == "accepted"
    door.close()
    wait_until(lambda: county.redis().zcard("{530581}:due:hall") == 0, 60, "everything is settled")
    assert sorted(titles(county)) == sorted(f"第{n}件" for n in range(40))
    logs = [county.log(f"channeld-hall{n}").count("完成") for n in ("", "-2")]
    assert min(logs) > 0, f"both worked: {logs}"


def test_a_folder_in_the_way_is_named_and_waited_for(hall):
    county = hall()
    set_up(county)
    county.ask(publish("doc-1", title="第一件"))
    county.shown("doc-1", "hall")
    path = county.root / "hall" / "playlist.json"
    path.unlink()
    path.mkdir()
    county.ask(publish("doc-2", title="第二件"))
    told = wait_until(lambda: state_of(county, "doc-2")["error"])
    assert "playlist.json" in told
    county.ask(withdraw("doc-1"))
    path.rmdir()
    county.shown("doc-2", "hall")
    county.shown("doc-1", "hall", state="withdrawn")
    assert titles(county) == ["第二件"]


def test_the_folder_can_be_tried_and_wrong_settings_are_found(hall):
    county = hall(start=False)

    def run(*arguments):
        return subprocess.run([PROGRAMS / "gongkai-channeld", "--config", county.conf, *arguments, "hall"],
                              capture_output=True, text=True, timeout=30)
    result = run("--test")
    assert result.returncode == 0, result
    assert list(county.root.iterdir()) == []
    county.channel("hall", driver="display", carrier=CARRIERS, root="display", displays="大厅")
    result = run("--check")
    assert result.returncode != 0 and "大厅" in result.stderr and "root" in result.stderr, result
