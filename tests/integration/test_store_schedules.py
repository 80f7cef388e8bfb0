"""Random schedules against core/store.lua: workers that crash, stall past their lease and lose replies,
carriers that apply an effect late or lose the answer, events that come twice and out of order.

Each schedule is a world of its own (region, clock, dice), so that many run at once and share the
way to Redis. When a schedule has come to rest, every channel must show the newest accepted
revision, or nothing once that is withdrawn or expired. A failure prints the seed;
`GK_SEED=n GK_SCHEDULES=1` runs it alone, GK_SCHEDULES=n more of them.
"""

import heapq
import os
import random

import pytest

from storekit import EPOCH, START, Redis, Store, Work, encode, library, publish, text, withdraw

SCHEDULES = int(os.environ.get("GK_SCHEDULES", "2000"))
FIRST_SEED = int(os.environ.get("GK_SEED", "1"))
AT_ONCE = 50
LEASE, BOUND, TIMEOUT = 10_000, 3_000, 1_000  # ms; an effect lands at most BOUND after it was sent
FAULTS_END = 45_000
REST_BY = 1_800_000


class Wrong(Exception):
    """The world is not as it must be."""


class Carrier:
    """What stands out there, by document. `put`: the last effect wins. `idem`: so too, and an effect
    with a key that it knows is none. `post`: each publication is a new post; replacing names the
    posts to go. `blind`: as post, and nobody can look."""

    def __init__(self, kind):
        self.kind = kind
        self.posts = {}      # document -> {reference: content}
        self.keys = set()
        self.told = set()    # references that reached the store

    def apply(self, document, key, reference, content, gone):
        if self.kind == "idem":
            if key in self.keys:
                return
            self.keys.add(key)
        posts = self.posts.setdefault(document, {})
        if self.kind in ("put", "idem"):
            posts.clear()
            reference = document
        for old in gone:
            posts.pop(old, None)
        if content is not None:
            posts[reference] = content

    def shown(self, document):
        return dict(self.posts.get(document, {}))


