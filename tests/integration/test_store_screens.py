"""What players report in their heartbeats: what began and ended to be drawn, and how long it was on each day."""

from datetime import datetime, timedelta, timezone

import pytest

from storekit import START, publish, store, store_redis, withdraw  # noqa: F401

SHANGHAI = timezone(timedelta(hours=8))
BEAT = 30_000
ON, OFF, DAY = "screen/on", "screen/off", "screen/day"


def at(ms):
    return datetime.fromtimestamp(ms / 1000, SHANGHAI)


def ms(moment):
    return int(moment.timestamp() * 1000)


def day(t):
    return at(t).strftime("%Y-%m-%d")


def morning(days=1, hour=9):
    return ms((at(START) + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0))


def seen(store, document=None):
    """code, document, revision, player, extra of the records."""
    return [(r.code, r.document, int(r.rev), r.reference, r.extra) for r in store.log()
            if r.state == "seen" and document in (None, r.document)]


def beats(store, n, *draws, player="hall", every=BEAT):
    for _ in range(n):
        store.wait(every)
        store.sight("led", player, *draws)


def test_what_began_and_what_ended_is_in_the_log_and_an_unchanged_heartbeat_is_not(store):
    assert store.sight("led", "hall", ("d1", 1, "a"), ("d2", 3, "b")) == ["d1", "d2"]
    assert [(r.state, r.rev, r.lvl, r.channel, r.attempt) for r in store.log()] == [("seen", "1", "0", "led", ""), ("seen", "3", "0", "led", "")]
    before = {key: value for key, value in store.contents().items() if key != b"{530581}:screens:led"}
    beats(store, 5, ("d2", 3, "b"), ("d1", 1, "a"))  # in another order it is the same
    assert {key: value for key, value in store.contents().items() if key != b"{530581}:screens:led"} == before
    last = store.now
    store.wait(BEAT)
    assert store.sight("led", "hall", ("d2", 3, "b")) == ["d1"]
    assert seen(store, "d1") == [(ON, "d1", 1, "hall", "a" * 64), (OFF, "d1", 1, "hall", "%s %d %d" % (day(START), 5 * BEAT, last))]


def test_another_revision_or_digest_is_off_and_on(store):
    store.sight("led", "hall", ("d1", 1, "a"))
    beats(store, 2, ("d1", 1, "a"))
    for draw in (("d1", 2, "b"), ("d1", 2, "c")):
        store.wait(BEAT)
        assert store.sight("led", "hall", draw) == ["d1"]
    assert [(code, rev) for code, _, rev, _, _ in seen(store)] == [(ON, 1), (OFF, 1), (ON, 2), (OFF, 2), (ON, 2)]
    assert [x[4].split()[1] for x in seen(store) if x[0] == OFF] == [str(2 * BEAT), "0"]
    assert store.sightings("led", "d1")["hall"] == (store.now, 1, "2", "c", store.now)


def test_a_heartbeat_that_is_heard_twice_counts_once(store):
    store.sight("led", "hall", ("d1", 1, "a"))
    for _ in range(10):
        store.wait(BEAT)
        store.sight("led", "hall", ("d1", 1, "a"))
        store.wait(3)
        store.sight("led", "hall", ("d1", 1, "a"))
    store.sight("led", "hall")
    assert seen(store)[-1][4] == "%s %d %d" % (day(START), 10 * (BEAT + 3), store.now)


@pytest.mark.parametrize("gap, counted", ((90_000, 90_000), (90_001, 0)))
def test_a_player_that_was_silent_for_longer_than_ninety_seconds_was_not_on(store, gap, counted):
    store.set_clock(morning())
    store.sight("led", "hall", ("d1", 1, "a"))
    store.wait(gap)
    store.sight("led", "hall", ("d1", 1, "a"))
    store.sight("led", "hall")
    assert seen(store)[-1][4].split()[1] == str(counted)


