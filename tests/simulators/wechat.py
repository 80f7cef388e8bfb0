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
import argparse
import json
import re
import secrets
import string

import frame
import wechat_pages
from forms import BadForm, file_type, multipart
from frame import Counter, Page, Reply, Simulator
from wechat_mass import Mass
from wechat_push import Pusher
from wechat_rules import DAILY, ERRORS, MATERIAL, MB, MINUTELY, STORE, Refused, check_article, check_articles, escaped_text

LIFE, MARGIN = 7200, 300  # api_getstableaccesstoken: 7200 s; the next one 5 min before the end, when both work
LETTERS = string.ascii_letters + string.digits + "_-"


def name_of(n):
    return "".join(secrets.choice(LETTERS) for _ in range(n))


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


class Article:
    """One article that has an address."""

    def __init__(self, fields, url, sn, at, way):
        self.fields, self.url, self.sn, self.at, self.way = fields, url, sn, at, way
        self.deleted = self.blocked = None  # when


class Job:
    """A publication: publish_status 1, until it ends."""

    def __init__(self, number, media_id, articles):
        self.number, self.media_id, self.articles = number, media_id, articles
        self.status, self.article_id, self.shown = 1, None, []

    def now(self):
        """api_freepublish_get: 5, all deleted by the user; 6, all blocked by the system."""
        if self.status == 0 and all(a.deleted for a in self.shown):
            return 5
        if self.status == 0 and all(a.blocked or a.deleted for a in self.shown):
            return 6
        return self.status


