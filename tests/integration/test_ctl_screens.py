"""gongkaictl screen: which displays there are, which is gone for good, and what the ledger proves of them.

The heartbeats are put into the store as channeld does: what a display sends is the drivers' affair.
"""
import json
import os
import subprocess

import pytest

from county import PROGRAMS, publish, wait_until, withdraw

REGION, DIGEST = "530581", "a" * 64


@pytest.fixture
def one(county):
    made = county(regions=("530581 腾冲市", "530626 绥江县"))
    made.channel("led", driver="discard", carrier="政府网站", screen_silent="72h")
    made.channel("bin", driver="discard", carrier="政府网站")
    made.start_all(["led", "bin"])
    made.start_ledgerd()
    return made


def keys(channel, region=REGION):
    return [f"{{{region}}}:{name}" for name in ("meta", "log", f"screens:{channel}", f"draws:{channel}", f"seen:{channel}")]


def beat(one, player, *draws, channel="led", region=REGION):
    redis = one.redis()
    epoch = redis.hget(f"{{{region}}}:meta", "epoch")
    words = [word for document, revision in draws for word in (document, revision, DIGEST)]
    reply = redis.fcall("gk1_sight", 5, *keys(channel, region), epoch, channel, player, *words)
    assert reply[0] in (b"ok", "ok"), reply


def error(one, code, *arguments):
    run = subprocess.run([PROGRAMS / "gongkaictl", "--config", one.conf, *arguments], capture_output=True, text=True,
                         env=dict(os.environ, LANG="zh_CN.UTF-8"), timeout=60, check=False)
    assert run.returncode == code, (run.returncode, run.stdout, run.stderr)
    return run.stderr


def shown(one, document, **data):
    one.ask(publish(document, **data))
    one.shown(document, "led")


def test_displays_are_listed_with_what_they_should_not_show_any_more(one):
    assert "没有屏报过心跳" in one.ctl("screen", "list") and one.ctl_json("screen", "list") == []
    shown(one, "doc-1")
    shown(one, "doc-2")
    beat(one, "hall", ("doc-1", 1), ("doc-2", 1))
    beat(one, "hall", ("other", 1), region="530626")
    beat(one, "square", ("doc-2", 1))
    beat(one, "lobby", channel="bin")
    one.ask(withdraw("doc-1"))
    one.shown("doc-1", "led", state="withdrawn")
    rows = {(row["channel"], row["player"]): (row["draws"], row["silent"], row["still"]) for row in one.ctl_json("screen", "list")}
    assert rows == {("led", "hall"): (3, False, ["doc-1"]), ("led", "square"): (1, False, []), ("bin", "lobby"): (0, False, [])}
    assert [row["player"] for row in one.ctl_json("screen", "list", "bin")] == ["lobby"]
    assert one.ctl_json("screen", "list", "nothing") == [] and "渠道" in error(one, 1, "screen", "list", "No Channel")
    table = one.ctl("screen", "list", "led")
    assert "已撤回而还在显示" in table and "正常" in table and "doc-1" in table
    redis = one.redis()
    beat_of = redis.hget(keys("led")[2], "square")
    beat_of = beat_of if isinstance(beat_of, bytes) else beat_of.encode("latin-1")
    long_ago = (int.from_bytes(beat_of[:8], "big") - 73 * 3_600_000).to_bytes(8, "big") + beat_of[8:]
    redis.hset(keys("led")[2], "square", long_ago)
    assert [row["silent"] for row in one.ctl_json("screen", "list", "led") if row["player"] == "square"] == [True]
    assert "没有心跳" in one.ctl("screen", "list")


def test_a_display_that_is_gone_for_good_is_taken_off(one):
    shown(one, "doc-1")
    beat(one, "hall", ("doc-1", 1))
    beat(one, "hall", region="530626")
    assert "没有报过心跳的屏“square”" in error(one, 1, "screen", "forget", "led", "square")
    assert "写明渠道和屏" in error(one, 64, "screen", "forget", "led")
    assert "已除名" in one.ctl("screen", "forget", "led", "hall")
    assert one.ctl_json("screen", "list") == []
    off = one.ctl_json("document", "history", "doc-1", "--region", REGION)[-1]
    assert (off["code"], off["reference"]) == ("screen/off", "hall") and off["sentence"].startswith("screen forget: ")
    wait_until(lambda: "screen forget led hall" in one.log("publisherd"), what="the log says who")


def test_a_history_comes_from_the_ledger_also_when_redis_is_lost(one):
    shown(one, "doc-1", show_until={"days": 3, "unit": "calendar"})
    beat(one, "hall", ("doc-1", 1))
    beat(one, "square", ("doc-1", 1))
    beat(one, "hall")

    def rows():
        return [json.loads(line) for line in one.ctl("ledger", "export").splitlines()]
    wait_until(lambda: [row["code"] for row in rows() if row["state"] == "seen"] == ["screen/on", "screen/on", "screen/off"])
    assert not [row for row in rows() if row["state"] == "seen" and "receipt" in row]
    assert "台账完好" in one.ctl("ledger", "verify")
    assert [row["code"] for row in one.ctl_json("document", "history", "doc-1") if row["state"] == "seen"] == \
        ["screen/on", "screen/on", "screen/off"]
    for name in ("channeld-led", "channeld-bin", "ledgerd", "publisherd", "redis"):
        one.stop(name)
    history = one.ctl_json("screen", "history", "doc-1")
    assert [(span["player"], span["revision"], span["to"] is None, span["digest"]) for span in history["shown"]] == \
        [("hall", 1, False, DIGEST), ("square", 1, True, DIGEST)]
    period, = history["periods"]
    assert (period["days"], period["unit"], period["seen"], period["over"], period["proven"], period["lacking"]) == \
        (3, "calendar", 0, False, False, [])
    text = one.ctl("screen", "history", "doc-1")
    assert "屏“square”：第 1 版" in text and "还在显示" in text and "其后应公示 3 个自然日" in text and "公示期还没有满" in text
    assert "屏“hall”开始显示" in one.ctl("document", "history", "doc-1") and "屏“hall”不再显示" in one.ctl("document", "history", "doc-1")
    assert "没有哪块屏显示过" in error(one, 1, "screen", "history", "doc-2")
    assert "文件的编号" in error(one, 64, "screen", "history")
