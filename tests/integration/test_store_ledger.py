"""What becomes of an event's bytes once the ledger has it, and how they come back; dead letters; repairs;
attachments that are still on their way; waiting for a time, and the end of a display."""
import pytest

from storekit import DAY, START, WINDOW, publish, store, store_redis, withdraw  # noqa: F401


def kept(store, event):
    return store.bytes_of(event)[0] is not None


# Bytes and the ledger ----------------------------------------------------------------------------


def test_bytes_stay_while_anybody_may_need_them_and_go_after(store):
    event = publish("1")
    store.accept(event)
    assert store.ledgered(event) == ["kept"] and kept(store, event)
    store.done("portal")
    assert store.ledgered(event) == ["kept"]
    work = store.one("wechat")
    assert store.ledgered(event) == ["kept"]  # leased
    store.settle("wechat", work, "done")
    assert store.ledgered(event) == ["gone"] and not kept(store, event)
    assert 0 < store.redis.call("PTTL", store.key("ev:" + event.evid)) <= WINDOW
    assert store.accept1(event).status == "duplicate"


@pytest.mark.parametrize("trouble", ["dead", "doubt", "second look"])
def test_bytes_stay_for_what_is_not_at_rest(store, trouble):
    event = publish("1", channels="portal")
    store.accept(event)
    if trouble == "dead":
        store.settle("portal", store.one("portal"), "dead")
    else:
        store.take("portal", lease=1000)
        store.wait(2000)
        work = store.one("portal")
        if trouble == "second look":
            store.settle("portal", work, "done", bound=60_000)
        else:
            store.settle("portal", work, "uncertain", at=store.now + DAY)
    assert store.ledgered(event) == ["kept"] and kept(store, event)


def test_bytes_of_what_was_overtaken_or_withdrawn_go(store):
    first, second, last = publish("1"), publish("2", content="y", time=START + 1), withdraw("3", time=START + 2)
    store.accept(first)
    store.accept(second)
    assert store.ledgered(first, second) == ["gone", "kept"]
    store.accept(last)
    assert store.ledgered(second) == ["gone"]
    assert store.ledgered(last) == ["gone"]  # nothing was ever sent
    assert store.bytes_of(first, second, last) == [None] * 3


def test_bytes_of_held_and_embargoed_events_stay(store):
    held, later = publish("1", flags="h"), publish("2", document="d2", content="y", at=START + DAY)
    store.accept(held, later)
    assert store.ledgered(held, later) == ["kept", "kept"]
    store.refuse(held)
    assert store.ledgered(held) == ["gone"]


def test_a_channel_that_the_ledger_does_not_know_of_may_need_them(store):
    event = publish("1", channels="portal")
    store.accept(event)
    store.done("portal")
    assert store.ledgered(event, known=["wechat"]) == ["kept"]


def test_only_what_is_in_the_ledger_is_trimmed(store):
    store.accept(publish("1"))
    store.accept(publish("2", document="d2", content="y"))
    ids = [entry[0].decode() for entry in store.redis.call("XRANGE", store.key("log"), "-", "+")]
    assert store.ledgered(trim=ids[1]) == []
    assert [entry[0].decode() for entry in store.redis.call("XRANGE", store.key("log"), "-", "+")] == ids[1:]


def test_bytes_come_back_for_what_is_still_known_and_for_nothing_else(store):
    event, other = publish("1", channels="portal"), publish("2", channels="portal", content="y", time=START + 1)
    store.accept(event)
    store.done("portal")
    store.ledgered(event)
    assert store.put_back("portal") == 1
    assert store.put_bytes(event) == "ok" and kept(store, event)
    store.accept(other)
    assert store.put_bytes(event) == "unneeded"


# Dead letters ------------------------------------------------------------------------------------


def dead(store, **more):
    store.accept(publish("1", **more))
    store.settle("portal", store.one("portal"), "dead", code="webhook/gone", sentence="410")


def test_a_dead_document_is_tried_again_when_somebody_says_so(store):
    dead(store)
    assert store.work("portal") == []
    assert store.dead("portal", "replay") == "ok"
    work = store.one("portal")
    assert work.attempts == 0
    store.settle("portal", work, "done")
    assert store.states("portal")[-2:] == ["replayed", "published"]
    assert store.dead("portal", "replay") == "none"


