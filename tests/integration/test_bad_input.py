"""Bad input: every kind is answered with its code and place, and the next honest message is taken."""
import copy
import itertools
import json

import pytest

from county import publish, query, withdraw
from knock import County, answer_of, dealer

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def town():
    one = County()
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    yield one
    one.close()


def event(**changes):
    """An honest event in which paths ("data/body/format") have another value; ... takes a member away."""
    return changed(publish("bad"), changes)


def changed(whole, changes):
    whole = copy.deepcopy(whole)
    for path, value in changes.items():
        *way, last = path.split("/")
        at = whole
        for step in way:
            at = at[step]
        if value is ...:
            del at[last]
        else:
            at[last] = value
    return whole


def text(**changes):
    return json.dumps(event(**changes), ensure_ascii=False)


def honest():
    return json.dumps(publish("bad"), ensure_ascii=False)


def member(pair):
    """An honest event with one more member, as text that json.dumps would not write."""
    return honest()[:-1] + ", " + pair + "}"


DEEP = "[" * 40 + "]" * 40

# What the bytes are, and the one error that they bring.
BYTES = {
    "nothing": (b"", "", "json"),
    "blanks": (b" \r\n\t", "", "json"),
    "words": ("公开".encode(), "", "json"),
    "null": (b"null", "", "json"),
    "a number": (b"42", "", "json"),
    "a string": (b'"event"', "", "json"),
    "an open brace": (b"{", "", "json"),
    "an open bracket": (b"[", "", "json"),
    "a closing brace": (b"}", "", "json"),
    "cut in the middle": (honest().encode()[:300].decode(errors="ignore").encode(), "", "json"),
    "cut in a character": (honest().encode()[:honest().encode().index("关于".encode()) + 2], "", "encoding"),
    "something behind": (honest() + "x", "", "json"),
    "two events": (honest() * 2, "", "json"),
    "JSON lines": (honest() + "\n" + honest(), "", "json"),
    "single quotes": ("{'id': 'x'}", "", "json"),
    "a trailing comma": (honest()[:-1] + ",}", "", "json"),
    "a comma too many": ("[" + honest() + ",]", "", "json"),
    "a comment": ("/* event */" + honest(), "", "json"),
    "NaN": (member('"x": NaN'), "", "json"),
    "Infinity": (member('"x": -Infinity'), "", "json"),
    "a hexadecimal number": (member('"x": 0x10'), "", "json"),
    "a leading zero": (member('"x": 012'), "", "json"),
    "a plus sign": (member('"x": +1'), "", "json"),
    "a bare point": (member('"x": 1.'), "", "json"),
    "a number beyond 64 bits": (member('"x": 9223372036854775808'), "", "json"),
    "a number beyond doubles": (member('"x": 1e400'), "", "json"),
    "a number of 100,000 digits": (member('"x": ' + "7" * 100000), "", "json"),
    "a key twice": (member('"id": "other"'), "", "json"),
    "a key twice by escape": (member('"\\u0069d": "other"'), "", "json"),
    "full-width signs": (honest().replace('", "', "”，“"), "", "json"),
    "a full-width colon": ('{"id"： "x"}', "", "json"),
    "a line break in a string": (honest().replace("第一条", "第一\n条"), "", "json"),
    "a bad escape": (member('"x": "C:\\work"'), "", "json"),
    "half a surrogate": (member('"x": "\\ud83d"'), "", "json"),
    "an escaped NUL": (member('"x": "\\u0000"'), "", "json"),
    "the NUL of a C string": (honest() + "\0", "", "encoding"),
    "a NUL in a string": (honest().replace("第一条", "第一\0条"), "", "encoding"),
    "GBK": (honest().encode("gbk"), "", "encoding"),
    "GB18030": (honest().replace("内容", "㐀𠀀内容").encode("gb18030"), "", "encoding"),
    "UTF-16": (honest().encode("utf-16"), "", "encoding"),
    "Latin-1": (member('"x": "é"').encode().replace("é".encode(), b"\xe9"), "", "encoding"),
    "an overlong NUL": (member('"x": "?"').encode().replace(b"?", b"\xc0\x80"), "", "encoding"),
    "a surrogate in UTF-8": (member('"x": "?"').encode().replace(b"?", b"\xed\xa0\x80"), "", "encoding"),
    "beyond U+10FFFF": (member('"x": "?"').encode().replace(b"?", b"\xf4\x90\x80\x80"), "", "encoding"),
    "nested 40 deep": (member('"x": ' + DEEP), "", "too_deep"),
    "3,000,000 brackets": (b"[" * 3000000, "/0", "too_deep"),
    "500,000 objects": (b'{"a":' * 200000, "", "too_deep"),
    "10,001 values": (member('"x": [' + ",".join("1" * 10001) + "]"), "", "too_large"),
    "over 1 MiB": (member('"x": "' + "a" * (1 << 20) + '"'), "", "too_large"),
    "over 1 MiB of blanks": (honest() + " " * (1 << 20), "", "too_large"),
    "over 1 MiB, one of an array": ("[" + honest() + "," + member('"x": "' + "a" * (1 << 20) + '"') + "]", "/1", "too_large"),
    "an empty array": (b"[]", "", "length"),
    "257 events": ("[" + ",".join([honest()] * 257) + "]", "", "too_large"),
    "1,000,000 nulls": ("[" + ",".join(["null"] * 1000000) + "]", "", "too_large"),
}

