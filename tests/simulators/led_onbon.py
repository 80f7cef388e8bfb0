#!/usr/bin/python3
"""An Onbon BX-5K/6K font card behind a red, green and yellow LED board: TCP, frames, areas, and a page that shows the board.

    with Card() as card:
        card.port                          # where a channel connects
        card.trouble("A306", error=3, times=2)   # busy, twice
        card.trouble("*", "lost")          # obeys, and the answer never comes
        card.shown()                       # {area: text} as people read it; {} = dark
        card.findings                      # what it put up with, or dropped without a word

How a command goes wrong: error (NACK, without effect), lost (obeys, then the connection is reset), half (obeys, half an
answer), reset (before the first byte is read), hang (no effect, no answer), late, held, and bad-crc, noise (obeys, and the
answer is spoilt, or follows rubbish). frame.py has the rest.

As a program: led_onbon.py --port 0 --page-port 0 --print-port says the card's port and that of its page.

Sources, each named where its rule stands (read 2026-11-29):
  FRAME    github strongercjd/Onbon-Protocol-Analysis @082a063 Form1.cs
  PYTHON   a public Python client (LED通讯: ping, clear, brightness, areas), whose ping and clear are the golden frames
  CPP      a public C++ client (parseResponse: answers and their errors; realTimeDisplay: areas)
What stands in no source is marked "own".
"""
import collections
import dataclasses
import re
import socket
import struct
import threading

import ledboard
from frame import Page, Reply, Simulator, arguments, main

HEAD, TAIL = 0xA5, 0x5A
ESCAPE = {0xA5: b"\xa6\x02", 0xA6: b"\xa6\x01", 0x5A: b"\x5b\x02", 0x5B: b"\x5b\x01"}  # FRAME, CPP
BROADCAST = 0xFFFE                        # PYTHON
BUSY, MEMORY, CRC, TIME = 3, 4, 5, 14     # CPP: the errors that it says by itself
GROUP, COMMAND = 1, 2


