"""The display's page in a real browser: what it must never see, whatever fails.

Each test has a web server of its own, so also an origin and a storage of its own; one Chromium
serves all. Nothing sleeps: tests wait until the player's state() or the page says so.
"""

import datetime
import re
import time

import pytest

from glass import PLAYER, READ
from notices import CHINA, HOSTILE, entry, long_document, rfc3339, sentences
from stage import FAST, LEAF, PORTRAIT, glass, house, idle, screen, shows, turn_all


# ---- what is over, and what is taken back ----

def test_end_is_obeyed_off_line(glass, house):
    end = time.time() + 4
    house.put(entry("将止", end=rfc3339(4)), entry("续", end=rfc3339(600)))
    glass.open(house.url("poll=0.2"))
    glass.wait(shows("将止"))
    house.close()
    assert time.time() < end
    state = glass.wait(shows("续"), 10)
    assert end - 0.5 <= time.time() <= end + 2 and state["count"] == 1
    assert "将止" not in glass.run("return document.getElementById('screen').textContent")


def test_last_end_leads_to_the_idle_page(glass, house):
    house.put(entry("将止", end=rfc3339(3)))
    glass.open(house.url("poll=0.2"))
    glass.wait(shows("将止"))
    house.close()
    glass.wait(idle, 10)
    assert glass.run("return document.getElementById('rest').offsetHeight") > 0
    assert glass.run("return document.getElementById('flow').textContent") == ""


def test_start_is_obeyed_off_line(glass, house):
    start = time.time() + 3
    house.put(entry("将始", start=rfc3339(3)))
    glass.open(house.url("poll=0.2"))
    glass.wait(lambda s: s["serial"] == 1)
    house.close()
    assert idle(glass.state()) and time.time() < start
    glass.wait(shows("将始"), 10)
    assert time.time() >= start - 0.5


def test_withdrawn_entry_vanishes_while_shown(glass, house):
    html, _ = long_document()
    house.put(entry("撤回", html=html), entry("留"))
    glass.open(house.url("poll=0.2"))
    glass.wait(shows("撤回"))
    house.put(entry("留"))
    glass.wait(shows("留"), 3)
    body = glass.run("return document.body.textContent + JSON.stringify(localStorage)")
    assert "撤回" not in body and "第1部分" not in body


def test_new_revision_replaces_the_old_at_once(glass, house):
    html, _ = long_document()
    house.put(entry("改", html=html))
    glass.open(house.url("poll=0.2&speed=20"))
    glass.wait(lambda s: shows("改")(s) and s["showing"]["page"] == 2)
    house.put(entry("改", revision=2, html="<p>第二版。</p>"))
    state = glass.wait(lambda s: s["showing"] and s["showing"]["revision"] == 2, 3)
    assert state["showing"]["page"] == 1
    assert "第二版。" in glass.run(READ)["text"]


def test_unchanged_entry_is_not_disturbed(glass, house):
    html, _ = long_document()
    kept = entry("读", html=html)
    house.put(kept)
    glass.open(house.url("poll=0.2&speed=20"))
    glass.wait(lambda s: shows("读")(s) and s["showing"]["page"] == 2)
    glass.run("document.querySelector('#flow').firstChild.mine = true")
    serial = house.put(entry("新"), kept)
    state = glass.wait(lambda s: s["serial"] == serial)
    assert state["showing"]["document"] == "读" and state["showing"]["page"] >= 2
    assert glass.run("return document.querySelector('#flow').firstChild.mine") is True


# ---- when the network fails ----

def test_last_playlist_stays_when_the_server_is_gone(glass, house):
    house.put(entry("甲"), entry("乙"))
    glass.open(house.url(FAST))
    glass.wait(shows("甲"))
    house.close()
    glass.wait(lambda s: s["offline"], 10)
    for name in ("乙", "甲", "乙"):
        glass.wait(shows(name))
    mark = glass.run("return document.getElementById('mark').innerText")
    assert re.fullmatch(r"离线，显示的是 \d\d:\d\d 的内容", mark)
    house.open()
    serial = house.put(entry("丙"))
    glass.wait(lambda s: s["serial"] == serial and not s["offline"])
    glass.wait(lambda s: glass.run("return document.getElementById('mark').innerText") == "", 3)


