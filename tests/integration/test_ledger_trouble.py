"""The ledger when things go wrong: killed, changed behind its back, without room, with another store."""
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from county import PROGRAMS, publish, wait_until
from ledgerkit import caught_up, n_of, rows


@pytest.fixture
def one(county):
    made = county()
    made.channel("bin", driver="discard", carrier="政府网站")
    made.channel("hall", driver="discard", carrier="公示栏")
    return made


class Load(threading.Thread):
    """Publishes until it is told to end."""

    def __init__(self, county, size=8):
        super().__init__(daemon=True)
        self.county, self.size, self.ended, self.accepted = county, size, threading.Event(), 0

    def run(self):
        door = self.county.door()
        while not self.ended.is_set():
            batch = [publish(document=f"load-{self.accepted}-{i}") for i in range(self.size)]
            self.accepted += sum(reply["status"] == "accepted" for reply in door.ask(batch))
        door.close()

    def end(self):
        self.ended.set()
        self.join(30)


def assert_whole(county):
    """Every record of the log is in once, and the chain is whole."""
    caught_up(county)
    numbers = [row[0] for row in rows(county)]
    assert numbers == list(range(1, n_of(county) + 1))
    assert "完好" in county.ctl("ledger", "verify")
    receipts = [row[0] for row in rows(county, "SELECT receipt FROM entry WHERE receipt IS NOT NULL ORDER BY seq")]
    assert receipts == list(range(1, len(receipts) + 1))


def test_each_record_is_in_once_however_often_the_ledger_is_killed(one):
    chance = random.Random(20261124)
    one.start_all(["bin", "hall"])
    load = Load(one)
    load.start()
    for _ in range(25):
        one.start_ledgerd()
        before = n_of(one)
        time.sleep(chance.random() * 0.15)  # the moment of the kill is what is tried
        one.kill("ledgerd", signal.SIGKILL)
        assert n_of(one) > before, "nothing was under way"
    load.end()
    one.start_ledgerd()
    assert load.accepted > 100
    assert_whole(one)
    assert rows(one, "SELECT count(*) FROM event") == [(load.accepted,)]