def test_a_dropped_one_stays_dead_and_its_bytes_may_go(store):
    event = publish("1", channels="portal")
    store.accept(event)
    store.settle("portal", store.one("portal"), "dead")
    assert store.dead("portal", "drop") == "ok"
    assert store.work("portal") == [] and store.ledgered(event) == ["gone"]
    assert store.channel("portal").state == "dead" and store.channel("portal").code == "dropped"
    assert store.dead("portal", "replay") == "ok"
    assert store.one("portal").rev == 1


def test_those_that_wait_for_it_are_tried_again_with_it(store):
    store.accept(publish("1", channels="portal,wechat<portal"))
    store.settle("portal", store.one("portal"), "dead", after=["wechat"])
    assert store.channel("wechat").state == "dead"
    assert store.dead("portal", "replay") == "again"
    assert store.dead("portal", "replay", after=["wechat"]) == "ok"
    store.settle("portal", store.one("portal"), "done", after=["wechat"])
    assert store.one("wechat").rev == 1


def test_a_replay_over_a_lease_leaves_it_to_the_holder(store):
    store.accept(publish("1", channels="portal"))
    work = store.one("portal")
    assert store.dead("portal", "replay") == "none"
    assert store.settle("portal", work, "done") == "ok"


# Put back ----------------------------------------------------------------------------------------


def test_what_vanished_is_shown_again_under_a_generation_of_its_own(store):
    store.accept(publish("1", channels="portal"))
    store.done("portal", reference="r")
    assert store.put_back("portal") == 1
    work = store.one("portal")
    assert (work.generation, work.reference) == (1, "r")
    store.settle("portal", work, "done")
    assert store.states("portal")[-1] == "restored"
    assert store.work("portal") == [] and store.put_back("portal") == 2


def test_a_repair_asked_for_during_a_lease_is_not_erased_by_its_settle(store):
    store.accept(publish("1", channels="portal"))
    store.done("portal")
    store.put_back("portal")
    work = store.one("portal")
    assert store.put_back("portal") == 2  # it vanished again, or has not come back yet
    store.settle("portal", work, "done")
    assert store.one("portal").generation == 2


def test_nothing_is_put_back_that_is_not_shown(store):
    store.accept(publish("1", channels="portal"))
    assert store.put_back("portal") == "none"


# Attachments on their way ------------------------------------------------------------------------


def test_nothing_shows_a_revision_before_its_attachments_are_in(store):
    event = publish("1", flags="f")
    store.accept(event)
    assert store.work("portal") == [] and store.redis.call("HLEN", store.key("fetch")) == 1
    assert store.fetched(event, "look") == ["ok"] and store.work("portal") == []
    assert store.channel("portal").state == "fetching"
    assert store.fetched(event) == ["ok"]
    assert store.one("portal").rev == 1 and store.redis.call("HLEN", store.key("fetch")) == 0
    assert store.fetched(event) == ["unknown"]


def test_the_revision_before_stays_until_then(store):
    store.accept(publish("0", content="w"))
    store.accept(publish("1", flags="f", time=START + 1))
    assert store.one("portal").rev == 1


def test_a_newer_one_overtakes_it(store):
    event = publish("1", flags="f")
    store.accept(event)
    store.accept(publish("2", content="y", time=START + 1))
    assert store.one("portal").rev == 2
    assert store.fetched(event) == ["unknown"]
    assert "superseded" in store.states()


def test_an_embargoed_one_behind_it_goes_first_when_its_time_comes(store):
    event = publish("1", flags="f")
    store.accept(event)
    store.accept(publish("2", content="y", time=START + 1, at=START + 60_000))
    assert store.fetched(event, "look") == ["ok"]
    store.wait(60_008)
    assert store.one("portal").rev == 2
    assert store.fetched(event) == ["unknown"]


def test_it_is_shown_before_the_embargoed_one_behind_it(store):
    event = publish("1", flags="f")
    store.accept(event)
    store.accept(publish("2", content="y", time=START + 1, at=START + 60_000))
    assert store.fetched(event) == ["ok"]
    assert store.one("portal").rev == 1


