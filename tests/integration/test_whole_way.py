"""The whole way: from a county system on another host, with a key, to pages that citizens see."""
import functools
import http.server
import json
import socket
import subprocess
import sys
import threading

import pytest

from county import PROGRAMS, TREE, County, wait_until
from elsewhere import Elsewhere

sys.path.insert(0, str(TREE / "demo"))
import check_pages  # noqa: E402

REGIONS = ("530000 云南省", "530626 绥江县", "530581 腾冲市", "532301 楚雄市", "532325 姚安县", "532502 开远市", "532504 弥勒市")


@pytest.fixture
def elsewhere():
    made = Elsewhere()
    yield made
    made.close()


@pytest.fixture
def web(tmp_path):
    class Files(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def free_port(address):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def test_the_plan_a_revision_and_a_withdrawal_from_another_host(county, elsewhere, web):
    folder, address = web
    door = f"tcp://{elsewhere.here}:{free_port(elsewhere.here)}"
    one = county(regions=REGIONS)
    text = one.conf.read_text().replace("[publisherd]\nlisten = ", f"[publisherd]\nlisten = {door}, ")
    one.conf.write_text(text + "\n[curve]\nsecret_file = server.key\n")
    one.ctl("key", "new", "--server")
    one.ctl("key", "new", "office", "--source", "urn:gongkai:*", "--out", one.folder / "office.key")
    one.channel("portal", driver="site", carrier="政府网站", title="示例网站", root=folder / "portal", address=f"{address}/portal")
    one.channel("hall", driver="display", carrier="社区/企事业单位/村公示栏（电子屏）", title="公示屏", root=folder / "display",
                displays="hall", after="portal")
    one.start_all(["portal", "hall"])

    def emit(path):
        event = json.loads(path.read_text())
        command = [PROGRAMS / "gongkai-emit", "--door", door, "--server-key", one.folder / "server.key", "--key",
                   one.folder / "office.key"]
        for attachment in event["data"].get("attachments", []):
            command += ["--attach", TREE / "demo" / "attachments" / attachment["name"]]
        run = elsewhere.run(*command, path)
        assert run.returncode == 0, run.stdout + run.stderr
        assert json.loads(run.stdout)["status"] == "accepted", run.stdout
        return event

    def show(event):
        region = event["source"].split(":")[2]
        return one.ctl_json("document", "show", event["data"]["document"], "--region", region)

    def settled(event, state):
        def done():
            channels = show(event)["channels"]
            return channels and all(c["state"] == state and c.get("revision") == event["data"]["revision"] for c in channels)
        return done

    events = TREE / "demo" / "events"
    sent, last = [], {}
    for name in ("00-plan", "02-suijiang-wenhua", "03-tengchong-shuishou", "01-suijiang-guihua", "20-revise-suijiang-wenhua",
                 "21-withdraw-tengchong-shuishou"):
        event = emit(events / f"{name}.json")
        sent.append(event)
        last[event["source"].split(":")[2], event["data"]["document"]] = event
        state = "withdrawn" if "withdraw" in event["type"] else "published"
        wait_until(settled(event, state), 40, f"{name} is {state} on every channel")
    shown = {key: show(event) for key, event in last.items()}
    problems = check_pages.check(f"{address}/portal", f"{address}/display/hall/", sent, last, shown, TREE / "demo")
    assert problems == []

    # gongkaictl shows their way.
    history = one.ctl_json("document", "history", "wl-gg-2026-023", "--region", "530626")
    states = [(row["state"], row["revision"]) for row in history if row.get("channel", "portal") == "portal"]
    assert states == [("accepted", "1"), ("published", "1"), ("accepted", "2"), ("published", "2")]
    history = one.ctl_json("document", "history", "腾税罚〔2026〕18号", "--region", "530581")
    assert {row["channel"] for row in history if row["state"] == "withdrawn"} <= {"portal", "hall"}

    # The same key from the same host may not be used by a system that it was not made for, nor none at all.
    run = elsewhere.run(PROGRAMS / "gongkai-emit", "--door", door, "--try-for", "3s", "--timeout", "1s", events / "00-plan.json")
    assert run.returncode == 2, run.stdout + run.stderr


def test_the_demo_checks_itself_and_leaves_only_its_folder(tmp_path):
    run = subprocess.run([sys.executable, TREE / "demo" / "run.py", "--once", "--folder", tmp_path / "county", "--programs",
                          PROGRAMS], capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "0 处不对" in run.stdout
    for log in (tmp_path / "county" / "log").iterdir():
        text = log.read_text(errors="replace")
        assert "Sanitizer" not in text and "runtime error" not in text, text[-4000:]
    left = subprocess.run(["pgrep", "-f", str(tmp_path / "county")], capture_output=True, text=True, check=False)
    assert left.stdout == ""
