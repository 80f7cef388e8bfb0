#!/usr/bin/python3
"""The console with many documents: how long it takes to read a ledger, and to make each page.

    tests/bench/console.py [--documents 1000000] [--folder DIR] [--programs DIR]

Makes a ledger of so many documents (rows as the daemons write them, but for the chain, which nobody here looks at), starts
Redis, gongkai-publisherd and gongkai-consoled on it, waits until the console has read it all, and asks for each page 30 times: one
connection each, from the request to the last byte. With --folder the ledger stays there and is used again.
"""
import argparse
import json
import pathlib
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import consolekit  # noqa: E402
import county as stories  # noqa: E402
from kit import figure, say  # noqa: E402

CHANNELS = ("portal", "wechat", "weibo", "sms")
TIMES, GOAL_MS = 30, 100
TOPICS = ("征收集体土地", "公布部门预算", "道路施工绕行", "公开招聘工作人员", "建设项目环境影响评价文件审批", "义务教育阶段学校招生", "农村低保对象名单",
          "行政处罚决定", "城镇老旧小区改造", "政府信息公开工作年度报告", "防汛抗旱应急预案", "食品安全监督抽检")
ORGANS = ("腾冲市人民政府办公室", "腾冲市财政局", "腾冲市自然资源局", "腾冲市教育体育局", "腾冲市生态环境局", "腾冲市卫生健康局")
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(ms, i):
    text = ""
    for _ in range(10):
        text, ms = LETTERS[ms % 32] + text, ms // 32
    return text + f"{i:016d}"


def event_of(i, document, title, at, organ):
    return json.dumps({
        "specversion": "1.0", "type": "cn.gongkai.disclosure.publish.v1", "source": "urn:gongkai:530581:oa", "id": f"oa-{i}",
        "time": time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(at / 1000 + 28800)), "datacontenttype": "application/json",
        "data": {"document": document, "item": "aqsc.0402", "title": title, "number": f"腾政发〔{2020 + i % 7}〕{i}号",
                 "body": {"format": "text", "content": "第一条 内容。" * 20}, "publisher": {"name": organ}, "dates": {"formed": "2026-11-20"}},
    }, ensure_ascii=False).encode()


