"""LED boards: from the door to a simulated Onbon card, which is strict, busy, slow, damaged, or without power."""
import pathlib
import sys
import threading

import pytest

from county import publish, wait_until, withdraw

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from led_onbon import Card  # noqa: E402

QUICK = {"timeout": "1s", "retry": "0, 100ms*60", "breaker": "0", "late_effect": "300ms", "lease": "3s"}
FINE = {"separator": "|", "width": 256, "height": 32, "area": 2}


@pytest.fixture
def card():
    with Card() as one:
        yield one
        assert one.findings == []


@pytest.fixture
def hall(county, card):
    """A county with the channel `led`, whose board is the card."""
    def make(start=True, **settings):
        one = county()
        one.channel("led", driver="onbon", carrier="政府网站", host="127.0.0.1", port=card.port, **{**QUICK, **FINE, **settings})
        return one.start_all(["led"] if start else [])
    return make


def text(card):
    return card.shown().get(2)


def runs(card):
    return [run for area in card.visible() for run in area.runs]


def shows(card, wanted):
    return wait_until(lambda: text(card) == wanted, 10, f"the board shows {wanted!r}, not {text(card)!r}")


def updates(card):
    return [seen for seen in card.log if seen.command == "A306"]


# ---- what it shows ----

def test_notices_run_one_after_another_until_they_are_withdrawn(hall, card):
    county = hall()
    county.ask(publish(document="a", title="关于停水的通告"))
    county.shown("a", "led")
    shows(card, "关于停水的通告（腾冲市人民政府办公室）")
    county.ask(publish(document="b", texts={"short": "明天停电"}))
    county.shown("b", "led")
    shows(card, "明天停电|关于停水的通告（腾冲市人民政府办公室）")
    county.ask(publish(document="a", texts={"short": "不停水了"}))
    county.shown("a", "led", revision=2)
    shows(card, "不停水了|明天停电")
    assert {colour for colour, _ in runs(card)} == {"red"}
    county.ask(withdraw(document="b"))
    county.shown("b", "led", state="withdrawn")
    shows(card, "不停水了")
    county.ask(withdraw(document="a", mode="erase", reason_code="personal"))
    county.shown("a", "led", state="withdrawn")
    wait_until(lambda: card.shown() == {})


def test_characters_without_a_glyph_are_named_in_the_log(hall, card):
    county = hall()
    county.ask(publish(document="a", texts={"short": "防汛😀通知"}))
    county.shown("a", "led")
    shows(card, "防汛□通知")
    wait_until(lambda: "显示成“□”：😀" in county.log("channeld-led"))


def test_the_end_of_the_display_takes_it_down(hall, card):
    county = hall()
    county.ask(publish(document="a", texts={"short": "公示"}, show_until="2026-01-01T00:00:00+08:00"))
    county.shown("a", "led", state="ended")
    assert card.shown() == {}


# ---- trouble on the wire ----

@pytest.mark.parametrize("fault", [dict(how="lost"), dict(how="half"), dict(how="hang"), dict(how="bad-crc"), dict(how="noise"), dict(error=3),
                                   dict(error=5), dict(how="reset")], ids=lambda fault: str(fault.get("how", fault.get("error"))))
def test_whatever_happens_to_an_answer_it_is_shown_once(hall, card, fault):
    county = hall(refresh="0s")
    county.ask(publish(document="a", texts={"short": "甲"}))
    county.shown("a", "led")
    card.trouble("*", times=3, **fault)
    county.ask(publish(document="b", texts={"short": "乙"}))
    county.shown("b", "led")
    shows(card, "乙|甲")
    card.trouble("*", times=3, **fault)
    county.ask(withdraw(document="a"))
    county.shown("a", "led", state="withdrawn")
    shows(card, "乙")


def test_a_card_that_is_away_gets_it_when_it_is_back(hall, card):
    county = hall(start=False)
    port = card.port
    card.close()
    county.start_channel("led")
    county.ask(publish(document="a", texts={"short": "甲"}))
    wait_until(lambda: "连不上电子屏 127.0.0.1" in county.log("channeld-led"))
    with Card(port=port) as back:
        county.shown("a", "led")
        shows(back, "甲")


def test_a_card_without_its_font_stops_the_channel(hall, card):
    county = hall(refresh="0s")
    wait_until(lambda: updates(card))  # of the start
    card.trouble("*", error=0x0C, times=100)
    county.ask(publish(document="a", texts={"short": "甲"}))
    paused = wait_until(lambda: county.ctl_json("channel", "list")[0]["paused"])
    assert "字库" in paused
    card.calm()
    county.ctl("channel", "resume", "led")
    county.shown("a", "led")
    shows(card, "甲")


def test_a_card_that_lost_its_power_shows_everything_again(hall, card):
    county = hall(refresh="1s")
    county.ask(publish(document="a", texts={"short": "甲"}))
    county.shown("a", "led")
    card.power_cycle()
    shows(card, "甲")


def test_a_card_that_was_away_gets_all_at_the_first_ping_that_it_answers(hall, card):
    county = hall(refresh="0s", ping="200ms")
    county.ask(publish(document="a", texts={"short": "甲"}))
    county.shown("a", "led")
    wait_until(lambda: sum(seen.command == "A200" for seen in card.log) > 2)
    wait_until(lambda: county.redis().hkeys("{530581}:seen:led") == [b"a\tled"], what="the board is known to draw it")
    before = len(updates(card))
    port = card.port
    card.close()
    wait_until(lambda: "连不上电子屏 127.0.0.1" in county.log("channeld-led"))
    with Card(port=port) as back:
        shows(back, "甲")
        wait_until(lambda: sum(seen.command == "A200" for seen in back.log) > 2)
        assert len(updates(back)) == 1
    assert before == len(updates(card)), "a board that answers is not disturbed"


# ---- several at once ----

def test_killed_before_the_answer_it_is_shown_once(hall, card):
    county = hall(timeout="20s", refresh="0s")
    county.ask(publish(document="a", texts={"short": "甲"}))
    county.shown("a", "led")
    before = len(updates(card))
    card.trouble("*", "held")
    county.ask(publish(document="b", texts={"short": "乙"}))
    wait_until(lambda: len(updates(card)) > before)
    county.kill("channeld-led")
    card.release()
    county.start_channel("led")
    county.shown("b", "led")
    shows(card, "乙|甲")


def test_two_workers_with_many_at_once_leave_the_right_board(hall, card):
    county = hall(concurrency=6, most=20, length=20)
    county.start_channel("led", instance="-two")
    names = [f"{n:02}" for n in range(16)]
    workers = [threading.Thread(target=lambda n=n: county.ask(publish(document=n, texts={"short": f"甲{n}"}))) for n in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for name in names[:6]:
        county.ask(withdraw(document=name))
    for n, name in enumerate(names):
        county.shown(name, "led", state="withdrawn" if n < 6 else "published")
    assert sorted(text(card).split("|")) == [f"甲{name}" for name in names[6:]]


# ---- trying ----

def test_the_test_pings_and_leaves_the_board_alone(hall, card):
    county = hall(start=False)
    assert "有答复" in county.ctl("channel", "test", "led")
    assert [seen.command for seen in card.log] == ["A200"]
    card.close()
    assert "拒绝连接" in county.ctl("channel", "test", "led", code=1)
