"""The engine keeps its promises when nothing is well: verdicts, retries, breaker, pace, leases, many workers."""
import collections
import datetime
import pathlib
import signal
import socket
import statistics
import sys
import time

import pytest

from county import now, publish, query, wait_until, withdraw

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from sink import Answer, Gate, Half, Hang, Late, Reset, Sink # noqa: E402

KEY = "530581/doc-1/1/media"


@pytest.fixture
def sink():
    made = Sink()
    yield made
    made.close()
    assert made.broken == []


@pytest.fixture
def media(county, sink):
    """A county whose one channel is the sink."""
    def make(start=True, **settings):
        one = county()
        one.channel("media", **{"driver": "webhook", "url": sink.url, "carrier": "政府网站, 广播, 电视",
                                "timeout": "1s", "retry": "50ms*100", "breaker": "0", **settings})
        return one.start_all(["media"] if start else [])
    return make


def asked(sink, **settings):
    """The settings of a channel whose receiver can be asked."""
    return {"lookup_url": f"{sink.url}?key={{key}}", "late_effect": "2s", **settings}


def state_of(county, document="doc-1", channel="media"):
    return next((c for c in county.ask(query(document)).get("channels", []) if c["channel"] == channel), None)


def records(county, document="doc-1"):
    """What the log says of a document: (state, code, extra) in order."""
    found = []
    for _, entry in county.redis().xrange("{530581}:log"):
        for line in entry[b"r"].decode().split("\n"):
            fields = line.split("\t")
            if fields[1] == document and fields[5]:
                found.append((fields[0], fields[7], fields[11]))
    return found


def states(county, document="doc-1"):
    return [state for state, _, _ in records(county, document)]


def emit(county, n, first=0, **more):
    door = county.door()
    for i in range(first, first + n):
        door.send(publish(f"doc-{i}", title=f"第{i}件", **more))
    for _ in range(n):
        assert door.receive()["status"] == "accepted"
    door.close()


def is_quiet(county, channel="media"):
    return county.redis().zcard(f"{{530581}}:due:{channel}") == 0


# ---- verdicts ----

def test_a_list_of_waits_ends_in_a_dead_letter_with_its_history(media, sink):
    sink.by_default = Answer(500, "坏了")
    county = media(retry="0, 50ms, 100ms")
    county.ask(publish())
    told = county.shown("doc-1", "media", state="dead")
    assert "坏了" in told["error"]
    assert len(sink.requests) == 3
    assert states(county) == ["attempted", "attempted", "dead"]
    for _, code, extra in records(county):
        start, took, worker = extra.split(" ")
        assert code == "webhook/busy" and abs(int(start) / 1000 - time.time()) < 60
        assert 0 <= int(took) < 5000 and worker.endswith("-0")
    wait_until(lambda: "dead replay" in county.log("channeld-media"))
    # A new revision is a new chance, with the whole list before it.
    sink.by_default = Answer(200)
    county.ask(publish(title="改好了"))
    county.shown("doc-1", "media", revision=2)


def test_a_list_of_nothing_is_one_attempt(media, sink):
    sink.by_default = Answer(500)
    county = media(retry="0")
    county.ask(publish())
    county.shown("doc-1", "media", state="dead")
    assert len(sink.requests) == 1


def test_too_many_with_a_time_is_no_attempt_and_holds_the_whole_channel(media, sink):
    sink.next(Answer(429, Retry_After=2))
    county = media(retry="0", concurrency="1")
    county.ask(publish())
    wait_until(lambda: sink.requests)
    county.ask(publish("doc-2", title="第二件"))
    county.shown("doc-1", "media")
    county.shown("doc-2", "media")
    first, *rest = sink.requests
    assert [r.at - first.at >= 1.9 for r in rest] == [True, True], "nothing goes before that time"
    assert states(county) == ["parked", "published"]


def test_an_outage_with_a_time_holds_the_channel(media, sink):
    sink.next(Answer(503, Retry_After=2))
    county = media(concurrency="1")
    county.ask(publish())
    wait_until(lambda: sink.requests)
    county.ask(publish("doc-2", title="第二件"))
    county.shown("doc-2", "media")
    assert sink.of("doc-2")[0].at - sink.requests[0].at >= 1.9
    county.shown("doc-1", "media")
    assert states(county) == ["attempted", "published"]


