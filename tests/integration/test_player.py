"""The display's page in a real browser: what a town hall sees.

Each test has a web server of its own, so also an origin and a storage of its own; one Chromium
serves all. Nothing sleeps: tests wait until the player's state() or the page says so.
"""

import datetime
import re
import time

import pytest

from glass import READ
from notices import CHINA, entry, long_document, sentences, squeeze
from stage import (FAST, LANDSCAPE, LEAF, NOT_FIRST, NOT_LAST, PORTRAIT, SIZES, glass, house, idle, screen,
                   shows, turn_all)


# ---- what is seen ----

def test_shows_title_and_text(glass, house):
    serial = house.put(entry("饮水安全", url="https://www.example.gov.cn/gk/90"))
    glass.open(house.url(FAST))
    state = glass.wait(shows("饮水安全"))
    assert state["serial"] == serial and state["count"] == 1 and not state["offline"]
    assert state["showing"] == {"document": "饮水安全", "revision": 1, "page": 1, "pages": 1}
    read = glass.run(READ)
    assert read["text"] == ("关于饮水安全的通知通知公告腾政办发〔2026〕90号腾冲市人民政府办公室"
                            "2026年11月20日饮水安全的正文。网上查看全文：www.example.gov.cn/gk/90")
    foot = glass.run("return document.getElementById('source').textContent")
    assert foot == "腾冲市人民政府办公室腾政办发〔2026〕90号2026年11月20日"
    assert glass.run("return document.title") == "腾冲市政务公开"
    assert glass.run("return getComputedStyle(document.body).cursor") == "none"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "%dx%d" % size)
def test_long_document_is_whole_and_uncut(glass, house, size):
    html, text = long_document()
    house.put(entry("长文", html=html))
    glass.size(*size)
    glass.open(house.url(LEAF))
    glass.wait(shows("长文"))
    pages = turn_all(glass)
    assert len(pages) >= 4

    for read in pages:
        frame = read["frame"]
        assert not read["over"] and not read["clipped"] and read["cut"] == 0
        for line in read["lines"]:
            assert line["left"] >= frame["left"] - 1 and line["right"] <= frame["right"] + 1, line
            assert line["top"] >= frame["top"] - 1 and line["bottom"] <= frame["bottom"] + 1, line
        assert read["lines"][-1]["tag"] != "H2", "a heading ends a page"

    shown = "".join(read["text"] for read in pages)
    assert shown == ("关于长文的通知通知公告腾政办发〔2026〕90号腾冲市人民政府办公室2026年11月20日"
                     + text)

    # Header rows stand over every further page of the table, and nowhere else.
    heads = [squeeze(read["repeat"]) for read in pages]
    assert "序号片区日期" in heads and set(heads) == {"", "序号片区日期"}
    for read, head in zip(pages, heads):
        first = read["lines"][0]
        assert (head != "") == (first["tag"] == "TD"), first


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT], ids=["landscape", "portrait"])
def test_lines_begin_and_end_as_they_should(glass, house, size):
    text = "".join("<p>%s</p>" % sentences(seed, 6) for seed in range(100, 130))
    house.put(entry("断行", html=text))
    glass.size(*size)
    glass.open(house.url(FAST))
    glass.wait(shows("断行"))
    glass.run("document.getElementById('clip').style.height = '9999999px';"
              "document.getElementById('clip').style.overflow = 'visible'")
    lines = [line for line in glass.run(READ)["lines"] if line["tag"] == "P"]
    assert len(lines) > 200
    for line in lines:
        if not line["first"]:
            assert line["text"][0] not in NOT_FIRST, line
        if not line["last"]:
            assert line["text"][-1] not in NOT_LAST, line
    # A 文号, a date, a number and its unit stay in one piece.
    for whole in ("云政办发〔2017〕90号", "2026年11月20日", "9:00—17:00"):
        assert sum(line["text"].count(whole) for line in lines) == text.count(whole) > 20
    for line, after in zip(lines, lines[1:]):
        torn = line["text"][-3:] + "|" + after["text"][:3]
        assert after["first"] or not re.search(r"\d\|[\d%万个年月日号:.]|[年月]\|\d", torn), torn


