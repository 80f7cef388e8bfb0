"""What publisherd tells the channels of a commit, and what a channel makes of what it is told."""
import json
import re
import struct

import pytest
import zmq

from county import publish, wait_until

REGION = b"530581"


def pack(*events):
    """A parcel of (name, bytes), as core/parcel.h says."""
    return b"gkp1" + b"".join(struct.pack(">II", len(name), len(body)) + name + b"\0" + body + b"\0"
                              for name, body in events)


def unpack(parcel):
    assert parcel[:4] == b"gkp1"
    at, events = 4, []
    while at < len(parcel):
        n_name, n_bytes = struct.unpack_from(">II", parcel, at)
        name, body = parcel[at + 8:at + 8 + n_name], parcel[at + 9 + n_name:at + 9 + n_name + n_bytes]
        at += 10 + n_name + n_bytes
        assert parcel[at - 1] == 0 and parcel[at - 2 - n_bytes] == 0
        events.append((name.decode(), body))
    return events


@pytest.fixture
def sockets():
    opened = []

    def make(kind):
        opened.append(zmq.Context.instance().socket(kind))
        return opened[-1]
    yield make
    for one in opened:
        one.close(0)


def drain(listener):
    """Until nothing came for a moment: what was nudged before stands ahead of what comes now."""
    while listener.poll(300):
        listener.recv_multipart()


def name_of(event):
    return f"{event['source']} {event['id']}"


def test_a_batch_is_one_message_to_each_channel_that_gets_the_same_of_it(county, sockets):
    one = county()
    one.channel("bag", driver="discard", carrier="政府网站")
    one.channel("bin", driver="discard", carrier="政府网站")
    one.channel("box", driver="discard")
    one.start_all()
    listener = sockets(zmq.SUB)
    listener.connect(f"ipc://{one.folder}/run/events")
    for channel in (b"bag\0", b"bin\0", b"box\0"):
        listener.subscribe(channel)

    def heard():
        one.ask(publish("doc-0", channels=["box"]))
        return listener.poll(200)
    wait_until(heard, what="the listener is known")
    drain(listener)

    large = publish("doc-5", body="长" * 30000)
    events = [publish("doc-1"), publish("doc-2", channels=["box"]), publish("doc-3"), publish("doc-4"), large]
    assert [reply["status"] for reply in one.ask(events)] == ["accepted"] * 5
    told = {}
    for _ in range(5):
        assert listener.poll(5000)
        topic, region, parcel = listener.recv_multipart()
        assert region == REGION
        told.setdefault(topic, []).append(unpack(parcel))
    drain(listener)
    names = [name_of(event) for event in events]
    wanted = [[names[0], names[2], names[3], names[4]], [names[1]]]
    assert {topic: [[name for name, _ in parcel] for parcel in parcels] for topic, parcels in told.items()} == \
        {b"bag\0": wanted, b"bin\0": wanted, b"box\0": wanted[1:]}
    first = dict(told[b"bin\0"][0])
    assert json.loads(first[names[2]])["data"]["document"] == "doc-3"
    assert first[names[4]] == b"", "an event of more than 64 KiB goes without its bytes"


def test_a_large_batch_is_told_in_several_parcels(county, sockets):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    listener = sockets(zmq.SUB)
    listener.connect(f"ipc://{one.folder}/run/events")
    listener.subscribe(b"bin\0")
    wait_until(lambda: one.ask(publish("doc-0")) and listener.poll(200), what="the listener is known")
    drain(listener)
    events = [publish(f"doc-{i}", body="长" * 15000) for i in range(20)]
    one.ask(events)
    seen, sizes = [], []
    while len(seen) < 20:
        assert listener.poll(5000)
        _, _, parcel = listener.recv_multipart()
        sizes.append(len(parcel))
        seen += [name for name, body in unpack(parcel) if body]
    assert seen == [name_of(event) for event in events]
    assert len(sizes) > 2 and max(sizes) <= 320 << 10, sizes


# What a publisherd of another age may send, or one that is broken.
SHAPES = {
    "a good one": lambda name, body: [REGION, pack((name, body))],
    "very many events": lambda name, body: [REGION, pack(*[(b"%d" % i, b"{}") for i in range(3000)])],
    "the earlier form": lambda name, body: [REGION, name, body],
    "nothing in it": lambda name, body: [REGION, b""],
    "cut off": lambda name, body: [REGION, pack((name, body))[:-1]],
    "a length that lies": lambda name, body: [REGION, b"gkp1" + b"\xff" * 8 + name + b"\0" + body + b"\0"],
    "a later form": lambda name, body: [REGION, b"gkp2" + pack((name, body))[4:]],
    "half a message": lambda name, body: [REGION],
    "another region": lambda name, body: [b"5305", pack((name, body))],
    "the topic alone": lambda name, body: [],
    "too many frames": lambda name, body: [REGION, pack((name, body)), b"x", b"y" * 100000],
}


def test_a_channel_looks_whatever_it_was_told(county, sockets):
    """It has its nudges from somebody else here, so nobody but this test tells it of anything."""
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    teller = sockets(zmq.XPUB)
    teller.bind(f"ipc://{one.folder}/run/other")
    one.conf.write_text(re.sub(r"events = .*", f"events = ipc://{one.folder}/run/other", one.conf.read_text()))
    one.start_channel("bin")
    assert teller.poll(10000) and teller.recv() == b"\1bin\0"
    one.ask(publish("doc-0"))
    one.shown("doc-0", "bin", timeout=10)
    for number, (story, shape) in enumerate(SHAPES.items(), 1):
        event = publish(f"doc-{number}")
        assert one.ask(event)["status"] == "accepted"
        body = json.dumps(event, ensure_ascii=False).encode()
        teller.send_multipart([b"bin\0", *shape(name_of(event).encode(), body)])
        try:
            one.shown(f"doc-{number}", "bin", timeout=10)
        except AssertionError:
            raise AssertionError(f"{story}: nobody looked")
    assert one.processes["channeld-bin"].poll() is None
