"""The rules of docs/queue.md, one by one, against core/store.lua in a real Redis."""

import random

import pytest

from storekit import (CHANNELS, DAY, EPOCH, REGION, START, WINDOW, Event, Redis, Refused, Store, library,
                      publish, store, store_redis, ulid_of, withdraw)

MINUTE = 60_000
BOUND = 20_000


def rank(work):
    return work.rev, work.lvl


# Identity, order, ownership ----------------------------------------------------------------------

def test_the_same_identity_with_the_same_content_is_a_duplicate_with_the_first_answer(store):
    first = store.accept1(publish("1", due="2026-12-18"))
    again = store.accept1(publish("1", ulid="OTHER"))
    assert first.status == "accepted" and again.status == "duplicate"
    assert (again.ulid, again.revision, again.channels, again.due) == \
        (first.ulid, 1, "portal,wechat", "2026-12-18")
    assert store.states().count("accepted") == 1


def test_the_same_identity_with_other_content_is_a_conflict(store):
    first = store.accept1(publish("1"))
    other = store.accept1(publish("1", content="y"))
    assert (other.status, other.ulid) == ("conflict", first.ulid)
    assert store.show().current.rev == 1


def test_a_batch_sees_its_own_earlier_members(store):
    answers = store.accept(publish("1"), publish("1"), publish("2", content="y", time=START + 1),
                           publish("3", content="y", time=START + 2))
    assert [a.status for a in answers] == ["accepted", "duplicate", "accepted", "duplicate"]
    assert [a.revision for a in answers] == [1, 1, 2, 2]


def test_content_equal_to_the_newest_is_a_duplicate_and_names_the_first_event(store):
    first = store.accept1(publish("1"))
    answer = store.accept1(publish("2", time=START + 5))
    assert (answer.status, answer.ulid, answer.revision) == ("duplicate", first.ulid, 1)


def test_a_duplicate_by_content_still_counts_for_the_order_of_times(store):
    store.accept(publish("1", content="a", time=START), publish("3", content="a", time=START + 30))
    assert store.accept1(publish("2", content="b", time=START + 20)).status == "stale"
    assert store.accept1(publish("4", content="b", time=START + 40)).status == "accepted"


def test_a_duplicate_by_content_still_counts_for_the_order_of_numbers(store):
    store.accept(publish("5", content="a", revision=5), publish("7", content="a", revision=7))
    assert store.accept1(publish("6", content="b", revision=6)).status == "stale"
    assert store.accept1(publish("7b", content="b", revision=7)).status == "conflict_revision"
    assert store.accept1(withdraw("w", time=START + 9)).revision == 7
    assert store.accept1(publish("7c", content="a", revision=7)).status == "stale"
    assert store.accept1(publish("8", content="b", revision=8)).status == "accepted"


def test_a_lower_revision_is_stale(store):
    store.accept1(publish("1", revision=3))
    answer = store.accept1(publish("2", revision=2, content="y"))
    assert (answer.status, answer.revision, answer.extra) == ("stale", 3, ulid_of("oa 1"))


def test_an_equal_revision_with_other_content_is_a_conflict(store):
    store.accept1(publish("1", revision=3))
    assert store.accept1(publish("2", revision=3, content="y")).status == "conflict_revision"


def test_without_numbers_an_earlier_time_is_stale(store):
    store.accept1(publish("1", time=START))
    assert store.accept1(publish("2", content="y", time=START - 1)).status == "stale"
    assert store.accept1(publish("3", content="y", time=START)).revision == 2


def test_equal_times_never_go_over_a_withdrawal(store):
    store.accept(publish("1"), withdraw("2", time=START + 5))
    assert store.accept1(publish("3", content="y", time=START + 5)).status == "stale"
    assert store.accept1(publish("4", content="y", time=START + 6)).status == "accepted"


def test_time_is_the_greatest_ever_accepted_not_the_newest_ones(store):
    store.accept(publish("1", revision=1, time=START + 100),
                 publish("2", revision=2, time=START, content="y"))
    assert store.accept1(publish("3", content="z", time=START + 50)).status == "stale"


def test_an_identity_older_than_the_window_is_refused_unless_it_has_a_number_or_may_backfill(store):
    old = START - WINDOW - 1
    assert store.accept1(publish("1", time=old)).status == "too_old"
    assert store.accept1(publish("2", document="d2", time=old, revision=1)).status == "accepted"
    assert store.accept1(publish("3", document="d3", time=old, flags="b")).status == "accepted"


def test_a_withdrawn_notice_does_not_come_back_from_a_spool_after_the_window(store):
    store.accept(publish("1", time=START), withdraw("2", time=START + 1))
    store.wait(WINDOW + DAY)
    store.redis.call("DEL", store.key("ev:oa 1"))
    assert store.accept1(publish("1", time=START)).status == "too_old"
    assert store.accept1(publish("1", time=START, flags="b")).status == "stale"


def test_a_withdrawal_wins_the_tie_with_its_revision(store):
    store.accept1(publish("1", revision=4))
    answer = store.accept1(withdraw("2", revision=4))
    assert (answer.status, answer.revision) == ("accepted", 4)
    assert (store.show().current.rev, store.show().current.lvl) == (4, 1)


def test_a_withdrawal_uses_up_no_number(store):
    store.accept(publish("1", revision=1), withdraw("2", time=START + 1))
    assert store.accept1(publish("3", revision=2, content="y")).status == "accepted"
    assert store.show().current.lvl == 0


def test_a_withdrawal_of_an_unknown_document_is_kept_and_buries_an_earlier_publish(store):
    answer = store.accept1(withdraw("1", time=START))
    assert (answer.status, answer.extra) == ("accepted", "unknown_document")
    assert store.accept1(publish("2", time=START - 5)).status == "stale"
    assert store.accept1(publish("3", revision=1, time=START - 5)).status == "stale"
    assert store.accept1(publish("4", time=START + 5)).status == "accepted"


def test_a_withdrawal_of_an_unknown_document_owns_nothing(store):
    store.accept1(withdraw("1", source="other"))
    answer = store.accept1(publish("2", source="oa"))
    assert answer.status == "accepted" and store.show().owner == "oa"


