"""The door: every status, in order, for any honest peer."""
import unicodedata

import pytest
import zmq

from county import now, query, wait_until, withdraw
from county import publish as event_of
from knock import County, accepted_in_log, answer_of, dealer

OTHER = "urn:gongkai:530581:fagai"


def publish(document="doc-1", **more):
    """A notice whose content no other document has."""
    more.setdefault("title", f"关于 {document} 的通告")
    return event_of(document, **more)


@pytest.fixture(scope="module")
def town():
    one = County(regions=("530581 腾冲市", "530626 绥江县"))
    one.channel("bin", driver="discard", carrier="政府网站, 社区/企事业单位/村公示栏（电子屏）")
    one.channel("sms", driver="discard")
    one.emitter("fagai", sources=OTHER, may_revise="urn:gongkai:530581:renshe")
    one.emitter("jiaoyu", sources="urn:gongkai:530581:jiaoyu", items="zdxm.*", regions="530581")
    one.start_all()
    yield one
    one.close()


# -- the statuses


def test_a_notice_is_accepted_shown_and_known_again(county):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站, 社区/企事业单位/村公示栏（电子屏）")
    one.start_all(["bin"])
    event = publish()
    reply = one.ask(event)
    assert reply["status"] == "accepted"
    assert (reply["source"], reply["id"]) == (event["source"], event["id"])
    assert (reply["document"], reply["revision"], reply["channels"]) == ("doc-1", 1, ["bin"])
    assert reply["warnings"] == [] and reply["due"] is None
    again = one.ask(event)
    assert (again["status"], again["event"]) == ("duplicate", reply["event"])
    assert one.shown("doc-1", "bin")["revision"] == 1


def test_the_same_content_of_a_document_under_a_new_id_is_a_duplicate_of_the_first(town):
    event = publish("dup-1")
    first = town.ask(event)
    again = town.ask({**event, "id": event["id"] + "-again", "time": now()})
    assert (again["status"], again["event"], again["revision"]) == ("duplicate", first["event"], 1)
    # The revision is no part of the content.
    numbered = {**event, "id": event["id"] + "-7", "time": now(), "data": {**event["data"], "revision": 7}}
    assert town.ask(numbered)["status"] == "duplicate"


def test_an_identity_with_other_content_is_a_conflict(town):
    event = publish("conflict-1")
    first = town.ask(event)
    reply = town.ask(publish("conflict-1", title="另一个标题", id=event["id"]))
    assert (reply["status"], reply["id"], reply["event"]) == ("conflict", event["id"], first["event"])
    assert town.ask(event)["status"] == "duplicate"


def test_a_revision_that_is_taken_by_other_content_is_rejected(town):
    assert town.ask(publish("taken-1", revision=3))["revision"] == 3
    reply = town.ask(publish("taken-1", title="另一个标题", revision=3))
    assert (reply["status"], reply["errors"][0]["code"], reply["errors"][0]["path"]) == \
        ("rejected", "conflict", "/data/revision")
    assert "3" in reply["errors"][0]["message"]


def test_what_comes_late_is_stale(town):
    early, late = now(minutes=-5), now()
    newest = town.ask(publish("stale-1", title="新", time=late))
    assert newest["status"] == "accepted"
    reply = town.ask(publish("stale-1", title="旧", time=early))
    assert (reply["status"], reply["revision"]) == ("stale", 1)
    assert town.ask(publish("stale-2", title="二", revision=2))["status"] == "accepted"
    assert town.ask(publish("stale-2", title="一", revision=1))["status"] == "stale"
    assert town.ask(publish("stale-2", title="三", revision=3, time=early))["status"] == "accepted"


def test_a_rejected_event_may_come_again_under_its_id(town):
    event = publish("mend-1", title="　")
    assert town.ask(event)["status"] == "rejected"
    event["data"]["title"] = "补上了标题"
    assert town.ask(event)["status"] == "accepted"


def test_without_redis_the_door_is_busy_and_says_when_to_come_again(county):
    one = county()
    one.start_publisherd()
    event = publish()
    reply = one.ask(event)
    assert (reply["status"], reply["source"], reply["id"]) == ("busy", event["source"], event["id"])
    assert 100 <= reply["retry_after_ms"] <= 10000
    assert one.ask(query("doc-1"))["status"] == "busy"
    assert [r["status"] for r in one.ask([event, publish(title=""), query("doc-1")])] == ["busy", "rejected", "busy"]


def test_an_event_older_than_the_window_needs_a_revision(town):
    old = {"time": now(days=-40), "dates": {"formed": "2026-09-01"}}
    reply = town.ask(publish("old-1", **old))
    assert (reply["status"], reply["errors"][0]["code"], reply["errors"][0]["path"]) == \
        ("rejected", "too_old", "/time")
    assert town.ask(publish("old-1", revision=1, **old))["status"] == "accepted"


