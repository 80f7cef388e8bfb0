"""An emitter's web server, honest or not, that counts what is asked of it."""
import contextlib
import gzip
import pathlib
import socket
import ssl
import subprocess
import threading
import time


class FileHost:
    """Each connection is answered by the behaviour of its path: a function of the socket, or bytes as
    the whole answer. Written by hand, since a library would not misbehave."""

    def __init__(self, tls=None):
        self.answers, self.asked, self.open, self.most_open = {}, [], 0, 0
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.tls = tls
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while not self.closing.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError, ssl.SSLError), connection:
            connection.settimeout(30)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            request = b""
            while b"\r\n\r\n" not in request:
                more = connection.recv(65536)
                if not more:
                    return
                request += more
            more = [line for line in request.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            while more and len(request.split(b"\r\n\r\n", 1)[1]) < int(more[0].split(b":")[1]):
                request += connection.recv(65536)
            path = request.split(b" ")[1].decode()
            with self.lock:
                self.asked.append((path, request.decode(errors="replace")))
                self.open += 1
                self.most_open = max(self.most_open, self.open)
            try:
                answer = self.answers.get(path, status(404))
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)
            finally:
                with self.lock:
                    self.open -= 1

    def times(self, path):
        return sum(1 for asked, _ in self.asked if asked == path)

    def url(self, path, host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"

    def close(self):
        self.closing.set()
        self.socket.close()


def head(media_type="text/plain", length=None, code="200 OK", **more):
    lines = [f"HTTP/1.1 {code}"] + ([f"Content-Type: {media_type}"] if media_type else [])
    lines += [f"Content-Length: {length}"] if length is not None else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return ("\r\n".join(lines) + "\r\nConnection: close\r\n\r\n").encode()


def good(content, media_type="text/plain"):
    return head(media_type, len(content)) + content


def status(code, **more):
    return head("text/html", 5, f"{code} x", **more) + b"sorry"


def half(content):
    """Says its length, and dies in the middle."""
    return head(length=len(content)) + content[:len(content) // 2]


def endless(connection):
    connection.sendall(head(Transfer_Encoding="chunked"))
    while True:
        connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def endless_header(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")


def drip(connection):
    for byte in head(length=10):
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


def silent(connection):
    connection.recv(1)  # nothing comes: it returns when the other side has had enough


def bomb(field, megabytes=256):
    """A few hundred KiB that unpack to many MiB, under the given header."""
    packed = gzip.compress(b"\0" * (megabytes << 20), 9)

    def answer(connection):
        connection.sendall(head(length=None if field == "Transfer_Encoding" else len(packed), **{field: "gzip"}) + packed)
    return answer, packed


class Gate:
    """Holds the answer back until it is let go."""

    def __init__(self, answer):
        self.answer, self.reached, self.go = answer, threading.Event(), threading.Event()

    def __call__(self, connection):
        self.reached.set()
        self.go.wait(60)
        connection.sendall(self.answer)


def self_signed(folder):
    key, certificate = pathlib.Path(folder) / "key.pem", pathlib.Path(folder) / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