@pytest.mark.parametrize("trouble", [Reset(), Hang(), Half()], ids=["reset", "silence", "half a reply"])
def test_what_may_have_been_taken_is_looked_for_and_not_sent_again(media, sink, trouble):
    sink.next(trouble)
    county = media(**asked(sink))
    county.ask(publish())
    told = county.shown("doc-1", "media")
    assert told["reference"] == f"post of {KEY}"
    assert states(county)[0] == "uncertain" and states(county)[-1] == "published"
    # Done under doubt, so it is looked at once more.
    wait_until(lambda: is_quiet(county) and len(sink.looked) >= 2)
    assert sink.posts == {KEY: 1}
    assert [found for _, _, found in sink.looked] == [True] * len(sink.looked)


def test_not_there_is_believed_only_when_nothing_can_come_late(media, sink):
    sink.next(Reset(taken=False))
    county = media(**asked(sink))
    county.ask(publish())
    county.shown("doc-1", "media")
    first, second = sink.requests
    assert second.at - first.at >= 2
    assert "deferred" in states(county)
    assert sink.posts == {KEY: 1}


def test_an_effect_that_comes_late_is_found_and_not_repeated(media, sink):
    sink.next(Late(1))
    county = media(**asked(sink))
    county.ask(publish())
    county.shown("doc-1", "media")
    assert len(sink.requests) == 1 and sink.posts == {KEY: 1}
    assert [found for _, _, found in sink.looked][:1] == [False]


def test_a_newer_revision_waits_until_the_older_can_come_no_more(media, sink):
    """Where the receiver knows no ranks, the older one would appear over the newer and stay."""
    sink.next(Late(1))
    county = media(**asked(sink))
    county.ask(publish(title="第一版"))
    wait_until(lambda: sink.requests)
    county.ask(publish(title="第二版"))
    county.shown("doc-1", "media", revision=2)
    first, second = sink.requests
    assert second.revision_part == "2" and second.at - first.at >= 2
    assert list(sink.posts) == [KEY, KEY.replace("/1/", "/2/")] and set(sink.posts.values()) == {1}


def test_a_withdrawal_over_one_in_doubt_goes_at_once_and_once_more(media, sink):
    sink.next(Late(1))
    county = media(**asked(sink))
    county.ask(publish())
    wait_until(lambda: sink.requests)
    county.ask(withdraw())
    county.shown("doc-1", "media", state="withdrawn")
    assert sink.requests[1].at - sink.requests[0].at < 2
    wait_until(lambda: len(sink.of("doc-1", "1w")) == 2, 10)
    wait_until(lambda: is_quiet(county))
    assert sink.of("doc-1", "1w")[1].at - sink.requests[0].at >= 2


def test_a_refused_connection_leaves_no_doubt(media, sink):
    """Also on a handle that has sent something before."""
    county = media(**asked(sink))
    county.ask(publish("doc-0"))
    county.shown("doc-0", "media")
    sink.close()
    county.ask(publish())
    wait_until(lambda: len(states(county)) >= 3)
    assert set(states(county)) == {"attempted"}
    sink.open()
    county.shown("doc-1", "media")
    assert sink.posts[KEY] == 1 and sink.looked == []


def test_who_cannot_say_is_asked_again(media, sink):
    sink.next(Reset())
    sink.lookups += [Answer(500), Reset(), Answer(200, "<html>welcome</html>"), Answer(302)]
    county = media(**asked(sink))
    county.ask(publish())
    county.shown("doc-1", "media")
    assert len(sink.requests) == 1 and len(sink.looked) >= 5


def test_a_withdrawal_in_doubt_does_not_wait(media, sink):
    sink.next(Hang())
    county = media(**asked(sink, late_effect="1min"))
    county.ask(publish())
    wait_until(lambda: "uncertain" in states(county))
    county.ask(withdraw())
    county.shown("doc-1", "media", state="withdrawn", timeout=10)
    assert sink.shown["doc-1"][1] == "withdraw"


# ---- times ----

