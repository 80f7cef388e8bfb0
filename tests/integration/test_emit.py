"""gongkai-emit against a stand-in for the door that is away, slow, busy, forgetful or killed."""

import hashlib
import json
import os
import pathlib
import subprocess
import time

import pytest
import zmq

from fake_door import FakeDoor, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = "urn:gongkai:530581:oa"


def program():
    folder = os.environ.get("GONGKAI_PROGRAMS")
    places = [pathlib.Path(folder).resolve()] if folder else [ROOT / "build/asan", ROOT / "build/release"]
    for place in places:
        if (place / "gongkai-emit").exists():
            return str(place / "gongkai-emit")
    pytest.fail("build gongkai-emit first: make")


def event(id_, document=None, **more):
    return {"specversion": "1.0", "id": id_, "source": SOURCE,
            "type": "cn.gongkai.disclosure.publish.v1", "time": "2026-11-23T09:00:00+08:00",
            "datacontenttype": "application/json",
            "data": {"document": document or f"doc-{id_}", "title": "关于公布低保名单的公告", **more}}


def lines(*events):
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in events).encode()


@pytest.fixture
def endpoint(tmp_path):
    # A unix socket's name is short (108 bytes), a test folder's is not always.
    path = pathlib.Path(f"/tmp/gk-emit-{os.getpid()}-{time.monotonic_ns()}")
    yield f"ipc://{path}"
    path.unlink(missing_ok=True)


@pytest.fixture
def door(endpoint):
    with FakeDoor(endpoint) as one:
        yield one


