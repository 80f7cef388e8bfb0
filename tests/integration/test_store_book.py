"""A channel's book in the store: notes, counts of a day, and waking a document that waits."""

from datetime import datetime, timedelta, timezone

from storekit import START, publish, store, store_redis

SHANGHAI = timezone(timedelta(hours=8))


def midnight_after(ms):
    day = datetime.fromtimestamp(ms / 1000, SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((day + timedelta(days=1)).timestamp() * 1000)


def test_a_note_is_there_until_its_time_is_over_or_it_is_taken_away(store):
    assert store.book("wechat", get=["a", "b"])[3] == [None, None]
    assert store.book("wechat", put=[("a", "one", "", "set"), ("b", "", "", "set")], get=["a", "b"])[3] == ["one", ""]
    assert store.book("weibo", get=["a"])[3] == [None]
    assert store.book("wechat", put=[("a", "", "", "del")], get=["a", "b"])[3] == [None, ""]
    store.book("wechat", put=[("c", "brief", 60_000, "set")])
    assert 0 < store.redis.call("PTTL", store.key("book:wechat:c")) <= 60_000
    assert store.redis.call("PTTL", store.key("book:wechat:b")) == -1


def test_something_new_is_put_once_and_nothing_beside_it_a_second_time(store):
    new = [("nonce", "1", 600_000, "new"), ("result", "first", "", "set")]
    assert store.book("wechat", put=new)[0] is True
    again = [("nonce", "1", 600_000, "new"), ("result", "second", "", "set")]
    assert store.book("wechat", spend=[("calls", 1, 9)], put=again, get=["result"]) == \
        (False, midnight_after(START), [0], ["first"])


def test_a_count_ends_at_its_limit_and_begins_anew_at_midnight_in_shanghai(store):
    midnight = midnight_after(START)
    assert store.book("wechat", spend=[("delete", 3, 10)]) == (True, midnight, [3], [])
    assert store.book("wechat", spend=[("delete", 7, 10)])[2] == [10]
    assert store.book("wechat", spend=[("delete", 1, 10)]) == (False, midnight, [10], [])
    store.set_clock(midnight - 1)
    assert store.book("wechat", spend=[("delete", 1, 10)])[0] is False
    store.set_clock(midnight)
    assert store.book("wechat", spend=[("delete", 1, 10)]) == (True, midnight + 86_400_000, [1], [])


def test_of_several_counts_none_is_spent_where_one_is_at_its_limit(store):
    store.book("sms", spend=[("day", 990, 1000)])
    wanted = [("day", 20, 1000), ("calls", 1, 100)]
    assert store.book("sms", spend=wanted, put=[("batch", "7", "", "set")], get=["batch"])[0:1] + \
        store.book("sms", spend=wanted, get=["batch"])[2:] == (False, [990, 0], [None])
    assert store.book("sms", spend=[("day", 10, 1000), ("calls", 1, 100)])[2] == [1000, 1]


def test_a_book_of_another_store_or_type_is_left_alone(store):
    assert store.book("wechat", put=[("a", "x", "", "set")], epoch="other") == "epoch"
    store.redis.call("LPUSH", store.key("book:wechat:count"), "x")
    assert store.book("wechat", spend=[("count", 1, 9)], put=[("a", "x", "", "set")]) == "type"
    assert store.book("wechat", get=["a", "count"])[3] == [None, None]


def test_who_waits_for_the_carrier_looks_at_once_when_it_is_woken(store):
    store.accept1(publish("1"))
    work = store.one("wechat")
    assert store.settle("wechat", work, "ask", sent=True, at=START + 300_000, memo="m") == "ok"
    assert store.work("wechat") == []
    assert store.wake("wechat") == "ok"
    assert store.one("wechat").memo == "m"


def test_who_is_at_work_backs_off_or_is_done_is_not_woken(store):
    store.accept1(publish("1"))
    assert store.wake("wechat", "unknown") == "none"
    work = store.one("wechat")
    before = store.contents()
    assert store.wake("wechat") == "none" and store.contents() == before
    store.settle("wechat", work, "later", at=START + 300_000)
    assert store.wake("wechat") == "none" and store.work("wechat") == []
    store.wait(300_000)
    store.done("wechat")
    assert store.wake("wechat") == "none" and store.work("wechat") == []


def test_what_is_shown_and_leaves_something_to_clear_away_is_looked_at_again(store):
    store.accept1(publish("1"))
    assert store.settle("wechat", store.one("wechat"), "done", reference="new old", at=START + 60_000) == "ok"
    assert store.channel("wechat").state == "published" and store.work("wechat") == []
    store.wait(61_000)
    work = store.one("wechat")
    assert (work.reference, work.shown_rev, work.kind) == ("new old", "1", "P")
    assert store.settle("wechat", work, "done", reference="new") == "ok"
    store.wait(3_600_000)
    assert store.work("wechat") == [] and store.states("wechat") == ["published", "attempted"]