def test_erase_after_mark_is_a_higher_rank_and_the_mark_does_not_come_back(store):
    mark = withdraw("2", content="mark", time=START + 1, revision=1)
    store.accept(publish("1", revision=1), mark)
    answer = store.accept1(withdraw("3", content="erase", time=START + 2, revision=1))
    assert answer.status == "accepted" and store.show().current.lvl == 2
    store.redis.call("DEL", store.key("ev:oa 2"))  # after the window
    assert store.accept1(mark).status == "stale"
    assert store.accept1(withdraw("4", content="erase", time=START + 3)).status == "duplicate"


def test_a_withdrawal_of_an_expired_revision_is_accepted(store):
    store.accept1(publish("1", revision=1, expires=START + 1000))
    store.done("portal")
    store.wait(2000)
    store.done("portal")
    assert store.show().current.kind == "X"
    assert store.accept1(withdraw("2", revision=1, content="erase")).status == "accepted"
    assert store.one("portal").lvl == 2


def test_a_publication_after_a_withdrawal_is_a_new_revision_even_with_the_old_content(store):
    store.accept(publish("1"), withdraw("2", time=START + 1))
    answer = store.accept1(publish("3", time=START + 2))
    assert (answer.status, answer.revision) == ("accepted", 2)
    assert store.show().current.lvl == 0


def test_a_late_withdrawal_is_stale_by_time_and_by_number(store):
    store.accept(publish("1", revision=2, time=START))
    assert store.accept1(withdraw("2", time=START - 1)).status == "stale"
    assert store.accept1(withdraw("3", revision=1, time=START + 1)).status == "stale"


def test_another_source_is_not_owner_unless_it_may_revise(store):
    store.accept1(publish("1", source="oa"))
    answer = store.accept1(publish("2", source="web", content="y"))
    assert (answer.status, answer.extra) == ("not_owner", "oa")
    assert store.accept1(withdraw("3", source="web")).status == "not_owner"
    assert store.accept1(publish("4", source="web", content="y", may="x oa")).status == "accepted"
    assert store.accept1(publish("5", source="sys", content="z", may="*")).status == "accepted"
    assert store.show().owner == "oa"


def test_same_content_elsewhere_is_accepted_and_named_or_held_where_so_configured(store):
    store.accept1(publish("1", document="d1"))
    answer = store.accept1(publish("2", document="d2"))
    assert (answer.status, answer.extra) == ("accepted", "same_content d1")
    answer = store.accept1(publish("3", document="d3", flags="s"))
    assert (answer.status, answer.extra) == ("held", "same_content d1")
    assert store.held_list()[0][4] == "same_content"
    assert store.accept1(publish("4", document="d1", content="x", time=START + 1)).extra == ""


def test_the_mark_of_a_content_goes_with_the_window(store):
    store.accept1(publish("1"))
    [key] = store.redis.call("KEYS", store.key("same:*"))
    assert WINDOW - MINUTE < store.redis.call("PTTL", key) <= WINDOW


def test_a_dry_run_answers_as_it_would_and_writes_nothing(store):
    store.accept(publish("1"), publish("h", document="dh", flags="h"))
    before = store.contents()
    answers = store.accept(
        publish("1", flags="d"), publish("2", content="y", time=START + 1, flags="d", channels="weibo"),
        withdraw("3", flags="d", time=START + 1), publish("4", time=START + 9, flags="d"),
        publish("5", document="d5", flags="dh"), publish("6", document="dh", content="z", flags="d"),
        withdraw("7", document="d7", flags="d"))
    assert [a.status for a in answers] == ["duplicate", "accepted", "accepted", "duplicate", "held",
                                          "accepted", "accepted"]
    assert answers[1].channels == "portal,wechat,weibo"
    assert store.contents() == before


# Channels of a document --------------------------------------------------------------------------

def test_accept_asks_for_the_channels_that_the_document_has_and_writes_nothing(store):
    store.accept1(publish("1", channels="portal,old"), known=["portal", "old"])
    before = store.contents()
    answers = store.accept(withdraw("2", time=START + 1), publish("3", content="z", time=START + 2),
                           known=["portal"])
    assert [(a.status, a.extra) for a in answers] == [("again", "old"), ("again", "old")]
    assert store.contents() == before
    assert store.accept1(withdraw("2", time=START + 1), known=["portal", "old"]).status == "accepted"


def test_a_withdrawal_reaches_every_channel_the_document_ever_had(store):
    store.accept1(publish("1", channels="portal,wechat"))
    store.done("portal")
    store.done("wechat")
    store.accept1(publish("2", content="y", time=START + 1, channels="portal"))
    store.done("portal")
    store.done("wechat")
    store.accept1(withdraw("3", time=START + 2))
    assert rank(store.one("portal")) == (2, 1) and rank(store.one("wechat")) == (2, 1)


# Leases [1, 13] ----------------------------------------------------------------------------------

def test_accept_over_a_lease_leaves_the_lease_alone_and_the_settle_finds_the_rest(store):
    store.accept1(publish("1"))
    first = store.one("portal")
    assert store.due("portal")["d1"] == first.lease and first.lease % 2 == 1
    store.accept1(publish("2", content="y", time=START + 1))
    assert store.due("portal")["d1"] == first.lease
    assert store.take("portal") == []
    assert store.settle("portal", first, "done") == "ok"
    assert rank(store.one("portal")) == (2, 0)


@pytest.mark.parametrize("verdict", ["later", "wait", "ask", "dead", "uncertain", "release"])
def test_a_verdict_on_an_overtaken_revision_does_not_delay_or_bury_the_newest(store, verdict):
    store.accept1(publish("1"))
    first = store.one("portal")
    store.accept1(publish("2", content="y", time=START + 1))
    assert store.settle("portal", first, verdict, at=START + DAY) == "ok"
    second = store.one("portal")
    assert rank(second) == (2, 0) and second.doubt == (verdict == "uncertain")
    assert "dead" not in store.states("portal")


def test_a_lease_value_is_never_used_twice_also_when_the_clock_steps_back(store):
    seen = set()
    for step in (0, 0, 0, -500, -500, 1, 0):
        store.wait(step)
        store.accept1(publish("e%d" % len(seen), content=str(len(seen)), time=START + len(seen)))
        work = store.one("portal", lease=1000)
        assert work.lease not in seen
        seen.add(work.lease)
        assert store.settle("portal", work, "done") == "ok"


