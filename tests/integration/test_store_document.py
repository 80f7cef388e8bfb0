"""How a document lies in Redis (core/store_document.lua): nothing is lost, and what cannot be read is its own trouble."""
import pytest

from storekit import publish, store, store_redis, withdraw


def value_of(store, document="d1"):
    return store.redis.call("GET", store.key("doc:" + document))


def test_more_channels_than_a_byte_counts(store):
    names = ["c%03d" % i for i in range(300)]
    store.known = names
    assert store.accept1(publish("1", channels=",".join(names))).status == "accepted"
    assert sorted(store.show().channels) == names
    for name in (names[0], names[255], names[256], names[299]):
        store.done(name)
        assert store.channel(name).state == "published"
    store.accept(withdraw("w", time=store.now))
    assert sorted(name for name in names if store.channel(name).state != "withdrawn") == [names[0], names[255], names[256], names[299]]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 70_000])
def test_references_and_addresses_of_any_length_come_back(store, size):
    store.accept(publish("1", channels="portal"))
    store.done("portal", reference="r" * size, url="u" * size)
    shown = store.channel("portal")
    assert (shown.state, shown.reference, shown.url) == ("published", "r" * size, "u" * size)
    store.accept(publish("2", content="y", channels="portal", time=store.now + 1))
    work = store.one("portal")
    assert (work.reference, work.url, work.rev) == ("r" * size, "u" * size, 2)


def test_a_memo_of_any_length_is_kept_for_the_next_attempt(store):
    store.accept(publish("1", channels="portal"))
    work = store.one("portal")
    assert store.checkpoint("portal", work, "m" * 70_000) == "ok"
    store.settle("portal", work, "later", at=store.now + 1000)
    store.wait(2000)
    assert store.one("portal").memo == "m" * 70_000


def test_what_nobody_opened_stays_as_it_was(store):
    """Three channels in three states; the fourth settles, and they are what they were."""
    store.known = ("portal", "wechat", "weibo", "sms")
    store.accept(publish("1", channels="portal,wechat,weibo,sms", until="d7", deadline=0))
    store.done("portal", reference="p-1", url="http://p/1")
    store.settle("wechat", store.one("wechat"), "dead", code="no", sentence="不行")
    store.settle("weibo", store.one("weibo"), "uncertain", code="hm", at=store.now + 60_000)
    before = store.show()
    store.done("sms", reference="s-1")
    after = store.show()
    assert after.channels["sms"].reference == "s-1"
    for name in ("portal", "wechat", "weibo"):
        assert after.channels[name] == before.channels[name]
    assert after.current == before.current and after.owner == before.owner


def test_every_kind_of_time_and_rank_comes_back(store):
    store.accept(publish("1", revision=2_147_483_647, channels="portal", expires=store.now + 1_000_001))
    store.accept(publish("2", document="d2", channels="portal", at=store.now + 50_001))
    store.accept(publish("3", document="d3", source="tax", channels="portal"))
    store.accept(publish("4", document="d3", source="oa", may="*", content="y", time=store.now + 5, channels="portal"))
    assert store.show().current.rev == 2_147_483_647 and store.show().current.expires == store.now + 1_000_001
    assert store.show("d2").pending[0].publish_at == store.now + 50_001
    assert store.show("d3").owner == "tax"
    # Both sources' times are remembered: what is older than either's is stale.
    assert store.accept1(publish("5", document="d3", source="oa", may="*", content="z", time=store.now + 4)).status == "stale"
    assert store.accept1(publish("6", document="d3", source="tax", content="z", time=store.now - 1)).status == "stale"
    assert store.accept1(publish("7", document="d3", source="tax", content="z", time=store.now + 9)).status == "accepted"


def test_a_document_that_is_cut_anywhere_is_broken_and_the_others_go_on(store):
    store.accept(publish("1", channels="portal"), publish("2", document="d2", content="y", channels="portal"))
    whole = value_of(store)
    for n in range(len(whole)):
        store.redis.call("SET", store.key("doc:d1"), whole[:n])
        items, works = store.take_and_load("portal", lease=1000)
        by_name = dict(zip([item.document for item in items], works))
        assert by_name["d1"] == "broken", n
        assert not isinstance(by_name["d2"], str)
        store.settle("portal", by_name["d2"], "release")
        assert [a.status for a in store.accept(publish("x%d" % n, content="x%d" % n, time=store.now, channels="portal"))] == ["broken"]
        store.wait(2000)


def test_a_bit_that_flipped_fails_nobody_else(store):
    store.accept(publish("1", channels="portal,wechat"), publish("2", document="d2", content="y", channels="portal,wechat"))
    store.done("wechat", reference="w")
    whole = value_of(store)
    for n in range(8 * len(whole)):
        spoilt = bytearray(whole)
        spoilt[n // 8] ^= 1 << n % 8
        store.redis.call("SET", store.key("doc:d1"), bytes(spoilt))
        store.redis.call("DEL", store.key("due:portal"), store.key("gate:portal"))
        store.redis.call("ZADD", store.key("due:portal"), 1, "d1", 1, "d2")
        items, works = store.take_and_load("portal", lease=1000)
        seconds = [work for item, work in zip(items, works) if item.document == "d2"]
        assert len(seconds) == 1 and not isinstance(seconds[0], str), n
        reply = store.redis.call(*store.settle_words("portal", [
            (item.document, store.settlement(work if not isinstance(work, str) else item, "release"))
            for item, work in zip(items, works)], after=["wechat"]))
        assert reply[0] == b"ok", n


def test_a_renewal_of_what_has_passed_everywhere_is_answered(store):
    """The same proposal again, after an outage that was longer than the lease."""
    store.accept(publish("1", channels="portal"))
    item = store.take("portal", lease=1000, worker="w")[0]
    store.wait(600_000)
    assert store.renew("portal", (item.document, item.lease, item.lease + 16), worker="w", lease=1000) == ["ok"]
    assert store.reclaim("portal", "w") == 0
