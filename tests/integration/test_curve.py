"""The door for other machines: a key of emitters.d opens it, for the sources that its file names."""
import os
import random
import signal
import socket
import subprocess

import pytest
import zmq

from county import PROGRAMS, now, publish, query, withdraw
from elsewhere import Elsewhere
from knock import County, accepted_in_log, wait_until
from peer import Peer

SERVER = [key.decode() for key in zmq.curve_keypair()]
OA = "urn:gongkai:530581:oa"


def pair():
    return [key.decode() for key in zmq.curve_keypair()]


def key_file(folder, mode=0o600, text=None):
    path = folder / "server.key"
    path.write_text(text if text is not None else f"# the door\npublic = {SERVER[0]}\nsecret = {SERVER[1]}\n")
    path.chmod(mode)


def notice(number, source=OA, **more):
    return publish(f"doc-{number}", id=f"id-{number}", title=f"第 {number} 号通告", source=source, **more)


@pytest.fixture(scope="module")
def machine():
    one = Elsewhere()
    yield one
    one.close()


class Town:
    """A county whose door listens beyond loopback, and a peer on another machine."""

    def __init__(self, machine):
        with socket.socket() as probe:
            probe.bind((machine.here, 0))
            self.endpoint = f"tcp://{machine.here}:{probe.getsockname()[1]}"
        self.county = County(regions=("530581 腾冲市", "530626 绥江县"), config="[curve]\nsecret_file = server.key")
        text = self.county.conf.read_text().replace("\nlisten = ", f"\nlisten = {self.endpoint}, ")
        self.county.conf.write_text(text)
        self.county.channel("bin", driver="discard", carrier="政府网站")
        key_file(self.county.folder)
        self.keys = {}
        self.emitter("oa", sources=OA)
        self.peer = Peer(machine, self.endpoint)

    def close(self):
        self.peer.close()
        self.county.close()

    def emitter(self, name, **settings):
        self.keys.setdefault(name, pair())
        self.county.emitter(name, key=self.keys[name][0], **settings)

    def forget(self, name):
        (self.county.folder / "emitters.d" / f"{name}.conf").unlink()

    def reload(self, says="新配置已生效"):
        told = self.county.log("publisherd").count(says)
        self.county.processes["publisherd"].send_signal(signal.SIGHUP)
        wait_until(lambda: self.county.log("publisherd").count(says) > told, 10, "the configuration is read")

    def ask(self, message, name="oa", **more):
        return self.peer.ask(message, keys=self.keys[name], server=SERVER[0], **more)


@pytest.fixture
def make_town(machine):
    towns = []

    def make():
        towns.append(Town(machine))
        return towns[-1]
    yield make
    for one in towns:
        one.close()


@pytest.fixture(scope="module")
def town(machine):
    one = Town(machine)
    one.emitter("zrzy", sources="urn:gongkai:530581:zrzy", regions="530581", items="cxgh.*", may_urgent="yes")
    one.emitter("all", sources="urn:gongkai:530581:*")
    one.county.start_all()
    yield one
    one.close()


def errors(answer):
    assert answer["reply"] and answer["reply"]["status"] == "rejected", answer
    return [(e["path"], e["code"]) for e in answer["reply"]["errors"]]


def nothing(answer):
    """Neither a connection nor an answer came of it."""
    return answer["handshake"] not in (None, "succeeded") and answer["reply"] is None


def test_a_known_key_opens_the_door(town):
    answer = town.ask(notice("known"))
    assert answer["handshake"] == "succeeded"
    assert (answer["reply"]["status"], answer["reply"]["document"]) == ("accepted", "doc-known")
    assert town.ask(query("doc-known"))["reply"]["revision"] == 1
    assert town.ask(withdraw("doc-known", time=now(seconds=1)))["reply"]["status"] == "accepted"


