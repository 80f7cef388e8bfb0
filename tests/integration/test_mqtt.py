"""Displays by MQTT: from the door to what the real mosquitto retains."""
import json
import pathlib
import signal
import subprocess
import threading
import urllib.parse

import pytest

from broker import Broker, certificates
from county import publish, wait_until, withdraw

QUICK = {"timeout": "2s", "retry": "0, 200ms*40", "breaker": "0", "late_effect": "500ms", "lease": "3s"}


@pytest.fixture
def broker(tmp_path):
    made = []

    def make(**more):
        made.append(Broker(tmp_path / f"broker{len(made)}", **more))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def wall(county):
    """A county with the channel `wall` at a broker."""
    def make(port, host="127.0.0.1", start=True, **settings):
        one = county()
        one.channel("wall", driver="mqtt", carrier="政府网站", host=host, port=port, **{**QUICK, **settings})
        return one.start_all(["wall"] if start else [])
    return make


def shows(eyes, group, documents):
    return wait_until(lambda: eyes.playlist(group) == documents, 20, f"{group} shows {documents}, not {eyes.playlist(group)}")


# ---- what is retained ----

def test_a_notice_is_a_message_and_an_entry_until_it_is_withdrawn(broker, wall):
    one = broker().start()
    eyes = one.look()
    county = wall(one.port)
    name = "腾政〔2026〕7号"
    county.ask(publish(document=name, title="关于停水的通告", texts={"short": "停水"}))
    county.shown(name, "wall")
    id = urllib.parse.quote(name, safe="")
    shows(eyes, "wall", [name])
    message = eyes.get(f"gongkai/wall/documents/{id}")
    entry, = eyes.get("gongkai/wall/playlist")["entries"]
    assert message.pop("format") == 1
    assert message == entry and entry["title"] == "关于停水的通告" and entry["short"] == "停水" and entry["end"]
    playlist = eyes.get("gongkai/wall/playlist")
    assert playlist["format"] == 1 and playlist["display"] == "wall" and playlist["title"] == "腾冲市政务公开"
    county.ask(publish(document=name, title="关于不停水的通告"))
    county.shown(name, "wall", revision=2)
    wait_until(lambda: eyes.get(f"gongkai/wall/documents/{id}")["revision"] == 2)
    county.ask(withdraw(document=name))
    county.shown(name, "wall", state="withdrawn")
    shows(eyes, "wall", [])
    wait_until(lambda: eyes.documents("wall") == [])
    # Who comes later finds nothing of it either.
    fresh = one.look()
    shows(fresh, "wall", [])
    assert fresh.documents("wall") == []


def test_each_group_has_what_concerns_its_place(broker, wall):
    one = broker().start()
    eyes = one.look()
    county = wall(one.port, groups="hall, wuhe@530581103, heshun@530581104")
    county.ask(publish(document="all"))
    county.shown("all", "wall")
    county.ask(publish(document="here", areas=["530581103201"]))
    county.shown("here", "wall")
    shows(eyes, "hall", ["here", "all"])
    shows(eyes, "wuhe", ["here", "all"])
    shows(eyes, "heshun", ["all"])
    assert eyes.documents("heshun") == ["all"]
    # A revision for another place leaves the first one.
    county.ask(publish(document="here", areas=["530581104"]))
    county.shown("here", "wall", revision=2)
    shows(eyes, "wuhe", ["all"])
    shows(eyes, "heshun", ["here", "all"])
    wait_until(lambda: eyes.documents("wuhe") == ["all"])
    # So does a withdrawal the group that the channel does not have any more.
    county.stop("channeld-wall")
    county.channel("wall", driver="mqtt", carrier="政府网站", host="127.0.0.1", port=one.port, groups="hall", **QUICK)
    county.start_channel("wall")
    county.ask(withdraw(document="here"))
    county.shown("here", "wall", state="withdrawn")
    wait_until(lambda: eyes.documents("heshun") == ["all"])
    wait_until(lambda: eyes.playlist("heshun") is None)


# ---- trouble ----

