"""What the simulators of HTTP carriers share: a server on a loopback port, a clock, a log, and faults on demand.

A simulator is a Frame with rules of its own: action_of(), handle(), refuse(), page(), state().

    one = Mas()
    one.inject(code="IllegalMac", times=2)    # the next two calls are refused, and have no effect
    one.inject(how="lost")                    # takes effect, and the answer never leaves
    one.clock.advance(600)                    # ten minutes pass, and what is due happens
    one.requests[-1].body                     # every request is kept

The same by JSON, when it runs as a program: POST /control/inject {"how": "lost"}, /control/clock {"advance": 600},
/control/release, /control/clear, /control/set {...}, and GET /control/log, /control/state (?full=1: numbers unmasked).
"""
import argparse
import dataclasses
import datetime
import heapq
import http.server
import itertools
import json
import signal
import socket
import struct
import sys
import threading
import time
import urllib.parse
import urllib.request

SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
MAX_BODY = 4 << 20
HOWS = ("answer", "lost", "half", "reset", "hang", "held", "late")


class Clock:
    """The carrier's time: the machine's, moved by an offset, or frozen; only advance() moves it then."""

    def __init__(self, agenda):
        self.agenda, self.offset, self.frozen = agenda, 0.0, None

    def now(self):
        return self.frozen if self.frozen is not None else time.time() + self.offset

    def local(self, at=None):
        return datetime.datetime.fromtimestamp(self.now() if at is None else at, SHANGHAI)

    def text(self, at=None):
        return self.local(at).strftime("%Y-%m-%d %H:%M:%S")

    def freeze(self, year, month, day, hour=0, minute=0, second=0):
        """Stops at a time in Shanghai."""
        self.frozen = datetime.datetime(year, month, day, hour, minute, second, tzinfo=SHANGHAI).timestamp()

    def advance(self, seconds):
        if self.frozen is not None:
            self.frozen += seconds
        else:
            self.offset += seconds
        self.agenda.run_due()


class Agenda:
    """What happens later. A thread looks at it; advance() also does it on the spot."""

    def __init__(self):
        self.clock = Clock(self)
        self.changed, self.due, self.turn = threading.Condition(), [], itertools.count()
        self.working = threading.RLock()
        self.ended = False
        threading.Thread(target=self.loop, daemon=True).start()

    def add(self, seconds, call):
        with self.changed:
            heapq.heappush(self.due, (self.clock.now() + seconds, next(self.turn), call))
            self.changed.notify()

    def run_due(self):
        with self.working:
            while True:
                with self.changed:
                    if self.ended or not self.due or self.due[0][0] > self.clock.now():
                        return
                    call = heapq.heappop(self.due)[2]
                call()

    def loop(self):
        while not self.ended:
            self.run_due()
            with self.changed:
                wait = self.due[0][0] - self.clock.now() if self.due else 60
                if wait > 0 and not self.ended:
                    self.changed.wait(min(wait, 60) if self.clock.frozen is None else 60)

    def end(self):
        with self.changed:
            self.ended = True
            self.changed.notify()


@dataclasses.dataclass
class Fault:
    """What goes wrong with the next `times` calls (of `action`, or of any)."""
    times: int = 1
    action: str = ""       # "" = any call
    code: str = ""         # refused with the carrier's own error code, without effect
    message: str = ""
    status: int = 0        # this HTTP status, without effect unless `effect`
    effect: bool = False   # it takes effect although the answer says otherwise
    delay: float = 0.0     # real seconds until the answer leaves
    after: float = 0.0     # for how = late: seconds of the carrier's clock until it takes effect
    # lost: takes effect, the connection is reset. half: takes effect, half an answer. reset: before the body is read.
    # hang: no effect, no answer. held: takes effect, the answer waits for release(). late: reset, takes effect later.
    how: str = "answer"

    def __post_init__(self):
        if self.how not in HOWS:
            raise ValueError(f"how is one of {', '.join(HOWS)}")


@dataclasses.dataclass
class Request:
    method: str
    target: str
    headers: dict          # lower-case name -> list of values, as received
    at: float
    body: bytes = b""
    action: str = ""
    fault: Fault = None
    effect: bool = False
    answer: "Answer" = None
    findings: list = dataclasses.field(default_factory=list)  # let pass, but a careful client does not do it

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def query(self):
        return self.target.partition("?")[2]

    def header(self, name):
        return ",".join(self.headers.get(name, []))


@dataclasses.dataclass
class Answer:
    body: object = b""     # bytes, or what becomes JSON
    status: int = 200
    kind: str = "application/json;charset=utf-8"

    def bytes(self):
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, ensure_ascii=False).encode()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def shutdown_request(self, request):
        # A connection that is to be reset must not say good-bye first.
        if request.fileno() >= 0 and request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0):
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "simulator", ""
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        self.server.frame.one(self)

    do_GET = do_PUT = do_HEAD = do_POST

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def read_body(self):
        n = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(n) if 0 <= n <= MAX_BODY else None

    def speak(self, answer, share=1.0):
        body = answer.bytes()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:int(len(body) * share)])
        self.close_connection = self.close_connection or share < 1


