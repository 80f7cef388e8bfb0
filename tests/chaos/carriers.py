#!/usr/bin/python3
"""The carriers of a storm: the strict simulators of tests/simulators in one process, by the county's clock.

    carriers.py CONTROL CLOCK NAME=KIND:PORT...

CONTROL is a unix socket: one JSON line {"name", "do", ...} each, and one JSON line back:

    trouble   the next "times" calls go wrong, the ways are those of frame.py; with "endpoint"
    slow      a post is seen so many "seconds" later (weibo)
    token     the token is taken back (wechat)
    dark      the card loses its power (onbon)
    calm      all is well again: {"hit": how many calls have had it}
    keep      the record of its requests goes to the file "path"
    show      what people have seen: {"shown": [...], "findings": [...], "broken": [...], "n": calls}

What was shown is a row per article, post, message or notice: {"title", "at", "gone"}, where "at" is our clock
and not the county's; of a short message also its "phone"; of a board only what it shows now.
"""
import asyncio
import json
import pathlib
import signal
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "simulators"), str(TESTS / "integration"), str(TESTS / "chaos")]

from carrierkit import AREA, PHONES, SEPARATOR, TOKEN  # noqa: E402
from led_onbon import Card  # noqa: E402
from sms_aliyun import Aliyun  # noqa: E402
from sms_mas import Mas  # noqa: E402
from troupe import Page  # noqa: E402
from wechat import Wechat  # noqa: E402
from weibo import Weibo  # noqa: E402

MANY = 10 ** 9


class Account(Wechat):
    """Publishes after a moment, as the real one does. How long a review takes is theirs: an article counts from its submission."""

    def __init__(self, port):
        super().__init__(port=port)
        self.publish_seconds, self.submitted = 0.3, {}

    def submit(self, request):
        answer = super().submit(request)
        self.submitted[self.numbers] = time.time()
        return answer

    def show(self, articles, number, way):
        made = super().show(articles, number, way)
        for each in made:
            each.since = self.submitted[number]
        return made

    def seen(self):
        return [{"title": a.fields["title"], "at": a.since, "gone": bool(a.deleted)} for a in self.articles.values()]


class Blog(Weibo):
    """Does not look for repeated words: only the driver keeps them apart."""

    def __init__(self, port):
        super().__init__(port=port)
        self.safe_domains, self.repeat_seconds, self.similar_seconds = ["127.0.0.1"], 0, 0
        self.per_ip_hour = self.per_user_hour = self.per_user_day = self.per_post_hour = self.most_posts = MANY
        self.grant(seconds=MANY, text=TOKEN)

    def add(self, text, uid, pic, slow=0):
        post = super().add(text, uid, pic, slow)
        post.since = time.time()
        return post

    def seen(self):
        return [{"title": p.text, "at": p.since, "gone": bool(p.deleted)} for p in self.posts]


class Texts:
    """What both carriers of short messages have."""

    def seen(self):
        return [{"title": m.text, "at": 0, "gone": False, "phone": m.phone} for m in self.messages]


class Cloud(Texts, Aliyun):
    def __init__(self, port):
        super().__init__(port)
        self.whitelist, self.balance = set(PHONES), MANY


class Centre(Texts, Mas):
    pass


class Board(Card):
    def __init__(self, port):
        super().__init__(port, width=256, height=32)

    def seen(self):
        text = self.shown().get(AREA, "")
        return [{"title": each, "at": 0, "gone": False} for each in text.split(SEPARATOR) if each]


KINDS = {"wechat": Account, "weibo": Blog, "aliyun": Cloud, "mas": Centre, "onbon": Board}


class Stage:
    """One carrier, and the trouble that it is in."""

    def __init__(self, kind, port):
        self.one, self.troubles = KINDS[kind](port).start(), []

    def do(self, wish):
        what = wish.pop("do")
        return getattr(self, what)(**wish)

    def trouble(self, endpoint="*", how=None, **more):
        self.troubles.append(self.one.trouble(endpoint, how, **more))
        return {}

    def slow(self, seconds):
        with self.one.lock:
            self.one.slow_seconds = seconds
        return {}

    def token(self):
        """Taken back where there is one; how many calls found that out is seen by those that ask for another."""
        with self.one.lock:
            if not self.one.stable:
                return {"hit": 0}
        before = self.n_tokens()
        self.one.expire_token()
        return {"before": before}

    def n_tokens(self):
        return len(self.one.calls("/cgi-bin/stable_token"))

    def dark(self):
        n = len(self.one.seen())
        self.one.power_cycle()
        return {"hit": n}

    def calm(self):
        hit = sum(each.hit for each in self.troubles)
        self.troubles = []
        self.one.calm()
        if hasattr(self.one, "slow_seconds"):
            self.one.slow_seconds = 0
        return {"hit": hit, "tokens": self.n_tokens() if hasattr(self.one, "stable") else 0}

    def keep(self, path):
        """What it was asked, for whoever wants to know how it came."""
        with self.one.lock, open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(each.as_json(), ensure_ascii=False) + "\n" for each in self.one.log)
        return {}

    def show(self):
        with self.one.lock:
            return {"shown": self.one.seen(), "findings": list(self.one.findings), "broken": list(self.one.broken),
                    "n": len(self.one.log)}


def follow(page, stages, ended):
    """The county's clock is theirs."""
    was = 0
    while not ended.wait(0.02):
        ms = page.get()
        if ms != was:
            for stage in stages:
                stage.one.clock.forward((ms - was) / 1000)
            was = ms


async def serve(control, stages):
    async def obey(reader, writer):
        while line := await reader.readline():
            wish = json.loads(line)
            answer = stages[wish.pop("name")].do(wish)
            writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
            await writer.drain()
        writer.close()
    await asyncio.start_unix_server(obey, control, limit=1 << 26)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


def main(control, clock, *names):
    stages, ended = {}, threading.Event()
    for each in names:
        name, _, kind = each.partition("=")
        kind, _, port = kind.partition(":")
        stages[name] = Stage(kind, int(port))
    threading.Thread(target=follow, args=(Page(pathlib.Path(clock)), stages.values(), ended), daemon=True).start()
    asyncio.run(serve(control, stages))
    ended.set()
    for stage in stages.values():
        stage.one.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
