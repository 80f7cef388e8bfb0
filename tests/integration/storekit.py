"""core/store.lua on a Redis of its own, and a thin Python face for its functions.

The clock of the functions is a key that the test sets: the text of now_ms() is exchanged when the
library is loaded, nothing else. Commands are spoken as bare RESP, since the schedules send hundreds
of thousands of them.
"""

import functools
import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections import namedtuple

import pytest

from rows import pack, unpack

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.join(HERE, "..", "..")
REGION = "{530581}:"
EPOCH = "01EPOCH"
START = 1_790_000_000_000  # ms; where the test clock begins
DAY = 86_400_000
WINDOW = 35 * DAY
CHANNELS = ("portal", "wechat", "weibo")

REAL_CLOCK = """    local t = call('TIME') -- TIME is not frozen in a Function: once per call
    return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
"""
TEST_CLOCK = "    return tonumber(call('GET', 'testclock'))\n"


class Refused(Exception):
    """Redis answered with an error."""


def library(real_clock=False):
    with open(os.path.join(TREE, "core", "store_library.c"), encoding="utf-8") as file:
        parts = re.findall(r'EMBED_FILE\("([^"]+)"\)', file.read())
    text = ""
    for part in parts:
        with open(os.path.join(TREE, part), encoding="utf-8") as file:
            text += file.read()
    if real_clock:
        return text
    assert text.count(REAL_CLOCK) == 1, "now_ms() reads otherwise than this kit believes"
    return text.replace(REAL_CLOCK, TEST_CLOCK)


@functools.lru_cache(maxsize=1 << 16)  # the schedules say the same words again and again
def encode_word(word):
    if not isinstance(word, bytes):
        word = str(word).encode()
    return b"$%d\r\n%s\r\n" % (len(word), word)


SET_CLOCK = b"*3\r\n$3\r\nSET\r\n$9\r\ntestclock\r\n$13\r\n%d\r\n"  # a time in ms has 13 digits


def encode(*words):
    return b"*%d\r\n%s" % (len(words), b"".join(map(encode_word, words)))


class Redis:
    """A redis-server in a folder that goes with it, and one connection."""

    def __init__(self, *options, text=None):
        self.folder = tempfile.mkdtemp(prefix="store-")
        self.path = os.path.join(self.folder, "redis.sock")
        self.options = options
        self.start()
        self.call("FUNCTION", "LOAD", "REPLACE", text or library())

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--dir", self.folder,
             "--save", "", "--appendonly", "no", *self.options],
            stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(self.path)
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > deadline:
                    self.close()
                    raise
                time.sleep(0.02)
        self.file = self.socket.makefile("rb", buffering=1 << 18)
        while isinstance(self.many([encode("PING")])[0], Refused) and time.monotonic() < deadline:
            time.sleep(0.02)  # it reads its own file

    def kill_and_start_again(self):
        self.process.kill()
        self.process.wait()
        self.socket.close()
        os.unlink(self.path)
        self.start()

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"+":
            return rest
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        return Refused(rest.decode(errors="replace") if line else "connection closed")

    def call(self, *words):
        self.socket.sendall(encode(*words))
        reply = self.read()
        if isinstance(reply, Refused):
            raise reply
        return reply

    def many(self, commands):
        """Encoded commands in one go; a list of replies, refusals among them as values."""
        self.socket.sendall(b"".join(commands))
        return [self.read() for _ in commands]

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


Answer = namedtuple("Answer", "status ulid revision channels due n extra")
Item = namedtuple("Item", "document lease passed")
Work = namedtuple("Work", "document lease rev lvl kind ulid evid accepted reference url first_shown "
                          "attempts doubt memo after_url shown_rev shown_lvl doubt_since cls generation "
                          "ended deadline sum")
Channel = namedtuple("Channel", "name state shown_rev shown_lvl reference url first_shown attempts "
                                "not_before code sentence doubt")
Revision = namedtuple("Revision", "rev lvl kind ulid publish_at expires accepted evid waits")
Document = namedtuple("Document", "owner held current pending channels")
Record = namedtuple("Record", "state document rev lvl ulid channel attempt code reference url "
                              "sentence extra")