def test_long_words_do_not_leave_the_frame(glass, house):
    url = "https://www.example.gov.cn/" + "very/long/" * 40
    house.put(entry("网址", title="Supercalifragilistic" * 5, html="<p>见%s。</p>" % url))
    glass.size(*PORTRAIT)
    glass.open(house.url(FAST))
    glass.wait(shows("网址"))
    for read in turn_all(glass):
        assert not read["over"] and not read["clipped"] and read["cut"] == 0
        assert all(line["right"] <= read["frame"]["right"] + 1 for line in read["lines"])


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT], ids=["landscape", "portrait"])
def test_hard_tables_stay_readable(glass, house, size):
    cell = "公路养护中心一级造价工程师"
    wide = "<table>%s</table>" % "".join(
        "<tr>%s</tr>" % "".join("<%s>%s%d</%s>" % (tag, cell, n, tag) for n in range(12))
        for tag in ["th"] + ["td"] * 3)
    giant = "<table><tr><td>甲</td><td>%s</td></tr></table>" % sentences(5, 60)
    spans = ("<table><tr><th rowspan=2>项目</th><th colspan=2>金额</th></tr>"
             "<tr><th>预算</th><th>决算</th></tr>" +
             "<tr><td rowspan=20>教育</td><td>1</td><td>2</td></tr>" +
             "<tr><td>3</td><td>4</td></tr>" * 19 + "</table>")
    nested = "<table><tr><td>外<table><tr><td>内一</td><td>内二</td></tr></table></td></tr></table>"
    house.put(entry("难表", html=wide + giant + spans + nested))
    glass.size(*size)
    glass.open(house.url(LEAF))
    glass.wait(shows("难表"))
    pages = turn_all(glass)
    for read in pages:
        assert not read["over"] and not read["clipped"] and read["cut"] == 0
        for line in read["lines"]:
            assert "about" in line["cls"] or line["size"] >= 0.036 * 1080 - 0.1, line
            assert line["right"] <= read["frame"]["right"] + 1, line
    shown = "".join(read["text"] for read in pages)
    for n in range(12):
        assert shown.count("%s%d" % (cell, n)) >= 3
    assert shown.count(squeeze(sentences(5, 60))) == 1
    assert "外内一内二" in shown


def test_type_and_contrast(glass, house):
    html, _ = long_document()
    house.put(entry("字号", html=html, short="短讯" * 20), entry("急", urgent=True, kind="warning"))
    glass.open(house.url("poll=0.2&speed=20"))
    script = """
    const colour = text => text.match(/[\\d.]+/g).map(Number);
    const shine = c => { const l = c.slice(0, 3).map(v => { v /= 255;
        return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); });
        return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2]; };
    const found = [];
    for (const e of document.querySelectorAll('body *')) {
        const own = Array.from(e.childNodes).some(n => n.nodeType === 3 && n.nodeValue.trim());
        const style = getComputedStyle(e);
        if (!own || !e.getClientRects().length || style.visibility === 'hidden') continue;
        let b = e, back = [0, 0, 0, 0];
        while (b && (back.length === 4 && back[3] === 0)) {
            back = colour(getComputedStyle(b).backgroundColor); b = b.parentElement; }
        const one = shine(colour(style.color)), two = shine(back);
        found.push([e.id || e.className || e.tagName, parseFloat(style.fontSize),
            (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05)]);
    }
    return found;
    """
    for wanted in (shows("急"), lambda s: shows("字号")(s) and s["showing"]["page"] == 2):
        glass.wait(wanted)
        found = glass.run(script)
        assert len(found) > 6
        for name, size, contrast in found:
            assert size >= 0.028 * 1080 - 0.1, (name, size)
            assert contrast >= 7, (name, contrast)


def test_urgent_first_and_between_all_others(glass, house):
    house.put(entry("甲"), entry("乙"), entry("急一", urgent=True), entry("丙"),
              entry("急二", urgent=True))
    glass.open(house.url("poll=0.3&speed=20"))
    order = []
    while len(order) < 10:
        state = glass.wait(lambda s: s["showing"] and
                           (not order or s["showing"]["document"] != order[-1]))
        order.append(state["showing"]["document"])
        red, showing = glass.run("return [document.getElementById('alert').offsetHeight > 0,"
                                 "window.gongkaiPlayer.state().showing.document]")
        assert red == showing.startswith("急")
    assert order == ["急一", "急二", "甲", "急一", "乙", "急二", "丙", "急一", "甲", "急二"]


def test_new_urgent_entry_interrupts(glass, house):
    house.put(entry("甲"))
    glass.open(house.url("poll=0.2"))
    glass.wait(shows("甲"))
    house.put(entry("甲"), entry("急", urgent=True))
    glass.wait(shows("急"), 3)


def test_clock_is_chinas_whatever_the_box_thinks(glass, house):
    house.put(entry("甲"))
    zone = lambda name: glass.driver.execute_cdp_cmd("Emulation.setTimezoneOverride",
                                                     {"timezoneId": name})
    zone("America/New_York")
    try:
        glass.open(house.url(FAST))
        glass.wait(shows("甲"))
        script = ("return ['date', 'weekday', 'time']"
                  ".map(id => document.getElementById(id).textContent)")
        for _ in range(2):  # once more, should the minute have turned between the two
            now = datetime.datetime.now(CHINA)
            seen = glass.run(script)
            wanted = ["%d年%d月%d日" % (now.year, now.month, now.day),
                      "星期" + "一二三四五六日"[now.weekday()], now.strftime("%H:%M")]
            if seen == wanted:
                break
            glass.wait(lambda state: glass.run(script) != seen, 2)
        assert seen == wanted
    finally:
        zone("")


def test_idle_page_is_dignified(glass, house):
    house.put()
    glass.open(house.url(FAST))
    state = glass.wait(lambda s: s["serial"] == 1 and idle(s))
    assert state["count"] == 0
    text = glass.run("return document.getElementById('rest').innerText")
    assert "腾冲市" in text and "政务公开" in text and "星期" in text


def test_english_house(glass, house):
    house.put(entry("甲"), language="en")
    glass.open(house.url(FAST))
    glass.wait(shows("甲"))
    assert glass.run("return document.querySelector('#flow .kind').textContent") == "Notice"