def test_a_repeated_settle_is_already_and_closes_no_other_lease(store):
    store.accept1(publish("1"))
    first = store.one("portal")
    store.settle("portal", first, "done")
    store.accept1(publish("2", content="y", time=START + 1))
    second = store.one("portal")
    assert store.settle("portal", first, "done") == "already"
    assert store.due("portal")["d1"] == second.lease
    assert store.settle("portal", second, "done") == "ok"
    assert store.channel("portal").shown_rev == "2"


def test_the_settle_whose_reply_was_lost_is_already_and_changes_nothing(store):
    store.accept1(publish("1"))
    work = store.one("portal")
    store.settle("portal", work, "done", reference="r")
    before = store.contents()
    assert store.settle("portal", work, "done", reference="r") == "already"
    assert store.contents() == before


def test_many_documents_share_a_take_and_none_is_handed_out_twice(store):
    store.accept(*[publish(str(i), document="d%d" % i, content=str(i)) for i in range(50)])
    seen = []
    for _ in range(6):
        seen += [item.document for item in store.take("portal", count=9)]
    assert len(seen) == len(set(seen)) == 50


# Doubt and the second look [2, 11, 12] -----------------------------------------------------------

def test_a_withdrawal_before_anything_was_sent_does_not_touch_the_carrier(store):
    store.accept(publish("1"), withdraw("2", time=START + 1))
    assert store.work("portal") == [] and store.due("portal") == {}
    assert store.channel("portal").state == "withdrawn"
    assert [r.code for r in store.log() if r.state == "withdrawn"] == ["untouched"] * 2


def test_a_withdrawal_while_somebody_may_be_sending_goes_to_the_carrier(store):
    store.accept1(publish("1"))
    store.one("portal", lease=1000)  # its holder dies
    store.accept1(withdraw("2", time=START + 1))
    store.wait(2000)
    work = store.one("portal")
    assert rank(work) == (1, 1) and work.doubt


def test_a_withdrawal_after_an_unclear_answer_goes_to_the_carrier(store):
    store.accept1(publish("1"))
    store.settle("portal", store.one("portal"), "uncertain", at=START + 5000)
    store.accept1(withdraw("2", time=START + 1))
    work = store.one("portal")
    assert rank(work) == (1, 1) and work.doubt and work.doubt_since == START


def test_a_withdrawal_after_a_send_that_failed_plainly_goes_to_the_carrier(store):
    store.accept1(publish("1"))
    store.settle("portal", store.one("portal"), "later", sent=True, at=START + 5000)
    store.accept1(withdraw("2", time=START + 1))
    assert rank(store.one("portal")) == (1, 1)


def test_a_release_without_sending_leaves_nothing_behind(store):
    store.accept1(publish("1"))
    store.settle("portal", store.one("portal"), "release")
    assert store.one("portal").attempts == 0
    assert "attempted" not in store.states()


def test_a_passed_lease_is_a_doubt_that_only_done_or_a_look_ends(store):
    store.accept1(publish("1"))
    store.one("portal", lease=1000)
    store.wait(2000)
    work = store.one("portal", lease=1000)
    assert work.doubt and work.doubt_since == store.now
    store.settle("portal", work, "ask", at=store.now + 100)
    store.wait(200)
    work = store.one("portal", lease=1000)
    assert work.doubt
    store.settle("portal", work, "release")
    assert store.one("portal").doubt


def test_a_holder_that_releases_before_it_loads_does_not_lose_the_doubt(store):
    store.accept1(publish("1"))
    store.take("portal", lease=1000)
    store.wait(2000)
    item = store.take("portal", lease=1000)[0]
    assert item.passed and store.settle("portal", item, "release") == "ok"
    item = store.take("portal", lease=1000)[0]
    assert not item.passed
    assert store.load("portal", [item])[0].doubt


def test_a_load_that_is_repeated_counts_a_passed_lease_once(store):
    store.accept1(publish("1"))
    store.take("portal", lease=1000)
    store.wait(2000)
    items = store.take("portal", lease=1000)
    for _ in range(8):
        assert store.load("portal", items)[0].doubt


def test_a_holder_that_dies_before_it_loads_does_not_lose_the_doubt(store):
    store.accept1(publish("1"))
    store.take("portal", lease=1000)
    store.wait(2000)
    assert store.take("portal", lease=1000)[0].passed
    store.wait(2000)
    assert store.one("portal").doubt


def test_what_was_done_under_doubt_gets_a_second_look_that_a_newer_revision_does_not_cancel(store):
    store.accept1(publish("1"))
    store.one("portal", lease=1000)
    store.wait(2000)
    store.settle("portal", store.one("portal"), "done", bound=BOUND)
    assert store.work("portal") == []
    store.accept1(publish("2", content="y", time=START + 1))
    work = store.one("portal")
    assert rank(work) == (2, 0) and not work.doubt
    store.settle("portal", work, "done", bound=BOUND)
    assert store.work("portal") == []
    store.wait(BOUND + 8)
    look = store.one("portal")
    assert rank(look) == (2, 0) and look.doubt
    store.settle("portal", look, "done", bound=BOUND)
    assert store.due("portal") == {}


def test_a_holder_that_began_before_the_second_look_was_due_does_not_end_it(store):
    store.accept1(publish("1"))
    store.one("portal", lease=1000)
    store.wait(2000)
    store.settle("portal", store.one("portal"), "done", bound=BOUND)
    store.accept1(publish("2", content="y", time=START + 1))
    work = store.one("portal")
    store.wait(BOUND + 8)
    store.settle("portal", work, "done", bound=BOUND)
    assert store.one("portal").doubt


def test_without_a_bound_no_second_look_is_owed(store):
    store.accept1(publish("1"))
    store.one("portal", lease=1000)
    store.wait(2000)
    store.settle("portal", store.one("portal"), "done", bound=0)
    assert store.due("portal") == {}


def test_a_withdrawal_under_doubt_acts_at_once_and_again_when_nothing_can_come_any_more(store):
    store.accept1(publish("1"))
    store.one("portal", lease=1000)
    store.wait(2000)
    store.accept1(withdraw("2", time=START + 1))
    store.settle("portal", store.one("portal"), "done", bound=BOUND)
    store.wait(BOUND + 8)
    again = store.one("portal")
    assert rank(again) == (1, 1) and again.doubt
    store.settle("portal", again, "done", bound=BOUND)
    assert store.due("portal") == {}