def test_a_stranger_gets_nothing_in(town):
    stranger = pair()
    attempts = {
        "unknown": town.peer.ask(notice("unknown"), keys=stranger, server=SERVER[0]),
        "stolen": town.peer.ask(notice("stolen"), keys=[town.keys["oa"][0], stranger[1]], server=SERVER[0]),
        "another-door": town.peer.ask(notice("another-door"), keys=town.keys["oa"], server=stranger[0]),
        "servers-own": town.peer.ask(notice("servers-own"), keys=SERVER, server=SERVER[0]),
        "no-key": town.peer.ask(notice("no-key")),
        "password": town.peer.ask(notice("password"), plain=True),
    }
    for kind, answer in attempts.items():
        assert nothing(answer), (kind, answer)
    # What was refused had its chance before this one.
    assert town.ask(notice("after"))["reply"]["status"] == "accepted"
    taken = accepted_in_log(town.county)
    assert "doc-after" in taken and not {f"doc-{kind}" for kind in attempts} & set(taken)
    assert stranger[0] in town.county.log("publisherd")


def test_the_file_of_the_key_says_for_whom_it_speaks(town):
    assert errors(town.ask(notice("source", source="urn:gongkai:530581:zrzy"))) == [("/source", "not_entitled")]
    assert errors(town.ask(query("doc-x", source="urn:gongkai:530581:zrzy"))) == [("/source", "not_entitled")]
    assert errors(town.ask(notice("region", source="urn:gongkai:530626:oa"))) == [("/source", "not_entitled")]
    assert errors(town.ask(notice("item", source="urn:gongkai:530581:zrzy"), "zrzy")) == [("/data/item", "not_entitled")]
    zrzy = notice("zrzy", source="urn:gongkai:530581:zrzy", item="cxgh.0101", urgent=True)
    assert town.ask(zrzy, "zrzy")["reply"]["warnings"] == []
    urgent = town.ask(notice("urgent", urgent=True))["reply"]
    assert (urgent["status"], [w["code"] for w in urgent["warnings"]]) == ("accepted", ["not_urgent"])
    for system in ("oa2", "zrzy", "x"):
        assert town.ask(notice(f"all-{system}", source=f"urn:gongkai:530581:{system}"), "all")["reply"]["status"] == "accepted"
    mixed = town.ask([notice("mixed-1"), notice("mixed-2", source="urn:gongkai:530581:zrzy"), notice("mixed-3")])["reply"]
    assert [one["status"] for one in mixed] == ["accepted", "rejected", "accepted"]


def test_a_list_of_regions_holds_for_a_source_of_any(make_town):
    town = make_town()
    town.emitter("province", sources="urn:gongkai:*", regions="530581")
    town.county.start_all()
    assert town.ask(notice("one"), "province")["reply"]["status"] == "accepted"
    assert errors(town.ask(notice("two", source="urn:gongkai:530626:oa"), "province")) == [("/source", "region")]


def test_of_n_emitters_and_n_sources_only_the_diagonal_passes(make_town):
    town, names = make_town(), [f"bureau-{n}" for n in range(8)]
    for name in names:
        town.emitter(name, sources=f"urn:gongkai:530581:{name}")
    town.county.start_all()
    passed = set()
    for speaker in names:
        events = [notice(f"{speaker}-{source}", source=f"urn:gongkai:530581:{source}") for source in names]
        for reply, source in zip(town.ask(events, speaker)["reply"], names):
            if reply["status"] != "rejected":
                passed.add((speaker, source))
    assert passed == {(name, name) for name in names}
    assert sorted(accepted_in_log(town.county)) == sorted(f"doc-{name}-{name}" for name in names)


