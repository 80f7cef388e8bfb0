"""Redis is killed, full, frozen, read-only, changed or replaced: the door says so, and nothing is lost.

What the door has accepted is in the log exactly once; what it has not, its emitter sends again.
"""
import itertools
import shutil
import signal
import threading
import time

import pytest

from county import publish, query
from knock import accepted_in_log, control, until_taken, wait_until


@pytest.fixture
def town(county):
    return county_with(county)


@pytest.fixture
def impatient(county):
    return county_with(county, config="[redis]\ntimeout = 1s")


def county_with(county, **more):
    one = county(**more)
    one.channel("bin", driver="discard", carrier="政府网站")
    return one.start_all()


def notice(number):
    return publish(f"doc-{number}", id=f"id-{number}", title=f"第 {number} 号通告")


def reason(town):
    row = control(town, do="status")["rows"][0]
    return None if row["ready"] else row["reason"]


def busy(town, number="busy"):
    """The door answers in time, and that it cannot take anything."""
    began = time.monotonic()
    event = notice(number)
    reply = town.ask(event, timeout=4)
    assert (reply["status"], reply["id"]) == ("busy", event["id"]) and reply["retry_after_ms"] > 0
    assert time.monotonic() - began < 3, "busy must come at once"
    return True


def until_busy(town):
    return wait_until(lambda: town.ask(notice("busy"))["status"] == "busy", 10, "the door is busy")


class Emitters(threading.Thread):
    """An honest emitter with its spool: it sends each event until it is taken."""

    def __init__(self, town, name):
        super().__init__(daemon=True)
        self.town, self.name = town, name
        self.taken, self.enough, self.failed = [], threading.Event(), None

    def run(self):
        door = self.town.door()
        try:
            for number in itertools.count():
                if self.enough.is_set():
                    break
                event = notice(f"{self.name}-{number}")
                reply = until_taken(self.town, event, 60, door, patience=1)
                assert reply["status"] in ("accepted", "duplicate"), reply
                self.taken.append(event["data"]["document"])
        except Exception as error:
            self.failed = error
        finally:
            door.close()

    @staticmethod
    def start_some(town, how_many=4):
        some = [Emitters(town, f"e{n}") for n in range(how_many)]
        for one in some:
            one.start()
        wait_until(lambda: all(len(one.taken) > 5 for one in some), 20, "events are being taken")
        return some

    @staticmethod
    def finish(town, some):
        so_far = [len(one.taken) for one in some]
        wait_until(lambda: all(len(one.taken) > n or one.failed for one, n in zip(some, so_far)), 30, "it goes on")
        for one in some:
            one.enough.set()
        for one in some:
            one.join(60)
            assert one.failed is None and not one.is_alive(), one.failed
        taken = sorted(document for one in some for document in one.taken)
        assert sorted(d for d in accepted_in_log(town) if d.startswith("doc-e")) == taken, "each exactly once"
        return len(taken)


# -- away


def test_redis_killed_and_back(town):
    assert town.ask(notice(1))["status"] == "accepted"
    town.kill("redis")
    until_busy(town)
    assert busy(town) and town.ask(query("doc-1"))["status"] == "busy"
    assert "Redis" in reason(town)
    town.start_redis()
    assert until_taken(town, notice(2))["status"] == "accepted"
    assert town.ask(notice(1))["status"] == "duplicate"
    assert accepted_in_log(town) == ["doc-1", "doc-2"]


def test_redis_killed_again_and_again_under_load(town):
    some = Emitters.start_some(town)
    for _ in range(3):
        before = sum(len(one.taken) for one in some)
        town.kill("redis")
        town.start_redis()
        wait_until(lambda: sum(len(one.taken) for one in some) > before + 20, 30, "events are taken again")
    assert Emitters.finish(town, some) > 80


def test_publisherd_killed_under_load(town):
    some = Emitters.start_some(town)
    for _ in range(2):
        before = sum(len(one.taken) for one in some)
        town.kill("publisherd")
        town.start_publisherd()
        wait_until(lambda: sum(len(one.taken) for one in some) > before + 20, 30, "events are taken again")
    Emitters.finish(town, some)


