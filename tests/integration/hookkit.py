"""A county whose one channel is a receiver that the test plays, and what can be seen of it."""
import pathlib
import sys

import pytest

from county import publish, query

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from sink import Sink  # noqa: E402

QUICK = {"timeout": "1s", "retry": "50ms, 100ms, 200ms*100", "breaker": "0"}
KEY = "530581/doc-1/1/media"


@pytest.fixture
def sink():
    made = Sink()
    yield made
    made.close()
    assert made.broken == []


@pytest.fixture
def media(county, sink):
    """A county whose one channel is the sink."""
    def make(start=True, **settings):
        one = county()
        one.channel("media", **{"driver": "webhook", "url": sink.url, "carrier": "政府网站, 广播, 电视",
                                **QUICK, **settings})
        return one.start_all(["media"] if start else [])
    return make


def asked(sink, **settings):
    """The settings of a channel whose receiver can be asked."""
    return {"lookup_url": f"{sink.url}?key={{key}}", "late_effect": "2s", **settings}


def state_of(county, document="doc-1", channel="media"):
    return next((c for c in county.ask(query(document)).get("channels", []) if c["channel"] == channel), None)


def records(county, document="doc-1"):
    """What the log says of a document: (state, code, extra) in order."""
    found = []
    for _, entry in county.redis().xrange("{530581}:log"):
        for line in entry[b"r"].decode().split("\n"):
            fields = line.split("\t")
            if fields[1] == document and fields[5]:
                found.append((fields[0], fields[7], fields[11]))
    return found


def states(county, document="doc-1"):
    return [state for state, _, _ in records(county, document)]


def emit(county, n, first=0, **more):
    door = county.door()
    for i in range(first, first + n):
        door.send(publish(f"doc-{i}", title=f"第{i}件", **more))
    for _ in range(n):
        assert door.receive()["status"] == "accepted"
    door.close()


def is_quiet(county, channel="media"):
    """Nothing is due any more: what has not been sent by now will not be."""
    return county.redis().zcard(f"{{530581}}:due:{channel}") == 0