# -- revisions and withdrawals


def test_revisions_count_up_and_a_withdrawal_uses_no_number(town):
    assert town.ask(publish("life-1", title="一"))["revision"] == 1
    assert town.ask(publish("life-1", title="二"))["revision"] == 2
    gone = town.ask(withdraw("life-1"))
    assert (gone["status"], gone["revision"], gone["channels"]) == ("accepted", 2, ["bin"])
    assert town.ask(query("life-1"))["state"] == "withdrawn"
    back = town.ask(publish("life-1", title="二"))
    assert (back["status"], back["revision"]) == ("accepted", 3), "old content after a withdrawal is a new revision"
    assert town.ask(query("life-1"))["state"] == "published"


def test_a_withdrawal_wins_a_tie_of_times(town):
    moment = now()
    assert town.ask(publish("tie-1", title="一", time=moment))["status"] == "accepted"
    assert town.ask(withdraw("tie-1", time=moment))["status"] == "accepted"
    assert town.ask(publish("tie-1", title="二", time=moment))["status"] == "stale"


def test_a_withdrawal_of_an_unknown_document_is_kept(town):
    before, moment = now(minutes=-1), now()
    reply = town.ask(withdraw("unknown-1", time=moment))
    assert reply["status"] == "accepted"
    assert [w["code"] for w in reply["warnings"]] == ["unknown_document"]
    assert town.ask(publish("unknown-1", time=before))["status"] == "stale"
    assert town.ask(publish("unknown-1", time=now(seconds=1)))["status"] == "accepted"


def test_to_erase_needs_a_code(town):
    town.ask(publish("erase-1"))
    reply = town.ask(withdraw("erase-1", mode="erase"))
    assert [(e["path"], e["code"]) for e in reply["errors"]] == [("/data/reason_code", "required")]
    assert town.ask(withdraw("erase-1", mode="erase", reason_code="personal"))["status"] == "accepted"


def test_a_document_is_the_same_in_any_unicode_form(town):
    name = "Préfecture 号"
    assert unicodedata.normalize("NFD", name) != name
    assert town.ask(publish(name, title="一"))["revision"] == 1
    reply = town.ask(publish(unicodedata.normalize("NFD", name), title="二"))
    assert (reply["revision"], reply["document"]) == (2, name)


def test_an_embargoed_revision_waits_and_can_be_overtaken(town):
    later = now(hours=2)
    reply = town.ask(publish("embargo-1", publish_at=later))
    assert reply["status"] == "accepted" and reply["channels"] == ["bin"]
    known = town.ask(query("embargo-1"))
    assert (known["state"], known["revision"]) == ("embargoed", 1)
    assert known["channels"][0]["state"] == "embargoed"
    assert town.ask(publish("embargo-1", title="现在就发"))["revision"] == 2
    known = town.ask(query("embargo-1"))
    assert (known["state"], known["revision"], known["pending"]) == ("published", 2, [])


# -- envelopes and order


def test_an_object_is_answered_by_an_object_and_an_array_by_an_array(town):
    assert isinstance(town.ask(publish("shape-1")), dict)
    reply = town.ask([publish("shape-2")])
    assert isinstance(reply, list) and [r["document"] for r in reply] == ["shape-2"]


def test_an_array_is_answered_in_its_order_whatever_becomes_of_each(town):
    first = publish("mixed-1")
    town.ask(first)
    events = [
        (publish("mixed-2"), "accepted"), (first, "duplicate"), (query("mixed-1"), "ok"),
        (publish("mixed-3", title="机密★1年"), "held"), (publish("mixed-4", item="no.0000"), "rejected"),
        (publish("mixed-1", title="别的", id=first["id"]), "conflict"), (publish("mixed-2", title="二"), "accepted"),
        ([], "rejected"), (withdraw("mixed-2"), "accepted"), (publish("mixed-1", title="旧", time=now(days=-1)), "stale"),
        (query("mixed-2"), "ok"), (publish("mixed-5"), "accepted"),
    ]
    reply = town.ask([event for event, _ in events])
    assert [r["status"] for r in reply] == [status for _, status in events]
    assert [r["id"] for r in reply] == [event["id"] if event else None for event, _ in events]
    assert (reply[6]["revision"], reply[8]["revision"]) == (2, 2)


def test_256_events_in_one_message(town):
    reply = town.ask([publish(f"many-{i}") for i in range(256)])
    assert [(r["status"], r["document"]) for r in reply] == [("accepted", f"many-{i}") for i in range(256)]