def test_a_broker_that_is_away_gets_it_when_it_comes(broker, wall):
    one = broker()
    county = wall(one.port)
    county.ask(publish(document="a"))
    wait_until(lambda: "连不上 MQTT 服务器" in county.log("channeld-wall"))
    one.start()
    eyes = one.look()
    county.shown("a", "wall")
    shows(eyes, "wall", ["a"])


def test_a_broker_that_lost_its_memory_gets_everything_again(broker, wall):
    one = broker().start()
    county = wall(one.port, groups="hall, lobby")
    for document in ("a", "b", "c"):
        county.ask(publish(document=document))
        county.shown(document, "wall")
    county.ask(withdraw(document="b"))
    county.shown("b", "wall", state="withdrawn")
    one.stop(signal.SIGKILL)
    one.start()
    eyes = one.look()
    shows(eyes, "hall", ["c", "a"])
    shows(eyes, "lobby", ["c", "a"])
    wait_until(lambda: eyes.documents("hall") == ["a", "c"])


def test_what_an_old_file_of_the_broker_brings_back_is_taken_away(broker, wall):
    one = broker(keeps=True).start()
    county = wall(one.port, groups="hall")
    for document in ("a", "b"):
        county.ask(publish(document=document))
        county.shown(document, "wall")
    county.ask(withdraw(document="b"))
    county.shown("b", "wall", state="withdrawn")
    county.stop("channeld-wall")
    one.say("gongkai/hall/documents/b", '{"document":"b"}')
    one.stop()
    one.start()
    eyes = one.look()
    wait_until(lambda: eyes.documents("hall") == ["a", "b"])
    county.start_channel("wall")
    wait_until(lambda: eyes.documents("hall") == ["a"])
    shows(eyes, "hall", ["a"])


def test_without_a_confirmation_it_is_sent_again_and_shown_once(broker, wall):
    one = broker().start()
    county = wall(one.port, timeout="1s")
    county.ask(publish(document="a"))
    county.shown("a", "wall")
    one.freeze()
    county.ask(publish(document="b"))
    county.shown("b", "wall", state="uncertain")
    one.thaw()
    county.shown("b", "wall")
    eyes = one.look()
    shows(eyes, "wall", ["b", "a"])
    assert eyes.documents("wall") == ["a", "b"]


@pytest.mark.parametrize("kind", ["publication", "withdrawal"])
def test_killed_between_publish_and_its_confirmation(broker, wall, kind):
    one = broker().start()
    county = wall(one.port, timeout="20s")
    county.ask(publish(document="a"))
    county.shown("a", "wall")
    one.freeze()
    document, state = ("b", "published") if kind == "publication" else ("a", "withdrawn")
    county.ask(publish(document="b") if kind == "publication" else withdraw(document="a"))
    wait_until(lambda: unread(one.port) > 0, 10, "it has sent to a broker that reads nothing")
    county.kill("channeld-wall")
    one.thaw()
    county.start_channel("wall")
    county.shown(document, "wall", state=state)
    eyes = one.look()
    shows(eyes, "wall", ["b", "a"] if state == "published" else [])
    assert eyes.documents("wall") == (["a", "b"] if state == "published" else [])


def unread(port):
    """Bytes that wait at that port of ours."""
    total = 0
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if int(local.split(":")[1], 16) == port and state == "01":
            total += int(queues.split(":")[1], 16)
    return total


