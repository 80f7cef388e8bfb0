"""The webhook channel from the door to a receiver that is honest, slow, broken, dead, or back."""
import datetime
import json
import random
import signal
import subprocess
import time

import pytest

from county import PROGRAMS, now, publish, wait_until, withdraw
from hookkit import QUICK, is_quiet, media, sink, state_of  # noqa: F401
from sink import Answer, Drip, Flood, Hang, Reset, Sink, Take


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def arrived(sink, n, document="doc-1", key=None, timeout=15):
    return wait_until(lambda: len(sink.of(document, key)) >= n and sink.of(document, key), timeout,
                      f"{n} requests for {document} {key or ''}")


# ---- one delivery ----

def test_a_notice_is_sent_once_with_all_that_the_contract_names(media, sink):
    sink.by_default = Take(id="m-77", url="https://media.example.cn/77")
    county = media()
    event = publish(title="关于公布一项安排的通告", document="腾政〔2026〕7号")
    reply = county.ask(event)
    settled = county.shown("腾政〔2026〕7号", "media", revision=1)
    assert (settled["reference"], settled["url"]) == ("m-77", "https://media.example.cn/77")
    wait_until(lambda: is_quiet(county))
    request, = sink.requests
    assert (request.method, request.path) == ("POST", "/in")
    assert request.event == event
    assert request.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert request.key == ("530581/%E8%85%BE%E6%94%BF%E3%80%942026%E3%80%957%E5%8F%B7/1/media")
    assert request.headers["gongkai-rank"] == "1 0 publish"
    assert request.headers["webhook-id"] == f"{reply['event']}-1-media"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 30
    assert request.signatures() == []


def test_a_signature_can_be_checked_by_each_of_two_secrets(media, sink):
    county = media(start=False, secret_file="media.key")
    key = county.folder / "media.key"
    key.write_text(f"{SECRET}\n新的密钥\n")
    key.chmod(0o600)
    county.channel("media", driver="webhook", url=sink.url, carrier="政府网站", secret_file=str(key), **QUICK)
    county.start_channel("media")
    county.ask(publish(body="“引号”与\\反斜线\t制表"))
    county.shown("doc-1", "media")
    request, = sink.requests
    assert len(request.signatures()) == 2
    assert request.signed_by(SECRET) and request.signed_by("新的密钥")
    assert not request.signed_by("another")


def test_a_bad_secret_stops_the_channel_until_somebody_mends_it(media, sink):
    county = media(start=False)
    key = county.folder / "media.key"
    key.write_text("whsec_这不是密钥")
    key.chmod(0o600)
    county.channel("media", driver="webhook", url=sink.url, carrier="政府网站", secret_file=str(key), **QUICK)
    county.start_channel("media")
    county.ask(publish())

    def paused():
        row, = county.ctl_json("channel", "list")
        return row["paused"]
    assert "第 1 行" in wait_until(paused)
    assert sink.requests == []
    alarm = county.folder / "state" / "alarms" / "channel-blocked--media.json"
    assert "第 1 行" in json.loads(wait_until(lambda: alarm.exists() and alarm.read_text()))["sentence"]
    county.stop("channeld-media")
    key.write_text(SECRET) # a changed configuration is reason enough to try again
    county.start_channel("media")
    county.shown("doc-1", "media", timeout=10)
    assert sink.requests[-1].signed_by(SECRET)
    wait_until(lambda: not alarm.exists())


def test_a_pause_by_a_person_outlasts_a_changed_configuration(media, sink):
    county = media()
    county.ctl("channel", "pause", "media", "--reason", "年底盘点")
    county.ask(publish())
    county.stop("channeld-media")
    (county.folder / "channels.d" / "media.conf").touch()
    before = county.log("channeld-media").count("暂停：")
    county.start_channel("media")
    wait_until(lambda: county.log("channeld-media").count("暂停：") > before, what="it has looked, and is paused")
    assert "配置改过了" not in county.log("channeld-media") and county.ctl_json("channel", "list")[0]["paused"]
    assert sink.requests == []
    county.ctl("channel", "resume", "media")
    county.shown("doc-1", "media", timeout=10)


# ---- answers ----

def test_a_broken_receiver_gets_the_same_again_until_it_takes_it(media, sink):
    sink.next(Answer(500, "Traceback"), Answer(503), Answer(502), Answer(408), Answer(425))
    county = media()
    county.ask(publish())
    county.shown("doc-1", "media")
    wait_until(lambda: is_quiet(county))
    assert len(sink.requests) == 6
    first = sink.requests[0]
    for request in sink.requests:
        assert (request.key, request.body) == (first.key, first.body)
        assert request.headers["webhook-id"] == first.headers["webhook-id"]
    assert sink.keys == {first.key: 1}