def test_last_playlist_survives_a_reload(glass, house):
    serial = house.put(entry("甲"))
    glass.open(house.url(FAST))
    glass.wait(shows("甲"))
    house.status = 503
    glass.open(house.url(FAST + "&again=1"))
    state = glass.wait(lambda s: shows("甲")(s) and s["offline"])
    assert state["serial"] == serial
    assert "甲的正文" in glass.run(READ)["text"]


def test_page_survives_a_power_cut_where_the_context_is_secure(glass, house):
    house.put(entry("甲", end=rfc3339(600)))
    glass.open(house.url(FAST))
    glass.wait(shows("甲"))
    glass.driver.execute_async_script("navigator.serviceWorker.ready.then(arguments[0])")
    house.close()
    glass.open(house.url(FAST))
    glass.wait(lambda s: shows("甲")(s) and s["offline"])


@pytest.mark.parametrize("bad", [
    b"", b'{"format":1,"entries":[', b"<html>login</html>", b"null", b"[]", b'"x"', b"\xff\xfe",
    b'{"format":2,"serial":9,GENERATED,HOUSE,"entries":[]}',
    b'{"format":1,"serial":9,GENERATED,HOUSE}',
    b'{"format":1,GENERATED,HOUSE,"entries":[]}',
    b'{"format":1,"serial":9,GENERATED,"entries":[]}',
    b'{"format":1,"serial":9,"generated":"yesterday",HOUSE,"entries":[]}',
], ids=lambda bad: bad[:12].decode("latin-1") or "empty")
def test_bad_playlist_keeps_the_last(glass, house, bad):
    serial = house.put(entry("甲"))
    glass.open(house.url(FAST))
    before = glass.wait(shows("甲"))
    house.body = bad.replace(b"GENERATED", b'"generated":"2026-11-23T22:00:00+08:00"').replace(
        b"HOUSE", b'"title":"a","county":"b"')
    state = glass.wait(lambda s: s["failures"] >= 2)
    assert state["polls"] > before["polls"] and state["serial"] == serial
    assert shows("甲")(state)


def test_bad_entry_is_skipped(glass, house):
    bad = [
        None, 7, [], {}, "x", entry("", title="无号"), entry("无题", title=""),
        entry("无止", end=None), entry("坏止", end="2030-01-01"), entry("坏始", start="soon"),
        entry("零版", revision=0), entry("字版", revision="2"), entry("无区", end="2030-01-01T00:00:00"),
    ]
    serial = house.put(*(bad + [entry("好"), entry("也好", number=5, url=[], kind={}, html=None,
                                                 text="只有文字。\n第二段。")]))
    glass.open(house.url(FAST))
    state = glass.wait(lambda s: s["serial"] == serial)
    assert state["count"] == 2
    glass.wait(shows("好"))
    glass.wait(shows("也好"))
    assert glass.run(READ)["text"].endswith("只有文字。第二段。")


def test_hanging_fetch_is_given_up(glass, house):
    house.put(entry("甲"))
    glass.open(house.url("poll=0.2&timeout=0.5"))
    glass.wait(shows("甲"))
    house.hang.set()
    glass.wait(lambda s: house.hung >= 2 and s["failures"] >= 2 and s["offline"])
    house.hang.clear()
    serial = house.put(entry("乙"))
    glass.wait(lambda s: s["serial"] == serial and shows("乙")(s))


def test_unchanged_playlist_is_not_sent_again(glass, house):
    house.put(entry("甲"))
    glass.open(house.url(FAST))
    state = glass.wait(lambda s: house.unchanged >= 5)
    assert not state["offline"] and state["failures"] == 0


def test_withdrawn_entry_does_not_return_from_a_full_storage(glass, house):
    house.put(entry("撤回"))
    glass.open(house.url(FAST))
    glass.wait(shows("撤回"))
    glass.run("""
        for (let size = 1 << 22; size > 0; size >>= 1) {
            try { for (let i = 0; ; i++) localStorage.setItem('x' + size + i, 'x'.repeat(size)); }
            catch (error) { continue; }
        }""")
    house.put(entry("留", html="<p>%s</p>" % sentences(1, 200)))
    glass.wait(shows("留"))
    house.status = 503
    glass.open(house.url(FAST))
    state = glass.wait(lambda s: s["failures"] >= 1)
    assert "撤回" not in glass.run("return document.body.textContent")
    assert state["showing"] is None or state["showing"]["document"] == "留"


