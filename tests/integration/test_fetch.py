"""Attachments by address: fetched after the ack from allowed hosts only, measured while they come."""
import itertools
import json
import os
import signal
import time

import pytest

from county import PROGRAMS, attachment, publish, query, wait_until, withdraw
from filehost import FileHost, Gate, bomb, drip, endless, endless_header, good, half, head, self_signed, silent, status
from knock import control, resident_kib

FAST = "[fetch]\nretry = 100ms, 100ms, 100ms, 100ms, 200ms\ntimeout = 2s"
PDF = b"%PDF-1.7 a notice's annex"


@pytest.fixture
def host():
    made = FileHost()
    yield made
    made.close()


@pytest.fixture
def town(county, host):
    def make(config=FAST, fetch_from=None, **more):
        one = county(config=config, **more)
        one.channel("bin", driver="discard", carrier="政府网站")
        one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from=fetch_from or f"http://127.0.0.1:{host.port}")
        return one.start_all(["bin"])
    return make


def remote(host, path, content, name=None, media_type="text/plain", url=None):
    return attachment(name or path.strip("/"), content, media_type, url=url or host.url(path))


def notice(document, *attachments, **more):
    return publish(document, title=f"关于 {document} 的通告", attachments=list(attachments), **more)


def pending(reply):
    assert reply["status"] == "accepted", reply
    return [w["code"] for w in reply["warnings"]] == ["attachments_pending"]


def shown(town, document):
    return town.ctl_json("document", "show", document)


def error_of(town, document, timeout=20):
    """Waits for the first failure, and says what it was."""
    def failed():
        pieces = shown(town, document).get("attachments", [])
        return next((p["error"] for p in pieces if p["error"]), None)
    return wait_until(failed, timeout, f"a failed attempt for {document}")


def unfinished(town):
    return list((town.folder / "state" / "attachments" / "unfinished").iterdir())


def kept(town):
    return sorted(p.name for p in (town.folder / "state" / "attachments").glob("??/*"))


def open_alarms(town):
    return [json.loads(p.read_text()) for p in (town.folder / "state" / "alarms").glob("attachment-unfetched--*.json")]


def is_not_shown(town, document):
    states = [c["state"] for c in town.ask(query(document))["channels"]]
    return states and "published" not in states


def test_nothing_is_shown_before_all_are_in(town, host):
    one = town()
    slow = Gate(good(b"second"))
    host.answers = {"/a.pdf": good(PDF, "application/pdf; charset=binary"), "/b.txt": slow}
    reply = one.ask(notice("doc-1", remote(host, "/a.pdf", PDF, media_type="application/pdf"), remote(host, "/b.txt", b"second")))
    assert pending(reply) and "2" in reply["warnings"][0]["message"]
    assert slow.reached.wait(10)
    wait_until(lambda: [p["state"] for p in shown(one, "doc-1")["attachments"]] == ["here", "fetching"], 10, "one is in")
    assert [c["state"] for c in one.ask(query("doc-1"))["channels"]] == ["fetching"]
    assert shown(one, "doc-1")["state"] == "fetching"
    assert "在等附件" in one.ctl("document", "show", "doc-1")
    slow.go.set()
    one.shown("doc-1", "bin")
    assert "attachments" not in shown(one, "doc-1") and len(kept(one)) == 2 and not unfinished(one)
    wait_until(lambda: "附件取齐了" in one.log("publisherd"), 5, "it is told")
    request = host.asked[0][1].lower()
    assert "accept-encoding" not in request and "authorization" not in request and "cookie" not in request


def test_an_empty_attachment_and_two_of_one_content(town, host):
    one = town()
    host.answers = {"/empty": good(b""), "/same": good(b"same"), "/again": good(b"same")}
    assert pending(one.ask(notice("doc-1", remote(host, "/empty", b""), remote(host, "/same", b"same"), remote(host, "/again", b"same"))))
    one.shown("doc-1", "bin")
    assert host.times("/same") + host.times("/again") == 1, "one content is fetched once"


