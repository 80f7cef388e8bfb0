"""What must hold on the carriers after a storm, from what people see there, and saw.

    wechat, weibo   one article (post) of the newest revision, or none when it is withdrawn; a repetition is doubled, an older
                    one that appears behind a newer one disordered, unless the ledger admits a doubt and the way was held, the
                    worker stood still or a clock was wrong at that moment
    mas, aliyun     nobody is texted twice about a document, and everybody once when it is shown; where the carrier cannot
                    be asked, those may be missing whom the channel names as in doubt
    onbon           the board shows the newest revision of what is shown (of fifty), and nothing else
    mqtt            so do the retained messages of every group, and the playlist
"""
import collections
import json
import re
import sqlite3

from carrierkit import BATCH, GROUPS, PHONES

TITLE = re.compile(r"关于 (\S+) 的通告（([0-9a-f]{8}(?:不收)?)）")
LED_MOST = 50


class Carried:
    def __init__(self, judge, states):
        self.judge_of_all, self.troupe, self.states, self.say = judge, judge.troupe, states, judge.say
        self.ids = {(note["document"], note["word"]): note["id"] for note in judge.notes.values()}
        self.documents = {name: one for name, one in judge.documents.items()
                          if next(iter(one.events.values()))["note"]["channels"]}

    def judge(self):
        """How much each carrier has shown in all."""
        n = {}
        for name, (kind, _, _) in self.troupe.carriers.items():
            rows = self.retained(name) if kind == "mqtt" else self.seen(name)
            n[name] = len(rows)
            {"wechat": self.posts, "weibo": self.posts, "mas": self.texts, "aliyun": self.texts, "onbon": self.board,
             "mqtt": lambda *_: None}[kind](name, rows)
        return n

    def seen(self, name):
        told = self.troupe.stage.ask(name=name, do="show")
        self.troupe.stage.ask(name=name, do="keep", path=str(self.troupe.folder / f"requests.{name}.jsonl"))
        for problem in told["broken"] + sorted(set(told["findings"])):
            self.say("odd", f"{name}: {problem}")
        rows = []
        for row in told["shown"]:
            found = TITLE.search(row["title"])
            letter = found and self.ids.get(found.groups())
            if letter:
                rows.append(row | {"document": found[1], "id": letter})
            else:
                self.say("odd", f"{name} shows what nobody sent: {row['title'][:80]}")
        return rows

    def wanted(self, name):
        """(document, its newest event or None where nothing is to be seen) of all that is settled there."""
        for document, one in self.documents.items():
            newest = one.newest()
            if not newest or name not in newest["note"]["channels"]:
                continue
            state = self.states.get((document, name), {})
            if state.get("state") == "dead" and (newest["note"]["refused"] and "after" in self.troupe.carriers[name][2]):
                continue  # the endpoint that it waits for has refused it
            gone = newest["note"]["kind"] == "W" or newest["note"]["expires"]
            yield document, None if gone else newest

    def rank(self, letter):
        ack = self.judge_of_all.acks.get(letter, {})
        return ack.get("revision", 0)

    def excused(self, name, document, moment):
        """The ledger admits that it does not know, and at that time a way was held or a clock was wrong."""
        judge = self.judge_of_all
        workers = [w for w in self.troupe.workers if w.rsplit("-", 1)[0] == name]
        late = judge.records.doubt[document, name] > 0 and (judge.is_held(name, moment) or judge.clock_jumped(moment)
                                                            or any(judge.stood_still(w, moment) for w in workers))
        judge.n_late += late
        return late

    # -- articles and posts

    def posts(self, name, rows):
        by_document = collections.defaultdict(list)
        for row in rows:
            by_document[row["document"]].append(row)
        for document, newest in self.wanted(name):
            self.standing(name, document, newest, [row for row in by_document[document] if not row["gone"]])
        for document, seen in by_document.items():
            self.history(name, document, sorted(seen, key=lambda row: row["at"]))

    def standing(self, name, document, newest, rows):
        """What stands there at the end."""
        wanted = [newest["id"]] if newest else []
        there = [row["id"] for row in rows]
        if there == wanted:
            return
        state = self.states.get((document, name))
        what = "lost" if newest and newest["id"] not in there or not newest else "doubled" if set(there) == set(wanted) else "disordered"
        self.say(what, f"{document} on {name}: wanted is {wanted}, there stand {there}; the door says {state}")

    def history(self, name, document, rows):
        judge, known, highest = self.judge_of_all, set(), 0
        for row in rows:
            rank, note = self.rank(row["id"]), judge.notes[row["id"]]
            # Both are asked before anything is repeated: the ledger's doubt alone excuses nothing.
            if row["id"] in known and not self.excused(name, document, row["at"]):
                self.say("doubled", f"{name}: {row['id']} of {document} appears again")
            known.add(row["id"])
            if rank < highest and not self.excused(name, document, row["at"]):
                self.say("disordered", f"{name}: {row['id']} of {document} appears behind revision {highest}")
            highest = max(rank, highest)
            if row["at"] < judge.leap_at and note["publish_at"] / 1000 > row["at"] + judge.ahead_s + 0.5:
                self.say("disordered", f"{name} shows {row['id']} before its time")

    # -- short messages

    def texts(self, name, rows):
        n = collections.defaultdict(collections.Counter)
        for row in rows:
            n[row["document"]][row["phone"]] += 1
        for document, phones in n.items():
            twice = [phone for phone, times in phones.items() if times > 1]
            if twice:
                self.say("doubled", f"{name}: {document} was sent twice to {twice}")
        doubts = self.doubts(name)
        for document, newest in self.wanted(name):
            missing = [phone for phone in PHONES if phone not in n[document]]
            state = self.states.get((document, name), {})
            told = dict(re.findall(r"(\w+)=(\d+)", state.get("reference") or ""))
            in_doubt = int(told.get("doubt", 0))
            if newest and len(missing) > in_doubt:
                self.say("lost", f"{name}: {document} never came to {missing}; the door says {state}")
            if self.troupe.carriers[name][0] == "aliyun" and in_doubt:
                self.say("odd", f"{name}: {document} is in doubt, though the carrier can be asked: {state}")
            if in_doubt > BATCH * doubts[document]:
                self.say("odd", f"{name}: {in_doubt} of {document} are in doubt, the ledger names {doubts[document]} batches")

    def doubts(self, name):
        """Batches of a document that the ledger names as in doubt, also where the word came too late to count."""
        with sqlite3.connect(f"file:{self.troupe.folder}/state/ledger.db?mode=ro", uri=True) as ledger:
            named = {(document, re.match(r"第 (\d+) 批", sentence)[1]) for document, sentence in ledger.execute(
                "SELECT document, sentence FROM entry WHERE channel = ? AND sentence LIKE '第 % 批%记为存疑%'", (name,))}
        return collections.Counter(document for document, _ in named)

    # -- displays

    def board(self, name, rows):
        wanted = {newest["id"] for _, newest in self.wanted(name) if newest}
        there = collections.Counter(row["id"] for row in rows)
        for letter, times in there.items():
            if times > 1:
                self.say("doubled", f"{name} shows {letter} {times} times")
            if letter not in wanted:
                self.say("lost" if self.is_gone(letter) else "disordered", f"{name} still shows {letter}, which is not the newest")
        if len(wanted & set(there)) < min(LED_MOST, len(wanted)):
            self.say("lost", f"{name} does not show {sorted(wanted - set(there))[:10]}")

    def is_gone(self, letter):
        newest = self.judge_of_all.documents[self.judge_of_all.notes[letter]["document"]].newest()
        return newest["note"]["kind"] == "W" or newest["note"]["expires"]

    def retained(self, name):
        topics, rows = self.troupe.broker.retained(), []
        wanted = {document: newest["revision"] for document, newest in self.wanted(name) if newest}
        for group in GROUPS:
            start = f"gongkai/{group}/documents/"
            messages = [json.loads(text) for topic, text in topics.items() if topic.startswith(start)]
            entries = json.loads(topics.get(f"gongkai/{group}/playlist", '{"entries": []}'))["entries"]
            rows += messages
            self.same(name, f"the messages of {group}", {m["document"]: m["revision"] for m in messages}, wanted, len(messages))
            self.same(name, f"the playlist of {group}", {e["document"]: e["revision"] for e in entries}, wanted, len(entries))
        return rows

    def same(self, name, what, there, wanted, n):
        for document in wanted.keys() | there.keys():
            if there.get(document) != wanted.get(document):
                self.say("lost" if document not in there or document not in wanted else "disordered",
                         f"{what} on {name}: {document} in revision {there.get(document)}, wanted is {wanted.get(document)}; "
                         f"the door says {self.states.get((document, name))}")
        if n != len(there):
            self.say("doubled", f"{what} on {name}: {n} for {len(there)} documents")
