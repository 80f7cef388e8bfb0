"""What the door rejects is kept for a person: list, show, and again with the whole admission."""
import base64
import json
import os
import shutil
import sqlite3
import subprocess
import time

import pytest

from county import PROGRAMS, now, publish, query, wait_until, withdraw
from knock import control, dealer, answer_of

ROW = ("aqsc.9901", "安全生产", "新增的事项")


@pytest.fixture
def make(county):
    def made(config="", **more):
        one = county(config=config, **more)
        one.channel("bin", driver="discard", carrier="政府网站")
        one.start_redis()
        one.start_publisherd()
        one.ready()
        return one
    return made


@pytest.fixture
def one(make):
    return make()


def rejected(town, event, attachments=()):
    reply = town.ask(event, attachments)
    reply = reply if isinstance(reply, list) else [reply]
    assert "rejected" in [r["status"] for r in reply], reply
    return reply


def rows(town, *more):
    return town.ctl_json("rejected", "list", *more)


def error(town, code, *arguments):
    run = subprocess.run([PROGRAMS / "gongkaictl", "--config", town.conf, *map(str, arguments)], capture_output=True,
                         text=True, env=dict(os.environ, LANG="zh_CN.UTF-8"), timeout=60)
    assert run.returncode == code, (run.returncode, run.stdout, run.stderr)
    return run.stderr


def wrong(document, **more):
    return publish(document, item="aqsc.9901", **more)


def new_item(town):
    """The catalogue is mended: the item exists now."""
    path = town.folder / "catalogue" / "pilot.csv"
    lines = path.read_text().splitlines()
    line = next(row for row in lines if row.startswith("aqsc.0402,"))
    (town.folder / "catalogue" / "more.csv").write_text(lines[0] + "\n" + line.replace("aqsc.0402", "aqsc.9901") + "\n")
    town.processes["publisherd"].send_signal(1)
    wait_until(lambda: "新配置已生效" in town.log("publisherd"), 10, "it has the new catalogue")


def test_a_rejected_event_is_listed_shown_and_tried_again_once_the_catalogue_is_mended(one):
    event = wrong("doc-1", id="a-1", title="退回的通告")
    sent = json.dumps(event, ensure_ascii=False).encode()
    reply = rejected(one, sent)[0]
    row, = rows(one)
    assert (row["emitter"], row["source"], row["id"], row["document"]) == ("local", event["source"], "a-1", "doc-1")
    assert (row["codes"], row["times"], row["size"]) == (["unknown_item"], 1, len(sent)) and row["error"] == reply["errors"][0]["message"]
    number = row["number"]
    entry = one.ctl_json("rejected", "show", number)
    assert entry["text"].encode() == sent and entry["errors"] == reply["errors"] and entry["cut"] is False
    assert "退回的通告" in one.ctl("rejected", "show", number) and "a-1" in one.ctl("rejected", "list")
    assert "还是没有收下" in error(one, 1, "rejected", "retry", number)
    assert rows(one)[0]["times"] == 2
    new_item(one)
    assert "accepted" in one.ctl("rejected", "retry", number)
    assert rows(one) == [] and one.ask(query("doc-1"))["revision"] == 1
    assert "没有编号" in error(one, 1, "rejected", "retry", number) and "没有退回件" in one.ctl("rejected", "list")
    wait_until(lambda: f"执行了：rejected retry {number}" in one.log("publisherd"), 5, "the log says who")


def test_the_same_event_rejected_again_is_one_entry(one):
    for title in ("", "x" * 300, ""):
        rejected(one, publish("doc-1", id="same", title=title))
    row, = rows(one)
    assert row["times"] == 3 and row["codes"] == ["required"]
    rejected(one, publish("doc-1", id="other", title=""))
    assert [r["id"] for r in rows(one)] == ["other", "same"], "the newest first"
    assert [r["id"] for r in rows(one, "--limit", 1)] == ["other"]


def test_what_the_store_rejects_is_kept_too(one):
    assert one.ask(publish("doc-1"))["status"] == "accepted"
    event = publish("doc-1", body="别人的。", source="urn:gongkai:530581:tax", id="not-mine")
    rejected(one, event)
    row, = rows(one)
    assert row["codes"] == ["not_owner"] and json.loads(one.ctl_json("rejected", "show", row["number"])["text"]) == event


@pytest.mark.parametrize("message, code", [
    (b"this is no JSON \x1b[31m red", "json"), ("开放".encode("gbk") * 20, "encoding"), (b"", "json"), (b'{"id":', "json"), (b"[]", "length")])
