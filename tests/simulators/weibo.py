#!/usr/bin/python3
"""Weibo's interface for third-party apps: strict, stateful, with its own clock.

    /usr/bin/python3 tests/simulators/weibo.py --port 0 --print-port --token TOKEN

As a program its first line is the port (or the address); `/` is a phone that shows the account's timeline. As a class
it is what the driver's stories run against. frame.py has the clock, the record and how calls are made to go wrong.

Attributes that a test may set: app_key, app_secret, redirect_uri, safe_domains; app "unaudited", "audited" or "owner"
(how long tokens live), testers; per_ip_hour, per_user_hour, per_user_day, per_post_hour, most_posts (the numbers are
not published: these are small and round); repeat_seconds and similar_seconds (20019, 20017); slow_seconds (then a post
is answered 20032 and is seen so much later); string_codes (error_code is a string); short_links.
"""
import html
import ipaddress
import secrets
import urllib.parse

import frame
import weibo_pages
from forms import BadForm, fields, file_type
from frame import Counter, Page, Reply, Simulator, arguments
from weibo_rules import ERRORS, PIC, URL, Refused, alike, check_text

# get_token_info and what people report: an app not audited 1 day, audited 30 days, its own owner about 5 years.
LIVES = {"unaudited": 86400, "audited": 30 * 86400, "owner": 157_679_471}
DEFAULT_PAGE = "https://api.weibo.com/oauth2/default.html"  # shows the code itself
CODE_SECONDS = 600  # not said


class Token:
    def __init__(self, uid, at, seconds):
        self.uid, self.at, self.until, self.revoked = uid, at, at + seconds, False


class Post:
    def __init__(self, number, uid, text, shown, at, seen_at, pic):
        self.number, self.uid, self.text, self.shown, self.at, self.seen_at, self.pic = number, uid, text, shown, at, seen_at, pic
        self.deleted = None  # when


