"""The clients of docs/protocol.md, run as they stand there: door down, deaf, busy, up."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

from county import query, wait_until
from fake_door import FakeDoor

TREE = pathlib.Path(__file__).resolve().parents[2]
ZEROMQ = "zeromq@6.8.0"
EXAMPLES = ["emit.py", "emit.mjs"]


def example(name):
    text = (TREE / "docs/protocol.md").read_text()
    found = re.findall(rf"^```\w+\n((?:#|//) example: {re.escape(name)}\n.*?)^```$", text, re.M | re.S)
    assert len(found) == 1, f"docs/protocol.md has {len(found)} examples {name}"
    return found[0]


def node_modules():
    """Where the npm package is; installed once, without running any script of its own."""
    folder = TREE / "build/node"
    if not (folder / "node_modules/zeromq").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        run = subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", ZEROMQ], cwd=folder,
                             capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
    return folder / "node_modules"


class Client:
    """One of the examples with a record of its own, in a folder of its own."""

    def __init__(self, folder, name, record, endpoint):
        self.folder, self.record = folder, record
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(example(name))
        (folder / "record.json").write_text(json.dumps(record, ensure_ascii=False))
        if name.endswith(".mjs"):
            if not (folder / "node_modules").exists():
                (folder / "node_modules").symlink_to(node_modules())
            command = ["node"]
        else:
            command = [sys.executable]
        self.began = time.monotonic()
        self.process = subprocess.Popen([*command, name, "record.json"], cwd=folder, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env={**os.environ, "GONGKAI_DOOR": endpoint})

    def end(self):
        out, err = self.process.communicate(timeout=40)
        assert self.process.returncode == 0, err
        return json.loads(out)


def record_of(key):
    return {"key": key, "version": 1, "changed": "2026-11-24T09:00:00+08:00", "item": "aqsc.0402",
            "title": f"关于{key}的通告", "text": f"第一条 {key}。", "organ": "腾冲市人民政府办公室"}


def test_each_example_is_published_once_through_all_that_can_happen_at_the_door(county, tmp_path):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站, 社区/企事业单位/村公示栏（电子屏）")
    names = EXAMPLES
    keys = {name: f"oa-{number}" for number, name in enumerate(names)}
    clients = {name: Client(tmp_path / name, name, record_of(key), one.endpoint) for name, key in keys.items()}

    # Down: nobody listens, and nobody gives up. Deaf: it is read and never answered, as by a daemon
    # that dies there. Then busy.
    with FakeDoor(one.endpoint, rule=lambda event, nth: "ignore" if nth == 1 else
                  {"status": "busy", "retry_after_ms": 500}) as door:
        door.open()
        wait_until(lambda: len(door.seen) == len(names) and min(door.seen.values()) >= 2, 40, "all have come again")
    for name, key in keys.items():
        mine = [(peer, frames, at) for peer, frames, at in door.messages if key in frames[0].decode()]
        (peer, first, _), (other, second, later) = mine[:2]
        assert second == first, "the same bytes"
        assert other != peer, "a new socket"
        # It counts from its sending, which cannot be before its own beginning; on a busy machine the
        # door may have been late to take the first one.
        assert later - clients[name].began > 9.9, "after ten seconds"
    assert all(client.process.poll() is None for client in clients.values())

    # Up.
    one.start_all(["bin"])
    events = {}
    for name, client in clients.items():
        reply = client.end()
        assert (reply["status"], reply["id"], reply["document"]) == ("accepted", keys[name] + "-r1", keys[name])
        events[name] = reply["event"]
    for name, key in keys.items():
        one.shown(key, "bin", revision=1)
        again = Client(tmp_path / name, name, record_of(key), one.endpoint).end()
        assert (again["status"], again["event"]) == ("duplicate", events[name])
        assert one.ask(query(key))["channels"][0]["revision"] == 1
        assert one.log("channeld-bin").count(f"bin 530581/{key} ") == 1, one.log("channeld-bin")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_says_by_its_exit_code_that_an_event_was_refused(county, tmp_path, name):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    client = Client(tmp_path / "one", name, {**record_of("oa-9"), "item": "none.such"}, one.endpoint)
    out, _ = client.process.communicate(timeout=40)
    assert client.process.returncode == 1 and json.loads(out)["errors"][0]["code"] == "unknown_item"


def test_every_code_that_the_door_can_say_is_explained():
    sources = [*(TREE / "core").glob("event_*.c"), *(TREE / "daemons/publisherd").glob("*.c")]
    code = "".join(path.read_text() for path in sources if not path.name.endswith("_test.c"))
    codes = set(re.findall(r'"([a-z_]+)",\s*(?:or_date|choices\[1\]|near && \*near)?[^"]{0,12}MESSAGE_(?:EVENT|HELD|QUERY|GATE)_', code))
    codes |= set(re.findall(r'return "([a-z_]+)";', (TREE / "core/event_report.c").read_text()))
    codes |= set(re.findall(r'\[PERSONAL_[A-Z]+\] = "([a-z_]+)"', (TREE / "core/personal.c").read_text()))
    assert {"required", "too_old", "unknown_item", "secrecy_mark", "no_channel", "too_deep", "bank_card", "gate_exempt"} <= codes
    text = (TREE / "docs/protocol.md").read_text()
    assert sorted(one for one in codes if f"`{one}`" not in text) == []