# What is changed in an honest event, and the one error that it brings.
CHANGES = {
    "no specversion": ({"specversion": ...}, "/specversion", "required"),
    "an old specversion": ({"specversion": "0.3"}, "/specversion", "format"),
    "no id": ({"id": ...}, "/id", "required"),
    "a blank id": ({"id": "　"}, "/id", "required"),
    "an id that is a number": ({"id": 7}, "/id", "type"),
    "a long id": ({"id": "x" * 257}, "/id", "length"),
    "an id of two lines": ({"id": "a\nb"}, "/id", "format"),
    "an id with a zero-width joiner": ({"id": "a\u200db"}, "/id", "format"),
    "no source": ({"source": ...}, "/source", "required"),
    "a source of another kind": ({"source": "https://oa.example"}, "/source", "format"),
    "a short region": ({"source": "urn:gongkai:53058:oa"}, "/source", "format"),
    "an upper-case system": ({"source": "urn:gongkai:530581:OA"}, "/source", "format"),
    "a long system": ({"source": "urn:gongkai:530581:" + "a" * 33}, "/source", "format"),
    "a region not served": ({"source": "urn:gongkai:110101:oa"}, "/source", "region"),
    "no type": ({"type": ...}, "/type", "required"),
    "an unknown type": ({"type": "cn.gongkai.disclosure.publish.v9"}, "/type", "format"),
    "no time": ({"time": ...}, "/time", "required"),
    "a time in words": ({"time": "昨天"}, "/time", "format"),
    "a day that does not exist": ({"time": "2026-02-30T10:00:00+08:00"}, "/time", "format"),
    "a clock at 1970": ({"time": "1970-01-01T00:00:01Z"}, "/time", "format"),
    "another content type": ({"datacontenttype": "text/xml"}, "/datacontenttype", "format"),
    "a dry run in words": ({"gkdryrun": "yes"}, "/gkdryrun", "type"),
    "no data": ({"data": ...}, "/data", "required"),
    "data that is text": ({"data": "正文"}, "/data", "type"),
    "data that is null": ({"data": None}, "/data", "type"),
    "no document": ({"data/document": ...}, "/data/document", "required"),
    "a long document": ({"data/document": "文" * 129}, "/data/document", "length"),
    "a document with a bidi override": ({"data/document": "doc\u202e1"}, "/data/document", "format"),
    "a document with a byte order mark": ({"data/document": "\ufeffdoc"}, "/data/document", "format"),
    "revision 0": ({"data/revision": 0}, "/data/revision", "format"),
    "a revision in quotes": ({"data/revision": "1"}, "/data/revision", "type"),
    "a revision and a half": ({"data/revision": 1.5}, "/data/revision", "type"),
    "a huge revision": ({"data/revision": 1 << 40}, "/data/revision", "format"),
    "no item": ({"data/item": ...}, "/data/item", "required"),
    "an unknown item": ({"data/item": "aqsc.9999"}, "/data/item", "unknown_item"),
    "an unknown kind": ({"data/kind": "gossip"}, "/data/kind", "format"),
    "an unknown stage": ({"data/stage": ["decision", "dream"]}, "/data/stage/1", "format"),
    "no title": ({"data/title": ...}, "/data/title", "required"),
    "a title that is null": ({"data/title": None}, "/data/title", "type"),
    "a long title": ({"data/title": "题" * 201}, "/data/title", "length"),
    "a title of two lines": ({"data/title": "一\n二"}, "/data/title", "format"),
    "a title with a bidi isolate": ({"data/title": "公\u2067开"}, "/data/title", "format"),
    "a title with a tag character": ({"data/title": "公开\U000e0041"}, "/data/title", "format"),
    "a long summary": ({"data/summary": "要" * 501}, "/data/summary", "length"),
    "no body": ({"data/body": ...}, "/data/body", "required"),
    "a body that is text": ({"data/body": "正文"}, "/data/body", "type"),
    "a body of another format": ({"data/body/format": "rtf"}, "/data/body/format", "format"),
    "a body without content": ({"data/body/content": ...}, "/data/body/content", "required"),
    "a body over 512 KiB": ({"data/body/content": "a" * ((512 << 10) + 1)}, "/data/body/content", "too_large"),
    "a body with a bidi override": ({"data/body/content": "文件\u202e号"}, "/data/body/content", "format"),
    "a body with an escape character": ({"data/body/content": "\u001b[31m红"}, "/data/body/content", "format"),
    "a body with a noncharacter": ({"data/body/content": "\ufffe"}, "/data/body/content", "format"),
    "a long short text": ({"data/texts": {"short": "短" * 71}}, "/data/texts/short", "length"),
    "no publisher": ({"data/publisher": ...}, "/data/publisher", "required"),
    "a publisher in words": ({"data/publisher": "县政府"}, "/data/publisher", "type"),
    "no publishers": ({"data/publisher": []}, "/data/publisher", "length"),
    "a publisher's wrong code": ({"data/publisher/code": "115306909999000629"}, "/data/publisher/code", "format"),
    "a month that does not exist": ({"data/dates/formed": "2026-13-01"}, "/data/dates/formed", "format"),
    "formed after it was sent": ({"data/dates/formed": "2099-01-01"}, "/data/dates/formed", "date_order"),
    "an embargo in words": ({"data/publish_at": "明天"}, "/data/publish_at", "format"),
    "an embargo of a century": ({"data/publish_at": "2099-01-01T00:00:00+08:00"}, "/data/publish_at", "date_order"),
    "shown for no day": ({"data/show_until": {"days": 0, "unit": "working"}}, "/data/show_until/days", "format"),
    "shown for weeks": ({"data/show_until": {"days": 7, "unit": "weeks"}}, "/data/show_until/unit", "format"),
    "an unknown validity": ({"data/validity": {"status": "maybe"}}, "/data/validity/status", "format"),
    "a correction without a note": ({"data/correction": {}}, "/data/correction/note", "required"),
    "65 attachments": ({"data/attachments": [{}] * 65}, "/data/attachments", "too_large"),
    "attachments in words": ({"data/attachments": "附件"}, "/data/attachments", "type"),
    "a relation to nothing": ({"data/relates": [{"rel": "corrects"}]}, "/data/relates/0", "required"),
    "a relation by javascript": ({"data/relates": [{"rel": "corrects", "url": "javascript:alert(1)"}]}, "/data/relates/0/url", "format"),
    "a 13th month": ({"data/period": "2026-13"}, "/data/period", "format"),
    "half an area": ({"data/areas": ["5305"]}, "/data/areas/0", "format"),
    "an audience of friends": ({"data/audience": "friends"}, "/data/audience", "format"),
    "an unknown openness": ({"data/openness": "secret"}, "/data/openness", "format"),
    "channels in words": ({"data/channels": "portal"}, "/data/channels", "type"),
    "65 channels": ({"data/channels": ["c"] * 65}, "/data/channels", "length"),
    "urgent in words": ({"data/urgent": "很急"}, "/data/urgent", "type"),
    "a review that failed": ({"data/review": {"secrecy": "failed"}}, "/data/review/secrecy", "format"),
}


