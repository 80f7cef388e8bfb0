"""What needs a person is an alarm: its file, the journal's line, and its end when the cause is gone."""
import json
import os
import signal
import time

import pytest

from county import PROGRAMS, attachment, free_port, publish, wait_until
from knock import until_taken


@pytest.fixture
def town(county):
    one = county(config="[redis]\ntimeout = 1s\n[alarms]\nlog_records = 20")
    one.channel("bin", driver="discard", carrier="政府网站")
    return one.start_all()


def files(town):
    return sorted(p.name for p in (town.folder / "state" / "alarms").glob("*.json"))


def alarm(town, code, subject):
    path = town.folder / "state" / "alarms" / f"{code}--{subject}.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def opens(town, code, subject, timeout=25):
    one = wait_until(lambda: alarm(town, code, subject), timeout, f"{code} opens ({files(town)})")
    assert one["code"] == code and one["subject"] == subject and one["count"] >= 1
    for text in (one["sentence"], one["what_to_do"]):
        assert text and "{" not in text, "no hole is left empty"
    wait_until(lambda: f"警报（{code}）" in town.log("publisherd"), 5, "the journal hears of it, behind the file")
    return one


def closes(town, code, subject, timeout=25):
    wait_until(lambda: alarm(town, code, subject) is None, timeout, f"{code} closes")
    wait_until(lambda: f"警报解除（{code}" in town.log("publisherd"), 5, "the log says so")


def test_well_there_is_none(town):
    assert town.ask(publish())["status"] == "accepted"
    assert files(town) == []


def test_redis_that_stays_away(town):
    town.kill("redis")
    wait_until(lambda: town.ask(publish())["status"] == "busy", 10, "the door is busy")
    assert files(town) == [], "a restart is no alarm"
    one = opens(town, "store-away", "redis")
    assert one["severity"] == "critical"
    town.start_redis()
    closes(town, "store-away", "redis")
    assert town.log("publisherd").count("警报（store-away）") == 1, "said once"


def test_redis_that_is_full(town):
    redis = town.redis()
    redis.config_set("maxmemory", "1mb")
    one = opens(town, "store-full", "redis")
    assert "OOM" in one["sentence"] and "maxmemory" in one["what_to_do"]
    redis.config_set("maxmemory", 0)
    closes(town, "store-full", "redis")


def test_an_event_that_a_full_redis_refuses_tells_the_true_reason(town):
    town.redis().config_set("maxmemory", "1mb")
    assert town.ask(publish())["status"] == "busy"
    one = opens(town, "store-full", "redis", timeout=2)
    assert "OOM" in one["fields"]["reason"], "not only EXECABORT"


def test_redis_that_is_read_only(town):
    redis = town.redis()
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    opens(town, "store-readonly", "redis")
    redis.execute_command("REPLICAOF", "NO", "ONE")
    closes(town, "store-readonly", "redis")


def test_settings_that_drifted(town):
    redis = town.redis()
    redis.config_set("appendfsync", "everysec")
    one = opens(town, "store-settings", "redis")
    assert "appendfsync = everysec (always)" in one["sentence"]
    redis.config_set("appendfsync", "always")
    closes(town, "store-settings", "redis")


def test_a_store_that_lost_records_and_one_that_is_another(town):
    assert town.ask(publish())["status"] == "accepted"
    town.stop("publisherd")
    redis = town.redis()
    number, epoch = redis.hmget("{530581}:meta", "n", "epoch")
    redis.hset("{530581}:meta", "n", 0)
    town.start_publisherd()
    opens(town, "store-lost", "530581")
    redis.hset("{530581}:meta", mapping={"n": number, "epoch": "01ANOTHERONE000000000000000"[:26]})
    opens(town, "store-other", "530581")
    assert alarm(town, "store-lost", "530581") is None
    redis.hset("{530581}:meta", "epoch", epoch)
    closes(town, "store-other", "530581")
    assert until_taken(town, publish("doc-2"))["status"] == "accepted"