def test_retry_after_is_obeyed(media, sink):
    sink.next(Answer(429, Retry_After=2))
    county = media()
    county.ask(publish())
    first, second = arrived(sink, 2)
    assert second.at - first.at >= 1.9
    county.shown("doc-1", "media")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_refusal_is_final_and_its_words_are_told(media, sink, status):
    sink.next(Answer(status, "缺少来源授权\r\n<html>"))
    county = media()
    county.ask(publish())
    settled = county.shown("doc-1", "media", state="dead")
    assert "缺少来源授权" in settled["error"] and str(status) in settled["error"]
    assert "<html>" not in settled["error"]
    wait_until(lambda: is_quiet(county))
    assert len(sink.requests) == 1
    # A new revision is a new chance.
    county.ask(publish(title="改好了的通告"))
    county.shown("doc-1", "media", revision=2)
    assert [r.revision_part for r in sink.requests] == ["1", "2"]


def test_a_redirect_is_not_followed(media, sink):
    other = Sink()
    sink.next(Answer(302, Location=other.url), Answer(307, Location=other.url))
    county = media()
    county.ask(publish())
    county.shown("doc-1", "media")
    assert [r.path for r in sink.requests] == ["/in"] * 3
    assert other.requests == []
    other.close()


@pytest.mark.parametrize("trouble", [Reset, Hang, Drip])
def test_an_unknown_outcome_is_repeated_with_the_same_key(media, sink, trouble):
    sink.next(trouble(), trouble())
    county = media()
    county.ask(publish())
    wait_until(lambda: (state_of(county) or {}).get("state") == "uncertain", what="the outcome is uncertain")
    county.shown("doc-1", "media")
    wait_until(lambda: is_quiet(county))
    assert len(sink.requests) == 3
    assert len({r.key for r in sink.requests}) == 1
    assert sink.keys == {sink.requests[0].key: 1}, "the receiver took it once"


def test_a_reset_before_it_was_taken_loses_nothing(media, sink):
    sink.next(Reset(taken=False))
    county = media()
    county.ask(publish())
    county.shown("doc-1", "media")
    assert sink.shown["doc-1"][0] == (1, 0)


def test_a_flood_of_an_answer_is_cut_off_and_counts(media, sink):
    sink.next(Flood())
    county = media()
    county.ask(publish())
    county.shown("doc-1", "media")
    wait_until(lambda: is_quiet(county))
    assert len(sink.requests) == 1


def test_a_connection_that_died_idle_costs_nothing(media, sink):
    """libcurl repeats a request on a reused connection by itself; the key makes that harmless."""
    county = media()
    county.ask(publish("doc-1"))
    county.shown("doc-1", "media")
    sink.close()
    sink.open()
    county.ask(publish("doc-2", title="第二件"))
    county.shown("doc-2", "media")
    assert len(sink.of("doc-2")) == 1


# ---- away and back ----

def test_a_receiver_that_is_away_gets_it_when_it_is_back(media, sink):
    sink.close()
    county = media()
    county.ask(publish())
    told = wait_until(lambda: (state_of(county) or {}).get("attempts", 0) >= 4 and state_of(county))
    assert "连不上" in told["error"], "tried more often than `retry` has steps, and not given up"
    assert told["state"] == "deferred"
    sink.open()
    county.shown("doc-1", "media")
    assert len(sink.requests) == 1


def test_what_nobody_ever_got_is_withdrawn_without_a_word(media, sink):
    sink.close()
    county = media()
    county.ask(publish())
    wait_until(lambda: (state_of(county) or {}).get("attempts", 0) >= 2)
    county.ask(withdraw())
    county.shown("doc-1", "media", state="withdrawn")
    sink.open()
    wait_until(lambda: is_quiet(county))
    assert sink.requests == []


def test_what_may_have_arrived_is_withdrawn_there_too(media, sink):
    sink.next(Reset(taken=True))
    sink.by_default = Answer(503)
    county = media()
    county.ask(publish())
    arrived(sink, 2)
    county.ask(withdraw())
    arrived(sink, 1, key="1w")
    sink.by_default = Answer(200)
    county.shown("doc-1", "media", state="withdrawn")
    assert sink.shown["doc-1"][1] == "withdraw"


# ---- documents ----