def test_what_is_no_event_at_all_is_kept_as_it_came(one, message, code):
    rejected(one, message)
    rejected(one, message)
    row, = rows(one)
    assert (row["source"], row["id"], row["document"], row["times"]) == (None, None, None, 2) and row["codes"] == [code]
    entry = one.ctl_json("rejected", "show", row["number"])
    assert (base64.b64decode(entry["base64"]) if "base64" in entry else entry["text"].encode()) == message
    assert "\x1b" not in one.ctl("rejected", "show", row["number"]) and "\x1b" not in one.ctl("rejected", "list")
    assert code in error(one, 1, "rejected", "retry", row["number"])
    assert rows(one)[0]["times"] == 3


def test_strangers_words_do_nothing_to_the_terminal(one):
    rejected(one, publish("doc\u202e-1", id="id\u001b[2J\u202e", title=""))
    text = one.ctl("rejected", "list") + one.ctl("rejected", "show", rows(one)[0]["number"])
    assert "\x1b" not in text and "\u202e" not in text


def test_of_an_array_the_rejected_ones_are_kept(one):
    reply = rejected(one, [publish("doc-1"), wrong("doc-2", id="two"), publish("doc-3"), wrong("doc-4", id="four")])
    assert [r["status"] for r in reply] == ["accepted", "rejected", "accepted", "rejected"]
    assert sorted(r["id"] for r in rows(one)) == ["four", "two"]
    new_item(one)
    for row in rows(one):
        assert control(one, do="rejected.retry", number=row["number"])["status"] == "accepted"
    assert rows(one) == []


def test_questions_and_trials_are_not_kept(one):
    rejected(one, query("doc-1", source="urn:gongkai:110000:oa"))
    rejected(one, wrong("doc-1", attributes={"gkdryrun": True}))
    rejected(one, publish("doc-1", title="", attributes={"gkdryrun": True}))
    reply = one.ask({**query("doc-1"), "data": {}})
    assert reply["status"] == "rejected"
    assert rows(one) == []


def test_of_a_message_that_is_too_large_the_beginning_is_kept(make):
    one = make("[publisherd]\nmax_message = 4MiB")
    rejected(one, publish("doc-1", id="large", body="长" * 500000))
    row, = rows(one)
    assert row["size"] > 1 << 20 and row["codes"] == ["too_large"]
    entry = one.ctl_json("rejected", "show", row["number"])
    assert entry["cut"] is True and "只留了开头" in one.ctl("rejected", "show", row["number"])
    assert "只留了开头" in error(one, 1, "rejected", "retry", row["number"])


def test_retry_is_with_the_rights_of_the_emitter_as_they_are_now(one):
    one.emitter("tax", sources="urn:gongkai:530581:tax", items="zdxm.*")
    one.processes["publisherd"].send_signal(1)
    wait_until(lambda: "新配置已生效" in one.log("publisherd"), 10, "it has the file")
    rejected(one, publish("doc-1", source="urn:gongkai:530581:tax"))
    row, = rows(one)
    assert (row["emitter"], row["codes"]) == ("tax", ["not_entitled"])
    one.emitter("tax", sources="urn:gongkai:530581:tax", enabled="no")
    one.processes["publisherd"].send_signal(1)
    wait_until(lambda: one.log("publisherd").count("新配置已生效") == 2, 10, "it is switched off")
    assert "停用" in error(one, 1, "rejected", "retry", row["number"])
    one.emitter("tax", sources="urn:gongkai:530581:tax")
    one.processes["publisherd"].send_signal(1)
    wait_until(lambda: one.log("publisherd").count("新配置已生效") == 3, 10, "it may all")
    assert one.ctl_json("rejected", "retry", row["number"])["status"] == "accepted"


def test_while_the_store_is_away_a_retry_is_busy_and_stays(one):
    rejected(one, wrong("doc-1"))
    new_item(one)
    one.kill("redis")
    number = rows(one)[0]["number"]
    assert "busy" in error(one, 1, "rejected", "retry", number)
    assert [r["number"] for r in rows(one)] == [number]
    one.start_redis()
    one.ready()
    assert one.ctl_json("rejected", "retry", number)["status"] == "accepted"


def test_the_list_outlives_a_kill_and_a_restart(one):
    rejected(one, wrong("doc-1"))
    assert len(rows(one)) == 1
    one.kill("publisherd")
    one.start_publisherd()
    assert [r["document"] for r in rows(one)] == ["doc-1"]
    rejected(one, wrong("doc-2"))
    one.stop("publisherd")
    one.start_publisherd()
    assert [r["document"] for r in rows(one)] == ["doc-2", "doc-1"]
    assert (one.folder / "state" / "rejected.db").stat().st_mode & 0o777 == 0o600