def test_what_is_here_or_in_a_frame_is_not_fetched(town, host):
    one = town()
    host.answers = {"/a": good(b"known"), "/b": good(b"framed")}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"known"))))
    one.shown("doc-1", "bin")
    reply = one.ask(notice("doc-2", remote(host, "/a", b"known"), remote(host, "/b", b"framed")), [b"framed"])
    assert (reply["status"], reply["warnings"]) == ("accepted", [])
    one.shown("doc-2", "bin")
    assert [path for path, _ in host.asked] == ["/a"]


@pytest.mark.parametrize("url, host_in_error", [
    ("http://127.0.0.1:{other}/a", "127.0.0.1:{other}"), ("https://127.0.0.1:{port}/a", "https://127.0.0.1:{port}"),
    ("http://localhost:{port}/a", "localhost:{port}"), ("http://user:pw@127.0.0.1:{port}/a", "?"),
    ("http://127.0.0.1.evil.example:{port}/a", "evil.example"), (None, None)])
def test_a_host_that_the_emitters_file_does_not_name_is_refused_at_the_door(town, host, url, host_in_error):
    one = town()
    numbers = {"port": host.port, "other": host.port % 60000 + 1}
    piece = attachment("a", b"x", **({"url": url.format(**numbers)} if url else {}))
    reply = one.ask(notice("doc-1", piece))
    assert [(e["path"], e["code"]) for e in reply["errors"]] == [("/data/attachments/0", "attachment_missing")]
    if url:
        assert host_in_error.format(**numbers) in reply["errors"][0]["message"]
    assert host.asked == []


def test_another_spelling_of_the_same_address_is_the_same_host(town, host):
    one = town()
    host.answers = {"/a": good(b"x")}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x", url=f"http://2130706433:{host.port}/a"))))
    one.shown("doc-1", "bin")


def test_a_stranger_without_a_file_has_no_host(town, host):
    one = town()
    event = notice("doc-1", remote(host, "/a", b"x"), source="urn:gongkai:530581:tax")
    assert one.ask(event)["errors"][0]["code"] == "attachment_missing"


WRONG = {
    "digest": (good(b"other"), b"wants", "sha256"),
    "longer than said": (good(b"longer than said"), b"short", "大小不符"),
    "shorter than said": (good(b"so"), b"some more", "大小不符"),
    "without a length and longer": (head() + b"longer than said", b"short", "超过"),
    "endless": (endless, b"short", "超过"),
    "another type": (good(b"<html>", "text/html"), b"<html>", "text/html"),
}


@pytest.mark.parametrize("story", WRONG)
def test_what_is_not_as_promised_alarms_at_once_and_is_tried_on(town, host, story):
    one = town(FAST.replace("200ms", "1s"))
    answer, content, says = WRONG[story]
    host.answers = {"/a": answer}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", content))))
    assert says in error_of(one, "doc-1")
    alarm = wait_until(lambda: open_alarms(one), 5, "the alarm")[0]
    assert alarm["subject"] == f"127.0.0.1:{host.port}" and alarm["fields"]["document"] == "doc-1" and says in alarm["sentence"]
    assert host.times("/a") == 1, "it is in no hurry"
    assert is_not_shown(one, "doc-1") and kept(one) == [] and unfinished(one) == []
    host.answers = {"/a": good(content)}
    one.shown("doc-1", "bin")
    assert open_alarms(one) == [] and len(kept(one)) == 1


FAILING = {
    "not there": (status(404), "404"),
    "away for now": (status(503), "503"),
    "half": (half(b"0123456789"), "连接失败"),
    "without a length and short": (head() + b"01234", "只有 5 字节"),
    "elsewhere": (status(302, Location="http://127.0.0.1:{port}/else"), "302"),
    "no http": (b"220 mail.example ESMTP\r\n", "连接失败"),
    "drip": (drip, "连接失败"),
    "silent": (silent, "连接失败"),
    "endless header": (endless_header, "头"),
}


