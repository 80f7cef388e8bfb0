"""A hundred thousand damaged messages: each is answered, and one honest event in a hundred is taken.

GONGKAI_MUTANTS=1000000 GONGKAI_SEED=7 hits longer, and elsewhere.
"""
import collections
import itertools
import json
import os
import random
import re

from county import TREE, publish, query, withdraw
from knock import County, accepted_in_log, dealer, resident_kib

COUNT = int(os.environ.get("GONGKAI_MUTANTS", "100000"))
SEED = int(os.environ.get("GONGKAI_SEED", "20261123"))
HONEST_ONE_IN = 100
PEERS, WINDOW = 4, 64
STATUSES = {"accepted", "duplicate", "stale", "held", "rejected", "conflict", "busy", "ok"}

# What stands in the place of a value.
VALUES = [v.encode() for v in (
    '""', '" "', '"x"', '"\\u3000"', "null", "true", "false", "0", "-1", "1", "1.5", "1e5", "9223372036854775807", "[]", "{}", "[[]]",
    '[""]', '[null]', '{"a":1}', '{"format":"html","content":"<b>x"}', '"2026-02-30"', '"2026-11-23"', '"2026-11-23T10:00:00+08:00"',
    '"2099-01-01T00:00:00Z"', '"1999-12-31T23:59:59Z"', '"urn:gongkai:530581:oa"', '"urn:gongkai:999999:oa"', '"aqsc.0402"',
    '"cn.gongkai.disclosure.withdraw.v1"', '"cn.gongkai.query.document.v1"', '"cn.gongkai.query.receipts.v1"', '"..\\/.."',
    '"\\u202e"', '"e\\u0301"', '"机密★"', '"530690190001010018"', '"\\t\\n\\r"', '"{530581}:doc:x"', '"*"', '"a\\tb"', '"erase"',
    '"' + "长" * 300 + '"', '"' + "x" * 3000 + '"', "[" + ",".join(['"政府网站"'] * 64) + "]", "[" + "1," * 300 + "1]", "[" * 30 + "]" * 30,
    '{"name":"a","media_type":"a/b","sha256":"' + "0" * 64 + '","size":0}', '[{"rel":"corrects","document":"x"}]', '{"days":1,"unit":"working"}')]
# What is put anywhere.
PIECES = [p if isinstance(p, bytes) else p.encode() for p in (
    '"', "\\", "{", "}", "[", "]", ",", ":", "，", "“", "\\u0000", "\\ud800", "\\u00", "\\x", b"\0", b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
    b"\xe5\x85", b"\xef\xbb\xbf", "\u202e", "\u200b", "\ufffe", "公", "NaN", "1e999", "-", "00", "[" * 100, '{"a":' * 100, "\n", "//", '"id":"x",')]
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')


NUMBERS = itertools.count(1)
ID = re.compile(rb'"id": *("[^"]*")')
DOCUMENT = re.compile(rb'"document": *("[^"]*")')


class Seed:
    def __init__(self, text):
        self.text = text
        spans = [m.span() for m in TOKEN.finditer(text)]
        self.keys = [s for s in spans if text[s[1]:s[1] + 2].lstrip().startswith(b":")]
        self.values = sorted(set(spans) - set(self.keys))
        self.names = [m.span(1) for pattern in (ID, DOCUMENT) for m in pattern.finditer(text)]


def seeds():
    texts = [path.read_text() for path in sorted((TREE / "demo" / "events").glob("*.json"))]
    for text in list(texts):
        one = json.loads(text)
        if one["data"].pop("attachments", None): # or else it would never get further than to their absence
            texts.append(json.dumps(one, ensure_ascii=False))
    texts += [json.dumps(event, ensure_ascii=False) for event in (
        publish("seed-1"), withdraw("seed-1"), query("seed-1"), query(id="x"), [publish("seed-2"), withdraw("seed-2"), query("seed-2")],
        publish("seed-3", revision=2, attributes={"gkdryrun": True}, openness="on-request", urgent=True, expires="2030-01-01T00:00:00+08:00"),
        publish("seed-4", channels=["bin", "no"], carriers=["短信"], texts={"short": "短"}, validity={"status": "valid"}, areas=["530581"]))]
    return [Seed(text.encode()) for text in texts if len(text) < 8000]


def changed(rng, seed):
    """Values are other ones; identity and document are often new, so that the store has something to decide."""
    spans = rng.sample(seed.values, min(len(seed.values), rng.choice((0, 1, 1, 1, 2, 6))))
    puts = {span: rng.choice(VALUES) for span in spans}
    if rng.random() < 0.8:
        for span in seed.names:
            puts[span] = b'"m-%d"' % (next(NUMBERS) if rng.random() < 0.9 else rng.randrange(50))
    if rng.random() < 0.1:
        puts[rng.choice(seed.keys)] = rng.choice((b'"id"', b'"x"', b'"data"', b'""', b'"revision"'))
    text = seed.text
    for start, end in sorted(puts, reverse=True):
        text = text[:start] + puts[start, end] + text[end:]
    return text


