"""What every simulated platform stands on: a server, a clock of its own, a record, and trouble on demand.

    with Platform() as one:                                    # any subclass of Simulator
        one.url                                                # http://127.0.0.1:PORT
        one.clock.forward(7200)                                # its clock only: tokens expire, days turn
        one.trouble("/cgi-bin/draft/add", error=45009)         # the next call; times=None for ever
        one.trouble("/cgi-bin/draft/add", how="lost")          # takes effect, and the reply is lost
        one.calls("/cgi-bin/draft/add")                        # what came, in order
        one.findings                                           # what it let pass, but a careful client does not do

How a call goes wrong (`how`):

    "error"  answers `error` in the platform's own words, or HTTP `status` with `body`; no effect unless effect=True
    "lost"   takes effect, then the connection is closed without a word
    "late"   takes effect, then the reply comes after `seconds`
    "held"   takes effect, and the reply waits for release()
    "later"  the connection is closed without a word; takes effect when `seconds` of the clock have passed
    "slow"   waits `seconds`, then does as usual
    "half"   takes effect, and the reply breaks off in the middle
    "reset"  the connection is reset before the request was read: no effect
    "hang"   never answers (until the end): no effect

A program has the same by HTTP, with JSON both ways: GET /control/state, GET /control/log,
POST /control/trouble {"endpoint", "how", "times", ...}, /control/calm {}, /control/release {},
/control/clock {"forward": s} or {"at": ISO}, /control/set {"name": value}, and /control/do {"call": name, "with": {...}}
for what the platform itself offers.
"""
import argparse
import base64
import collections
import contextlib
import datetime
import heapq
import http.server
import itertools
import json
import signal
import socket
import struct
import threading
import time
import traceback
import urllib.parse

CHINA = datetime.timezone(datetime.timedelta(hours=8))
MOST = 32 << 20  # bytes of a request that are read
KEPT = 128 << 20  # bytes of requests that are remembered
HOWS = ("error", "lost", "late", "slow", "held", "later", "half", "reset", "hang")


class Clock:
    """Real time plus an offset, or a moment that stands still."""

    def __init__(self):
        self.offset, self.frozen = 0.0, None
        self.changed = threading.Condition(threading.RLock())  # also the simulator's one lock
        self.due, self.order = [], itertools.count()
        self.alone, self.working = collections.deque(), threading.RLock()

    def now(self):
        return time.time() + self.offset if self.frozen is None else self.frozen

    def local(self, moment=None):
        return datetime.datetime.fromtimestamp(self.now() if moment is None else moment, CHINA)

    def text(self, moment=None):
        return f"{self.local(moment):%Y-%m-%d %H:%M:%S}"

    def forward(self, seconds):
        with self.changed:
            if self.frozen is None:
                self.offset += seconds
            else:
                self.frozen += seconds
        self.catch_up()

    def set(self, moment, freeze=False):
        """To an ISO time (China's when it names no zone) or seconds since 1970."""
        if isinstance(moment, str):
            moment = datetime.datetime.fromisoformat(moment)
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=CHINA)).timestamp()
        with self.changed:
            self.frozen = moment if freeze else None
            self.offset = moment - time.time()
        self.catch_up()

    def day(self):
        """Days turn at 00:00 Asia/Shanghai."""
        return self.local().date().isoformat()

    def month(self):
        return self.day()[:7]

    def after(self, seconds, do, alone=False):
        """do() once, in `seconds` of this clock: with the lock held, so it must be quick; or alone, without it."""
        with self.changed:
            heapq.heappush(self.due, (self.now() + seconds, next(self.order), (lambda: self.alone.append(do)) if alone else do))
            self.changed.notify_all()

    def run_due(self):
        with self.changed:
            while self.due and self.due[0][0] <= self.now():
                heapq.heappop(self.due)[2]()

    def catch_up(self):
        """Does all that is due, also what is done alone: not to be called with the lock held."""
        with self.working:
            self.run_due()
            while self.alone:
                self.alone.popleft()()
                self.run_due()
        with self.changed:
            self.changed.notify_all()

    def turn(self, ended):
        """Does what falls due, until the end."""
        while not ended.is_set():
            with self.changed:
                self.run_due()
                if not self.alone and not ended.is_set():
                    wait = self.due[0][0] - self.now() if self.due and self.frozen is None else 60
                    self.changed.wait(min(max(wait, 0.001), 60))
            if self.alone:
                self.catch_up()