class Weibo(Simulator):
    settable = ("app_key", "app_secret", "redirect_uri", "safe_domains", "app", "testers", "per_ip_hour", "per_user_hour", "per_user_day",
                "per_post_hour", "most_posts", "repeat_seconds", "similar_seconds", "slow_seconds", "string_codes", "short_links", "name")
    doable = ("grant", "revoke", "seed", "use_up", "delete_by_hand")

    def __init__(self, port=0, name="腾冲发布", uid=1073880650):
        super().__init__(port)
        self.name, self.uid = name, uid
        self.app_key, self.app_secret, self.redirect_uri = "1352222456", "fedcba9876543210fedcba9876543210", DEFAULT_PAGE
        self.safe_domains = ["tengchong.gov.cn"]
        self.app, self.testers = "audited", [uid]
        self.per_ip_hour, self.per_user_hour, self.per_user_day, self.per_post_hour, self.most_posts = 1000, 150, 1000, 30, 100
        self.repeat_seconds, self.similar_seconds, self.slow_seconds = 86400, 600, 0
        self.string_codes, self.short_links = False, True
        self.counts = Counter()
        self.tokens, self.codes, self.posts, self.links = {}, {}, [], {}
        self.numbers = 9_100_000_000_000_001  # an int64 that a double does not hold: use idstr (statuses/share)
        self.routes = {
            "/2/statuses/share.json": ("POST", self.share), "/2/statuses/destroy.json": ("POST", self.destroy),
            "/2/statuses/user_timeline.json": ("GET", self.timeline), "/oauth2/get_token_info": ("POST", self.token_info),
            "/oauth2/access_token": ("POST", self.access_token),
        }

    # ---- for tests ----

    def grant(self, uid=None, seconds=None, text=None):
        """A token without the way through the browser."""
        with self.lock:
            text = text or "2.00" + secrets.token_urlsafe(24).replace("-", "x").replace("_", "y")
            self.tokens[text] = Token(uid or self.uid, self.clock.now(), LIVES[self.app] if seconds is None else seconds)
            return text

    def revoke(self, token):
        """The account's owner takes the app's permission back."""
        with self.lock:
            self.tokens[token].revoked = True

    def seed(self, text, uid=None):
        """Somebody posts by hand; the number of the post."""
        with self.lock:
            return str(self.add(text, uid or self.uid, None).number)

    def delete_by_hand(self, number):
        with self.lock:
            self.find(number).deleted = self.clock.now()

    def use_up(self, what, left=0):
        """What: per_ip_hour, per_user_hour, per_user_day, per_post_hour or most_posts. Of 127.0.0.1 and the account."""
        with self.lock:
            name, window = (what, "127.0.0.1" if what == "per_ip_hour" else self.uid), self.hour() if what != "per_user_day" else self.clock.day()
            while self.counts.read(name, window) < getattr(self, what) - left:
                self.counts.add(name, window)

    def state(self):
        return {"account": {"name": self.name, "uid": self.uid, "app": self.app},
                "tokens": [{"token": t, "uid": k.uid, "until": k.until, "revoked": k.revoked} for t, k in self.tokens.items()],
                "posts": [{"idstr": str(p.number), "uid": p.uid, "text": p.text, "time": p.at, "deleted": p.deleted, "pic": bool(p.pic)}
                          for p in self.posts]}

    # ---- every call ----

    def hour(self):
        return int(self.clock.now() // 3600)

    def error_reply(self, request, code, detail=""):
        """Error_code: {request, error_code, error}; the code is a number in some answers and a string in others."""
        words = ERRORS.get(code, "error")
        words = words.replace("%s", request.path) if "%s" in words else words + (f": {detail}" if detail else "")
        body = {"request": request.path, "error_code": str(code) if self.string_codes else code, "error": words}
        if request.path.startswith("/oauth2/"):
            body |= {"error_uri": request.path, "error_description": detail or words}
        # Only 400 for 10017 is on record; a receiver must go by the code. 20032 took effect.
        status = 200 if code == 20032 else 401 if 21301 <= code <= 21399 and not request.path.startswith("/oauth2/") else \
            403 if code in (10004, 10022, 10023, 10024, 20016, 20031) else 503 if code in (10001, 10002, 10003, 10009, 10010) else 400
        return Reply(body, status)

    def call_of(self, request):
        return request.path if request.path.startswith(("/2/", "/oauth2/")) else ""

    def answer(self, request):
        try:
            if request.path not in self.routes:
                if request.path.startswith("/2/"):
                    raise Refused(10020)
                return self.page(request)
            method, call = self.routes[request.path]
            if request.method != method:
                raise Refused(10021)
            # The limits page: calls of an IP in an hour (10022).
            self.limit("per_ip_hour", request.peer, self.hour(), 10022)
            return Reply(call(request))
        except Refused as refusal:
            return self.error_reply(request, refusal.code, refusal.detail)

    def limit(self, what, whose, window, code):
        if self.counts.add((what, whose), window) > getattr(self, what):
            raise Refused(code)

    @staticmethod
    def form(request):
        try:
            return fields(request.headers.get("content-type"), request.body)
        except BadForm as problem:
            raise Refused(10008, str(problem)) from None

    def token_of(self, text):
        """Error_code: 10006 none, 21317 not one of ours, 21316 revoked, 21327 over its time."""
        if not text:
            raise Refused(10006)
        token = self.tokens.get(text)
        if not token:
            raise Refused(21317)
        if token.revoked:
            raise Refused(21316)
        if token.until <= self.clock.now():
            raise Refused(21327)
        # The limits page: calls of a user in an hour and in a day (10023).
        self.limit("per_user_hour", token.uid, self.hour(), 10023)
        self.limit("per_user_day", token.uid, self.clock.day(), 10023)
        return token

    # ---- posts ----

    def share(self, request):
        """statuses/share."""
        words, files = self.form(request)
        token = self.token_of(words.get("access_token"))
        self.limit("per_post_hour", token.uid, self.hour(), 10024)  # limits page: of a user and an interface in an hour
        text = words.get("status")
        if text is None:
            raise Refused(10016, "status")
        # rip is required: the operator's real address.
        if not words.get("rip"):
            raise Refused(10016, "rip")
        try:
            ipaddress.ip_address(words["rip"])
        except ValueError:
            raise Refused(10008, "rip") from None
        pic = self.picture(words, files)
        check_text(text, self.safe_domains)
        self.check_repeated(text, token.uid)
        self.limit("most_posts", token.uid, self.hour(), 20016)  # Error_code: too many posts, an hour
        post = self.add(text, token.uid, pic, self.slow_seconds)
        if self.slow_seconds:
            raise Refused(20032)  # Error_code: it is posted, and seen in 1 or 2 minutes
        return self.status(post)

    @staticmethod
    def picture(words, files):
        """statuses/share: pic, one, JPEG, GIF or PNG (20005), less than 5 MB (20006), as a file of a multipart form (20007)."""
        if "pic" in words:
            raise Refused(20007)
        pic = files.get("pic")
        if not pic:
            return None
        if file_type(pic.data) not in ("jpg", "gif", "png"):
            raise Refused(20005)
        if len(pic.data) >= PIC:
            raise Refused(20006)
        return pic.data

    def check_repeated(self, text, uid):
        """Error_code: 20019 the same text, 20017 one like it that has just been posted. How long back either looks is not said."""
        now = self.clock.now()
        mine = [p for p in self.posts if p.uid == uid]
        if any(p.text == text and now - p.at < self.repeat_seconds for p in mine):
            raise Refused(20019)
        if any(alike(p.text) == alike(text) and now - p.at < self.similar_seconds for p in mine):
            raise Refused(20017)

    def add(self, text, uid, pic, slow=0):
        shown = URL.sub(lambda found: self.shorten(found[0]), text) if self.short_links else text
        self.numbers += 1 + secrets.randbelow(1000) * 2
        now = self.clock.now()
        self.posts.append(Post(self.numbers, uid, text, shown, now, now + slow, pic))
        return self.posts[-1]

    def shorten(self, url):
        """Not on a page of the interface, but everybody's experience: what comes back has t.cn addresses in it."""
        short = next((s for s, u in self.links.items() if u == url), None) or "http://t.cn/A6" + secrets.token_hex(3)
        self.links[short] = url
        return short

    def status(self, post):
        at = self.clock.local(post.at)
        return {"created_at": f"{at:%a %b %d %H:%M:%S +0800 %Y}", "id": post.number, "mid": str(post.number), "idstr": str(post.number),
                "text": post.shown, "source": "公开发布", "favorited": False, "truncated": False,
                "pic_urls": [{"thumbnail_pic": f"{self.url}/pic/{post.number}"}] if post.pic else [],
                "user": {"id": post.uid, "idstr": str(post.uid), "screen_name": self.name if post.uid == self.uid else "别人"}}

    def find(self, number):
        found = [p for p in self.posts if str(p.number) == str(number) and not p.deleted]
        return found[0] if found else None

    def destroy(self, request):
        """statuses/destroy; Error_code: 20101 is not there, 20102 is somebody else's."""
        words, _ = self.form(request)
        token = self.token_of(words.get("access_token"))
        if not words.get("id"):
            raise Refused(10016, "id")
        post = self.find(words["id"])
        if not post:
            raise Refused(20101)
        if post.uid != token.uid:
            raise Refused(20102)
        post.deleted = self.clock.now()
        return self.status(post)

    def timeline(self, request):
        """statuses/user_timeline: of the one who authorised; count 1..100, page from 1, since_id, max_id; the newest first."""
        token = self.token_of(request.query.get("access_token"))
        if request.query.get("uid", str(token.uid)) != str(token.uid):
            raise Refused(10008, "uid")
        try:
            count, page, since, most = (int(request.query.get(name, default)) for name, default in
                                        (("count", 20), ("page", 1), ("since_id", 0), ("max_id", 0)))
        except ValueError:
            raise Refused(10008) from None
        if not 1 <= count <= 100 or page < 1:
            raise Refused(10008)
        seen = [p for p in reversed(self.posts) if p.uid == token.uid and not p.deleted and p.seen_at <= self.clock.now()]
        chosen = [p for p in seen if p.number > since and (not most or p.number <= most)][(page - 1) * count:page * count]
        return {"statuses": [self.status(p) for p in chosen], "hasvisible": False, "previous_cursor": 0, "next_cursor": 0, "total_number": len(seen)}

    # ---- who may ----

    def token_info(self, request):
        """Oauth2/get_token_info."""
        words, _ = self.form(request)
        token = self.token_of(words.get("access_token"))
        return {"uid": token.uid, "appkey": self.app_key, "scope": None, "create_at": int(token.at),
                "expire_in": int(token.until - self.clock.now())}

    def access_token(self, request):
        """Oauth2: the code for a token. Parameters come in the form or in the address. Error_code: 21323 something is missing,
        21324 not this app, 21328 another grant, 21325 not a code or one used before, 21322 another address."""
        words = {**request.query, **(self.form(request)[0] if request.body else {})}
        for name in ("client_id", "client_secret", "grant_type", "code", "redirect_uri"):
            if not words.get(name):
                raise Refused(21323, f"miss {name}")
        if words["client_id"] != self.app_key or words["client_secret"] != self.app_secret:
            raise Refused(21324)
        if words["grant_type"] != "authorization_code":
            raise Refused(21328)
        uid, until = self.codes.pop(words["code"], (None, 0))
        if until <= self.clock.now():
            raise Refused(21325, "invalid authorization code")
        if words["redirect_uri"] != self.redirect_uri:
            raise Refused(21322)
        # Unaudited apps: 15 test accounts (21321).
        if self.app == "unaudited" and uid not in self.testers[:15]:
            raise Refused(21321)
        text = self.grant(uid)
        life = int(self.tokens[text].until - self.clock.now())
        return {"access_token": text, "remind_in": str(life), "expires_in": life, "uid": str(uid), "isRealName": "true"}

    def authorize(self, request):
        """Oauth2/authorize: the officer's browser. GET shows the question, POST is the answer."""
        words = {**request.query, **(self.form(request)[0] if request.body else {})}
        if words.get("client_id") != self.app_key:
            raise Refused(21324)
        if words.get("redirect_uri") != self.redirect_uri:
            raise Refused(21322)
        if words.get("response_type", "code") != "code":
            raise Refused(21329)
        if request.method == "GET":
            return Page(weibo_pages.authorize(self, words))
        if words.get("answer") == "no":
            back = {"error": "access_denied", "error_code": 21330}
        else:
            code = secrets.token_hex(16)
            self.codes[code] = (int(words.get("uid") or self.uid), self.clock.now() + CODE_SECONDS)
            back = {"code": code}
        if "state" in words:
            back["state"] = words["state"]
        if self.redirect_uri == DEFAULT_PAGE:
            return Page(weibo_pages.code(back.get("code")))
        return Reply(b"", 302, Location=f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{urllib.parse.urlencode(back)}")

    # ---- what people see ----

    def page(self, request):
        if request.path == "/oauth2/authorize":
            return self.authorize(request)
        if request.path == "/":
            return Page(weibo_pages.timeline(self))
        _, what, number = (request.path.split("/") + ["", ""])[:3]
        post = next((p for p in self.posts if str(p.number) == number), None)
        if what == "pic" and post and post.pic:
            return Reply(post.pic, kind="image/" + {"jpg": "jpeg"}.get(file_type(post.pic), file_type(post.pic)))
        if what == "detail" and post:
            return Page(weibo_pages.detail(self, post))
        return Page(f"<!DOCTYPE html><title>404</title>{html.escape(request.path)}", 404)


def build(words):
    account = Weibo(words.port, words.name)
    account.redirect_uri = words.redirect_uri
    account.safe_domains = words.safe_domain or account.safe_domains
    if words.token:
        account.grant(text=words.token)
    return account


def main():
    parser = arguments("微博模拟器")
    parser.add_argument("--name", default="腾冲发布")
    parser.add_argument("--safe-domain", action="append", help="may come several times")
    parser.add_argument("--token", help="an access_token that is good from the start")
    parser.add_argument("--redirect-uri", default=DEFAULT_PAGE)
    frame.main(parser, build)


if __name__ == "__main__":
    main()
