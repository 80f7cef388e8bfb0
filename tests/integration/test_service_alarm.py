"""What systemd tells of a service that has ended is an alarm, and closes by itself."""
import datetime
import json
import os
import subprocess
import time

import pytest

from county import PROGRAMS, wait_until

UNIT = "gongkai-channeld@portal"


def ended(one, result, unit=f"{UNIT}.service", **environment):
    """As ExecStopPost= runs it."""
    run = subprocess.run([PROGRAMS / "gongkaictl", "--config", one.conf, "alarm", "service", unit], capture_output=True, text=True,
                         env={**os.environ, "LC_ALL": "zh_CN.UTF-8", "SERVICE_RESULT": result, **environment})
    assert run.returncode == 0, run.stderr
    return run.stderr


def path(one):
    folder = one.folder / "state" / "alarms"
    return next(folder.glob("service-failed--*portal*.json"), folder / "none")


@pytest.mark.parametrize("result, environment, sentence", [
    ("watchdog", {"EXIT_CODE": "killed", "EXIT_STATUS": "ABRT"}, "没有反应，被看门狗结束"),
    ("signal", {"EXIT_CODE": "killed", "EXIT_STATUS": "KILL"}, "被信号 KILL 结束"),
    ("exit-code", {"EXIT_CODE": "exited", "EXIT_STATUS": "1"}, "自己退出，退出码 1"),
    ("timeout", {}, "启动或停止超时"),
    ("resources", {}, "systemd 记为 resources"),
])
def test_each_bad_end_says_how_and_only_what_ended_by_itself_is_held_back(county, result, environment, sentence):
    one = county()
    began = time.monotonic()
    assert sentence in ended(one, result, **environment)
    assert (time.monotonic() - began >= 1) == (result == "exit-code")
    alarm = one.ctl_json("alarm", "list")[0]
    assert (alarm["code"], alarm["subject"]) == ("service-failed", UNIT) and sentence in alarm["sentence"]


def test_it_is_counted_and_a_clean_end_closes_it(county):
    one = county()
    ended(one, "signal", EXIT_STATUS="SEGV")
    assert ended(one, "signal", EXIT_STATUS="SEGV") == ""  # open already: the journal has heard of it
    assert json.loads(path(one).read_text())["count"] == 2
    ended(one, "success", unit="gongkai-redis.service")  # another's
    assert path(one).exists()
    ended(one, "success")
    assert not path(one).exists()


def test_a_configuration_that_no_service_starts_with_is_no_hindrance(county):
    one = county()
    one.conf.write_text(one.conf.read_text() + "\n[nonsense]\nregions\n= x\n")
    ended(one, "exit-code", EXIT_STATUS="1")
    assert path(one).exists()


def test_after_ten_quiet_minutes_it_is_closed_and_opens_anew(county):
    one = county()
    one.start_all()
    one.start_ledgerd()
    for _ in range(2):  # the second time too: others raise it
        ended(one, "signal", EXIT_STATUS="KILL")
        alarm = json.loads(path(one).read_text())
        before = datetime.datetime.fromisoformat(alarm["last"]) - datetime.timedelta(minutes=9)
        path(one).write_text(json.dumps({**alarm, "last": before.isoformat()}))
        one.ctl("alarm", "ack", "service-failed")  # something for ledgerd to look at
        assert path(one).exists()
        alarm["last"] = (before - datetime.timedelta(minutes=2)).isoformat()
        path(one).write_text(json.dumps(alarm))
        wait_until(lambda: not path(one).exists(), 20, "it is closed")
