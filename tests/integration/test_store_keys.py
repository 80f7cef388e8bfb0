"""The store's keys: epoch and numbers, wrong types, half writes, a full memory, a killed Redis."""

import random
import time

import pytest

from rows import pack

from storekit import (CHANNELS, EPOCH, Redis, Refused, START, Store, library, publish, store,
                      store_redis, withdraw)

MINUTE = 60_000


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


def test_the_bytes_of_what_is_kept_stay_and_of_the_rest_go(store):
    event, again = publish("1", content="正文\n第二行"), publish("1", content="正文\n第二行", ulid="U2")
    other, old = publish("1", content="z", ulid="U3"), publish("2", content="y", time=START - 1, ulid="U4")
    assert [a.status for a in store.accept(event, again, other, old)] == ["accepted", "duplicate", "conflict", "stale"]
    assert store.bytes_of(event, again, other, old) == [event.bytes, None, None, None]
    refused = publish("3", document="d3", ulid="U5")
    store.redis.call("SET", store.key("body:U5"), "x")
    assert store.redis.call(*store.accept_words([refused], epoch="another")) == [b"epoch"]
    assert store.bytes_of(refused) == [None]


# Keys of the wrong type, half writes, memory -----------------------------------------------------

WRONG = {"string": ("SET", "x"), "hash": ("HSET", "f", "x"), "list": ("RPUSH", "x"), "zset": ("ZADD", 1, "x")}


def spoil(store, key, but):
    """Puts values of other types into a key, one after the other."""
    for kind, (command, *rest) in WRONG.items():
        if kind != but:
            store.redis.call("DEL", key)
            store.redis.call(command, key, *rest)
            yield kind


@pytest.mark.parametrize("name,right", [("ev:oa 1", "string"), ("doc:d1", "string")])
def test_a_key_of_the_wrong_type_fails_its_own_event_and_no_other(store, name, right):
    event, other = publish("1"), publish("2", document="d2", content="y")
    key = store.key(name)
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
    return store.take("portal", worker="w")


def calls(store, items):
    held = publish("h", document="dh")
    settlement = [("d1", pack(items[0].lease, 1, 0, "done", 1, "r", "u", "c", "", 0, "-", 0, 0, "0", 0, 0, "x"))]
    return {
        "accept": store.accept_words([publish("2", content="y", time=START + 1),
                                      publish("3", document="d3", content="z")]),
        "held": store.words("gk1_held", store.keys("meta", "log", "held", "ev:oa h", "doc:dh",
                                                   *["due:" + c for c in CHANNELS]),
                            EPOCH, held.ulid, "release", "root", "", ",".join(CHANNELS)),
        "take": store.take_words("wechat", worker="w", limits="1,1,1,0,9"),
        "renew": store.renew_words("portal", [("d1", items[0].lease, items[0].lease + 8)], "w"),
        "reclaim": store.reclaim_words("portal", "w"),
        "load": store.load_words("portal", items),
        "settle": store.settle_words("portal", settlement, ["wechat"], breaker="1,50,1000,9000"),
        "checkpoint": store.words("gk1_checkpoint", store.keys("meta", "due:portal", "doc:d1"), EPOCH,
                                  "portal", items[0].lease, "memo", 1, 0),
        "control": store.words("gk1_control", store.keys("meta", "log", "ctl"), EPOCH, "stop", "why",
                               "root", "stopped"),
    }


FUNCTIONS = ["accept", "held", "take", "renew", "reclaim", "load", "settle", "checkpoint", "control"]


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
                                                         "held": "hash", "gate": "hash", "hand": "list"}.get(key.split("}:")[1].split(":")[0],
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
            assert outcome in ("ok", "dead", "stale", "already"), outcome
    assert len(store.log()) > 300


def test_the_library_loads_with_redis_own_clock():
    redis = Redis(text=library(real_clock=True))
    try:
        store = Store(redis, clock=False)
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