def test_revisions_and_the_withdrawal_come_in_order(media, sink):
    county = media()
    for n, title in enumerate(["第一版", "第二版", "第三版"], 1):
        assert county.ask(publish(title=title))["revision"] == n
        county.shown("doc-1", "media", revision=n)
    county.ask(withdraw(reason="数据有误"))
    county.shown("doc-1", "media", state="withdrawn")
    county.ask(withdraw(reason="涉及个人信息", mode="erase", reason_code="personal"))
    arrived(sink, 1, key="3w2")
    county.ask(publish(title="重新公布"))
    county.shown("doc-1", "media", revision=4)
    wait_until(lambda: is_quiet(county))
    assert [(r.headers["gongkai-rank"], r.revision_part) for r in sink.requests] == [
        ("1 0 publish", "1"), ("2 0 publish", "2"), ("3 0 publish", "3"), ("3 1 withdraw", "3w"),
        ("3 2 withdraw", "3w2"), ("4 0 publish", "4")]
    gone = sink.requests[3].event
    assert gone["type"] == "cn.gongkai.disclosure.withdraw.v1"
    assert gone["data"]["reason"] == "数据有误"
    assert sink.shown["doc-1"] == ((4, 0), "publish", "重新公布")


def test_a_second_revision_overtakes_the_one_that_waits(media, sink):
    sink.by_default = Answer(503)
    county = media(retry="300ms*100")
    county.ask(publish(title="第一版"))
    arrived(sink, 1)
    county.ask(publish(title="第二版"))
    arrived(sink, 1, key="2")
    sink.by_default = Answer(200)
    county.shown("doc-1", "media", revision=2)
    after = [r.revision_part for r in sink.requests]
    assert after == sorted(after), "the older one is not sent after the newer"
    assert sink.shown["doc-1"][2] == "第二版"


def test_many_documents_through_a_bad_receiver_end_as_they_should(media, sink):
    dice = random.Random(7)

    class Moody(Answer):
        def speak(self, sink, connection):
            roll = dice.random()
            if roll < 0.15:
                return Reset().speak(sink, connection)
            return Answer(500 if roll < 0.4 else 200).speak(sink, connection)

    sink.by_default = Moody()
    county = media(concurrency="16")
    door = county.door()
    wanted = {}
    for round_ in range(3):
        for n in range(30):
            document = f"doc-{n}"
            if round_ == 2 and n % 3 == 0:
                door.send(withdraw(document))
                wanted[document] = "withdraw"
            else:
                door.send(publish(document, title=f"第{n}件第{round_}次"))
                wanted[document] = f"第{n}件第{round_}次"
    for _ in range(90):
        assert door.receive()["status"] == "accepted"
    door.close()
    wait_until(lambda: is_quiet(county), 60, "everything is settled")
    assert len(sink.shown) == 30 or all(wanted[d] == "withdraw" for d in wanted if d not in sink.shown)
    for document, (rank, kind, title) in sink.shown.items():
        assert wanted[document] == (title if kind == "publish" else "withdraw"), document
    assert set(sink.keys.values()) == {1}
    assert sink.older == 0, "nothing older came after something newer"


# ---- times ----

def test_nothing_leaves_before_the_embargo_ends(media, sink):
    county = media()
    at = datetime.datetime.fromisoformat(now(seconds=2))
    county.ask(publish(publish_at=at.isoformat(timespec="milliseconds")))
    request, = arrived(sink, 1)
    assert request.at >= at.timestamp()
    assert request.at - at.timestamp() < 2
    county.shown("doc-1", "media")


def test_an_embargoed_revision_that_is_withdrawn_never_leaves(media, sink):
    county = media()
    county.ask(publish(publish_at=now(seconds=2)))
    county.ask(withdraw())
    county.ask(publish("doc-2", title="别的", publish_at=now(seconds=3)))
    arrived(sink, 1, "doc-2")
    assert sink.of("doc-1") == []


def test_what_expires_is_taken_back_under_a_key_of_its_own(media, sink):
    county = media()
    county.ask(publish(expires=now(seconds=3)))
    first, = arrived(sink, 1)
    county.shown("doc-1", "media", state="ended", timeout=15)
    assert len(sink.requests) == 2
    last = sink.requests[1]
    assert last.revision_part == "1x" and last.headers["gongkai-rank"] == "1 1 expire"
    assert last.headers["webhook-id"] != first.headers["webhook-id"]
    assert last.event["type"] == "cn.gongkai.disclosure.withdraw.v1"
    assert last.event["source"] == "urn:gongkai:530581:gongkai"
    assert last.event["data"]["document"] == "doc-1"
    assert last.at - first.at >= 2


# ---- the operator ----

