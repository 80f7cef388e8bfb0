#!/usr/bin/python3
"""A storm over the whole system: faults come by a seeded schedule while emitters go on and on.

    storm.py [--seed S] [--faults N] [--events N] [--rate R] [--programs DIR] [--aim NAME] [--keep]

It ends when so many faults have taken effect and so many events were taken; then all is mended, the
system comes to rest, and judge.py looks at what the emitters were told and the endpoints have seen.
The last line says it, and the exit code: 0 only when nothing is lost, doubled or disordered.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import sys
import threading
import time

import redis

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "chaos")]


def arguments_of(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=60, help="so many that took effect")
    parser.add_argument("--events", type=int, default=0, help="so many taken at least (default: ten for each fault)")
    parser.add_argument("--rate", type=float, default=60, help="events a second")
    parser.add_argument("--most", type=float, default=0, help="seconds until it gives up (default: 5 for each fault)")
    parser.add_argument("--programs", help="folder of the programs")
    parser.add_argument("--only", default="", help="faults to choose from: KIND, KIND:TARGET or KIND:WORD, by comma")
    parser.add_argument("--channels", default="", help="channels to have, by comma: of endpoints and carriers (default: all)")
    parser.add_argument("--carried", type=float, default=0.25, help="part of the documents that goes to the carriers too")
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE for every channel's file")
    parser.add_argument("--hot", type=int, default=6, help="documents that each emitter revises by turns")
    parser.add_argument("--life", type=int, default=14, help="events of a document at most")
    parser.add_argument("--slow", type=float, default=0, help="seconds that every endpoint takes to answer")
    parser.add_argument("--numbered", action="store_true", help="every document has numbers of its emitter")
    parser.add_argument("--plain", action="store_true", help="no embargo, no expiry, nothing refused")
    parser.add_argument("--keep", action="store_true", help="leave the folder also when all is well")
    parser.add_argument("--discard", action="store_true", help="remove the folder also when something is found")
    parser.add_argument("--out", help="file for one JSON line per fault")
    return parser.parse_args(words)


class Storm:
    def __init__(self, options):
        from carrierkit import CARRIERS
        from crowd import Crowd
        from faults import Faults, catalogue
        from troupe import CHANNELS, Troupe
        self.options, self.chance = options, random.Random(options.seed)
        self.ended, self.lock = threading.Event(), threading.Lock()
        wanted = options.channels.split(",") if options.channels else [*CHANNELS, *CARRIERS]
        self.troupe = Troupe({name: CHANNELS[name] for name in wanted if name in CHANNELS},
                             {name: CARRIERS[name] for name in wanted if name not in CHANNELS},
                             options=dict(word.split("=", 1) for word in options.set))
        self.crowd = Crowd(self.troupe.folder, self.troupe.endpoint, options.seed, self.clock_ms, options.rate,
                           plain=options.plain, hot=options.hot, numbered=options.numbered, life=options.life,
                           carriers=list(self.troupe.carriers), carried=options.carried if self.troupe.carriers else 0)
        self.faults = Faults(self.troupe, self.crowd, self.ended)
        self.rows = [row for row in catalogue(self.troupe) if self.is_wanted(row)]
        self.n_counted, self.n_tried, self.busy, self.threads, self.n_shown = 0, 0, set(), [], {}
        self.ahead_ms, self.leap_at, self.problem, self.sick = 0, 1e12, None, []
        self.journal = open(options.out or self.troupe.folder / "faults.jsonl", "a", encoding="utf-8")

    def clock_ms(self):
        """The county's time: what Redis takes it for, but for a fault of its own."""
        offset = self.troupe.clocks["redis"].get()
        self.ahead_ms = max(self.ahead_ms, self.troupe.time_offset())
        return int(time.time() * 1000) + offset

    def is_wanted(self, row):
        _, kind, target, words = row
        names = {kind, f"{kind}:{target}", f"{kind}:{target.rsplit('-', 1)[0]}"} | {f"{kind}:{word}" for word in words}
        return not self.options.only or names & set(self.options.only.split(","))

    # -- the faults

    def pick(self):
        """The next fault whose victim nobody has in hand."""
        for _ in range(20):
            row = self.chance.choices(self.rows, [r[0] for r in self.rows])[0]
            if not self.busy & self.claims(row):
                return row
        return None

    @staticmethod
    def claims(row):
        """What must not be under two faults at once."""
        _, kind, target, _ = row
        if kind == "power":
            return {"processes", "redis", "publisherd", "clock"}
        if kind in ("clock_on", "clock_back", "clock_of"):
            return {"clock"}
        if kind in ("kill", "stop", "loading", "redis_refuses", "disk_full"):
            return {target, "processes"} if kind in ("kill", "stop") and target == "redis" else {target}
        if kind in ("lie", "trouble", "token", "slow", "dark"):
            return {f"lie {target}"}
        return {"broker"} if kind.startswith("broker") else {f"way {target}"}

    def one(self, n, row, chance, claims):
        _, kind, target, words = row
        began, effect = time.monotonic(), None
        try:
            effect = getattr(self.faults, kind)(target, chance, *words)
        except (redis.exceptions.RedisError, ProcessLookupError):
            pass  # Redis, or its victim, was away: nothing came of it
        except Exception as problem:
            self.problem = self.problem or problem
            print(f"storm: fault {n} {kind} {target}: {problem!r}", file=sys.stderr)
        with self.lock:
            self.n_counted += effect is not None
            self.busy -= claims
            self.journal.write(json.dumps({
                "n": n, "at": round(time.time(), 3), "fault": kind, "target": target, "words": words,
                "took": round(time.monotonic() - began, 2), "effect": effect, "counts": effect is not None}) + "\n")
            self.journal.flush()

    def is_exclusive(self, row):
        return row[1] == "power"

    def rage(self):
        options = self.options
        most = options.most or max(60, 5 * options.faults)
        events = options.events or 10 * options.faults
        end = time.monotonic() + most
        while time.monotonic() < end and not self.problem:
            self.crowd.look()
            if len(self.troupe.crashes) >= 5:
                raise AssertionError("daemons end by themselves:\n" + self.troupe.crashes[-1])
            if self.n_counted >= options.faults and self.crowd.n_sent() >= events:
                break
            if self.n_counted < options.faults and len(self.busy) < 6:
                row = self.pick()
                if row:
                    self.begin(row)
            self.ended.wait(self.chance.choice((0.05, 0.2, 0.4, 0.8)))
        self.ended.set()
        for thread in self.threads:
            thread.join(30)

    def begin(self, row):
        claims = self.claims(row)
        if self.is_exclusive(row):
            # The machine goes down: what else is under way is waited for.
            for thread in self.threads:
                thread.join(20)
        with self.lock:
            self.busy |= claims
        self.n_tried += 1
        chance = random.Random(f"{self.options.seed}/{self.n_tried}")
        if self.is_exclusive(row):
            self.one(self.n_tried, row, chance, claims)
            return
        thread = threading.Thread(target=self.one, args=(self.n_tried, row, chance, claims), daemon=True)
        self.threads = [t for t in self.threads if t.is_alive()] + [thread]
        thread.start()

    # -- the end

    def rest(self):
        """All is mended; what is due later becomes due; everything comes to rest."""
        from carrierkit import LEAPS
        from county import wait_until
        troupe = self.troupe
        troupe.calm()
        self.clock_ms()  # a clock may have gone on after the last event
        troupe.set_clocks(troupe.time_offset())
        wait_until(troupe.all_live, 30, "everybody is there again")
        try:
            troupe.ready()
        except AssertionError as problem:
            self.sick.append(f"{problem}; publisherd is {troupe.state_of('publisherd')}")
        n_late = self.crowd.finish(90)
        self.leap_at = time.time()
        try:
            self.leap(2)
            for _ in range(LEAPS if troupe.carriers else 0):  # what a day's quota holds back
                wait_until(lambda: (wait := troupe.left_for()) is None or wait > 120_000, 120, "nothing is due for some time")
                if not troupe.left_due():
                    break
                self.leap(1, troupe.waiting_workers())
            wait_until(lambda: not troupe.left_due(), 120, "nothing is due any more")
        except AssertionError:
            pass  # told below, document by document
        try:
            self.is_behind = False
            wait_until(lambda: not troupe.has_ledger or self.ledger_is_up(), 60, "the ledger has all")
        except AssertionError:
            self.is_behind = True
        return n_late

    def leap(self, days, workers=None):
        """Workers stop in the meantime (those that have something to do): their leases are not to pass by it."""
        troupe = self.troupe
        workers = troupe.workers if workers is None else workers
        with troupe.lock:
            for name in workers:
                troupe.held.add(name)
                troupe.stop(name)
            troupe.set_clocks(troupe.time_offset() + days * 86_400_000)
            for name in workers:
                troupe.launch(name)
                troupe.held.discard(name)

    def ledger_is_up(self):
        import sqlite3
        n = int(self.troupe.redis().hget("{530581}:meta", "n"))
        with sqlite3.connect(f"file:{self.troupe.folder}/state/ledger.db?mode=ro", uri=True) as ledger:
            row = ledger.execute("SELECT n FROM position WHERE region = '530581'").fetchone()
        return row and row[0] >= n

    def states(self, documents):
        from county import query
        from oracle import ask_all
        names = list(documents)
        replies = ask_all(self.troupe, [query(name, source=next(iter(documents[name].events.values()))["source"])
                                        for name in names])
        return {(name, one["channel"]): one for name, reply in zip(names, replies)
                for one in reply.get("channels", [])}

    def run(self):
        from carried import Carried
        from judge import Judge
        troupe = self.troupe
        troupe.can_look = troupe.knows("lookup_url")
        troupe.books_are_exact = troupe.has_ledger
        if troupe.power:
            troupe.launch("redis")
            from county import wait_until
            wait_until(troupe.redis_is_up, 20)
            troupe.launch("publisherd")
            troupe.ready()
            for name in ("publisherd", "redis"):
                troupe.wanted.pop(name)
                troupe.stop(name)
            troupe.power.settle()
        troupe.raise_all()
        troupe.begin_watching()
        for name in troupe.channels if self.options.slow else ():
            troupe.liars.ask(name=name, behaviour="slow", wait=self.options.slow)
        self.crowd.start()
        self.rage()
        n_late = self.rest()
        troupe.calm()  # which writes the requests down to the last
        judge = Judge(troupe, self.crowd.files)
        left = troupe.left_due()
        states = self.states(judge.documents)
        found = judge.judge(states, self.ahead_ms / 1000, self.leap_at)
        if troupe.carriers:
            self.n_shown = Carried(judge, states).judge()
        if n_late:
            found["lost"].append(f"{n_late} events never had a last word")
        if self.is_behind:
            found["lost"].append(f"the ledger does not get what is in the log: {troupe.log('ledgerd')[-300:]}")
        if left:
            found["odd"].append(f"{left} are still due")
        if troupe.has_ledger:
            self.verify(found)
        if self.problem:
            found["odd"].append(f"the storm itself failed: {self.problem!r}")
        try:
            troupe.ended.set()
            crashes = troupe.crashes
            found["odd"] += crashes + self.sick
        finally:
            return judge, found

    def verify(self, found):
        try:
            self.troupe.ctl("ledger", "verify")
        except AssertionError as problem:
            found["odd"].append(f"ledger verify: {problem}")