def ulid_of(identity):
    return "U" + hashlib.sha256(identity.encode()).hexdigest()[:25].upper()


class Event:
    """What publisherd knows of one event when it calls gk1_accept."""

    def __init__(self, id, document="d1", kind="P", revision=0, time=START, content="x", at=0,
                 expires=0, cls=2, deadline=0, flags="", channels="portal,wechat", source="oa",
                 may="", due="", reasons="", ulid=None, until="", sum=""):
        self.evid = source + " " + id
        self.document, self.kind, self.content = document, kind, content
        self.revision, self.time, self.source = revision, time, source
        self.digest = hashlib.sha256("\0".join((kind, document, content)).encode()).digest()
        self.content_digest = hashlib.sha256(content.encode()).digest()[:16]
        self.ulid = ulid or ulid_of(self.evid)
        self.bytes = ("bytes of %s: %s" % (self.evid, content)).encode()
        self.flags, self.channels = flags, channels
        self.rest = (kind, source, time, revision, self.digest, at, expires, cls, deadline, flags, may, channels, "emitter",
                     due, reasons, str(until), sum)

    @property
    def row(self):
        return pack(self.ulid, *self.rest)


def publish(id, **more):
    return Event(id, **more)


def withdraw(id, **more):
    more.setdefault("channels", "")
    more.setdefault("content", "withdrawn")
    return Event(id, kind="W", **more)


def text(value):
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def number(value):
    return int(value) if value else 0


def revision_of(row):
    if not row:
        return None
    return Revision(int(row[0]), int(row[1]), text(row[2]), text(row[3]), int(row[4]), int(row[5]),
                    int(row[6]), text(row[7]), text(row[8]))


