#!/usr/bin/env python3
"""Check the demo events, their attachments and what the set promises as a whole.

For each file of demo/events: the event format as far as one file shows it (fields, types, lengths,
dates, codes), the attachments' digests and sizes, the item against conf/catalogue/pilot.csv, and
what a demonstration must never carry: a valid identity number, a secrecy mark, an invented notice
that is not marked 示例. For the set: all nine domains and six counties, one revision, one
withdrawal, no attachment that nothing names.

Exit 0 when all is well, 1 when not. Python's standard library only.
"""

import csv
import datetime
import hashlib
import json
import re
import sys
import unicodedata
from pathlib import Path

HERE = Path(__file__).resolve().parent
EVENTS = HERE / "events"
ATTACHMENTS = HERE / "attachments"
CATALOGUE = HERE.parent / "conf" / "catalogue" / "pilot.csv"

PLAN = "00-plan.json"  # the one document that is real
MARK_TITLE = "（示例）"
MARK_BODY = "本页为演示用示例，内容均为虚构。"
ATTACHMENTS_MAX = 600 * 1024

KINDS = set("notice policy interpretation consultation licence penalty budget warning recall "
            "personnel other".split())
STAGES = set("decision execution management service result".split())
RELATIONS = set("interprets corrects replaces result-of reposts answers".split())
TYPES = {"cn.gongkai.disclosure.publish.v1": "publish",
         "cn.gongkai.disclosure.withdraw.v1": "withdraw"}

# The pilot's tasks: county -> domains (云政办发〔2017〕90号, 任务分工).
PILOT = {
    "530626": ("城乡规划", "重大项目建设", "公共文化服务"),
    "530581": ("税收管理", "环境保护", "食品药品监管"),
    "532301": ("城乡规划", "财政预决算", "公共法律服务"),
    "532325": ("安全生产", "公共文化服务", "公共法律服务"),
    "532502": ("重大项目建设", "财政预决算", "食品药品监管"),
    "532504": ("税收管理", "安全生产", "环境保护"),
}
DOMAINS = {domain for domains in PILOT.values() for domain in domains}
PROVINCE = "530000"

FORBIDDEN = "绝密 机密 秘密 内部资料 内部文件 工作秘密 不予公开 征求意见稿".split()

# member of `data` -> type; what is not here is unknown to the contract
MEMBERS = {
    "document": str, "revision": int, "item": str, "kind": str, "stage": (str, list), "title": str,
    "number": str, "index": str, "summary": str, "body": dict, "texts": dict,
    "publisher": (dict, list), "dates": dict, "formed": str, "publish_at": str,
    "show_until": (str, dict), "expires": str, "validity": dict, "correction": dict,
    "attachments": list, "matter": str, "relates": list, "period": str, "areas": list,
    "audience": (str, dict), "openness": str, "channels": list, "carriers": list, "urgent": bool,
    "review": dict, "reason": str, "reason_code": str, "mode": str,
}
REQUIRED = {"publish": ("document", "item", "title", "body", "publisher"),
            "withdraw": ("document", "reason")}
LENGTHS = {"document": (1, 128), "title": (1, 200), "summary": (1, 500), "reason": (1, 500)}


class Report:
    """What is wrong, by file."""

    def __init__(self):
        self.lines = []

    def add(self, where, what):
        self.lines.append(f"{where}：{what}")


# -- small rules ------------------------------------------------------------------------------

def bad_code_point(text):
    """The first control, bidi, surrogate or unassigned code point; newline is allowed."""
    for sign in text:
        category = unicodedata.category(sign)
        if sign != "\n" and category in ("Cc", "Cf", "Cs", "Co", "Cn"):
            return f"U+{ord(sign):04X}"
    return None