def test_the_first_heartbeat_of_a_day_says_what_the_day_before_had(store):
    store.set_clock(morning(1, 17))
    store.sight("led", "hall", ("d1", 1, "a"), ("d2", 1, "a"))
    beats(store, 4, ("d1", 1, "a"), ("d2", 1, "a"))
    evening = store.now
    store.set_clock(morning(2))  # a night between
    assert store.sight("led", "hall", ("d1", 1, "a")) == ["d2"]
    beats(store, 3, ("d1", 1, "a"))
    store.set_clock(morning(5))  # a weekend: of a day without a heartbeat there is nothing to say
    store.sight("led", "hall", ("d1", 1, "a"))
    first, second = day(morning(1)), day(morning(2))
    assert seen(store, "d2")[-1] == (OFF, "d2", 1, "hall", "%s %d %d" % (first, 4 * BEAT, evening))
    assert seen(store, "d1")[1:] == [(DAY, "d1", 1, "hall", "%s %d %d" % (first, 4 * BEAT, evening)),
                                     (DAY, "d1", 1, "hall", "%s %d %d" % (second, 3 * BEAT, morning(2) + 3 * BEAT))]
    assert store.sightings("led", "d1")["hall"][4] == morning(1, 17)


def test_a_player_that_is_on_at_midnight_gives_each_day_its_part(store):
    midnight = ms(at(morning()).replace(hour=0))
    store.set_clock(midnight - 40_000)
    store.sight("led", "hall", ("d1", 1, "a"))
    for now in (midnight - 10_000, midnight + 20_000, midnight + 50_000):
        store.set_clock(now)
        store.sight("led", "hall", ("d1", 1, "a"))
    store.set_clock(midnight + 51_000)
    store.sight("led", "hall")
    assert [x[4].split()[:2] for x in seen(store)[1:]] == [[day(midnight - 1), "40000"], [day(midnight), "50000"]]


def test_the_first_day_counts_from_when_it_was_drawn_and_not_from_when_the_player_was_on(store):
    store.set_clock(morning())
    store.sight("led", "hall")
    beats(store, 10)
    store.sight("led", "hall", ("d1", 1, "a"))
    beats(store, 2, ("d1", 1, "a"))
    store.set_clock(morning(2))
    store.sight("led", "hall", ("d1", 1, "a"))
    assert seen(store)[-1][0] == DAY and seen(store)[-1][4].split()[1] == str(2 * BEAT)


def test_a_clock_that_steps_back_counts_nothing_twice(store):
    store.set_clock(morning())
    store.sight("led", "hall", ("d1", 1, "a"))
    beats(store, 2, ("d1", 1, "a"))
    store.wait(-50_000)
    store.sight("led", "hall", ("d1", 1, "a"))
    store.wait(60_000)
    store.sight("led", "hall", ("d1", 1, "a"))
    store.sight("led", "hall")
    assert seen(store)[-1][4].split()[1] == str(2 * BEAT + 10_000)


def test_two_players_and_two_channels_are_told_apart(store):
    store.sight("led", "hall", ("d1", 1, "a"))
    store.wait(1000)
    store.sight("led", "square", ("d1", 1, "b"))
    store.sight("lobby", "hall", ("d1", 2, "c"))
    store.wait(1000)
    store.sight("led", "hall")
    assert store.sightings("led", "d1") == {"hall": (store.now, 0, "", "", 0), "square": (START + 1000, 1, "1", "b", START + 1000)}
    assert store.sightings("led") == {"hall": (store.now, 0, "", "", 0), "square": (START + 1000, 1, "", "", 0)}
    assert store.sightings("lobby", "d1")["hall"][2:4] == ("2", "c") and store.sightings("none") == {}


def test_a_document_that_stands_twice_in_a_heartbeat_is_drawn_with_the_newer_revision(store):
    assert store.sight("led", "hall", ("d1", 2, "b"), ("d1", 10, "a")) == ["d1"]
    assert seen(store) == [(ON, "d1", 10, "hall", "a" * 64)] and store.sightings("led", "d1")["hall"][1:3] == (1, "10")


def test_a_player_that_is_forgotten_draws_nothing_from_its_last_heartbeat_on(store):
    store.set_clock(morning())
    store.sight("led", "hall", ("d1", 1, "a"), ("d2", 1, "a"))
    beats(store, 2, ("d1", 1, "a"), ("d2", 1, "a"))
    last = store.now
    store.set_clock(morning(4))
    assert store.forget_screen("led", "square") == "none"
    assert store.forget_screen("led", "hall") == ["d1", "d2"] and store.sightings("led", "d1") == {}
    assert seen(store, "d2")[-1] == (OFF, "d2", 1, "hall", "%s %d %d" % (day(last), 2 * BEAT, last))
    assert not [key for key in store.contents() if b":led" in key]
    assert store.sight("led", "hall", ("d1", 1, "a")) == ["d1"]