class Store:
    """One region."""

    def __init__(self, redis, region=REGION, clock=True):
        self.redis, self.region = redis, region
        self.now = START
        self.known = CHANNELS
        if clock:
            self.set_clock(START)
        self.call("gk1_hello", self.keys("meta", "log", "ctl"), EPOCH, "found")

    # Keys and calls

    def key(self, name):
        return self.region + name

    def keys(self, *names):
        return [self.region + name for name in names]

    def set_clock(self, ms):
        self.now = ms
        self.redis.call("SET", "testclock", ms)

    def wait(self, ms):
        self.set_clock(self.now + ms)

    @staticmethod
    def words(function, keys, *argv):
        return ("FCALL", function, len(keys), *keys, *argv)

    def call(self, function, keys, *argv):
        return self.redis.call(*self.words(function, keys, *argv))

    def contents(self):
        """All keys with their DUMP, the test clock aside."""
        keys = [key for key in self.redis.call("KEYS", "*") if key != b"testclock"]
        return {key: self.redis.call("DUMP", key) for key in keys}

    # The functions. Each `*_words` gives the command, each `*_of` understands its reply.

    def accept_words(self, events, known=None, window=WINDOW, epoch=EPOCH):
        known = self.known if known is None else known
        keys = self.keys("meta", "log", "held", "same:2", "same:1", *["due:" + name for name in known])
        argv = [epoch, len(known), ",".join(known), window]
        for event in events:
            keys += self.keys("ev:" + event.evid, "doc:" + event.document)
            argv += [event.content_digest, event.row]
        return self.words("gk1_accept", keys, *argv)

    @staticmethod
    def accept_of(reply):
        answers = []
        for line in reply[3:]:
            field = text(line).split("\t")
            answers.append(Answer(field[0], field[1], int(field[2]), field[3], field[4],
                                  int(field[5]), field[6]))
        return answers

    def accept(self, *events, **more):
        for event in events:  # publisherd does it in one MULTI with the accept
            self.redis.call("SET", self.key("body:" + event.ulid), event.bytes)
        reply = self.redis.call(*self.accept_words(events, **more))
        assert reply[0] == b"ok", reply
        return self.accept_of(reply)

    def accept1(self, event, **more):
        return self.accept(event, **more)[0]

    def take_words(self, channel, count=10, lease=60_000, worker="", limits="0,0,0,0,0"):
        return self.words("gk1_take", self.keys("due:" + channel, "lease:" + channel, "ctl", "gate:" + channel,
                                                "hand:%s:%s" % (channel, worker)),
                          channel, count, lease, worker, limits)

    def take_all(self, channel, **more):
        """Status, ms until the next look, what was handed out."""
        return self.take_of(self.redis.call(*self.take_words(channel, **more)))

    def work_words(self, channel, **more):
        """gk1_take and gk1_load in one call."""
        words = self.take_words(channel, **more)
        return self.words("gk1_work", [*words[3:8], *self.keys("meta", "log")], EPOCH, *words[8:])

    def take_and_load(self, channel, **more):
        _, _, *rows = self.redis.call(*self.work_words(channel, **more))
        return self.works_of(rows)

    def renew_words(self, channel, triples, worker="", lease=60_000):
        """triples: (document, old, new)."""
        return self.words("gk1_renew", self.keys("due:" + channel, "lease:" + channel,
                                                 "hand:%s:%s" % (channel, worker)),
                          worker, lease, *[word for triple in triples for word in triple])

    def renew(self, channel, *triples, **more):
        return [text(x) for x in self.redis.call(*self.renew_words(channel, triples, **more))]

    def reclaim_words(self, channel, worker):
        return self.words("gk1_reclaim", self.keys("due:" + channel, "hand:%s:%s" % (channel, worker)))

    def reclaim(self, channel, worker):
        return int(self.redis.call(*self.reclaim_words(channel, worker))[1])

    @staticmethod
    def take_of(reply):
        items = [Item(text(reply[i]), int(reply[i + 1]), reply[i + 2] == b"1")
                 for i in range(2, len(reply), 3)]
        return text(reply[0]), number(reply[1]), items

    def take(self, channel, **more):
        return self.take_of(self.redis.call(*self.take_words(channel, **more)))[2]

    def load_words(self, channel, items):
        keys = self.keys("meta", "log", "due:" + channel, *["doc:" + i.document for i in items])
        leases = [word for i in items for word in (i.lease, int(i.passed))]
        return self.words("gk1_load", keys, EPOCH, channel, *leases)

    @staticmethod
    def works_of(rows):
        """An Item and a Work, or the word that stands for none, per document."""
        items, works = [], []
        for row in rows:
            (document, lease, mark, word), at = unpack("snss", row)
            items.append(Item(text(document), lease, mark == b"1"))
            if word != b"work":
                works.append(text(word))
                continue
            x, end = unpack("nnsssnssnnnssnnnsnnsnsnn", row, at)
            assert end == len(row)
            works.append(Work(items[-1].document, lease, *[text(value) for value in x[:10]], x[10] == 1,
                              *[text(value) for value in x[11:13]],
                              *["" if value < 0 else str(value) for value in x[13:15]],
                              x[15], x[17], x[18], text(x[19]), x[20], text(x[21])))
        return items, works

    def load_of(self, reply):
        return self.works_of(reply[2:])[1]

    def load(self, channel, items):
        reply = self.redis.call(*self.load_words(channel, items))
        assert reply[0] == b"ok", reply
        return self.load_of(reply)

    def work(self, channel, after=(), **more):
        """Take and load; what is no work is released, as a worker does, and left out."""
        items = self.take(channel, **more)
        found = self.load(channel, items) if items else []
        for item, work in zip(items, found):
            if not isinstance(work, Work):
                self.settle(channel, item, "release", after=after)
        return [work for work in found if isinstance(work, Work)]

    def one(self, channel, **more):
        works = self.work(channel, **more)
        assert len(works) == 1, works
        return works[0]

    @staticmethod
    def settlement(item, verdict, sent=None, reference="", url="", code="", sentence="", at=0,
                   memo="-", bound=0, health="", hold=0, final=False, extra=""):
        if sent is None:
            sent = verdict in ("done", "ended", "uncertain")
        return pack(item.lease, getattr(item, "rev", 0), getattr(item, "lvl", 0), verdict, bool(sent),
                    reference, url, code, sentence, at, memo, bound, getattr(item, "generation", 0), health, hold,
                    bool(final), extra)

    def settle_words(self, channel, pairs, after=(), breaker="0,0,0,0"):
        """pairs: (document, settlement)."""
        keys = self.keys("meta", "log", "due:" + channel, "gate:" + channel, *["due:" + name for name in after],
                         *["doc:" + document for document, _ in pairs])
        argv = [EPOCH, channel, len(after), ",".join(after), breaker]
        argv += [row for _, row in pairs]
        return self.words("gk1_settle", keys, *argv)

    def settle(self, channel, item, verdict, after=(), breaker="0,0,0,0", **more):
        reply = self.redis.call(*self.settle_words(
            channel, [(item.document, self.settlement(item, verdict, **more))], after, breaker))
        if reply[0] != b"ok":
            return " ".join(text(x) for x in reply)
        return text(reply[1])

    def done(self, channel, after=(), **more):
        """Everything that is due on the channel is shown."""
        works = self.work(channel, after=after)
        for work in works:
            assert self.settle(channel, work, "done", after=after, **more) == "ok"
        return works

    def checkpoint(self, channel, work, memo):
        return text(self.call("gk1_checkpoint", self.keys("meta", "due:" + channel, "doc:" + work.document),
                              EPOCH, channel, work.lease, memo, work.rev, work.lvl)[0])

    def control(self, what, value, who="root", state="stopped"):
        return text(self.call("gk1_control", self.keys("meta", "log", "ctl"), EPOCH, what, value, who,
                              state)[0])

    def held(self, ulid, what, evid, document, who="root", reason="", known=None):
        known = self.known if known is None else known
        keys = self.keys("meta", "log", "held", "ev:" + evid, "doc:" + document,
                         *["due:" + name for name in known])
        return [text(x) for x in self.call("gk1_held", keys, EPOCH, ulid, what, who, reason,
                                           ",".join(known))]

    def release(self, event, **more):
        return self.held(event.ulid, "release", event.evid, event.document, **more)

    def refuse(self, event, **more):
        return self.held(event.ulid, "refuse", event.evid, event.document, **more)

    def dead(self, channel, what, document="d1", after=(), who="root", reason="why"):
        keys = self.keys("meta", "log", "doc:" + document, "due:" + channel, *["due:" + c for c in after])
        return text(self.call("gk1_dead", keys, EPOCH, channel, what, who, reason, len(after), ",".join(after))[0])

    def put_back(self, channel, document="d1"):
        reply = self.call("gk1_put_back", self.keys("meta", "log", "doc:" + document, "due:" + channel),
                          EPOCH, channel, "root", "gone")
        return int(reply[1]) if reply[0] == b"ok" else text(reply[0])

    def book(self, channel, spend=(), put=(), get=(), epoch=EPOCH):
        """spend: (name, amount, limit); put: (name, value, ms or "", how). Written, next day, counts, notes."""
        keys = self.keys("meta", *["book:%s:%s" % (channel, name) for name in
                                   [*[s[0] for s in spend], *[p[0] for p in put], *get]])
        argv = [epoch, len(spend), len(put), *[word for s in spend for word in s[1:]], *[word for p in put for word in p[1:]]]
        reply = self.call("gk1_book", keys, *argv)
        if reply[0] != b"ok":
            return text(reply[0])
        n = 4 + len(spend)
        return reply[1] == b"1", int(reply[3]), [int(x) for x in reply[4:n]], [text(x) for x in reply[n:]]

    def wake(self, channel, document="d1"):
        return text(self.call("gk1_wake", self.keys("meta", "log", "doc:" + document, "due:" + channel), EPOCH, channel)[0])

    SCREENS = ("screens", "draws", "seen")

    def sight(self, channel, player, *draws, epoch=EPOCH):
        """draws: (document, revision, digest's letter). The documents of which something began or ended, or a refusal."""
        keys = self.keys("meta", "log", *[name + ":" + channel for name in self.SCREENS])
        argv = [word for document, revision, letter in draws for word in (document, revision, letter * 64)]
        reply = [text(x) for x in self.call("gk1_sight", keys, epoch, channel, player, *argv)]
        return reply[1:] if reply[0] == "ok" else reply[0]

    def forget_screen(self, channel, player, who="root"):
        keys = self.keys("meta", "log", *[name + ":" + channel for name in self.SCREENS])
        reply = [text(x) for x in self.call("gk1_screen_forget", keys, EPOCH, channel, player, who)]
        return reply[1:] if reply[0] == "ok" else reply[0]

    def sightings(self, channel, document=""):
        """player -> (last heartbeat, how many documents, revision, digest's letter, since; "" without)."""
        reply = [text(x) for x in self.call("gk1_sightings", self.keys("screens:" + channel, "seen:" + channel), document)]
        assert reply[0] == "ok"
        return {reply[i]: (int(reply[i + 1]), int(reply[i + 2]), reply[i + 3], reply[i + 4][:1], number(reply[i + 5]))
                for i in range(2, len(reply), 6)}

    def screens(self, channel):
        """player -> (last heartbeat, how many documents, [what it should not show any more])."""
        rows = self.call("gk1_screens", self.keys("meta", "screens:" + channel, "draws:" + channel), channel)
        return {text(row[0]): (int(row[1]), int(row[2]), [text(x) for x in row[3]]) for row in rows}

    def ledgered_words(self, events, trim="", known=None, window=WINDOW):
        known = self.known if known is None else known
        keys = self.keys("meta", "log", *["due:" + c for c in known])
        for event in events:
            keys += self.keys("doc:" + event.document, "ev:" + event.evid, "body:" + event.ulid)
        return self.words("gk1_ledgered", keys, EPOCH, trim, window, len(known), ",".join(known),
                          *[event.ulid for event in events])

    def ledgered(self, *events, **more):
        reply = self.redis.call(*self.ledgered_words(events, **more))
        assert reply[0] == b"ok", reply
        return [text(x) for x in reply[1:]]

    def put_bytes(self, event):
        return text(self.call("gk1_bytes", self.keys("meta", "doc:" + event.document, "body:" + event.ulid),
                              EPOCH, event.ulid, event.bytes)[0])

    def fetched(self, event, what="done", known=None, reasons=None):
        known = self.known if known is None else known
        keys = self.keys("meta", "log", "fetch", "doc:" + event.document, *["due:" + c for c in known])
        more = [reasons, event.source, event.time, event.revision] if what == "hold" else []
        return [text(x) for x in self.call("gk1_fetched", keys, EPOCH, event.ulid, what, ",".join(known), *more)]

    def held_list(self):
        return [[text(x) for x in row] for row in self.call("gk1_held_list", self.keys("held"))]

    def bytes_of(self, *events):
        return self.redis.call("MGET", *self.keys(*["body:" + e.ulid for e in events]))

    @staticmethod
    def show_of(row):
        if not row:
            return None
        channels = {text(c[0]): Channel(*[text(x) for x in c]) for c in row[4]}
        return Document(text(row[0]), text(row[1]), revision_of(row[2]),
                        [revision_of(r) for r in row[3]], channels)

    def show(self, document="d1"):
        return self.show_of(self.call("gk1_show", self.keys("doc:" + document))[0])

    def channel(self, name, document="d1"):
        return self.show(document).channels[name]

    # What stands in Redis

    def due(self, channel):
        flat = self.redis.call("ZRANGE", self.key("due:" + channel), 0, -1, "WITHSCORES")
        return {text(flat[i]): int(float(flat[i + 1])) for i in range(0, len(flat), 2)}

    def log(self):
        """All records; on the way it is checked that epoch and numbers are without a gap."""
        records, n = [], 0
        for _, fields in self.redis.call("XRANGE", self.key("log"), "-", "+"):
            entry = dict(zip(fields[0::2], fields[1::2]))
            assert text(entry[b"e"]) == EPOCH
            assert int(entry[b"n"]) == n + 1, "a gap before record %d" % int(entry[b"n"])
            for line in text(entry[b"r"]).split("\n"):
                records.append(Record(*line.split("\t")))
                n += 1
        assert n == number(self.redis.call("HGET", self.key("meta"), "n"))
        return records

    def states(self, channel=None, document=None):
        return [r.state for r in self.log()
                if (channel is None or r.channel == channel)
                and (document is None or r.document == document)]


@pytest.fixture(scope="session")
def store_redis():
    redis = Redis()
    yield redis
    redis.close()


@pytest.fixture
def store(store_redis):
    store_redis.call("FLUSHALL")
    return Store(store_redis)