def credit_code_right(code):
    """GB 32100-2015, both check digits."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    if len(code) != 18 or any(sign not in alphabet for sign in code):
        return False
    total = sum(alphabet.index(sign) * pow(3, i, 31) for i, sign in enumerate(code[:17]))
    organ = sum(int(sign, 36) * w for sign, w in zip(code[8:16], (3, 7, 9, 10, 5, 8, 4, 2)))
    return (code[16] == "0123456789X0"[11 - organ % 11]
            and code[17] == alphabet[(31 - total % 31) % 31])


def identity_numbers(text):
    """Valid 18-digit identity numbers (GB 11643), also with blanks or hyphens inside."""
    text = unicodedata.normalize("NFKC", text)
    for found in re.finditer(r"(?<!\d)\d(?:[ -]?\d){16}[ -]?[\dXx](?!\d)", text):
        number = re.sub(r"[ -]", "", found.group()).upper()
        try:
            datetime.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
        except ValueError:
            continue
        weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
        total = sum(int(digit) * w for digit, w in zip(number, weights))
        if "10X98765432"[total % 11] == number[17]:
            yield number


def day(text):
    """A date or date-time -> its day in Asia/Shanghai, or None."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return datetime.date.fromisoformat(text)
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    shanghai = datetime.timezone(datetime.timedelta(hours=8))
    return moment.astimezone(shanghai).date() if moment.tzinfo else None


def strings(value, path=""):
    """All strings of a JSON value with their paths; digests are no text."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from strings(part, f"{path}/{i}")
    elif isinstance(value, dict):
        for name, part in value.items():
            if name != "sha256":
                yield from strings(part, f"{path}/{name}")


def depth(value):
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, parts), default=0)


def no_doubles(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("成员名重复")
    return dict(pairs)


def visible(body):
    """A body's words, for the mark at its head."""
    text = body["content"]
    if body["format"] == "html":
        text = re.sub(r"(?s)<!--.*?-->|<(script|style)\b.*?</\1>|<[^>]+>", "", text)
    return text.strip()


# -- one event --------------------------------------------------------------------------------

def check_envelope(event, complain):
    for name in ("specversion", "id", "source", "type", "time", "datacontenttype", "data"):
        if name not in event:
            complain(f"缺少 {name}")
    if event.get("specversion") != "1.0" or event.get("datacontenttype") != "application/json":
        complain("specversion 或者 datacontenttype 不对")
    if not re.fullmatch(r"urn:gongkai:\d{6}:[a-z0-9-]{1,32}", event.get("source", "")):
        complain(f"source 不对：{event.get('source')}")
    if event.get("type") not in TYPES:
        complain(f"type 不对：{event.get('type')}")
    if not re.fullmatch(r"2026-11-\d\dT\d\d:\d\d:\d\d\+08:00", event.get("time", "")) \
            or not day(event["time"]):
        complain(f"time 不对：{event.get('time')}")


def check_members(data, kind, complain):
    for name in REQUIRED[kind]:
        if not data.get(name):
            complain(f"缺少 data.{name}")
    for name, value in data.items():
        if name not in MEMBERS:
            complain(f"合同中没有 data.{name}")
        elif not isinstance(value, MEMBERS[name]) or (MEMBERS[name] is int and value is True):
            complain(f"data.{name} 类型不对")
        elif name in LENGTHS and not LENGTHS[name][0] <= len(value) <= LENGTHS[name][1]:
            complain(f"data.{name} 长度{len(value)}，应为{LENGTHS[name]}")
    if data.get("revision", 1) < 1:
        complain("data.revision 应当不小于1")


    body = data.get("body")
    if body and (set(body) != {"format", "content"} or not isinstance(body["content"], str)
                 or body["format"] not in ("text", "markdown", "html")):
        complain("data.body 不对")


def check_publisher(publisher, complain):
    for organ in publisher if isinstance(publisher, list) else [publisher]:
        if not organ.get("name") or set(organ) - {"name", "code"}:
            complain(f"公开主体不对：{organ}")
        if "code" in organ and not credit_code_right(organ["code"]):
            complain(f"统一社会信用代码校验不过：{organ['code']}")


def check_dates(data, sent, complain):
    dates = dict(data.get("dates", {}))
    for name in set(dates) - set("formed obtained decided approved printed event applied".split()):
        complain(f"合同中没有 dates.{name}")
    if "formed" not in dates:
        complain("缺少 dates.formed")
    days = {name: day(value) for name, value in dates.items()}
    for name, value in days.items():
        if value is None or value > sent:
            complain(f"dates.{name} 不对，或者晚于发送日期：{dates[name]}")
    if all(days.get(name) for name in ("formed", "printed")) and days["printed"] < days["formed"]:
        complain("印发日期早于成文日期")


