#!/usr/bin/python3
"""A WeChat Official Account as its interface describes it: strict, stateful, with its own clock.

    /usr/bin/python3 tests/simulators/wechat.py --port 0 --print-port

As a program its first line is the port (or the address); `/` is a phone that shows the account. As a class it is
what the driver's stories run against. frame.py has the clock, the record and how calls are made to go wrong.

Attributes that a test may set: appid, secret; account "subscription" or "service", verified, sandbox, frozen;
allowed_ips (None: all), ip_state ("", "pending", "unconfirmed", "refused", "refused twice"); protected (mass sends to
all wait for admin()); publish_seconds, mass_seconds (of the clock); publish_results and mass_results (what the next
jobs end in; then they succeed); daily and minutely (limits by name); foreign_images ("refuse", or "drop" as the real
one does without a word); number_ids (publish_id is a number in JSON, as some of the platform's pages have it).
"""
import json
import re
import secrets

import frame
import wechat_pages
from forms import BadForm, file_type, multipart
from frame import Counter, Page, Reply, Simulator, arguments
from wechat_mass import Mass
from wechat_publish import Publishing, name_of
from wechat_push import Pusher
from wechat_rules import DAILY, ERRORS, MATERIAL, MB, MINUTELY, STORE, Refused, escaped_text

LIFE, MARGIN = 7200, 300  # api_getstableaccesstoken: 7200 s; the next one 5 min before the end, when both work


class Token:
    def __init__(self, now):
        # api_getstableaccesstoken: keep at least 512 characters for a token; so it has them.
        self.text, self.until, self.replaced = name_of(512), now + LIFE, False


class Material:
    def __init__(self, kind, data, url):
        self.kind, self.data, self.url = kind, data, url


class Store:
    """What was uploaded for good."""

    def __init__(self):
        self.materials, self.images = {}, {}  # media_id -> Material; address -> bytes

    def full(self, kind):
        """The material page: 100,000 images, and 1,000 of each other kind."""
        return sum(m.kind == kind for m in self.materials.values()) >= STORE.get(kind, 1000)