def test_a_second_look_on_a_dead_revision_waits_for_the_next_one_and_does_not_spin(store):
    store.accept1(publish("1"))
    store.one("portal", lease=1000)
    store.wait(2000)
    store.settle("portal", store.one("portal"), "done", bound=BOUND)
    store.accept1(publish("2", content="y", time=START + 1))
    store.settle("portal", store.one("portal"), "dead", code="c")
    store.wait(BOUND + 8)
    assert store.take("portal") == []
    store.accept1(publish("3", content="z", time=START + 2))
    assert store.one("portal").doubt


def test_a_stale_settle_changes_no_state_but_leaves_its_reference_a_doubt_and_a_line(store):
    store.accept1(publish("1"))
    late = store.one("portal", lease=1000)
    store.wait(2000)
    holder = store.one("portal")
    assert store.settle("portal", late, "done", reference="post-1") == "stale"
    assert store.due("portal")["d1"] == holder.lease
    assert store.channel("portal").shown_rev == ""
    assert store.log()[-1].code == "stale/done" and store.log()[-1].reference == "post-1"
    assert store.settle("portal", holder, "done", reference="post-2", bound=BOUND) == "ok"
    # The holder did not know of that post, so its `done` ends neither the doubt nor the reference.
    look = store.one("portal")
    assert look.doubt and look.reference == "post-2 post-1"
    store.settle("portal", look, "done", reference="post-2", bound=BOUND)
    assert store.channel("portal").reference == "post-2"
    store.wait(BOUND + 8)
    assert store.one("portal").doubt


def test_a_reference_that_stands_is_not_taken_for_one_left_over(store):
    store.accept1(publish("1"))
    store.done("portal", reference="a")
    store.accept1(publish("2", content="y", time=START + 1))
    late = store.one("portal", lease=1000)
    store.wait(2 * MINUTE)
    holder = store.one("portal")
    assert store.settle("portal", late, "done", reference="a") == "stale"
    store.settle("portal", holder, "done", reference="a", bound=BOUND)
    assert store.one("portal").reference == "a"


def test_a_stale_settle_that_had_not_sent_leaves_no_doubt(store):
    store.accept1(publish("1"))
    late = store.one("portal", lease=1000)
    store.wait(2000)
    holder = store.one("portal")
    assert store.settle("portal", late, "later", sent=False, at=store.now) == "stale"
    store.settle("portal", holder, "done")
    assert store.due("portal") == {}


def test_a_stale_settle_makes_a_finished_document_due_again(store):
    store.accept1(publish("1"))
    late = store.one("portal", lease=1000)
    store.wait(2000)
    store.settle("portal", store.one("portal"), "done", reference="a")
    assert store.due("portal") == {}
    assert store.settle("portal", late, "done", reference="b") == "stale"
    work = store.one("portal")
    assert work.doubt and work.reference == "a b"


def test_a_load_that_comes_after_the_lease_was_handed_on_notes_nothing_down(store):
    store.accept1(publish("1"))
    store.take("portal", lease=1000)
    store.wait(2000)
    late = store.take("portal", lease=1000)
    store.wait(2000)
    holder = store.one("portal")
    before = store.contents()
    assert late[0].passed and store.load("portal", late) == ["stale"]
    assert store.contents() == before
    store.settle("portal", holder, "done")
    assert store.load("portal", late) == ["stale"]
    assert store.channel("portal").state == "published"


def test_five_passed_leases_are_poison(store):
    store.accept1(publish("1"))
    for n in range(5):
        assert len(store.work("portal", lease=1000)) == 1, n
        store.wait(2000)
    assert store.work("portal", lease=1000) == []
    assert store.channel("portal").state == "dead" and store.channel("portal").code == "poison"
    assert store.due("portal") == {}
    store.accept1(publish("2", content="y", time=START + 1))
    work = store.one("portal")
    assert rank(work) == (2, 0) and work.doubt


def test_settles_between_passed_leases_are_no_poison(store):
    store.accept1(publish("1"))
    for _ in range(8):
        store.one("portal", lease=1000)
        store.wait(2000)
        store.settle("portal", store.one("portal", lease=1000), "ask", at=store.now)
    assert len(store.work("portal")) == 1


# Embargo and expiry [3, 5] -----------------------------------------------------------------------

def test_an_embargoed_revision_is_not_shown_before_its_time(store):
    store.accept1(publish("1", at=START + DAY))
    assert store.work("portal") == [] and store.channel("portal").state == "embargoed"
    store.wait(DAY - 100)
    assert store.work("portal") == []
    store.wait(108)
    assert rank(store.one("portal")) == (1, 0)


def test_an_embargoed_revision_does_not_ride_on_the_settle_of_the_one_before(store):
    store.accept1(publish("1"))
    work = store.one("portal")
    store.accept1(publish("2", content="y", time=START + 1, at=START + DAY))
    store.settle("portal", work, "done")
    assert store.work("portal") == []
    assert store.channel("portal").state == "published"


def test_an_embargoed_revision_does_not_ride_on_a_passed_lease(store):
    store.accept1(publish("1"))
    store.one("portal", lease=1000)
    store.accept1(publish("2", content="y", time=START + 1, at=START + DAY))
    store.wait(2000)
    assert rank(store.one("portal")) == (1, 0)


def test_an_embargoed_revision_does_not_move_the_retry_of_the_one_before(store):
    store.accept1(publish("1"))
    store.settle("portal", store.one("portal"), "later", at=START + 5000)
    store.accept1(publish("2", content="y", time=START + 1, at=START + DAY))
    store.wait(5008)
    assert rank(store.one("portal")) == (1, 0)


def test_a_newer_revision_due_earlier_removes_embargoed_ones(store):
    store.accept(publish("1", at=START + 2 * DAY), publish("2", content="y", time=START + 1, at=START + DAY))
    assert [r.rev for r in store.show().pending] == [2]
    store.accept1(publish("3", content="z", time=START + 2, at=START + 2 * DAY))
    assert [r.rev for r in store.show().pending] == [2, 3]
    store.accept1(withdraw("4", time=START + 3))
    assert store.show().pending == [] and rank(store.show().current) == (3, 1)