class Counter:
    """How often something was done in a window; windows are named, and an old one is forgotten."""

    def __init__(self):
        self.window, self.counts = {}, {}

    def add(self, what, window):
        if self.window.get(what) != window:
            self.window[what], self.counts[what] = window, 0
        self.counts[what] += 1
        return self.counts[what]

    def read(self, what, window):
        return self.counts.get(what, 0) if self.window.get(what) == window else 0

    def clear(self):
        self.window.clear()
        self.counts.clear()


class Request:
    def __init__(self, method, target, headers, at, peer):
        parts = urllib.parse.urlsplit(target)
        self.method, self.path, self.at, self.peer, self.query_text = method, parts.path, at, peer, parts.query
        self.query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        self.headers = {}
        for name, value in headers.items():  # one that comes twice is one with commas (RFC 9110, 5.3)
            self.headers[name.lower()] = f"{self.headers[name.lower()]}, {value}" if name.lower() in self.headers else value
        self.body = b""
        self.call = ""  # as the simulator names it; "" = a page that people look at, which is not kept and has no trouble
        self.status, self.answer, self.trouble = None, b"", ""

    def json(self):
        return json.loads(self.body)

    def replied(self):
        """What was answered, or would have been."""
        return json.loads(self.answer)

    def as_json(self):
        def text(raw):
            try:
                return raw.decode()
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(raw).decode()}
        return {"method": self.method, "call": self.call, "path": self.path, "query": self.query, "headers": self.headers, "time": self.at,
                "body": text(self.body), "status": self.status, "answer": text(self.answer), "trouble": self.trouble}


class Reply:
    def __init__(self, body=b"", status=200, kind="application/json; charset=utf-8", **headers):
        if isinstance(body, (dict, list)):
            body = json.dumps(body, ensure_ascii=False)
        self.body = body.encode() if isinstance(body, str) else body
        self.status, self.kind = status, kind
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Page(Reply):
    def __init__(self, html, status=200, **headers):
        super().__init__(html, status, "text/html; charset=utf-8", **headers)


class Trouble:
    def __init__(self, endpoint, how=None, times=1, skip=0, error=None, detail="", status=None, body=None, seconds=0.0, effect=False):
        self.endpoint, self.how, self.times, self.skip = endpoint, how or "error", times, skip
        self.error, self.detail, self.status, self.body, self.seconds, self.effect = error, detail, status, body, seconds, effect
        self.hit = 0