def knock(town, message):
    """Sends bytes and an honest event behind them; both are answered, by the same daemon."""
    process = town.processes["publisherd"]
    door = town.door()
    try:
        door.send(message if isinstance(message, bytes) else message.encode())
        behind = publish(f"honest-{next(NUMBERS)}", title=f"第 {next(NUMBERS)} 号通告")
        door.send(behind)
        reply, next_reply = door.receive(), door.receive()
    finally:
        door.close()
    assert (next_reply["status"], next_reply["id"]) == ("accepted", behind["id"])
    assert process.poll() is None
    return reply


def errors(reply):
    assert reply["status"] == "rejected", reply
    for error in reply["errors"]:
        assert error["message"] and "{" not in error["message"], error
    return [(e["path"], e["code"]) for e in reply["errors"]]


@pytest.mark.parametrize("kind", BYTES)
def test_bytes_that_are_no_event(town, kind):
    message, path, code = BYTES[kind]
    reply = knock(town, message)
    assert errors(reply) == [(path, code)]
    assert (reply["source"], reply["id"]) == (None, None)


def test_a_wrong_encoding_is_named_with_its_place(town):
    for name, word in (("GBK", "GBK"), ("UTF-16", "UTF-16"), ("Latin-1", "第 1 行")):
        assert word in knock(town, BYTES[name][0])["errors"][0]["message"]