@pytest.mark.parametrize("story", FAILING)
def test_what_may_pass_is_tried_again_and_told_after_the_third_time(town, host, story):
    one = town()
    answer, says = FAILING[story]
    if isinstance(answer, bytes):
        answer = answer.replace(b"{port}", str(host.port).encode())
    host.answers = {"/a": answer, "/else": good(b"0123456789")}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"0123456789"))))
    assert says in error_of(one, "doc-1")
    assert host.times("/a") >= 3 or open_alarms(one) == []
    wait_until(lambda: open_alarms(one), 20, "a person hears of it")
    assert host.times("/a") >= 3 and host.times("/else") == 0 and kept(one) == [] and is_not_shown(one, "doc-1")
    host.answers["/a"] = good(b"0123456789")
    one.shown("doc-1", "bin")
    wait_until(lambda: open_alarms(one) == [], 5, "the alarm is over")
    assert unfinished(one) == []


@pytest.mark.parametrize("field", ["Content_Encoding", "Transfer_Encoding"])
def test_a_bomb_does_not_go_off(town, host, field):
    one = town()
    answer, packed = bomb(field)
    host.answers = {"/a": answer}
    before = resident_kib(one.processes["publisherd"])
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"\0" * 1000))))
    assert any(word in error_of(one, "doc-1") for word in ("超过", "大小不符"))
    assert resident_kib(one.processes["publisherd"]) < before + 16 * 1024 and unfinished(one) == []


def test_packed_bytes_are_kept_as_they_are(town, host):
    one = town()
    _, packed = bomb("Content_Encoding", 1)
    host.answers = {"/a.gz": head("application/gzip", len(packed), Content_Encoding="gzip") + packed}
    assert pending(one.ask(notice("doc-1", remote(host, "/a.gz", packed, media_type="application/gzip"))))
    one.shown("doc-1", "bin")
    assert (one.folder / "state" / "attachments").joinpath(kept(one)[0][:2], kept(one)[0]).read_bytes() == packed


def test_a_name_that_leads_inside_is_not_followed_there(town, host):
    one = town(fetch_from=f"http://localhost:{host.port}")
    host.answers = {"/a": good(b"inside")}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"inside", url=host.url("/a", "localhost")))))
    assert "127.0.0.1" in error_of(one, "doc-1") or "::1" in error_of(one, "doc-1")
    assert open_alarms(one)[0]["subject"] == f"localhost:{host.port}" and host.asked == []
    one.conf.write_text(one.conf.read_text().replace("[fetch]", "[fetch]\nnetworks = 127.0.0.0/8"))
    one.processes["publisherd"].send_signal(signal.SIGHUP)
    one.shown("doc-1", "bin")
    assert open_alarms(one) == []


def test_a_host_taken_out_of_the_file_is_asked_no_more(town, host):
    one = town()
    host.answers = {"/a": status(503)}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x"))))
    error_of(one, "doc-1")
    one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from="http://127.0.0.1:9")
    one.processes["publisherd"].send_signal(signal.SIGHUP)
    wait_until(lambda: "fetch_from" in error_of(one, "doc-1"), 10, "it is not allowed any more")
    asked = host.times("/a")
    host.answers = {"/a": good(b"x")}
    wait_until(lambda: shown(one, "doc-1")["attachments"][0]["attempts"] > asked + 2, 10, "it is looked at on")
    assert host.times("/a") == asked and is_not_shown(one, "doc-1")
    one.emitter("oa", sources="urn:gongkai:530581:*", fetch_from=f"http://127.0.0.1:{host.port}")
    one.processes["publisherd"].send_signal(signal.SIGHUP)
    one.shown("doc-1", "bin")