def test_a_mad_emitter_is_counted_and_slows_nobody(one):
    one.emitter("mad", sources="urn:gongkai:530581:mad")
    one.processes["publisherd"].send_signal(1)
    wait_until(lambda: "新配置已生效" in one.log("publisherd"), 10, "it has the file")
    rejected(one, wrong("before"))
    mad = dealer(one.endpoint, window=20000)
    for i in range(3000):
        mad.send_multipart([b"", json.dumps(wrong(f"mad-{i}", id=f"m-{i}", source="urn:gongkai:530581:mad")).encode()])
    began = time.monotonic()
    assert one.ask(publish("honest"), timeout=20)["status"] == "accepted"
    assert time.monotonic() - began < 10
    for _ in range(3000):
        assert answer_of(mad)["status"] == "rejected"
    mad.close(0)
    rejected(one, wrong("after"))
    listed = rows(one, "--limit", 5000)
    of_mad = [r for r in listed if r["emitter"] == "mad"]
    assert 300 <= len(of_mad) <= 600 and {r["document"] for r in listed} >= {"before", "after"}
    text = one.ctl("rejected", "list")
    assert f"“mad”另有 {3000 - len(of_mad)} 件" in text


def test_the_oldest_go_when_the_list_is_full(make):
    one = make("[publisherd]\nrejected_size = 1MiB")
    for i in range(12):
        rejected(one, wrong(f"doc-{i}", body="长" * 50000))
    listed = [r["document"] for r in rows(one)]
    assert listed == [f"doc-{i}" for i in range(11, 11 - len(listed), -1)] and 4 <= len(listed) <= 6
    one.stop("publisherd")
    one.start_publisherd()
    rejected(one, wrong("last", body="长" * 50000))
    assert [r["document"] for r in rows(one)][:2] == ["last", "doc-11"] and len(rows(one)) == len(listed)


def test_after_35_days_they_go(one):
    rejected(one, wrong("old"))
    rejected(one, wrong("new"))
    assert len(rows(one)) == 2
    one.stop("publisherd")
    with sqlite3.connect(one.folder / "state" / "rejected.db") as database:
        database.execute("UPDATE rejected SET at = at - 36 * 86400000 WHERE document = 'old'")
    one.start_publisherd()
    rejected(one, wrong("newer"))
    wait_until(lambda: [r["document"] for r in rows(one)] == ["newer", "new"], 5, "the old one is gone")


def test_a_damaged_file_is_set_aside(one):
    rejected(one, wrong("doc-1"))
    one.stop("publisherd")
    path = one.folder / "state" / "rejected.db"
    path.write_bytes(b"this is no database" * 1000)
    one.start_publisherd()
    rejected(one, wrong("doc-2"))
    assert [r["document"] for r in rows(one)] == ["doc-2"] and path.with_suffix(".db.damaged").exists()


def test_where_it_cannot_be_written_the_door_goes_on_and_a_person_hears_of_it(one):
    one.stop("publisherd")
    path = one.folder / "state" / "rejected.db"
    for old in one.folder.glob("state/rejected.db*"):
        old.unlink()
    path.mkdir()
    one.start_publisherd()
    one.ready()
    rejected(one, wrong("doc-1"))
    assert one.ask(publish("doc-2"))["status"] == "accepted"
    assert "读不了退回件" in error(one, 1, "rejected", "list")
    alarms = one.folder / "state" / "alarms"
    assert list(alarms.glob("state-unwritable--rejected*.json"))
    shutil.rmtree(path)
    wait_until(lambda: control(one, do="rejected.list")["ok"], 20, "it is written again")
    assert [r["document"] for r in rows(one)] == ["doc-1"] and not list(alarms.glob("state-unwritable--rejected*.json"))


def test_wrong_words_are_usage(one):
    for arguments in (["show"], ["retry"], ["show", "x"], ["show", "0"], ["show", "1x"], ["show", "1", "2"], ["retry", "99999999999999999999"]):
        assert "编号" in error(one, 64, "rejected", *arguments)
    assert "没有编号为 7" in error(one, 1, "rejected", "show", 7)


def test_the_time_of_an_event_cannot_be_far_ahead(one):
    reply = rejected(one, publish("doc-1", time=now(days=1, minutes=5)))[0]
    assert [(e["path"], e["code"]) for e in reply["errors"]] == [("/time", "date_order")] and "publish_at" in reply["errors"][0]["message"]
    assert rejected(one, withdraw("doc-1", time=now(days=400)))[0]["errors"][0]["code"] == "date_order"
    assert one.ask(publish("doc-1", time=now(hours=23)))["status"] == "accepted", "a clock may be a little wrong"
    assert one.ask(publish("doc-2"))["status"] == "accepted"
