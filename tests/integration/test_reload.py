"""`systemctl reload gongkai-channeld@NAME` (SIGHUP): another file, another secret, and nothing lost or doubled."""
import json
import re
import signal

import pytest

from broker import Broker
from county import publish, wait_until
from hookkit import QUICK, emit, is_quiet, media, sink  # noqa: F401
from knock import Notified
from sink import Answer, Gate, Sink

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_YW5vdGhlciBzZWNyZXQgb2Ygb3Vycw=="


def hup(county, name="media"):
    """Sends the signal, and waits until it is decided."""
    label = f"channeld-{name}"
    before = len(re.findall("新配置已生效|新配置没有采用", county.log(label)))
    county.processes[label].send_signal(signal.SIGHUP)

    def decided():
        found = re.findall("新配置已生效|新配置没有采用", county.log(label))
        return found[-1] if len(found) > before else None
    return wait_until(decided, 20, "the reload is decided")


def write(county, url, **settings):
    county.channel("media", driver="webhook", url=url, carrier="政府网站, 广播, 电视", **{**QUICK, **settings})


@pytest.fixture
def second():
    made = Sink()
    yield made
    made.close()
    assert made.broken == []


@pytest.fixture
def systemd():
    made = Notified()
    yield made
    made.close()


def test_another_address_is_used_from_then_on(media, sink, second):
    county = media()
    county.ask(publish("doc-1"))
    county.shown("doc-1", "media")
    write(county, second.url)
    assert hup(county) == "新配置已生效"
    county.ask(publish("doc-2", title="第二件"))
    county.shown("doc-2", "media")
    assert [r.document for r in sink.requests] == ["doc-1"] and [r.document for r in second.requests] == ["doc-2"]


def test_what_is_under_way_ends_as_it_began(media, sink, second):
    county = media()
    gate = Gate(200)
    sink.next(gate)
    county.ask(publish("doc-1"))
    wait_until(lambda: sink.of("doc-1"))
    write(county, second.url, timeout="5s")
    county.processes["channeld-media"].send_signal(signal.SIGHUP)
    wait_until(lambda: "等正在发的 1 件做完就换上" in county.log("channeld-media"))
    county.ask(publish("doc-2", title="第二件"))
    assert "新配置已生效" not in county.log("channeld-media")
    gate.opened.set()
    county.shown("doc-2", "media")
    county.shown("doc-1", "media")
    wait_until(lambda: is_quiet(county))
    assert [r.document for r in sink.requests] == ["doc-1"], "once, and to the old address"
    assert [r.document for r in second.requests] == ["doc-2"], "what began after goes to the new one"