def test_a_paused_channel_holds_and_goes_on(media, sink):
    county = media()
    county.ctl("channel", "pause", "media")
    county.ask(publish())
    county.ask(publish("doc-2", title="第二件"))
    row, = county.ctl_json("channel", "list")
    assert row["waiting"] == 2 and row["paused"]
    assert sink.requests == []
    county.ctl("channel", "resume", "media")
    county.shown("doc-1", "media")
    county.shown("doc-2", "media")
    assert len(sink.requests) == 2


def test_stopped_withdrawals_still_go(media, sink):
    county = media()
    county.ask(publish())
    county.shown("doc-1", "media")
    county.ctl("stop")
    county.ask(publish("doc-2", title="第二件"))
    county.ask(withdraw())
    county.shown("doc-1", "media", state="withdrawn")
    assert sink.of("doc-2") == []
    county.ctl("start")
    county.shown("doc-2", "media")


def test_the_way_can_be_tried_and_a_bad_address_is_found(media, sink):
    county = media(start=False)

    def run(*arguments):
        return subprocess.run([PROGRAMS / "gongkai-channeld", "--config", county.conf, *arguments, "media"],
                              capture_output=True, text=True, timeout=30)
    result = run("--test")
    assert result.returncode == 0 and "200" in result.stdout, result
    request, = sink.requests
    assert request.headers["gongkai-test"] == "1" and request.event["type"] == "cn.gongkai.test.v1"
    assert request.event["source"] == "urn:gongkai:530581:gongkai"
    assert sink.shown == {}
    sink.next(Answer(404, "no such page"))
    result = run("--test")
    assert result.returncode == 1 and "no such page" in result.stdout, result
    county.channel("media", driver="webhook", url="https://用户@media.cn/", carrier="政府网站")
    result = run("--check")
    assert result.returncode != 0 and "media.conf" in result.stderr and "url" not in result.stdout, result


# ---- processes ----

def test_two_processes_share_a_channel_without_doubling(media, sink):
    sink.by_default = Answer(200, wait=0.01)
    county = media()
    county.start_channel("media", "-2")
    door = county.door()
    for n in range(120):
        door.send(publish(f"doc-{n}", title=f"第{n}件"))
    for _ in range(120):
        assert door.receive()["status"] == "accepted"
    door.close()
    wait_until(lambda: len(sink.requests) > 20)
    for first, other in (("", "-2"), ("-2", "")): # whoever is at work leaves it to the other
        if county.log(f"channeld-media{first}").count("\n") > 10:
            county.stop(f"channeld-media{first}")
            break
    wait_until(lambda: is_quiet(county), 60, "everything is settled")
    assert len(sink.requests) == 120 and len(sink.keys) == 120
    assert county.log(f"channeld-media{other}").count("\n") > 10


def test_a_killed_process_loses_nothing(media, sink):
    sink.next(Hang())
    county = media()
    county.ask(publish())
    first, = arrived(sink, 1)
    county.kill("channeld-media", signal.SIGKILL)
    county.start_channel("media")
    county.ask(publish("doc-2", title="别的不必等"))
    county.shown("doc-2", "media", timeout=5)
    again = arrived(sink, 2, timeout=15)[1]
    assert (again.key, again.body) == (first.key, first.body)
    county.shown("doc-1", "media")
    assert sink.keys[first.key] == 1


def test_a_clean_stop_waits_for_the_answer(media, sink):
    sink.next(Answer(200, wait=0.5))
    county = media()
    county.ask(publish())
    arrived(sink, 1)
    county.stop("channeld-media")
    county.start_channel("media")
    county.shown("doc-1", "media", timeout=5)
    assert len(sink.requests) == 1


def test_redis_away_for_a_moment_loses_and_doubles_nothing(media, sink):
    county = media()
    county.ask(publish())
    county.shown("doc-1", "media")
    county.stop("redis")
    county.start_redis()
    county.ready()
    county.ask(publish("doc-2", title="第二件"))
    county.shown("doc-2", "media")
    county.ask(publish(title="第一件第二版"))
    county.shown("doc-1", "media", revision=2)
    assert [r.key.split("/")[1:3] for r in sink.requests] == [["doc-1", "1"], ["doc-2", "1"], ["doc-1", "2"]]


def test_lost_bytes_are_said_and_not_asked_for_in_a_circle(media, sink):
    county = media(start=False)
    event = county.ask(publish())["event"]
    county.redis().delete(f"{{530581}}:body:{event}")
    county.start_channel("media")
    told = wait_until(lambda: state_of(county)["error"] and state_of(county))
    assert told["state"] in ("parked", "deferred") and "doc-1" in told["error"]
    county.ask(publish("doc-2", title="别的照发"))
    county.shown("doc-2", "media")
    assert county.log("channeld-media").count("doc-1") < 5
    assert len(sink.requests) == 1
