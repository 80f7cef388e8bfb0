"""Receipts: each sender hears what became of its documents, once it is in the ledger, without gaps."""
import json
import signal
import socket
import subprocess

import pytest
import zmq

from county import PROGRAMS, publish, wait_until
from ledgerkit import caught_up, receipts_query, receive, rows, subscriber


@pytest.fixture
def one(county):
    made = county()
    made.channel("bin", driver="discard", carrier="政府网站")
    return made


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



def test_a_key_hears_only_of_the_sources_that_it_may_speak_for(county):
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port = probe.getsockname()[1]
    server, keys = zmq.curve_keypair(), {name: zmq.curve_keypair() for name in ("oa", "all", "nobody")}
    one = county(config=f"""
[curve]
secret_file = server.key
[ledgerd]
receipts = tcp://0.0.0.0:{port}
""")
    (one.folder / "server.key").write_text(f"public = {server[0].decode()}\nsecret = {server[1].decode()}\n")
    (one.folder / "server.key").chmod(0o600)
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", key=keys["oa"][0].decode())
    one.emitter("all", sources="urn:gongkai:530581:*", key=keys["all"][0].decode())
    one.start_all(["bin"])
    one.start("ledgerd", PROGRAMS / "gongkai-ledgerd", "--config", one.conf, ready=lambda: "已启动" in one.log("ledgerd"))
    endpoint = f"tcp://127.0.0.1:{port}"
    wishes = {("oa", b""), ("oa", b"urn:gongkai:530581:oa\n"), ("oa", b"urn:gongkai:530581:tax\n"), ("all", b""),
              ("all", b"urn:gongkai:530581:t"), ("nobody", b"")}
    sockets = {wish: subscriber(one, wish[1], keys[wish[0]], server[0], endpoint) for wish in wishes}
    heard = {wish: set() for wish in wishes}
    count = iter(range(10000))

    def knock():
        for system in ("oa", "oax", "tax"):
            one.ask(publish(document=f"{system}-{next(count)}", source=f"urn:gongkai:530581:{system}"))
        caught_up(one)
        for wish, listener in sockets.items():
            while listener.poll(50):
                topic, body = listener.recv_multipart()
                heard[wish].add((topic, json.loads(body)["data"]["document"].split("-")[0]))
        return len(heard["all", b""]) == 3 and heard["oa", b""] and heard["all", b"urn:gongkai:530581:t"]
    wait_until(knock, 30, "all have subscribed")
    knock()
    oa, oax, tax = ((f"urn:gongkai:530581:{system}\n".encode(), system) for system in ("oa", "oax", "tax"))
    assert heard == {("oa", b""): {oa}, ("oa", b"urn:gongkai:530581:oa\n"): {oa}, ("oa", b"urn:gongkai:530581:tax\n"): set(),
                     ("all", b""): {oa, oax, tax}, ("all", b"urn:gongkai:530581:t"): {tax}, ("nobody", b""): set()}
    for listener in sockets.values():
        listener.close()
    # A key that comes later is known after a reload, one that is revoked hears nothing from its next connection on.
    new = zmq.curve_keypair()
    one.emitter("tax", sources="urn:gongkai:530581:tax", key=new[0].decode())
    (one.folder / "emitters.d" / "oa.conf").unlink()
    one.processes["ledgerd"].send_signal(signal.SIGHUP)
    wait_until(lambda: "新配置已生效" in one.log("ledgerd"), 10)
    taxes, old = subscriber(one, b"", new, server[0], endpoint), subscriber(one, b"", keys["oa"], server[0], endpoint)

    def again():
        one.ask(publish(document=f"tax-{next(count)}", source="urn:gongkai:530581:tax"))
        one.ask(publish(document=f"oa-{next(count)}", source="urn:gongkai:530581:oa"))
        return taxes.poll(200)
    wait_until(again, 20, "the new key hears of its own")
    assert {topic for topic, _ in receive(taxes, 1)} == {b"urn:gongkai:530581:tax\n"} and old.poll(200) == 0
    taxes.close()
    old.close()


def test_a_question_for_receipts_gives_those_of_ones_own_sources(one):
    one.emitter("oa", sources="urn:gongkai:530581:oa")
    one.start_all(["bin"])
    one.start_ledgerd()
    for i in range(4):
        one.ask(publish(document=f"doc-{i}", source=f"urn:gongkai:530581:{'tax' if i % 2 else 'oa'}"))
    one.shown("doc-3", "bin")
    caught_up(one)

    def documents(**more):
        page = one.ask(receipts_query(**more))
        assert page["status"] == "ok", page
        return {receipt["data"]["document"] for receipt in page["receipts"]}
    assert documents() == {"doc-0", "doc-2"}  # a local emitter with a file of its own
    assert documents(source="urn:gongkai:530581:emit") == {"doc-0", "doc-1", "doc-2", "doc-3"}
    assert documents(after=100000) == set()


def test_receipts_are_asked_for_in_vain_while_there_is_no_ledger(one):
    one.start_all()
    assert [error["code"] for error in one.ask(receipts_query())["errors"]] == ["unavailable"]


def test_an_address_beyond_this_machine_needs_curve(county):
    one = county(config="[ledgerd]\nreceipts = tcp://0.0.0.0:5591")
    run = subprocess.run([PROGRAMS / "gongkai-ledgerd", "--config", one.conf, "--check"], capture_output=True, text=True,
                         env={"LANG": "en_US.UTF-8"})
    assert run.returncode == 1 and "needs encryption" in run.stderr