class Schedule:
    def __init__(self, seed):
        self.seed = seed
        self.dice = dice = random.Random(seed)
        self.store = Store.__new__(Store)  # only for its words and replies
        self.store.region = "{S%d}:" % seed
        self.now, self.order, self.heap = START, 0, []
        self.faulty, self.rested = True, False
        self.story = []
        names = ["portal", "wechat", "weibo"][:dice.choice((1, 2, 2, 3))]
        self.carriers = {name: Carrier(dice.choice(("put", "idem", "post", "blind"))) for name in names}
        self.after = "wechat" if len(names) > 1 and dice.random() < 0.4 else None  # waits for portal
        self.leases, self.confirmed = {}, {}
        self.events, self.by_evid, self.winner = [], {}, {}
        self.n_references = 0
        self.slips = dice.choice((0.0, 0.02, 0.05, 0.1))  # how often each kind of fault comes
        for n in range(dice.choice((1, 1, 2))):
            self.invent("d%d" % n)

    # Events -------------------------------------------------------------------------------------

    def invent(self, document):
        """The life of a document, and how it must end whatever order its events come in."""
        dice, names = self.dice, list(self.carriers)
        numbered, revision, last = dice.random() < 0.5, 0, None
        together = dice.random() < 0.15  # a spool that comes all at once
        for step in range(dice.randrange(1, 6)):
            when = START + dice.randrange(FAULTS_END // 2) if dice.random() < 0.3 else START + 8000 * step
            sent_at = 2000 + 6000 * step  # what the emitter calls its time is the order of its wishes
            ident = "%s-%d" % (document, step)
            if last and last.kind == "P" and dice.random() < 0.3:
                event = withdraw(ident, document=document, time=START + sent_at,
                                 revision=revision if numbered else 0, content="w%d" % step)
            else:
                revision += 1
                at = dice.choice((0, 0, 0, START + dice.randrange(2 * FAULTS_END)))
                expires = dice.choice((0, 0, 0, START + dice.randrange(2 * FAULTS_END)))
                chosen = names if step or dice.random() < 0.6 else names[:1]
                specs = ",".join(n + "<portal" if n == self.after else n for n in chosen)
                content = "%s|%s|%d|%d" % (dice.choice("ABC"), specs, at, expires)
                event = publish(ident, document=document, time=START + sent_at, at=at, expires=expires,
                                revision=revision if numbered else 0, content=content, channels=specs)
                event.publish_at, event.expires = at, expires
            last = event
            self.by_evid[event.evid] = event
            if together:
                when = START + 1000
                self.events.append((1000, event))
            for _ in range(dice.choice((1, 1, 2)) - together):
                self.events.append((when - START + dice.choice((0, 0, dice.randrange(20_000))), event))
        self.winner[document] = last  # the greatest time, and the highest rank

    # Processes: they yield a number to sleep, words to call ----------------------------------------

    def start(self, process, delay=0):
        self.order += 1
        heapq.heappush(self.heap, (self.now + delay, self.order, process))

    def slip(self, weight=1.0):
        return self.faulty and self.dice.random() < self.slips * weight

    def run(self):
        """Yields (time, words), is sent the reply."""
        hello = self.store.words("gk1_hello", self.store.keys("meta", "log", "ctl"), EPOCH, "found")
        yield self.now, hello
        by_time = {}
        dice = self.dice
        dice.shuffle(self.events)
        for delay, event in self.events:
            by_time.setdefault(delay, []).append(event)
        for delay, events in by_time.items():
            self.start(self.door(events), delay)
        for name in self.carriers:
            for _ in range(2):
                self.start(self.worker(name), self.dice.randrange(3000))
        self.start(self.guard(), FAULTS_END)
        while self.heap and not self.rested:
            self.now, _, process = heapq.heappop(self.heap)
            value = None
            while True:
                try:
                    wish = process.send(value)
                except StopIteration:
                    break
                if isinstance(wish, int):
                    self.start(process, wish)
                    break
                value = yield self.now, wish
        yield from self.judge()

    def door(self, events):
        while True:
            reply = yield self.store.accept_words(events, known=list(self.carriers))
            if reply[0] != b"ok":
                raise Wrong("accept: %r" % reply)
            for event, answer in zip(events, self.store.accept_of(reply)):
                self.story.append((self.now, "accept", event.evid, answer.status, answer.revision))
                if answer.status not in ("accepted", "duplicate", "stale"):
                    raise Wrong("%s was answered %s" % (event.evid, answer.status))
            if not self.slip(2):
                return
            yield self.dice.randrange(5000)  # the answer was lost: the same bytes again

    def guard(self):
        """Faults end; later everything must have come to rest."""
        self.faulty = False
        while True:
            left = 0
            for name in self.carriers:
                left += yield ("ZCARD", self.store.key("due:" + name))
            if not left and self.now > START + 3 * FAULTS_END:
                self.rested = True
                return
            if self.now > START + REST_BY:
                raise Wrong("does not come to rest")
            yield 20_000

    def worker(self, name):
        carrier, dice = self.carriers[name], self.dice
        while True:
            taken = self.now
            reply = yield self.store.take_words(name, count=dice.choice((1, 2, 5)), lease=LEASE)
            status, soon, items = self.store.take_of(reply)
            for item in items:
                self.handed_out(name, item)
            if self.slip():  # crash, or the reply was lost
                yield dice.randrange(3000)
                continue
            if not items:
                idle = 15_000 if not self.faulty else dice.randrange(2000, 6000)
                yield max(10, min(soon, idle)) if soon >= 0 else idle
                continue
            if self.slip():
                yield dice.randrange(2 * LEASE)
            if self.slip():  # the load failed: all is released
                for item in items:
                    yield from self.settle(name, item, ("release", {}))
                continue
            reply = yield self.store.load_words(name, items)
            works = self.store.load_of(reply, items)
            for work in works:
                self.may_be_shown(name, work)
            if self.slip():
                yield dice.randrange(3000)
                continue
            for item, work in zip(items, works):
                if work == "stale":
                    continue
                if not isinstance(work, Work):
                    yield from self.settle(name, item, ("release", {}))
                    continue
                if self.slip():
                    yield dice.randrange(2 * LEASE)
                outcome = yield from self.deliver(carrier, name, work, taken)
                if outcome is None:  # crash between send and settle
                    yield dice.randrange(3000)
                    break
                if self.slip():
                    yield dice.randrange(2 * LEASE)
                yield from self.settle(name, work, outcome)

    def deliver(self, carrier, name, work, taken):
        """Does what a driver does; the verdict, or None for a crash."""
        event = self.by_evid[work.evid]
        wanted = event.content if work.kind == "P" else None
        references = work.reference.split()
        key = (work.document, work.rev, work.lvl)
        gone = references
        is_shown = (work.shown_rev, work.shown_lvl) == (str(work.rev), str(work.lvl))
        if work.doubt and carrier.kind != "blind":
            yield 20
            found = carrier.shown(work.document)
            if sorted(found.values()) == ([wanted] if wanted else []):
                return "done", {"reference": "".join(found), "bound": BOUND}
            if wanted and carrier.kind == "post" and wanted not in found.values() \
                    and self.now < work.doubt_since + BOUND:
                return "ask", {"at": work.doubt_since + BOUND}
            gone = list(found) + references
            self.n_references += 1
            key += (self.n_references,)  # a repair is not a repetition
        elif work.doubt and is_shown and not references[bool(wanted):]:
            return "done", {"reference": work.reference, "bound": BOUND}
        if self.now > taken + LEASE - BOUND:
            return "release", {}
        if wanted and event.content.startswith("C") and self.seed % 7 == 0:
            return "dead", {"code": "refused"}
        if self.slip():
            return "later", {"at": self.now + self.dice.randrange(4000), "sent": self.dice.random() < 0.5}
        self.n_references += 1
        reference = "p%d" % self.n_references
        content = wanted
        if carrier.kind == "blind" and wanted and work.doubt and is_shown:
            # It stands; only what stale attempts left behind is to go.
            content, reference, gone = None, references[0], references[1:]
        effect = (work.document, key, reference, content, gone)
        unclear = self.slip(2)
        landing = self.dice.randrange(BOUND) if unclear or self.slip() else self.dice.randrange(200)
        if not unclear or self.dice.random() < 0.7:
            self.start(self.land(carrier, event if wanted else None, effect), landing)
        if unclear:
            yield self.dice.randrange(TIMEOUT)
            if self.dice.random() < 0.4:
                return None
            return "uncertain", {"at": self.now + self.dice.randrange(3000)}
        yield landing + 1
        return "done", {"reference": reference if wanted else "", "bound": BOUND}

    def land(self, carrier, event, effect):
        if event and event.publish_at > self.now:
            raise Wrong("%s is shown before its embargo ends" % event.evid)
        carrier.apply(*effect)
        self.story.append((self.now, "lands", carrier.kind, effect))
        return
        yield

    def settle(self, name, item, outcome):
        verdict, more = outcome
        waiting = [self.after] if name == "portal" and self.after else []
        words = self.store.settle_words(
            name, [(item.document, self.store.settlement(item, verdict, **more))], waiting)
        while True:
            if self.slip():
                return  # crash
            reply = yield words
            self.story.append((self.now, "settle", name, item, verdict, more, reply[1]))
            if reply[0] != b"ok" or reply[1] not in (b"ok", b"already", b"stale"):
                raise Wrong("settle: %r" % reply)
            if more.get("reference"):
                self.carriers[name].told.add(more["reference"])
            if reply[1] == b"ok":
                self.leases.pop((name, item.document), None)
                if verdict == "done":
                    self.confirmed[name, item.document] = (item.rev, item.lvl)
            if not self.slip():
                return
            yield self.dice.randrange(2000)  # the reply was lost

    # What must hold ---------------------------------------------------------------------------------

    def handed_out(self, name, item):
        self.story.append((self.now, "take", name, item))
        live = self.leases.get((name, item.document))
        if live and live > self.now:
            raise Wrong("%s is handed out twice on %s" % (item.document, name))
        if live and not item.passed:
            raise Wrong("the lease of %s on %s passed and nobody is told" % (item.document, name))
        self.leases[name, item.document] = item.lease

    def may_be_shown(self, name, work):
        self.story.append((self.now, "load", name, work))
        if not isinstance(work, Work) or work.kind != "P":
            return
        event = self.by_evid[work.evid]
        if event.publish_at > self.now:
            raise Wrong("%s is handed out before its embargo ends" % work.evid)
        if event.expires and event.expires <= self.now:
            raise Wrong("%s is handed out after it expired" % work.evid)
        if name == self.after and self.confirmed.get(("portal", work.document)) != (work.rev, work.lvl) \
                and (work.shown_rev, work.shown_lvl) != (str(work.rev), str(work.lvl)):
            raise Wrong("%s does not wait for the portal" % name)

    def judge(self):
        documents = list(self.winner)
        keys = ["doc:" + document for document in documents]
        rows = yield self.now, self.store.words("gk1_show", self.store.keys(*keys))
        for document, row in zip(documents, rows):
            self.judge_document(document, self.winner[document], self.store.show_of(row))
        entries = yield self.now, ("XRANGE", self.store.key("log"), "-", "+")
        n = 0
        for _, fields in entries:
            entry = dict(zip(fields[0::2], fields[1::2]))
            if int(entry[b"n"]) != n + 1:
                raise Wrong("a gap in the log before %d" % int(entry[b"n"]))
            n += entry[b"r"].count(b"\n") + 1

    def judge_document(self, document, winner, shown):
        wanted = winner.content if winner.kind == "P" and not winner.expires else None
        missing = {spec.split("<")[0] for spec in winner.fields[12].split(",") if spec} - set(shown.channels)
        if missing:
            raise Wrong("%s does not know of %s" % (document, missing))
        for name, channel in shown.channels.items():
            if channel.state == "dead":
                continue  # refused, or poison: a person's affair
            carrier = self.carriers[name]
            posts = carrier.shown(document)
            where = "%s on %s (%s): " % (document, name, carrier.kind)
            if wanted and wanted not in posts.values():
                raise Wrong(where + "missing, there is %r" % posts)
            if wanted:
                known = [ref for ref, content in posts.items() if content == wanted
                         and (carrier.kind != "blind" or ref == channel.reference)]
                if not known:
                    raise Wrong(where + "the reference %r is not of %r" % (channel.reference, posts))
                del posts[known[0]]
            if carrier.kind == "blind":
                posts = {ref: content for ref, content in posts.items() if ref in carrier.told}
            if posts:
                raise Wrong(where + "doubled, old or withdrawn: %r" % posts)
            if channel.state not in ("published", "withdrawn", "ended"):
                raise Wrong(where + "at rest as " + channel.state)


def run(redis, seeds):
    """Runs schedules, many at once; the first failure as (seed, what), or None."""
    seeds, running = iter(seeds), []
    redis.call("FLUSHALL")
    while True:
        while len(running) < AT_ONCE:
            seed = next(seeds, None)
            if seed is None:
                break
            schedule = Schedule(seed)
            process = schedule.run()
            running.append([schedule, process, next(process)])
        if not running:
            return None
        commands = []
        for _, _, (now, words) in running:
            commands += [encode("SET", "testclock", now), encode(*words)]
        replies = redis.many(commands)[1::2]
        going = []
        for entry, reply in zip(running, replies):
            schedule, process, wish = entry
            try:
                if isinstance(reply, Exception):
                    raise Wrong("%s: %s" % (wish[1][1], reply))
                entry[2] = process.send(reply)
                going.append(entry)
            except StopIteration:
                pass
            except Wrong as wrong:
                return schedule.seed, str(wrong), schedule.story
        running = going


def told(failure):
    seed, what, story = failure
    return "seed %d: %s\n%s" % (seed, what, "\n".join(
        "%8d  %s" % (entry[0] - START, " ".join(text(str(part)) for part in entry[1:])) for entry in story))


@pytest.fixture(scope="module")
def redis():
    redis = Redis()
    yield redis
    redis.close()


def test_whatever_happens_every_channel_ends_with_the_newest_or_with_nothing(redis):
    failure = run(redis, range(FIRST_SEED, FIRST_SEED + SCHEDULES))
    assert failure is None, told(failure)


# What the schedules must notice: a rule, and the library without it.
LEFT_OUT = {
    "nobody overwrites a lease [1]": (
        "if score and score % 2 == 1 and not own then return nil end", ""),
    "doubt is stored [2]": ("c.d, c.T, c.x = now, true, lease", "c.x = lease"),
    "doubt is work, also where all is shown [2]": ("if c.d then return true end", ""),
    "an embargoed revision is pending [3]": (
        "local embargo = e.kind == 'P' and e.at > now and e.at or 0", "local embargo = 0"),
    "what expires keeps its entry [5]": (
        "if cur and cur[LVL] == 0 and cur[EXP] > 0 and (not t or cur[EXP] < t) then", "if false then"),
    "a withdrawal wins the tie [6]": ("return 'accepted', number, level + 1\nend", "return 'stale'\nend"),
    "time orders what has no number [7]": ("if greatest and e.time < greatest then return 'stale' end", ""),
    "a batch sees its earlier members [8]": ("local d = dirty[doc_key] or docs[doc_key]", "local d = docs[doc_key]"),
    "waiting is looked at, not waited for [10]": ("if not other or cur[LVL] > 0 then return true end",
                                                 "if true then return true end"),
    "a stale settle keeps its reference [11]": ("join_references(c.j, ref) or ''", "''"),
    "a second look is owed [12]": ("if bound > 0 then c.k = math.max(c.k or 0, s.now + bound) end", ""),
    "a duplicate by content counts for order": ("if not dry and heed(d, e) then", "if false then"),
}


@pytest.mark.parametrize("rule", LEFT_OUT)
def test_the_schedules_go_red_when_a_rule_is_left_out(redis, rule):
    whole, (line, instead) = library(), LEFT_OUT[rule]
    assert whole.count(line) >= 1, "the line of this rule reads otherwise now"
    redis.call("FUNCTION", "LOAD", "REPLACE", whole.replace(line, instead))
    try:
        assert run(redis, range(1, 4000)) is not None, "nobody noticed"
    finally:
        redis.call("FUNCTION", "LOAD", "REPLACE", whole)
