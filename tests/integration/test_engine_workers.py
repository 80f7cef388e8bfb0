"""The engine's workers: leases, deaths, many of them, endpoints that hang, other libraries."""
import signal
import socket
import statistics
import time

import pytest

from county import publish, wait_until
from hookkit import KEY, asked, emit, is_quiet, media, records, sink, state_of, states  # noqa: F401
from sink import Answer, Hang, Sink


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
    wait_until(lambda: any(code.startswith("stale/") for _, code, _ in records(county)), what="what it did is told")
    wait_until(lambda: is_quiet(county) and state_of(county)["state"] == "published", what="it is looked at once more")
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
    other = ours.replace("m[2] or '0', m[3] or '1',", "m[2] or '0', '9',")
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
