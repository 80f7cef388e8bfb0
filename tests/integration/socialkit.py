"""Callers of the simulated WeChat and Weibo accounts, as plain as they can be, and a receiver of pushes."""
import http.client
import http.server
import json
import pathlib
import socketserver
import sys
import threading
import urllib.parse

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from wechat import Wechat  # noqa: E402
from wechat_push import decrypt, signature  # noqa: E402
from weibo import Weibo  # noqa: E402

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 60
JPG = b"\xff\xd8\xff\xe0" + b"j" * 60
GIF = b"GIF89a" + b"g" * 60
BMP = b"BM" + b"b" * 60
MP4 = b"\0\0\0\x18ftypmp42" + b"v" * 60
MP3 = b"ID3" + b"m" * 60


def short(value):
    """Of a table's long texts and files the beginning, as the name of its row."""
    return f"{value[:8]}-{len(value)}" if isinstance(value, (str, bytes)) and len(value) > 20 else None


def ask(one, method, target, body=b"", headers=None):
    """(status, headers, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)
    try:
        connection.request(method, target, body or None, headers or {})
        reply = connection.getresponse()
        return reply.status, {n.lower(): v for n, v in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def multipart(parts):
    """[(name, filename or None, bytes)] as a body and its headers."""
    out = b""
    for name, filename, data in parts:
        file = f'; filename="{filename}"' if filename else ""
        out += f'--b0und\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
    return out + b"--b0und--\r\n", {"Content-Type": "multipart/form-data; boundary=b0und"}


class Caller:
    """Of a Wechat; has a stable token."""

    def __init__(self, one):
        self.one = one
        self.token = self.stable()["access_token"]
        self.thumb = self.upload("/cgi-bin/material/add_material", JPG, type="image")["media_id"]

    def stable(self, **more):
        return self.raw("/cgi-bin/stable_token", {"grant_type": "client_credential", "appid": self.one.appid, "secret": self.one.secret, **more})

    def raw(self, path, body, method="POST", **query):
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return json.loads(ask(self.one, method, path + "?" + urllib.parse.urlencode(query), data)[2])

    def call(self, path, **body):
        return self.raw("/cgi-bin/" + path, body, access_token=self.token)

    def upload(self, path, data, name="a.jpg", part="media", others=(), **query):
        body, headers = multipart([(part, name, data), *others])
        target = path + "?" + urllib.parse.urlencode({"access_token": self.token, **query})
        return json.loads(ask(self.one, "POST", target, body, headers)[2])

    def image(self):
        return self.upload("/cgi-bin/media/uploadimg", PNG)["url"]

    def article(self, **more):
        return {"title": "关于供水检修的通告", "content": "<p>明日停水。</p>", "thumb_media_id": self.thumb, **more}

    def draft(self, **more):
        return self.call("draft/add", articles=[self.article(**more)])

    def publish(self, **more):
        """The publish_id of an article that is on its way."""
        return self.call("freepublish/submit", media_id=self.draft(**more)["media_id"])["publish_id"]

    def published(self, **more):
        return self.call("freepublish/get", publish_id=self.publish(**more))

    def send(self, **more):
        body = {"filter": {"is_to_all": True}, "msgtype": "mpnews", **more}
        if body["msgtype"] == "mpnews" and "mpnews" not in body:
            body["mpnews"] = {"media_id": self.draft()["media_id"]}
        return self.call("message/mass/sendall", **body)

    def code(self, path, **body):
        return self.call(path, **body).get("errcode", 0)


class Author:
    """Of a Weibo; has a token."""

    def __init__(self, one):
        self.one, self.token = one, one.grant()

    def form(self, path, **fields):
        body = urllib.parse.urlencode({"access_token": self.token, **fields}).encode()
        return self.answer(ask(self.one, "POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"}))

    def share(self, text, **more):
        return self.form("/2/statuses/share.json", **{"status": text, "rip": "39.130.1.1", **more})

    def share_picture(self, text, data, part="pic", name="a.png"):
        fields = [("access_token", None, self.token.encode()), ("status", None, text.encode()), ("rip", None, b"39.130.1.1")]
        return self.answer(ask(self.one, "POST", "/2/statuses/share.json", *multipart([*fields, (part, name, data)])))

    def destroy(self, number):
        return self.form("/2/statuses/destroy.json", id=number)

    def timeline(self, **more):
        query = urllib.parse.urlencode({"access_token": self.token, **more})
        return self.answer(ask(self.one, "GET", "/2/statuses/user_timeline.json?" + query))

    @staticmethod
    def answer(reply):
        status, _, body = reply
        return {**json.loads(body), "status": status}


@pytest.fixture
def wechat():
    with Wechat() as one:
        one.clock.set("2026-03-02 09:00:00", freeze=True)
        yield one


@pytest.fixture
def caller(wechat):
    return Caller(wechat)


@pytest.fixture
def weibo():
    with Weibo() as one:
        one.clock.set("2026-03-02 09:00:00", freeze=True)
        yield one


@pytest.fixture
def author(weibo):
    return Author(weibo)


class Receiver:
    """A developer's address: checks what is pushed to it, and answers as told."""

    def __init__(self, token, aes_key=None, app_id=None):
        self.events, self.answers, self.echo = [], [], True
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def words(self):
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
                assert query["signature"] == signature(token, query["timestamp"], query["nonce"])
                return query

            def do_GET(self):
                self.reply(200, self.words()["echostr"] if receiver.echo else "no")

            def do_POST(self):
                query = self.words()
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if aes_key:
                    sealed = body.split("<Encrypt><![CDATA[")[1].split("]]>")[0]
                    assert query["encrypt_type"] == "aes" and query["msg_signature"] == signature(token, query["timestamp"], query["nonce"], sealed)
                    body = decrypt(aes_key, app_id, sealed)
                receiver.events.append(body)
                self.reply(*(receiver.answers.pop(0) if receiver.answers else (200, "success")))

            def reply(self, status, text):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())
        self.server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/wechat"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
