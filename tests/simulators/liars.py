"""Endpoints that take events by HTTP, are fast, write down every request, and lie on demand.

    liars.py CONTROL LOG NAME=KIND[:PORT]...

Three kinds, by what an endpoint does with a request that it may have had before:

    keyed   honours Idempotency-Key: an equal key is answered as the first time, and has no effect
    looked  honours nothing: every request has its effect. GET /lookup?key=K answers 200 {id, url} or 404
    ranked  honours Gongkai-Rank: what is not higher than what it has is answered 200, and has no effect

What a title says with 不收 is refused by all of them (422): it can never pass.

CONTROL is a unix socket: one JSON line {"name", "behaviour", "share", "count", "seconds", ...} begins
a behaviour, {"name", "behaviour": ""} ends it; the answer to both is {"hit": requests that had it so far}.
The log has one JSON line per request: when it came, what it was, whether it had an effect, and how it
was answered. It is all that a checker knows of the world.
"""
import asyncio
import hashlib
import json
import random
import signal
import socket
import struct
import sys
import time
import urllib.parse

KINDS = ("keyed", "looked", "ranked")
# Behaviour -> whether the event is taken; "lie" takes it and answers 500, which only a key forgives.
BEHAVIOURS = {"500": False, "503": False, "429": False, "reset": False, "hang": False, "slow": True, "late": True,
              "half": True, "lost": True, "drip": True, "lie": True}


class Endpoint:
    def __init__(self, name, kind, log):
        self.name, self.kind, self.log = name, kind, log
        self.known = {}   # key -> answer
        self.ranks = {}   # document -> (revision, level)
        self.posts = {}   # key -> answer of its newest post
        self.n_posts = self.n_requests = 0
        self.behaviour, self.wish, self.hit, self.until = "", {}, 0, 0.0
        self.chance = random.Random(name)

    def begin(self, wish):
        if wish["behaviour"]:
            self.wish, self.hit = wish, 0
            self.until = time.monotonic() + wish.get("seconds", 1e9)
        self.behaviour = wish["behaviour"]
        return {"hit": self.hit}

    def draw(self):
        """The behaviour towards the request that has just come."""
        if not self.behaviour or time.monotonic() > self.until or self.hit >= self.wish.get("count", 1 << 30) \
                or self.chance.random() > self.wish.get("share", 1):
            return ""
        self.hit += 1
        return self.behaviour

    def take(self, key, rank, kind):
        """What the request does, and its answer."""
        document = key.split("/")[1]
        if self.kind == "keyed" and key in self.known:
            return "known", self.known[key]
        if self.kind == "ranked" and rank <= self.ranks.get(document, (0, -1)):
            return "older" if rank < self.ranks[document] else "known", {}
        self.n_posts += 1
        answer = {"id": f"{self.name}-{self.n_posts}", "url": f"http://127.0.0.1/{self.name}/{self.n_posts}"}
        self.known[key] = self.posts[key] = answer
        self.ranks[document] = rank
        return "effect", answer

    def post(self, headers, body, worker):
        event = json.loads(body)
        key = headers["idempotency-key"]
        revision, level, kind = headers["gongkai-rank"].split(" ")
        rank = (int(revision), int(level))
        title = (event.get("data") or {}).get("title") or ""
        behaviour = self.draw()
        note = {"what": "post", "key": key, "document": urllib.parse.unquote(key.split("/")[1]), "rank": rank,
                "kind": kind, "id": event["id"], "source": event["source"],
                "stamp": headers.get("webhook-timestamp"), "body": hashlib.sha256(body).hexdigest()[:16], "behaviour": behaviour, "worker": worker}
        if "不收" in title:
            done, status, answer = "refused", 422, {"error": "这样的内容不收"}
        elif behaviour and not BEHAVIOURS[behaviour]:
            done, status, answer = "none", int(behaviour) if behaviour.isdigit() else 0, {}
        else:
            done, answer = self.take(key, rank, kind)
            status = 500 if behaviour == "lie" else 200
        self.n_requests += 1
        self.write(note | {"done": done, "status": status, "n": self.n_requests})
        return behaviour, status, answer

    def end(self, n):
        """The answer, or what there was of it, has left; at once unless this says otherwise."""
        self.write({"what": "end", "n": n})

    def look(self, key):
        answer = self.posts.get(key)
        behaviour = self.draw()
        if behaviour in ("lie", "half", "lost"):
            behaviour = "500"
        status = 200 if answer else 404
        if behaviour and not BEHAVIOURS[behaviour]:
            status = int(behaviour) if behaviour.isdigit() else 0
        self.write({"what": "look", "key": key, "status": status, "behaviour": behaviour, "done": "none"})
        return behaviour, status, answer or {}

    def write(self, note):
        self.log.write(json.dumps({"t": round(time.time(), 4), "name": self.name} | note, ensure_ascii=False) + "\n")