def test_a_newer_revision_whose_embargo_is_over_is_not_replaced_by_an_older_one(store):
    store.accept1(publish("1", at=START + 1000))
    store.wait(5000)  # nobody has looked since
    store.accept1(publish("2", content="y", time=START + 1, at=START + 2000))
    assert store.show().current.rev == 2 and store.show().pending == []


def test_a_withdrawal_is_never_under_embargo(store):
    store.accept1(publish("1"))
    store.done("portal")
    store.accept1(withdraw("2", time=START + 1, at=START + DAY))
    assert rank(store.one("portal")) == (1, 1)


def test_what_expires_is_withdrawn_by_itself_and_a_stale_number_is_not_used_up(store):
    store.accept1(publish("1", revision=1, expires=START + DAY))
    store.done("portal", reference="p")
    assert list(store.due("portal")) == ["d1"]
    store.wait(DAY - 100)
    assert store.work("portal") == []
    store.wait(108)
    work = store.one("portal")
    assert (work.kind, rank(work), work.reference, work.evid) == ("X", (1, 1), "p", "oa 1")
    store.settle("portal", work, "done")
    assert store.channel("portal").state == "ended" and "ended" in store.states("portal")
    assert store.due("portal") == {}
    assert store.accept1(publish("2", revision=2, content="y")).status == "accepted"


def test_what_expires_before_it_was_sent_does_not_touch_the_carrier(store):
    store.accept1(publish("1", expires=START + 1000))
    store.settle("portal", store.one("portal"), "wait", at=START + DAY)
    store.wait(2000)
    assert store.work("portal") == [] and store.due("portal") == {}
    assert store.channel("portal").state == "ended"


def test_an_expired_and_a_withdrawn_one_end_on_every_channel(store):
    store.accept1(publish("1", expires=START + 1000, channels="portal,wechat,weibo"))
    for name in CHANNELS:
        store.done(name)
    store.wait(2000)
    assert [rank(store.one(name)) for name in CHANNELS] == [(1, 1)] * 3


# One placing function, after [4, 10] -------------------------------------------------------------

def test_a_dead_revision_does_not_bury_the_next(store):
    store.accept1(publish("1"))
    store.settle("portal", store.one("portal"), "dead", code="bad", sentence="因为")
    assert store.due("portal") == {} and store.channel("portal").sentence == "因为"
    store.accept1(publish("2", content="y", time=START + 1))
    assert rank(store.one("portal")) == (2, 0)


def test_back_off_counts_attempts_and_a_new_revision_starts_anew(store):
    store.accept1(publish("1"))
    for n in range(3):
        work = store.one("portal")
        assert work.attempts == n
        store.settle("portal", work, "later", at=store.now + 1000, memo="m%d" % n)
        assert store.work("portal") == []
        store.wait(1008)
    work = store.one("portal")
    assert work.memo == "m2"
    store.settle("portal", work, "wait", at=store.now + DAY)
    store.accept1(publish("2", content="y", time=START + 1))
    work = store.one("portal")
    assert (rank(work), work.attempts, work.memo) == ((2, 0), 0, "")


def test_what_was_overtaken_before_it_was_shown_is_logged_as_superseded(store):
    store.accept(publish("1"), publish("2", content="y", time=START + 1))
    assert [(r.rev, r.channel) for r in sorted(store.log()) if r.state == "superseded"] == \
        [("1", "portal"), ("1", "wechat")]


def test_the_accepted_record_stands_before_what_follows_from_it(store):
    store.accept(publish("1"), withdraw("2", time=START + 1))
    states = store.states()
    assert states == ["accepted", "accepted"] + ["superseded"] * 2 + ["withdrawn"] * 2


def test_a_channel_waits_until_the_other_shows_the_same_revision(store):
    store.accept1(publish("1", channels="portal,wechat<portal"))
    assert store.work("wechat") == []
    store.done("portal", after=["wechat"], url="https://portal/1")
    assert store.one("wechat").after_url == "https://portal/1"


def test_waiting_is_a_state_not_an_edge(store):
    store.accept1(publish("1", channels="portal"))
    store.done("portal", after=["wechat"], url="u")
    store.accept1(publish("2", content="y", time=START + 1, channels="portal,wechat<portal"))
    assert store.work("wechat") == []
    store.done("portal", after=["wechat"], url="u")
    assert len(store.work("wechat")) == 1


def test_a_channel_does_not_wait_for_one_that_has_no_part(store):
    store.accept1(publish("1", channels="wechat<portal"))
    assert len(store.work("wechat")) == 1


def test_a_withdrawal_does_not_wait_for_the_other_channel(store):
    store.accept1(publish("1", channels="portal,wechat<portal"))
    store.done("portal", after=["wechat"])
    store.done("wechat")
    store.accept1(withdraw("2", time=START + 1))
    assert rank(store.one("wechat")) == (1, 1)


def test_when_the_other_channel_is_dead_waiting_ends_and_is_told_along_the_chain(store):
    store.accept1(publish("1", channels="portal,wechat<portal,weibo<wechat"))
    store.settle("portal", store.one("portal"), "dead", after=["wechat", "weibo"], code="bad")
    assert [store.channel(name).state for name in CHANNELS] == ["dead"] * 3
    assert store.channel("weibo").code == "after/dead"
    assert [r.channel for r in store.log() if r.state == "dead"] == ["portal", "wechat", "weibo"]
    assert store.due("wechat") == store.due("weibo") == {}


def test_an_embargo_that_ends_does_not_let_a_channel_run_ahead_of_the_one_it_waits_for(store):
    store.accept1(publish("1", channels="portal,wechat<portal", at=START + DAY))
    store.wait(DAY + 8)
    assert store.work("wechat") == [] and store.due("wechat") == {}
    store.done("portal", after=["wechat"])
    assert len(store.work("wechat")) == 1


def test_a_revision_that_comes_between_take_and_load_does_not_run_ahead(store):
    store.accept1(publish("1", channels="portal,wechat<portal"))
    store.done("portal", after=["wechat"])
    items = store.take("wechat")
    store.accept1(publish("2", content="y", time=START + 1, channels="portal,wechat<portal"))
    assert store.load("wechat", items) == ["none"]


