"""/metrics of a real county, read strictly; the alert rules and the dashboard name nothing that is not there."""
import json
import re

import pytest

from consolekit import make, read_metrics, value
from county import TREE, publish, wait_until
from ledgerkit import caught_up

RULES = TREE / "conf" / "prometheus" / "gongkai.rules.yml"
DASHBOARD = TREE / "conf" / "grafana" / "gongkai.json"


@pytest.fixture
def busy_county(county):
    one = make(county)
    one.channel("portal", driver="discard", carrier="政府网站", quota="100/day")
    one.channel("hook", driver="webhook", carrier="政府网站", url="http://127.0.0.1:9/x", retry="0, 50ms", breaker="0")
    one.channel("late", driver="webhook", carrier="政府网站", url="http://127.0.0.1:9/x", retry="0, 1h*5", breaker="1",
                breaker_probe="1h", breaker_probe_most="1h")
    one.start_redis()
    one.start_publisherd()
    one.start_ledgerd()
    for name in ("portal", "hook", "late"):
        one.start_channel(name)
    one.ready()
    one.console.start()
    return one


def test_the_county_in_figures(busy_county):
    one = busy_county
    for i in range(5):
        one.ask(publish(f"doc-{i}", title=f"第{i}号通告"))
    one.ask(publish("held-1", body="手机13800138000"))
    one.ask(publish("bad-1", item="nix.9"))
    for i in range(5):
        one.shown(f"doc-{i}", "portal")
    one.ctl("channel", "pause", "portal", "--reason", "检修\"\\\n网络")
    caught_up(one)

    def settled():
        found = one.console.metrics()
        return found if value(found, "gongkai_trouble_documents", channel="hook", state="dead") == 5 and \
            value(found, "gongkai_breaker_open", channel="late") == 1 and \
            value(found, "gongkai_channel_paused", channel="portal") == 1 and \
            value(found, "gongkai_console_index_lag_rows") == 0 and \
            value(found, "gongkai_held_events", region="530581") == 1 and \
            value(found, "gongkai_alarms_open", code="dead-letters", severity="error") == 1 else None
    found = wait_until(settled, 40, "the figures")
    reply = one.console.get("/metrics")
    assert reply.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert value(found, "gongkai_events", "_total", outcome="accepted") == 5
    assert value(found, "gongkai_events", "_total", outcome="held") == 1
    assert value(found, "gongkai_door_events", "_total", outcome="rejected") == 1
    assert value(found, "gongkai_deliveries", "_total", channel="portal", outcome="published") == 5
    assert value(found, "gongkai_deliveries", "_total", channel="hook", outcome="dead") == 5
    assert value(found, "gongkai_publish_latency_seconds", "_count", channel="portal") == 5
    assert 0 < value(found, "gongkai_publish_latency_seconds", "_sum", channel="portal") < 60
    assert value(found, "gongkai_publish_latency_seconds", "_bucket", channel="portal", le="60.0") == 5
    assert value(found, "gongkai_quota_left_documents", channel="portal") == 95
    assert value(found, "gongkai_quota_left_documents", channel="hook") is None
    assert value(found, "gongkai_waiting_documents", channel="late") == 5
    assert value(found, "gongkai_oldest_due_seconds", channel="late") > 0
    assert value(found, "gongkai_oldest_due_seconds", channel="portal") == 0
    assert value(found, "gongkai_ledger_lag_records", region="530581") == 0
    assert value(found, "gongkai_store_durable") == 1 and value(found, "gongkai_store_write_ok") == 1
    assert value(found, "gongkai_store_memory_bytes") > 100000
    assert value(found, "gongkai_door_open", region="530581") == 1
    # Bounded: what labels there are, and that no document, event or source is among their values.
    labels = {}
    for family in found.values():
        for _, pairs in family.samples:
            for name, label in pairs:
                labels.setdefault(name, set()).add(label)
    assert set(labels) <= {"channel", "outcome", "state", "region", "code", "severity", "le", "version"}
    assert labels["channel"] == {"portal", "hook", "late"} and labels["region"] == {"530581"}
    assert not any("doc-" in label or "urn:" in label for some in labels.values() for label in some)


def test_a_redis_that_would_lose_documents_is_told(busy_county):
    one = busy_county
    wait_until(lambda: value(one.console.metrics(), "gongkai_store_durable") == 1, what="the store is well")
    one.redis().config_set("appendfsync", "everysec")
    wait_until(lambda: value(one.console.metrics(), "gongkai_store_durable") == 0, what="it is told")
    assert "appendfsync ≠ always" in one.console.page("/")
    one.redis().config_set("appendfsync", "always")
    wait_until(lambda: value(one.console.metrics(), "gongkai_store_durable") == 1, what="it is well again")


def names_in(expression):
    """The metric names of a PromQL expression."""
    return set(re.findall(r"\bgongkai_[a-z0-9_]+\b", expression))


def sample_names(families):
    names = set()
    for family in families.values():
        suffixes = {"gauge": [""], "counter": ["_total"], "info": ["_info"], "histogram": ["_bucket", "_count", "_sum"]}[family.type]
        names |= {family.name + suffix for suffix in suffixes}
    return names


def test_rules_and_dashboard_name_only_what_there_is(busy_county):
    known = sample_names(wait_until(lambda: (lambda found: found if "gongkai_door_events" in found and "gongkai_store_durable" in found else None)(
        busy_county.console.metrics()), what="all families"))
    rules = names_in(RULES.read_text())
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(queries) >= 10 and rules
    assert rules <= known, rules - known
    for query in queries:
        assert names_in(query) and names_in(query) <= known, (query, names_in(query) - known)
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in dashboard["panels"] if "targets" in panel)


def test_the_reader_is_strict():
    good = '# TYPE a counter\n# HELP a b\na_total{x="1"} 1\n# EOF\n'
    assert read_metrics(good)["a"].samples == {("_total", (("x", "1"),)): 1}
    for bad in (good[:-6], good.replace("a_total", "a"), good.replace(' 1\n', ' 1 \n'), good.replace("TYPE a", "TYPE b"), good + "x 1\n",
                good.replace('"1"', '"1'), good.replace("# HELP a b\n", ""), good.replace(" 1\n", " -1\n"), good.replace("# EOF", 'a_total{x="1"} 2\n# EOF'),
                good.replace(' 1\n', ' one\n')):
        with pytest.raises(AssertionError):
            read_metrics(bad)