def make_ledger(path, n):
    """`n` documents over a year, the last of them now; four channels each, one document in fifty not well somewhere."""
    chance = random.Random(7)
    ledger = sqlite3.connect(path, isolation_level=None)
    ledger.execute("PRAGMA page_size = 16384")
    ledger.execute("PRAGMA journal_mode = WAL")
    ledger.execute("PRAGMA synchronous = OFF")
    ledger.execute("PRAGMA cache_size = -400000")
    for version in sorted((HERE.parents[1] / "core").glob("ledger_?.sql")):
        ledger.executescript(version.read_text())
        ledger.execute(f"PRAGMA user_version = {version.stem[-1]}")
    ledger.execute("INSERT INTO era (id, region, epoch, adoption) VALUES (1, '530581', ?, '')", (ulid(0, 1),))
    ledger.execute("INSERT INTO source (id, name) VALUES (1, 'urn:gongkai:530581:oa')")
    end, span = int(time.time() * 1000), 365 * 86400000
    seq, entries, events, troubles = 0, [], [], []

    def row(at, state, document, event, channel="", attempt=None, code="", url="", sentence="", digest=None):
        nonlocal seq
        seq += 1
        entries.append((seq, seq, at, state, document, event, channel, attempt, code, url, sentence, seq, digest, chance.randbytes(32)))
        return seq

    ledger.execute("BEGIN")
    for i in range(n):
        # Most of it within the last weeks, as a county that grows has it.
        at = end - int(span * (1 - (i + 1) / n) ** 2)
        document, event, organ = f"oa-2026-{i:07}", ulid(at, i), ORGANS[i % len(ORGANS)]
        title = f"关于{chance.choice(TOPICS)}的{'公告' if i % 3 else '通知'}（第{i}期）"
        first = row(at, "accepted", document, event, code="P", digest=b"\0" * 32)
        events.append((first, event, f"oa-{i}", document, event_of(i, document, title, at, organ)))
        for k, channel in enumerate(CHANNELS):
            took = int(chance.lognormvariate(0.5 + k, 1.2) * 1000)
            if i % 50 == k:
                state = ("dead", "parked", "deferred", "attempted")[i // 50 % 4]
                last = row(at + took, state, document, event, channel, 1, "wechat/45009", sentence="接口调用超过限制（45009），等到明天")
                troubles.append(("530581", document, channel, state, at + took, last))
            else:
                row(at + took, "published", document, event, channel, 1, "done", f"https://www.tengchong.gov.cn/2026/{i}-{k}.html")
        if len(entries) > 50000 or i == n - 1:
            ledger.executemany("INSERT INTO entry (seq, era, n, at, state, document, revision, level, event, channel, attempt, code, reference, url,"
                               " sentence, extra, source, receipt, digest, alg, hash) VALUES (?, 1, ?, ?, ?, ?, 1, 0, ?, ?, ?, ?, '', ?, ?, '', 1, ?, ?, 'sm3', ?)",
                               entries)
            ledger.executemany("INSERT INTO event (seq, ulid, region, source, id, document, stage, bytes) VALUES (?, ?, '530581', 1, ?, ?, 1, ?)", events)
            ledger.executemany("INSERT INTO trouble VALUES (?, ?, ?, ?, ?, ?)", troubles)
            entries, events, troubles = [], [], []
    ledger.execute("INSERT INTO position VALUES ('530581', 1, ?, '0-0', ?)", (seq, seq))
    ledger.execute("COMMIT")
    ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()
    return seq


def search(words):
    return "/documents?q=" + urllib.parse.quote(words)


def day(ago):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - ago * 86400))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=1000000)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--programs", type=pathlib.Path, default=HERE.parents[1] / "build" / "release")
    arguments = parser.parse_args()
    stories.PROGRAMS = consolekit.PROGRAMS = arguments.programs.resolve()
    kept = arguments.folder or pathlib.Path(tempfile.mkdtemp(prefix="gk-console-", dir="/tmp"))
    kept.mkdir(parents=True, exist_ok=True)
    ledger = kept / f"ledger-{arguments.documents}.db"
    if not ledger.exists():
        began = time.monotonic()
        rows = make_ledger(ledger, arguments.documents)
        say(f"console: a ledger of {arguments.documents} documents, {rows} rows, {ledger.stat().st_size >> 20} MiB, in {time.monotonic() - began:.0f} s")
    one = consolekit.make(stories.County)
    try:
        for i, name in enumerate(CHANNELS):
            one.channel(name, driver="discard", carrier="政府网站", title=("门户网站", "微信公众号", "微博", "短信")[i], **({"quota": "1000/day"} if i else {}))
        (one.folder / "state" / "ledger.db").symlink_to(ledger)
        one.start_redis()
        one.start_publisherd()
        began = time.monotonic()
        one.console.start()
        process = one.processes["consoled"]
        worst = 0
        while True:
            asked = time.monotonic()
            lag = consolekit.value(one.console.metrics(), "gongkai_console_index_lag_rows")
            worst = max(worst, time.monotonic() - asked)
            if lag == 0:
                break
            time.sleep(0.2)  # between two looks at the condition
        say(f"console: the index was made in {time.monotonic() - began:.0f} s, /metrics took {worst * 1000:.0f} ms at most meanwhile,"
            f" cards.db has {(one.folder / 'state' / 'console' / 'cards.db').stat().st_size >> 20} MiB")
        middle = f"/document/530581/oa-2026-{arguments.documents // 2:07}"
        before = arguments.documents * 5 // 2
        pages = {
            "overview": "/", "documents": "/documents", "documents-deep": f"/documents?before={before}", "documents-search": search("集体土地"),
            "documents-search-common": search("公告"), "documents-search-rare": search(f"第{arguments.documents // 3}期"),
            "documents-search-none": search("公告通知"), "documents-search-two": search("财政局 预算"),
            "documents-search-old": search("公告") + f"&from={day(300)}&to={day(299)}", "documents-state": "/documents?state=held",
            "documents-day": f"/documents?from={day(200)}&to={day(199)}", "document": middle, "channels": "/channels", "channel": "/channels/wechat",
            "trouble": "/trouble?state=dead", "trouble-channel": "/trouble?state=parked&channel=sms", "alarms": "/alarms", "held": "/held",
            "metrics": "/metrics",
        }
        for name, path in pages.items():
            times = []
            for _ in range(TIMES):
                asked = time.monotonic()
                assert one.console.get(path).status == 200, path
                times.append((time.monotonic() - asked) * 1000)
            figure(f"console-{name}", statistics.median(times), "ms", GOAL_MS, least=False)
            say(f"console-{name}: worst {max(times):.0f} ms")
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        say("console: memory " + next(line for line in status.splitlines() if line.startswith("VmHWM")).split(":")[1].strip())
    finally:
        one.close()
        if not arguments.folder:
            shutil.rmtree(kept)


main()
