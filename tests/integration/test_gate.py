"""The gate: numbers of private persons wait for a person, wherever they stand, and nothing says them aloud."""
import json

import pytest

from county import TREE, attachment, now, publish, query, wait_until
from filehost import FileHost, Gate, good
from knock import County, log_entries, until_taken

MOBILE, CARD, OLD = "13800138000", "6222020000000000018", "530690600101001"
RESIDENT = "530690190001010018"  # a region that was never given out, born in 1900
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
FAST = "[fetch]\nretry = 100ms, 100ms, 200ms\ntimeout = 5s"


@pytest.fixture(scope="module")
def town():
    one = County(config="[gate]\nexempt = ssgl.0401 resident_number, ssgl.0402 resident_number mobile_number")
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", may_urgent="yes")
    one.start_all(["bin"])
    yield one
    one.close()


@pytest.fixture
def host():
    made = FileHost()
    yield made
    made.close()


@pytest.fixture
def fetching(county, host):
    """A county that may fetch from the host."""
    one = county(config=FAST)
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", fetch_from=f"http://127.0.0.1:{host.port}", may_urgent="yes")
    return one.start_all(["bin"])


def reasons(reply):
    return [(r["path"], r["code"]) for r in reply.get("reasons", [])]


def try_out(town, *frames, body=("text", "第一条 内容。"), **data):
    event = publish("try", attributes={"gkdryrun": True}, **data)
    event["data"]["body"] = {"format": body[0], "content": body[1]}
    return town.ask(event, frames)


def shown(town, document):
    return [c["state"] for c in town.ask(query(document))["channels"]]


def says_nothing_aloud(town, *numbers):
    """No log and no alarm has them."""
    told = town.log("publisherd") + "".join(p.read_text() for p in (town.folder / "state" / "alarms").glob("*.json"))
    return not any(number in told for number in numbers)


# Where they stand ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number, code", [(MOBILE, "mobile_number"), (CARD, "bank_card"), (OLD, "resident_number"),
                                          (RESIDENT, "resident_number")])
def test_a_number_is_held_wherever_it_stands(town, number, code):
    text = f"张三，{number}。"
    for data, path in [({"title": text}, "/data/title"), ({"summary": text}, "/data/summary"),
                       ({"texts": {"short": text}}, "/data/texts/short"), ({"texts": {"spoken": text}}, "/data/texts/spoken"),
                       ({"texts": {"plain": text}}, "/data/texts/plain"), ({"correction": {"note": text}}, "/data/correction/note"),
                       ({"body": ("text", text)}, "/data/body"),
                       ({"attachments": [attachment(f"张三{number}.pdf", b"x", "application/pdf")]}, "/data/attachments/0/name"),
                       ({"attachments": [attachment("a.txt", text.encode())]}, "/data/attachments/0")]:
        frames = [b"x" if a["name"] != "a.txt" else text.encode() for a in data.get("attachments", [])]
        reply = try_out(town, *frames, **data)
        assert (reply["status"], reasons(reply)) == ("held", [(path, code)]), reply
        assert number not in json.dumps(reply, ensure_ascii=False) and "****" in reply["reasons"][0]["message"]


@pytest.mark.parametrize("kind, content", [
    ("text", MOBILE.translate(FULL_WIDTH)), ("text", "138-0013-8000"), ("text", "138 0013 8000"), ("text", "①③⑧⓪⓪①③⑧⓪⓪⓪"),
    ("text", "¹³⁸⁰⁰¹³⁸⁰⁰⁰"), ("text", "138\u200d0013\u200b8000"), ("text", "电话：1380013\n8000"), ("text", "+86 138 0013 8000"),
    ("html", "<p>138<b>0013</b>8000</p>"), ("html", "<p>138<!-- x -->00138000</p>"), ("html", "<p>&#49;3800138000</p>"),
    ("html", "<p>&#x2460;&#x2462;&#9319;00138000</p>"), ("html", "<p>138&nbsp;0013&nbsp;8000</p>"), ("html", "<p>138&zwj;00138000</p>"),
    ("html", "<p>100m<sup>2</sup>13800138000</p>"), ("html", "<p><a href='tel:13800138000'>电话</a></p>"),
    ("html", "<ul><li>138<i>0013</i>8000</li></ul>"), ("markdown", "**138**00138000"), ("markdown", "| 张三 | 13800138000 |"),
])
def test_a_hidden_mobile_number_is_found_in_the_body(town, kind, content):
    reply = try_out(town, body=(kind, content))
    assert (reply["status"], reasons(reply)) == ("held", [("/data/body", "mobile_number")])