def test_redis_may_go_and_come_back(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    load = Load(one)
    load.start()
    wait_until(lambda: len(rows(one)) > 50)
    load.end()
    one.kill("redis", signal.SIGKILL)
    wait_until(lambda: "连不上 Redis" in one.log("ledgerd"), 10)
    one.start_redis()
    one.ready()
    assert one.ask(publish(document="after"))["status"] == "accepted"
    one.shown("after", "bin")
    assert_whole(one)


def change(county, sql):
    connection = sqlite3.connect(county.folder / "state" / "ledger.db", timeout=10)
    connection.execute(sql)
    connection.commit()
    connection.close()


def test_whoever_changes_a_row_is_found_out(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    for i in range(10):
        one.ask(publish(document=f"doc-{i}"))
    one.shown("doc-9", "bin")
    caught_up(one)
    change(one, "UPDATE entry SET sentence = 'never happened' WHERE seq = 7")
    assert "第 7 行被改动过" in one.ctl("ledger", "verify", code=1)
    said = one.ctl_json("ledger", "verify", code=1)
    assert (said["ok"], said["fault"], said["seq"], said["rows"]) == (False, "row_changed", 7, 6)


def test_a_tail_that_was_cut_off_is_noticed(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    for i in range(10):
        one.ask(publish(document=f"doc-{i}"))
    one.shown("doc-9", "bin")
    caught_up(one)
    one.stop("ledgerd")
    last = rows(one, "SELECT max(seq) FROM entry")[0][0]
    assert (one.folder / "state" / "ledger.head").read_text().split()[0] == str(last)
    assert f"台账记到第 {last} 行" in one.log("ledgerd")
    change(one, "DELETE FROM event WHERE seq > 5")
    change(one, "DELETE FROM entry WHERE seq > 5")
    change(one, "UPDATE position SET n = 5, receipt = 5")
    assert "末尾被截掉了：第 6 行" in one.ctl("ledger", "verify", code=1)
    # The daemon sees it too, and does not write over what it knows.
    one.start_ledgerd()
    wait_until(lambda: f"应有第 {last} 行" in one.log("ledgerd"), 10)
    lost = one.folder / "state" / "ledger.head.lost"
    wait_until(lost.exists, 10)
    assert lost.read_text().split()[0] == str(last)


def test_a_full_disk_stops_the_ledger_and_nothing_else(one, tmp_path):
    disk = one.folder / "small"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", disk], capture_output=True).returncode != 0:
        pytest.skip("no right to mount a small disk")
    try:
        (one.folder / "state" / "ledger.db").symlink_to(disk / "ledger.db")
        one.start_all(["bin"])
        one.start_ledgerd()
        assert one.ask(publish(document="first"))["status"] == "accepted"
        one.shown("first", "bin")
        caught_up(one)
        with open(disk / "rubbish", "wb") as rubbish:
            try:
                while True:
                    rubbish.write(b"x" * 65536)
                    rubbish.flush()
            except OSError:
                pass
        body = "内容。" * 2000
        count = 0

        def full():
            nonlocal count
            count += 1
            assert one.ask(publish(document=f"doc-{count}", body=f"第 {count} 条 {body}"))["status"] == "accepted"
            return "写不进去" in one.log("ledgerd")
        wait_until(full, 60, "the disk is full")
        one.shown(f"doc-{count}", "bin")  # publishing goes on
        assert any("ledger-full" in path.name for path in (one.folder / "state" / "alarms").iterdir())
        assert one.log("ledgerd").count("写不进去") == 1  # told once
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        caught_up(one)
        assert_whole(one)
        assert rows(one, "SELECT count(*) FROM event") == [(count + 1,)]
        wait_until(lambda: not any(path.name.startswith("ledger-full") and path.suffix == ".json"
                                   for path in (one.folder / "state" / "alarms").iterdir()), 10, "the alarm is closed")
    finally:
        one.kill("ledgerd", signal.SIGKILL)
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_locked_ledger_is_tried_again(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    one.ask(publish(document="first"))
    one.shown("first", "bin")
    caught_up(one)
    connection = sqlite3.connect(one.folder / "state" / "ledger.db", timeout=10, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    one.ask(publish(document="second"))
    one.shown("second", "bin")
    wait_until(lambda: "写不进去" in one.log("ledgerd"), 20)
    connection.execute("ROLLBACK")
    connection.close()
    assert_whole(one)


def test_a_gap_in_the_log_stops_the_region_until_an_operator_says_so(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    one.ask(publish(document="first"))
    one.shown("first", "bin")
    caught_up(one)
    before = n_of(one)
    one.stop("ledgerd")
    for i in range(4):
        one.ask(publish(document=f"doc-{i}"))
        one.shown(f"doc-{i}", "bin")
    redis = one.redis()
    entries = redis.xrange("{530581}:log")
    lost = [entry for entry in entries if int(entry[1][b"n"]) == before + 1]
    redis.xdel("{530581}:log", *[entry[0] for entry in lost])
    one.start_ledgerd()
    wait_until(lambda: "缺记录" in one.log("ledgerd"), 10)
    wait_until(lambda: any("ledger-gap" in path.name for path in (one.folder / "state" / "alarms").iterdir()), 10)
    assert rows(one, "SELECT max(n) FROM entry") == [(before,)]
    one.ctl("store", "adopt")
    caught_up(one)
    numbers = [row[0] for row in rows(one)]
    assert numbers[:before] == list(range(1, before + 1)) and before + 1 not in numbers and numbers[-1] == n_of(one)
    assert "完好" in one.ctl("ledger", "verify")


def test_a_store_that_lost_its_end_is_not_followed(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    one.ask(publish(document="first"))
    one.shown("first", "bin")
    caught_up(one)
    one.kill("publisherd")
    one.kill("channeld-bin")
    one.kill("redis", signal.SIGTERM)
    saved = one.folder / "saved"
    shutil.copytree(one.folder / "redis", saved)
    one.start_redis()
    one.start_publisherd()
    one.start_channel("bin")
    one.ready()
    for i in range(5):
        one.ask(publish(document=f"lost-{i}"))
        one.shown(f"lost-{i}", "bin")
    caught_up(one)
    known = n_of(one)
    for name in ("publisherd", "channeld-bin", "redis"):
        one.kill(name, signal.SIGKILL)
    # publisherd's own memory is as old as the backup; the ledger knows better.
    memory = one.folder / "state" / "store.known"
    memory.write_text(re.sub(r"(\d+ \S+) \d+", r"\1 1", memory.read_text()))
    shutil.rmtree(one.folder / "redis")
    shutil.copytree(saved, one.folder / "redis")
    one.start_redis()
    one.start_publisherd()
    one.start_channel("bin")
    wait_until(lambda: "丢失了记录" in one.log("publisherd"), 20)
    wait_until(lambda: "停止记台账" in one.log("ledgerd"), 20)
    assert one.ask(publish(document="no"))["status"] == "busy"
    one.ctl("store", "adopt")
    one.ready()
    for i in range(3):
        assert one.ask(publish(document=f"again-{i}"))["status"] == "accepted"
        one.shown(f"again-{i}", "bin")
    caught_up(one)
    documents = {row[2] for row in rows(one)}
    assert {f"lost-{i}" for i in range(5)} <= documents and {f"again-{i}" for i in range(3)} <= documents
    assert "完好" in one.ctl("ledger", "verify")
    assert len(rows(one, "SELECT DISTINCT era FROM entry")) == 2
    assert rows(one, "SELECT count(*) FROM entry WHERE document = 'first'") == [(2,)]  # not a second time
    assert known > 0


def test_another_store_is_not_followed(one):
    one.start_all(["bin"])
    one.start_ledgerd()
    one.ask(publish(document="first"))
    one.shown("first", "bin")
    caught_up(one)
    one.redis().hset("{530581}:meta", "epoch", "01OTHER")
    wait_until(lambda: "停止记台账" in one.log("ledgerd"), 20)


def test_the_ledger_is_small_while_it_has_nothing_to_do(one):
    if "asan" in str(PROGRAMS):
        pytest.skip("sanitizers need memory of their own")
    one.start_all(["bin"])
    process = one.start_ledgerd()
    one.ask(publish(document="first"))
    one.shown("first", "bin")
    caught_up(one)
    with open(f"/proc/{process.pid}/status") as status:
        assert int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) < 24 * 1024


def test_bytes_that_were_damaged_in_the_store_do_not_become_the_truth(one):
    one.start_all()
    event = one.ask(publish(document="doc-1", body="第一条 原来的内容。"))["event"]
    key = f"{{530581}}:body:{event}"
    redis = one.redis()
    redis.set(key, redis.get(key).replace("原来".encode(), "后来".encode()))
    one.start_ledgerd()
    caught_up(one)
    assert rows(one, "SELECT ulid, bytes FROM event") == [(event, None)]
    assert "原文不对" in one.log("ledgerd")
    assert any("bytes-damaged" in path.name for path in (one.folder / "state" / "alarms").iterdir())
    assert "完好" in one.ctl("ledger", "verify")  # what it has is as it was written


def test_it_can_be_verified_while_it_is_written(one):
    one.start_all(["bin", "hall"])
    one.start_ledgerd()
    load = Load(one)
    load.start()
    seen = set()
    for _ in range(8):
        seen.add(one.ctl_json("ledger", "verify")["rows"])
    load.end()
    assert len(seen) > 4, "nothing was written meanwhile"
    assert_whole(one)