class Wechat(Publishing, Mass, Simulator):
    settable = ("appid", "secret", "account", "verified", "sandbox", "frozen", "allowed_ips", "ip_state", "protected", "publish_seconds",
                "mass_seconds", "publish_results", "mass_results", "reprints", "daily", "minutely", "foreign_images", "number_ids", "name",
                "mass_pace", "mass_window")
    doable = ("set_callback", "verify_callback", "block", "forget_media", "admin", "expire_token", "use_up", "delete_by_hand")

    def __init__(self, appid="wx5f0c3a1b2d4e6f70", secret="0123456789abcdef0123456789abcdef", name="腾冲市人民政府", port=0):
        super().__init__(port)
        self.appid, self.secret, self.name = appid, secret, name
        self.original_id, self.operator = "gh_" + secrets.token_hex(6), "o" + name_of(27)
        self.account, self.verified, self.sandbox, self.frozen = "subscription", True, False, False
        self.allowed_ips, self.ip_state = None, ""
        self.daily = {name: limit for limit, names in DAILY for name in names}
        self.minutely = dict(MINUTELY)
        self.counts, self.store = Counter(), Store()
        self.tokens, self.stable, self.plain, self.forced_at = {}, None, None, None
        self.pusher = Pusher(self)
        self.begin_publishing()
        self.begin_mass()
        self.routes = {
            "/cgi-bin/media/uploadimg": self.uploadimg, "/cgi-bin/material/add_material": self.add_material,
            "/cgi-bin/clear_quota": self.clear_quota, **self.publish_routes(), **self.mass_routes(),
        }

    def start(self):
        self.pusher.start()
        return super().start()

    def close(self):
        self.pusher.stop()
        super().close()

    # ---- for tests ----

    def set_callback(self, url, token, aes_key=None):
        """As on the website's page; the address must answer the echo before anything is pushed to it."""
        self.pusher.point(url, token, aes_key)

    def verify_callback(self):
        return self.pusher.verify()

    @property
    def pushes(self):
        return self.pusher.tries

    def block(self, url):
        """The platform takes an article down afterwards."""
        with self.lock:
            self.at_url(url).blocked = self.clock.now()

    def delete_by_hand(self, url):
        """Somebody deletes an article on the website."""
        with self.lock:
            self.at_url(url).deleted = self.clock.now()

    def forget_media(self, media_id):
        """Somebody deletes a material on the website."""
        with self.lock:
            del self.store.materials[media_id]

    def expire_token(self):
        """The stable token is taken back at once, as by a force_refresh that somebody else made."""
        with self.lock:
            self.stable.replaced, self.stable = True, None

    def use_up(self, name, left=0):
        """All but `left` calls of today are used."""
        with self.lock:
            row = self.row(name)
            while self.counts.read(row, self.clock.day()) < self.daily[row] - left:
                self.counts.add(row, self.clock.day())

    def at_url(self, url):
        return self.articles[re.search(r"sn=(\w+)", url)[1]]

    def state(self):
        day = self.clock.day()
        return {
            "account": {name: getattr(self, name) for name in ("appid", "name", "account", "verified", "sandbox", "frozen", "protected")},
            "drafts": [{"media_id": i, "titles": [a["title"] for a in d["articles"]]} for i, d in self.drafts.items()],
            "materials": [{"media_id": i, "type": m.kind, "bytes": len(m.data)} for i, m in self.store.materials.items()],
            "jobs": [{"publish_id": i, "publish_status": j.now(), "article_id": j.article_id} for i, j in self.jobs.items()],
            "articles": [{"title": a.fields["title"], "url": a.url, "time": a.at, "deleted": a.deleted, "blocked": a.blocked, "way": a.way}
                         for a in self.articles.values()],
            "mass": self.mass_state(),
            "used": {name: n for name in self.daily if (n := self.counts.read(name, day))},
            "pushes": self.pushes,
        }

    # ---- every call ----

    def error_reply(self, request, code, detail="", **more):
        # Answers carry the number of the request behind the words, as the platform's do.
        words = " ".join(filter(None, (ERRORS.get(code, "error"), detail, "rid: " + secrets.token_hex(4))))
        return Reply({"errcode": code, "errmsg": words, **more})

    def call_of(self, request):
        return request.path if request.path.startswith("/cgi-bin/") else ""

    def answer(self, request):
        if not request.call:
            return self.page(request)
        try:
            if request.path == "/cgi-bin/token":
                return Reply(self.token(request))
            if request.path == "/cgi-bin/stable_token":
                return Reply(self.stable_token(request))
            if request.path not in self.routes:
                raise Refused(40066)
            if request.method != "POST":  # every page of these calls: POST
                raise Refused(43002)
            self.check_token(request)
            if self.frozen:
                raise Refused(50007)
            self.count(request.path)
            return Reply(self.routes[request.path](request))
        except Refused as refusal:
            return self.error_reply(request, refusal.code, refusal.detail, **refusal.more)

    def count(self, name):
        """API_Call_Limits.html: every call counts; the day is China's. A limit of a minute is one of the clock's minutes."""
        if limit := self.minutely.get(name):
            if self.counts.add("minute " + name, int(self.clock.now() // 60)) > limit:
                raise Refused(45011)
        row = self.row(name)
        if row in self.daily and self.counts.add(row, self.clock.day()) > self.daily[row]:
            raise Refused(45009)

    @staticmethod
    def row(name):
        """One counter for all uploads: the page's row is "media upload"."""
        return next((names[0] for _, names in DAILY if name in names), name)

    def clear_quota(self, request):
        """API_Call_Limits.html: 10 a month, with those on the website; 48006 after them."""
        if self.body(request).get("appid") != self.appid:
            raise Refused(40013)
        if self.counts.add("clear_quota", self.clock.month()) > 10:
            raise Refused(48006)
        for row in self.daily:
            self.counts.window.pop(row, None)
        return {"errcode": 0, "errmsg": "ok"}

    def body(self, request):
        if not request.body:
            raise Refused(44002)
        try:
            body = json.loads(request.body.decode())
        except ValueError:
            raise Refused(47001) from None
        if not isinstance(body, dict):
            raise Refused(47001)
        # api_draft_add: raw UTF-8. The platform would show the escapes to the readers; here they are refused, so that they are seen.
        if found := escaped_text(request.body):
            raise Refused(47001, f"escaped text {found}: send raw UTF-8")
        return body

    @staticmethod
    def string(body, name, code=40035):
        if not isinstance(body.get(name), str) or not body[name]:
            raise Refused(code, f"{name} is missing")
        return body[name]

    # ---- tokens ----

    def check_token(self, request):
        """commErrCode: 41001 none, 40014 not one of ours, 42001 over its time, 40001 replaced by a newer one."""
        text = request.query.get("access_token", "")
        if not text:
            raise Refused(41001)
        token = self.tokens.get(text)
        if not token:
            raise Refused(40014)
        if token.replaced:
            raise Refused(40001)
        if token.until <= self.clock.now():
            raise Refused(42001)

    def check_caller(self, request, words):
        """The error tables of api_getaccesstoken and api_getstableaccesstoken."""
        if words.get("appid") is None:
            raise Refused(41002)
        if words.get("secret") is None:
            raise Refused(41004)
        if words["appid"] != self.appid:
            raise Refused(40013)
        if words["secret"] != self.secret:
            raise Refused(40125)
        if words.get("grant_type") not in ("client_credential",):
            raise Refused(40002)
        if self.allowed_ips is not None and request.peer not in self.allowed_ips:
            # The message names the address: an administrator copies it from there.
            raise Refused(40164, f"{request.peer} ipv6 ::ffff:{request.peer}, not in whitelist")
        if self.ip_state:
            raise Refused({"pending": 89501, "unconfirmed": 89503, "refused": 89507, "refused twice": 89506}[self.ip_state])

    def issue(self):
        token = Token(self.clock.now())
        self.tokens[token.text] = token
        return token

    def token(self, request):
        """co-wechat-api: GET with grant_type, appid, secret. A new token makes the one before it invalid; the stable ones are apart."""
        if request.method != "GET":
            raise Refused(43001)
        self.check_caller(request, request.query)
        # API_Call_Limits.html: 2000 a day, a test account 200.
        if self.sandbox and self.counts.read("/cgi-bin/token", self.clock.day()) >= 200:
            raise Refused(45009)
        self.count("/cgi-bin/token")
        if self.plain:
            self.plain.replaced = True
        self.plain = self.issue()
        return {"access_token": self.plain.text, "expires_in": LIFE}

    def stable_token(self, request):
        """api_getstableaccesstoken, and minigame/.../auth.getStableAccessToken.html for the hand-over."""
        if request.method != "POST":
            raise Refused(43002)
        body = self.body(request)  # JSON only: what stands in the query is not looked at
        self.check_caller(request, body)
        force = body.get("force_refresh", False)
        if not isinstance(force, bool):
            raise Refused(47001, "force_refresh is true or false")
        self.count("/cgi-bin/stable_token")
        now = self.clock.now()
        if force:
            # At least 30 s apart, 20 a day. (Which code is which is not said; these are the two of the call's table.)
            if self.forced_at is not None and now - self.forced_at < 30:
                raise Refused(45011)
            self.count("forced token")
            self.forced_at = now
            if self.stable:
                self.stable.replaced = True  # at once
            self.stable = self.issue()
        elif not self.stable or self.stable.until - now < MARGIN:
            # The former one lives to its end, not more than 5 min: both work.
            self.stable = self.issue()
        return {"access_token": self.stable.text, "expires_in": int(self.stable.until - now)}

    # ---- files ----

    def file(self, request):
        try:
            parts = multipart(request.headers.get("content-type"), request.body)
        except BadForm as problem:
            raise Refused(41005, str(problem)) from None
        found = [p for p in parts if p.name == "media"]
        # No page found: without a file name the platform sees no file.
        if len(found) != 1 or not found[0].filename:
            raise Refused(41005, "one part named media, with a file name")
        if not found[0].data:
            raise Refused(44001)
        return found[0].data, {p.name: p for p in parts if p.name != "media"}

    def image_url(self, data, kind):
        url = f"{self.url}/mmbiz_{kind}/{name_of(64)}/0?wx_fmt={'jpeg' if kind == 'jpg' else kind}&from=appmsg"
        self.store.images[url] = data
        return url

    def uploadimg(self, request):
        """api_uploadimage: jpg or png (40005), less than 1 MB (40009); no part of the material store."""
        data, _ = self.file(request)
        kind = file_type(data)
        if kind not in ("jpg", "png"):
            raise Refused(40005)
        if len(data) >= MB:
            raise Refused(40009)
        return {"url": self.image_url(data, kind)}

    def add_material(self, request):
        """The material page (see MATERIAL). How long a voice lasts is not measured."""
        kind = request.query.get("type")
        if kind not in MATERIAL:
            raise Refused(40004)
        data, others = self.file(request)
        types, most, code = MATERIAL[kind]
        if file_type(data) not in types:
            raise Refused(40005)
        if len(data) > most:
            raise Refused(code)
        if kind == "video":  # description: JSON with title and introduction
            try:
                words = json.loads(others["description"].data.decode())
                self.string(words, "title")
                self.string(words, "introduction")
            except (KeyError, ValueError, AttributeError):
                raise Refused(47001, "description") from None
        if self.store.full(kind):
            raise Refused(45008, "the material store is full")  # no code is named
        media_id = name_of(64)
        url = self.image_url(data, file_type(data)) if kind == "image" else ""
        self.store.materials[media_id] = Material(kind, data, url)
        return {"media_id": media_id, **({"url": url} if url else {}), "item": []}

    # ---- what people see ----

    def page(self, request):
        if request.path == "/":
            return Page(wechat_pages.account(self))
        if request.path == "/s":
            article = self.articles.get(request.query.get("sn"))
            return Page(wechat_pages.article(self, article) if article else wechat_pages.gone(self, "参数错误"))
        if request.path.startswith("/mmbiz_"):
            for url, data in self.store.images.items():
                if url.startswith(self.url + request.path):
                    return Reply(data, kind="image/" + {"jpg": "jpeg"}.get(file_type(data), file_type(data)))
        return Page(wechat_pages.gone(self, "页面不存在"), 404)


def build(words):
    account = Wechat(words.appid, words.secret, words.name, words.port)
    account.account, account.publish_seconds, account.mass_seconds = words.account, words.publish_seconds, words.publish_seconds
    if words.callback:
        account.set_callback(words.callback, words.callback_token, words.aes_key)
    return account


def main():
    parser = arguments("微信公众号模拟器")
    parser.add_argument("--appid", default="wx5f0c3a1b2d4e6f70")
    parser.add_argument("--secret", default="0123456789abcdef0123456789abcdef")
    parser.add_argument("--name", default="腾冲市人民政府")
    parser.add_argument("--account", choices=("subscription", "service"), default="subscription")
    parser.add_argument("--publish-seconds", type=float, default=3)
    parser.add_argument("--callback", help="address that events are pushed to")
    parser.add_argument("--callback-token", default="")
    parser.add_argument("--aes-key", help="EncodingAESKey: push in AES mode")
    frame.main(parser, build)


if __name__ == "__main__":
    main()