@pytest.mark.parametrize("kind, content", [
    ("text", "138****8000"), ("text", "5306**********0018"), ("text", "6222***********0018"), ("text", "138xxxx8000"),
    ("markdown", "138****8000、6222 02** **** **** 018"), ("html", "<p>138****8000</p>"), ("text", "0875-5123456、12345"),
    ("text", "91530581MA6K0WXY0D"), ("text", "2609-532502-04-01-000123"), ("text", "订单号：13800138000"), ("text", "投资15912345678元"),
    ("html", "<table><tr><td>138</td><td>0013</td><td>8000</td></tr></table>"), ("html", "<img src='/upload/13800138000.jpg'>"),
])
def test_masked_numbers_and_others_pass(town, kind, content):
    assert try_out(town, body=(kind, content))["status"] == "accepted"


def test_the_reason_says_how_many_and_where_and_what_to_do(town):
    lines = ["姓名,电话"] + [f"某{i},1380013800{i}" for i in range(5)]
    csv = "\r\n".join(lines).encode("gb18030")
    reply = try_out(town, csv, attachments=[attachment("名单.csv", csv, "application/vnd.ms-excel")])
    message = reply["reasons"][0]["message"]
    for part in ["附件“名单.csv”", "5 处手机号码", "138****8000（第 2 行）", "138****8001（第 3 行）", "gongkaictl held release", "打码"]:
        assert part in message, message
    assert "138****8003" not in message, "three are enough"


@pytest.mark.parametrize("name, kind, content", [
    ("a.txt", "text/plain", MOBILE.encode()), ("a.csv", "application/octet-stream", f"a,{MOBILE}\n".encode()),
    ("a", "text/csv", f"a,{MOBILE}\n".encode()), ("a", "text/html", f"<p>138<b>0013</b>8000".encode()),
    ("a.htm", "application/octet-stream", b"<td>138&#48;0138000</td>"), ("a", "text/markdown", b"**138**00138000"),
    ("a", "application/json", b'{"tel":"13800138000"}'), ("a", "application/geo+json", b'{"tel":"13800138000"}'),
    ("a", "application/xml", b"<a><tel>13800138000</tel></a>"), ("a", "text/plain", f"电话：{MOBILE}".encode("gb18030")),
    ("a", "text/plain", f"电话：{MOBILE.translate(FULL_WIDTH)}，李四".encode("gb18030")), ("a", "text/plain", f"电话：{MOBILE}".encode("utf-16")),
    ("a", "text/plain", b"\xff\xfe" + MOBILE.encode("utf-16-le")[:-1]), ("a", "text/plain", MOBILE.encode("utf-16-le")),
    ("a", "text/plain", b"\xef\xbb\xbf" + MOBILE.encode()), ("a", "text/plain", b"\xff\x00\xc3 13800138000 \xe4\xb8"),
])
def test_a_text_attachment_is_read_whatever_its_type_and_encoding(town, name, kind, content):
    reply = try_out(town, content, attachments=[attachment(name, content, kind)])
    if content.startswith(b"\xff\xfe") and len(content) % 2:
        assert reply["status"] in ("accepted", "held")  # its last digit is cut in two
    else:
        assert (reply["status"], reasons(reply)) == ("held", [("/data/attachments/0", "mobile_number")])


def test_what_is_no_text_is_not_read(town):
    content = b"%PDF " + MOBILE.encode()
    for name, kind in [("a.pdf", "application/pdf"), ("a.svg", "image/svg+xml"), ("a.png", "image/png")]:
        assert try_out(town, content, attachments=[attachment(name, content, kind)])["status"] == "accepted"