def test_settle_asks_for_a_channel_that_waits_and_was_not_named(store):
    store.accept1(publish("1", channels="portal,wechat<portal,weibo<wechat"))
    work = store.one("portal")
    before = store.contents()
    assert store.settle("portal", work, "done") == "again wechat"
    assert store.settle("portal", work, "done", after=["wechat"]) == "again weibo"
    assert store.contents() == before
    assert store.settle("portal", work, "done", after=["wechat", "weibo"]) == "ok"


# Checkpoints, memos ------------------------------------------------------------------------------

def test_a_checkpoint_keeps_the_memo_and_says_that_something_may_have_been_sent(store):
    store.accept1(publish("1"))
    work = store.one("portal", lease=1000)
    assert store.checkpoint("portal", work, "step 1") == "ok"
    store.wait(2000)
    again = store.one("portal")
    assert again.memo == "step 1" and again.doubt
    assert store.checkpoint("portal", work, "late") == "stale"
    assert store.checkpoint("portal", again, "step 2") == "ok"
    assert store.settle("portal", again, "done") == "ok"


def test_the_memo_of_an_overtaken_revision_is_not_taken_for_the_next_ones(store):
    store.accept1(publish("1"))
    work = store.one("portal", lease=1000)
    store.accept1(publish("2", content="y", time=START + 1))
    assert store.checkpoint("portal", work, "draft of 1") == "ok"
    store.wait(2000)
    assert store.one("portal").memo == ""


# Held events -------------------------------------------------------------------------------------

def test_a_held_event_goes_nowhere_until_it_is_released(store):
    event = publish("1", flags="h", reasons="secrecy_mark", time=START - 5)
    answer = store.accept1(event)
    assert (answer.status, answer.revision) == ("held", 0)
    assert store.due("portal") == {} and store.held_list()[0][:5] == \
        [event.ulid, event.evid, "d1", str(START), "secrecy_mark"]
    assert store.accept1(event).status == "held"
    assert store.release(event, reason="ok") == ["ok", "1", "portal,wechat"]
    assert store.held_list() == [] and len(store.work("portal")) == 1
    assert store.states() == ["held", "released", "accepted"]
    assert store.accept1(event).status == "duplicate"
    assert store.release(event) == ["unknown"]


def test_a_refused_event_stays_refused_and_owns_nothing(store):
    event = publish("1", flags="h")
    store.accept1(event)
    assert store.refuse(event, reason="no")[0] == "ok"
    assert store.accept1(event).status == "refused" and store.held_list() == []
    assert store.accept1(publish("2", source="web")).status == "accepted"
    assert store.states()[:2] == ["held", "refused"]


def test_a_newer_event_supersedes_the_held_one_which_is_then_stale(store):
    event = publish("1", flags="h")
    store.accept1(event)
    store.accept1(publish("2", content="y", time=START + 1))
    assert store.held_list() == [] and store.show().held == ""
    assert store.accept1(event).status == "stale"
    assert "superseded" in store.states()


def test_an_older_event_does_not_supersede_the_held_one(store):
    newer = publish("2", flags="h", time=START + 10)
    store.accept1(newer)
    assert store.accept1(publish("1", content="y", time=START)).status == "accepted"
    assert store.accept1(publish("0", content="z", time=START + 5, flags="h")).status == "stale"
    assert store.show().held == newer.ulid
    assert store.release(newer)[:2] == ["ok", "2"]


def test_numbers_decide_between_held_and_accepted(store):
    newer = publish("5", flags="h", revision=5, time=START)
    store.accept(newer, publish("4", content="y", revision=4, time=START + 9))
    assert store.show().held == newer.ulid
    store.accept1(publish("6", content="z", revision=6, time=START - 9))
    assert store.show().held == ""


def test_a_held_one_sent_under_another_id_is_still_the_same_one(store):
    first = store.accept1(publish("1", flags="h"))
    assert store.accept1(publish("2", flags="h", time=START + 1)).ulid == first.ulid
    assert len(store.held_list()) == 1


def test_a_release_that_came_too_late_ends_as_superseded(store):
    event = publish("1", flags="h", source="oa", time=START - 9)
    store.accept1(event)
    # Another source revised what was not held to be newer: by arrival, then withdrew.
    packed = store.redis.call("HGET", store.key("held"), event.ulid)
    store.accept1(publish("2", content="y", time=START))
    store.redis.call("HSET", store.key("held"), event.ulid, packed)
    assert store.release(event)[0] == "stale"
    assert store.held_list() == [] and store.accept1(event).status == "stale"


def test_a_release_asks_for_the_documents_channels(store):
    event = publish("1", flags="h", channels="portal,old")
    store.accept1(event, known=["portal", "old"])
    before = store.contents()
    assert store.release(event) == ["again", "old"]
    assert store.contents() == before


# Stop, pause, urgency ----------------------------------------------------------------------------

def test_stop_keeps_publications_and_lets_withdrawals_go(store):
    store.accept(publish("1"), publish("2", document="d2", content="y"))
    store.done("portal")
    store.accept1(publish("3", document="d3", content="z"))
    store.control("stop", "maintenance")
    store.accept1(withdraw("4", document="d2", time=START + 1))
    reply = store.take_of(store.redis.call(*store.take_words("portal")))
    assert reply[0] == "stopped" and [item.document for item in reply[2]] == ["d2"]
    assert store.load("portal", reply[2])[0].kind == "W"
    store.control("stop", "", state="started")
    assert [item.document for item in store.take("portal")] == ["d3"]


def test_stop_lets_a_withdrawal_under_a_passed_lease_go(store):
    store.accept1(publish("1"))
    store.one("portal", lease=1000)
    store.accept1(withdraw("2", time=START + 1))
    store.control("stop", "x")
    store.wait(2000)
    assert store.one("portal").kind == "W"


def test_stop_does_not_forget_the_doubt_of_a_publication_that_is_released(store):
    store.accept1(publish("1"))
    store.one("portal", lease=1000)
    store.control("stop", "x")
    store.wait(2000)
    store.settle("portal", store.one("portal"), "release")
    assert store.take("portal") == []
    store.control("stop", "")
    assert store.one("portal").doubt


def test_a_paused_channel_hands_out_nothing_and_says_why(store):
    store.accept1(publish("1"))
    store.control("pause:portal", "no credentials", state="paused")
    assert store.redis.call(*store.take_words("portal")) == [b"paused", b"no credentials"]
    assert len(store.work("wechat")) == 1
    store.control("pause:portal", "", state="resumed")
    assert len(store.work("portal")) == 1
    assert [(r.state, r.channel) for r in store.log() if r.state in ("paused", "resumed")] == \
        [("paused", "portal"), ("resumed", "portal")]


