"""The ledger: what is accepted and what becomes of it is written down once, in order, for good."""
import json
import time

import pytest

from county import publish, wait_until, withdraw
from ledgerkit import caught_up, keys, one_error, rows


@pytest.fixture
def one(county):
    made = county()
    made.channel("bin", driver="discard", carrier="政府网站")
    return made


def test_every_record_of_the_log_is_a_row_of_the_ledger(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    for i in range(20):
        assert one.ask(publish(document=f"doc-{i}"))["status"] == "accepted"
    one.shown("doc-19", "bin")
    assert one.ask(withdraw(document="doc-3"))["status"] == "accepted"
    one.shown("doc-3", "bin", "withdrawn")
    caught_up(one)
    found = rows(one)
    assert [row[0] for row in found] == list(range(1, len(found) + 1))
    assert len([row for row in found if row[1] == "published"]) == 20
    assert len([row for row in found if row[1] == "accepted"]) == 21


def test_it_can_be_verified_exported_and_asked(one):
    one.start_all(["bin"])
    assert "还没有台账" in one_error(one, "ledger", "verify")
    one.start_ledgerd()
    for i in range(3):
        assert one.ask(publish(document=f"doc-{i}", revision=1))["status"] == "accepted"
        one.shown(f"doc-{i}", "bin")
    caught_up(one)
    assert "完好" in one.ctl("ledger", "verify")
    lines = [json.loads(line) for line in one.ctl("ledger", "export").splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(one.ctl("ledger", "export", "--since", 4).splitlines()) == len(lines) - 3
    assert [r["state"] for r in one.ctl_json("document", "history", "doc-1")] == ["accepted", "published"]
    assert {r["document"] for r in one.ctl_json("document", "list")} == {"doc-0", "doc-1", "doc-2"}
    # Also while nobody answers.
    one.stop("publisherd")
    assert [r["state"] for r in one.ctl_json("document", "history", "doc-1")] == ["accepted", "published"]


def test_what_is_in_the_ledger_leaves_the_store(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    for i in range(40):
        assert one.ask(publish(document=f"doc-{i}"))["status"] == "accepted"
    one.shown("doc-39", "bin")
    caught_up(one)
    redis = one.redis()
    wait_until(lambda: redis.xlen("{530581}:log") <= 1, 20, "the log is trimmed")
    wait_until(lambda: not keys(one, "{530581}:body:*"), 20, "no bytes are left")
    wait_until(lambda: rows(one, "SELECT count(*) FROM in_store") == [(0,)], 20, "the ledger knows that they went")
    for key in keys(one, "{530581}:ev:*"):
        assert 34 * 86400 < redis.ttl(key) <= 35 * 86400
    # The same again is still known, and answered with the first ack.
    again = publish(document="doc-1", id="same")
    assert one.ask(again)["status"] == "duplicate"
    assert "完好" in one.ctl("ledger", "verify")


def test_the_store_is_asked_about_many_documents_at_a_time(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    began, redis = time.monotonic(), one.redis()
    for i in range(60):
        assert one.ask(publish(document=f"doc-{i}"))["status"] == "accepted"
    one.shown("doc-59", "bin")
    caught_up(one)
    wait_until(lambda: not keys(one, "{530581}:body:*"), 20, "no bytes are left")
    wait_until(lambda: redis.xlen("{530581}:log") <= 1, 20, "the log is trimmed")
    most = 4 * (time.monotonic() - began) + 4
    calls = redis.info("commandstats")
    assert calls["cmdstat_unlink"]["calls"] <= most
    assert calls["cmdstat_xtrim"]["calls"] <= most


def test_a_repaired_document_gets_its_bytes_back(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    assert one.ask(publish(document="doc-1"))["status"] == "accepted"
    one.shown("doc-1", "bin")
    wait_until(lambda: not keys(one, "{530581}:body:*"), 20, "no bytes are left")
    meta = one.redis().hget("{530581}:meta", "epoch")
    assert one.redis().fcall("gk1_put_back", 4, "{530581}:meta", "{530581}:log", "{530581}:doc:doc-1", "{530581}:due:bin",
                             meta, "bin", "root", "test")[0] == b"ok"
    wait_until(lambda: len(rows(one, "SELECT 1 FROM entry WHERE document = 'doc-1' AND state IN ('published', 'restored')")) == 2, 60,
               "it is shown again")
    states = [row[0] for row in rows(one, "SELECT code FROM entry WHERE document = 'doc-1' ORDER BY seq")]
    assert "bytes/gone" in states
    wait_until(lambda: not keys(one, "{530581}:body:*"), 20, "and the bytes go again")
    assert "完好" in one.ctl("ledger", "verify")


def test_a_held_event_is_in_the_ledger_from_the_beginning(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    held = one.ask(publish(document="doc-1", title="绝密★的通告"))
    assert held["status"] == "held"
    caught_up(one)
    assert rows(one, "SELECT event.stage, length(bytes) > 100, id FROM event") == [(0, 1, rows(one, "SELECT id FROM event")[0][0])]
    one.ctl("held", "release", held["event"], "--reason", "已审查")
    one.shown("doc-1", "bin")
    caught_up(one)
    assert [row[0] for row in rows(one, "SELECT state FROM entry ORDER BY seq")] == ["held", "released", "accepted", "published"]
    assert rows(one, "SELECT count(*) FROM event") == [(1,)]
    wait_until(lambda: not keys(one, "{530581}:body:*"), 20, "its bytes leave the store too")
    assert "完好" in one.ctl("ledger", "verify")
    refused = one.ask(publish(document="doc-2", title="机密★的通告"))
    one.ctl("held", "reject", refused["event"], "--reason", "不能公开")
    caught_up(one)
    wait_until(lambda: not keys(one, "{530581}:body:*"), 20, "what was refused leaves it as well")
    assert "完好" in one.ctl("ledger", "verify")