def test_a_display_that_is_over_is_taken_down_to_the_second(media, sink):
    county = media(on_end="remove")
    until = now(seconds=3)
    county.ask(publish(show_until=until))
    county.shown("doc-1", "media")
    wait_until(lambda: len(sink.requests) == 2, 10)
    first, last = sink.requests
    assert (last.revision_part, last.rank, last.kind) == ("1e", (1, 1), "expire")
    assert last.event["type"] == "cn.gongkai.disclosure.withdraw.v1"
    assert last.event["source"] == "urn:gongkai:530581:gongkai"
    assert 0 <= last.at - datetime.datetime.fromisoformat(until).timestamp() < 2
    wait_until(lambda: states(county) == ["published", "ended"])
    wait_until(lambda: is_quiet(county))


def test_a_display_that_is_over_is_marked(media, sink):
    county = media(on_end="mark")
    county.ask(publish(show_until=now(seconds=2)))
    wait_until(lambda: len(sink.requests) == 2, 10)
    last = sink.requests[1]
    assert (last.revision_part, last.kind) == ("1e", "end")
    assert last.body == sink.requests[0].body
    wait_until(lambda: states(county) == ["published", "ended"])
    # A revision begins anew.
    county.ask(publish(title="再次公示", show_until=now(seconds=60)))
    county.shown("doc-1", "media", revision=2)


def test_a_display_is_kept_unless_the_channel_says_otherwise(media, sink):
    county = media()
    county.ask(publish(show_until=now(seconds=1)))
    county.shown("doc-1", "media")
    # No entry is left that could come due, at the end of the display or ever.
    wait_until(lambda: is_quiet(county))
    assert len(sink.requests) == 1


def test_a_site_marks_what_is_over_and_keeps_it(county):
    one = county()
    root = one.folder / "site"
    one.channel("portal", driver="site", title="某市政府", carrier="政府网站", root=root, address="https://x.gov.cn")
    one.start_all(["portal"])
    one.ask(publish(show_until=now(seconds=2)))
    page = root / one.shown("doc-1", "portal")["url"].removeprefix("https://x.gov.cn/")
    assert "公示期至" in page.read_text() and "公示已结束" not in page.read_text()
    wait_until(lambda: states(one) == ["published", "ended"])
    assert "公示已结束" in page.read_text()
    assert "第一条 内容" in page.read_text() and "公示已结束" in (root / "index.html").read_text()


def test_who_waits_for_another_waits_no_longer_than_told(county, sink):
    away = Sink()
    away.close()
    one = county()
    one.channel("portal", driver="webhook", url=away.url, carrier="政府网站", timeout="1s", retry="200ms*500", breaker="0")
    one.channel("media", driver="webhook", url=sink.url, carrier="政府网站", after="portal", after_timeout="2s")
    one.start_all(["portal", "media"])
    one.ask(publish())
    asked_at = time.time()
    one.shown("doc-1", "media")
    assert 1.9 <= sink.requests[0].at - asked_at < 4
    assert state_of(one, channel="portal")["state"] == "deferred"


def test_a_refused_settle_is_tried_again_before_its_lease_passes(media, sink):
    """On a quiet channel, with another worker that would find the passed lease, and deliver again."""
    county = media(lease="30s")
    county.start_channel("media", "-2")
    sink.by_default = Gate()
    county.ask(publish())
    wait_until(lambda: sink.requests, what="the request is out")
    county.redis().config_set("min-replicas-to-write", 1)
    sink.by_default.opened.set()
    logs = lambda: county.log("channeld-media") + county.log("channeld-media-2")
    wait_until(lambda: "没有记下" in logs(), what="the outcome is refused")
    county.redis().config_set("min-replicas-to-write", 0)
    county.shown("doc-1", "media", timeout=4)
    wait_until(lambda: is_quiet(county))
    assert len(sink.requests) == 1 and states(county) == ["published"]


def test_a_worker_whose_lease_passed_under_it_does_not_speak_twice_at_once(media, sink):
    """As when the clock of the store leaps: the same worker finds its own passed lease."""
    county = media(lease="60s", **asked(sink, timeout="20s"))
    sink.next(Hang())
    county.ask(publish())
    wait_until(lambda: sink.requests, what="the request is out")
    due = county.redis().zscore("{530581}:due:media", "doc-1")
    county.redis().zadd("{530581}:due:media", {"doc-1": due - 100_000 * 16})
    county.ask(publish("doc-2"))  # a nudge
    wait_until(lambda: "attempt/cut" in county.log("channeld-media"), 10, "the older attempt is cut")
    county.shown("doc-1", "media", timeout=20)
    assert "uncertain" in states(county) and sink.posts == {KEY: 1, KEY.replace("doc-1", "doc-2"): 1}


