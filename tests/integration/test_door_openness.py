"""What is not for all stays off every channel, whatever comes before or behind it."""
import pytest

from county import now, query, withdraw
from county import publish as event_of
from knock import County, control


def publish(document, **more):
    """A notice whose content no other document has."""
    more.setdefault("title", f"关于 {document} 的通告")
    return event_of(document, **more)


@pytest.fixture(scope="module")
def town():
    one = County()
    one.channel("bin", driver="discard", carrier="政府网站, 社区/企事业单位/村公示栏（电子屏）")
    one.start_all()
    yield one
    one.close()


@pytest.mark.parametrize("more", [{"openness": "on-request"}, {"openness": "closed"},
                                  {"audience": {"groups": ["纳税人"]}}])
def test_what_is_not_for_all_goes_to_no_channel(town, more):
    document = f"open-{sorted(more.items())}"
    reply = town.ask(publish(document, channels=["bin"], **more))
    assert (reply["status"], reply["channels"]) == ("accepted", [])
    assert [w["code"] for w in reply["warnings"]] == ["not_fanned_out"]
    assert not town.redis().zscore("{530581}:due:bin", document)
    assert town.ask(query(document))["state"] == "kept"


@pytest.mark.parametrize("more", [{"openness": "closed"}, {"audience": {"groups": ["纳税人"]}}])
def test_what_channels_have_cannot_become_something_that_is_not_for_all(town, more):
    document = f"shut-{sorted(more)}"
    path = "/data/audience" if "audience" in more else "/data/openness"
    assert town.ask(publish(document))["channels"] == ["bin"]
    for trial in ({"attributes": {"gkdryrun": True}}, {}):
        reply = town.ask(publish(document, title="不公开的", **more, **trial))
        assert [(e["path"], e["code"]) for e in reply["errors"]] == [(path, "openness")]
    assert town.ask(query(document))["revision"] == 1
    town.ask(withdraw(document, time=now(seconds=1)))
    reply = town.ask(publish(document, title="不公开的", time=now(seconds=2), **more))
    assert reply["status"] == "rejected", "a channel may not have taken it down yet"
    # In one message too, where nothing is stored when the second is looked at.
    reply = town.ask([publish(document + "-2"), publish(document + "-2", title="不公开的", **more)])
    assert [r["status"] for r in reply] == ["accepted", "rejected"]


def test_what_was_not_for_all_can_become_so(town):
    """No channel ever shows the first, whatever comes behind it."""
    reply = town.ask(publish("opens-1", openness="closed", publish_at=now(hours=1)))
    assert (reply["status"], reply["channels"]) == ("accepted", [])
    assert town.ask(publish("opens-1", title="将要公开", publish_at=now(hours=2)))["channels"] == ["bin"]
    known = town.ask(query("opens-1"))
    assert (known["revision"], [c["state"] for c in known["channels"]]) == (2, ["embargoed"])
    assert town.redis().zscore("{530581}:due:bin", "opens-1") > 1e12, "due when the embargo ends, and not now"
    assert town.ask(publish("opens-1", title="公开"))["revision"] == 3
    assert town.redis().zscore("{530581}:due:bin", "opens-1") < 1e12, "due now"


def test_what_is_held_cannot_become_hidden_by_its_release(town):
    held = town.ask(publish("hidden-1", title="机密★", openness="closed", revision=5))
    assert held["status"] == "held"
    assert town.ask(publish("hidden-1", title="公开的", revision=4))["channels"] == ["bin"]
    answer = control(town, do="held.release", event=held["event"], reason="已核对")
    assert answer["ok"] is False
    assert town.ask(query("hidden-1"))["revision"] == 4


def test_what_is_for_groups_goes_to_those_on_a_list_and_to_nobody_else():
    one = County()
    (one.folder / "people.csv").write_text("号码,分组\n19900000001,纳税人\n")
    (one.folder / "sms.key").write_text("secret_key = x\nhmac_key = 0123456789abcdef0123456789abcdef\n")
    (one.folder / "sms.key").chmod(0o600)
    one.channel("bin", driver="discard", carrier="政府网站")
    one.channel("sms", driver="mas", carrier="短信", url="http://127.0.0.1:9", secret_file="sms.key", ec_name="腾冲市", ap_id="a",
                sign="s", signature="腾冲市政府", recipients="people.csv")
    try:
        one.start_all()
        reply = one.ask(publish("groups-1", channels=["bin", "sms"], audience={"groups": ["纳税人"]}))
        assert (reply["status"], reply["channels"]) == ("accepted", ["sms"])
        assert [w["code"] for w in reply["warnings"]] == ["groups_only"]
        assert sorted(one.ask(publish("groups-2", channels=["bin", "sms"]))["channels"]) == ["bin", "sms"]
    finally:
        one.close()