def test_two_workers_make_one_playlist(broker, wall):
    one = broker().start()
    county = wall(one.port, groups="hall")
    county.start_channel("wall", instance="-two")
    names = [f"d{n}" for n in range(20)]
    workers = [threading.Thread(target=lambda n=n: county.ask(publish(document=n))) for n in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for name in names[:8]:
        county.ask(withdraw(document=name))
    for n, name in enumerate(names):
        county.shown(name, "wall", state="withdrawn" if n < 8 else "published")
    eyes = one.look()
    wait_until(lambda: set(eyes.playlist("hall") or []) == set(names[8:]), 10, "exactly those that are shown")
    assert eyes.documents("hall") == sorted(names[8:])


def test_a_name_that_nobody_knows_holds_up_nothing(wall):
    county = wall(1883, host="broker.invalid")
    county.ask(publish(document="a"))
    wait_until(lambda: "连不上 MQTT 服务器 broker.invalid" in county.log("channeld-wall"))
    county.stop("channeld-wall")


# ---- who may ----

def test_by_tls_and_only_with_the_right_certificate(broker, wall, tmp_path):
    keys, others = certificates(tmp_path / "keys"), certificates(tmp_path / "others")
    one = broker(more=f"allow_anonymous true\ncafile {keys}/ca.pem\ncertfile {keys}/cert.pem\nkeyfile {keys}/key.pem\nrequire_certificate true").start()
    county = wall(one.port, host="localhost", tls="yes", tls_ca=others / "ca.pem", tls_cert=keys / "cert.pem", tls_key=keys / "key.pem")
    county.ask(publish(document="a"))
    wait_until(lambda: "certificate verify failed" in county.log("channeld-wall"))

    def again(**settings):
        county.stop("channeld-wall")
        county.channel("wall", driver="mqtt", carrier="政府网站", port=one.port, tls="yes", tls_cert=keys / "cert.pem",
                       tls_key=keys / "key.pem", **QUICK, **settings)
        county.start_channel("wall")
    before = county.log("channeld-wall").count("certificate verify failed")
    again(host="127.0.0.1", tls_ca=keys / "ca.pem")  # the certificate is for localhost
    wait_until(lambda: county.log("channeld-wall").count("certificate verify failed") > before)
    again(host="localhost", tls_ca=keys / "ca.pem")
    county.shown("a", "wall")


def test_a_wrong_password_stops_the_channel_until_somebody_mends_it(broker, wall, tmp_path):
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "gongkai", "right"], check=True)
    passwords.chmod(0o600)
    one = broker(more=f"allow_anonymous false\npassword_file {passwords}").start()
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    county = wall(one.port, user="gongkai", secret_file=secret)
    county.ask(publish(document="a"))
    paused = wait_until(lambda: county.ctl_json("channel", "list")[0]["paused"])
    assert "不让连接" in paused
    secret.write_text("right\n")
    county.stop("channeld-wall")
    (county.folder / "channels.d" / "wall.conf").touch()
    county.start_channel("wall")
    county.shown("a", "wall")


def test_a_broker_that_confirms_and_forgets_is_found_out(broker, wall, tmp_path):
    """By its rules we may not write there. MQTT 3.1.1 has no word for that."""
    rules = tmp_path / "rules"
    rules.write_text("topic readwrite elsewhere/#\n")
    one = broker(more=f"allow_anonymous true\nacl_file {rules}").start()
    county = wall(one.port)
    county.ask(publish(document="a"))
    paused = wait_until(lambda: county.ctl_json("channel", "list")[0]["paused"])
    assert "不让连接" in paused and "uthorized" in paused


# ---- trying ----

def test_the_test_tells_which_players_are_there(broker, wall):
    one = broker().start()
    county = wall(one.port, start=False, version="3.1.1")
    one.say("gongkai/hall/players/box-1/state", "online")
    one.say("gongkai/hall/players/box-2/state", json.dumps({"state": "online", "since": "2026-11-29"}))
    player = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(one.port), "-t", "x", "--will-topic",
                               "gongkai/hall/players/box-3/state", "--will-payload", "offline", "--will-retain", "-i", "box-3"])
    wait_until(lambda: "as box-3" in one.log())
    eyes = one.look()
    wait_until(lambda: len(eyes.topics) == 2)
    player.kill()
    player.wait()

    def told():
        said = county.ctl("channel", "test", "wall")
        return said if "不在线 1 个" in said else None
    said = wait_until(told)
    assert "在线 2 个" in said and "hall/box-3" in said
    assert eyes.documents("hall") == []
    one.stop()
    said = county.ctl("channel", "test", "wall", code=1)
    assert "127.0.0.1 端口" in said and "拒绝连接" in said
