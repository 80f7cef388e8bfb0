"""The door: every status, in order, whatever comes in."""
import json

import pytest

from county import attachment, now, publish, query, withdraw


@pytest.fixture
def open_county(county):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站, 社区/企事业单位/村公示栏（电子屏）")
    return one.start_all(["bin"])


def test_a_notice_is_accepted_shown_and_known_again(open_county):
    event = publish()
    reply = open_county.ask(event)
    assert reply["status"] == "accepted"
    assert (reply["source"], reply["id"]) == (event["source"], event["id"])
    assert (reply["document"], reply["revision"], reply["channels"]) == ("doc-1", 1, ["bin"])
    assert reply["warnings"] == [] and reply["due"] is None
    again = open_county.ask(event)
    assert (again["status"], again["event"]) == ("duplicate", reply["event"])
    assert open_county.shown("doc-1", "bin")["revision"] == 1
