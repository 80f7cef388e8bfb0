"""The engine keeps its promises when nothing is well: verdicts, retries, times, breaker, pace."""
import collections
import datetime
import time

import pytest

from county import now, publish, wait_until, withdraw
from hookkit import KEY, asked, emit, is_quiet, media, records, sink, state_of, states  # noqa: F401
from sink import Answer, Gate, Half, Hang, Late, Reset, Sink


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