def test_withdrawals_go_before_urgent_ones_and_these_before_the_rest_by_legal_deadline(store):
    store.accept(publish("w", document="dw", content="w"))
    store.done("portal")
    store.accept(publish("1", document="late", content="1", deadline=START + 30 * DAY),
                 publish("2", document="none", content="2"),
                 publish("3", document="soon", content="3", deadline=START + 2 * DAY),
                 publish("4", document="urgent", content="4", cls=1),
                 withdraw("5", document="dw", time=START + 1))
    order = [store.take("portal", count=1)[0].document for _ in range(5)]
    assert order == ["dw", "urgent", "soon", "late", "none"]


def test_a_retry_that_has_come_of_age_waits_behind_withdrawals(store):
    store.accept(publish("1", document="d1", content="1"), publish("2", document="d2", content="2"))
    first, second = sorted(store.work("portal"))
    store.settle("portal", second, "done")
    store.settle("portal", first, "later", at=START + 1000)
    store.wait(2000)
    store.accept1(withdraw("3", document="d2", time=START + 1))
    assert [store.take("portal", count=1)[0].document for _ in range(2)] == ["d2", "d1"]


def test_take_says_when_something_will_be_due(store):
    assert store.take_of(store.redis.call(*store.take_words("portal")))[1] == -1
    store.accept(publish("1"), publish("2", document="d2", content="y", at=START + DAY))
    status, soon, items = store.take_of(store.redis.call(*store.take_words("portal", count=1)))
    assert soon == 0 and len(items) == 1
    soon = store.take_of(store.redis.call(*store.take_words("portal")))[1]
    assert 0 < soon <= MINUTE + 24  # the lease
    store.settle("portal", store.load("portal", items)[0], "done")
    assert DAY <= store.take_of(store.redis.call(*store.take_words("portal")))[1] <= DAY + 16


# Epoch, numbers, clock [15] ----------------------------------------------------------------------

def test_a_call_with_another_epoch_is_refused_and_writes_nothing(store):
    before = store.contents()
    assert store.redis.call(*store.accept_words([publish("1")], epoch="ELSE")) == [b"epoch"]
    assert store.contents() == before


def test_an_empty_store_is_refused_until_it_is_founded(store):
    store.redis.call("DEL", store.key("meta"))
    assert store.redis.call(*store.accept_words([publish("1")])) == [b"epoch"]
    keys = store.keys("meta", "log", "ctl")
    assert store.call("gk1_hello", keys, "NEW", "look")[0] == b""
    assert store.call("gk1_hello", keys, "NEW", "found")[0] == b"NEW"
    assert store.call("gk1_hello", keys, "NEWER", "found")[0] == b"NEW"


def test_a_clock_that_went_back_is_refused(store):
    store.accept1(publish("1"))
    store.wait(-MINUTE - 1)
    assert store.redis.call(*store.accept_words([publish("2", content="y")])) == [b"clock"]
    store.wait(2)
    assert store.accept1(publish("2", content="y")).status == "accepted"


def test_answers_carry_the_number_of_their_record(store):
    answers = store.accept(publish("1"), publish("1"), publish("2", document="d2", content="y"))
    assert [a.n for a in answers] == [1, 1, 2]
    reply = store.redis.call(*store.accept_words([publish("3", document="d3", content="z")]))
    assert reply[:3] == [b"ok", EPOCH.encode(), b"3"]


def test_the_bytes_come_back_with_their_digest(store):
    event = publish("1", content="正文\n第二行")
    store.accept1(event)
    assert store.bytes_of(event, publish("none")) == [(event.digest, event.bytes), (b"", b"")]


# Keys of the wrong type, half writes, memory -----------------------------------------------------

WRONG = {"string": ("SET", "x"), "hash": ("HSET", "f", "x"), "list": ("RPUSH", "x"), "zset": ("ZADD", 1, "x")}


def spoil(store, key, but):
    """Puts values of other types into a key, one after the other."""
    for kind, (command, *rest) in WRONG.items():
        if kind != but:
            store.redis.call("DEL", key)
            store.redis.call(command, key, *rest)
            yield kind


@pytest.mark.parametrize("name,right", [("ev:oa 1", "string"), ("doc:d1", "string"), ("same:", "string")])
def test_a_key_of_the_wrong_type_fails_its_own_event_and_no_other(store, name, right):
    event, other = publish("1"), publish("2", document="d2", content="y")
    key = store.key(name + (event.content_digest if name == "same:" else ""))
    for kind in spoil(store, key, right):
        bad = store.redis.call("DUMP", key)
        answers = store.accept(event, other)
        assert [a.status for a in answers][0] == "broken", kind
        assert answers[1].status in ("accepted", "duplicate")
        assert store.redis.call("DUMP", key) == bad and "d1" not in store.due("portal")
    store.redis.call("DEL", key)
    assert store.accept1(event).status == "accepted"
    assert store.log()


def test_a_spoilt_document_fails_its_own_event(store):
    store.redis.call("SET", store.key("doc:d1"), b"\xc1 no packed table")
    answers = store.accept(publish("1"), publish("2", document="d2", content="y"))
    assert [a.status for a in answers] == ["broken", "accepted"]


def test_a_spoilt_due_key_fails_the_events_of_its_channel_only(store):
    store.redis.call("SET", store.key("due:wechat"), "x")
    answers = store.accept(publish("1"), publish("2", document="d2", content="y", channels="portal"))
    assert [(a.status, a.extra) for a in answers] == [("broken", "wechat"), ("accepted", "")]
    assert list(store.due("portal")) == ["d2"]


def prepared(store):
    """A region in which each function has something to do."""
    store.accept(publish("1", channels="portal,wechat<portal"), publish("h", document="dh", flags="h"))
    store.take("portal", lease=1000)
    store.wait(2000)
    return store.take("portal")