# ---- the breaker ----

def test_a_dead_endpoint_costs_a_probe_now_and_then_and_no_attempt(media, sink):
    sink.by_default = Answer(503)
    county = media(retry="0, 50ms", breaker="5", breaker_probe="500ms", breaker_probe_most="1s")
    emit(county, 200)
    wait_until(lambda: "没有反应" in county.log("channeld-media"), what="the breaker is open")
    wait_until(lambda: len(sink.requests) >= 5)
    wait_until(lambda: not county.redis().hget("{530581}:gate:media", "fly"), what="what was under way has ended")
    before, start = len(sink.requests), time.monotonic()
    wait_until(lambda: len(sink.requests) >= before + 4)
    took = time.monotonic() - start
    assert took >= 2.5, f"four probes in {took:.1f} s"
    assert before <= 5 + 32 + 2, f"{before} requests before the breaker held"
    assert not any("dead" in states(county, f"doc-{i}") for i in range(200))
    sink.by_default = Answer(200)
    wait_until(lambda: is_quiet(county), 60, "all are delivered")
    assert len(sink.shown) == 200
    log = county.log("channeld-media")
    assert log.count("先停发") == 1 and log.count("恢复了") == 1


def test_a_breaker_that_is_off_lets_every_attempt_go(media, sink):
    sink.by_default = Answer(503)
    county = media(retry="0, 10ms*3")
    emit(county, 10)
    wait_until(lambda: is_quiet(county))
    assert len(sink.requests) == 40


def test_refusals_open_no_breaker(media, sink):
    sink.by_default = Answer(422)
    county = media(breaker="2")
    emit(county, 20)
    wait_until(lambda: is_quiet(county))
    assert len(sink.requests) == 20 and "先停发" not in county.log("channeld-media")


# ---- pace and quota ----

def test_a_rate_binds_all_workers_together(media, sink):
    county = media(rate="10/s")
    county.start_channel("media", "-2")
    emit(county, 35)
    wait_until(lambda: is_quiet(county), 30)
    assert len(sink.requests) == 35
    seconds = collections.Counter(int(r.at) for r in sink.requests)
    assert max(seconds.values()) <= 12, seconds  # some of a second's are sent in the next
    assert sink.requests[-1].at - sink.requests[0].at >= 2


def test_a_quota_keeps_its_reserve_for_withdrawals(media, sink):
    county = media(quota="5/day", quota_reserve="2")
    emit(county, 10)
    wait_until(lambda: len(sink.requests) >= 3)
    wait_until(lambda: not county.redis().hget("{530581}:gate:media", "fly"), what="all of them are settled")
    assert len(sink.requests) == 3
    shown = sink.requests[0].document
    county.ask(withdraw(shown))
    county.shown(shown, "media", state="withdrawn", timeout=10)
    assert len(sink.requests) == 4


def test_so_many_at_once_counts_over_all_workers(media, sink):
    sink.by_default = Answer(200, wait=0.3)
    county = media(concurrency="3")
    county.start_channel("media", "-2")
    emit(county, 12)
    wait_until(lambda: is_quiet(county), 30)
    for one in sink.requests:
        assert sum(one.at <= other.at < one.at + 0.28 for other in sink.requests) <= 3


# ---- leases ----

def test_a_long_request_keeps_its_lease(media, sink):
    sink.by_default = Answer(200, wait=4)
    county = media(timeout="8s", lease="1s")
    county.start_channel("media", "-2")
    county.ask(publish())
    county.shown("doc-1", "media")
    assert len(sink.requests) == 1 and states(county) == ["published"]


def test_a_killed_workers_work_goes_to_another_within_ten_seconds(media, sink):
    sink.next(Hang())
    county = media(timeout="30s")
    county.ask(publish())
    wait_until(lambda: sink.requests)
    county.start_channel("media", "-2")
    killed = time.monotonic()
    county.kill("channeld-media", signal.SIGKILL)
    wait_until(lambda: len(sink.requests) >= 2, 15)
    assert time.monotonic() - killed < 10
    county.shown("doc-1", "media")
    assert sink.keys == {KEY: 1}


