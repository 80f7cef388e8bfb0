"""How much memory the daemons take: with nothing to do, and in a flood while Redis stands still.

Release programs: a sanitizer's memory is no measure. Nothing here is timed."""
import json
import os
import pathlib
import signal
import socket
import subprocess

import pytest

import county as stories
from county import publish, wait_until

MIB = 1024  # the kernel counts in KiB
IDLE_MOST, FLOODED_MOST = 24 * MIB, 64 * MIB
FROZEN_SECONDS = float(os.environ.get("GONGKAI_FROZEN_SECONDS", "30"))
EVENTS = int(os.environ.get("GONGKAI_FLOOD", "100000"))
RELEASE = stories.TREE / "build" / "release"


@pytest.fixture(autouse=True)
def release(monkeypatch):
    assert (RELEASE / "gongkai-publisherd").exists(), "make all builds what is measured here"
    monkeypatch.setattr(stories, "PROGRAMS", RELEASE)


def memory(process, what="VmRSS"):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1])
    raise AssertionError(f"{what} of {process.pid} is unknown")


def channels_of_every_driver(one):
    """The shipped examples, one for each driver, and the one that is for tests."""
    one.channel("discard", driver="discard", carrier="政府网站")
    names = ["discard"]
    for example in sorted((stories.TREE / "conf" / "channels.d").glob("*.conf.example")):
        lines = [line.split("=", 1) for line in example.read_text().splitlines() if "=" in line and line[0] != "#"]
        options = {key.strip(): value.strip() for key, value in lines} | {"carrier": "政府网站"}
        options.pop("after", None)
        if "root" in options:
            options["root"] = one.folder / example.name
        if "secret_file" in options:
            secret = one.folder / options["secret_file"]
            secret.write_text("hmac_key = 0123456789abcdef\n")
            secret.chmod(0o600)
            options["secret_file"] = secret
        names.append(example.name.split(".")[0])
        one.channel(names[-1], **options)
    assert len(names) >= 3
    return names


def test_every_daemon_with_nothing_to_do_is_small(county):
    one = county()
    names = channels_of_every_driver(one)
    one.start_all(names)
    one.ask(publish())
    one.shown("doc-1", "discard")
    sizes = {name: (memory(process), memory(process, "VmHWM"))
             for name, process in one.processes.items() if name != "redis"}
    assert len(sizes) == len(names) + 1
    assert all(now < IDLE_MOST and most < IDLE_MOST for now, most in sizes.values()), f"KiB now and at most: {sizes}"


def test_publisherd_stays_small_in_a_flood_while_redis_stands_still(county):
    one = county()
    one.channel("first", driver="discard", carrier="政府网站", timeout="1s")
    one.start_all()  # nobody takes from the queue: all of it lies there
    publisherd = one.processes["publisherd"]
    flood = subprocess.Popen([RELEASE / "tests" / "bench" / "flood", "--door", one.endpoint, "--events", str(EVENTS),
                              "--emitters", "4", "--window", "256", "--bytes", "2048", "--resend"],
                             stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: one.redis().xlen("{530581}:log") > 50, 20, "the flood is on")
        redis = one.processes["redis"]
        redis.send_signal(signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            flood.wait(FROZEN_SECONDS)
        frozen = memory(publisherd)
        redis.send_signal(signal.SIGCONT)
        said, _ = flood.communicate(timeout=120)
    finally:
        flood.kill()
        flood.wait()
    counts = json.loads(said)
    assert counts["accepted"] + counts["duplicate"] == EVENTS, counts
    assert counts["busy"] > 0, f"the emitters did not notice that Redis stood still: {counts}"
    assert one.redis().zcard("{530581}:due:first") == EVENTS
    most = memory(publisherd, "VmHWM")
    assert most < FLOODED_MOST, f"KiB at most: {most}, while Redis stood still: {frozen}"


def test_a_daemon_with_nothing_to_do_does_nothing(county, tmp_path):
    """systemd is told of the state once a second: as often as that, the daemons wake up."""
    one = county()
    one.channel("first", driver="discard", carrier="政府网站", timeout="1s")
    said = {}
    one.start_redis()
    for name, start in (("publisherd", one.start_publisherd), ("first", lambda env: one.start_channel("first", env=env))):
        said[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        said[name].bind(str(tmp_path / name))
        said[name].setblocking(False)
        start(env={"NOTIFY_SOCKET": str(tmp_path / name)})
    one.ready()
    counts = dict.fromkeys(said, 0)

    def hear():
        for name, listener in said.items():
            try:
                while listener.recv(4096):
                    counts[name] += 1
            except BlockingIOError:
                continue
        return min(counts.values()) > 3
    try:
        wait_until(hear, 20, "the daemons tell their state")
        assert max(counts.values()) < 15, f"a few seconds, so many words: {counts}"
    finally:
        for listener in said.values():
            listener.close()