# ---- the clock ----

@pytest.mark.parametrize("days", [3, -3], ids=["box-behind", "box-ahead"])
def test_servers_clock_corrects_the_box_also_off_line(glass, house, days):
    day = 86400
    house.clock_ahead = days * day
    house.put(entry("按本机", start=rfc3339(-day), end=rfc3339(day)),
              entry("按服务器", start=rfc3339((days - 1) * day), end=rfc3339((days + 1) * day)))
    glass.open(house.url(FAST))
    state = glass.wait(lambda s: shows("按服务器")(s) and s["count"] == 1)
    assert abs(state["clockOffsetMs"] - days * day * 1000) < 5000
    date = datetime.datetime.now(CHINA) + datetime.timedelta(days=days)
    assert glass.run("return document.getElementById('date').textContent").endswith(
        "%d日" % date.day)
    glass.driver.execute_async_script("navigator.serviceWorker.ready.then(arguments[0])")
    house.close()
    glass.open(house.url(FAST))
    state = glass.wait(lambda s: shows("按服务器")(s) and s["failures"] >= 1)
    assert abs(state["clockOffsetMs"] - days * day * 1000) < 5000 and state["count"] == 1


def test_small_difference_is_left_to_the_box(glass, house):
    house.clock_ahead = 120
    house.put(entry("甲"))
    glass.open(house.url(FAST))
    assert glass.wait(shows("甲"))["clockOffsetMs"] == 0


def test_box_that_lost_its_clock_does_not_bring_back_the_past(glass, house):
    """It was sure of a day; after the power cut it wakes years earlier and finds no server."""
    house.put(entry("旧", end=rfc3339(86400)), entry("新", end=rfc3339(30 * 86400)))
    glass.open(house.url(FAST))
    glass.wait(shows("旧"))
    # What it would have kept had it run until ten days from now:
    glass.run("""
        const key = Object.keys(localStorage).find(k => /:clock$/.test(k));
        window.addEventListener('pagehide', () => localStorage.setItem(key,
            JSON.stringify({offset: 0, seen: Date.now() + 10 * 86400e3})));""")
    house.status = 503
    house.clock_ahead = -20 * 365 * 86400  # its server knows no better; such a Date is not believed
    glass.open(house.url(FAST))
    state = glass.wait(lambda s: shows("新")(s) and s["failures"] >= 1)
    assert state["count"] == 1 and state["clockOffsetMs"] > 9 * 86400 * 1000


# ---- what came from outside ----

def test_hostile_html_runs_nothing(glass, house):
    house.put(entry("恶意", title="<img src=x onerror=pwned=13>标题", html=HOSTILE,
                    number="<b>号</b>", url="javascript:pwned=14"))
    glass.open(house.url(FAST))
    glass.wait(shows("恶意"))
    pages = turn_all(glass)
    text = "".join(read["text"] for read in pages)
    for wanted in ("正文一", "正文二", "反向正文三", "正文四", "链接文字", "表单文字", "跑动", "表内",
                   "表二", "［图二］", "［图三］", "［图四］", "<imgsrc=xonerror=pwned=13>标题"):
        assert wanted in text, wanted
    for unwanted in ("pwned=1", "框内", "模板", "图形", "display", "输入", "\u202e", "javascript"):
        assert unwanted not in text.replace("pwned=13", ""), unwanted
    found = glass.run("""
        const names = new Set(), attributes = new Set();
        for (const e of document.querySelectorAll('#flow *')) {
            names.add(e.tagName);
            for (const a of e.attributes) attributes.add(e.tagName + ' ' + a.name);
        }
        return {pwned: window.pwned, names: Array.from(names), attributes: Array.from(attributes),
            title: document.querySelectorAll('#title').length};""")
    assert found["pwned"] is None and found["title"] == 1
    assert set(found["names"]) <= set("H1 DIV P SPAN B TABLE TBODY TR TD IMG".split())
    assert all(re.fullmatch(r"\w+ class|T[DH] (col|row)span|IMG (src|alt)", name)
               for name in found["attributes"]), found["attributes"]
    assert not [path for path in house.asked if "evil" in path or "secret" in path]