def calls(store, items):
    held = publish("h", document="dh")
    settlement = [("d1", [items[0].lease, 1, 0, "done", 1, "r", "u", "c", "", 0, "-", 0])]
    return {
        "accept": store.accept_words([publish("2", content="y", time=START + 1),
                                      publish("3", document="d3", content="z")]),
        "held": store.words("gk1_held", store.keys("meta", "log", "held", "ev:oa h", "doc:dh",
                                                   *["due:" + c for c in CHANNELS]),
                            EPOCH, held.ulid, "release", "root", "", ",".join(CHANNELS)),
        "take": store.take_words("wechat"),
        "load": store.load_words("portal", items),
        "settle": store.settle_words("portal", settlement, ["wechat"]),
        "checkpoint": store.words("gk1_checkpoint", store.keys("meta", "due:portal", "doc:d1"), EPOCH,
                                  "portal", items[0].lease, "memo", 1, 0),
        "control": store.words("gk1_control", store.keys("meta", "log", "ctl"), EPOCH, "stop", "why",
                               "root", "stopped"),
    }


FUNCTIONS = ["accept", "held", "take", "load", "settle", "checkpoint", "control"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_never_half_writes_whatever_key_is_of_the_wrong_type(store, function):
    words = calls(store, prepared(store))[function]
    positions = range(3, 3 + words[2])
    for position in positions:
        for kind, (command, *rest) in list(WRONG.items()) + [("stream", ("XADD", "*", "f", "x"))]:
            store.redis.call("FLUSHALL")
            store.set_clock(START)
            store.call("gk1_hello", store.keys("meta", "log", "ctl"), EPOCH, "found")
            words = calls(store, prepared(store))[function]
            key = words[position]
            own = store.redis.call("TYPE", key).decode()
            if own == kind or (own == "none" and kind == {"due": "zset", "log": "stream", "ctl": "hash",
                                                         "held": "hash"}.get(key.split("}:")[1].split(":")[0],
                                                                             "string")):
                continue
            store.redis.call("DEL", key)
            store.redis.call(command, key, *rest)
            before = store.contents()
            try:
                reply = store.redis.call(*words)
            except Refused:
                reply = None
            after = store.contents()
            assert after[key.encode()] == before[key.encode()], (key, kind, "was overwritten")
            if reply is None or reply[0] != b"ok":
                assert after == before, (key, kind, reply, "was written although refused")


def test_every_function_does_its_part_when_all_keys_are_right(store):
    for function in FUNCTIONS:
        store.redis.call("FLUSHALL")
        store.set_clock(START)
        store.call("gk1_hello", store.keys("meta", "log", "ctl"), EPOCH, "found")
        words = calls(store, prepared(store))[function]
        before = store.contents()
        assert store.redis.call(*words)[0] == b"ok"
        assert (store.contents() != before) or function == "take", function


def test_a_full_store_refuses_new_work_and_still_drains(store):
    store.accept1(publish("1"))
    used = int([line for line in store.redis.call("INFO", "memory").decode().split("\r\n")
                if line.startswith("used_memory:")][0].split(":")[1])
    store.redis.call("CONFIG", "SET", "maxmemory", used // 2)
    try:
        with pytest.raises(Refused, match="OOM"):
            store.accept1(publish("2", document="d2", content="y"))
        work = store.one("portal")
        assert store.checkpoint("portal", work, "m") == "ok"
        assert store.settle("portal", work, "done") == "ok"
        assert store.control("stop", "full") == "ok"
        assert store.show().channels["portal"].state == "published"
    finally:
        store.redis.call("CONFIG", "SET", "maxmemory", 0)
    assert store.accept1(publish("2", document="d2", content="y")).status == "accepted"


# Many calls --------------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(4))
def test_the_log_is_without_gap_over_hundreds_of_random_calls(store, seed):
    dice = random.Random(seed)
    works, held = [], []
    for step in range(600):
        store.wait(dice.choice((0, 1, 300, 5000)))
        choice = dice.randrange(6)
        if choice < 2:
            events = []
            for k in range(dice.randrange(1, 6)):
                make = publish if dice.random() < 0.7 else withdraw
                events.append(make(
                    "%d" % dice.randrange(300), document="d%d" % dice.randrange(12),
                    content="c%d" % dice.randrange(40), time=store.now - dice.randrange(9000),
                    revision=dice.choice((0, 0, 0, step)), at=dice.choice((0, 0, store.now + 4000)),
                    expires=dice.choice((0, 0, store.now + 9000)),
                    flags=dice.choice(("", "", "", "h", "d", "s")), channels=dice.choice(
                        ("", "portal", "portal,wechat<portal", "weibo,portal"))))
            for event, answer in zip(events, store.accept(*events)):
                if answer.status == "held":
                    held.append(event)
        elif choice == 2 and held:
            event = held.pop(dice.randrange(len(held)))
            dice.choice((store.release, store.refuse))(event)
        elif choice < 5:
            name = dice.choice(CHANNELS)
            after = ["wechat"] if name == "portal" else []
            works += [(name, after, w) for w in store.work(name, after=after, lease=8000)]
        for _ in range(min(len(works), dice.randrange(4))):
            name, after, work = works.pop(dice.randrange(len(works)))
            verdict = dice.choice(("done", "done", "later", "wait", "ask", "dead", "uncertain", "release"))
            outcome = store.settle(name, work, verdict, after=after, at=store.now + dice.randrange(5000),
                                   bound=dice.choice((0, 2000)), reference=dice.choice(("", "r%d" % step)))
            assert outcome in ("ok", "stale", "already"), outcome
    assert len(store.log()) > 300


def test_the_library_loads_with_redis_own_clock():
    redis = Redis(text=library(real_clock=True))
    try:
        store = Store(redis, clock=False)
        import time
        now = int(time.time() * 1000)
        assert store.accept1(publish("1", time=now)).status == "accepted"
        work = store.one("portal")
        assert abs(work.accepted - now) < MINUTE and store.settle("portal", work, "done") == "ok"
    finally:
        redis.close()


def test_what_was_answered_is_on_disk_when_redis_is_killed():
    redis = Redis("--appendonly", "yes", "--appendfsync", "always")
    try:
        store = Store(redis)
        for n in range(20):
            store.accept1(publish(str(n), document="d%d" % n, content=str(n)))
        store.settle("portal", store.work("portal")[0], "done")
        before = store.contents()
        redis.kill_and_start_again()
        assert store.contents() == before
        assert store.accept1(publish("3", document="d3", content="3")).status == "duplicate"
    finally:
        redis.close()