def test_a_restarted_worker_goes_on_with_its_own_at_once(media, sink):
    sink.next(Hang())
    county = media(timeout="30s", lease="1min")
    county.ask(publish())
    wait_until(lambda: sink.requests)
    county.kill("channeld-media", signal.SIGKILL)
    county.start_channel("media")
    started = time.monotonic()
    county.shown("doc-1", "media", timeout=10)
    assert time.monotonic() - started < 3
    assert "接着做" in county.log("channeld-media")


def test_a_memo_outlives_a_kill(media, sink):
    """Sent, taken, and killed before the answer: the next process asks before it sends again."""
    sink.next(Hang())
    county = media(**asked(sink, timeout="30s"))
    county.ask(publish())
    wait_until(lambda: sink.requests)
    county.kill("channeld-media", signal.SIGKILL)
    assert sink.looked == []
    county.start_channel("media")
    county.shown("doc-1", "media", timeout=10)
    assert sink.looked and sink.posts == {KEY: 1} and len(sink.requests) == 1


def test_what_was_taken_and_never_sent_needs_no_look(media, sink):
    """Killed between taking and sending: the memo says that nothing was sent."""
    sink.by_default = Hang(taken=False)
    county = media(**asked(sink, timeout="30s", late_effect="1min"), start=False)
    emit(county, 40)
    county.start_channel("media")
    wait_until(lambda: len(sink.requests) >= 32)
    county.kill("channeld-media", signal.SIGKILL)
    sink.by_default = Answer(200)
    sent = {r.key for r in sink.requests}
    county.start_channel("media")
    wait_until(lambda: len(sink.shown) >= 8, 10, "those that were never sent go at once")
    assert sent.isdisjoint(sink.keys)


def test_a_worker_that_stood_still_does_not_send_with_its_old_lease(media, sink):
    sink.next(Hang())
    county = media(timeout="30s", lease="1s")
    county.ask(publish())
    wait_until(lambda: sink.requests)
    county.start_channel("media", "-2")
    county.processes["channeld-media"].send_signal(signal.SIGSTOP)
    county.shown("doc-1", "media", timeout=15)
    county.processes["channeld-media"].send_signal(signal.SIGCONT)
    wait_until(lambda: "uncertain" in states(county), what="what it did is told")
    wait_until(lambda: is_quiet(county))
    assert state_of(county)["state"] == "published"
    assert sink.keys == {KEY: 1}


def test_a_request_is_cut_when_the_store_is_away_longer_than_its_lease(media, sink):
    sink.by_default = Hang()
    county = media(lease="2s", **asked(sink, timeout="30s"))
    county.ask(publish())
    wait_until(lambda: sink.requests)
    county.stop("redis")
    cut = time.monotonic()
    wait_until(lambda: "attempt/cut" in county.log("channeld-media"), 10, "the request is cut")
    county.start_redis()
    county.ready()
    county.shown("doc-1", "media", timeout=20)
    assert time.monotonic() - cut < 25 and len(sink.requests) == 1 and sink.posts == {KEY: 1}


def test_a_worker_that_finds_no_bytes_asks_again(media, sink):
    county = media(start=False)
    event = county.ask(publish())["event"]
    key = f"{{530581}}:body:{event}"
    store = county.redis()
    body = store.get(key)
    store.delete(key)
    county.start_channel("media")
    wait_until(lambda: ("deferred", "bytes/gone") in [(s, c) for s, c, _ in records(county)])
    store.set(key, body)
    county.shown("doc-1", "media", timeout=10)
    assert len(sink.requests) == 1 and not {"dead", "attempted"} & set(states(county))


def test_a_document_that_ends_its_workers_is_given_up_and_the_rest_goes_on(media, sink):
    sink.by_default = Hang(taken=False)
    county = media(timeout="30s")
    county.ask(publish())
    for i in range(5):
        wait_until(lambda: len(sink.requests) > i)
        county.kill("channeld-media", signal.SIGKILL)
        county.start_channel("media")
    county.shown("doc-1", "media", state="dead")
    assert len(sink.requests) == 5
    raised = wait_until(lambda: list((county.folder / "state" / "alarms").glob("poison--*.json")))
    sink.by_default = Answer(200)
    county.ask(publish("doc-2", title="第二件"))
    county.shown("doc-2", "media")
    # A new revision that goes through ends the alarm.
    county.ask(publish(title="改好了"))
    county.shown("doc-1", "media", revision=2)
    wait_until(lambda: not raised[0].exists())


