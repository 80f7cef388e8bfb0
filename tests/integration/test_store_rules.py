"""Leases, doubt, embargo, expiry, waiting: the rules of docs/queue.md, one by one."""

import pytest

from storekit import (CHANNELS, DAY, START, publish, store, store_redis, withdraw)

MINUTE = 60_000
BOUND = 20_000


def rank(work):
    return work.rev, work.lvl


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


def test_what_an_older_one_may_have_put_over_a_withdrawal_is_taken_down_as_a_repair(store):
    """The store's clock leapt: the holder sends within its lease by its own clock, behind the withdrawal. [11, 22]"""
    store.accept(publish("1", channels="portal"))
    late = store.one("portal", lease=1000)
    store.accept(withdraw("w", time=store.now))
    store.wait(60_000)
    now = store.one("portal")
    assert (now.rev, now.lvl, now.doubt, now.generation) == (1, 1, True, 0)
    assert store.settle("portal", now, "done") == "ok"
    assert store.settle("portal", late, "done", reference="post-1") == "stale"
    again = store.one("portal")
    assert (again.rev, again.lvl, again.doubt, again.generation) == (1, 1, True, 1)
    assert store.settle("portal", again, "done") == "ok"
    assert store.log()[-1].state == "restored"
    assert store.work("portal") == [] and store.channel("portal").state == "withdrawn"
    # A publication that comes over it is another matter, and asks for no repair.
    store.accept(publish("2", content="y", channels="portal", time=store.now + 1))
    assert store.one("portal").generation == 0


@pytest.mark.parametrize("is_in_hand", [False, True], ids=["waiting", "in hand"])
def test_a_publication_over_a_repair_that_was_not_made_yet_has_its_own_key_from_the_first(store, is_in_hand):
    """Else its second look goes by a key that its carrier never saw, and it is shown twice. [22]"""
    store.accept(publish("1", channels="portal"))
    late = store.one("portal", lease=1000)
    store.accept(withdraw("w", time=store.now))
    store.wait(60_000)
    assert store.settle("portal", store.one("portal"), "done") == "ok"
    assert store.settle("portal", late, "done", reference="post-1") == "stale"
    repair = store.one("portal") if is_in_hand else None
    store.accept(publish("2", content="y", channels="portal", time=store.now + 1))
    if repair:
        assert repair.generation == 1 and store.settle("portal", repair, "uncertain") == "ok"
    now = store.one("portal")
    assert (now.rev, now.lvl, now.doubt, now.generation) == (2, 0, True, 0)
    assert store.settle("portal", now, "done", bound=BOUND) == "ok"
    store.wait(BOUND + 8)
    assert store.one("portal").generation == 0


def test_a_stale_settle_under_a_newer_publication_asks_for_no_repair(store):
    """Its key would be unknown to a carrier that is asked before it gets anything twice."""
    store.accept(publish("1", channels="portal"))
    late = store.one("portal", lease=1000)
    store.accept(publish("2", content="y", channels="portal", time=store.now + 1))
    store.wait(60_000)
    assert store.settle("portal", store.one("portal"), "done") == "ok"
    assert store.settle("portal", late, "done", reference="post-1") == "stale"
    again = store.one("portal")
    assert (again.rev, again.doubt, again.generation) == (2, True, 0)


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
