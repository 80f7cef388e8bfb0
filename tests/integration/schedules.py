"""Random schedules against core/store.lua: workers that crash, stall past their lease and lose replies,
carriers that apply an effect late or lose the answer, events that come twice and out of order, a ledger
that copies and trims, attachments that come later, people who replay, pages that vanish.

Each schedule is a world of its own (region, clock, dice), so that many run at once and share the
way to Redis. When a schedule has come to rest, every channel must show the newest accepted
revision, or nothing once that is withdrawn or expired; the ledger has every record once, no bytes
are left that nobody needs. The tests are in test_store_schedules.py.
"""

import copy
import heapq
import random
import sys

from schedules_judge import Carrier, Judge, Wrong
from storekit import EPOCH, SET_CLOCK, START, WINDOW, Redis, Store, Work, encode, publish, text, withdraw

AT_ONCE = 50
LEASE, BOUND, TIMEOUT = 10_000, 5_000, 1_000  # ms; an effect lands at most BOUND after it was sent
FAULTS_END = 45_000
REST_BY = 1_800_000
QUIET = 30_000  # between two looks when no fault comes any more: who is told of an earlier time comes then
BREAKER = "3,0,2000,8000"


class Schedule(Judge):
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
        self.after_most = dice.choice((0, 0, 20_000))  # ms that it waits at most; 0: for ever
        self.on_end = {name: dice.choice(("", "mark", "remove")) for name in names}
        self.limits = "0,0,0,0,%d" % dice.choice((0, 0, 1))
        self.breaker = dice.choice(("0,0,0,0", BREAKER))
        self.back = dice.choice((0, 0, 0, 4000))  # how far the store's clock steps back now and then
        self.skew = 0
        self.leases, self.confirmed, self.highest, self.in_time = {}, {}, {}, {}
        self.ledger, self.bodies, self.restored, self.n_ledgered, self.latest, self.sent = {}, {}, set(), 0, {}, []
        self.last_settled = {}
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
        ends = dice.random() < 0.2
        together = dice.random() < 0.15  # a spool that comes all at once
        orderly = not together and dice.random() < 0.2  # everything once and in time
        apart = dice.choice((8000, 8000, 8000, 1000, 300))
        if apart < 8000:
            self.slips = max(self.slips, 0.05)
        for step in range(dice.randrange(1, 6)):
            when = START + apart * step
            if not orderly and dice.random() < 0.3:
                when = START + dice.randrange(FAULTS_END // 2)
            sent_at = 2000 + 6000 * step  # what the emitter calls its time is the order of its wishes
            ident = "%s-%d" % (document, step)
            if last and last.kind == "P" and dice.random() < 0.3:
                event = withdraw(ident, document=document, time=START + sent_at,
                                 revision=revision if numbered and not orderly else 0, content="w%d" % step)
            else:
                revision += 1
                at = dice.choice((0, 0, 0, START + dice.randrange(2 * FAULTS_END)))
                expires = dice.choice((0, 0, 0, START + dice.randrange(2 * FAULTS_END)))
                chosen = names if step or dice.random() < 0.6 else names[:1]
                specs = ",".join(map(self.spec, chosen))
                until = START + dice.randrange(2 * FAULTS_END) if ends and dice.random() < 0.5 else 0
                content = "%s|%s|%d|%d|%d" % (dice.choice("ABC"), specs, at, expires, until)
                event = publish(ident, document=document, time=START + sent_at, at=at, expires=expires,
                                revision=revision if numbered else 0, content=content, channels=specs,
                                flags="f" if dice.random() < 0.1 else "", until=until or "")
                event.publish_at, event.expires, event.until = at, expires, until
            last = event
            self.by_evid[event.evid] = event
            if together:
                when = START + 1000
                self.events.append((1000, event))
            for _ in range(dice.choice((1, 1, 2)) - together if not orderly else 1):
                late = 0 if orderly else dice.choice((0, 0, dice.randrange(20_000)))
                self.events.append((when - START + late, event))
        self.winner[document] = last  # the greatest time, and the highest rank

    def spec(self, name):
        after = ""
        if name == self.after:
            after = "<portal:%d" % self.after_most if self.after_most else "<portal"
        return name + after + ("!" + self.on_end[name] if self.on_end[name] else "")

    # Processes: they yield a number to sleep, words to call ----------------------------------------

    def start(self, process, delay=0):
        self.order += 1
        heapq.heappush(self.heap, (self.now + delay, self.order, process))

    def slip(self, weight=1.0):
        return self.faulty and self.dice.random() < self.slips * weight

    def clock(self):
        """The store's: it steps back now and then."""
        if self.back and self.faulty and self.dice.random() < 0.02:
            self.skew = self.dice.randrange(self.back)
        return self.now - (self.skew if self.faulty else 0)

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
            for n in range(2):
                self.start(self.worker(name, "w%d" % n), self.dice.randrange(3000))
        self.start(self.ledgerd(), 500)
        for times in range(dice.choice((0, 0, 1, 3))):
            self.start(self.vandal(), dice.randrange(2 * FAULTS_END))
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
                value = yield self.clock(), wish
        yield from self.judge()

    def door(self, events):
        while True:
            events = [copy.copy(event) for event in events]  # whoever comes again gets another ULID
            for event in events:
                event.ulid = "U%d" % len(self.sent)
                self.sent.append(event)
                yield ("SET", self.store.key("body:" + event.ulid), event.bytes)
            reply = yield self.store.accept_words(events, known=list(self.carriers))
            if reply[0] != b"ok":
                raise Wrong("accept: %r" % reply)
            for event, answer in zip(events, self.store.accept_of(reply)):
                if answer.status == "accepted" or event.ulid == answer.ulid:
                    self.bodies[event.ulid] = event
                    if "f" in event.flags:
                        self.start(self.fetcher(event), self.dice.randrange(20_000))
                self.story.append((self.now, "accept", event.evid, answer.status, answer.revision))
                if answer.status == "accepted":
                    self.latest[event.document] = event.evid
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
            if self.now > START + 2 * FAULTS_END:
                left += yield from self.replay_all()
            n = yield ("HGET", self.store.key("meta"), "n")
            if not left and self.now > START + 3 * FAULTS_END and int(n) == self.n_ledgered:
                self.rested = True
                return
            if self.now > START + REST_BY:
                raise Wrong("does not come to rest")
            yield 20_000

    def replay_all(self):
        """Somebody looks at the dead letters; what the carrier refuses stays dead."""
        n = 0
        documents = list(self.winner)
        rows = yield self.store.words("gk1_show", self.store.keys(*["doc:" + d for d in documents]))
        for document, row in zip(documents, rows):
            shown = self.store.show_of(row)
            for name, channel in (shown.channels if shown else {}).items():
                if channel.state == "dead" and channel.code not in ("refused", "after/dead"):
                    waiting = [self.after] if name == "portal" and self.after else []
                    keys = ["meta", "log", "doc:" + document, "due:" + name, *["due:" + w for w in waiting]]
                    yield self.store.words("gk1_dead", self.store.keys(*keys), EPOCH, name, "replay", "me", "why",
                                           len(waiting), ",".join(waiting))
                    self.restored.add((name, document))
                    n += 1
        return n

    def fetcher(self, event):
        """Attachments arrive, sometimes told twice."""
        for _ in range(self.dice.choice((1, 1, 2))):
            known = list(self.carriers)
            keys = ["meta", "log", "fetch", "doc:" + event.document, *["due:" + name for name in known]]
            reply = yield self.store.words("gk1_fetched", self.store.keys(*keys), EPOCH, event.ulid, "done",
                                           ",".join(known))
            if reply[0] not in (b"ok", b"unknown"):
                raise Wrong("fetched: %r" % reply)
            self.in_time[event.evid] = True
            yield self.dice.randrange(3000)

    def vandal(self):
        """A page vanishes out there, and somebody notices."""
        name = self.dice.choice(list(self.carriers))
        document = self.dice.choice(list(self.winner))
        self.carriers[name].posts.pop(document, None)
        keys = ["meta", "log", "doc:" + document, "due:" + name]
        for _ in range(40):
            yield self.dice.randrange(8000)
            reply = yield self.store.words("gk1_put_back", self.store.keys(*keys), EPOCH, name, "me", "why")
            self.story.append((self.now, "put back", name, document, reply))
            if reply[0] == b"ok":
                self.restored.add((name, document))
                return

    def ledgerd(self):
        """Copies the log, then lets go of what it has; its crash loses nothing that it kept."""
        names, last = list(self.carriers), "0-0"
        while not self.rested:
            entries = yield ("XRANGE", self.store.key("log"), "(" + last, "+", "COUNT", self.dice.choice((1, 5, 50)))
            wanted, gone, position = {}, [], last
            for ident, fields in entries:
                entry = dict(zip(fields[0::2], fields[1::2]))
                n = int(entry[b"n"])
                for line in text(entry[b"r"]).split("\n"):
                    record = line.split("\t")
                    if n != self.n_ledgered + 1:
                        raise Wrong("the ledger has %d and finds %d" % (self.n_ledgered, n))
                    self.n_ledgered, n = n, n + 1
                    if record[0] == "accepted":
                        self.ledger[record[4]] = True
                    if record[7] == "bytes/gone" and record[4]:  # one that was overtaken needs none
                        gone.append(record[4])
                    wanted[record[1]] = True
                position = text(ident)
            for ulid in gone:
                event = self.bodies[ulid]
                self.ledger[ulid] = True  # not shrunk any more
                keys = ["meta", "doc:" + event.document, "body:" + ulid]
                yield self.store.words("gk1_bytes", self.store.keys(*keys), EPOCH, ulid, event.bytes)
            if self.slip():
                yield self.dice.randrange(5000)  # crashed after its commit: the same is asked again later
                last = position if self.dice.random() < 0.5 else last
                if last != position:
                    self.n_ledgered -= sum(len(text(dict(zip(f[0::2], f[1::2]))[b"r"]).split("\n")) for _, f in entries)
                    continue
            last = position
            sweep = self.dice.random() < 0.1 or not self.faulty  # what was kept, and no record came since
            events = [self.bodies[u] for u, here in self.ledger.items()
                      if here and (sweep or self.bodies[u].document in wanted)]
            if entries or (sweep and events):
                ms, _, seq = position.partition("-")
                reply = yield self.store.ledgered_words(events, "%s-%d" % (ms, int(seq) + 1), names, WINDOW)
                if reply[0] != b"ok":
                    raise Wrong("ledgered: %r" % reply)
                for event, answer in zip(events, reply[1:]):
                    if answer != b"kept":
                        self.ledger[event.ulid] = False
            yield self.dice.randrange(50, 3000) if self.faulty else QUIET

    def dies(self, name, who):
        """A crash. The next one of that name begins at once, or others find what it held."""
        yield self.dice.randrange(3000)
        if self.dice.random() < 0.5:
            reply = yield self.store.reclaim_words(name, who)
            if reply[0] != b"ok":
                raise Wrong("reclaim: %r" % reply)
            for key in [k for k, (lease, holder) in self.leases.items() if k[0] == name and holder == who]:
                self.leases[key] = (0, who)

    def worker(self, name, who):
        carrier, dice = self.carriers[name], self.dice
        while True:
            taken = self.now
            more = {"count": dice.choice((1, 2, 5)), "lease": LEASE, "worker": who, "limits": self.limits}
            works = None
            if dice.random() < 0.3:
                status, soon, *rows = yield self.store.work_words(name, **more)
                status, soon = text(status), int(soon)
                items, works = self.store.works_of(rows)
            else:
                reply = yield self.store.take_words(name, **more)
                status, soon, items = self.store.take_of(reply)
            for item in items:
                self.handed_out(name, who, item)
            for work in works or ():
                self.may_be_shown(name, work)
            if self.slip():  # crash, or the reply was lost
                yield from self.dies(name, who)
                continue
            if not items:
                idle = QUIET if not self.faulty else dice.randrange(2000, 6000)
                yield max(10, min(soon, idle)) if soon >= 0 else idle
                continue
            if self.slip():
                yield dice.randrange(2 * LEASE)
            if works is None:
                if self.slip():  # the load failed: all is released
                    for item in items:
                        yield from self.settle(name, who, item, ("release", {}))
                    continue
                reply = yield self.store.load_words(name, items)
                works = self.store.load_of(reply)
                for work in works:
                    self.may_be_shown(name, work)
            if self.slip():
                yield from self.dies(name, who)
                continue
            for item, work in zip(items, works):
                if work == "stale":
                    continue
                if not isinstance(work, Work):
                    yield from self.settle(name, who, item, ("release", {}))
                    continue
                if self.slip():
                    yield dice.randrange(2 * LEASE)
                work, taken = yield from self.renew(name, who, work, taken)
                if work is None:
                    continue
                outcome = yield from self.deliver(carrier, name, work, taken)
                if outcome is None:  # crash between send and settle
                    yield from self.dies(name, who)
                    break
                if self.slip():
                    yield dice.randrange(2 * LEASE)
                yield from self.settle(name, who, work, outcome)

    def renew(self, name, who, work, taken):
        """The lease is made longer now and then; (None, ...) when somebody else has it."""
        key = name, work.document
        for _ in range(self.dice.choice((0, 0, 0, 1, 3))):
            yield self.dice.randrange(LEASE // 2)
            new = work.lease // 16 * 16 + work.lease % 8 + -(-(self.now - taken) // 16) * 16
            if new <= work.lease:
                continue
            for _ in range(1 + self.slip(3)):  # again, when the reply was lost
                reply = yield self.store.renew_words(name, [(work.document, work.lease, new)], who, LEASE)
                if reply[0] == b"ok":
                    self.highest[key] = max(self.highest.get(key, 0), new)
                    self.leases[key] = (new, who)
                elif self.leases.get(key) == (work.lease, who) or self.leases.get(key) == (new, who):
                    raise Wrong("a renewal of what one holds is refused")
                yield self.dice.randrange(100)
            if reply[0] != b"ok":
                return None, taken
            work, taken = work._replace(lease=new), self.now - self.dice.randrange(100)
        return work, taken

    def deliver(self, carrier, name, work, taken):
        """Does what a driver does; the verdict, or None for a crash."""
        event = self.by_evid[work.evid]
        if work.kind == "P":
            there = yield ("EXISTS", self.store.key("body:" + work.ulid))
            if not there:
                if not work.ended and (name, work.document) not in self.restored \
                        and self.latest[work.document] == work.evid \
                        and self.leases.get((name, work.document), (0,))[0] == work.lease:
                    raise Wrong("the bytes of %s are gone" % work.evid)
                return "ask", {"at": self.now + 1000, "code": "bytes/gone"}
        wanted = event.content if work.kind == "P" else None
        done = "done"
        if work.ended:
            wanted, done = event.content + "!" if work.ended == "mark" else None, "ended"
        references = work.reference.split()
        key = (work.document, work.rev, work.lvl, work.generation, work.ended)
        gone = references
        is_shown = (work.shown_rev, work.shown_lvl) == (str(work.rev), str(work.lvl)) \
            and not work.generation and not work.ended
        if work.doubt and carrier.kind != "blind":
            yield 20
            found = carrier.shown(work.document)
            if sorted(found.values()) == ([wanted] if wanted else []):
                return done, {"reference": "".join(found), "bound": BOUND, "health": "1"}
            if wanted and carrier.kind == "post" and wanted not in found.values() \
                    and self.now < work.doubt_since + BOUND:
                return "ask", {"at": work.doubt_since + BOUND}
            gone = list(found) + references
            self.n_references += 1
            key += (self.n_references,)  # a repair is not a repetition
        elif work.doubt and is_shown and not references[bool(wanted):]:
            return done, {"reference": work.reference, "bound": BOUND, "health": "1"}
        if self.now > taken + LEASE - BOUND:
            return "release", {}
        if wanted and event.content.startswith("C") and self.seed % 3 == 0:
            return "dead", {"code": "refused"}
        if self.slip():
            return "later", {"at": self.now + self.dice.randrange(4000), "sent": self.dice.random() < 0.5,
                             "health": self.dice.choice(("0", "0", "1", "")), "final": self.dice.random() < 0.1}
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
            return "uncertain", {"at": self.now + self.dice.randrange(1500), "health": "0"}
        yield landing + 1
        return done, {"reference": reference if wanted else "", "bound": BOUND, "health": "1"}

    def land(self, carrier, event, effect):
        if event and event.publish_at > self.now:
            raise Wrong("%s is shown before its embargo ends" % event.evid)
        if event and "f" in event.flags and event.evid not in self.in_time:
            raise Wrong("%s is shown before its attachments are in" % event.evid)
        carrier.apply(*effect)
        self.story.append((self.now, "lands", carrier.kind, effect))
        return
        yield

    def settle(self, name, who, item, outcome):
        verdict, more = outcome
        waiting = [self.after] if name == "portal" and self.after else []
        words = self.store.settle_words(
            name, [(item.document, self.store.settlement(item, verdict, **more))], waiting, self.breaker)
        while True:
            if self.slip():
                return  # crash
            reply = yield words
            reply = [b"ok" if word == b"dead" else word for word in reply] # taken, and it is dead by it
            self.story.append((self.now, "settle", name, item, verdict, more, reply[1]))
            if reply[0] != b"ok" or reply[1] not in (b"ok", b"already", b"stale"):
                raise Wrong("settle: %r" % reply)
            if self.last_settled.get((name, item.document)) == item.lease and reply[1] != b"already":
                raise Wrong("a settle whose reply was lost is not known again")
            if reply[1] == b"stale":
                self.restored.add((name, item.document))  # it may be wanted again, though all was at rest
            if reply[1] == b"ok":
                self.last_settled[name, item.document] = item.lease
            if more.get("reference"):
                self.carriers[name].told.add(more["reference"])
            if reply[1] == b"ok":
                self.leases.pop((name, item.document), None)
                if verdict in ("done", "ended"):
                    self.confirmed[name, item.document] = (item.rev, item.lvl)
            if not self.slip():
                return
            yield self.dice.randrange(2000)  # the reply was lost


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
        commands, asked = [], []
        for _, _, (now, words) in running:
            if words[0] == "FCALL":  # nothing else looks at the clock
                commands.append(SET_CLOCK % now)
            asked.append(len(commands))
            commands.append(encode(*words))
        replies = redis.many(commands)
        going = []
        for entry, at in zip(running, asked):
            schedule, process, wish = entry
            reply = replies[at]
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


if __name__ == "__main__":  # schedules.py FIRST LAST: these seeds, the last one included, on a Redis of their own
    first, last = map(int, sys.argv[1:])
    redis = Redis("--latency-tracking", "no")
    try:
        # Not all on one heap of keys: what is looked up often stays near.
        for seed in range(first, last + 1, 2000):
            failure = run(redis, range(seed, min(seed + 2000, last + 1)))
            if failure:
                sys.exit(told(failure))
    finally:
        redis.close()