def test_a_flood_of_reloads_loses_and_doubles_nothing(media, sink):
    sink.by_default = Answer(200, wait=0.02)
    county = media()
    n, taken = 200, 0
    for i in range(8):
        emit(county, n // 8, first=i * n // 8)
        write(county, sink.url, timeout=f"{i + 1}s", concurrency=(0, 3)[i % 2])
        taken += hup(county) == "新配置已生效"
    assert taken == 8
    wait_until(lambda: len(sink.shown) == n, 60, "all are shown")
    wait_until(lambda: is_quiet(county), 20)
    assert set(sink.keys.values()) == {1} and len(sink.requests) == n


def test_a_reload_does_not_wait_for_a_long_queue(media, sink, second):
    n = 300
    sink.next(*[Answer(200, wait=0.02 + 0.02 * (i % 7)) for i in range(n)])
    county = media()
    emit(county, n)
    wait_until(lambda: len(sink.requests) > 40)
    write(county, second.url)
    assert hup(county) == "新配置已生效"
    begun = len(sink.requests)
    assert begun < n - 50, "only for what is under way"
    wait_until(lambda: len(sink.shown) + len(second.shown) == n, 60, "all are shown")
    assert len(sink.requests) == begun and len(sink.requests) + len(second.requests) == n


@pytest.mark.parametrize("settings, place", [
    ({"tiemout": "5s"}, "media.conf:7: 不认识的设置“tiemout”，是不是“timeout”"),
    ({"url": "nowhere"}, "media.conf:2: 接收地址“nowhere”"),
    ({"carrier": "政府网战"}, "media.conf:3: "),
    ({"secret_file": "none.key"}, "none.key"),
    ({"driver": "discard", "url": None}, "media.conf:1: driver 从 webhook 改成了 discard，要重新启动才生效"),
    ({"listen": "127.0.0.1:5601"}, "media.conf:7: "),
], ids=["unknown", "address", "carrier", "secret", "driver", "listen"])
def test_a_wrong_file_is_refused_with_its_place_and_the_old_one_stays(media, sink, systemd, settings, place):
    county = media(start=False)
    county.start_channel("media", env=systemd.environment())
    lines = {"driver": "webhook", "url": sink.url, "carrier": "政府网站", **QUICK, **settings}
    county.channel("media", **{key: value for key, value in lines.items() if value})
    assert hup(county) == "新配置没有采用"
    refused = next(line for line in county.log("channeld-media").splitlines() if "新配置没有采用" in line)
    assert place in refused
    wait_until(lambda: place in (systemd.seen("STATUS=") or [""])[-1], 10, "STATUS says it too")
    county.ask(publish("doc-1"))
    county.shown("doc-1", "media")
    write(county, sink.url)
    assert hup(county) == "新配置已生效"
    wait_until(lambda: "没有采用" not in systemd.seen("STATUS=")[-1], 10)
    wait_until(lambda: len(systemd.seen("RELOADING=1")) == 2 and len(systemd.seen("READY=1")) == 3, 10, "systemd hears of both")


def test_a_missing_file_is_refused_and_another_region_needs_a_restart(county, sink):
    one = county(regions=("530581 腾冲市", "530626 绥江县"))
    one.channel("media", driver="webhook", url=sink.url, carrier="政府网站", regions="530581", **QUICK)
    one.start_all(["media"])
    path = one.folder / "channels.d" / "media.conf"
    text = path.read_text()
    path.unlink()
    assert hup(one) == "新配置没有采用" and "没有渠道“media”" in one.log("channeld-media")
    path.write_text(text.replace("530581", "530581, 530626"))
    assert hup(one) == "新配置没有采用"
    assert "media.conf:4: 服务的地区有增减" in one.log("channeld-media")
    path.write_text(text)
    assert hup(one) == "新配置已生效"


def test_another_secret_signs_and_ends_a_pause_for_the_old_one(media, sink):
    county = media(start=False)
    key = county.folder / "media.key"
    key.write_text("whsec_这不是密钥")
    key.chmod(0o600)
    write(county, sink.url, secret_file="media.key")
    county.start_channel("media")
    county.ask(publish("doc-1"))
    wait_until(lambda: county.ctl_json("channel", "list")[0]["paused"])
    key.write_text(SECRET)
    assert hup(county) == "新配置已生效"
    county.shown("doc-1", "media", timeout=15)
    key.write_text(OTHER)
    assert hup(county) == "新配置已生效"
    county.ask(publish("doc-2", title="第二件"))
    county.shown("doc-2", "media")
    first, other = sink.requests
    assert first.signed_by(SECRET) and other.signed_by(OTHER) and not other.signed_by(SECRET)
    key.chmod(0o644)
    assert hup(county) == "新配置没有采用" and "人人可读" in county.log("channeld-media")


def test_another_root_is_written_from_then_on_and_one_that_cannot_be_made_is_refused(county):
    one = county()

    def site(root):
        one.channel("portal", driver="site", carrier="政府网站", title="示例网站", root=root, address="http://portal.example")
    site(one.folder / "first")
    one.start_all(["portal"])
    one.ask(publish("doc-1"))
    one.shown("doc-1", "portal")
    (one.folder / "file").write_text("")
    site(one.folder / "file" / "below")
    assert hup(one, "portal") == "新配置没有采用"
    site(one.folder / "second")
    assert hup(one, "portal") == "新配置已生效"
    wait_until(lambda: (one.folder / "second" / "index.html").exists(), 10, "the setup runs again")
    one.ask(publish("doc-2", title="第二件"))
    page = one.shown("doc-2", "portal")["url"].removeprefix("http://portal.example/")
    assert (one.folder / "second" / page).exists() and not (one.folder / "first" / page).exists()


def test_another_broker_gets_what_is_on_display(county, tmp_path):
    brokers = [Broker(tmp_path / name).start() for name in ("old", "new")]
    try:
        one = county()

        def wall(broker):
            one.channel("wall", driver="mqtt", carrier="政府网站", host="127.0.0.1", port=broker.port, **QUICK)
        wall(brokers[0])
        one.start_all(["wall"])
        one.ask(publish("doc-1"))
        one.shown("doc-1", "wall")
        wall(brokers[1])
        assert hup(one, "wall") == "新配置已生效"
        eyes = brokers[1].look()
        wait_until(lambda: eyes.playlist("wall") == ["doc-1"], 20, "the new broker has what was shown before")
        one.ask(publish("doc-2", title="第二件"))
        one.shown("doc-2", "wall")
        wait_until(lambda: sorted(eyes.playlist("wall")) == ["doc-1", "doc-2"], 20)
    finally:
        for broker in brokers:
            broker.close()


def test_a_stop_during_a_reload_ends_in_peace(media, sink, second):
    county = media()
    gate = Gate(200)
    sink.next(gate)
    county.ask(publish("doc-1"))
    wait_until(lambda: sink.of("doc-1"))
    write(county, second.url)
    process = county.processes["channeld-media"]
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: "件做完就换上" in county.log("channeld-media"))
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "正在停止" in county.log("channeld-media"))
    gate.opened.set()
    assert process.wait(20) == 0
    county.processes.pop("channeld-media")
    county.start_channel("media")
    county.shown("doc-1", "media")
    assert json.loads(sink.requests[0].body)["data"]["document"] == "doc-1" and second.requests == []