def test_picture_is_shown_whole_or_described(glass, house):
    dot = ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
           "DwADhgGAWjR9awAAAABJRU5ErkJggg==")
    house.put(entry("图", html='<p>前</p><img src="%s" alt="点"><img src="none.png" alt="没有的图">'
                              '<p>后</p>' % dot))
    glass.open(house.url(FAST))
    glass.wait(lambda s: shows("图")(s) and "［没有的图］" in glass.run(READ)["text"])
    assert glass.run("return document.querySelector('#flow img').naturalWidth") == 1
    assert glass.run("return document.querySelectorAll('#flow img').length") == 1


def test_nothing_is_fetched_from_elsewhere(glass, house):
    house.put(entry("甲"))
    glass.open(house.url(FAST))
    glass.wait(shows("甲"))
    names = glass.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert names and all(name.startswith("http://127.0.0.1:%d/" % house.port) for name in names)
    for path in PLAYER.iterdir():
        text = path.read_text()
        if path.suffix in (".js", ".css", ".html"):
            assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", text), path
        if path.suffix == ".js":
            code = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
            assert not re.search(r"\?\.[a-zA-Z(\[]|\?\?|\.replaceAll\(|\.replaceChildren\(|\.at\(",
                                 code), "too new for old boxes: %s" % path
            assert len(text.splitlines()) <= 400, path


# ---- days and days ----

def test_many_turns_leave_nothing_behind(glass, house):
    html, _ = long_document()
    entries = [entry("甲", html="<table><tr><th>一</th></tr><tr><td>二</td></tr></table>"),
               entry("乙"), entry("急", urgent=True), entry("丙", html=html[:3000])]
    house.put(*entries)
    glass.open(house.url("poll=0.1&speed=1000"))
    glass.wait(shows("甲"))

    def nodes_after(polls):
        for _ in range(polls):
            seen = glass.state()["polls"]
            house.put(*entries)
            glass.wait(lambda s: s["polls"] > seen)
        glass.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        names = glass.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        metrics = {each["name"]: each["value"] for each in names}
        return metrics["Nodes"], metrics["JSEventListeners"], metrics["JSHeapUsedSize"]

    glass.driver.execute_cdp_cmd("Performance.enable", {})
    before = nodes_after(40)
    after = nodes_after(80)
    assert after[0] <= before[0] + 3000 and after[1] <= before[1] + 20
    assert after[2] <= before[2] * 1.3 + 1e6


def test_very_long_document_gives_way_and_goes_on(glass, house):
    html = "".join("<p>%s</p>" % sentences(seed, 40) for seed in range(12))
    house.put(entry("巨文", html=html), entry("短文"))
    glass.open(house.url("poll=1&speed=1000"))
    state = glass.wait(shows("巨文"))
    assert state["showing"]["pages"] > 25
    glass.wait(shows("短文"), 30)
    assert glass.wait(shows("巨文"))["showing"]["page"] > 20


def test_new_player_files_are_taken_up(glass, house):
    house.put(entry("甲"), player="1")
    glass.open(house.url(FAST))
    glass.wait(shows("甲"))
    glass.run("window.old = true")
    house.put(entry("甲"), player="2")
    glass.wait(lambda s: glass.run("return window.old") is None and shows("甲")(s))


def test_turned_screen_is_laid_out_again(glass, house):
    html, text = long_document()
    house.put(entry("转", html=html))
    glass.open(house.url(LEAF))
    wide = glass.wait(shows("转"))["showing"]["pages"]
    glass.size(*PORTRAIT)
    glass.wait(lambda s: shows("转")(s) and s["showing"]["pages"] != wide)
    pages = turn_all(glass)
    assert "".join(read["text"] for read in pages).endswith(text)
    assert all(not read["over"] and read["cut"] == 0 for read in pages)


def test_debug_shows_the_state(glass, house):
    house.put(entry("甲"))
    glass.open(house.url(FAST + "&debug=1"))
    glass.wait(shows("甲"))
    glass.wait(lambda s: '"serial": 1' in glass.run(
        "return document.getElementById('debug').innerText"))
