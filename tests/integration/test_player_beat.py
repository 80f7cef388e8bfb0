"""The player's heartbeats: what it says that it has drawn, and that nothing else follows from them."""
import datetime
import hashlib
import threading
import time

import pytest

from notices import entry, long_document
from stage import FAST, glass, house, screen, shows  # noqa: F401

BEAT = {"beat": "beat", "region": "530581"}
DRAWN = ("document", "revision", "kind", "title", "number", "publisher", "date", "html", "text", "short", "urgent", "url")


def digest(one):
    """As channels/display/README.md has it, and channels/playlist.c writes it."""
    def text(value):
        return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return hashlib.sha256("\n".join(text(one.get(name)) for name in DRAWN).encode()).hexdigest()


def told(house):
    """What the last heartbeat says: document -> revision and digest; None: there was none."""
    return {one["document"]: (one["revision"], one["digest"]) for one in house.beats[-1]["showing"]} if house.beats else None


def holds(house):
    return [one["document"] for one in house.beats[-1]["holding"]]


def hears(house, wanted, seconds=15, held=()):
    until = time.monotonic() + seconds
    wanted = {one["document"]: (one["revision"], digest(one)) for one in wanted}
    while told(house) != wanted or holds(house) != list(held):
        assert time.monotonic() < until, f"heard {told(house)}, not {wanted}"
        threading.Event().wait(0.02)


def test_the_pages_own_digest_is_sha_256(glass, house):
    house.put()
    glass.open(house.url(FAST))
    glass.wait(lambda s: s["polls"] > 0)
    texts = ["", "abc", "公开", "𠀀é", *("公" * n for n in (18, 19, 21, 22, 40, 70000)), *("x" * n for n in range(53, 66)), "x" * 119]
    made = glass.run("return arguments[0].map(window.gongkai.sha256)", texts)
    assert made == [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def test_it_says_what_it_has_drawn_by_the_digest_of_it(glass, house):
    one = entry("甲", short="短讯", url="https://www.example.gov.cn/1", title="  a\u200b题\n", text=None)
    other = entry("乙", urgent=True, revision=7, html="", text="第一行\n第二行")
    house.put(one, other, **BEAT)
    glass.open(house.url(FAST + "&name=left&key=s3cret"))
    hears(house, [one, other])
    beat = house.beats[-1]
    assert (beat["format"], beat["screen"], beat["region"], beat["player"], beat["key"]) == (1, "hall", "530581", "left", "s3cret")
    for said in beat["showing"]:
        at = datetime.datetime.fromisoformat(said["drawn"].replace("Z", "+00:00"))
        assert abs(at.timestamp() - time.time()) < 30
    assert house.asked.count("/beat") >= 1
    # Another wording is another digest, be the revision the same.
    one["html"] = "<p>换了。</p>"
    house.put(one, **BEAT)
    hears(house, [one])


def test_a_withdrawal_is_off_the_glass_and_said_within_five_seconds(glass, house):
    stays, goes = entry("留"), entry("撤回")
    house.put(stays, goes, **BEAT)
    glass.open(house.url("speed=100"))  # the polls are the usual ones
    hears(house, [stays, goes])
    began = time.monotonic()
    house.put(stays, **BEAT)
    hears(house, [stays], 8)
    assert time.monotonic() - began < 5
    assert "撤回" not in glass.run("return document.documentElement.outerHTML + JSON.stringify(localStorage)")


def test_an_entry_is_drawn_when_its_last_page_is(glass, house):
    long, _ = long_document()
    one = entry("长", html=long)
    house.put(one, **BEAT)
    glass.open(house.url("poll=0.2&speed=40"))
    glass.wait(lambda s: shows("长")(s) and s["showing"]["page"] == 3)
    assert told(house) == {} and holds(house) == ["长"]
    pages = glass.state()["showing"]["pages"]
    hears(house, [one], 40)
    assert glass.state()["showing"]["page"] in (pages, 1)


def test_what_ends_is_not_said_any_more(glass, house):
    one, other = entry("甲"), entry("乙")
    house.put(one, other, **BEAT)
    glass.open(house.url(FAST))
    hears(house, [one, other])
    one["end"] = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)).isoformat()
    house.put(one, other, **BEAT)  # which is not drawn, so it stays the same notice
    hears(house, [other])
    assert all(said["document"] == "乙" or said["digest"] == digest(one) for beat in house.beats for said in beat["showing"])


def test_a_reload_forgets_nothing_but_what_is_gone(glass, house):
    one, goes = entry("甲"), entry("撤回")
    house.put(one, goes, **BEAT)
    glass.open(house.url(FAST))
    hears(house, [one, goes])
    glass.open("about:blank")
    house.put(one, **BEAT)
    del house.beats[:]
    glass.open(house.url("poll=0.2&speed=0.1"))
    hears(house, [one])
    assert all(said["document"] == "甲" for beat in house.beats for said in beat["showing"])


def test_out_of_sight_nothing_counts(glass, house):
    one = entry("甲")
    house.put(one, **BEAT)
    glass.open(house.url(FAST))
    hears(house, [one])
    hide = ("Object.defineProperty(document, 'visibilityState', {get: () => arguments[0], configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))")
    glass.run(hide.replace("arguments[0]", "'hidden'"))
    hears(house, [], held=["甲"])
    other = entry("乙")
    house.put(other, **BEAT)
    glass.wait(shows("乙"))
    hears(house, [], held=["乙"])
    glass.run(hide.replace("arguments[0]", "'visible'"))
    hears(house, [other])


def test_a_new_entry_comes_next(glass, house):
    some = [entry(name) for name in "甲乙丙丁"]
    house.put(*some, **BEAT)
    glass.open(house.url(FAST))
    hears(house, some)
    glass.open(house.url("poll=0.2&speed=8"))
    glass.wait(shows("甲"))
    serial = house.put(*some, entry("戊"), **BEAT)
    seen = []
    while "戊" not in seen:
        state = glass.wait(lambda s: s["serial"] == serial and s["showing"]["document"] not in seen[-1:])
        seen.append(state["showing"]["document"])
    assert len(seen) <= 2
    after = glass.wait(lambda s: not shows("戊")(s))
    assert after["showing"]["document"] == "乙" if seen[0] == "甲" else "丙"


@pytest.mark.parametrize("beat", [None, "https://elsewhere.example.cn/beat", "../beat", "//elsewhere.example.cn/beat"])
def test_without_an_address_of_ours_nothing_is_sent(glass, house, beat):
    house.put(entry("甲"), entry("乙"), **({"beat": beat} if beat else {}))
    glass.open(house.url(FAST))
    for name in ("甲", "乙", "甲"):
        glass.wait(shows(name))
    assert house.beats == [] and not [path for path in house.asked if "beat" in path and "js" not in path]


def test_a_heartbeat_comes_again_and_one_that_fails_disturbs_nothing(glass, house):
    some = [entry("甲"), entry("乙")]
    house.beat_status = 500
    house.put(*some, **BEAT)
    glass.open(house.url(FAST + "&beat=0.3"))
    for name in ("甲", "乙", "甲", "乙"):
        glass.wait(shows(name))
    state = glass.wait(lambda s: s["beats"]["problem"] == "heartbeat: HTTP 500")
    assert not state["offline"] and state["problem"] == ""
    house.beat_status = 204
    hears(house, some)
    n = len(house.beats)
    glass.wait(lambda s: len(house.beats) >= n + 3 and s["beats"]["problem"] == "")