def test_a_certificate_that_nobody_vouches_for_is_refused(county, tmp_path):
    host = FileHost(self_signed(tmp_path))
    one = county(config=FAST)
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from=f"127.0.0.1:{host.port}")
    one.start_all(["bin"])
    host.answers = {"/a": good(b"x")}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x", url=host.url("/a", scheme="https")))))
    assert "certificate" in error_of(one, "doc-1") and host.asked == []
    host.close()


def test_proxies_and_netrc_of_the_environment_are_nothing_to_it(county, host, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    one = county(config=FAST)
    one.environment = {"http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9", "HOME": str(tmp_path)}
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from=f"http://127.0.0.1:{host.port}")
    one.start_all(["bin"])
    host.answers = {"/a": good(b"x")}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x"))))
    one.shown("doc-1", "bin")
    assert "authorization" not in host.asked[0][1].lower()


def test_after_a_kill_in_the_middle_the_rest_is_fetched(town, host):
    one = town("[fetch]\nretry = 100ms\ntimeout = 30s")
    content = os.urandom(3 << 20)
    waits = Gate(content[1 << 20:])

    def stops(connection):
        connection.sendall(head(length=len(content)) + content[:1 << 20])
        waits(connection)
    host.answers = {"/a": good(b"first"), "/b": stops}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"first"), remote(host, "/b", content))))
    assert waits.reached.wait(10)
    wait_until(lambda: len(kept(one)) == 1 and unfinished(one) and unfinished(one)[0].stat().st_size > 100000, 10, "half of it is here")
    one.kill("publisherd")
    assert unfinished(one)
    host.answers["/b"] = good(content)
    waits.go.set()
    one.start_publisherd()
    one.ready()
    one.shown("doc-1", "bin")
    assert unfinished(one) == [] and len(kept(one)) == 2 and host.times("/a") == 1


def test_a_kill_between_the_last_byte_and_the_store_is_no_harm(town, host):
    """The files are here, and the store does not know yet: it is told at the next start."""
    one = town()
    host.answers = {"/a": good(b"whole")}
    one.processes["redis"].send_signal(signal.SIGSTOP)
    one.processes["redis"].send_signal(signal.SIGCONT)
    gate = Gate(good(b"whole"))
    host.answers = {"/a": gate}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"whole"))))
    assert gate.reached.wait(10)
    one.processes["redis"].send_signal(signal.SIGSTOP)
    gate.go.set()
    wait_until(lambda: len(kept(one)) == 1, 10, "it is here")
    one.kill("publisherd")
    one.processes["redis"].send_signal(signal.SIGCONT)
    one.start_publisherd()
    one.ready()
    one.shown("doc-1", "bin")
    assert host.times("/a") == 1


def test_while_the_store_is_away_nothing_is_lost(town, host):
    one = town()
    gate = Gate(good(b"whole"))
    host.answers = {"/a": gate}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"whole"))))
    assert gate.reached.wait(10)
    one.kill("redis")
    gate.go.set()
    wait_until(lambda: len(kept(one)) == 1, 10, "it is here")
    one.start_redis()
    one.shown("doc-1", "bin", timeout=60)  # the nudge may come before the channel has its store again


def test_what_is_overtaken_is_fetched_no_more(town, host):
    one = town("[fetch]\nretry = 100ms\ntimeout = 60s")
    gate = Gate(good(b"old"))
    host.answers = {"/old": gate, "/new": good(b"new")}
    assert pending(one.ask(notice("doc-1", remote(host, "/old", b"old"))))
    assert gate.reached.wait(10) and host.open == 1
    assert pending(one.ask(notice("doc-1", remote(host, "/new", b"new"), body="第二版。")))
    one.shown("doc-1", "bin", revision=2)
    wait_until(lambda: "attachments" not in shown(one, "doc-1"), 10, "the old one is off the list")
    assert one.redis().hlen("{530581}:fetch") == 0
    gate.go.set()
    assert [r["revision"] for r in one.ctl_json("document", "history", "doc-1") if r["state"] == "published"] == ["2"]
    assert len(kept(one)) == 1