def test_what_is_withdrawn_and_still_drawn_is_listed(store):
    store.known = ("led",)
    store.accept(publish("1", channels="led"), publish("2", document="d2", channels="led"))
    store.done("led")
    store.sight("led", "hall", ("d1", 1, "a"), ("d2", 1, "a"))
    store.sight("led", "square", ("d2", 1, "a"), ("unknown", 1, "a"))
    assert [row[2] for row in store.screens("led").values()] == [[], []]
    store.accept(withdraw("w", time=store.now))
    assert store.screens("led") == {"hall": (START, 2, ["d1", "1"]), "square": (START, 2, [])}
    store.sight("led", "hall", ("d2", 1, "a"))
    assert store.screens("led")["hall"] == (START, 1, [])


def test_who_waits_for_a_player_is_woken_and_a_newer_revision_does_not_wait(store):
    store.known = ("led",)
    store.accept(publish("1", channels="led"))
    store.done("led")
    store.accept(withdraw("w", time=store.now))
    for _ in range(300):  # as often as it likes: asking is not failing
        assert store.settle("led", store.one("led"), "ask", code="display/still", sentence="hall", sent=True, at=store.now + 1_800_000) == "ok"
        store.wait(1_800_000)
    assert store.settle("led", store.one("led"), "ask", code="display/still", sentence="hall", sent=True, at=store.now + 1_800_000) == "ok"
    assert (store.channel("led").state, store.channel("led").sentence, store.channel("led").attempts) == ("parked", "hall", "0")
    assert store.work("led") == [] and store.wake("led") == "ok"
    work = store.one("led")
    assert (work.kind, work.lvl) == ("W", 1)
    assert store.settle("led", work, "ask", sent=True, at=store.now + 1_800_000) == "ok" and store.work("led") == []
    store.accept(publish("3", channels="led", content="y", time=store.now + 1))
    assert store.one("led").rev == 2


def test_only_so_many_players_are_taken_in_and_those_that_are_go_on(store):
    for i in range(1000):
        store.redis.call("HSET", store.key("screens:led"), "p%d" % i, b"\0" * 24)
    assert store.sight("led", "hall", ("d1", 1, "a")) == "full" and store.log() == []
    assert store.sight("led", "p7", ("d1", 1, "a")) == ["d1"]


def test_a_wrong_key_or_epoch_changes_nothing(store):
    store.sight("led", "hall", ("d1", 1, "a"))
    for key in ("screens:led", "draws:led", "seen:led"):
        value = store.redis.call("DUMP", store.key(key))
        store.redis.call("DEL", store.key(key))
        store.redis.call("SET", store.key(key), "x")
        before = store.contents()
        assert store.sight("led", "hall", ("d2", 1, "a")) == "type" and store.forget_screen("led", "hall") == "type"
        assert store.contents() == before
        store.redis.call("RESTORE", store.key(key), 0, value, "REPLACE")
    assert store.sight("led", "hall", ("d2", 1, "a"), epoch="other") == "epoch"
    store.redis.call("HSET", store.key("screens:led"), "hall", "x")
    assert store.sight("led", "hall", ("d2", 1, "a")) == "broken" and store.sightings("led") == {}
    assert store.forget_screen("led", "hall") == ["d1"] and store.sight("led", "hall") == []


def test_a_thousand_documents_of_a_player_come_and_go(store):
    many = [("d%d" % i, 1, "a") for i in range(1000)]
    assert len(store.sight("led", "hall", *many)) == 1000 and len(store.sight("led", "hall", *[("d%d" % i, 2, "b") for i in range(1000)])) == 1000
    assert len(store.sight("led", "hall")) == 1000 and len(store.log()) == 4000
    assert store.redis.call("EXISTS", store.key("seen:led"), store.key("draws:led")) == 0