def test_an_attachment_that_is_here_already_is_looked_at_too(town):
    content = f"张三,{MOBILE}\n第二".encode()
    first = town.ask(publish("here-1", attachments=[attachment("a.csv", content)]), [content])
    assert first["status"] == "held"
    second = town.ask(publish("here-2", attachments=[attachment("b.csv", content)]))
    assert (second["status"], reasons(second)) == ("held", [("/data/attachments/0", "mobile_number")])
    town.kill("publisherd")
    town.start_publisherd()
    third = until_taken(town, publish("here-3", attachments=[attachment("b.csv", content)]))
    assert (third["status"], reasons(third)) == ("held", [("/data/attachments/0", "mobile_number")]), "read from the folder"
    assert says_nothing_aloud(town, MOBILE)


def test_a_mark_of_secrecy_in_an_attachment_is_seen(town):
    content = "第一行\n机密★5年\n".encode("gb18030")
    reply = try_out(town, content, attachments=[attachment("a.txt", content)])
    assert reasons(reply) == [("/data/attachments/0", "secrecy_mark")]


def test_what_is_too_large_to_be_looked_through_waits_for_a_person(town):
    pieces = [b"%d" % i + b"a" * (40 << 20) for i in range(2)]
    reply = try_out(town, *pieces, attachments=[attachment(f"{i}.txt", p) for i, p in enumerate(pieces)])
    assert (reply["status"], reasons(reply)) == ("held", [("/data/attachments/1", "not_screened")])


def test_a_name_with_a_number_is_not_repeated(town):
    content = f"卡 {CARD}".encode()
    reply = try_out(town, content, attachments=[attachment(f"{MOBILE}.txt", content)])
    assert reasons(reply) == [("/data/attachments/0/name", "mobile_number"), ("/data/attachments/0", "bank_card")]
    assert MOBILE not in json.dumps(reply) and "附件“#1”" in reply["reasons"][1]["message"]


# What becomes of it ------------------------------------------------------------------------------------


def test_what_is_held_is_shown_when_it_is_released(town):
    csv = f"张三,{MOBILE}".encode()
    event = publish("release-1", body=f"账号 {CARD}", attachments=[attachment("a.csv", csv)])
    held = town.ask(event, [csv])
    assert (held["status"], reasons(held)) == ("held", [("/data/body", "bank_card"), ("/data/attachments/0", "mobile_number")])
    row, = [r for r in town.ctl_json("held", "list") if r["event"] == held["event"]]
    assert row["reasons"] == "bank_card mobile_number"
    show = town.ctl("held", "show", held["event"])
    assert "正文里有 1 处银行卡号：6222***********0018（第 1 行）" in show and "附件“a.csv”里有 1 处手机号码：138****8000" in show
    town.ctl("held", "release", held["event"], "--reason", "依法公开")
    town.shown("release-1", "bin")
    assert town.ask(event, [csv])["status"] == "duplicate"
    assert says_nothing_aloud(town, MOBILE, CARD)


def test_a_masked_revision_takes_the_place_of_what_is_held(town):
    assert town.ask(publish("mask-1", body=f"电话 {MOBILE}"))["status"] == "held"
    assert town.ask(publish("mask-1", body="电话 138****8000", time=now(seconds=1)))["status"] == "accepted"
    town.shown("mask-1", "bin")
    assert town.ask(query("mask-1"))["held"] is None


def test_an_exempt_item_passes_and_that_is_recorded(town):
    event = publish("tax-1", item="ssgl.0401", body=f"欠税人张三，{RESIDENT}")
    reply = town.ask(event)
    assert reply["status"] == "accepted"
    warning, = [w for w in reply["warnings"] if w["code"] == "gate_exempt"]
    assert warning["path"] == "/data/body" and "ssgl.0401" in warning["message"] and RESIDENT not in warning["message"]
    town.shown("tax-1", "bin")
    record, = [r for r in log_entries(town) if r[0] == "accepted" and r[1] == "tax-1"]
    assert record[10] == "gate_exempt:resident_number", "what the ledger copies"
    assert "tax-1" in town.log("publisherd") and "[gate] exempt" in town.log("publisherd")
    assert town.log("publisherd").count("gate_exempt:resident_number") == 1
    assert town.ask(event)["status"] == "duplicate"
    assert town.log("publisherd").count("gate_exempt:resident_number") == 1, "told once"


