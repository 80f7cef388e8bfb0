"""What a channel bears as a whole: breaker, pace, quota, how many at once; leases that are renewed, and
that a worker takes back when it begins again."""
from storekit import START, publish, store, store_redis, withdraw  # noqa: F401

BREAKER = "3,50,5000,40000"  # three in a row, half of late; probes after 5 s, at most 40 s apart
SHARE_ONLY = "1000,50,5000,40000"


def fill(store, n, first=0, **more):
    store.accept(*[publish("e%d" % i, document="d%d" % i, content="c%d" % i, channels="portal", **more)
                   for i in range(first, first + n)])


def fail(store, work, **more):
    return store.settle("portal", work, "later", at=store.now + 1000, health="0", breaker=BREAKER, code="away", **more)


def break_it(store):
    fill(store, 5)
    works = store.work("portal", count=3)
    for work in works:
        assert fail(store, work) == "ok"
    return works


def test_the_breaker_opens_after_failures_in_a_row_and_hands_out_nothing(store):
    break_it(store)
    status, soon, items = store.take_all("portal")
    assert (status, soon, items) == ("open", 5000, [])
    assert ("parked", "breaker/open") in [(r.state, r.code) for r in store.log()]


def test_one_good_word_between_keeps_it_closed(store):
    fill(store, 6)
    works = store.work("portal")
    for n, work in enumerate(works):
        if n == 2:
            assert store.settle("portal", work, "done", health="1", breaker=BREAKER) == "ok"
        elif n < 5:
            assert fail(store, work) == "ok"
    assert store.take_all("portal")[0] == "ok"


def test_it_opens_by_the_share_of_failures(store):
    fill(store, 40)
    for n, work in enumerate(store.work("portal", count=40)):
        if n % 2:
            store.settle("portal", work, "done", health="1", breaker=SHARE_ONLY)
        else:
            store.settle("portal", work, "later", at=store.now, health="0", breaker=SHARE_ONLY)
    assert store.take_all("portal")[0] == "open"


def test_a_twentieth_of_failures_does_not_open_it(store):
    fill(store, 200)
    for n, work in enumerate(store.work("portal", count=200)):
        if n % 20:
            store.settle("portal", work, "done", health="1", breaker=BREAKER)
        else:
            store.settle("portal", work, "later", at=store.now, health="0", breaker=BREAKER)
    assert store.take_all("portal")[0] == "ok"


def test_a_dead_endpoint_costs_one_probe_per_interval_and_no_attempt(store):
    break_it(store)
    fill(store, 200, first=10)
    attempts = {name: c.attempts for name, c in
                (("d%d" % i, store.channel("portal", "d%d" % i)) for i in range(3))}
    probes, end = 0, store.now + 600_000
    while store.now < end:
        status, soon, items = store.take_all("portal", count=50)
        if items:
            assert (status, len(items)) == ("probe", 1)
            work, = store.load("portal", items)
            assert fail(store, work, final=True) == "ok"  # not even the last attempt is eaten
            probes += 1
        store.wait(max(8, store.take_all("portal")[1]))
    # 5, 10, 20, 40, 40, ... seconds
    assert 14 <= probes <= 18
    shown = [store.channel("portal", "d%d" % i) for i in [0, 1, 2, *range(10, 40)]]
    assert "dead" not in [c.state for c in shown]
    assert max(int(c.attempts) for c in shown) <= max(int(n) for n in attempts.values())
    status, soon, items = store.take_all("portal")
    store.wait(soon if not items else 0)
    status, soon, items = store.take_all("portal") if not items else (status, soon, items)
    work, = store.load("portal", items)
    assert store.settle("portal", work, "done", health="1", breaker=BREAKER) == "ok"
    assert len(store.take("portal", count=500)) > 200  # open again
    assert "breaker/closed" in [r.code for r in store.log()]


def test_a_document_that_fails_as_the_probe_lets_others_try(store):
    """One that makes the endpoint fail must not keep the channel shut for all."""
    break_it(store)
    seen = set()
    for n in range(20):
        store.wait(store.take_all("portal")[1] + n * n)
        _, _, items = store.take_all("portal")
        seen.add(items[0].document)
        fail(store, store.load("portal", items)[0])
    assert len(seen) == 5


def test_a_probe_whose_worker_dies_is_followed_by_another(store):
    break_it(store)
    store.wait(5000)
    assert len(store.take("portal", lease=4000)) == 1
    assert store.take_all("portal")[0] == "open"
    store.wait(5008)
    assert len(store.take("portal")) == 1


def test_the_last_failure_makes_it_dead_while_the_endpoint_lives(store):
    fill(store, 1)
    assert store.settle("portal", store.one("portal"), "later", at=store.now, code="no", final=True, health="0",
                        breaker=BREAKER) == "dead"
    assert store.channel("portal", "d0").state == "dead"
    assert store.states("portal")[-1] == "dead"


def test_uncertain_at_the_end_is_dead_and_stays_in_doubt(store):
    fill(store, 1)
    store.settle("portal", store.one("portal"), "uncertain", final=True)
    channel = store.channel("portal", "d0")
    assert channel.state == "dead" and channel.doubt
    store.accept1(withdraw("w", document="d0", time=START + 1))
    assert store.one("portal").doubt  # the carrier is asked, not believed to be untouched


def test_the_whole_channel_rests_as_long_as_the_carrier_asks(store):
    fill(store, 3)
    store.settle("portal", store.work("portal", count=1)[0], "wait", at=store.now + 60_000, hold=store.now + 60_000)
    status, soon, items = store.take_all("portal")
    assert (status, items) == ("ok", []) and 59_000 < soon <= 60_000
    store.wait(60_008)
    assert len(store.take("portal")) == 3