def test_a_clock_that_went_back(town):
    redis = town.redis()
    redis.hset("{530581}:meta", "seen", int(time.time() * 1000) + 3600_000)
    opens(town, "clock-jumped", "530581")
    redis.hset("{530581}:meta", "seen", int(time.time() * 1000))
    closes(town, "clock-jumped", "530581")


def test_a_log_that_nobody_shortens(town):
    for number in range(25):
        assert town.ask(publish(f"doc-{number}"))["status"] == "accepted"
    one = opens(town, "log-long", "530581")
    assert one["severity"] == "warning" and int(one["fields"]["count"]) > 20
    town.redis().xtrim("{530581}:log", maxlen=1, approximate=False)
    closes(town, "log-long", "530581")


def test_an_urgent_event_that_waits_for_a_person(town):
    town.emitter("duty", sources="urn:gongkai:530581:*", may_urgent="yes")
    town.stop("publisherd")
    town.start_publisherd()
    town.ready()
    held = town.ask(publish("doc-slow", body="绝密★一年"))
    assert held["status"] == "held"
    first = town.ask(publish("doc-1", body="绝密★一年", urgent=True))
    assert first["status"] == "held"
    one = opens(town, "held-urgent", "530581")
    assert one["fields"]["document"] == "doc-1" and one["fields"]["count"] == "1"
    assert first["event"] in one["what_to_do"]
    town.ctl("held", "release", first["event"], "--reason", "看过了")
    closes(town, "held-urgent", "530581")


def test_a_damaged_record_until_the_document_comes_anew(town):
    assert town.ask(publish("doc-1"))["status"] == "accepted"
    redis = town.redis()
    packed = redis.get("{530581}:doc:doc-1")
    redis.set("{530581}:doc:doc-1", b"\xc1broken")
    assert town.ask(publish("doc-1", title="又一版的通告"))["status"] == "busy"
    one = wait_until(lambda: alarm(town, "bytes-damaged", "530581%2Fdoc-1"), 5, "it opens")
    assert one["subject"] == "530581/doc-1" and "{" not in one["sentence"] + one["what_to_do"]
    town.kill("publisherd") # who comes after it knows
    town.start_publisherd()
    redis.set("{530581}:doc:doc-1", packed)
    assert until_taken(town, publish("doc-1", title="又一版的通告"))["status"] == "accepted"
    wait_until(lambda: alarm(town, "bytes-damaged", "530581%2Fdoc-1") is None, 5, "it closes")


def test_attachments_that_cannot_be_written(town):
    folder = town.folder / "state" / "attachments"
    away = town.folder / "state" / "away"
    content = b"table"
    os.rename(folder, away)
    folder.write_text("no folder")
    event = publish("doc-1", attachments=[attachment("a.txt", content)])
    assert town.ask(event, [content])["status"] == "busy"
    opens(town, "state-unwritable", "attachments", timeout=3)
    folder.unlink()
    os.rename(away, folder)
    assert until_taken_with(town, event, content)["status"] == "accepted"
    closes(town, "state-unwritable", "attachments", timeout=3)


def until_taken_with(town, event, content):
    return wait_until(lambda: (lambda r: r if r["status"] != "busy" else None)(town.ask(event, [content])), 10)


def test_a_key_of_the_door_that_cannot_be_read(town):
    town.stop("publisherd")
    key = town.folder / "curve.key"
    key.write_text("")
    text = town.conf.read_text()
    town.conf.write_text(text.replace(f"listen = ipc://{town.folder}/run/publish",
                                      f"listen = ipc://{town.folder}/run/publish, tcp://0.0.0.0:{free_port()}")
                         + f"[curve]\nsecret_file = {key}\n")
    process = town.start("publisherd", PROGRAMS / "gongkai-publisherd", "--config", town.conf)
    assert process.wait(20) == 1
    town.processes.pop("publisherd")
    opens(town, "secret-unreadable", "publisherd", timeout=2)
    town.conf.write_text(text)
    town.start_publisherd()
    town.ready()
    closes(town, "secret-unreadable", "publisherd")