def main(words=None):
    options = arguments_of(words)
    if options.programs:
        os.environ["GONGKAI_PROGRAMS"] = str(pathlib.Path(options.programs).resolve())
    from troupe import commit
    storm = Storm(options)
    began = time.monotonic()
    try:
        judge, found = storm.run()
    except BaseException:
        storm.troupe.keep()
        print(f"storm: what is left is in {storm.troupe.folder}", file=sys.stderr)
        raise
    n = {what: len(found[what]) for what in ("lost", "doubled", "disordered")}
    others = sum(len(list_of) for what, list_of in found.items() if what not in n)
    few = []
    if storm.n_counted < options.faults:
        few.append(f"only {storm.n_counted} of {storm.n_tried} faults took effect, {options.faults} were wanted")
    if judge.n_events < (options.events or 10 * options.faults):
        few.append(f"only {judge.n_events} events")
    well = not any(n.values()) and not others and not few
    for what, sentences in found.items():
        for sentence in sentences[:15]:
            print(f"{what}: {sentence}")
        if len(sentences) > 15:
            print(f"{what}: {len(sentences) - 15} more")
    for sentence in few:
        print(f"few: {sentence}")
    if well and not options.keep:
        try:
            storm.troupe.close_all()
        except AssertionError as problem:
            well = False
            print(problem)
    else:
        storm.troupe.keep()
        if options.discard:
            shutil.rmtree(storm.troupe.folder, ignore_errors=True)
        else:
            print(f"storm: what is left is in {storm.troupe.folder}")
    print(f"storm: {time.monotonic() - began:.0f} s, {storm.n_tried} faults tried, "
          f"{sum(len(r) for r in judge.requests.values())} requests, {judge.n_late} held back came in behind a newer one")
    if storm.n_shown:
        print("storm: shown by carriers, all in all: " + ", ".join(f"{name} {n}" for name, n in storm.n_shown.items()))
    print(f"storm: seed={options.seed} commit={commit()} faults={storm.n_counted} events={judge.n_events} "
          f"lost={n['lost']} doubled={n['doubled']} disordered={n['disordered']} doubt={judge.n_doubt()}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