def check_details(data, complain):
    if "number" in data and not re.fullmatch(r"\S+〔(19|20)\d\d〕[1-9]\d*号", data["number"]):
        complain(f"文号格式不对：{data['number']}")
    body = data["body"]
    if len(body["content"].encode()) > 512 << 10:
        complain("body 超过512 KiB")
    if body["format"] == "markdown" and re.search(r"^# ", body["content"], flags=re.M):
        complain("正文不得有一级标题")
    if set(data.get("texts", {})) - {"short", "spoken", "plain"}:
        complain("texts 不对")
    if len(data.get("texts", {}).get("short", "")) > 70:
        complain(f"texts.short 长度{len(data['texts']['short'])}，应不超过70")
    stage = data.get("stage", [])
    if not set([stage] if isinstance(stage, str) else stage) <= STAGES:
        complain(f"stage 不对：{stage}")
    if data.get("kind", "other") not in KINDS:
        complain(f"kind 不对：{data['kind']}")
    if "show_until" in data and not (isinstance(data["show_until"], str) and day(data["show_until"])
                                     or data["show_until"] == {"days": 7, "unit": "working"}):
        complain(f"show_until 不对：{data['show_until']}")
    if "validity" in data and (data["validity"].get("status") not in
                               ("valid", "amended", "abolished", "lapsed")
                               or not day(data["validity"].get("on", ""))):
        complain(f"validity 不对：{data['validity']}")
    if "correction" in data and not data["correction"].get("note"):
        complain("correction.note 为空")
    if "review" in data and data["review"].get("secrecy") not in ("passed", "not-needed"):
        complain("review.secrecy 不对")
    if data.get("openness", "proactive") not in ("proactive", "on-request", "closed"):
        complain(f"openness 不对：{data['openness']}")
    if not re.fullmatch(r"\d{4}(-Q[1-4]|-(0[1-9]|1[0-2]))?", data.get("period", "2026")):
        complain(f"period 不对：{data['period']}")
    for area in data.get("areas", []):
        if not re.fullmatch(r"\d{6}|\d{9}|\d{12}", area):
            complain(f"areas 不对：{area}")
    for relation in data.get("relates", []):
        if relation.get("rel") not in RELATIONS or not {"document", "url"} & set(relation):
            complain(f"relates 不对：{relation}")


def check_attachments(data, complain):
    names = set()
    for entry in data.get("attachments", []):
        name = entry.get("name", "")
        names.add(name)
        path = ATTACHMENTS / name
        if "/" in name or not path.is_file():
            complain(f"附件不存在：{name}")
            continue
        raw = path.read_bytes()
        if entry.get("size") != len(raw) or entry.get("sha256") != hashlib.sha256(raw).hexdigest():
            complain(f"附件 {name} 的大小或者摘要不符")
        if not re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", entry.get("media_type", "")):
            complain(f"附件 {name} 的类型不对")
        if entry.get("role", "file") not in ("file", "inline", "cover", "original"):
            complain(f"附件 {name} 的 role 不对")
        if f"attachment:{name}" not in data["body"]["content"]:
            complain(f"正文没有提到附件 {name}")
    for name in re.findall(r"attachment:([^\s)\"']+)", data["body"]["content"]):
        if name not in names:
            complain(f"正文提到的附件没有列出：{name}")


def check_texts(event, complain):
    for path, text in strings(event):
        if unicodedata.normalize("NFC", text) != text:
            complain(f"{path} 不是NFC")
        if bad_code_point(text):
            complain(f"{path} 有控制字符或者方向字符 {bad_code_point(text)}")
        for word in FORBIDDEN:
            if word in text:
                complain(f"{path} 有不得出现的词：{word}")
        for number in identity_numbers(text):
            complain(f"{path} 有身份证号码：{number[:6]}…")


def check_event(name, event, catalogue, report):
    def complain(what):
        report.add(name, what)

    check_envelope(event, complain)
    check_texts(event, complain)
    if depth(event) > 32:
        complain("嵌套超过32层")
    kind, data = TYPES.get(event.get("type")), event.get("data")
    if not kind or not isinstance(data, dict):
        return
    check_members(data, kind, complain)
    if report.lines:  # the rest leans on these
        return
    if kind == "withdraw":
        if data.get("mode", "mark") not in ("mark", "erase"):
            complain(f"mode 不对：{data['mode']}")
        return
    check_publisher(data["publisher"], complain)
    check_dates(data, day(event["time"]), complain)
    check_details(data, complain)
    check_attachments(data, complain)
    if data["item"] not in catalogue:
        complain(f"目录中没有事项 {data['item']}")
    if name != PLAN:
        if not data["title"].endswith(MARK_TITLE):
            complain("标题没有以“（示例）”结尾")
        if visible(data["body"]).split("\n", 1)[0].strip() != MARK_BODY:
            complain("正文第一行没有示例声明")


