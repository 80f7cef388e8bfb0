"""What must hold after a storm, from the emitters' ack files and the endpoints' request logs alone; what
the ledger (or, where there is none yet, the store's log) says is put beside it to see whether it admits
what the endpoints saw.

    lost        acked, and at the end not what stands there; nor dead with a reason that the endpoint gave
    doubled     an effect more than there were deliveries, and the ledger does not admit the doubt
    disordered  an older revision visible after a newer one, or before its time, or under another's rank
    doubt       outcomes that the ledger admits not to know
"""
import collections
import json
import sqlite3

TAKEN = ("accepted", "duplicate")
# What the log calls the end of an attempt in which something may have been sent.
ATTEMPTS = ("attempted", "uncertain", "deferred", "parked", "published", "restored", "withdrawn", "ended", "dead",
            "superseded")
SLACK_S = 0.5
# What keeps a request back on its way, and how long after that it may still be under way.
HOLDS, LATE_S = ("stall", "delay", "drip"), 2.0
AT_ONCE_S = 0.1


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


class Document:
    """What the emitters were promised of one document."""

    def __init__(self):
        self.events = {}  # id -> ack

    def rank(self, ack):
        return ack.get("revision", 0), 1 if ack["note"]["kind"] == "W" else 0

    def newest(self):
        """The event that ends up shown. A withdrawal without number has that of what it withdraws."""
        taken = [ack for ack in self.events.values() if ack["status"] == "accepted" or ack["again"]]
        return max(taken, key=lambda ack: (self.rank(ack), ack["note"]["order"]), default=None)


class Records:
    """The ledger, or the log of the store: (state, document, revision, level, ulid, channel, code, extra)."""

    def __init__(self, troupe, region="530581"):
        self.rows, self.numbers, self.from_ledger = [], [], False
        path = troupe.folder / "state" / "ledger.db"
        if path.exists():
            self.from_ledger = True
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as ledger:
                self.rows = [(state, document, revision, level, event, channel, code, extra) for
                             state, document, revision, level, event, channel, code, extra in ledger.execute(
                    "SELECT state, document, revision, level, event, channel, code, extra FROM entry ORDER BY seq")]
                self.numbers = [n for n, in ledger.execute("SELECT n FROM entry ORDER BY seq")]
        else:
            for _, entry in troupe.redis().xrange(f"{{{region}}}:log"):
                for line in entry[b"r"].decode().split("\n"):
                    f = line.split("\t")
                    self.rows.append((f[0], f[1], int(f[2]), int(f[3]), f[4], f[5], f[7], f[11]))
        self.accepted = collections.defaultdict(list)
        self.attempts, self.doubt = collections.Counter(), collections.Counter()
        for state, document, revision, level, ulid, channel, code, extra in self.rows:
            if state == "accepted":
                self.accepted[extra.rsplit(" ", 1)[-1]].append(ulid)
            elif channel and state in ATTEMPTS and code != "overtaken":
                self.attempts[document, channel] += state != "superseded" and code not in ("untouched", "after/dead")
                # A passed lease is noted under the revision of that moment, not that of the attempt.
                # The second look of a withdrawal is another withdrawal, and stands there as such.
                self.doubt[document, channel] += state == "uncertain" or code == "poison" \
                    or (level > 0 and code == "confirmed")