def crc16(data):
    """CRC-16/ARC: reflected 8005, begins at 0 (FRAME: 0xA001)."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


def wrap(data, to=1, sender=0x8000, check=0, device=0xFE, version=2):
    """A whole frame around the data of a command or answer (FRAME, CPP)."""
    packet = struct.pack("<HH3xBBBBBH", to, sender, 0, check, 0, device, version, len(data)) + data
    packet += struct.pack("<H", crc16(packet) if check == 0 else sum(packet) & 0xFFFF)
    return bytes([HEAD] * 8) + b"".join(ESCAPE.get(byte, bytes([byte])) for byte in packet) + bytes([TAIL])


def unescape(data):
    """The packet inside a frame, or None where an escape is none."""
    back = {pair: bytes([byte]) for byte, pair in ESCAPE.items()}
    out, at = b"", 0
    while at < len(data):
        if data[at] in (0xA6, 0x5B):
            pair = data[at:at + 2]
            if pair not in back:
                return None
            out, at = out + back[pair], at + 2
        else:
            out, at = out + data[at:at + 1], at + 1
    return out


class Reader:
    """Cuts a stream into frames: whatever stands before eight A5 is noise."""

    def __init__(self):
        self.heads, self.body = 0, None

    def feed(self, data):
        """Yields (packet before it was unescaped)."""
        for byte in data:
            if byte == HEAD:
                # A5 never stands inside a frame: one that was not finished is over.
                self.heads, self.body = self.heads + 1, None
            elif self.heads >= 8 or self.body is not None:
                self.body = b"" if self.body is None else self.body
                self.heads = 0
                if byte == TAIL:
                    yield self.body
                    self.body = None
                else:
                    self.body += bytes([byte])
            else:
                self.heads = 0


class Bad(Exception):
    """NACK with this error."""


@dataclasses.dataclass
class Area:
    id: int
    x: int
    y: int
    width: int
    height: int            # all in pixels
    run: int
    timeout: int
    single: bool
    wraps: bool
    mode: int
    speed: int
    stay: int
    align: int
    raw: bytes
    at: float

    @property
    def runs(self):
        """[(colour, text)]: \\C1 red, \\C2 green, \\C3 yellow (PYTHON)."""
        pieces = re.split(r"\\C([123])", self.raw.decode("gbk", "replace"))
        runs = [("red", pieces[0])] + [(ledboard.COLOURS[int(c)], text) for c, text in zip(pieces[1::2], pieces[2::2])]
        return [run for run in runs if run[1]]

    @property
    def text(self):
        return "".join(text for _, text in self.runs)


class Seen(collections.namedtuple("Seen", "at command data trouble answer effect")):
    def as_json(self):
        return {"at": self.at, "command": self.command, "data": self.data.hex(), "trouble": self.trouble,
                "answer": self.answer.hex() if self.answer else "", "effect": self.effect}


class Card(Simulator):
    """port: that of the card; ports, url: also that of its page."""

    settable = ("width", "height", "screen", "memory", "on")
    doable = ("cut", "power_cycle")
    hows = ("error", "lost", "late", "held", "half", "reset", "hang", "bad-crc", "noise")

    def __init__(self, port=0, width=256, height=64, screen=1, page_port=0):
        super().__init__(page_port)
        self.width, self.height, self.screen = width, height, screen
        self.memory = 0x10000             # own: bytes of text that it can keep
        self.areas, self.on, self.brightness = {}, True, 16
        self.set_to = ""
        self.connections = set()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.ports = [self.listener.getsockname()[1], self.port]
        self.port = self.ports[0]

    def start(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return super().start()

    def close(self):
        if self.ended.is_set():
            return
        super().close()
        self.cut()
        # A listener that another thread waits on goes on taking until it is shut down.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    # -- the page

    def call_of(self, request):
        return ""

    def answer(self, request):
        return Page(ledboard.page(self)) if request.path == "/" else Reply({"error": "nothing here"}, 404)

    # -- for tests

    def cut(self):
        """The cable is pulled: every connection breaks."""
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def power_cycle(self):
        """own: dynamic areas live in memory, and are gone when the power was."""
        with self.lock:
            self.areas.clear()
        self.cut()

    def visible(self):
        with self.lock:
            now = self.clock.now()
            # PYTHON: run mode 2 shows nothing once its seconds have passed without an update.
            return [area for _, area in sorted(self.areas.items())
                    if self.on and not (area.run == 2 and now >= area.at + area.timeout)]

    def shown(self):
        return {area.id: area.text for area in self.visible()}

    # -- connections

    def accept(self):
        while not self.ended.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=self.listen, args=(connection,), daemon=True).start()

    def listen(self, connection):
        reader = Reader()
        try:
            broken = self.draw("", ("reset",))
            while not broken and (data := connection.recv(4096)):
                broken = not all(self.frame(connection, body) for body in reader.feed(data))
            if broken:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        finally:
            with self.lock:
                self.connections.discard(connection)
            connection.close()

    # -- one frame

    def frame(self, connection, body):
        """Obeys and answers; False: the connection is to break."""
        packet = unescape(body)
        if packet is None or len(packet) < 16:
            return self.drop("a frame with an escape that is none, or too short")
        to, sender, barcode, check, _, _, version, length = struct.unpack_from("<HH3xBBBBBH", packet)
        if barcode == 1:
            return self.drop("a frame with a bar code")
        if version != 2:                  # FRAME: another version is another protocol
            return self.drop(f"protocol version {version:02X}, not 02")
        if len(packet) != 16 + length:
            return self.drop(f"a length of {length} where {len(packet) - 16} bytes are")
        if to not in (self.screen, BROADCAST):
            return self.drop(f"for screen {to}, this is {self.screen}")
        data, given = packet[14:-2], struct.unpack("<H", packet[-2:])[0]
        right = {0: crc16(packet[:-2]), 1: sum(packet[:-2]) & 0xFFFF}.get(check, given)   # PYTHON: 2 = no check
        command = data[:2].hex().upper()
        trouble = self.draw(command, [how for how in self.hows if how != "reset"])
        how = trouble.how if trouble else ""
        if how == "hang":
            return self.note(command, data, how, None, False)
        with self.lock:
            released, effect = self.released, False
            try:
                if given != right:
                    raise Bad(CRC)
                if how == "error":
                    raise Bad(trouble.error)
                self.obey(data)
                answer, effect = bytes((0xA0, 0, 0, 0, 0)), True       # CPP: A0, ACK, no error
            except Bad as no:
                answer = bytes((0xA0, 1, no.args[0], 0, 0))            # CPP: A0, NACK, error
        self.note(command, data, how, answer, effect)
        if how == "held":
            released.wait()
        if how == "late":
            self.ended.wait(trouble.seconds)
        # FRAME: the byte behind the command says whether an answer is wanted.
        return self.say(connection, wrap(answer, sender, self.screen), how) if data[2:3] == b"\x01" or not effect else True

    def say(self, connection, reply, how):
        if how == "lost":
            return False
        if how == "half":
            connection.sendall(reply[:len(reply) // 2])
            return False
        if how == "bad-crc":
            reply = reply[:-2] + bytes([reply[-2] ^ 1]) + reply[-1:]
        connection.sendall((b"\x00\xff\xa5\xa5\x5a" if how == "noise" else b"") + reply)
        return True

    def drop(self, why):
        with self.lock:
            self.findings.append(why)
        return True

    def note(self, *seen):
        with self.lock:
            self.log.append(Seen(self.clock.now(), *seen))
            self.lock.notify_all()
        return True

    # -- commands

    def obey(self, data):
        commands = {"A200": self.ping, "A201": self.reset, "A203": self.set_clock, "A300": self.power,
                    "A302": self.dim, "A306": self.update, "A310": self.wipe}
        command = data[:2].hex().upper()
        if command not in commands:       # own: files (A1) are not simulated
            raise Bad(COMMAND if command[:2] in ("A2", "A3") else GROUP)
        if len(data) < 5:
            raise Bad(COMMAND)            # own: no source has an error for a command that is cut short
        commands[command](data[5:], data)

    def ping(self, rest, data):
        self.exactly(rest, 0)

    def reset(self, rest, data):
        self.exactly(rest, 0)
        self.areas.clear()

    def wipe(self, rest, data):
        self.exactly(rest, 0)
        self.areas.clear()

    def set_clock(self, rest, data):
        # FRAME: year (low, high), month, day, hour, minute, second, day of the week, all BCD.
        self.exactly(rest, 8)
        text = rest.hex()
        if not text.isdigit():
            raise Bad(TIME)
        low, high, month, day, hour, minute, second, week = (int(text[at:at + 2]) for at in range(0, 16, 2))
        if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60 and 1 <= week <= 7):
            raise Bad(TIME)
        self.set_to = f"{high:02}{low:02}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"

    def power(self, rest, data):
        self.exactly(rest, 1)
        self.on = self.one_of(rest[0], (1, 2)) == 1       # FRAME: 01 on, 02 off

    def dim(self, rest, data):
        self.exactly(rest, 50)            # PYTHON: mode, value, and 48 values for the half hours of a day
        self.brightness = self.one_of(rest[1], range(1, 17))

    def exactly(self, rest, n):
        if len(rest) != n:
            raise Bad(COMMAND)            # own, as above

    def one_of(self, value, good):
        if value not in good:
            raise Bad(COMMAND)            # own, as above
        return value

    def update(self, rest, data):
        """A3 06 (PYTHON, CPP, FRAME): reply, clear first, 00, deletions, then areas with a length before each."""
        try:
            n, at = rest[0], 1
            gone = set(self.areas) if n == 0xFF else set(rest[1:1 + n])
            at += 0 if n == 0xFF else n
            count, at = rest[at], at + 1
            news = []
            for _ in range(count):
                length = struct.unpack_from("<H", rest, at)[0]
                if at + 2 + length > len(rest):
                    raise Bad(COMMAND)
                news.append(self.area(rest[at + 2:at + 2 + length]))
                at += 2 + length
        except (IndexError, struct.error):
            raise Bad(COMMAND) from None
        if at != len(rest):
            raise Bad(COMMAND)
        kept = {number: area for number, area in self.areas.items() if number not in gone} | {area.id: area for area in news}
        if sum(len(area.raw) for area in kept.values()) > self.memory:
            raise Bad(MEMORY)
        self.areas = kept
        for area in news:
            self.look(area)

    def area(self, data):
        kind, x, y, width, height, number, _, run, timeout, sound, extra = struct.unpack_from("<BHHHHBBBHBB", data)
        at = 16 + extra
        align, single, wraps, mode, _, speed, stay, length = struct.unpack_from("<BBBBBBBI", data, at)
        if kind or sound or at + 11 + length != len(data):
            raise Bad(COMMAND)
        self.one_of(run, range(6))
        self.one_of(single, (1, 2))
        self.one_of(wraps, (1, 2))
        self.one_of(mode, range(1, 7))
        # PYTHON: bytes of eight pixels, unless the high bit says pixels. A height is always one of pixels (CPP: 0x18 wide, 0x20 high).
        across = [value & 0x7FFF if value & 0x8000 else value * 8 for value in (x, width)]
        down = [value & 0x7FFF for value in (y, height)]
        return Area(number, across[0], down[0], across[1], down[1], run, timeout, single == 1, wraps == 2, mode, speed, stay, align,
                    data[at + 11:], self.clock.now())

    def look(self, area):
        """own: what a person in front of the board would complain about."""
        try:
            area.raw.decode("gbk")
        except ValueError:
            self.findings.append(f"area {area.id}: the text is no GBK")
        if area.x + area.width > self.width or area.y + area.height > self.height:
            self.findings.append(f"area {area.id}: it reaches beyond the board of {self.width}x{self.height}")
        if any(other.id != area.id and ledboard.overlap(area, other) for other in self.areas.values()):
            self.findings.append(f"area {area.id}: it lies over another")    # PYTHON: in display mode 0 they must not
        if ledboard.cut(area):
            self.findings.append(f"area {area.id}: what does not fit is never seen")

    def state(self):
        return {"shown": self.shown(), "on": self.on, "brightness": self.brightness,
                "areas": [{"id": area.id, "box": [area.x, area.y, area.width, area.height], "runs": area.runs} for area in self.visible()]}


if __name__ == "__main__":
    program = arguments(__doc__)
    program.add_argument("--page-port", type=int, default=0, help="0: a free one")
    main(program, lambda words: Card(words.port, page_port=words.page_port))