def test_an_item_is_exempt_of_what_its_law_names_only(town):
    reply = town.ask(publish("tax-2", item="ssgl.0401", body=f"{RESIDENT}，{MOBILE}，机密★"))
    assert (reply["status"], reasons(reply)) == ("held", [("/data/body", "secrecy_mark"), ("/data/body", "mobile_number")])
    assert [w["code"] for w in reply["warnings"]] == ["gate_exempt"]
    assert try_out(town, item="aqsc.0402", body=("text", RESIDENT))["status"] == "held"


def test_a_dry_run_answers_as_it_would(town):
    body = f"电话 {MOBILE}"
    dry, real = try_out(town, body=("text", body)), town.ask(publish("dry-1", body=body))
    assert dry["dry_run"] is True and dry["reasons"] == real["reasons"] and dry["status"] == real["status"] == "held"
    assert "try" not in [r["document"] for r in town.ctl_json("held", "list")]


def test_a_held_urgent_event_alarms_at_once(county):
    one = county()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.emitter("oa", sources="urn:gongkai:530581:oa", may_urgent="yes")
    one.start_all(["bin"])
    file = one.folder / "state" / "alarms" / "held-urgent--530581.json"
    held = one.ask(publish("urgent-1", body=f"电话 {MOBILE}", urgent=True))
    assert held["status"] == "held"
    alarm = json.loads(wait_until(lambda: file.exists() and file.read_text(), 5, "it opens"))
    assert held["event"] in json.dumps(alarm) and says_nothing_aloud(one, MOBILE)
    one.ctl("held", "release", held["event"], "--reason", "已核对")
    wait_until(lambda: not file.exists(), 10, "it closes")


# By address ---------------------------------------------------------------------------------------------


def remote(host, path, content, media_type="text/csv"):
    return attachment(path.strip("/"), content, media_type, url=host.url(path))


def test_a_fetched_attachment_is_looked_at_before_anybody_sees_it(fetching, host):
    content = f"张三,{MOBILE}".encode()
    host.answers = {"/a.csv": good(content, "text/csv")}
    event = publish("doc-1", attachments=[remote(host, "/a.csv", content)], urgent=True)
    first = fetching.ask(event)
    assert first["status"] == "accepted"
    row, = wait_until(lambda: fetching.ctl_json("held", "list"), 10, "it is held")
    assert (row["event"], row["reasons"], row["document"]) == (first["event"], "mobile_number", "doc-1")
    assert "published" not in shown(fetching, "doc-1")
    assert "138****8000" in fetching.ctl("held", "show", first["event"])
    assert "附件“a.csv”里有 1 处手机号码：138****8000" in fetching.log("publisherd") and says_nothing_aloud(fetching, MOBILE)
    alarms = fetching.folder / "state" / "alarms" / "held-urgent--530581.json"
    wait_until(alarms.exists, 5, "an urgent one alarms")
    again = fetching.ask(event)
    assert (again["status"], again["event"], reasons(again)) == ("held", first["event"], [("/data/attachments/0", "mobile_number")])
    fetching.ctl("held", "release", first["event"], "--reason", "依法公开")
    fetching.shown("doc-1", "bin")
    wait_until(lambda: not alarms.exists(), 10, "it closes")


def test_the_ledger_follows_what_is_held_after_it_was_accepted(fetching, host):
    content = f"张三,{MOBILE}".encode()
    host.answers = {"/a.csv": good(content, "text/csv")}
    fetching.start_ledgerd()
    first = fetching.ask(publish("doc-1", attachments=[remote(host, "/a.csv", content)]))
    wait_until(lambda: fetching.ctl_json("held", "list"), 10, "it is held")
    fetching.ctl("held", "release", first["event"], "--reason", "依法公开")
    fetching.shown("doc-1", "bin")

    def told():
        states = [row["state"] for row in fetching.ctl_json("document", "history", "doc-1")]
        return states[-1:] == ["published"] and states
    assert wait_until(told, 20, "the ledger has it") == ["accepted", "held", "released", "accepted", "published"]
    fetching.ctl("ledger", "verify")