class Wechat(Mass, Simulator):
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
        self.publish_seconds, self.publish_results = 0, []
        self.foreign_images, self.number_ids = "refuse", False
        self.daily = {name: limit for limit, names in DAILY for name in names}
        self.minutely = dict(MINUTELY)
        self.counts, self.store = Counter(), Store()
        self.tokens, self.stable, self.plain, self.forced_at = {}, None, None, None
        self.drafts, self.jobs, self.articles, self.numbers = {}, {}, {}, 2247483650
        self.pusher = Pusher(self)
        self.begin_mass()
        self.routes = {
            "/cgi-bin/media/uploadimg": self.uploadimg, "/cgi-bin/material/add_material": self.add_material,
            "/cgi-bin/draft/add": self.draft_add, "/cgi-bin/draft/update": self.draft_update, "/cgi-bin/draft/get": self.draft_get,
            "/cgi-bin/draft/delete": self.draft_delete, "/cgi-bin/draft/count": self.draft_count, "/cgi-bin/draft/batchget": self.draft_list,
            "/cgi-bin/freepublish/submit": self.submit, "/cgi-bin/freepublish/get": self.publish_get,
            "/cgi-bin/freepublish/batchget": self.publish_list, "/cgi-bin/freepublish/getarticle": self.get_article,
            "/cgi-bin/freepublish/delete": self.publish_delete, "/cgi-bin/clear_quota": self.clear_quota, **self.mass_routes(),
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

    def answer(self, request):
        if not request.path.startswith("/cgi-bin/"):
            request.kind = "page"
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

    # ---- drafts ----

    def draft(self, media_id):
        if not isinstance(media_id, str) or media_id not in self.drafts:
            raise Refused(40007)
        return self.drafts[media_id]

    def draft_add(self, request):
        body = self.body(request)
        articles = check_articles(body, self.store, self.foreign_images == "refuse")
        media_id = name_of(64)
        now = int(self.clock.now())
        self.drafts[media_id] = {"articles": articles, "created": now, "updated": now}
        return {"media_id": media_id, "item": []}

    def draft_update(self, request):
        body = self.body(request)
        draft = self.draft(body.get("media_id"))
        index = body.get("index", 0)
        if not isinstance(index, int) or not 0 <= index < len(draft["articles"]):
            raise Refused(40060)
        draft["articles"][index] = check_article(body.get("articles"), len(draft["articles"]) == 1, self.store,
                                                 self.foreign_images == "refuse")
        draft["updated"] = int(self.clock.now())
        return {"errcode": 0, "errmsg": "ok"}

    def draft_get(self, request):
        return {"news_item": self.news(self.draft(self.body(request).get("media_id"))["articles"])}

    def draft_delete(self, request):
        media_id = self.body(request).get("media_id")
        self.draft(media_id)
        del self.drafts[media_id]
        return {"errcode": 0, "errmsg": "ok"}

    def draft_count(self, request):
        return {"total_count": len(self.drafts)}

    def news(self, articles, shown=None):
        out = []
        for n, each in enumerate(articles):
            item = {name: value for name, value in each.items() if name != "filtered"}
            item["url"] = shown[n].url if shown else f"{self.url}/s?__biz={self.biz}&mid=0&idx={n + 1}&sn=draft&tempkey={name_of(12)}"
            if shown:
                item["is_deleted"] = bool(shown[n].deleted)
            out.append(item)
        return out

    def window(self, body, items):
        """WxMpFreePublishService and draft/batchget: offset from 0, count 1..20, no_content 0 or 1; the newest first."""
        offset, count, bare = body.get("offset"), body.get("count"), body.get("no_content", 0)
        if not isinstance(offset, int) or offset < 0 or not isinstance(count, int) or not 1 <= count <= 20 or bare not in (0, 1):
            raise Refused(40035)
        return bare, items[::-1][offset:offset + count]

    def draft_list(self, request):
        bare, chosen = self.window(self.body(request), list(self.drafts.items()))
        items = [{"media_id": media_id, "content": {} if bare else {"news_item": self.news(d["articles"]), "create_time": d["created"],
                                                                    "update_time": d["updated"]}, "update_time": d["updated"]}
                 for media_id, d in chosen]
        return {"total_count": len(self.drafts), "item_count": len(items), "item": items}

    # ---- publishing ----

    @property
    def biz(self):
        return "MzA4NTk0" + self.original_id[-4:] + "=="

    def may_publish(self):
        # doc/subscription/guide/product/publish.md: since July 2025 not for accounts that are not verified: 48001.
        if not self.verified:
            raise Refused(48001)

    def submit(self, request):
        """api_freepublish_submit: OK means queued. The same draft may come twice before it has left the draft box: then it is
        published twice, for nothing is promised here."""
        self.may_publish()
        media_id = self.string(self.body(request), "media_id", 41006)
        draft = self.draft(media_id)
        self.numbers += 1
        job = self.jobs[str(self.numbers)] = Job(self.numbers, media_id, [dict(a) for a in draft["articles"]])
        self.clock.after(self.publish_seconds, lambda: self.end_publish(job))
        return {"errcode": 0, "errmsg": "ok", "publish_id": self.written(job.number), "msg_data_id": str(job.number)}

    def written(self, number):
        """publish_id: a string on one page, a number on another (api_freepublish_submit of the service and subscription account)."""
        return number if self.number_ids else str(number)

    def show(self, articles, number, way):
        """Gives articles their addresses."""
        shown = []
        for n, fields in enumerate(articles):
            sn = secrets.token_hex(16)
            url = f"{self.url}/s?__biz={self.biz}&mid={number}&idx={n + 1}&sn={sn}&chksm={secrets.token_hex(8)}#rd"
            shown.append(Article(fields, url, sn, self.clock.now(), way))
            self.articles[sn] = shown[-1]
        return shown

    def end_publish(self, job):
        # Community posts: publications of a test account end in 3.
        job.status = 3 if self.sandbox else self.publish_results.pop(0) if self.publish_results else 0
        info = {"publish_id": job.number, "publish_status": job.status}
        if job.status == 0:
            job.article_id = name_of(64)
            job.shown = self.show(job.articles, job.number, "发布")
            self.drafts.pop(job.media_id, None)  # api_draft_add: once published it leaves the draft box
            items = [{"idx": n + 1, "article_url": a.url} for n, a in enumerate(job.shown)]
            info |= {"article_id": job.article_id, "article_detail": {"count": len(items), "item": items}}
        else:
            info["fail_idx"] = [n + 1 for n in range(len(job.articles))]
        self.pusher.put({"Event": "PUBLISHJOBFINISH", "PublishEventInfo": info})

    def publish_get(self, request):
        """api_freepublish_get."""
        self.may_publish()
        job = self.jobs.get(str(self.body(request).get("publish_id")))
        if not job:
            raise Refused(40035)  # no code is named
        found = {"publish_id": self.written(job.number), "publish_status": job.now(), "fail_idx": []}
        if job.status == 0:
            items = [{"idx": n + 1, "article_url": a.url} for n, a in enumerate(job.shown)]
            found |= {"article_id": job.article_id, "article_detail": {"count": len(items), "item": items}}
        elif job.status > 1:
            found["fail_idx"] = [n + 1 for n in range(len(job.articles))]
        return found

    def published(self):
        """Those with an article left; one wholly deleted is no longer in the list."""
        return [j for j in self.jobs.values() if j.status == 0 and not all(a.deleted for a in j.shown)]

    def publish_list(self, request):
        self.may_publish()
        jobs = self.published()
        bare, chosen = self.window(self.body(request), jobs)
        items = []
        for job in chosen:
            at = int(job.shown[0].at)
            content = {} if bare else {"news_item": self.news(job.articles, job.shown), "create_time": at, "update_time": at}
            items.append({"article_id": job.article_id, "content": content, "update_time": at})
        return {"total_count": len(jobs), "item_count": len(items), "item": items}

    def by_article_id(self, body):
        """53600 is the code that the calls' older pages have for an id that is not there; 1.6's tables do not list it."""
        article_id = self.string(body, "article_id", 53600)
        for job in self.jobs.values():
            if job.article_id == article_id:
                return job
        raise Refused(53600)

    def get_article(self, request):
        self.may_publish()
        job = self.by_article_id(self.body(request))
        return {"news_item": self.news(job.articles, job.shown)}

    def publish_delete(self, request):
        """api_freepublishdelete: index from 1; 0 or none means all; for ever. (What a second deletion answers is not said: here 53600.)"""
        self.may_publish()
        body = self.body(request)
        job = self.by_article_id(body)
        index = body.get("index", 0)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index <= len(job.shown):
            raise Refused(40060)
        chosen = [a for a in (job.shown if index == 0 else job.shown[index - 1:index]) if not a.deleted]
        if not chosen:
            raise Refused(53600, "deleted already")
        for each in chosen:
            each.deleted = self.clock.now()
        return {"errcode": 0, "errmsg": "ok"}

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


def main():
    parser = argparse.ArgumentParser(description="微信公众号模拟器")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--print-port", action="store_true", help="first line: the port alone")
    parser.add_argument("--appid", default="wx5f0c3a1b2d4e6f70")
    parser.add_argument("--secret", default="0123456789abcdef0123456789abcdef")
    parser.add_argument("--name", default="腾冲市人民政府")
    parser.add_argument("--account", choices=("subscription", "service"), default="subscription")
    parser.add_argument("--publish-seconds", type=float, default=3)
    parser.add_argument("--callback", help="address that events are pushed to")
    parser.add_argument("--callback-token", default="")
    parser.add_argument("--aes-key", help="EncodingAESKey: push in AES mode")
    words = parser.parse_args()
    account = Wechat(words.appid, words.secret, words.name, words.port)
    account.account, account.publish_seconds, account.mass_seconds = words.account, words.publish_seconds, words.publish_seconds
    if words.callback:
        account.set_callback(words.callback, words.callback_token, words.aes_key)
    frame.announce(account, words.print_port)
    account.run()


if __name__ == "__main__":
    main()
