"""What must wait for a person: marks of secrecy and resident ID numbers, however they are hidden."""
import pytest

from county import attachment, now, publish, query, withdraw
from knock import County, control

# Numbers that are nobody's: unallocated region, or the standard's own example.
NUMBERS = ["530690190001010018", "532390190008080241", "532590190009120357",
           "53069019000101019X", "11010519491231002X", "53069019000101019x"]
ONE = NUMBERS[0]
FULL_WIDTH = str.maketrans("0123456789Xx", "０１２３４５６７８９Ｘｘ")


@pytest.fixture(scope="module")
def town():
    one = County()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    yield one
    one.close()


def asked(town, document, **data):
    reply = town.ask(publish(document, attributes={"gkdryrun": True}, **data))
    return reply["status"], [(r["path"], r["code"]) for r in reply.get("reasons", [])]


def body_of(kind, content):
    return {"body": {"format": kind, "content": content}}


@pytest.fixture
def notice():
    """publish() with a body of its own format."""
    def make(document, kind, content):
        event = publish(document, attributes={"gkdryrun": True})
        event["data"]["body"] = {"format": kind, "content": content}
        return event
    return make


@pytest.mark.parametrize("number", NUMBERS)
def test_a_resident_number_is_held_in_title_summary_and_body(town, number):
    assert asked(town, "n", title=f"关于 {number} 的决定") == ("held", [("/data/title", "resident_number")])
    assert asked(town, "n", summary=f"身份证号{number}。") == ("held", [("/data/summary", "resident_number")])
    assert asked(town, "n", body=f"张三，{number}") == ("held", [("/data/body", "resident_number")])


HIDDEN = [
    ("text", ONE.translate(FULL_WIDTH)), ("text", "5306 9019 0001 0100 18"), ("text", "530690-19000101-0018"),
    ("text", "530690　19000101　0018"), ("text", "53069019000101\n0018"), ("text", "530690\u200b190001010018"),
    ("text", "530690\u00ad190001010018"), ("text", "5306901900010101９x"), ("text", "号码:" + ONE + "，"),
    ("html", "<p>530690<b>19000101</b>0018</p>"), ("html", "<p>530690<span style='x'>1900</span>01010018</p>"),
    ("html", "<p>530690<!-- 1 > 2 -->190001010018</p>"), ("html", "<table><tr><td>530690</td><td>190001010018</td></tr></table>"),
    ("html", "<p>&#53;30690190001010018</p>"), ("html", "<p>&#x35;30690190001010018</p>"),
    ("html", "<p>530690&nbsp;19000101&#8203;0018</p>"), ("html", "<p>530690&#65297;90001010018</p>"),
    ("html", "<ul><li>1</li><li>530690<i>190001</i>010018</li><li>2</li></ul>"),
    ("html", "<p>三 < 五</p><p>530690<u>190001010018</u></p>"),
    ("markdown", "**530690**190001010018"), ("markdown", "530690`19000101`0018"), ("markdown", "| 530690 | 190001010018 |"),
    ("markdown", "530690<b>190001010018</b>"), ("markdown", "&#53;30690190001010018"),
]


@pytest.mark.parametrize("kind, content", HIDDEN)
def test_a_hidden_resident_number_is_found_in_the_body(town, notice, kind, content):
    assert content.count(ONE) == 0 or kind == "text"
    reply = town.ask(notice("h", kind, content))
    assert (reply["status"], [(r["path"], r["code"]) for r in reply["reasons"]]) == \
        ("held", [("/data/body", "resident_number")])


LOOK_ALIKES = [
    ("text", "530690190001010019"), ("text", "1" + ONE), ("text", ONE + "1"), ("text", "532390190002300241"),
    ("text", "5306901900****0018"), ("text", "538690190001010018"), ("text", "2026-530581-78-01-123456"),
    ("text", "13800138000"), ("text", "6222020000000000018"), ("text", "6217001234567890122"),
    ("text", "统一社会信用代码：91530581MA6K0WXY0D"), ("text", "530581001001GB00001F00010001"),
    ("text", "SC10653058100012"), ("text", "115306909999000628"), ("text", "590530190003150131"),
    ("html", "<table><tr><td>530690</td><td>19000101</td></tr></table>"), ("html", "<p>530690，190001010018</p>"),
    ("html", "<a href='/530690'>190001010018</a>"), ("markdown", "- 530690\n- 2026"),
]


@pytest.mark.parametrize("kind, content", LOOK_ALIKES)
def test_what_only_looks_like_a_resident_number_is_not_held(town, notice, kind, content):
    reply = town.ask(notice("l", kind, content))
    assert "resident_number" not in [r["code"] for r in reply.get("reasons", [])], reply