@pytest.mark.parametrize("kind", CHANGES)
def test_an_event_with_one_mistake(town, kind):
    changes, path, code = CHANGES[kind]
    wrong = event(**changes)
    reply = knock(town, json.dumps(wrong, ensure_ascii=False))
    assert errors(reply) == [(path, code)]
    assert reply["id"] == (wrong["id"] if isinstance(wrong.get("id"), str) else None)


def test_all_mistakes_of_an_event_are_told_at_once(town):
    wrong = event(**{"specversion": "2", "id": "", "time": "?", "data/title": "", "data/item": 3, "data/body/format": "pdf",
                     "data/publisher": {}, "data/dates": {"formed": "?", "printed": "?"}, "data/urgent": 1,
                     "data/revision": -1, "data/areas": ["x", "530581", "y"]})
    assert errors(knock(town, json.dumps(wrong))) == [
        ("/specversion", "format"), ("/id", "required"), ("/time", "format"), ("/data/revision", "format"),
        ("/data/item", "type"), ("/data/title", "required"), ("/data/body/format", "format"),
        ("/data/publisher/name", "required"), ("/data/dates/formed", "format"), ("/data/dates/printed", "format"),
        ("/data/areas/0", "format"), ("/data/areas/2", "format"), ("/data/urgent", "type")]


def test_mistakes_without_end_are_told_up_to_64(town):
    wrong = event(**{"data/areas": ["x"] * 200})
    assert len(errors(knock(town, json.dumps(wrong)))) == 64


def test_withdrawals_and_queries_are_checked_too(town):
    for whole, changes, path, code in [
            (withdraw("bad"), {"data/reason": ...}, "/data/reason", "required"),
            (withdraw("bad"), {"data/document": ...}, "/data/document", "required"),
            (withdraw("bad"), {"data/mode": "delete"}, "/data/mode", "format"),
            (withdraw("bad"), {"data/reason_code": "shame"}, "/data/reason_code", "format"),
            (query("bad"), {"data": {}}, "/data/document", "required"),
            (query("bad"), {"data": {"document": 7}}, "/data/document", "type"),
            (query("bad"), {"data": {"id": ""}}, "/data/id", "required")]:
        assert errors(knock(town, json.dumps(changed(whole, changes)))) == [(path, code)]


