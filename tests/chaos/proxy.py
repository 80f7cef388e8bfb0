"""A way between a daemon and what it speaks to that can be cut, slowed and stopped.

    proxy.py CONTROL NAME=LISTEN,TARGET...        LISTEN and TARGET: a path, or a port on the loopback

CONTROL is a unix socket: one JSON line {"name", "do", ...} each, answered by {"hit": N}, which says how
often the fault before that took effect, so that nobody counts what did not happen:

    cut      all connections break, now; with "after": each breaks after so many bytes of answers
    half     what comes from the target is closed and thrown away, the other direction stays open
    stop     nothing passes, nothing breaks
    delay    each piece comes "seconds" later
    drip     some bytes every few milliseconds
    away     nobody answers: new connections are closed at once, old ones are cut
    pass     all is well again
"""
import asyncio
import json
import signal
import socket
import struct
import sys


class Link:
    def __init__(self, name, listen, target):
        self.name, self.listen, self.target = name, listen, target
        self.mode, self.wish, self.hit, self.pairs, self.changed = "pass", {}, 0, set(), asyncio.Event()

    async def open(self):
        if self.listen.startswith("/"):
            return await asyncio.start_unix_server(self.serve, self.listen, backlog=512)
        return await asyncio.start_server(self.serve, "127.0.0.1", int(self.listen), backlog=512)

    async def begin(self, wish):
        if wish["do"] != "pass":
            self.hit = 0
        self.mode, self.wish = wish["do"], wish
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()
        if self.mode == "away" or (self.mode == "cut" and "after" not in wish):
            for pair in list(self.pairs):
                self.hit += 1
                pair.cut()
        elif self.mode == "half":
            for pair in list(self.pairs):
                self.hit += 1
                pair.half()
        if self.mode in ("cut", "half") and "after" not in wish:
            self.mode = "pass"
        return {"hit": self.hit}

    async def serve(self, reader, writer):
        if self.mode == "away":
            self.hit += 1
            writer.transport.abort()
            return
        try:
            if self.target.startswith("/"):
                there = await asyncio.open_unix_connection(self.target)
            else:
                there = await asyncio.open_connection("127.0.0.1", int(self.target))
        except OSError:
            writer.transport.abort()
            return
        pair = Pair(self, (reader, writer), there)
        self.pairs.add(pair)
        await pair.run()
        self.pairs.discard(pair)


class Pair:
    def __init__(self, link, here, there):
        self.link, self.here, self.there, self.deaf, self.n_back = link, here, there, False, 0

    def cut(self):
        for _, writer in (self.here, self.there):
            raw = writer.get_extra_info("socket")
            if raw is not None and raw.family != socket.AF_UNIX and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def half(self):
        self.deaf = True
        try:
            self.here[1].write_eof()
        except OSError:
            pass

    async def run(self):
        try:
            await asyncio.gather(self.pump(self.here[0], self.there[1], False),
                                 self.pump(self.there[0], self.here[1], True))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for _, writer in (self.here, self.there):
                writer.close()

    async def pump(self, reader, writer, is_answer):
        while data := await reader.read(65536):
            await self.carry(data, writer, is_answer)
        if not (is_answer and self.deaf):
            # Whoever speaks to a Redis or an endpoint and closes is gone: so is the rest.
            writer.close()
            (self.there if is_answer else self.here)[1].close()

    async def carry(self, data, writer, is_answer):
        link = self.link
        while link.mode == "stop":
            link.hit += 1
            await link.changed.wait()
        if link.mode == "delay":
            link.hit += 1
            await asyncio.sleep(link.wish["seconds"])
        while link.mode == "drip" and data:
            link.hit += 1
            piece, data = data[:link.wish.get("bytes", 16)], data[link.wish.get("bytes", 16):]
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(link.wish.get("seconds", 0.01))
        if is_answer and link.mode == "cut":
            room = link.wish["after"] - self.n_back
            if len(data) > room:
                link.hit += 1
                writer.write(data[:max(0, room)])
                await writer.drain()
                self.cut()
                raise ConnectionAbortedError
            self.n_back += len(data)
        else:
            self.n_back = 0
        if data and not (is_answer and self.deaf):
            writer.write(data)
            await writer.drain()


async def main(control, names):
    links = {}
    for each in names:
        name, _, ends = each.partition("=")
        links[name] = Link(name, *ends.split(","))
        await links[name].open()

    async def obey(reader, writer):
        while line := await reader.readline():
            wish = json.loads(line)
            writer.write(json.dumps(await links[wish["name"]].begin(wish)).encode() + b"\n")
            await writer.drain()
        writer.close()
    await asyncio.start_unix_server(obey, control)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