def test_embargo_and_attachments_both_must_be_over(store):
    event = publish("1", flags="f", at=START + 60_000)
    store.accept(event)
    store.wait(100_000)
    assert store.work("portal") == []
    assert store.fetched(event) == ["ok"]
    assert store.one("portal").rev == 1


def test_a_held_event_waits_for_its_attachments_when_it_is_released(store):
    event = publish("1", flags="hf")
    store.accept(event)
    assert store.release(event)[0] == "ok"
    assert store.work("portal") == [] and store.fetched(event) == ["ok"]
    assert store.one("portal").rev == 1


def test_what_came_while_a_person_looked_is_shown_when_it_is_released(store):
    event = publish("1", flags="hf")
    store.accept(event)
    assert store.fetched(event, "look") == ["ok"] and store.fetched(event) == ["ok"]
    assert store.work("portal") == []
    assert store.release(event)[0] == "ok"
    assert store.one("portal").rev == 1


def test_what_was_fetched_and_needs_a_person_is_held_like_at_the_door(store):
    store.accept(publish("0", content="w"))
    store.done("portal")
    event = publish("1", flags="f0.2.", time=START + 1, cls=1, expires=START + 90_000)
    assert store.accept1(event).revision == 2
    listed = store.redis.call("HGET", store.key("fetch"), event.ulid).decode()
    assert listed.split("\t") == ["d1", event.evid, "0.2."], "what the gate has not seen"
    assert store.fetched(event, "hold", reasons="mobile_number bank_card") == ["ok"]
    assert store.work("portal") == [] and store.redis.call("HLEN", store.key("fetch")) == 0
    row, = store.held_list()
    assert row[:3] + row[4:5] + row[7:] == [event.ulid, event.evid, "d1", "mobile_number bank_card", "1"]
    assert [(r.state, r.code) for r in store.log() if r.ulid == event.ulid] == \
        [("accepted", "P"), ("held", "mobile_number bank_card")]
    again = store.accept1(event)
    assert (again.status, again.ulid) == ("held", event.ulid)
    assert store.fetched(event, "hold", reasons="mobile_number") == ["unknown"]
    assert store.release(event)[0] == "ok"
    item = store.one("portal")
    assert (item.rev, item.ulid) == (3, event.ulid), "2 was told to the emitter; nothing else is 2"
    assert store.held_list() == [] and store.accept1(event).status == "duplicate"


def test_one_with_a_number_of_its_own_keeps_it_when_it_is_released(store):
    event = publish("1", flags="f", revision=7)
    store.accept(event)
    assert store.fetched(event, "hold", reasons="mobile_number") == ["ok"]
    assert store.release(event)[:2] == ["ok", "7"]


def test_what_was_fetched_and_is_refused_was_never_there(store):
    event = publish("1", flags="f")
    store.accept(event)
    assert store.fetched(event, "hold", reasons="mobile_number") == ["ok"]
    assert store.refuse(event)[0] == "ok"
    assert store.work("portal") == [] and store.show().current is None
    assert store.accept1(event).status == "refused"
    assert store.accept1(publish("2", content="masked", time=START + 1)).status == "accepted"
    assert store.one("portal").rev == 2


def test_a_newer_one_supersedes_what_was_fetched_and_held(store):
    event = publish("1", flags="f")
    store.accept(event)
    assert store.fetched(event, "hold", reasons="mobile_number") == ["ok"]
    store.accept(publish("2", content="masked", time=START + 1))
    assert store.held_list() == [] and store.one("portal").rev == 2
    assert store.release(event)[0] == "unknown" and store.accept1(event).status == "stale"


def test_where_a_newer_one_is_held_what_was_fetched_is_superseded(store):
    event, newer = publish("1", flags="f"), publish("2", flags="h", content="y", time=START + 1)
    store.accept(event)
    store.accept(newer)
    assert store.fetched(event, "hold", reasons="mobile_number") == ["ok"]
    assert [row[0] for row in store.held_list()] == [newer.ulid]
    assert [r.ulid for r in store.log() if r.state == "superseded"] == [event.ulid]
    assert store.accept1(event).status == "stale" and store.release(newer)[0] == "ok"
    assert store.one("portal").ulid == newer.ulid