def test_the_revision_before_stays_up_while_the_next_one_waits(town, host):
    one = town()
    gate = Gate(good(b"x"))
    host.answers = {"/a": gate}
    assert one.ask(notice("doc-1"))["status"] == "accepted"
    one.shown("doc-1", "bin", revision=1)
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x"), body="第二版。")))
    assert gate.reached.wait(10)
    one.shown("doc-1", "bin", revision=1)
    gate.go.set()
    one.shown("doc-1", "bin", revision=2)


def test_a_withdrawal_does_not_wait_for_attachments(town, host):
    one = town("[fetch]\nretry = 100ms\ntimeout = 60s")
    host.answers = {"/a": silent}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x"))))
    wait_until(lambda: host.open == 1, 10, "it is under way")
    assert one.ask(withdraw("doc-1"))["status"] == "accepted"
    wait_until(lambda: host.open == 0, 10, "it is called off")
    wait_until(lambda: one.redis().hlen("{530581}:fetch") == 0, 10, "the list is empty")
    assert not [r for r in one.ctl_json("document", "history", "doc-1") if r["state"] == "published"]


def test_an_embargo_ends_only_when_both_are_so(town, host):
    one = town()
    gate = Gate(good(b"x"))
    host.answers = {"/a": gate, "/b": good(b"y")}
    from county import now
    soon = now(seconds=3)
    assert pending(one.ask(notice("early", remote(host, "/b", b"y"), publish_at=soon)))
    assert pending(one.ask(notice("late", remote(host, "/a", b"x"), publish_at=soon)))
    wait_until(lambda: one.redis().hlen("{530581}:fetch") == 1, 10, "one has its attachment")
    assert is_not_shown(one, "early"), "the time has not come"
    one.shown("early", "bin")
    assert is_not_shown(one, "late")
    gate.go.set()
    one.shown("late", "bin")


def test_what_a_person_looks_at_is_fetched_meanwhile(town, host):
    one = town()
    gate = Gate(good(b"y"))
    host.answers = {"/a": good(b"x"), "/b": gate}
    secret = "根据有关规定，本件为机密★五年，限于内部掌握。"
    first = one.ask(notice("held-1", remote(host, "/a", b"x"), body=secret))
    second = one.ask(notice("held-2", remote(host, "/b", b"y"), body=secret + "二"))
    assert first["status"] == second["status"] == "held"
    wait_until(lambda: len(kept(one)) == 1 and gate.reached.is_set(), 10, "it is fetched")
    one.ctl("held", "release", first["event"], "--reason", "已审查")
    one.shown("held-1", "bin")
    one.ctl("held", "release", second["event"], "--reason", "已审查")
    assert is_not_shown(one, "held-2")
    gate.go.set()
    one.shown("held-2", "bin")


def test_the_bytes_may_come_by_frame_after_all(town, host):
    one = town("[fetch]\nretry = 1h")
    host.answers = {"/a": status(404)}
    event = notice("doc-1", remote(host, "/a", b"late"))
    assert pending(one.ask(event))
    error_of(one, "doc-1")
    assert one.ask(event, [b"late"])["status"] == "duplicate"
    one.shown("doc-1", "bin", timeout=10)


def test_a_dry_run_fetches_nothing(town, host):
    one = town()
    host.answers = {"/a": good(b"x")}
    reply = one.ask(notice("doc-1", remote(host, "/a", b"x"), attributes={"gkdryrun": True}))
    assert pending(reply) and reply["dry_run"] is True
    assert pending(one.ask(notice("doc-2", remote(host, "/a", b"x"))))
    one.shown("doc-2", "bin")
    assert host.times("/a") == 1 and one.ask(query("doc-1"))["revision"] is None