def test_a_req_socket_is_served(town):
    context = zmq.Context.instance()
    asking = context.socket(zmq.REQ)
    asking.setsockopt(zmq.LINGER, 0)
    asking.connect(town.endpoint)
    try:
        for i in range(20):
            asking.send_json(publish(f"req-{i}"))
            assert asking.poll(10000)
            reply = asking.recv_json()
            assert (reply["status"], reply["document"]) == ("accepted", f"req-{i}")
    finally:
        asking.close(0)


def test_replies_to_one_peer_come_in_the_order_of_its_requests(town):
    """Rejections are known at once, commits take a sync, queries a round trip: none overtakes."""
    doors = [town.door() for _ in range(3)]
    sent = {door: [] for door in doors}
    for i in range(400):
        for n, door in enumerate(doors):
            kind = (i * 7 + n) % 5
            if kind == 0:
                message = query(f"order-{n}-{i - 1}")
            elif kind == 1:
                message = publish(f"order-{n}-{i}", title="")
            elif kind == 2:
                message = [publish(f"order-{n}-{i}-{k}") for k in range(3)] + [query(f"order-{n}-0")]
            else:
                message = publish(f"order-{n}-{i}")
            sent[door].append([one["id"] for one in message] if isinstance(message, list) else message["id"])
            door.send(message)
    for door in doors:
        for wanted in sent[door]:
            reply = door.receive()
            got = [one["id"] for one in reply] if isinstance(reply, list) else reply["id"]
            assert got == wanted
        door.close()


def test_a_peer_that_names_itself_is_served_and_may_come_back(town):
    def served():
        # While the door still has the connection before, the same name is not heard: the emitter
        # closes and opens anew, as its rules say.
        one = dealer(town.endpoint, identity=b"oa-host-1")
        one.send_multipart([b"", b"{}"])
        heard = one.poll(1000) and answer_of(one)["status"] == "rejected"
        one.close(0)
        return heard
    for _ in range(3):
        wait_until(served, 15, "the peer is served")


def test_a_peer_that_leaves_before_its_answer_harms_nobody(town):
    for i in range(30):
        door = town.door()
        door.send([publish(f"leaver-{i}-{k}") for k in range(8)])
        assert door.socket.poll(0) in (0, zmq.POLLIN)
        door.close()
    assert town.ask(publish("stayer-1"))["status"] == "accepted"


# -- dry run


def test_a_dry_run_answers_as_it_would_and_stores_nothing(town):
    trial = {"gkdryrun": True}
    event = publish("dry-1", attributes=trial)
    reply = town.ask(event)
    assert (reply["status"], reply["revision"], reply["channels"], reply["dry_run"]) == ("accepted", 1, ["bin"], True)
    assert town.ask(publish("dry-1", title="", attributes=trial))["status"] == "rejected"
    held = town.ask(publish("dry-1", title="绝密★启用前", attributes=trial))
    assert held["status"] == "held" and held["reasons"][0]["code"] == "secrecy_mark"
    assert town.ask(query("dry-1"))["revision"] is None
    assert "dry-1" not in accepted_in_log(town)
    real = {key: value for key, value in event.items() if key != "gkdryrun"}
    assert (town.ask(real)["status"], town.ask(real)["status"]) == ("accepted", "duplicate")
    assert town.ask(event)["status"] == "duplicate"
    assert town.ask(withdraw("dry-1", ))["status"] == "accepted"


def test_a_dry_run_in_an_array_does_not_count_for_those_behind_it(town):
    reply = town.ask([publish("dry-2", title="试", attributes={"gkdryrun": True}), publish("dry-2", title="真")])
    assert [(r["status"], r["revision"]) for r in reply] == [("accepted", 1), ("accepted", 1)]


# -- queries


def test_a_document_is_asked_for_by_name_or_by_the_id_of_its_event(town):
    event = publish("ask-1")
    accepted = town.ask(event)
    by_name, by_id = town.ask(query("ask-1")), town.ask(query(id=event["id"]))
    for reply in (by_name, by_id):
        assert (reply["status"], reply["document"], reply["revision"], reply["event"]) == \
            ("ok", "ask-1", 1, accepted["event"])
        assert [(c["channel"], c["state"]) for c in reply["channels"]] == [("bin", "waiting")]
        assert {"url", "reference", "at", "due", "error"} <= set(reply["channels"][0])
    for reply in (town.ask(query("ask-none")), town.ask(query(id="ask-none"))):
        assert (reply["status"], reply["revision"], reply["channels"]) == ("ok", None, [])


def test_a_held_document_is_known_to_a_query(town):
    event = publish("ask-2", title="秘密★三年")
    held = town.ask(event)
    for reply in (town.ask(query("ask-2")), town.ask(query(id=event["id"]))):
        assert (reply["status"], reply["revision"], reply["held"]) == ("ok", None, held["event"])