class Connection(asyncio.Protocol):
    def __init__(self, endpoint):
        self.endpoint, self.buffer, self.transport, self.task = endpoint, b"", None, None

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, problem):
        if self.task:
            self.task.cancel()

    def data_received(self, data):
        self.buffer += data
        while not self.task and self.one():
            pass

    def one(self):
        """One whole request of what has come; false when there is none."""
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        n = int(headers.get("content-length", 0))
        if len(rest) < n:
            return False
        body, self.buffer = rest[:n], rest[n:]
        method, path, _ = lines[0].split(" ")
        words = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        if method == "POST":
            behaviour, status, answer = self.endpoint.post(headers, body, words.get("worker", [""])[0])
        else:
            behaviour, status, answer = self.endpoint.look(words.get("key", [""])[0])
        if behaviour in ("", "500", "503", "429", "lie"):
            self.answer(status, answer, behaviour)
        else:
            number = self.endpoint.n_requests if method == "POST" else 0
            self.task = asyncio.ensure_future(self.misbehave(behaviour, status, answer, number))
        return True

    def answer(self, status, answer, behaviour=""):
        body = json.dumps(answer).encode()
        more = "Retry-After: 1\r\n" if behaviour == "429" else ""
        self.transport.write(f"HTTP/1.1 {status} Because\r\nContent-Type: application/json\r\n{more}"
                             f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def reset(self):
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def misbehave(self, behaviour, status, answer, number):
        try:
            await self.act(behaviour, status, answer)
        finally:
            if number:
                self.endpoint.end(number)
        self.task = None
        while not self.task and self.one():
            pass

    async def act(self, behaviour, status, answer):
        wish = self.endpoint.wish
        if behaviour in ("reset", "lost"):
            self.reset()
        elif behaviour == "half":
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n{\"id\"")
            await asyncio.sleep(0.02)
            self.reset()
        elif behaviour == "hang":
            await asyncio.sleep(60)
        elif behaviour == "drip":
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not self.transport.is_closing():
                await asyncio.sleep(0.05)
                self.transport.write(b" ")
        else:  # slow, late: the whole answer, when it is
            await asyncio.sleep(wish.get("wait", 0.3 if behaviour == "slow" else 3))
            self.answer(status, answer)


async def serve(control, log, names):
    loop = asyncio.get_running_loop()
    endpoints = {}
    for each in names:
        name, _, kind = each.partition("=")
        kind, _, port = kind.partition(":")
        assert kind in KINDS, kind
        endpoints[name] = Endpoint(name, kind, log)
        await loop.create_server(lambda one=endpoints[name]: Connection(one), "127.0.0.1", int(port or 0), backlog=512)

    async def obey(reader, writer):
        while line := await reader.readline():
            wish = json.loads(line)
            answer = endpoints[wish["name"]].begin(wish)
            log.flush()
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()
    await asyncio.start_unix_server(obey, control)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    while not ended.is_set():
        try:
            await asyncio.wait_for(ended.wait(), 0.2)
        except asyncio.TimeoutError:
            log.flush()


if __name__ == "__main__":
    with open(sys.argv[2], "a", encoding="utf-8") as log_file:
        asyncio.run(serve(sys.argv[1], log_file, sys.argv[3:]))