def test_redis_that_comes_later_than_the_door(county):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_publisherd()
    assert busy(one) and "Redis" in reason(one)
    one.start_redis()
    assert until_taken(one, notice(1))["status"] == "accepted"


# -- there, and not willing


def test_a_read_only_redis(town):
    redis = town.redis()
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    until_busy(town)
    assert busy(town) and busy(town)
    redis.execute_command("REPLICAOF", "NO", "ONE")
    assert until_taken(town, notice(1))["status"] == "accepted"


def test_a_full_redis_still_answers_queries(town):
    assert town.ask(notice(1))["status"] == "accepted"
    redis = town.redis()
    redis.config_set("maxmemory", "1mb")
    assert busy(town) and busy(town)
    assert town.ask(query("doc-1"))["revision"] == 1
    # Even one who comes anew.
    town.stop("publisherd")
    town.start_publisherd()
    assert busy(town)
    redis.config_set("maxmemory", 0)
    assert until_taken(town, notice(2))["status"] == "accepted"
    assert town.ask(notice(1))["status"] == "duplicate"


def test_a_frozen_redis_never_blocks_the_door(impatient):
    redis = impatient.processes["redis"]
    assert impatient.ask(notice(1))["status"] == "accepted"
    redis.send_signal(signal.SIGSTOP)
    try:
        frozen = time.monotonic()
        while time.monotonic() - frozen < 3.5: # longer than the timeout, the reconnection and the next timeout
            assert busy(impatient, 2)
            assert impatient.ask(publish("x", title=""), timeout=3)["status"] == "rejected", "what needs no Redis is told"
            assert impatient.ask(query("doc-1"), timeout=3)["status"] == "busy"
            assert control(impatient, do="status")["ok"] is True
    finally:
        redis.send_signal(signal.SIGCONT)
    assert until_taken(impatient, notice(2))["status"] in ("accepted", "duplicate"), "what was on its way may have come through"
    assert accepted_in_log(impatient).count("doc-2") == 1


def test_a_redis_frozen_under_load_keeps_what_it_had_been_given(impatient):
    some = Emitters.start_some(impatient)
    redis = impatient.processes["redis"]
    redis.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: "1 秒内没有答复" in impatient.log("publisherd"), 10, "the daemon gives up waiting")
    finally:
        redis.send_signal(signal.SIGCONT)
    Emitters.finish(impatient, some)


def test_a_redis_that_is_loading(town):
    for number in range(4):
        town.ask([notice(f"{number}-{i}") for i in range(256)])
    redis = town.redis()
    redis.bgrewriteaof() # Redis looks at its connections while it loads a base file, not while it loads commands
    wait_until(lambda: not redis.info("persistence")["aof_rewrite_in_progress"], 10, "the file is rewritten")
    town.kill("redis")
    until_busy(town)
    town.start("redis", "redis-server", "--port", "0", "--unixsocket", town.redis_socket, "--dir", town.folder / "redis",
               "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--key-load-delay", "1000",
               "--loading-process-events-interval-bytes", "1024")
    wait_until(lambda: "LOADING" in town.log("publisherd"), 10, "the daemon met a loading Redis")
    assert busy(town)
    assert until_taken(town, notice("after"))["status"] == "accepted"
    assert len(accepted_in_log(town)) == 1025


@pytest.mark.parametrize("setting, wrong, right", [
    ("appendfsync", "everysec", "always"), ("appendonly", "no", "yes"), ("no-appendfsync-on-rewrite", "yes", "no"),
    ("maxmemory-policy", "allkeys-lru", "noeviction")])
def test_settings_that_make_an_ack_worthless_are_refused(town, setting, wrong, right):
    redis = town.redis()
    redis.config_set(setting, wrong)
    wait_until(lambda: setting in (reason(town) or ""), 10, f"the daemon says that {setting} is wrong")
    assert busy(town) and wrong in reason(town) and right in reason(town)
    redis.config_set(setting, right)
    assert until_taken(town, notice(1))["status"] == "accepted"