MARKS = ["绝密★启用前", "机密★5年", "秘密★", "机密☆", "密级：机密", "密级：【秘密】", "【机密】", "机　密★", "［秘密］", "绝密*1年"]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_of_secrecy_is_held_in_title_summary_and_body(town, mark):
    assert asked(town, "m", title=f"{mark} 关于某事的通知")[0] == "held"
    assert asked(town, "m", summary=f"{mark} 某事") == ("held", [("/data/summary", "secrecy_mark")])
    assert asked(town, "m", body=f"第一行\n{mark}\n某事") == ("held", [("/data/body", "secrecy_mark")])


@pytest.mark.parametrize("kind, content", [
    ("html", "<p>机<b>密</b>★五年</p>"), ("html", "<div align=right>秘密<sup>★</sup></div>"),
    ("markdown", "**机密**★"), ("html", "<p>密级：</p><p>第</p><p>机密</p>"), ("html", "<p>机&nbsp;密★</p>"),
])
def test_a_mark_of_secrecy_is_found_in_markup(town, notice, kind, content):
    reply = town.ask(notice("mm", kind, content))
    assert (reply["status"], [r["code"] for r in reply["reasons"]]) == ("held", ["secrecy_mark"])


@pytest.mark.parametrize("text", [
    "关于加强保密工作的通知", "保守国家秘密法宣传月", "商业秘密★保护示范点", "定密级别说明", "密级：绝密、机密、秘密",
    "涉及国家秘密的不予公开", "五★级秘密花园酒店", "机密性、完整性、可用性", "个人秘密★", "秘密花园",
])
def test_talk_of_secrets_is_not_held(town, text):
    assert asked(town, "t", title=text, body=f"一、{text}。", summary=text) == ("accepted", [])


def test_the_short_texts_and_names_are_looked_at_too(town):
    for data, path in [({"texts": {"short": f"张三 {ONE}"}}, "/data/texts/short"),
                       ({"texts": {"spoken": ONE}}, "/data/texts/spoken"),
                       ({"texts": {"plain": ONE}}, "/data/texts/plain"),
                       ({"correction": {"note": f"更正{ONE}"}}, "/data/correction/note")]:
        assert asked(town, "s", **data) == ("held", [(path, "resident_number")])
    event = publish("s", attributes={"gkdryrun": True}, attachments=[attachment("机密★名单.txt", b"x")])
    reply = town.ask(event, [b"x"])
    assert [(r["path"], r["code"]) for r in reply["reasons"]] == [("/data/attachments/0/name", "secrecy_mark")]


def test_every_reason_is_told_at_once(town, notice):
    event = notice("all", "html", "<p>530690<b>190001010018</b></p><p>机密★</p>")
    event["data"]["title"] = "秘密★三年"
    event["data"]["summary"] = ONE
    assert [(r["path"], r["code"]) for r in town.ask(event)["reasons"]] == [
        ("/data/title", "secrecy_mark"), ("/data/summary", "resident_number"),
        ("/data/body", "secrecy_mark"), ("/data/body", "resident_number")]


def test_what_is_held_goes_nowhere_until_a_person_releases_it(town):
    event = publish("release-1", body=f"张三 {ONE}")
    held = town.ask(event)
    assert (held["status"], held["document"]) == ("held", "release-1")
    again = town.ask(event)
    assert (again["status"], again["event"]) == ("held", held["event"])
    assert [r["code"] for r in again["reasons"]] == ["resident_number"]
    assert town.redis().zscore("{530581}:due:bin", "release-1") is None
    assert control(town, do="held.release", event=held["event"], reason="已核对")["ok"] is True
    known = town.ask(query("release-1"))
    assert (known["revision"], known["state"], known["held"]) == (1, "published", None)
    assert town.ask(event)["status"] == "duplicate"


def test_a_newer_revision_supersedes_what_is_held(town):
    held = town.ask(publish("super-1", body=f"张三 {ONE}"))
    assert town.ask(publish("super-1", body="张三 5306**********0018"))["status"] == "accepted"
    assert town.ask(query("super-1"))["held"] is None
    assert control(town, do="held.release", event=held["event"], reason="已核对")["ok"] is False


def test_a_withdrawal_is_never_held(town):
    town.ask(publish("wd-1"))
    assert town.ask(withdraw("wd-1", reason=f"误公开了 {ONE}", time=now(seconds=1)))["status"] == "accepted"


def test_a_body_made_to_be_slow_is_looked_at_in_time(town, notice):
    for kind, piece in [("html", "<!--"), ("html", "<a "), ("html", "&#"), ("html", "<"), ("text", "1 "), ("text", "机 "),
                        ("text", "密 "), ("markdown", "*"), ("text", "1\u200b"), ("html", "&#x3"), ("text", "机密")]:
        content = (piece * (500 * 1024))[:300 * 1024 // len(piece.encode()) * len(piece)]
        reply = town.ask(notice("slow", kind, content), timeout=5)
        assert reply["status"] in ("accepted", "held"), (piece, reply)