def test_what_came_for_a_held_one_adds_to_its_reasons(store):
    event = publish("1", flags="hf", reasons="secrecy_mark")
    store.accept(event)
    assert store.fetched(event, "hold", reasons="mobile_number secrecy_mark") == ["ok"]
    assert store.held_list()[0][4] == "secrecy_mark mobile_number"
    assert store.release(event)[0] == "ok"
    assert store.one("portal").rev == 1, "it is not looked at once more"


def test_a_note_on_what_was_not_held_is_in_the_record_of_its_acceptance(store):
    store.accept(publish("1", reasons="gate_exempt:resident_number"), publish("2", document="d2", content="y"))
    assert [r.sentence for r in store.log() if r.state == "accepted"] == ["gate_exempt:resident_number", ""]


def test_a_withdrawal_does_not_wait(store):
    event = publish("1", flags="f")
    store.accept(event)
    store.accept(withdraw("w", time=START + 1))
    assert store.fetched(event) == ["unknown"]
    assert store.channel("portal").state == "withdrawn"


# Times -------------------------------------------------------------------------------------------


def test_a_channel_waits_for_another_no_longer_than_it_may(store):
    store.accept(publish("1", channels="portal,wechat<portal:600000"))
    assert store.work("wechat") == []
    store.wait(599_000)
    assert store.work("wechat") == []
    store.wait(1_008)
    assert store.one("wechat").after_url == ""


def test_it_does_not_die_with_the_other_when_it_may_go_without(store):
    store.accept(publish("1", channels="portal,wechat<portal:600000"))
    store.settle("portal", store.one("portal"), "dead", after=["wechat"])
    assert store.channel("wechat").state == "waiting"
    store.wait(600_008)
    assert store.one("wechat").rev == 1


def test_the_wait_begins_when_an_embargo_ends(store):
    store.accept(publish("1", channels="portal,wechat<portal:1000", at=START + 60_000))
    store.wait(60_008)
    assert store.work("wechat") == []
    store.wait(1_008)
    assert store.one("wechat").rev == 1


def test_at_the_end_of_its_display_a_document_is_taken_down_or_marked(store):
    store.accept(publish("1", channels="portal!mark,wechat!remove,weibo", until=START + 60_000))
    for name in ("portal", "wechat", "weibo"):
        assert store.done(name)[0].ended == ""
    store.wait(59_000)
    assert store.work("portal") == []
    store.wait(1_008)
    for name, what in (("portal", "mark"), ("wechat", "remove")):
        work = store.one(name)
        assert (work.ended, work.rev, work.lvl) == (what, 1, 0)
        assert store.settle(name, work, "ended") == "ok"
        assert store.channel(name).state == "ended" and store.work(name) == []
    assert store.work("weibo") == [] and store.channel("weibo").state == "published"


def test_what_never_was_shown_before_the_end_is_not_shown_where_it_would_be_removed(store):
    store.accept(publish("1", channels="portal!mark,wechat!remove", until=START + 60_000))
    store.wait(60_008)
    assert store.work("wechat") == [] and store.channel("wechat").state == "ended"
    assert store.one("portal").ended == "mark"


def test_days_of_display_are_counted_from_the_day_after_the_first_showing(store):
    store.accept(publish("1", channels="portal!mark", until="d7"))
    store.done("portal")
    end = ((START + 28_800_000) // DAY + 8) * DAY - 28_800_000  # the end of the seventh day
    assert store.due("portal")["d1"] // 8 * 8 == -(-end // 8) * 8


def test_working_days_leave_the_weekends_out(store):
    friday = (20_000 * DAY) + 3_600_000  # the 4th of October 2024 was a Friday
    store.set_clock(friday)
    store.accept(publish("1", channels="portal!mark", until="w2", time=friday))
    store.done("portal")
    assert store.due("portal")["d1"] // 8 * 8 == 20_005 * DAY - 28_800_000  # to the end of Tuesday


def test_a_revision_after_the_end_is_shown_again(store):
    store.accept(publish("1", channels="wechat!remove", until=START + 60_000))
    store.done("wechat")
    store.wait(60_008)
    store.settle("wechat", store.one("wechat"), "ended")
    store.accept(publish("2", channels="wechat!remove", content="y", time=store.now))
    assert store.one("wechat").ended == ""
