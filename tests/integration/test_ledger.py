"""The ledger: what is accepted and what becomes of it is written down once, in order, for good."""
import json
import sqlite3

import pytest
import zmq

from county import publish, query, wait_until, withdraw


def rows(county, sql="SELECT n, state, document, channel FROM entry ORDER BY seq", *arguments):
    path = county.folder / "state" / "ledger.db"
    if not path.exists():
        return []
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql, arguments).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
    finally:
        connection.close()


def n_of(county, region="530581"):
    return int(county.redis().hget(f"{{{region}}}:meta", "n") or 0)


def caught_up(county, region="530581", timeout=30):
    def there():
        found = rows(county, "SELECT n FROM position WHERE region = ?", region)
        return found and found[0][0] == n_of(county, region)
    wait_until(there, timeout, "the ledger has caught up")


@pytest.fixture
def one(county):
    made = county()
    made.channel("bin", driver="discard", carrier="政府网站")
    return made


def test_every_record_of_the_log_is_a_row_of_the_ledger(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    for i in range(20):
        assert one.ask(publish(document=f"doc-{i}"))["status"] == "accepted"
    one.shown("doc-19", "bin")
    assert one.ask(withdraw(document="doc-3"))["status"] == "accepted"
    one.shown("doc-3", "bin", "withdrawn")
    caught_up(one)
    found = rows(one)
    assert [row[0] for row in found] == list(range(1, len(found) + 1))
    assert len([row for row in found if row[1] == "published"]) == 20
    assert len([row for row in found if row[1] == "accepted"]) == 21


def test_it_can_be_verified_exported_and_asked(one):
    one.start_all(["bin"])
    assert "还没有台账" in one_error(one, "ledger", "verify")
    one.start_ledgerd()
    for i in range(3):
        assert one.ask(publish(document=f"doc-{i}", revision=1))["status"] == "accepted"
        one.shown(f"doc-{i}", "bin")
    caught_up(one)
    assert "完好" in one.ctl("ledger", "verify")
    lines = [json.loads(line) for line in one.ctl("ledger", "export").splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(one.ctl("ledger", "export", "--since", 4).splitlines()) == len(lines) - 3
    assert [r["state"] for r in one.ctl_json("document", "history", "doc-1")] == ["accepted", "published"]
    assert {r["document"] for r in one.ctl_json("document", "list")} == {"doc-0", "doc-1", "doc-2"}
    # Also while nobody answers.
    one.stop("publisherd")
    assert [r["state"] for r in one.ctl_json("document", "history", "doc-1")] == ["accepted", "published"]


def one_error(county, *arguments):
    import subprocess
    from county import PROGRAMS
    run = subprocess.run([PROGRAMS / "gongkaictl", "--config", county.conf, *arguments], capture_output=True, text=True)
    assert run.returncode == 1
    return run.stderr


def receipts_query(after=0, source="urn:gongkai:530581:oa"):
    return {**query("x", source=source), "type": "cn.gongkai.query.receipts.v1", "data": {"after": after}}


def subscriber(county, topic=b"", keys=None, server_key=None, endpoint=None):
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.LINGER, 0)
    if keys:
        socket.curve_publickey, socket.curve_secretkey = keys
        socket.curve_serverkey = server_key
    socket.connect(endpoint or f"ipc://{county.folder}/run/receipts")
    socket.setsockopt(zmq.SUBSCRIBE, topic)
    return socket


def receive(socket, n, timeout=20):
    got = []
    wait_until(lambda: (socket.poll(20) and got.append(socket.recv_multipart())) or len(got) >= n, timeout, f"{n} receipts")
    return got


def test_receipts_come_after_the_commit_in_order_and_without_gaps(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    first = one.ask(publish(document="early"))
    one.shown("early", "bin")
    caught_up(one)
    late = subscriber(one, b"urn:gongkai:530581:oa\n")
    # A subscription takes its time; what came before is asked for.
    wait_until(lambda: one.ask(publish(document="probe", attributes={"gkdryrun": True})) and late.poll(1) == 0, 5)
    seen = []

    def subscribed():
        one.ask(publish(document=f"knock-{len(seen)}"))
        seen.append(1)
        return late.poll(300)
    wait_until(subscribed, 20)
    for i in range(30):
        assert one.ask(publish(document=f"doc-{i}", channels=["bin"]))["status"] == "accepted"
    one.shown("doc-29", "bin")
    caught_up(one)
    frames = receive(late, 60)
    while late.poll(300):
        frames.append(late.recv_multipart())
    numbers = []
    for topic, body in frames:
        receipt = json.loads(body)
        assert topic == b"urn:gongkai:530581:oa\n" and receipt["type"] == "cn.gongkai.receipt.v1"
        numbers.append(receipt["sequence"])
        # Committed before it was told: the ledger has it already.
        assert rows(one, "SELECT state FROM entry WHERE receipt = ?", receipt["sequence"]) == [(receipt["data"]["state"],)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    asked, after = [], 0
    while True:
        page = one.ask(receipts_query(after))
        assert page["status"] == "ok" and len(page["receipts"]) <= 256
        if not page["receipts"]:
            break
        asked += page["receipts"]
        after = page["next"]
    assert [r["sequence"] for r in asked] == list(range(1, len(asked) + 1)) and after >= numbers[-1]
    assert asked[0]["data"] == {"document": "early", "revision": 1, "event": first["event"], "channel": None, "state": "accepted",
                                "at": asked[0]["data"]["at"], "attempts": 0, "url": None, "reference": None, "error": None}
    assert asked[numbers[0] - 1:numbers[-1]] == [json.loads(body) for _, body in frames]
    late.close()


def test_gongkai_emit_prints_all_receipts(one):
    import subprocess
    from county import PROGRAMS
    one.start_all(["bin"])
    one.start_ledgerd()
    for i in range(150):
        assert one.ask([publish(document=f"doc-{i}-{k}") for k in range(2)])[0]["status"] == "accepted"
    wait_until(lambda: len(rows(one, "SELECT 1 FROM entry WHERE state = 'published'")) == 300, 60)
    caught_up(one)
    run = subprocess.run([PROGRAMS / "gongkai-emit", "--door", one.endpoint, "--region", "530581", "--receipts", "0"],
                         capture_output=True, text=True, timeout=60)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0 and [line["sequence"] for line in lines] == list(range(1, 601))
    run = subprocess.run([PROGRAMS / "gongkai-emit", "--door", one.endpoint, "--region", "530581", "--receipts", "600"],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and run.stdout == ""


def keys(county, pattern):
    return sorted(county.redis().scan_iter(match=pattern, count=1000))


def test_what_is_in_the_ledger_leaves_the_store(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    for i in range(40):
        assert one.ask(publish(document=f"doc-{i}"))["status"] == "accepted"
    one.shown("doc-39", "bin")
    caught_up(one)
    redis = one.redis()
    wait_until(lambda: redis.xlen("{530581}:log") <= 1, 20, "the log is trimmed")
    wait_until(lambda: not keys(one, "{530581}:body:*"), 20, "no bytes are left")
    wait_until(lambda: rows(one, "SELECT count(*) FROM event WHERE stage = 2") == [(40,)], 20, "the ledger knows that they went")
    for key in keys(one, "{530581}:ev:*"):
        assert 34 * 86400 < redis.ttl(key) <= 35 * 86400
    # The same again is still known, and answered with the first ack.
    again = publish(document="doc-1", id="same")
    assert one.ask(again)["status"] == "duplicate"
    # What is replayed gets its bytes back from the ledger.
    assert "完好" in one.ctl("ledger", "verify")


def test_a_repaired_document_gets_its_bytes_back(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    assert one.ask(publish(document="doc-1"))["status"] == "accepted"
    one.shown("doc-1", "bin")
    wait_until(lambda: not keys(one, "{530581}:body:*"), 20, "no bytes are left")
    meta = one.redis().hget("{530581}:meta", "epoch")
    assert one.redis().fcall("gk1_put_back", 4, "{530581}:meta", "{530581}:log", "{530581}:doc:doc-1", "{530581}:due:bin",
                             meta, "bin", "root", "test")[0] == b"ok"
    wait_until(lambda: len(rows(one, "SELECT 1 FROM entry WHERE document = 'doc-1' AND state = 'published'")) == 2, 60,
               "it is shown again")
    states = [row[0] for row in rows(one, "SELECT code FROM entry WHERE document = 'doc-1' ORDER BY seq")]
    assert "bytes/gone" in states
    wait_until(lambda: not keys(one, "{530581}:body:*"), 20, "and the bytes go again")
    assert "完好" in one.ctl("ledger", "verify")
