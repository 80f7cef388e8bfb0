"""promtool (Debian's prometheus) on the alert rules, and on what /metrics says of a real county."""
import pathlib
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "integration"))

from conftest import county  # noqa: E402, F401
from consolekit import make  # noqa: E402
from county import publish  # noqa: E402
from ledgerkit import caught_up  # noqa: E402

RULES = TREE / "conf" / "prometheus"


def promtool(*arguments, text=None, folder=RULES):
    run = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, cwd=folder)
    return run.returncode, run.stdout + run.stderr


def test_the_rules_are_rules():
    assert promtool("check", "rules", "gongkai.rules.yml")[0] == 0


def test_the_rules_fire_when_they_should_and_only_then():
    code, said = promtool("test", "rules", "gongkai.rules.test.yml")
    assert code == 0, said


def test_a_slip_in_a_rule_would_be_seen(tmp_path):
    for name in ("gongkai.rules.yml", "gongkai.rules.test.yml"):
        (tmp_path / name).write_text((RULES / name).read_text().replace("gongkai_store_up == 0", "gongkai_store_up == 1"))
    assert promtool("test", "rules", "gongkai.rules.test.yml", folder=tmp_path)[0] != 0


def test_promtool_finds_nothing_wrong_with_the_metrics(county):  # noqa: F811
    one = make(county)
    one.channel("portal", driver="discard", carrier="政府网站")
    one.start_all(["portal"])
    one.start_ledgerd()
    one.console.start()
    one.ask(publish("doc-1"))
    one.shown("doc-1", "portal")
    caught_up(one)
    one.console.shows("/metrics", "gongkai_door_events", "gongkai_store_durable", "gongkai_publish_latency_seconds_count")
    # It reads the older text format: there, a counter's family has the name of its samples.
    lines = []
    for line in one.console.page("/metrics").splitlines():
        if line.startswith("# UNIT") or line == "# EOF":
            continue
        lines.append(line)
    counters = {line.split()[2] for line in lines if line.startswith("# TYPE") and line.endswith(" counter")}
    infos = {line.split()[2] for line in lines if line.startswith("# TYPE") and line.endswith(" info")}
    for i, line in enumerate(lines):
        if line.startswith("# ") and line.split()[2] in counters | infos:
            name = line.split()[2]
            lines[i] = line.replace(name, name + ("_total" if name in counters else "_info"), 1).replace(" info", " gauge")
    code, said = promtool("check", "metrics", text="\n".join(lines) + "\n")
    assert code == 0, said
