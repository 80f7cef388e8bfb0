"""What people do to the store: hold, release, refuse, stop, pause; and what goes first."""

from storekit import (DAY, START, publish, store, store_redis, withdraw)

MINUTE = 60_000


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
