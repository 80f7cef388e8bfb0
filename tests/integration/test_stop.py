"""Starting, living and stopping as systemd sees it, and a stop in the middle of work."""
import collections
import json
import signal
import time

import pytest

from county import publish, query
from knock import Notified, accepted_in_log, control, dealer, until_taken, wait_until


@pytest.fixture
def notified():
    one = Notified()
    yield one
    one.close()


@pytest.fixture
def town(county):
    one = county(config="[redis]\ntimeout = 1s\n[publisherd]\ndrain = 2s")
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_redis()
    return one


def notice(number):
    return publish(f"doc-{number}", id=f"id-{number}", title=f"第 {number} 号通告")


class Flood:
    """Peers that send without waiting, and know what was answered."""

    def __init__(self, town, round_number, peers=4, each=400):
        self.peers = [dealer(town.endpoint, window=10000) for _ in range(peers)]
        self.answers = {peer: [] for peer in self.peers}
        self.sent = {peer: [] for peer in self.peers}
        for i in range(each):
            for n, peer in enumerate(self.peers):
                event = query("doc-0") if i % 7 == 3 else notice(f"{round_number}-{n}-{i}")
                if i % 11 == 5:
                    event["data"]["document"] = ""
                self.sent[peer].append(event["id"])
                peer.send_multipart([b"", json.dumps(event).encode()])

    def read(self, wait=0):
        """Takes what is there. Returns how many answers there are so far."""
        for peer in self.peers:
            while peer.poll(wait):
                self.answers[peer].append(json.loads(peer.recv_multipart()[1]))
        return sum(map(len, self.answers.values()))

    def close(self):
        for peer in self.peers:
            peer.close(0)


def test_a_stop_under_load_answers_all_that_was_read(town):
    accepted, in_the_middle = collections.Counter(), 0
    for round_number in range(5):
        town.start_publisherd()
        assert until_taken(town, notice(f"first-{round_number}"))["status"] == "accepted"
        flood = Flood(town, round_number)
        wait_until(lambda: flood.read() > 20 + 100 * round_number, 10, "answers come")
        town.stop("publisherd") # it ends with 0
        in_the_middle += 0 < flood.read(wait=200) < 1600
        for peer in flood.peers:
            answers = flood.answers[peer]
            assert [a["id"] for a in answers] == flood.sent[peer][:len(answers)], "in order, and no gap"
            accepted.update(a["document"] for a in answers if a["status"] == "accepted")
        flood.close()
    assert in_the_middle >= 2, "it was stopped in the middle of work"
    logged = collections.Counter(d for d in accepted_in_log(town) if not d.startswith("doc-first"))
    assert logged == accepted, "what was committed was answered, and the other way round"


def test_a_stop_while_redis_stands_still_says_busy_and_ends(town):
    town.start_publisherd()
    assert until_taken(town, notice(0))["status"] == "accepted"
    redis = town.processes["redis"]
    redis.send_signal(signal.SIGSTOP)
    try:
        flood = Flood(town, 0, peers=1, each=6)
        assert control(town, do="status")["ok"] is True # by then it has read what came first
        began = time.monotonic()
        town.stop("publisherd")
        assert time.monotonic() - began < 4
        flood.read(wait=200)
        assert {a["status"] for a in flood.answers[flood.peers[0]]} == {"busy", "rejected"}
        flood.close()
    finally:
        redis.send_signal(signal.SIGCONT)


def test_a_second_signal_does_not_wait(town):
    town.start_publisherd()
    assert until_taken(town, notice(0))["status"] == "accepted"
    redis, publisherd = town.processes["redis"], town.processes.pop("publisherd")
    redis.send_signal(signal.SIGSTOP)
    try:
        door = town.door()
        door.send(notice(1))
        door.send(notice(2))
        publisherd.send_signal(signal.SIGTERM)
        wait_until(lambda: "正在停止" in town.log("publisherd"), 10, "it stops")
        began = time.monotonic()
        publisherd.send_signal(signal.SIGTERM)
        assert publisherd.wait(10) == 0 and time.monotonic() - began < 2
        door.close()
    finally:
        redis.send_signal(signal.SIGCONT)
    assert "Sanitizer" not in town.log("publisherd")


def test_an_idle_daemon_stops_at_once(town):
    town.start_publisherd()
    assert until_taken(town, notice(0))["status"] == "accepted"
    began = time.monotonic()
    town.stop("publisherd")
    assert time.monotonic() - began < 1.5
    assert not (town.folder / "run" / "control").exists()


def test_systemd_is_told_of_life_trouble_and_end(town, notified):
    town.start_publisherd(env=notified.environment(WATCHDOG_USEC="400000"))
    assert notified.wait_for("READY=1")
    assert until_taken(town, notice(0))["status"] == "accepted"
    wait_until(lambda: any("接收 1 件" in line for line in notified.seen("STATUS=")), 10, "the status counts")
    assert wait_until(lambda: len(notified.seen("WATCHDOG=1")) >= 3, 10, "the watchdog is fed")
    town.kill("redis")
    wait_until(lambda: "暂不能接收" in notified.seen("STATUS=")[-1], 10, "the status tells of the trouble")
    town.start_redis()
    wait_until(lambda: "正常" in notified.seen("STATUS=")[-1], 10, "the status tells that it is well")
    town.processes["publisherd"].send_signal(signal.SIGHUP)
    assert notified.wait_for("RELOADING=1")
    wait_until(lambda: len(notified.seen("READY=1")) == 2, 10, "it is ready again")
    assert not notified.seen("STOPPING=1")
    town.stop("publisherd")
    assert len(notified.seen("STOPPING=1")) == 1


def test_the_watchdog_is_not_fed_by_a_daemon_that_stands_still(town, notified):
    process = town.start_publisherd(env=notified.environment(WATCHDOG_USEC="200000"))
    assert notified.wait_for("WATCHDOG=1")
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T", 5, "it stands still")
    fed = len(notified.seen("WATCHDOG=1"))
    assert notified.is_silent(0.4)
    assert len(notified.seen("WATCHDOG=1")) == fed
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: len(notified.seen("WATCHDOG=1")) > fed, 10, "it goes on")


def test_the_status_comes_once_a_second(town, notified):
    """A timer that had to catch up on all seconds since the machine started once told thousands."""
    began = time.monotonic()
    town.start_publisherd(env=notified.environment())
    town.ready()
    town.start_channel("bin", env=notified.environment())
    wait_until(lambda: len(notified.seen("READY=1")) == 2, 10, "both are ready")
    wait_until(lambda: len(notified.seen("STATUS=")) >= 4, 10, "both have told how they are")
    assert len(notified.seen("STATUS=")) <= 2 * (time.monotonic() - began + 2)