class Frame:
    title = "模拟器"

    def __init__(self, port=0):
        self.agenda = Agenda()
        self.clock = self.agenda.clock
        self.lock = threading.RLock()
        self.requests, self.faults = [], []
        self.ended, self.released = threading.Event(), threading.Event()
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.frame = self
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self.ended.set()
        self.released.set()
        self.agenda.end()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.close()

    # -- a simulator's own

    def action_of(self, request):
        """Which call it is, from its first line and headers alone."""
        return request.path

    def handle(self, request):
        """The rules: the answer, and the effect."""
        raise NotImplementedError

    def refuse(self, code, message="", status=0):
        """How this carrier says an error."""
        raise NotImplementedError

    def page(self):
        return ""

    def state(self, full):
        return {}

    # -- faults

    def inject(self, **fault):
        with self.lock:
            self.faults.append(Fault(**fault))

    def clear(self):
        with self.lock:
            self.faults.clear()
        self.release()

    def release(self):
        """Lets the answers go that were held."""
        self.released.set()
        self.released = threading.Event()

    def draw(self, action):
        with self.lock:
            for fault in self.faults:
                if fault.action in ("", action):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.faults.remove(fault)
                    return fault
        return Fault(times=0)

    def findings(self):
        return [finding for request in self.requests for finding in request.findings]

    def push(self, url, document):
        """POSTs JSON to a receiver, and says (status, body), or (0, b"") for no answer."""
        request = urllib.request.Request(url, json.dumps(document, ensure_ascii=False).encode(),
                                         {"Content-Type": "application/json;charset=UTF-8"})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as reply:
                return reply.status, reply.read(1 << 16)
        except urllib.error.HTTPError as problem:
            return problem.code, b""
        except OSError:
            return 0, b""

    # -- one request

    def one(self, handler):
        headers = {}
        for name, value in handler.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        request = Request(handler.command, handler.path, headers, self.clock.now())
        if request.path.startswith("/control/"):
            return self.control(handler, request)
        if request.method == "GET" and request.path == "/" and not request.query:
            page = self.page() if "x-acs-action" not in headers else ""
            if page:
                return handler.speak(Answer(page.encode(), kind="text/html;charset=utf-8"))
        request.action = self.action_of(request)
        fault = request.fault = self.draw(request.action)
        with self.lock:
            self.requests.append(request)
        released = self.released
        if fault.how == "reset":
            return handler.reset()
        body = handler.read_body()
        if body is None:
            handler.close_connection = True
            return handler.speak(Answer({"error": "too large"}, 413))
        request.body = body
        if fault.how == "late":
            self.agenda.add(fault.after, lambda: self.take(request))
            return handler.reset()
        if fault.how == "hang":
            self.ended.wait()
            return handler.reset()
        if fault.code or fault.status:
            if fault.effect:
                self.take(request)
            request.answer = self.refuse(fault.code or "InternalError", fault.message, fault.status)
        else:
            self.take(request)
        if fault.how == "held":
            released.wait()
        if fault.delay:
            self.ended.wait(fault.delay)
        if fault.how == "lost":
            return handler.reset()
        return handler.speak(request.answer, 0.5 if fault.how == "half" else 1)

    def take(self, request):
        with self.lock:
            request.answer = self.handle(request)

    def control(self, handler, request):
        verb = request.path.removeprefix("/control/")
        full = "full=1" in request.query
        try:
            wish = json.loads(handler.read_body() or b"{}")
            if verb == "inject":
                self.inject(**wish)
            elif verb == "clock":
                self.clock.advance(wish["advance"])
            elif verb in ("release", "clear"):
                getattr(self, verb)()
            elif verb == "set":
                self.set(wish)
            elif verb not in ("log", "state"):
                raise KeyError(verb)
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            return handler.speak(Answer({"error": repr(problem)}, 400))
        if verb == "log":
            return handler.speak(Answer(self.log(full)))
        with self.lock:
            return handler.speak(Answer({"findings": self.findings(), "now": self.clock.text(), "port": self.port} | self.state(full)))

    def set(self, wish):
        """Changes settings of the simulator by name; sets come as lists."""
        with self.lock:
            for name, value in wish.items():
                was = getattr(self, name)
                if name.startswith("_") or callable(was) or isinstance(was, (Clock, Agenda)):
                    raise KeyError(name)
                setattr(self, name, set(value) if isinstance(was, set) else value)

    def log(self, full):
        return [self.note(request, full) for request in list(self.requests)]

    def note(self, request, full):
        return {"at": self.clock.text(request.at), "method": request.method, "action": request.action,
                "fault": request.fault.how if request.fault else "", "effect": request.effect,
                "status": request.answer.status if request.answer else 0, "findings": request.findings,
                "target": request.target if full else request.path, "body": request.body.decode("utf-8", "replace") if full else len(request.body)}


def main(build, describe, argv=None):
    """Runs a simulator as a program until it is told to end. build(options) gives it, and the ports to say."""
    parser = argparse.ArgumentParser(description=describe, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 = a free one")
    parser.add_argument("--page-port", type=int, default=0, help="for a simulator that does not itself speak HTTP")
    parser.add_argument("--print-port", action="store_true", help="say the port, and that of the page where it is another")
    parser.add_argument("--set", default="{}", metavar="JSON", help="settings, as of /control/set")
    options = parser.parse_args(argv)
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before the threads are made: they inherit it
    one, ports = build(options)
    one.set(json.loads(options.set))
    if options.print_port:
        print(*ports, flush=True)
    signal.sigwait(ends)
    one.close()
