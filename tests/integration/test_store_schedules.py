"""Thousands of seeded schedules (schedules.py) against core/store.lua, whole and with one rule left out.

A failure prints the seed; `GK_SEED=n GK_SCHEDULES=1` runs it alone, GK_SCHEDULES=n more of them.
"""

import os
import pathlib
import subprocess
import sys

import pytest

from schedules import run
from storekit import Redis, Store, library, publish, withdraw

SCHEDULES = int(os.environ.get("GK_SCHEDULES", "20000"))
FIRST_SEED = int(os.environ.get("GK_SEED", "1"))


@pytest.fixture(scope="module")
def redis():
    redis = Redis()
    yield redis
    redis.close()


def test_whatever_happens_every_channel_ends_with_the_newest_or_with_nothing():
    """On all cores: schedules and their Redis wait for each other, so each pair keeps one busy."""
    n = -(-SCHEDULES // os.cpu_count())
    end = FIRST_SEED + SCHEDULES
    parts = [subprocess.Popen([sys.executable, pathlib.Path(__file__).with_name("schedules.py"), str(seed),
                               str(min(seed + n, end) - 1)], stderr=subprocess.PIPE, text=True)
             for seed in range(FIRST_SEED, end, n)]
    told = [part.communicate()[1] for part in parts]
    assert [part.returncode for part in parts] == [0] * len(parts), "\n".join(told)


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
    "a verdict on an overtaken revision buries nothing [4]": (
        """                    if newest then
                        c.y, c.z = code, string.sub(sentence, 1, 600)
                        if verdict == 'dead' then
                            c.e, c.v = rev, lvl
""", """                    if true then
                        c.y, c.z = code, string.sub(sentence, 1, 600)
                        if verdict == 'dead' then
                            c.e, c.v = cur[REV], cur[LVL]
"""),
    "expiry has a rank of its own [5]": ("x[LVL], x[KIND], x[EXP], x[CLASS] = 1, 'X', 0, 0", "x[KIND], x[EXP], x[CLASS] = 'X', 0, 0"),
    "a withdrawal uses up no number [6]": (
        "if e.kind == 'W' then return 'accepted', number, level + 1 end", "if e.kind == 'W' then return 'accepted', number + 1, 1 end"),
    "a withdrawal goes to all channels of the document [9]": (
        "local name, c = channels[i], channels[i + 1]\n", "if e.kind == 'W' and #e.channels == 0 then break end\n        local name, c = channels[i], channels[i + 1]\n"),
    "waiting ends when the other is dead [10]": ("    if is_dead(other, cur) then\n", "    if false then\n"),
    "waiting ends at its limit [10]": ("return at <= now, at", "return false"),
    "the lease last settled is known again [11]": ("elseif c.q == lease then", "elseif false then"),
    "a lease value is never used twice [13]": ("/ 16) * 16, last + 16)", "/ 16) * 16, 0)"),
    "bytes stay while somebody may need them [21]": (
        "elseif holder == 'current' and not is_at_rest(d, by_name, due, document) then", "elseif false then"),
    "bytes of what was overtaken go [21]": ("gone[#gone + 1] = body", "if holder then gone[#gone + 1] = body end"),
    "bytes of what is embargoed stay [21]": ("or holder == 'pending' then", "then"),
    "only what the ledger has is trimmed [21]": ("'MINID', argv[2])", "'MINID', '+')"),
    "numbers have no gap [15]": ("'n', fmt(n + log.n), 'seen'", "'n', fmt(n + log.n + (log.n > 3 and 1 or 0)), 'seen'"),
    "a put-back is cleared only by who knew of it [22]": ("if c.G and generation >= c.G then", "if c.G then"),
    "what waits for attachments is not shown [26]": ("local function waits(r) return r[WAIT] == 1 end", "local function waits(r) return false end"),
    "a replay takes along those that died with it [28]": ("state.y == 'after/dead' then", "false then"),
    "the end of a display keeps its entry [27]": (
        "if type(over) == 'number' and over > now and (not t or over < t) then", "if false then"),
    "a renewal whose reply was lost is known again [23]": ("if sound and (score == old or score == new) then", "if sound and score == old then"),
    "a renewed lease stays below all later ones [23]": ("if most > last then", "if false then"),
    "what is reclaimed is in doubt [24]": ("moves[#moves + 1] = fmt(passed + class_of_score(lease) * 2 - 15)", "moves[#moves + 1] = fmt(passed + class_of_score(lease) * 2 - 16)"),
    "what is leased is counted [25]": ("g.landed = g.landed + 1", ""),
    "no more at once than the channel may [25]": ("math.max(0, limits[5] - tonumber(f[3] or 0))", "limits[5]"),
}


# Rules that hardly any schedule misses: one that does, which is tried before all others.
RARE = {"a second look is owed [12]": 3272, "a put-back is cleared only by who knew of it [22]": 1392}


@pytest.mark.parametrize("rule", LEFT_OUT)
def test_the_schedules_go_red_when_a_rule_is_left_out(redis, rule):
    whole, (line, instead) = library(), LEFT_OUT[rule]
    assert whole.count(line) >= 1, "the line of this rule reads otherwise now"
    redis.call("FUNCTION", "LOAD", "REPLACE", whole.replace(line, instead))
    try:
        seeds = [RARE[rule]] if rule in RARE else []
        assert run(redis, [*seeds, *range(1, int(os.environ.get("GK_SCHEDULES", "6000")))]) is not None, "nobody noticed"
    finally:
        redis.call("FUNCTION", "LOAD", "REPLACE", whole)


def the_look_outlives_a_newer_revision(redis):
    """A holder that began before the second look was due, and ended after, did not look."""
    redis.call("FLUSHALL")
    store = Store(redis)
    store.accept(publish("1", channels="portal"))
    store.take("portal", lease=1000)
    store.wait(2000)
    assert store.settle("portal", store.one("portal"), "done", bound=10_000) == "ok"
    store.accept(publish("2", channels="portal", content="y", time=store.now))
    newer = store.one("portal")
    store.wait(9_000)
    assert store.settle("portal", newer, "done") == "ok"
    store.wait(2_000)
    return len(store.work("portal")) == 1


def poison_is_withdrawn_by_asking(redis):
    """Five workers died of a document, and may have sent it: its withdrawal does not believe otherwise."""
    redis.call("FLUSHALL")
    store = Store(redis)
    store.accept(publish("1", channels="portal"))
    for _ in range(6):
        store.work("portal", lease=1000)
        store.wait(2000)
    assert store.channel("portal").state == "dead" and store.channel("portal").code == "poison"
    store.accept(withdraw("w", time=store.now))
    return [work.doubt for work in store.work("portal")] == [True]


# Too rare for the schedules: rules with a scene of their own.
SCENES = {
    "a second look is ended only by who knows of it [12]": (
        the_look_outlives_a_newer_revision, "if c.k == 0 then c.k = nil end", "c.k = nil"),
    "poison keeps the doubt [2]": (
        poison_is_withdrawn_by_asking, "c.p = nil -- the doubt stays for whatever comes next", "c.p, c.d, c.T = nil, nil, nil"),
}


@pytest.mark.parametrize("rule", SCENES)
def test_a_scene_goes_red_when_its_rule_is_left_out(redis, rule):
    whole, (scene, line, instead) = library(), SCENES[rule]
    assert whole.count(line) == 1 and scene(redis)
    redis.call("FUNCTION", "LOAD", "REPLACE", whole.replace(line, instead))
    try:
        assert not scene(redis), "nobody noticed"
    finally:
        redis.call("FUNCTION", "LOAD", "REPLACE", whole)