def test_without_durability_asked_for_the_settings_do_not_matter(county):
    one = county(fsync="everysec", config="[redis]\ndurability = no")
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    assert one.ask(notice(1))["status"] == "accepted"
    assert "everysec" in one.log("publisherd"), "but it is said"


# -- another one than before


def test_an_empty_redis_is_refused_until_it_is_adopted(town):
    assert town.ask(notice(1))["status"] == "accepted"
    town.kill("redis")
    shutil.rmtree(town.folder / "redis" / "appendonlydir")
    town.start_redis()
    wait_until(lambda: "530581" in (reason(town) or ""), 10, "the daemon refuses the region")
    assert busy(town) and busy(town)
    # Neither patience nor a restart makes it right.
    town.stop("publisherd")
    town.start_publisherd()
    wait_until(lambda: "530581" in (reason(town) or ""), 10, "the daemon refuses the region")
    assert busy(town)
    assert control(town, do="store.adopt")["ok"] is True
    assert until_taken(town, notice(2))["status"] == "accepted"
    assert until_taken(town, notice(1))["status"] == "accepted", "the emitter has it still"


def test_an_older_copy_of_the_store_is_refused_until_it_is_adopted(town):
    assert town.ask(notice(1))["status"] == "accepted"
    town.stop("publisherd")
    town.stop("redis")
    shutil.copytree(town.folder / "redis", town.folder / "copy")
    town.start_redis()
    town.start_publisherd()
    town.ready()
    assert town.ask(notice(2))["status"] == "accepted"
    town.stop("publisherd")
    town.stop("redis")
    shutil.rmtree(town.folder / "redis")
    (town.folder / "copy").rename(town.folder / "redis")
    town.start_redis()
    town.start_publisherd()
    wait_until(lambda: "530581" in (reason(town) or ""), 10, "the daemon refuses the region")
    assert busy(town, 2)
    assert control(town, do="store.adopt")["ok"] is True
    assert until_taken(town, notice(2))["status"] == "accepted"
    assert town.ask(notice(1))["status"] == "duplicate"


def test_a_key_of_another_type_stops_one_document_only(town):
    town.redis().lpush("{530581}:doc:doc-bad", "x")
    assert busy(town, "bad")
    reply = town.ask([notice("good"), notice("bad"), notice("fine")])
    assert [r["status"] for r in reply] == ["accepted", "busy", "accepted"]
    assert "doc-bad" in town.log("publisherd")
    town.redis().delete("{530581}:doc:doc-bad")
    assert until_taken(town, notice("bad"))["status"] == "accepted"


# -- the library


def test_a_flushed_library_is_loaded_again(town):
    town.redis().execute_command("FUNCTION", "FLUSH")
    assert until_taken(town, notice(1))["status"] == "accepted"
    assert accepted_in_log(town) == ["doc-1"]


def test_a_library_flushed_on_a_quiet_night_comes_back_for_the_channels(town):
    redis = town.redis()
    redis.execute_command("FUNCTION", "FLUSH")
    wait_until(lambda: redis.execute_command("FUNCTION", "LIST"), 10, "the library is back")


def test_nobody_is_asked_too_often(county):
    """A timer that had to catch up on all seconds since the machine started once asked thousands of times."""
    one = county_with(county)
    asked = one.redis().info("commandstats")["cmdstat_config|get"]["calls"]
    assert asked < 10


def test_a_library_flushed_under_load_costs_nothing(town):
    some = Emitters.start_some(town)
    for _ in range(3):
        before = sum(len(one.taken) for one in some)
        town.redis().execute_command("FUNCTION", "FLUSH")
        wait_until(lambda: sum(len(one.taken) for one in some) > before + 20, 30, "events are taken again")
    Emitters.finish(town, some)


def test_a_library_of_the_name_that_is_not_ours_is_replaced(town):
    town.redis().execute_command("FUNCTION", "LOAD", "REPLACE", "#!lua name=gongkai1\n"
                                 "redis.register_function('gk1_other', function() return 1 end)")
    assert until_taken(town, notice(1))["status"] == "accepted"