def test_an_alarm_outlives_its_daemon_and_is_closed_by_the_next(town):
    redis = town.redis()
    redis.config_set("appendfsync", "everysec")
    first = opens(town, "store-settings", "redis")
    town.kill("publisherd", signal.SIGKILL)
    town.start_publisherd()
    wait_until(lambda: alarm(town, "store-settings", "redis")["count"] > first["count"], 10, "it is raised again")
    assert alarm(town, "store-settings", "redis")["first"] == first["first"]
    assert town.log("publisherd").count("警报（store-settings）") == 1
    town.kill("publisherd", signal.SIGKILL)
    redis.config_set("appendfsync", "always")
    town.start_publisherd()
    closes(town, "store-settings", "redis")


# -- a channel


def answering(status):
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *arguments):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.status = status
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_a_channel_that_nothing_can_pass(county):
    one = county()
    server = answering(200)
    secret = one.folder / "secret"
    secret.write_text("whsec_!!!")
    secret.chmod(0o640)
    one.channel("hook", driver="webhook", carrier="政府网站", url=f"http://127.0.0.1:{server.server_port}/",
                secret_file=secret)
    for file in (secret, one.folder / "channels.d" / "hook.conf"):
        os.utime(file, (time.time() - 300,) * 2)  # else a restart within the minute takes them for mended
    one.start_all(["hook"])
    assert one.ask(publish())["status"] == "accepted"
    said = wait_until(lambda: alarm(one, "channel-blocked", "hook"), 20, "it is an alarm")
    assert "channel resume hook" in said["what_to_do"] and said["sentence"].count("{") == 0
    wait_until(lambda: [row for row in one.ctl_json("channel", "list") if row["paused"]], 10, "it is paused")
    # Another process, while it is paused, leaves it open; and resumed while none runs, the next closes it.
    one.kill("channeld-hook")
    one.start_channel("hook")
    assert alarm(one, "channel-blocked", "hook")
    one.kill("channeld-hook")
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    one.ctl("channel", "resume", "hook")
    one.start_channel("hook")
    one.shown("doc-1", "hook")
    wait_until(lambda: alarm(one, "channel-blocked", "hook") is None, 10, "it closes")
    server.shutdown()
    server.server_close()


def test_a_channels_secret_that_everybody_can_read(county):
    one = county()
    secret = one.folder / "secret"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    secret.chmod(0o644)
    one.channel("hook", driver="webhook", url="http://127.0.0.1:9/", secret_file=secret)
    one.start_all()
    process = one.start("channeld-hook", PROGRAMS / "gongkai-channeld", "--config", one.conf, "hook")
    assert process.wait(20) == 1
    one.processes.pop("channeld-hook")
    said = wait_until(lambda: alarm(one, "secret-unreadable", "hook"), 5, "it is an alarm")
    assert "chmod" in said["sentence"]
    secret.chmod(0o640)
    one.start_channel("hook")
    wait_until(lambda: alarm(one, "secret-unreadable", "hook") is None, 10, "it closes")


def test_bytes_that_are_no_longer_what_was_accepted(county):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    accepted = one.ask(publish())
    key = f"{{530581}}:body:{accepted['event']}"
    redis = one.redis()
    bytes_ = redis.get(key)
    redis.set(key, bytes_.replace("一项".encode(), "二项".encode()))
    one.start_channel("bin")
    said = wait_until(lambda: alarm(one, "bytes-damaged", "530581%2Fdoc-1"), 20, "it is an alarm")
    assert "doc-1" in said["sentence"]
    assert one.ask(publish(title="又一版的通告"))["status"] == "accepted"
    one.shown("doc-1", "bin", revision=2)
    wait_until(lambda: alarm(one, "bytes-damaged", "530581%2Fdoc-1") is None, 10, "it closes")