def test_systemd_is_told_why_nothing_leaves(media, sink):
    sink.by_default = Answer(503, "维护中")
    county = media(start=False, breaker="2", breaker_probe="5min")
    path = county.folder / "notify"
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(path))
    told.settimeout(20)
    county.start_channel("media", env={"NOTIFY_SOCKET": str(path)})
    emit(county, 5)

    def why():
        text = told.recv(4096).decode()
        return text if "没有反应" in text else None
    assert "维护中" in wait_until(why)
    told.close()


# ---- others ----

def times(county, sink, channel, n, first):
    """Seconds from the door to the sink, each alone."""
    took = []
    for i in range(n):
        start = time.time()
        county.ask(publish(f"{channel}-{first + i}", title=f"第{first + i}件", channels=[channel], item="aqsc.0402"))
        request = wait_until(lambda: sink.of(f"{channel}-{first + i}"), 20)[0]
        took.append(request.at - start)
    return statistics.median(took)


def hanging(county, sink, hole, n):
    one = county()
    one.channel("media", driver="webhook", url=sink.url, timeout="1s")
    for i in range(n):
        one.channel(f"hole-{i}", driver="webhook", url=hole.url, timeout="10s", breaker="0")
    one.start_all(["media"])
    before = times(one, sink, "media", 20, 0)
    for i in range(n):
        one.start_channel(f"hole-{i}")
    for first in range(0, n, 50):
        for k in range(2):
            named = [f"hole-{i}" for i in range(first, min(n, first + 50))]
            reply = one.ask(publish(f"stuck-{first}-{k}", title=f"卡住{first}之{k}", channels=named))
            assert reply["status"] == "accepted", reply
    wait_until(lambda: len(hole.requests) >= 2 * n, 90, "all the others hang")
    after = times(one, sink, "media", 20, 100)
    return one, before, after


@pytest.mark.parametrize("n", [1, 100])
def test_endpoints_that_hang_slow_no_other_channel(county, sink, n):
    hole = Sink()
    hole.by_default = Hang()
    try:
        one, before, after = hanging(county, sink, hole, n)
        print(f"{n} hanging: {before * 1000:.1f} ms before, {after * 1000:.1f} ms with them, ratio {after / before:.2f}")
        assert after < 2 * before + 0.05
        for name in [name for name in one.processes if "hole" in name]:
            one.kill(name) # a clean stop would wait for their answers
    finally:
        hole.close()


def test_a_newer_library_stands_beside_ours(media, sink):
    county = media()
    newer = "#!lua name=gongkai2\nredis.register_function('gk2_hello', function() return 'two' end)"
    county.redis().execute_command("FUNCTION", "LOAD", newer)
    county.ask(publish())
    county.shown("doc-1", "media")
    county.stop("publisherd")
    county.start_publisherd()
    county.ready()
    county.ask(publish("doc-2", title="第二件"))
    county.shown("doc-2", "media")
    assert county.redis().execute_command("FCALL", "gk2_hello", 0) == b"two"


def test_a_worker_that_does_not_know_the_format_says_so_and_waits(media, sink):
    county = media(start=False)
    county.ask(publish())
    code = county.redis().execute_command("FUNCTION", "LIST", "LIBRARYNAME", "gongkai1", "WITHCODE")[0]
    ours = dict(zip(code[::2], code[1::2]))[b"library_code"].decode()
    other = ours.replace("m[2] or '0', '1',", "m[2] or '0', '9',")
    assert other != ours
    county.stop("publisherd") # which would load its own again
    county.redis().execute_command("FUNCTION", "LOAD", "REPLACE", other)
    county.start_channel("media")
    wait_until(lambda: "格式是 9" in county.log("channeld-media"))
    greeted = lambda: county.redis().info("commandstats")["cmdstat_fcall"]["calls"]
    before = greeted()
    wait_until(lambda: greeted() >= before + 2, what="it has asked twice more")
    assert sink.requests == []
    county.start_publisherd()
    county.shown("doc-1", "media", timeout=30)