class Emit:
    """One run of the program; its input is written at once."""

    def __init__(self, endpoint, *arguments, stdin=b"", language="en_US.UTF-8"):
        environment = {**os.environ, "GONGKAI_DOOR": endpoint, "LC_ALL": language}
        self.process = subprocess.Popen(
            [program(), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment)
        self.process.stdin.write(stdin)
        self.process.stdin.close()
        self.process.stdin = None
        self.started = time.monotonic()

    def end(self, seconds=60):
        out, err = self.process.communicate(timeout=seconds)
        self.seconds = time.monotonic() - self.started
        self.code, self.err = self.process.returncode, err.decode()
        self.replies = [json.loads(line) for line in out.decode().splitlines()]
        return self

    def statuses(self):
        return [reply["status"] for reply in self.replies]


def emit(endpoint, *arguments, stdin=b"", **more):
    return Emit(endpoint, *arguments, stdin=stdin, **more).end()


# -- answers and exit codes --


@pytest.mark.parametrize("status, code", [
    ("accepted", 0), ("duplicate", 0), ("stale", 0), ("held", 0), ("rejected", 1), ("conflict", 1),
    ("something-new", 1)])
def test_every_answer_has_its_exit_code(door, endpoint, status, code):
    door.rule = lambda event, nth: {"status": status}
    door.open()
    run = emit(endpoint, stdin=lines(event("a-1")))
    assert (run.code, run.statuses()) == (code, [status])
    assert run.replies[0]["id"] == "a-1"


def test_lines_from_a_file_and_standard_input_are_published_once_and_answered_in_order(
        door, endpoint, tmp_path):
    door.open()
    (tmp_path / "first.json").write_text(json.dumps(event("f-0"), indent=2))
    rest = [event(f"e-{i}") for i in range(300)]
    run = emit(endpoint, tmp_path / "first.json", "-", stdin=lines(*rest))
    assert run.code == 0
    assert [reply["id"] for reply in run.replies] == ["f-0"] + [e["id"] for e in rest]
    assert sorted(door.published) == sorted(reply["id"] for reply in run.replies)
    assert door.seen.most_common(1)[0][1] == 1


def test_an_array_is_one_message_and_its_replies_are_one_per_line(door, endpoint):
    door.rule = lambda event, nth: "rejected" if event["id"] == "b" else "accepted"
    door.open()
    text = json.dumps([event("a"), event("b"), event("c")], indent=1).encode()
    run = emit(endpoint, stdin=text)
    assert (run.code, run.statuses()) == (1, ["accepted", "rejected", "accepted"])
    assert [frames for _, frames, _ in door.messages] == [[text]]  # the very bytes


def test_an_array_too_long_for_the_door_goes_in_pieces(door, endpoint):
    door.open()
    run = emit(endpoint, stdin=json.dumps([event(f"e-{i}") for i in range(600)]).encode())
    assert run.code == 0
    assert [len(json.loads(frames[0])) for _, frames, _ in door.messages] == [256, 256, 88]
    assert [reply["id"] for reply in run.replies] == [f"e-{i}" for i in range(600)]


def test_a_summary_for_people_names_errors_in_a_check(door, endpoint):
    door.rule = lambda event, nth: {"status": "rejected", "errors": [
        {"path": "/data/title", "code": "required", "message": "缺少标题\x1b[2J"}]}
    door.open()
    run = emit(endpoint, "--check", stdin=lines(event("a-1")), language="zh_CN.UTF-8")
    assert run.code == 1
    assert "a-1：被退回" in run.err and "/data/title: 缺少标题?[2J" in run.err
    assert "\x1b" not in run.err


def test_a_check_is_a_dry_run(door, endpoint):
    door.open()
    run = emit(endpoint, "--check", stdin=json.dumps([event("a"), event("b")]).encode())
    assert run.code == 0
    assert [e["gkdryrun"] for e in json.loads(door.messages[0][1][0])] == [True, True]
    assert door.published == []
    assert "would be accepted" in run.err


# -- what cannot be sent --


@pytest.mark.parametrize("arguments, stdin, code, sentence", [
    (["--no-such"], b"", 64, "unknown option '--no-such'"),
    (["-x"], b"", 64, "unknown option '-x'"),
    (["--door"], b"", 64, "'--door' needs a value"),
    (["--timeout", "10"], b"", 64, "--timeout cannot be '10'"),
    (["--try-for", "0s"], b"", 64, "--try-for cannot be '0s'"),
    (["--window", "0"], b"", 64, "--window cannot be '0'"),
    (["--check", "--spool", "x"], b"", 64, "cannot go together"),
    (["--status", "d"], b"", 64, "--status needs to know who asks"),
    (["--receipts", "-1", "--region", "530581"], b"", 64, "--receipts cannot be '-1'"),
    (["--key", "x"], b"", 64, "--server-key and --key go together"),
    (["--door", "bad"], lines(event("a")), 64, "'bad' is no endpoint"),
    (["/no/such/file"], b"", 66, "cannot read /no/such/file"),
    (["--attach", "/no/such/file"], lines(event("a")), 66, "cannot read /no/such/file"),
    (["--server-key", "/no", "--key", "/no"], lines(event("a")), 66, "keys cannot be used"),
    ([], b" \n ", 66, "the input is empty"),
    ([], b'{"a":1}\n{"b":\n', 66, "line 3"),
    ([], b'{"a":1,"a":2}', 66, "no valid JSON"),
    ([], b"hello", 66, "no valid JSON"),
    ([], b'{"a":"\xff\xff"}', 66, "neither UTF-8 nor GB18030 from byte 7"),
])
def test_what_cannot_be_sent_is_said_and_nothing_is_sent(
        door, endpoint, arguments, stdin, code, sentence):
    door.open()
    run = emit(endpoint, *arguments, stdin=stdin)
    assert run.code == code, run.err
    assert sentence in run.err
    assert door.messages == [] and run.replies == []


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig", "utf-16"])
def test_windows_encodings_arrive_as_utf8(door, endpoint, encoding):
    door.open()
    text = json.dumps(event("a-1"), ensure_ascii=False)
    run = emit(endpoint, stdin=text.encode(encoding))
    assert run.code == 0
    assert door.messages[0][1][0].decode() == text


# -- a door that is away, silent or forgetful --


def test_a_dead_door_is_exit_2_without_hanging(endpoint):
    run = emit(endpoint, "--try-for", "300ms", stdin=lines(*[event(f"e-{i}") for i in range(200)]))
    assert run.code == 2 and run.replies == []
    assert "cannot reach the door" in run.err
    assert run.seconds < 2.3


def test_a_silent_door_hears_the_same_bytes_on_a_new_connection_each_time(door, endpoint):
    door.rule = lambda event, nth: "ignore"
    door.open()
    run = emit(endpoint, "--timeout", "300ms", "--try-for", "2s", stdin=lines(event("a"), event("b")))
    assert run.code == 2
    assert "did not answer" in run.err
    assert run.seconds < 4.3
    heard = [(peer, frames) for peer, frames, _ in door.messages]
    assert len(heard) >= 4
    assert len({peer for peer, _ in heard}) == len(heard) // 2  # both anew on each connection
    assert {frames[0] for _, frames in heard} == {line for line in lines(
        event("a"), event("b")).splitlines()}


def test_a_door_that_opens_late_publishes_once(door, endpoint):
    run = Emit(endpoint, stdin=lines(event("a"), event("b")))
    with pytest.raises(subprocess.TimeoutExpired):
        run.process.wait(0.3)
    door.open()
    run.end()
    assert (run.code, run.statuses()) == (0, ["accepted", "accepted"])
    assert door.published == ["a", "b"]


def test_an_answer_that_gets_lost_is_asked_for_again_with_the_same_bytes(door, endpoint):
    door.rule = lambda event, nth: "drop" if nth < 3 else "accepted"
    door.open()
    run = emit(endpoint, "--timeout", "200ms", stdin=lines(event("a")))
    assert (run.code, run.statuses()) == (0, ["duplicate"])
    assert door.published == ["a"]
    assert len({frames[0] for _, frames, _ in door.messages}) == 1
    times = [at for _, _, at in door.messages]
    assert all(0.2 <= later - earlier < 2 for earlier, later in zip(times, times[1:]))


def test_a_lost_answer_does_not_shift_the_others(door, endpoint):
    status = {"a": "accepted", "b": "drop", "c": "rejected", "d": "held", "e": "conflict"}
    door.rule = lambda event, nth: status[event["id"]] if nth == 1 else "accepted"
    door.open()
    run = emit(endpoint, "--timeout", "300ms",
               stdin=lines(*[event(id_) for id_ in status]))
    assert {reply["id"]: reply["status"] for reply in run.replies} == {
        "a": "accepted", "b": "duplicate", "c": "rejected", "d": "held", "e": "conflict"}
    assert door.seen[(SOURCE, "b")] == 2 and door.seen[(SOURCE, "c")] == 1


@pytest.mark.parametrize("rubbish", [
    b"", b"no JSON", b"{}", b"[]", b"null", b'{"source":"x","id":"y","status":"accepted"}',
    b'[{"status":"accepted"}]', b'{"status":7}', b"[" * 5000],
    ids=["empty", "text", "object", "array", "null", "stranger", "array-for-object", "number",
         "deep"])
def test_an_answer_that_is_none_counts_for_nothing(door, endpoint, rubbish):
    door.rule = lambda event, nth: rubbish if nth == 1 else "accepted"
    door.open()
    run = emit(endpoint, "--timeout", "200ms", stdin=lines(event("a")))
    assert (run.code, run.statuses()) == (0, ["accepted"])


def test_a_door_killed_in_the_middle_loses_and_doubles_nothing(door, endpoint):
    events = [event(f"e-{i}", document=f"doc-{i % 40}") for i in range(400)]
    door.rule = lambda event, nth: "drop" if len(door.messages) % 50 == 49 else "accepted"
    door.open()
    run = Emit(endpoint, "--timeout", "500ms", stdin=lines(*events))
    for n in (60, 150, 270):
        wait_until(lambda: len(door.published) >= n, what=f"{n} published")
        door.close()
        door.open()
    run.end()
    assert run.code == 0
    assert [reply["id"] for reply in run.replies] == [e["id"] for e in events]
    assert sorted(door.published) == sorted(e["id"] for e in events)  # each exactly once
    for document in range(40):  # and each document's in the order of the input
        mine = [int(id_[2:]) for id_ in door.published if int(id_[2:]) % 40 == document]
        assert mine == sorted(mine)


def test_a_broken_connection_is_noticed_before_the_deadline(door, endpoint):
    door.rule = lambda event, nth: "ignore" if nth == 1 else "accepted"
    door.open()
    run = Emit(endpoint, "--timeout", "30s", stdin=lines(event("a")))
    wait_until(lambda: door.messages, what="the first sending")
    door.close()
    door.open()
    run.end(10)
    assert (run.code, run.statuses()) == (0, ["accepted"])


# -- a busy door --


def test_busy_is_sent_again_and_nothing_of_the_same_document_overtakes(door, endpoint):
    def rule(event, nth):
        if event["id"] == "d-1" and nth <= 3:
            return {"status": "busy", "retry_after_ms": 60}
        return "accepted"
    door.rule = rule
    door.open()
    run = emit(endpoint, stdin=lines(event("d-1", "d"), event("d-2", "d"), event("x", "x"),
                                     event("d-3", "d")))
    assert (run.code, run.statuses()) == (0, ["accepted"] * 4)
    assert door.published == ["x", "d-1", "d-2", "d-3"]
    times = [at for _, frames, at in door.messages if json.loads(frames[0])["id"] == "d-1"]
    assert len(times) == 4
    assert all(later - earlier >= 0.055 for earlier, later in zip(times, times[1:]))


def test_a_door_that_stays_busy_is_exit_2(door, endpoint):
    door.rule = lambda event, nth: {"status": "busy", "retry_after_ms": 50}
    door.open()
    run = emit(endpoint, "--try-for", "500ms", stdin=lines(event("a")))
    assert (run.code, run.statuses()) == (2, ["busy"])
    assert "busy" in run.err
    assert run.seconds < 2.5


def test_an_array_half_busy_keeps_its_first_answers(door, endpoint):
    door.rule = lambda event, nth: (
        {"status": "busy", "retry_after_ms": 30} if event["id"] == "b" and nth < 3 else "accepted")
    door.open()
    run = emit(endpoint, stdin=json.dumps([event("a"), event("b")]).encode())
    assert (run.code, run.statuses()) == (0, ["accepted", "accepted"])
    assert door.seen[(SOURCE, "a")] == 3


def test_the_window_bounds_what_is_under_way(door, endpoint):
    door.rule = lambda event, nth: "ignore"
    door.open()
    run = emit(endpoint, "--window", "5", "--timeout", "30s", "--try-for", "700ms",
               stdin=lines(*[event(f"e-{i}") for i in range(50)]))
    assert run.code == 2
    assert len(door.messages) == 5


# -- attachments --


def test_an_attachment_gets_digest_size_and_type(door, endpoint, tmp_path):
    door.open()
    content = "%PDF-1.7 名单".encode() * 1000
    (tmp_path / "名单.PDF").write_bytes(content)
    run = emit(endpoint, "--attach", tmp_path / "名单.PDF", stdin=lines(event("a")))
    assert run.code == 0, run.err
    text, frame = door.messages[0][1]
    assert frame == content
    assert json.loads(text)["data"]["attachments"] == [
        {"name": "名单.PDF", "sha256": hashlib.sha256(content).hexdigest(), "size": len(content),
         "media_type": "application/pdf"}]


def test_of_several_events_those_that_name_the_file_get_it(door, endpoint, tmp_path):
    door.open()
    (tmp_path / "t.csv").write_text("姓名,金额\n")
    naming = [event("b", attachments=[{"name": "t.csv", "role": "file"}]),
              event("c", attachments=[{"name": "t.csv", "media_type": "text/x-mine"}])]
    run = emit(endpoint, "-a", tmp_path / "t.csv", stdin=lines(event("a"), *naming))
    assert run.code == 0, run.err
    by_id = {json.loads(frames[0])["id"]: frames for _, frames, _ in door.messages}
    assert {id_: len(frames) for id_, frames in by_id.items()} == {"a": 1, "b": 2, "c": 2}
    assert json.loads(by_id["b"][0])["data"]["attachments"][0]["media_type"] == "text/csv"
    assert json.loads(by_id["c"][0])["data"]["attachments"][0]["media_type"] == "text/x-mine"


def test_an_attachment_that_could_be_anybodys_is_refused(door, endpoint, tmp_path):
    door.open()
    (tmp_path / "t.csv").write_text("x")
    run = emit(endpoint, "-a", tmp_path / "t.csv", stdin=lines(event("a"), event("b")))
    assert run.code == 64 and "whose is it" in run.err
    other = event("a", attachments=[{"name": "t.csv", "sha256": "0" * 64}])
    run = emit(endpoint, "-a", tmp_path / "t.csv", stdin=lines(other))
    assert run.code == 66 and "another sha256 or size" in run.err
    assert door.messages == []


# -- questions --


def test_status_and_receipts_are_asked_for(door, endpoint):
    door.open()
    run = emit(endpoint, "--status", "云保山〔2026〕12号", "--source", SOURCE)
    assert (run.code, run.statuses()) == (0, ["ok"])
    run = emit(endpoint, "--receipts", "4711", "--region", "530581")
    assert (run.code, run.statuses()) == (0, ["ok"])
    first, second = door.asked
    assert (first["source"], first["type"], first["data"]) == (
        SOURCE, "cn.gongkai.query.document.v1", {"document": "云保山〔2026〕12号"})
    assert (second["source"], second["type"], second["data"]) == (
        "urn:gongkai:530581:emit", "cn.gongkai.query.receipts.v1", {"after": 4711})
    assert first["id"] != second["id"]


# -- the spool --


def messages_in(spool):
    return sorted(path.name for path in spool.glob("*.msg"))


def test_with_the_door_away_events_wait_on_disk_and_leave_in_order(door, endpoint, tmp_path):
    spool = tmp_path / "spool"
    for n in range(3):
        run = emit(endpoint, "--spool", spool, "--try-for", "100ms",
                   stdin=lines(event(f"e-{n}", "d"), event(f"f-{n}")))
        assert (run.code, run.replies) == (0, [])
        assert f"{2 * n + 2} messages are safe in the spool" in run.err
    assert len(messages_in(spool)) == 6
    door.open()
    run = emit(endpoint, "--spool", spool)
    assert (run.code, run.statuses()) == (0, ["accepted"] * 6)
    assert [id_ for id_ in door.published if id_[0] == "e"] == ["e-0", "e-1", "e-2"]
    assert messages_in(spool) == []


def test_what_the_door_refuses_leaves_the_spool_with_its_reply_beside(door, endpoint, tmp_path):
    door.rule = lambda event, nth: "rejected" if event["id"] == "bad" else "accepted"
    door.open()
    spool = tmp_path / "spool"
    (tmp_path / "x.txt").write_text("attached")
    run = emit(endpoint, "--spool", spool, "-a", tmp_path / "x.txt", stdin=lines(event("bad")))
    assert (run.code, run.statuses()) == (1, ["rejected"])
    assert messages_in(spool) == []
    (message,) = (spool / "refused").glob("*.msg")
    reply = json.loads((message.parent / message.name.replace(".msg", ".reply.json")).read_text())
    assert (reply["id"], reply["status"]) == ("bad", "rejected")
    assert message.read_bytes().endswith(b"attached")


def test_killed_between_sending_and_the_answer_the_event_is_published_once(
        door, endpoint, tmp_path):
    door.rule = lambda event, nth: "drop" if nth == 1 else "accepted"
    door.open()
    spool = tmp_path / "spool"
    run = Emit(endpoint, "--spool", spool, stdin=lines(event("a"), event("b")))
    wait_until(lambda: len(door.published) == 2, what="both published")
    run.process.kill()
    run.process.wait()
    assert len(messages_in(spool)) == 2
    run = emit(endpoint, "--spool", spool)
    assert (run.code, run.statuses()) == (0, ["duplicate", "duplicate"])
    assert door.published == ["a", "b"] and messages_in(spool) == []


def test_a_second_process_may_put_but_not_drain(door, endpoint, tmp_path):
    spool = tmp_path / "spool"
    first = Emit(endpoint, "--spool", spool, stdin=lines(event("a")))
    wait_until(lambda: messages_in(spool), what="the first message on disk")
    wait_until(lambda: (spool / "lock.drain").exists(), what="the first drains")
    second = emit(endpoint, "--spool", spool, stdin=lines(event("b")))
    assert second.code == 0 and "another process is sending" in second.err
    door.open()
    first.end()
    assert (first.code, first.statuses()) == (0, ["accepted", "accepted"])
    assert door.published == ["a", "b"]


def test_a_damaged_file_is_set_aside_and_the_rest_goes_out(door, endpoint, tmp_path):
    spool = tmp_path / "spool"
    emit(endpoint, "--spool", spool, "--try-for", "50ms", stdin=lines(event("a"), event("b")))
    first = spool / messages_in(spool)[0]
    content = bytearray(first.read_bytes())
    content[-5] ^= 1  # one bit of rot
    first.write_bytes(content)
    door.open()
    run = emit(endpoint, "--spool", spool)
    assert run.code == 1 and "damaged" in run.err
    assert door.published == ["b"]
    assert [path.name for path in (spool / "damaged").iterdir()] == [first.name]


# -- keys --


def test_a_door_with_curve_answers_the_right_keys_only(endpoint, tmp_path):
    server, mine = zmq.curve_keypair(), zmq.curve_keypair()
    for name, (public, secret) in (("door", server), ("mine", mine)):
        (tmp_path / f"{name}.conf").write_text(
            f"\ufeff# a key\r\npublic = {public.decode()}\r\nsecret = {secret.decode()}\r\n")
    with FakeDoor(endpoint, curve=server) as door:
        door.open()
        for key in (server[0].decode(), tmp_path / "door.conf"):
            run = emit(endpoint, "--server-key", key, "--key", tmp_path / "mine.conf",
                       stdin=lines(event("a")))
            assert run.code == 0, run.err
        run = emit(endpoint, "--server-key", mine[0].decode(), "--key", tmp_path / "mine.conf",
                   "--try-for", "400ms", stdin=lines(event("b")))
        assert run.code == 2 and "does not know the key" in run.err
        assert door.published == ["a"]
