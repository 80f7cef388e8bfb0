"""Drafts and publications of the simulated account. Sources: api_draft_add, api_freepublish_submit, api_freepublish_get,
api_freepublishdelete, WxMpFreePublishService."""
import secrets
import string

from wechat_rules import Refused, check_article, check_articles

LETTERS = string.ascii_letters + string.digits + "_-"


def name_of(n):
    return "".join(secrets.choice(LETTERS) for _ in range(n))


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


class Publishing:
    """What Wechat is made of, too."""

    def begin_publishing(self):
        self.publish_seconds, self.publish_results = 0, []
        self.foreign_images, self.number_ids = "refuse", False
        self.drafts, self.jobs, self.articles, self.numbers = {}, {}, {}, 2247483650

    def publish_routes(self):
        return {"/cgi-bin/draft/add": self.draft_add, "/cgi-bin/draft/update": self.draft_update, "/cgi-bin/draft/get": self.draft_get,
                "/cgi-bin/draft/delete": self.draft_delete, "/cgi-bin/draft/count": self.draft_count,
                "/cgi-bin/draft/batchget": self.draft_list, "/cgi-bin/freepublish/submit": self.submit,
                "/cgi-bin/freepublish/get": self.publish_get, "/cgi-bin/freepublish/batchget": self.publish_list,
                "/cgi-bin/freepublish/getarticle": self.get_article, "/cgi-bin/freepublish/delete": self.publish_delete}

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
        shown, at = [], self.clock.now()
        for n, fields in enumerate(articles):
            sn = secrets.token_hex(16)
            url = f"{self.url}/s?__biz={self.biz}&mid={number}&idx={n + 1}&sn={sn}&chksm={secrets.token_hex(8)}#rd"
            shown.append(Article(fields, url, sn, at, way))
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
        """(For an id that is not there the pages name no code; people report 53600, invalid article id.)"""
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