class Simulator:
    """Subclasses have answer(request) -> Reply, error_reply(request, code, detail) -> Reply, and state() -> dict.

    All are called with the lock held. `settable` names the attributes that /control/set may change,
    `doable` the methods that /control/do may call, `hows` the ways in which a call can go wrong."""

    hows = HOWS
    settable = ()
    doable = ()

    def __init__(self, port=0):
        self.clock = Clock()
        self.lock = self.clock.changed
        self.log, self.log_bytes, self.troubles = [], 0, []
        self.findings = []  # what it let pass, but a careful client does not do
        self.broken = []  # own faults, which must not pass for the platform's
        self.ended, self.closed, self.released = threading.Event(), threading.Event(), threading.Event()
        simulator = self

        class Handler(_Handler):
            home = simulator

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 128
        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        self.ports = [self.port]  # that a program says
        self.url = f"http://127.0.0.1:{self.port}"
        self.sockets = set()

    def start(self):
        threading.Thread(target=self.serve, daemon=True).start()
        threading.Thread(target=self.clock.turn, args=(self.ended,), daemon=True).start()
        return self

    def serve(self):
        while not self.ended.is_set():
            self.server.handle_request()
        self.server.server_close()
        self.closed.set()

    def close(self):
        self.ended.set()
        self.release()
        with self.lock:
            self.lock.notify_all()
        with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):  # it has seen the end by itself
            socket.create_connection(self.server.server_address).close()  # wakes serve()
        self.closed.wait()
        for each in list(self.sockets):  # kept alive by their clients
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, problem, trace):
        self.close()
        assert problem or not self.broken, self.broken[0]

    # ---- for tests ----

    def trouble(self, endpoint, how=None, **more):
        made = Trouble(endpoint, how, **more)
        if made.how not in self.hows:
            raise ValueError(f"no such trouble: {how}; there are {', '.join(self.hows)}")
        with self.lock:
            self.troubles.append(made)
        return made

    def calm(self):
        with self.lock:
            self.troubles.clear()
        self.release()

    def release(self):
        """Lets the replies go that were held."""
        with self.lock:
            self.released.set()
            self.released = threading.Event()

    def calls(self, name=None):
        with self.lock:
            return [r for r in self.log if name in (None, r.call)]

    def wait(self, look, seconds=5):
        """Until look() is true, which is then answered; it is looked at whenever something changed."""
        end = time.monotonic() + seconds
        with self.lock:
            while not (found := look()):
                if not self.lock.wait(max(end - time.monotonic(), 0)):
                    raise AssertionError(f"not within {seconds} s")
            return found

    # ---- for the handler ----

    def call_of(self, request):
        """What the call is named, from its first line and its headers; "" for a page that people look at."""
        return request.path

    def draw(self, call, hows=None):
        """The trouble that this call meets (one of `hows`), or None."""
        with self.lock:
            for each in self.troubles:
                if each.endpoint not in ("*", call) or each.how not in (hows or self.hows):
                    continue
                if each.skip > 0:
                    each.skip -= 1
                    continue
                if each.times is None or each.hit < each.times:
                    each.hit += 1
                    return each
        return None

    def keep(self, request):
        """In the record; the oldest make room when their bodies are too much for a long run."""
        self.log.append(request)
        self.log_bytes += len(request.body)
        while len(self.log) > 20000 or (self.log_bytes > KEPT and len(self.log) > 1):
            self.log_bytes -= len(self.log.pop(0).body)

    def safe_answer(self, request):
        try:
            return self.answer(request)
        except Exception:  # pylint: disable=broad-except
            self.broken.append(traceback.format_exc())
            return Reply(self.broken[-1], 500, "text/plain; charset=utf-8")

    def handle(self, request, trouble=None):
        with self.lock:
            self.clock.run_due()
            request.at = self.clock.now()
            if request.call:
                self.keep(request)
            if not trouble or trouble.how != "error":
                reply = self.safe_answer(request)
            else:
                if trouble.effect:
                    self.safe_answer(request)
                if trouble.error is not None:
                    reply = self.error_reply(request, trouble.error, trouble.detail)
                    reply.status = trouble.status or reply.status
                else:
                    body = trouble.body if trouble.body is not None else "<html><body>502 Bad Gateway</body></html>"
                    reply = Reply(body, trouble.status or 502, "text/html")
            request.status, request.answer = reply.status, reply.body
            request.trouble = trouble.how if trouble else ""
            self.lock.notify_all()
            return reply

    def control(self, method, path, query, body):
        if (method, path) == ("GET", "state"):
            with self.lock:
                return {"now": self.clock.now(), "day": self.clock.day(), "findings": self.findings, **self.state(**query)}
        if (method, path) == ("GET", "log"):
            with self.lock:
                return [r.as_json() for r in self.log]
        wish = json.loads(body or b"{}")
        if (method, path) == ("POST", "trouble"):
            self.trouble(**wish)
        elif (method, path) in (("POST", "calm"), ("POST", "release")):
            getattr(self, path)()
        elif (method, path) == ("POST", "clock"):
            self.move_clock(wish)
        elif (method, path) == ("POST", "set"):
            self.set(wish)
        elif (method, path) == ("POST", "do"):
            if wish.get("call") not in self.doable:
                raise ValueError(f"cannot do {wish.get('call')}; can do {', '.join(self.doable)}")
            return {"done": getattr(self, wish["call"])(**wish.get("with", {}))}
        else:
            raise ValueError("no such control")
        return {"now": self.clock.now()}

    def move_clock(self, wish):
        if "forward" in wish:
            self.clock.forward(wish["forward"])
        else:
            self.clock.set(wish["at"], wish.get("freeze", False))

    def set(self, wish):
        """Changes settings by name: a set comes as a list, and of a dict the names that are given are changed."""
        with self.lock:
            for name, value in wish.items():
                if name not in self.settable:
                    raise ValueError(f"cannot set {name}; can set {', '.join(self.settable)}")
                was = getattr(self, name)
                if isinstance(was, dict):
                    was.update(value)
                else:
                    setattr(self, name, set(value) if isinstance(was, set) else value)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    home = None

    def setup(self):
        super().setup()
        self.home.sockets.add(self.connection)

    def finish(self):
        self.home.sockets.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def log_message(self, *arguments):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def handle_expect_100(self):
        """100 Continue is only said when the body is wanted: a reset comes before it."""
        return True

    def do_any(self):
        request = Request(self.command, self.path, self.headers, self.home.clock.now(), self.client_address[0])
        if request.path.startswith("/control/"):
            return self.do_control(request)
        request.call = self.home.call_of(request)
        trouble = self.home.draw(request.call) if request.call else None
        how, released = trouble.how if trouble else "", self.home.released
        if how in ("reset", "hang", "later"):
            return self.give_nothing(request, trouble)
        request.body = self.read_body()
        if how == "slow":
            self.home.ended.wait(trouble.seconds)
        reply = self.home.handle(request, trouble)
        if how == "late":
            self.home.ended.wait(trouble.seconds)
        if how == "held":
            released.wait()
        if how == "lost":
            self.close_connection = True
            return None
        return self.send(reply, half=how == "half")

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_any

    def give_nothing(self, request, trouble):
        request.trouble = trouble.how
        if trouble.how != "reset":
            request.body = self.read_body()
        with self.home.lock:
            self.home.keep(request)
            self.home.lock.notify_all()
        if trouble.how == "later":
            self.home.clock.after(trouble.seconds, lambda: self.home.safe_answer(request))
        elif trouble.how == "hang":
            self.home.ended.wait()
        else:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()  # with the files on it, which finish() closes: then it is a reset
        self.close_connection = True

    def read_body(self):
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while n := int(self.rfile.readline(64).split(b";")[0], 16):
                body += self.rfile.read(n)
                self.rfile.readline(8)
                if len(body) > MOST:
                    raise OSError("too much")
            self.rfile.readline(8)
            return body
        n = int(self.headers.get("Content-Length") or 0)
        if n > MOST:
            raise OSError("too much")
        return self.rfile.read(n)

    def do_control(self, request):
        try:
            reply = Reply(self.home.control(self.command, request.path.removeprefix("/control/"), request.query, self.read_body()))
        except (ValueError, TypeError, KeyError) as problem:
            reply = Reply({"problem": str(problem)}, 400)
        self.send(reply)

    def send(self, reply, half=False):
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if half:
            self.wfile.write(reply.body[:len(reply.body) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.command != "HEAD":
            self.wfile.write(reply.body)


def arguments(about):
    """Of a program; a simulator adds its own."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--print-port", action="store_true", help="first line: the port alone; where there are several, all of them")
    parser.add_argument("--set", type=json.loads, default={}, metavar="JSON", help="settings, as of /control/set")
    return parser


def main(parser, build):
    """Runs the simulator that build(words) makes as a program, until SIGTERM or SIGINT; its first line is what a starter waits for."""
    words = parser.parse_args()
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before threads are made: they inherit it
    simulator = build(words)
    simulator.set(words.set)
    simulator.start()
    print(*(simulator.ports if words.print_port else [simulator.url]), flush=True)
    signal.sigwait(ends)
    simulator.close()