def test_pace_binds_all_workers_together_and_urgent_ones_skip_it(store):
    fill(store, 10)
    assert len(store.take("portal", limits="3,0,0,0,0")) == 3
    status, soon, items = store.take_all("portal", limits="3,0,0,0,0", worker="other")
    assert items == [] and 0 < soon <= 1000
    fill(store, 1, first=50, cls=1)
    assert [i.document for i in store.take("portal", limits="3,0,0,0,0")] == ["d50"]
    store.wait(1000)
    assert len(store.take("portal", limits="3,0,0,0,0")) == 3


def test_a_reserve_of_the_quota_is_kept_for_withdrawals_and_urgent_ones(store):
    fill(store, 10)
    limits = "0,0,5,2,0"
    assert len(store.take("portal", limits=limits)) == 3
    assert store.take("portal", limits=limits) == []
    fill(store, 1, first=50, cls=1)
    store.redis.call("ZADD", store.key("due:portal"), 4, "d9")  # as a withdrawal stands there
    assert {i.document for i in store.take("portal", limits=limits)} == {"d50", "d9"}
    fill(store, 1, first=60, cls=1)
    status, soon, items = store.take_all("portal", limits=limits)
    assert items == [] and soon > 3_600_000 / 60  # the day is used up
    store.wait(86_400_000)
    assert len(store.take("portal", limits=limits)) > 0


def test_what_sent_nothing_gives_its_share_back(store):
    fill(store, 10)
    limits = "0,0,2,0,0"
    for item in store.take("portal", limits=limits):
        store.settle("portal", item, "release")
    assert len(store.take("portal", limits=limits)) == 2


def test_no_more_at_once_than_the_channel_may_over_all_workers(store):
    fill(store, 10)
    limits = "0,0,0,0,4"
    first = store.take("portal", limits=limits, count=3)
    second = store.take("portal", limits=limits, count=3)
    assert (len(first), len(second)) == (3, 1)
    status, soon, items = store.take_all("portal", limits=limits)
    assert items == [] and 0 <= soon <= 500
    store.settle("portal", store.load("portal", first)[0], "done")
    assert len(store.take("portal", limits=limits)) == 1
    store.wait(100_000)  # the others died: passed leases are the same four
    assert len(store.take("portal", limits=limits)) == 4
    assert len(store.take("portal", limits=limits)) == 0


def test_a_renewed_lease_is_the_same_work(store):
    fill(store, 1)
    work = store.one("portal", lease=8000)
    store.wait(3000)
    new = work.lease + 3008
    assert store.renew("portal", ("d0", work.lease, new)) == ["ok"]
    assert store.renew("portal", ("d0", work.lease, new)) == ["ok"]  # its reply was lost
    store.wait(7000)
    assert store.take("portal") == []
    assert store.settle("portal", work, "done") == "stale"
    assert store.settle("portal", work._replace(lease=new), "done") == "ok"


def test_a_renewal_takes_nothing_from_somebody_else(store):
    fill(store, 1)
    work = store.one("portal", lease=8000)
    store.wait(9000)
    other, = store.take("portal", lease=8000)
    assert store.renew("portal", ("d0", work.lease, work.lease + 16)) == ["stale"]
    assert store.due("portal")["d0"] == other.lease


def test_an_unsound_renewal_is_refused(store):
    fill(store, 1)
    work = store.one("portal", lease=8000)
    for new in (work.lease, work.lease - 16, work.lease + 15, work.lease + 8, work.lease + 16_000_000):
        assert store.renew("portal", ("d0", work.lease, new), lease=8000) == ["stale"], new


def test_doubt_that_was_noted_is_not_noted_again_by_a_renewal(store):
    fill(store, 1)
    store.take("portal", lease=1000)
    store.wait(2000)
    work = store.one("portal", lease=8000)
    assert work.doubt and work.lease // 8 % 2 == 1
    assert store.renew("portal", ("d0", work.lease, work.lease - 8 + 3008)) == ["ok"]
    assert store.settle("portal", work._replace(lease=work.lease - 8 + 3008), "done") == "ok"
    assert store.channel("portal", "d0").doubt == ""


def test_a_lease_after_a_renewal_is_above_it(store):
    fill(store, 2)
    work = store.work("portal", count=1, lease=8000)[0]
    far = work.lease + 8000
    store.renew("portal", (work.document, work.lease, far))
    item, = store.take("portal", lease=1000)
    assert item.lease > far


def test_a_worker_that_begins_again_has_its_own_work_at_once_and_in_doubt(store):
    fill(store, 4)
    mine = store.take("portal", count=2, worker="one")
    others = store.take("portal", count=2, worker="two")
    assert store.reclaim("portal", "one") == 2
    again = store.take("portal", worker="one")
    assert {i.document for i in again} == {i.document for i in mine}
    assert all(i.passed for i in again)
    assert all(work.doubt for work in store.load("portal", again))
    assert store.load("portal", others)[0] != "stale"


def test_what_was_renewed_or_settled_is_reclaimed_as_it_is(store):
    fill(store, 2)
    one, two = store.work("portal", worker="w")
    store.renew("portal", (one.document, one.lease, one.lease + 3008), worker="w")
    store.settle("portal", two, "done")
    assert store.reclaim("portal", "w") == 1
    assert [i.document for i in store.take("portal")] == [one.document]


def test_taking_and_loading_in_one_call_is_the_same(store):
    fill(store, 3)
    items, works = store.take_and_load("portal", count=2, worker="w")
    assert [i.document for i in items] == ["d0", "d1"] and [w.rev for w in works] == [1, 1]
    for work in works:
        assert store.settle("portal", work, "done") == "ok"
    assert [w.document for w in store.take_and_load("portal")[1]] == ["d2"]
    assert store.take_and_load("portal") == ([], [])