def test_a_revoked_key_gets_nothing_more_in(make_town):
    town, mine = make_town(), {"source": "urn:gongkai:530581:leaver"}
    town.keys["leaver"] = pair()
    town.county.start_all()
    assert nothing(town.ask(notice("l0", **mine), "leaver"))
    town.emitter("leaver", sources=mine["source"])
    assert nothing(town.ask(notice("l1", **mine), "leaver")), "not before the file is read"
    town.reload()
    assert town.ask(notice("l2", **mine), "leaver", keep="open")["reply"]["status"] == "accepted"
    for take_away in (lambda: town.forget("leaver"),
                      lambda: town.emitter("leaver", sources=mine["source"], enabled="no")):
        take_away()
        town.reload()
        # The connection that was open stays, and is told; a new one is not made.
        assert errors(town.ask(notice("l3", **mine), "leaver", keep="open")) == [("/source", "not_entitled")]
        assert nothing(town.ask(notice("l4", **mine), "leaver"))
    town.emitter("leaver", sources=mine["source"])
    town.reload()
    assert town.ask(notice("l5", **mine), "leaver", keep="open")["reply"]["status"] == "accepted"
    assert town.ask(notice("l6", **mine), "leaver")["reply"]["status"] == "accepted"
    assert accepted_in_log(town.county) == ["doc-l2", "doc-l5", "doc-l6"]


def test_a_wrong_configuration_changes_nothing(town):
    town.county.emitter("wrong", key="not a key", sources=OA)
    town.reload(says="继续用原来的配置")
    assert town.ask(notice("wrong"))["reply"]["status"] == "accepted"
    town.forget("wrong")
    town.reload()


def test_the_local_door_needs_no_key(town):
    assert town.county.ask(notice("local"))["status"] == "accepted"


def test_noise_at_the_port_keeps_nobody_out(town):
    rng = random.Random(1)
    greeting = "ff00000000000000017f0300" + b"CURVE".hex().ljust(40, "0") + "00" * 32 # ZMTP 3.0
    noise = [rng.randbytes(rng.randrange(200)).hex() for _ in range(100)]
    noise += [greeting + rng.randbytes(rng.randrange(300)).hex() for _ in range(100)]
    noise += [""] * 100 + [b"GET / HTTP/1.1\r\n\r\n".hex()] * 5 + ["ff" * 1000, "00" * 1000]
    assert town.peer.do(noise=noise)["open"] == len(noise)
    assert town.ask(notice("noise"))["reply"]["status"] == "accepted"
    assert town.county.processes["publisherd"].poll() is None


# -- opening


def started(county, *arguments):
    """How publisherd ends when it will not open, and what it says."""
    run = subprocess.run([PROGRAMS / "gongkai-publisherd", "--config", county.conf, *arguments], capture_output=True, text=True,
                         timeout=20, env=dict(os.environ, LANG="zh_CN.UTF-8"), check=False)
    return run.returncode, run.stdout + run.stderr


@pytest.mark.parametrize("endpoint", ["tcp://*:5599", "tcp://0.0.0.0:5599", "tcp://[::]:5599", "tcp://10.1.2.3:5599",
                                      "tcp://127.0.0.1.example.com:5599", "tcp://eth0:5599"])
def test_beyond_loopback_it_does_not_open_without_a_key(county, endpoint):
    one = county(config=f"[publisherd]\nlisten = {endpoint}")
    for arguments in ([], ["--check"]):
        code, said = started(one, *arguments)
        assert code == 1 and endpoint in said and "secret_file" in said and "Sanitizer" not in said


@pytest.mark.parametrize("kind", ["missing", "empty", "no secret", "not a key", "everybody may read it", "a folder"])
def test_with_a_key_file_that_is_no_good_it_does_not_open(county, kind):
    one = county(config="[publisherd]\nlisten = tcp://0.0.0.0:5599\n[curve]\nsecret_file = server.key")
    if kind == "a folder":
        (one.folder / "server.key").mkdir()
    elif kind == "everybody may read it":
        key_file(one.folder, 0o644)
    elif kind != "missing":
        key_file(one.folder, text={"empty": "", "no secret": f"public = {SERVER[0]}\n",
                                   "not a key": f"public = {SERVER[0]}\nsecret = hunter2\n"}[kind])
    code, said = started(one)
    assert code == 1 and "server.key" in said and "Sanitizer" not in said and "hunter2" not in said, said
