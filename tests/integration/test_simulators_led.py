"""The simulator of an Onbon LED card: frames to the byte, areas as people read them, and every way to fail."""
import http.client
import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from county import wait_until  # noqa: E402
from led_onbon import Card, Reader, crc16, unescape, wrap  # noqa: E402

LED = pathlib.Path(__file__).resolve().parents[1] / "simulators" / "led_onbon.py"
# The frames that two public clients send as they stand.
PING = bytes.fromhex("A5A5A5A5A5A5A5A5 01000080 00000000 0000FE02 0500 A200010000 68F8 5A")
CLEAR = bytes.fromhex("A5A5A5A5A5A5A5A5 01000080 00000000 0000FE02 0500 A310010000 51F8 5A")
ACK = bytes.fromhex("A000000000")


def nack(error):
    return bytes((0xA0, 1, error, 0, 0))


class Line:
    """A client that takes answers apart by itself."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.stream.close()
        self.socket.close()

    def raw(self, data):
        self.socket.sendall(data)
        got = b""
        while not got.endswith(b"\x5a"):
            byte = self.stream.read(1)
            if not byte:
                raise ConnectionError(got)
            got += byte
        return got

    def say(self, data, **header):
        got = self.raw(wrap(data, **header))
        assert got[:8] == b"\xa5" * 8 and got[8:12] == bytes.fromhex("00800100")
        packet = got[8:-1].replace(b"\xa6\x02", b"\xa5").replace(b"\x5b\x02", b"\x5a").replace(b"\x5b\x01", b"\x5b").replace(b"\xa6\x01", b"\xa6")
        assert struct.unpack("<H", packet[-2:])[0] == crc16(packet[:-2]) and struct.unpack_from("<H", packet, 12)[0] == len(packet) - 16
        return packet[14:-2]


def area(text=b"\\C1", id=0, x=0x8000, y=0x8000, width=0x8100, height=0x8010, run=0, timeout=0, single=1, wraps=1, mode=3, extra=b"", raw=None):
    text = text.encode("gbk") if isinstance(text, str) else text
    data = struct.pack("<BHHHHBBBHBB", 0, x, y, width, height, id, 0, run, timeout, 0, len(extra)) + extra
    data += struct.pack("<BBBBBBBI", 0, single, wraps, mode, 0, 4, 5, len(text) if raw is None else raw) + text
    return struct.pack("<H", len(data)) + data


def update(*areas, gone=b"\x00", reply=1, clear=0):
    return bytes((0xA3, 6, reply, clear, 0)) + gone + bytes([len(areas)]) + b"".join(areas)


@pytest.fixture
def card():
    with Card() as one:
        one.clock.set("2026-07-01 09:00:00", freeze=True)
        yield one


@pytest.fixture
def line(card):
    with Line(card.port) as one:
        yield one


def test_the_golden_frames_are_made_and_answered(card, line):
    assert wrap(bytes.fromhex("A200010000")) == PING and wrap(bytes.fromhex("A310010000")) == CLEAR
    assert crc16(b"123456789") == 0xBB3D, "the check value of CRC-16/ARC"
    assert line.raw(PING) == wrap(ACK, 0x8000, 1)
    assert line.say(update(area("停水"))) == ACK and card.shown() == {0: "停水"}
    assert line.raw(CLEAR) == wrap(ACK, 0x8000, 1) and card.shown() == {}
    assert [one.command for one in card.log] == ["A200", "A306", "A310"] and not card.findings


def test_the_four_bytes_that_frames_are_made_of_can_be_sent(card, line):
    # Four characters of GBK whose second byte has to be escaped.
    text = b"\x81\x5a\x81\x5b\xb0\xa5\xb0\xa6"
    packet = wrap(update(area(text)))
    assert packet[8:-1].count(b"\x5a") == packet[8:].count(b"\xa5") == 0
    assert line.say(update(area(text))) == ACK and card.areas[0].raw == text and card.shown() == {0: text.decode("gbk")}
    assert unescape(b"\xa6\x03") is None and unescape(b"\x5b") is None
    assert list(Reader().feed(b"\xa5" * 7 + b"xZ" + PING[:20] + PING + b"Z" + PING)) == [PING[8:-1]] * 2


def test_a_text_has_its_colours_and_its_place(card, line):
    assert line.say(update(area(r"\C1红\C2绿\C3黄a", id=3, x=2, width=8, y=0x8010))) == ACK
    one = card.areas[3]
    assert one.runs == [("red", "红"), ("green", "绿"), ("yellow", "黄a")] and one.text == "红绿黄a"
    assert (one.x, one.y, one.width, one.height) == (16, 16, 64, 16), "without the high bit, eights"
    assert line.say(update(area("有扩展", id=4, y=0x8020, extra=b"\x01\x02"))) == ACK and card.shown()[4] == "有扩展"


def test_areas_are_replaced_and_deleted_by_number(card, line):
    line.say(update(area("一", id=1), area("二", id=2, y=0x8010)))
    assert line.say(update(area("新", id=1))) == ACK and card.shown() == {1: "新", 2: "二"}
    assert line.say(update(gone=b"\x01\x02")) == ACK and card.shown() == {1: "新"}
    assert line.say(update(area("三", id=3), gone=b"\xff", clear=1)) == ACK and card.shown() == {3: "三"}
    assert line.say(update(gone=b"\x01\x09")) == ACK, "one that is not there"
    assert line.say(bytes.fromhex("A201010000")) == ACK and card.shown() == {}
    line.say(update(area("四")))
    card.power_cycle()
    assert card.shown() == {}


def test_what_was_left_alone_for_its_seconds_goes_dark(card, line):
    line.say(update(area("限时", run=2, timeout=30), area("一直", id=1, y=0x8010)))
    card.clock.forward(29)
    assert card.shown() == {0: "限时", 1: "一直"}
    card.clock.forward(1)
    assert card.shown() == {1: "一直"}


def test_power_brightness_and_clock(card, line):
    line.say(update(area("停水")))
    assert line.say(bytes.fromhex("A30001000002")) == ACK and card.shown() == {}
    assert line.say(bytes.fromhex("A30001000001")) == ACK and card.shown() == {0: "停水"}
    assert line.say(bytes.fromhex("A30001000003")) == nack(2)
    dim = bytes.fromhex("A302010000 01")
    assert line.say(dim + b"\x10" + b"\x01" * 48) == ACK and card.brightness == 16
    assert line.say(dim + b"\x11" + b"\x01" * 48) == nack(2) and line.say(dim + b"\x01") == nack(2) and card.brightness == 16
    assert line.say(bytes.fromhex("A203010000 2620070109301503")) == ACK and card.set_to == "2026-07-01 09:30:15"
    assert line.say(bytes.fromhex("A203010000 2620130109301503")) == nack(14)
    assert line.say(bytes.fromhex("A203010000 2620070A09301503")) == nack(14)


@pytest.mark.parametrize("why, data, error", [
    ("no such group", bytes.fromhex("A901010000"), 1), ("files are not simulated", bytes.fromhex("A105010000"), 1),
    ("no such command", bytes.fromhex("A377010000"), 2), ("cut short", bytes.fromhex("A20001"), 2), ("too long", bytes.fromhex("A20001000000"), 2),
    ("an area longer than the data", update(area("停水"))[:-1], 2), ("a byte too many", update(area("停水")) + b"\0", 2),
    ("a text longer than its area", update(area("停水", raw=5)), 2), ("a text shorter", update(area("停水", raw=3)), 2),
    ("areas promised that are not there", update()[:-1] + b"\x01", 2), ("deletions without numbers", update(gone=b"\x09"), 2),
    ("run mode 6", update(area("停水", run=6)), 2), ("no such way to move", update(area("停水", mode=7)), 2),
    ("neither one line nor many", update(area("停水", single=3)), 2), ("neither wrapped nor not", update(area("停水", wraps=0)), 2),
    ("more than it can keep", update(area("停水" * 5)), 4), ("as much as it can keep", update(area("停水" * 4)), 0),
])
def test_what_is_wrong_is_refused_and_changes_nothing(card, line, why, data, error):
    card.memory = 16
    assert line.say(data) == (nack(error) if error else ACK), why
    assert card.shown() == ({} if error else {0: "停水" * 4})


def test_a_spoilt_frame_is_refused_and_one_for_another_is_not_heard(card, line):
    assert line.raw(PING[:-2] + bytes([PING[-2] ^ 1]) + PING[-1:]) == wrap(nack(5), 0x8000, 1)
    assert line.say(bytes.fromhex("A200010000"), check=1) == ACK, "a sum instead"
    for deaf in (wrap(bytes.fromhex("A310010000"), to=2), wrap(bytes.fromhex("A310010000"), version=1), CLEAR[1:],
                 PING[:8] + b"\xa6\x07" + PING[8:], PING[:20] + b"\x06" + PING[21:]):
        line.socket.sendall(deaf)
    assert line.say(bytes.fromhex("A200010000"), to=0xFFFE) == ACK, "for all"
    assert [one.command for one in card.log] == ["A200", "A200", "A200"]
    assert len(card.findings) == 4, "eight A5, or it is noise"


def test_no_answer_is_given_where_none_is_wanted(card, line):
    line.socket.sendall(wrap(update(area("静默"), reply=0)))
    assert line.say(bytes.fromhex("A200010000")) == ACK and card.shown() == {0: "静默"}


@pytest.mark.parametrize("error", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
def test_any_error_can_be_asked_for_and_has_no_effect(card, line, error):
    card.trouble("A306", error=error, times=2)
    assert line.raw(PING) == wrap(ACK, 0x8000, 1), "it is for the other command"
    assert [line.say(update(area("停水"))) for _ in range(3)] == [nack(error)] * 2 + [ACK]
    assert [one.effect for one in card.log] == [True, False, False, True]


@pytest.mark.parametrize("how, effect", [("lost", True), ("half", True), ("reset", False)])
def test_a_broken_line_says_nothing_about_the_board(card, how, effect):
    card.trouble("*", how)
    with pytest.raises(ConnectionError), Line(card.port) as line:  # a reset may come before connect() returns
        line.say(update(area("停水")))
    assert card.shown() == ({0: "停水"} if effect else {})
    with Line(card.port) as line:
        assert line.raw(PING) == wrap(ACK, 0x8000, 1), "and the next one is as ever"


def test_mute_noisy_spoilt_and_slow_answers(card, line):
    card.trouble("*", "hang")
    line.socket.sendall(wrap(update(area("停水"))))
    assert line.raw(PING) == wrap(ACK, 0x8000, 1) and card.shown() == {}
    card.trouble("*", "bad-crc")
    assert line.raw(PING)[:-2] == wrap(ACK, 0x8000, 1)[:-2] and card.log[-1].effect
    card.trouble("*", "noise")
    assert line.raw(PING) == b"\x00\xff\xa5\xa5\x5a" and line.raw(b"") == wrap(ACK, 0x8000, 1)
    card.trouble("*", "held")
    got = []
    waiting = threading.Thread(target=lambda: got.append(line.say(update(area("迟到")))))
    waiting.start()
    wait_until(lambda: card.shown() == {0: "迟到"})
    assert not got
    card.release()
    waiting.join(10)
    assert got == [ACK]


@pytest.mark.parametrize("why, data, finding", [
    ("no GBK", update(area(b"\xff\xff")), "no GBK"), ("beyond the board", update(area("停水", width=0x8101)), "beyond"),
    ("over another", update(area("一", id=1), area("二", id=2)), "over another"),
    ("one line that stands still and does not fit", update(area("长" * 17, mode=1)), "never seen"),
    ("one that just fits", update(area("长" * 16, mode=1)), ""), ("one that moves", update(area("长" * 17, mode=3)), ""),
    ("lines that turn into pages", update(area("长" * 99, mode=1, single=2, wraps=2)), ""),
    ("too flat for a character", update(area("停水", height=0x800F)), "never seen"),
])
def test_a_person_before_the_board_complains(card, line, why, data, finding):
    assert line.say(data) == ACK
    assert finding in (card.findings or [""])[0] and bool(card.findings) == bool(finding), why


def fetch(port, target, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST" if body else "GET", target, body)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def test_the_page_shows_the_board_and_a_dark_one(card, line):
    page = card.ports[1]
    line.say(update(area(r"\C2停<b>")))
    text = fetch(page, "/")
    assert "class=\"green\"" in text and "停&lt;b&gt;" in text and "屏幕上没有内容" not in text
    assert json.loads(fetch(page, "/control/trouble", b'{"endpoint": "*", "error": 3}')) and line.raw(CLEAR) == wrap(nack(3), 0x8000, 1)
    assert line.raw(CLEAR) == wrap(ACK, 0x8000, 1) and "屏幕上没有内容" in fetch(page, "/")
    assert [one["command"] for one in json.loads(fetch(page, "/control/log"))] == ["A306", "A310", "A310"]


def test_it_runs_as_a_program():
    program = subprocess.Popen([sys.executable, LED, "--print-port", "--set", '{"screen": 7}'], stdout=subprocess.PIPE, text=True)
    try:
        port, page = map(int, program.stdout.readline().split())
        with Line(port) as line:
            line.socket.sendall(wrap(update(area("停水")), to=7))
            assert line.raw(b"") == wrap(ACK, 0x8000, 7)
        assert json.loads(fetch(page, "/control/state"))["shown"] == {"0": "停水"}
    finally:
        program.terminate()
        assert program.wait(10) == 0
        program.stdout.close()