# -- the whole set ----------------------------------------------------------------------------

def check_set(events, catalogue, report):
    def complain(what):
        report.add("整套事件", what)

    identities = [(event["source"], event["id"]) for event in events.values()]
    if len(set(identities)) != len(identities):
        complain("有两个事件的 source 和 id 相同")

    shown, counties, domains = {}, set(), set()
    revised = withdrawn = notices = 0
    for name, event in sorted(events.items()):
        data, region = event["data"], event["source"].split(":")[2]
        key = (region, data["document"])
        if TYPES[event["type"]] == "withdraw":
            withdrawn += 1
            if shown.get(key, [None])[0] != event["source"]:
                report.add(name, "撤回的文件没有发布过，或者不是本来源发布的")
            continue
        if key in shown:
            revised += 1
            if shown[key] != [event["source"], data.get("revision", 0) - 1]:
                report.add(name, "修订的来源或者版次不对")
            if "correction" not in data:
                report.add(name, "修订没有更正说明")
        elif name != PLAN:
            notices += 1
        shown[key] = [event["source"], data.get("revision", 1)]
        if name == PLAN:
            if region != PROVINCE:
                report.add(name, "方案应由省级来源发布")
            continue
        domain = catalogue[data["item"]]["领域"]
        if domain not in PILOT.get(region, ()):
            report.add(name, f"{region} 没有承担“{domain}”试点任务")
        counties.add(region)
        domains.add(domain)
        for relation in data.get("relates", []):
            if "document" in relation and (region, relation["document"]) not in shown:
                report.add(name, f"所关联的文件没有先发布：{relation['document']}")
    if counties != set(PILOT) or domains != DOMAINS:
        complain(f"没有覆盖全部县、市和领域：缺{set(PILOT) - counties or ''}{DOMAINS - domains or ''}")
    if (notices, revised, withdrawn) != (12, 1, 2):
        complain(f"应有12件、修订1件、撤回2件，实有{notices}、{revised}、{withdrawn}")


def check_files(events, report):
    named = {entry["name"] for event in events.values()
             for entry in event["data"].get("attachments", [])}
    files = [path for path in ATTACHMENTS.iterdir() if path.is_file()]
    for path in files:
        if path.name not in named:
            report.add(path.name, "没有事件用到这个附件")
        if path.suffix in (".csv", ".txt"):
            text = path.read_bytes().decode("utf-8-sig")
            if "示例" not in text:
                report.add(path.name, "附件没有示例字样")
            for number in identity_numbers(text):
                report.add(path.name, f"有身份证号码：{number[:6]}…")
            for word in FORBIDDEN:
                if word in text:
                    report.add(path.name, f"有不得出现的词：{word}")
    if sum(path.stat().st_size for path in files) > ATTACHMENTS_MAX:
        report.add("attachments", f"附件合计超过{ATTACHMENTS_MAX >> 10} KiB")


def main():
    report = Report()
    with CATALOGUE.open(encoding="utf-8", newline="") as file:
        catalogue = {row["code"]: row for row in csv.DictReader(file)}
    events = {}
    for path in sorted(EVENTS.glob("*.json")):
        raw = path.read_bytes()
        try:
            events[path.name] = json.loads(raw.decode("utf-8"), object_pairs_hook=no_doubles)
        except ValueError as error:
            report.add(path.name, f"不是合格的JSON：{error}")
            continue
        if len(raw) > 1 << 20:
            report.add(path.name, "超过1 MiB")
        mine = Report()
        check_event(path.name, events[path.name], catalogue, mine)
        report.lines += mine.lines
    if not report.lines:  # the set is looked at once each event is sound
        check_set(events, catalogue, report)
        check_files(events, report)
    for line in report.lines:
        print(line, file=sys.stderr)
    if not report.lines:
        print(f"{len(events)}个事件、{len(list(ATTACHMENTS.glob('*')))}个附件检查通过")
    return 1 if report.lines else 0


if __name__ == "__main__":
    sys.exit(main())