def test_four_at_once_and_two_of_one_host(county, host):
    other = FileHost()
    one = county(config="[fetch]\ntimeout = 60s")
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from=f"http://127.0.0.1:{host.port}, http://127.0.0.1:{other.port}")
    one.start_all(["bin"])
    contents = [f"content {i}".encode() for i in range(8)]
    gates = []
    for at, where in ((0, host), (1, other)):
        for i in range(4):
            gates.append(Gate(good(contents[4 * at + i])))
            where.answers[f"/{i}"] = gates[-1]
    pieces = [remote((host, other)[n // 4], f"/{n % 4}", c, name=f"{n}.txt") for n, c in enumerate(contents)]
    assert pending(one.ask(notice("doc-1", *pieces)))
    wait_until(lambda: (host.open, other.open) == (2, 2), 10, "two of each are under way")
    began = time.monotonic()
    assert one.ask(notice("doc-2"))["status"] == "accepted"
    one.shown("doc-2", "bin")
    assert time.monotonic() - began < 5, "hosts that hang hold up nothing else"
    for gate in gates:
        gate.go.set()
    one.shown("doc-1", "bin")
    assert (host.most_open, other.most_open) == (2, 2)
    other.close()


def test_a_stop_does_not_wait_for_a_host_that_hangs(town, host):
    one = town("[fetch]\ntimeout = 60s")
    host.answers = {"/a": silent}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x"))))
    wait_until(lambda: host.open == 1, 10, "it is under way")
    began = time.monotonic()
    one.stop("publisherd")
    assert time.monotonic() - began < 5


def test_the_alarm_of_a_host_that_nobody_waits_for_any_more_ends_with_a_restart(town, host):
    one = town()
    host.answers = {"/a": status(404)}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x"))))
    wait_until(lambda: open_alarms(one), 20, "the alarm")
    one.kill("publisherd")
    one.redis().delete("{530581}:fetch")
    one.start_publisherd()
    wait_until(lambda: open_alarms(one) == [], 20, "it is over")


def test_the_control_socket_tells_what_is_waited_for(town, host):
    one = town()
    host.answers = {"/a": status(404)}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x"))))
    error_of(one, "doc-1")
    piece = control(one, do="document.show", document="doc-1")["attachments"][0]
    assert (piece["name"], piece["url"]) == ("a", host.url("/a")) and piece["attempts"] >= 1 and "404" in piece["error"]
    told = one.ask(query("doc-1"))
    assert told["attachments"][0]["url"] == host.url("/a") and told["pending"][0]["fetching"] is True


def names(**more):
    """The environment of a daemon whose resolver is tests/chaos/slownames.c."""
    options = os.environ.get("ASAN_OPTIONS", "abort_on_error=1:detect_leaks=1")
    return {"LD_PRELOAD": str(PROGRAMS / "tests/chaos/slownames.so"), "ASAN_OPTIONS": options + ":verify_asan_link_order=0",
            **more}


def test_a_resolver_that_stands_still_holds_up_nothing(county, host):
    one = county(config="[fetch]\nretry = 100ms\ntimeout = 1s")
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from=f"http://oa.slow.example, http://127.0.0.1:{host.port}")
    one.start_redis()
    one.start_publisherd(env=names())
    one.start_channel("bin")
    one.ready()
    host.answers = {"/a": good(b"x")}
    assert pending(one.ask(notice("slow", remote(host, "/s", b"s", url="http://oa.slow.example/s"))))
    numbers = itertools.count()

    def given_up():
        began = time.monotonic()
        assert one.ask(notice(f"doc-{next(numbers)}"))["status"] == "accepted"
        assert time.monotonic() - began < 1, "the loop goes on"
        return "连接失败" in error_of(one, "slow")
    wait_until(given_up, 20, "the name is given up")
    assert pending(one.ask(notice("doc-a", remote(host, "/a", b"x"))))
    one.shown("doc-a", "bin")
    began = time.monotonic()
    one.stop("publisherd")
    assert time.monotonic() - began < 5


def test_a_name_of_the_public_that_means_this_machine_is_found_out(county, host):
    one = county(config=FAST)
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from=f"http://oa.inside.example:{host.port}")
    one.start_redis()
    one.start_publisherd(env=names())
    one.start_channel("bin")
    one.ready()
    host.answers = {"/a": good(b"x")}
    url = f"http://oa.inside.example:{host.port}/a"
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x", url=url))))
    assert f"oa.inside.example:{host.port} 指到 127.0.0.1" in error_of(one, "doc-1")
    assert host.asked == [] and open_alarms(one)


def test_the_portal_has_the_file_and_a_receiver_by_http_the_link(county, host):
    one = county(config=FAST)
    receiver = FileHost()
    receiver.answers = {"/hook": head("application/json", 2) + b"{}"}
    one.channel("portal", driver="site", carrier="政府网站", title="示例网站", root=one.folder / "portal", address="http://127.0.0.1/portal")
    one.channel("hook", driver="webhook", carrier="政府网站", url=receiver.url("/hook"))
    one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from=f"http://127.0.0.1:{host.port}")
    one.start_all(["portal", "hook"])
    gate = Gate(good(PDF, "application/pdf"))
    host.answers = {"/annex.pdf": gate}
    assert pending(one.ask(notice("doc-1", remote(host, "/annex.pdf", PDF, media_type="application/pdf"))))
    assert gate.reached.wait(10)
    assert not list((one.folder / "portal").rglob("*.pdf")) and receiver.asked == []
    gate.go.set()
    one.shown("doc-1", "portal")
    one.shown("doc-1", "hook")
    assert [path.read_bytes() for path in (one.folder / "portal").rglob("*.pdf")] == [PDF]
    assert receiver.times("/hook") == 1 and host.url("/annex.pdf") in receiver.asked[0][1]
    receiver.close()