class Judge:
    def __init__(self, troupe, files):
        self.troupe, self.found = troupe, collections.defaultdict(list)
        self.documents = collections.defaultdict(Document)
        self.notes, self.acks, self.n_events, self.n_left = {}, {}, 0, 0
        for file in files:
            for ack in lines_of(file):
                ack["again"] = False
                self.acks[ack["id"]] = ack
                self.documents[ack["document"]].events[ack["id"]] = ack
            for note in lines_of(str(file).replace("acks", "sent")):
                self.notes[note["id"]] = note
        self.n_late, self.by_ulid = 0, {}
        self.holds, self.stops, self.jumps = collections.defaultdict(list), collections.defaultdict(list), []
        for fault in lines_of(troupe.folder / "faults.jsonl"):
            name = fault["target"].removeprefix("to-")
            span = fault["at"] - fault["took"], fault["at"] + LATE_S
            if fault["fault"] in HOLDS and name != fault["target"]:
                self.holds[name].append(span)
            elif fault["fault"].startswith("clock"):
                self.jumps.append(span)  # leases of that moment pass at once
            elif fault["fault"] == "stop":
                self.stops[name].append(span)
        for ack in self.acks.values():
            # A repetition is answered as a duplicate of itself, when the first answer was lost.
            if ack["status"] == "duplicate" and ack.get("event") not in self.by_ulid:
                ack["again"] = True
            if ack["status"] in TAKEN:
                self.by_ulid.setdefault(ack["event"], ack)
        self.records = Records(troupe)
        self.requests = collections.defaultdict(list)
        for request in lines_of(troupe.requests):
            self.requests[request["name"]].append(request)

    def say(self, what, sentence):
        self.found[what].append(sentence)

    # -- what was promised

    def acks_are_whole(self):
        for letter_id in self.notes:
            if letter_id not in self.acks:
                self.say("lost", f"{letter_id} never had a last word")
        for ack in self.acks.values():
            if ack["status"] not in TAKEN + ("stale",):
                self.say("odd", f"{ack['id']} was answered {ack['status']}: {ack.get('errors') or ack.get('reasons')}")
            if ack["status"] == "stale" and not any(other["note"]["order"] > ack["note"]["order"] for other in
                                                    self.documents[ack["document"]].events.values()):
                self.say("lost", f"{ack['id']} is the newest of its document and was called stale")

    def effects(self, name, document):
        return [r for r in self.by_document[name].get(document, ()) if r["done"] == "effect"]

    def sort_requests(self):
        self.by_document = {name: collections.defaultdict(list) for name in self.troupe.channels}
        for name, rows in self.by_document.items():
            ends = {r["n"]: r["t"] for r in self.requests[name] if r["what"] == "end"}
            for request in self.requests[name]:
                request["end"] = ends.get(request.get("n"), request["t"])
                if request["what"] == "post":
                    rows[request["document"]].append(request)

    def shown(self, states):
        """Every document stands everywhere as its newest revision has it. `states`: what the door says."""
        for name in self.troupe.channels:
            for document, one in self.documents.items():
                newest = one.newest()
                if not newest:
                    continue
                effects = self.effects(name, document)
                last = effects[-1] if effects else None
                is_gone = newest["note"]["kind"] == "W" or newest["note"]["expires"]
                well = (not last or last["kind"] != "publish") if is_gone else \
                    bool(last) and last["kind"] == "publish" and last["id"] == newest["id"]
                if not well and not self.is_dead(name, document, newest, states):
                    what = "lost"
                    if any(r["id"] == newest["id"] for r in effects):
                        if self.is_late(name, document, last):
                            continue
                        what = "disordered"
                    self.say(what, f"{document} on {name}: newest is {newest['id']} revision {newest.get('revision')}, "
                                   f"the endpoint has {last and (last['kind'], last['id'], last['rank'])}, "
                                   f"the door says {states.get((document, name))}")

    def is_late(self, name, document, request, for_a_while=False):
        """docs/queue.md, what stays open: an older one that was held back on its way, whose outcome the ledger
        admits not to know, comes in behind a newer one. Only a fence by rank helps against that. The same, but only for a
        while, where the store's clock leapt and let the lease pass."""
        late = self.troupe.channels[name][0] != "ranked" and self.records.doubt[document, name] > 0 \
            and (self.is_held(name, request["t"]) or self.stood_still(request["worker"], request["t"])
                 or (for_a_while and self.clock_jumped(request["t"])))
        self.n_late += late
        return late

    def is_held(self, name, moment):
        return any(begun <= moment <= ended for begun, ended in self.holds[name])

    def clock_jumped(self, moment):
        return any(begun <= moment <= ended for begun, ended in self.jumps)

    def stood_still(self, worker, moment):
        return any(begun <= moment <= ended for begun, ended in self.stops[worker])

    def is_dead(self, name, document, newest, states):
        state = states.get((document, name), {})
        if state.get("state") != "dead":
            return False
        if newest["note"]["refused"]:
            return True  # 422, or it waits for a channel that had it
        return "poison" in str(state) and self.records.doubt[document, name] > 0

    # -- what the endpoints saw

    def ranks(self):
        """A request says of its event what the emitter was told, and what is sent was sent by somebody."""
        for name, rows in self.by_document.items():
            for document, requests in rows.items():
                for r in requests:
                    if r["source"].endswith(":gongkai"):
                        continue
                    ack, note = self.acks.get(r["id"]), self.notes.get(r["id"])
                    if not note:
                        self.say("odd", f"{name} got {r['id']} of {document}, which nobody sent")
                    elif ack and ack["status"] in TAKEN and ack.get("revision") != r["rank"][0]:
                        self.say("disordered", f"{name} got {r['id']} as {r['rank']}, acked was {ack.get('revision')}")
                    elif r["done"] == "effect" and r["t"] < self.leap_at \
                            and note["publish_at"] / 1000 > r["t"] + self.ahead_s + SLACK_S:
                        self.say("disordered", f"{name} shows {r['id']} before its time")

    def repeats(self):
        for name, (kind, _, _) in self.troupe.channels.items():
            looks = collections.defaultdict(list)
            for request in self.requests[name]:
                if request["what"] == "look" and request["status"] == 404:
                    looks[request["key"]].append(request["t"])
            for document, requests in self.by_document.get(name, {}).items():
                by_key, bodies, ranks = collections.defaultdict(list), collections.defaultdict(set), {}
                for r in requests:
                    bodies[r["key"]].add(r["body"] if not r["source"].endswith(":gongkai") else "")
                    if r["done"] == "effect":
                        by_key[r["key"]].append(r)
                        before = ranks.setdefault((tuple(r["rank"]), r["kind"]), r["key"])
                        # What takes away comes again as a repair, when an older one may have come in behind it.
                        if before != r["key"] and (r["kind"] == "publish" or not self.records.doubt[document, name]):
                            self.say("doubled", f"{name}: {document} {r['rank']} as {before} and as {r['key']}")
                for key, n in ((key, len(each)) for key, each in bodies.items() if len(each) > 1):
                    self.say("disordered", f"{name}: {key} was sent with {n} contents")
                n_more = sum(len(effects) - 1 for effects in by_key.values())
                admitted = self.records.doubt[document, name]
                if n_more > admitted:
                    keys = [key for key, effects in by_key.items() if len(effects) > 1]
                    self.say("doubled", f"{name}: {n_more} repeats of {keys}, the ledger admits {admitted}")
                for key, effects in by_key.items() if kind == "looked" and self.troupe.can_look else ():
                    # A withdrawal in doubt may simply come again: it does no harm, and takes down what came late.
                    if effects[0]["kind"] == "publish":
                        self.looked_before(name, key, effects, looks[key])

    def looked_before(self, name, key, effects, looks):
        """It may only be sent again when a look did not find it, because it came in behind the look."""
        for first, second in zip(effects, effects[1:]):
            if not any(t < second["t"] for t in looks):
                self.say("doubled", f"{name}: {key} again after {second['t'] - first['t']:.2f} s without a look")

    def order(self):
        for name, (kind, _, more) in self.troupe.channels.items():
            after = more.get("after")
            for document, requests in self.by_document.get(name, {}).items():
                highest = None
                for r in requests:
                    if r["done"] != "effect":
                        continue
                    rank = tuple(r["rank"])
                    if highest and rank < highest and not self.is_late(name, document, r, for_a_while=True):
                        self.say("disordered", f"{name}: {document} {rank} is visible after {highest}")
                    highest = max(highest or rank, rank)
                    if after and r["kind"] == "publish" and not any(
                            e["id"] == r["id"] and e["t"] <= r["t"] for e in self.effects(after, document)):
                        self.say("disordered", f"{name} shows {r['id']} before {after}")

    def at_once(self):
        """Never two requests at once for one document on one channel, but for what nobody can know."""
        for name, rows in self.by_document.items():
            for document, requests in rows.items():
                for first, second in zip(requests, requests[1:]):
                    alone = second["t"] > first["end"] - AT_ONCE_S or second["stamp"] == first["stamp"]
                    if alone or self.stood_still(first["worker"], second["t"]) or self.is_held(name, second["t"]):
                        continue
                    if self.records.doubt[document, name] and self.clock_jumped(second["t"]):
                        continue
                    self.say("doubled", f"{name}: {first['key']} by {first['worker']} and {second['key']} by "
                                        f"{second['worker']} at once, {first['end'] - second['t']:.2f} s")

    # -- the books

    def books(self):
        """Every accepted event stands in the ledger once, and every request has its record."""
        for before, after in zip(self.records.numbers, self.records.numbers[1:]):
            if after != before + 1:
                self.say("lost" if after > before else "doubled", f"the ledger goes from record {before} to {after}")
        for letter_id, ulids in self.records.accepted.items():
            if len(ulids) != 1:
                self.say("doubled", f"{letter_id} was accepted {len(ulids)} times: {ulids}")
        for ack in self.acks.values():
            ulids = self.records.accepted.get(ack["id"])
            if ack["status"] == "accepted" and ulids != [ack["event"]]:
                self.say("lost", f"{ack['id']} was acked as {ack['event']}, the ledger has {ulids}")
        for name, rows in self.by_document.items():
            for document, requests in rows.items():
                # libcurl repeats by itself what carries a key: one attempt, one time in its header.
                known, attempts = self.records.attempts[document, name], {(r["key"], r["stamp"]) for r in requests}
                if len(attempts) > known and self.troupe.books_are_exact:
                    self.say("unbooked", f"{name}: {document} was sent {len(attempts)} times, booked are {known}")

    def judge(self, states, ahead_s, leap_at):
        """The clocks were never more than `ahead_s` ahead of ours, until they took a leap."""
        self.ahead_s, self.leap_at = ahead_s, leap_at
        self.sort_requests()
        self.acks_are_whole()
        self.ranks()
        self.shown(states)
        self.repeats()
        self.order()
        self.at_once()
        self.books()
        self.n_events = sum(1 for ack in self.acks.values() if ack["status"] in TAKEN)
        return self.found

    def n_doubt(self):
        return sum(self.records.doubt.values())