def test_receipts_are_refused_while_there_is_no_ledger(town):
    receipts = {**query("x"), "type": "cn.gongkai.query.receipts.v1", "data": {"after": 0}}
    assert [(e["path"], e["code"]) for e in town.ask(receipts)["errors"]] == [("/type", "unavailable")]


# -- whose it is, and where it goes


def test_the_first_source_owns_a_document(town):
    town.ask(publish("own-1"))
    for event in (publish("own-1", title="改", source=OTHER), withdraw("own-1", source=OTHER)):
        reply = town.ask(event)
        assert [(e["path"], e["code"]) for e in reply["errors"]] == [("/data/document", "not_owner")]
        assert "urn:gongkai:530581:oa" in reply["errors"][0]["message"]
    assert town.ask(publish("own-1", title="自己改"))["revision"] == 2


def test_may_revise_lets_another_source_in(town):
    town.ask(publish("own-2", source="urn:gongkai:530581:renshe"))
    assert town.ask(publish("own-2", title="改", source=OTHER))["revision"] == 2
    assert town.ask(withdraw("own-2", source=OTHER))["status"] == "accepted"


def test_two_regions_have_documents_of_one_name(town):
    assert town.ask(publish("both-1"))["revision"] == 1
    assert town.ask(publish("both-1", source="urn:gongkai:530626:oa"))["revision"] == 1
    reply = town.ask(publish("both-1", source="urn:gongkai:532301:oa"))
    assert [(e["path"], e["code"]) for e in reply["errors"]] == [("/source", "region")]
    assert town.ask(query("both-1", source="urn:gongkai:532301:oa"))["errors"][0]["code"] == "region"


def test_an_emitters_file_limits_a_local_source_too(town):
    reply = town.ask(publish("jiaoyu-1", source="urn:gongkai:530581:jiaoyu"))
    assert [(e["path"], e["code"]) for e in reply["errors"]] == [("/data/item", "not_entitled")]
    assert town.ask(publish("jiaoyu-1", source="urn:gongkai:530581:jiaoyu", item="zdxm.0101"))["status"] == "accepted"


def test_an_unknown_item_is_rejected_with_those_near_it(town):
    reply = town.ask(publish("item-1", item="aqsc.0409"))
    assert [(e["path"], e["code"]) for e in reply["errors"]] == [("/data/item", "unknown_item")]
    assert reply["errors"][0]["message"].count("aqsc.") == 4


def test_channels_and_carriers_add_and_the_unknown_ones_are_named(town):
    reply = town.ask(publish("route-1", channels=["sms", "no-such"], carriers=["政府网站", "飞鸽传书"]))
    assert (reply["status"], reply["channels"]) == ("accepted", ["bin", "sms"])
    unknown = {w["path"]: w["message"] for w in reply["warnings"] if w["code"] == "unknown_channel"}
    assert "no-such" in unknown["/data/channels"] and "飞鸽传书" in unknown["/data/carriers"] and len(unknown) == 2


def test_unknown_members_are_named_and_kept(town):
    reply = town.ask(publish("extra-1", responsible="张三", attributes={"gkhost": "oa-1"}))
    assert [(w["path"], w["code"]) for w in reply["warnings"]] == [("/data/responsible", "unknown_member")]
    stored = [value for key in town.redis().keys(f"*:body:{reply['event']}")
              for value in [town.redis().get(key)] if b'"responsible"' in value]
    assert len(stored) == 1 and b'"gkhost"' in stored[0]


def test_the_same_content_under_another_document_is_named(town):
    assert town.ask(publish("same-1", body="独一份的内容。", title="独一份的标题"))["warnings"] == []
    reply = town.ask(publish("same-2", body="独一份的内容。", title="独一份的标题"))
    assert (reply["status"], [w["code"] for w in reply["warnings"]]) == ("accepted", ["same_content"])
    assert "same-1" in reply["warnings"][0]["message"]


def test_the_same_content_under_another_document_is_held_where_so_configured(county):
    one = county(config="[publisherd]\nhold_same_content = yes")
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    assert one.ask(publish("same-1", title="同一份"))["status"] == "accepted"
    event = publish("same-2", title="同一份")
    for reply in (one.ask(event), one.ask(event)):
        assert (reply["status"], [r["code"] for r in reply["reasons"]]) == ("held", ["same_content"])
        assert "same-1" in reply["reasons"][0]["message"]


def test_an_emitter_switched_off_may_say_nothing(county):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("old", sources="urn:gongkai:530581:old", enabled="no")
    one.start_all()
    reply = one.ask(event_of("off-1", source="urn:gongkai:530581:old"))
    assert [(e["path"], e["code"]) for e in reply["errors"]] == [("/source", "not_entitled")]
    assert one.ask(event_of("off-2", source="urn:gongkai:530581:tax"))["status"] == "accepted"