@pytest.mark.parametrize("said", ["application/octet-stream", None, "Text/Plain; charset=utf-8"])
def test_a_type_that_contradicts_nothing_will_do(town, host, said):
    one = town()
    host.answers = {"/a": good(b"x", said)}
    assert pending(one.ask(notice("doc-1", remote(host, "/a", b"x"))))
    one.shown("doc-1", "bin")


def test_hosts_that_hang_leave_places_to_others(county, host):
    """Five of them with many documents each, and one that is well, whose document comes last."""
    hanging = [FileHost() for _ in range(5)]
    one = county(config="[fetch]\nretry = 30s\ntimeout = 1s")
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from=", ".join(f"http://127.0.0.1:{h.port}" for h in [*hanging, host]))
    one.start_all(["bin"])
    for n, bad in enumerate(hanging):
        bad.answers = {f"/{i}": silent for i in range(40)}
        events = [notice(f"hangs-{n}-{i}", remote(bad, f"/{i}", f"{n} {i}".encode())) for i in range(40)]
        assert all(pending(reply) for reply in one.ask(events))
    host.answers = {"/a": good(b"x")}
    assert pending(one.ask(notice("well", remote(host, "/a", b"x"))))
    one.shown("well", "bin", timeout=15)
    assert all(bad.most_open <= 2 for bad in hanging)
    assert sum(len(bad.asked) for bad in hanging) <= 25, "one that hangs is asked once in a while, not for each document"
    for bad in hanging:
        bad.close()


def test_many_that_wait_are_all_fetched_after_a_restart(county, host):
    one = county(config="[fetch]\nretry = 1h")
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from=f"http://127.0.0.1:{host.port}")
    one.start_all(["bin"])
    events = [notice(f"doc-{i}", remote(host, f"/{i}", f"content {i}".encode())) for i in range(600)]
    for at in range(0, 600, 200):
        assert all(pending(reply) for reply in one.ask(events[at:at + 200]))
    assert error_of(one, "doc-0")
    one.kill("publisherd")
    host.answers = {f"/{i}": good(f"content {i}".encode()) for i in range(600)}
    one.start_publisherd()
    one.ready()
    wait_until(lambda: one.redis().hlen("{530581}:fetch") == 0, 60, "all are fetched")
    one.shown("doc-599", "bin", timeout=60)