def test_what_is_no_event_in_an_array_is_answered_in_its_place(town):
    good = publish("array-1", title="数组里的一件")
    reply = knock(town, json.dumps([1, "text", None, {}, [], good, [good], {"data": good}]))
    assert [r["status"] for r in reply] == ["rejected"] * 5 + ["accepted"] + ["rejected"] * 2
    assert errors(reply[0]) == [("", "type")] and ("/source", "required") in errors(reply[3])


@pytest.mark.parametrize("message, taken", [
    ("\ufeff" + text(id="bom-1"), "accepted"), (" \n\t" + text(id="space-1") + "\r\n", "accepted"),
    (member('"x": [1, -0, 1e5, 0.1, 9223372036854775807]'), "accepted")],
    ids=["byte order mark", "white space", "numbers"])
def test_what_is_odd_but_right_is_taken(town, message, taken):
    reply = knock(town, message)
    assert reply["status"] in (taken, "duplicate"), reply


# -- envelopes


def envelope(town, frames, identity=None):
    """Sends frames as they are, and an honest query behind; returns the answers before the query's."""
    one = dealer(town.endpoint, identity)
    asked = query(f"envelope-{next(NUMBERS)}")
    try:
        one.send_multipart(frames)
        one.send_multipart([b"", json.dumps(asked).encode()])
        answers = []
        while not answers or answers[-1].get("id") != asked["id"]:
            answers.append(answer_of(one))
    finally:
        one.close(0)
    assert town.processes["publisherd"].poll() is None
    return answers[:-1]


@pytest.mark.parametrize("frames, answered", [
    ([b""], 1), ([b"", b""], 1), ([b"", b"", b""], 1), ([b"", b"{}"], 1), ([b"", b"x"] + [b"y"] * 64, 1),
    ([b"", b"x"] + [b"y"] * 65, 1), ([b"", b"x"] + [b"y"] * 5000, 1), ([b""] * 70, 1),
    ([b"{}"], 0), ([b"x", b"{}"], 0), ([b"x"] * 70, 0), ([b"x" * 100, b"", b"{}"], 0)],
    ids=["delimiter only", "empty", "empty and a frame", "no event", "64 frames", "65 frames", "5,000 frames", "only empty ones",
         "no delimiter", "another first frame", "70 frames and no delimiter", "an envelope too many"])
def test_an_envelope_is_answered_where_somebody_would_understand(town, frames, answered):
    answers = envelope(town, frames)
    assert len(answers) == answered
    for answer in answers:
        assert errors(answer) and answer["id"] is None


def test_a_message_over_the_limit_is_refused_whole(county):
    one = county(config="[publisherd]\nmax_message = 64KiB")
    one.channel("bin", driver="discard", carrier="政府网站")
    one.start_all()
    big = publish("big-1", title="大")
    assert errors(envelope(one, [b"", json.dumps(big).encode()] + [b"z" * 16384] * 5)[0]) == [("", "too_large")]
    assert errors(envelope(one, [b"", b"{}" + b" " * 65534])[0]) == [("", "too_large")]
    assert one.ask(big)["status"] == "accepted"
    # libzmq itself hangs up on one frame beyond the limit, and lets the peer come again.
    rude = dealer(one.endpoint)
    rude.send_multipart([b"", b"z" * 70000])
    assert one.ask(big)["status"] == "duplicate"
    rude.close(0)


def test_the_catalogue_is_asked_even_where_the_event_is_wrong(town):
    reply = knock(town, json.dumps(publish("x", title="", item="aqsc.9999")))
    assert set(errors(reply)) >= {("/data/title", "required"), ("/data/item", "unknown_item")}