def test_a_fetched_attachment_without_numbers_is_shown(fetching, host):
    content = "张三,138****8000".encode()
    host.answers = {"/a.csv": good(content, "text/csv")}
    assert fetching.ask(publish("doc-1", attachments=[remote(host, "/a.csv", content)]))["status"] == "accepted"
    fetching.shown("doc-1", "bin")
    assert fetching.ctl_json("held", "list") == []


def test_what_a_person_has_released_is_not_held_for_it_twice(fetching, host):
    framed, content = f"李四,{CARD}".encode(), b"nothing"
    slow = Gate(good(content, "text/csv"))
    host.answers = {"/b.csv": slow}
    event = publish("doc-1", attachments=[attachment("a.csv", framed, "text/csv", url=host.url("/a.csv")), remote(host, "/b.csv", content)])
    held = fetching.ask(event, [framed])
    assert (held["status"], reasons(held)) == ("held", [("/data/attachments/0", "bank_card")])
    fetching.ctl("held", "release", held["event"], "--reason", "依法公开")
    assert slow.reached.wait(10)
    fetching.kill("publisherd")
    fetching.start_publisherd()
    slow.go.set()
    fetching.shown("doc-1", "bin")


def test_what_comes_after_a_release_is_looked_at_for_itself(fetching, host):
    content = f"张三,{MOBILE}".encode()
    slow = Gate(good(content, "text/csv"))
    host.answers = {"/a.csv": slow}
    held = fetching.ask(publish("doc-1", body=f"账号 {CARD}", attachments=[remote(host, "/a.csv", content)]))
    assert reasons(held) == [("/data/body", "bank_card")]
    fetching.ctl("held", "release", held["event"], "--reason", "依法公开")
    slow.go.set()
    row, = wait_until(lambda: fetching.ctl_json("held", "list"), 10, "it is held for what came")
    assert (row["event"], row["reasons"]) == (held["event"], "mobile_number")
    fetching.ctl("held", "reject", held["event"], "--reason", "没有打码")
    assert "published" not in shown(fetching, "doc-1")


def test_what_comes_while_it_is_held_adds_its_reasons(fetching, host):
    content = f"张三,{MOBILE}".encode()
    host.answers = {"/a.csv": good(content, "text/csv")}
    held = fetching.ask(publish("doc-1", body=f"账号 {CARD}", attachments=[remote(host, "/a.csv", content)]))

    def both():
        return [r for r in fetching.ctl_json("held", "list") if r["reasons"] == "bank_card mobile_number"]
    wait_until(both, 10, "both reasons are there")
    fetching.ctl("held", "release", held["event"], "--reason", "依法公开")
    fetching.shown("doc-1", "bin")


# No false alarms -------------------------------------------------------------------------------------------


def test_nothing_of_the_demonstration_is_held(town):
    """Its events and attachments, which are made like a county's: none has a number of a person."""
    files = sorted((TREE / "demo" / "attachments").iterdir())
    by_name = {f.name: f.read_bytes() for f in files}
    looked = 0
    for path in sorted((TREE / "demo" / "events").glob("*.json")):
        events = json.loads(path.read_text())
        for event in events if isinstance(events, list) else [events]:
            if ".publish." not in event["type"]:
                continue
            data = event["data"]
            texts = {name: data[name] for name in ("title", "summary", "texts", "correction") if name in data}
            reply = try_out(town, body=(data["body"]["format"], data["body"]["content"]), **texts)
            assert (reply["status"], reasons(reply)) == ("accepted", []), (path.name, reply)
            looked += 1
    for name, content in by_name.items():
        reply = try_out(town, content, attachments=[attachment(name, content, "text/plain")])
        assert "mobile_number" not in json.dumps(reply) and "bank_card" not in json.dumps(reply), (name, reply)
        looked += 1
    assert looked >= 15


def test_no_text_of_the_catalogue_or_the_manual_looks_like_a_number(town):
    for path in [*sorted((TREE / "conf" / "catalogue").iterdir()), *sorted((TREE / "demo" / "source").iterdir())]:
        content = path.read_bytes()
        reply = try_out(town, content, attachments=[attachment(path.name + ".txt", content)])
        assert reasons(reply) == [], (path.name, reply)
