"""A system that takes disclosure events by HTTP POST, as honest or as broken as a test wants it.

It keeps what a good receiver keeps: the answer it gave to each Idempotency-Key, and the highest rank
of each document. Every request is recorded, also one that is answered badly or not at all.

    sink = Sink()
    sink.next(Answer(500), Answer(500))       # these two go wrong, what comes after is taken
    sink.by_default = Hang()                  # from now on it never answers
    sink.close(); sink.open()                 # dies, and comes back on the same port
"""
import base64
import hashlib
import hmac
import json
import re
import socket
import struct
import threading
import time
import urllib.parse


class Answer:
    """Answers with a status. One of 200 to 299 means that the event was taken."""

    def __init__(self, status=200, body=b"", wait=0.0, **headers):
        self.status, self.wait = status, wait
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}

    def takes(self):
        return 200 <= self.status < 300

    def speak(self, sink, connection):
        if self.wait:
            sink.ended.wait(self.wait)
        head = f"HTTP/1.1 {self.status} Because\r\nContent-Length: {len(self.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        if not sink.keeps_connections:
            head += "Connection: close\r\n"
        connection.sendall(head.encode() + b"\r\n" + self.body)
        return sink.keeps_connections


class Take(Answer):
    """Takes the event, and says what it calls it and where it shows it."""

    def __init__(self, **words):
        super().__init__(200, json.dumps(words), Content_Type="application/json")


class Hang:
    """Reads the request and never answers."""

    def __init__(self, taken=True):
        self.taken = taken

    def takes(self):
        return self.taken

    def speak(self, sink, connection):
        sink.ended.wait(60)
        return False


class Reset(Hang):
    """Reads the request, takes the event or not, and resets the connection."""

    def speak(self, sink, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


class Drip(Hang):
    """A good answer whose body never ends: a byte every twentieth of a second."""

    def speak(self, sink, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not sink.ended.wait(0.05):
            connection.sendall(b" ")
        return False


class Flood(Hang):
    """A good answer with a body of many megabytes, in chunks."""

    def speak(self, sink, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        return False


class Gate(Answer):
    """Takes the event, and answers when it is opened."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.opened = threading.Event()

    def speak(self, sink, connection):
        self.opened.wait(60)
        return super().speak(sink, connection)


class Late(Hang):
    """Reads the request, resets the connection, and takes the event some time later."""

    def __init__(self, after):
        super().__init__(taken=False)
        self.after = after

    def speak(self, sink, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


class Half(Hang):
    """Takes the event, and dies in the middle of a good answer."""

    def speak(self, sink, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":")
        return False


class Request:
    def __init__(self, line, headers, body):
        self.at = time.time()
        self.method, self.path = line.split(" ")[:2]
        self.headers, self.body = headers, body
        self.event = json.loads(body) if body else None
        self.key = headers.get("idempotency-key")
        self.known = False  # its key was taken before

    @property
    def document(self):
        return urllib.parse.unquote(self.key.split("/")[1])

    @property
    def revision_part(self):
        return self.key.split("/")[2]

    @property
    def rank(self):
        revision, level, _ = self.headers["gongkai-rank"].split(" ")
        return int(revision), int(level)

    @property
    def kind(self):
        return self.headers["gongkai-rank"].split(" ")[2]

    def signatures(self):
        return self.headers.get("webhook-signature", "").split()

    def signed_by(self, secret):
        """As a receiver checks it: over the bytes that arrived."""
        key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
        text = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        return wanted in self.signatures()


class Sink:
    def __init__(self):
        self.lock = threading.Lock()
        self.requests = []      # all that arrived, in order
        self.broken = []        # what was no request
        self.plan, self.lookups = [], [] # answers to requests, and to questions, in place of the usual
        self.by_default = Answer(200)
        self.keeps_connections = True
        self.keys = {}          # Idempotency-Key -> how often its event was taken as new
        self.shown = {}         # document -> (rank, kind, title) of the highest rank
        self.older = 0          # what was taken after something newer, and so ignored
        self.posts = {}         # Idempotency-Key -> how often a receiver that knows no keys would have posted it
        self.looked = []        # (when, key, found) of each GET that asked for a key
        self.port, self.listener = 0, None
        self.open()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/in"

    def open(self):
        self.ended = threading.Event()
        self.connections = set()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener, self.ended), daemon=True).start()

    def close(self):
        """Dies at once: no new connection, and those that are there break."""
        self.ended.set()
        # A listener that another thread waits on goes on taking until it is shut down.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def next(self, *behaviours):
        with self.lock:
            self.plan.extend(behaviours)

    def of(self, document, key=None):
        with self.lock:
            return [r for r in self.requests
                    if r.key and "/" in r.key and r.document == document and key in (None, r.revision_part)]

    # -- one connection

    def accept(self, listener, ended):
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            stream = connection.makefile("rb")
            while self.one(stream, connection):
                pass
        except OSError:
            pass
        finally:
            with self.lock:
                self.connections.discard(connection)
            connection.close()
            stream.close()  # the last user of the socket: only now it is really closed

    def one(self, stream, connection):
        line = stream.readline().decode("latin-1").strip()
        if not line:
            return False
        headers = {}
        while True:
            header = stream.readline()
            if header in (b"\r\n", b""):
                break
            name, _, value = header.decode("latin-1").partition(":")
            if name.lower() in headers or not header.endswith(b"\r\n"):
                self.broken.append(header)
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        if len(body) < int(headers.get("content-length", 0)):
            self.broken.append(line)
            return False
        try:
            request = Request(line, headers, body)
        except ValueError:
            self.broken.append(body)
            return False
        if request.method == "GET":
            return self.look_up(request).speak(self, connection)
        with self.lock:
            behaviour = self.plan.pop(0) if self.plan else self.by_default
            request.known = request.key in self.keys
            self.requests.append(request)
            if behaviour.takes():
                self.take(request)
        if isinstance(behaviour, Late):
            threading.Timer(behaviour.after, self.take_late, [request]).start()
        return behaviour.speak(self, connection)

    def take_late(self, request):
        with self.lock:
            request.known = request.key in self.keys
            self.take(request)

    def look_up(self, request):
        """GET /in?key=KEY: what it calls the event that came with that key, or 404."""
        key = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)["key"][0]
        with self.lock:
            found = key in self.keys
            self.looked.append((request.at, key, found))
            if self.lookups:
                return self.lookups.pop(0)
        return Take(id=f"post of {key}", url="https://media.example.cn/") if found else Answer(404)

    def take(self, request):
        self.posts[request.key] = self.posts.get(request.key, 0) + 1
        if request.known or "gongkai-rank" not in request.headers:
            return
        self.keys[request.key] = self.keys.get(request.key, 0) + 1
        now = self.shown.get(request.document)
        # A repair has a key of its own, and the rank of what it repairs.
        if now and (now[0] > request.rank or (now[0] == request.rank and not re.search(r"/[0-9wxe]+r[0-9]+/", request.key))):
            self.older += 1
            return
        self.shown[request.document] = (request.rank, request.kind, request.event["data"].get("title"))
