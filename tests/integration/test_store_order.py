"""Identity, order, ownership and channels of documents: what gk1_accept answers (docs/queue.md)."""

from storekit import (DAY, START, WINDOW, publish, store, store_redis, ulid_of, withdraw)

MINUTE = 60_000


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


def test_a_time_far_ahead_is_refused_and_makes_nothing_stale(store):
    assert store.accept1(publish("1", time=START)).status == "accepted"
    assert store.accept1(publish("2", time=START + 2 * DAY, content="y")).status == "ahead"
    assert store.accept1(publish("3", time=START + 2 * DAY)).status == "ahead", "not as a duplicate either"
    assert store.accept1(withdraw("4", time=START + 2 * DAY, revision=9)).status == "ahead"
    assert store.accept1(publish("5", time=START + 1, content="z")).status == "accepted"
    assert store.accept1(publish("6", time=START + DAY // 2, content="a clock half a day ahead")).status == "accepted"


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
    assert 2 * WINDOW - MINUTE < store.redis.call("PTTL", key) <= 2 * WINDOW
    store.redis.call("RENAME", key, store.key("same:1"))  # as it is in the next stretch
    assert store.accept1(publish("2", document="d2")).extra == "same_content d1"


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