def hit(rng, seed, stock):
    """Bytes are gone, doubled, flipped, or come from elsewhere."""
    text = seed.text
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at, kind = rng.randrange(len(text) + 1), rng.random()
        if kind < 0.35:
            text = text[:at] + rng.choice(PIECES) + text[at + rng.randrange(3):]
        elif kind < 0.55:
            text = text[:at] + bytes(c ^ 1 << rng.randrange(8) for c in text[at:at + 1]) + text[at + 1:]
        elif kind < 0.7:
            text = text[:at] + text[at + rng.randrange(60):]
        elif kind < 0.75:
            text = text[:at]
        else:
            other = rng.choice(stock).text
            start = rng.randrange(len(other))
            text = text[:at] + other[start:start + rng.randrange(200)] + text[at + rng.randrange(20):]
    return text


def mutant(rng, stock):
    seed = rng.choice(stock)
    text = changed(rng, seed) if rng.random() < 0.5 else hit(rng, seed, stock)
    if rng.random() < 0.01:
        text = b"[" + b",".join([text] * rng.randrange(1, 5)) + b"]"
    frames = [b"", text]
    if rng.random() < 0.03:
        frames += [rng.randbytes(rng.randrange(40)) for _ in range(rng.choice((1, 2, 64, 65, 70)))]
    return frames


class Peer:
    def __init__(self, town):
        self.socket = dealer(town.endpoint)
        self.waiting = collections.deque() # honest id or None, and the frames

    def send(self, frames, honest=None):
        self.waiting.append((honest, frames))
        self.socket.send_multipart(frames)

    def receive(self, statuses):
        """One answer; what came before it is the oldest that waits."""
        assert self.socket.poll(20000), f"no answer to {self.waiting[0]!r} or one behind it"
        frames = self.socket.recv_multipart()
        assert len(frames) == 2 and frames[0] == b""
        reply = json.loads(frames[1])
        honest, sent = self.waiting.popleft()
        for one in reply if isinstance(reply, list) else [reply]:
            assert one["status"] in STATUSES, (one, sent)
            assert one["status"] != "rejected" or one["errors"], (one, sent)
            statuses[one["status"]] += 1
            statuses["unparsed"] += any(e["code"] in ("json", "encoding", "too_deep") for e in one.get("errors", []))
        if honest:
            assert (reply["id"], reply["document"], reply["status"], reply["revision"]) == (honest, honest, "accepted", 1), reply


def test_damaged_messages_are_answered_and_honest_ones_taken():
    regions = "530581 腾冲市, 530626 绥江县, 532301 楚雄市, 532325 姚安县, 532502 开远市, 532504 弥勒市"
    town = County(regions=[regions])
    town.channel("bin", driver="discard", carrier="政府网站, 两微一端")
    # Freed memory stays with the sanitizer for a while; less of it, so that growth would be seen.
    town.environment["ASAN_OPTIONS"] = "abort_on_error=1:detect_leaks=1:quarantine_size_mb=8"
    try:
        town.start_all()
        honest, statuses = damage(town)
        assert sorted(d for d in accepted_in_log(town) if d.startswith("honest-")) == sorted(honest)
        answers = sum(statuses[status] for status in STATUSES)
        assert 0.25 < statuses["unparsed"] / answers < 0.75, f"the mix of damages is off: {statuses}"
        assert set(statuses) >= STATUSES - {"busy"}, f"some answer was never heard: {statuses}"
        log = town.log("publisherd")
        assert not re.search(r"(warning|error): (?!.*redis.sock)", log), log[-3000:]
    finally:
        town.close()


def damage(town):
    rng, stock = random.Random(SEED), seeds()
    peers, honest, statuses = [Peer(town) for _ in range(PEERS)], [], collections.Counter()
    process, early = town.processes["publisherd"], 0
    for i in range(COUNT):
        peer = peers[i % PEERS]
        if len(peer.waiting) >= WINDOW:
            while len(peer.waiting) > WINDOW // 2:
                peer.receive(statuses)
        if i % HONEST_ONE_IN == 0:
            honest.append(f"honest-{i}")
            event = publish(honest[-1], id=honest[-1], title=f"第 {i} 号通告")
            peer.send([b"", json.dumps(event, ensure_ascii=False).encode()], honest[-1])
        else:
            peer.send(mutant(rng, stock))
        if i == COUNT // 5:
            early = resident_kib(process)
    for peer in peers:
        while peer.waiting:
            peer.receive(statuses)
        assert not peer.socket.poll(0), "an answer that nobody waits for"
        peer.socket.close(0)
    grown = resident_kib(process) - early
    assert grown < 24 * 1024, f"the daemon grew by {grown} KiB from {early} KiB"
    return honest, statuses
