"""Thousands of seeded schedules (schedules.py) against core/store.lua, whole and with one rule left out.

A failure prints the seed; `GK_SEED=n GK_SCHEDULES=1` runs it alone, GK_SCHEDULES=n more of them.
"""

import os

import pytest

from schedules import run, told
from storekit import Redis, library

SCHEDULES = int(os.environ.get("GK_SCHEDULES", "20000"))
FIRST_SEED = int(os.environ.get("GK_SEED", "1"))


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
