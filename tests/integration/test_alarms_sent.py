"""Alarms on their way to people, with the real daemons: a program of the county's, and a channel."""
import json
import signal

import pytest

from county import publish, wait_until
from test_alarms import alarm, files

SCRIPT = """#!/bin/sh
read -r input
printf '%s %s %s %s\\n' "$GONGKAI_ALARM_STATE" "$GONGKAI_ALARM_CODE" "$GONGKAI_ALARM_SUBJECT" "$1" >>"{told}"
printf '%s\\n' "$input" >>"{told}.json"
echo "the program spoke"
"""


@pytest.fixture
def town(county):
    def make(alarms="", **more):
        one = county(config=f"[redis]\ntimeout = 1s\n[alarms]\n{alarms}", **more)
        one.told = one.folder / "told"
        one.script = one.folder / "notify"
        one.script.write_text(SCRIPT.format(told=one.told))
        one.script.chmod(0o755)
        one.conf.write_text(one.conf.read_text().replace("SCRIPT", str(one.script)))
        one.channel("bin", driver="discard", carrier="政府网站")
        one.start_all()
        return one
    return make


def told(town):
    return town.told.read_text().splitlines() if town.told.exists() else []


def remembered(town):
    """The ledger's daemon knows that it has told it: what it was killed before that, it tells again."""
    def there():
        path = town.folder / "state" / "alarms" / "store-settings--redis.sent"
        return path.exists() and json.loads(path.read_text()).get("command", {}).get("at", 0) > 0
    wait_until(there, 10, "it is remembered")


def drift(town, how):
    town.redis().config_set("appendfsync", how)


def test_a_program_hears_of_opening_and_closing_once(town):
    one = town("command = SCRIPT duty")
    one.start_ledgerd()
    drift(one, "everysec")
    wait_until(lambda: told(one) == ["opened store-settings redis duty"], 20, told(one))
    first = json.loads((one.folder / "told.json").read_text().splitlines()[0])
    assert first["severity"] == "critical" and "appendfsync" in first["sentence"] and first["what_to_do"]
    wait_until(lambda: "the program spoke" in one.log("ledgerd"), 5, "its output is in the journal")
    remembered(one)
    one.kill("ledgerd", signal.SIGKILL) # a restart sends nothing again
    one.start_ledgerd()
    one.kill("publisherd", signal.SIGKILL)
    one.start_publisherd()
    wait_until(lambda: alarm(one, "store-settings", "redis")["count"] > 1, 20, "it is raised on")
    assert len(told(one)) == 1
    drift(one, "always")
    wait_until(lambda: told(one)[1:] == ["closed store-settings redis duty"], 20, told(one))


def test_it_is_repeated_until_acknowledged_and_its_end_told(town):
    one = town("command = SCRIPT\nrepeat = 1s")
    one.start_ledgerd()
    drift(one, "everysec")
    wait_until(lambda: told(one).count("repeated store-settings redis ") >= 2, 30, "it is repeated")
    assert told(one).count("opened store-settings redis ") == 1
    assert "已确认" in one.ctl("alarm", "ack", "store-settings", "--reason", "老李去看了")
    shown = one.ctl_json("alarm", "list")
    assert shown[0]["acked"]["reason"] == "老李去看了" and "(" in shown[0]["acked"]["by"]
    so_far = len(told(one))
    wait_until(lambda: alarm(one, "store-settings", "redis")["count"] > 1 or True, 1)
    log = one.log("publisherd")
    assert "alarm ack store-settings redis" in log, "who did it is in the log"
    drift(one, "always")
    wait_until(lambda: told(one)[-1] == "closed store-settings redis ", 20, "its end is told")
    assert len(told(one)) <= so_far + 2, "at most one repetition was on its way"


def test_it_closes_while_the_ledger_is_down(town):
    one = town("command = SCRIPT")
    one.start_ledgerd()
    drift(one, "everysec")
    wait_until(lambda: len(told(one)) == 1, 20, "it is told")
    remembered(one)
    one.kill("ledgerd", signal.SIGKILL)
    drift(one, "always")
    wait_until(lambda: alarm(one, "store-settings", "redis") is None, 20, "it closes")
    one.start_ledgerd()
    wait_until(lambda: told(one)[1:] == ["closed store-settings redis "], 20, "its end is told after the start")


def test_a_channel_shows_it_and_no_other_does(county):
    one = county(config="[alarms]\nchannel = duty\nrepeat = 1h")
    one.channel("portal", driver="discard", carrier="政府网站")
    one.channel("duty", driver="discard")
    one.start_all(["portal", "duty"])
    one.start_ledgerd()
    drift(one, "everysec")
    wait_until(lambda: alarm(one, "store-settings", "redis"), 20, "it opens")
    # While the store is not fit nothing is accepted, and so no alarm goes by a channel: it is tried on.
    drift(one, "always")
    wait_until(lambda: files(one) == [], 20, "it closes")
    one.redis().hset("{530581}:meta", "seen", 0)
    one.emitter("oa", sources="urn:gongkai:530581:oa", may_urgent="yes")
    one.ctl("key", "list")
    one.processes["publisherd"].send_signal(signal.SIGHUP)
    one.ask(publish("doc-1", body="绝密★一年", urgent=True))
    wait_until(lambda: alarm(one, "held-urgent", "530581"), 20, "it opens")

    def document():
        rows = one.ctl_json("document", "list")
        return next((row["document"] for row in rows if row["document"].startswith("alarm-held-urgent-")), None)
    name = wait_until(document, 30, "it is a document")
    one.shown(name, "duty", revision=1)
    shown = one.ctl_json("document", "show", name)
    assert [c["channel"] for c in shown["channels"]] == ["duty"] and shown["owner"] == "urn:gongkai:530581:gongkai"
    held = one.ctl_json("held", "list")[0]["event"]
    one.ctl("held", "reject", held, "--reason", "不该公开")
    one.shown(name, "duty", revision=2)


def test_a_program_that_fails_is_an_alarm_itself(town):
    one = town("command = SCRIPT")
    one.script.write_text("#!/bin/sh\nexit 3\n")
    one.start_ledgerd()
    drift(one, "everysec")
    failed = wait_until(lambda: alarm(one, "alarm-command", "command"), 20, "it is an alarm")
    assert "3" in failed["sentence"] and "alarm-command" in one.ctl("alarm", "list")


def test_the_receiver_of_alarms_changes_by_a_reload(town):
    one = town()
    one.start_ledgerd()
    drift(one, "everysec")
    wait_until(lambda: alarm(one, "store-settings", "redis"), 20, "it opens")
    one.conf.write_text(one.conf.read_text() + f"[alarms]\ncommand = {one.script}\n"
                        if "[alarms]" not in one.conf.read_text() else
                        one.conf.read_text().replace("[alarms]\n", f"[alarms]\ncommand = {one.script}\n"))
    one.processes["ledgerd"].send_signal(signal.SIGHUP)
    wait_until(lambda: told(one) == ["opened store-settings redis "], 20, "what is open is told")
