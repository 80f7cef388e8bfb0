"""The simulators of the SMS carriers: as strict as the carriers, and as unreliable as asked."""
import base64
import hashlib
import hmac
import http.client
import itertools
import json
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from county import wait_until  # noqa: E402
from sink import Answer, Sink  # noqa: E402
from sms_aliyun import GATEWAY, Aliyun, canonical_request, signature  # noqa: E402
from sms_mas import Mas  # noqa: E402

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
TITLE = "关于停水的通告"
PROGRAMS = pathlib.Path(__file__).resolve().parents[1] / "simulators"
numbers = itertools.count(1)


def phones(n, first=13800138000):
    return [str(first + i) for i in range(n)]


def openssl(*arguments, data):
    done = subprocess.run(["openssl", "dgst", "-sha256", *arguments], input=data.encode(), capture_output=True, check=True)
    return done.stdout.decode().split()[-1]


def talk(port, method, target, body=b"", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, target, body, headers or {})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


class Sender:
    """Signs as the published description says, and knows nothing of the simulator's own signing."""

    def __init__(self, one, key="LTAI5tSimulator", secret="simulator-secret"):
        self.one, self.key, self.secret = one, key, secret

    def parts(self, action, values, method="POST", spoil=None, skew=0):
        query = "&".join(f"{self.code(name)}={self.code(values[name])}" for name in sorted(values))
        headers = {"host": f"127.0.0.1:{self.one.port}", "x-acs-action": action, "x-acs-version": "2017-05-25",
                   "x-acs-date": self.date(skew), "x-acs-signature-nonce": f"nonce-{next(numbers)}", "x-acs-content-sha256": EMPTY}
        (spoil or (lambda headers: None))(headers)
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        text = f"{method}\n/\n{query}\n{lines}\n{names}\n{EMPTY}"
        return query, headers, names, "ACS3-HMAC-SHA256\n" + hashlib.sha256(text.encode()).hexdigest()

    def __call__(self, action, method="POST", spoil=None, skew=0, late_spoil=None, **values):
        query, headers, names, text = self.parts(action, values, method, spoil, skew)
        mark = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        headers["Authorization"] = f"ACS3-HMAC-SHA256 Credential={self.key},SignedHeaders={names},Signature={mark}"
        (late_spoil or (lambda headers: None))(headers)
        return talk(self.one.port, method, f"/?{query}", headers=headers)

    def send(self, to="13800138000", title=TITLE, template="SMS_100001", sign="腾冲市人民政府", param=None, **more):
        wish = {"PhoneNumbers": to, "SignName": sign, "TemplateCode": template,
                "TemplateParam": json.dumps({"title": title}) if param is None else param}
        extra = {name: more.pop(name) for name in list(more) if name[0].islower()}
        return self("SendSms", **extra, **(wish | more))[1]

    def find(self, to="13800138000", day=None, size="10", page="1", **more):
        return self("QuerySendDetails", PhoneNumber=to, SendDate=day or f"{self.one.clock.local():%Y%m%d}", PageSize=size,
                    CurrentPage=page, **more)[1]

    def code(self, text):
        return urllib.parse.quote(text, safe="-_.~")

    def date(self, skew=0):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.one.clock.now() + skew))


@pytest.fixture
def aliyun():
    with Aliyun() as one:
        one.clock.set("2026-07-01 09:00:00", freeze=True)
        yield one


@pytest.fixture
def sender(aliyun):
    return Sender(aliyun)


# ---- Aliyun: signature

def test_the_published_example_has_the_published_signature():
    names = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
    headers = {"host": "ecs.cn-shanghai.aliyuncs.com", "x-acs-action": "RunInstances", "x-acs-content-sha256": EMPTY,
               "x-acs-date": "2023-10-26T10:22:32Z", "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d", "x-acs-version": "2014-05-26"}
    request = canonical_request("POST", "/", "RegionId=cn-shanghai&ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", headers,
                                names.split(";"), b"")
    # help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature, "fixed parameter values"
    published = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    assert signature("YourAccessKeySecret", request) == published
    assert openssl(data=request) == "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
    assert openssl("-hmac", "YourAccessKeySecret", data="ACS3-HMAC-SHA256\n" + openssl(data=request)) == published


def test_a_request_that_openssl_signed_is_taken(aliyun, sender):
    query, headers, names, text = sender.parts("SendSms", {
        "PhoneNumbers": "+8613800138000", "SignName": "腾冲市人民政府", "TemplateCode": "SMS_100001", "OutId": "a*b ~'(1)",
        "TemplateParam": json.dumps({"title": TITLE}, ensure_ascii=False)})
    mark = openssl("-hmac", "simulator-secret", data=text)
    headers["Authorization"] = f"ACS3-HMAC-SHA256 Credential=LTAI5tSimulator,SignedHeaders={names},Signature={mark}"
    status, answer = talk(aliyun.port, "POST", f"/?{query}", headers=headers)
    assert (status, answer["Code"]) == (200, "OK")
    message, = aliyun.messages
    assert (message.phone, message.own, message.batch) == ("13800138000", "a*b ~'(1)", answer["BizId"])
    assert message.text == "【腾冲市人民政府】关于停水的通告，详情请查看市政府门户网站。"


def drop(name):
    return lambda headers: headers.pop(name)


def put(name, value):
    return lambda headers: headers.update({name: value})


@pytest.mark.parametrize("why, more, code", [
    ("15 minutes late is in time", {"skew": -900}, "OK"),
    ("15 minutes and a second late", {"skew": -901}, "InvalidTimeStamp.Expired"),
    ("15 minutes early is in time", {"skew": 900}, "OK"),
    ("15 minutes and a second early", {"skew": 901}, "InvalidTimeStamp.Expired"),
    ("a date in local time", {"spoil": put("x-acs-date", "2026-07-01T09:00:00+08:00")}, "InvalidTimeStamp.Expired"),
    ("GET is as good", {"method": "GET"}, "OK"),
    ("another version", {"spoil": put("x-acs-version", "2018-01-01")}, "InvalidVersion"),
    ("nobody's call", {"spoil": put("x-acs-action", "SendEverything")}, "InvalidAction.NotFound"),
    ("no signature", {"late_spoil": drop("Authorization")}, "MissingAccessKeyId"),
    ("a header changed on the way", {"late_spoil": put("x-acs-signature-nonce", "other")}, "SignatureDoesNotMatch"),
    ("another body", {"spoil": put("x-acs-content-sha256", "0" * 64)}, "SignatureDoesNotMatch"),
    ("a header of theirs that was not signed", {"late_spoil": put("x-acs-security-token", "t")}, "SignatureDoesNotMatch"),
    ("a content type that was not signed", {"late_spoil": put("content-type", "text/plain")}, "SignatureDoesNotMatch"),
    ("a content type that was signed", {"spoil": put("content-type", "text/plain")}, "OK"),
    ("one that the client library put there itself", {"late_spoil": put("Content-Type", "application/x-www-form-urlencoded")}, "SignatureDoesNotMatch"),
    ("no nonce", {"spoil": drop("x-acs-signature-nonce")}, "SignatureNonceUsed"),
])
def test_the_gateway_looks_at_every_header(aliyun, sender, why, more, code):
    answer = sender.send(**more)
    assert answer["Code"] == code, why
    assert len(aliyun.messages) == (code == "OK")
    assert code == "OK" or aliyun.log[-1].status == GATEWAY[code]


def test_a_wrong_key_a_wrong_secret_and_a_repeated_request(aliyun, sender):
    assert Sender(aliyun, key="LTAInobody").send()["Code"] == "InvalidAccessKeyId.NotFound"
    assert Sender(aliyun, secret="wrong").send()["Code"] == "SignatureDoesNotMatch"
    same = put("x-acs-signature-nonce", "the-same")
    assert [sender.send(spoil=same)["Code"] for _ in range(2)] == ["OK", "SignatureNonceUsed"]
    blank = put("Authorization", "ACS3-HMAC-SHA256 Credential=LTAI5tSimulator, SignedHeaders=host, Signature=" + "0" * 64)
    assert sender.send(late_spoil=blank)["Code"] == "SignatureDoesNotMatch"
    assert len(aliyun.messages) == 1


def test_a_header_that_comes_twice_is_not_the_one_that_was_signed(aliyun, sender):
    query, headers, names, text = sender.parts("SendSms", {"PhoneNumbers": "13800138000"})
    mark = openssl("-hmac", "simulator-secret", data=text)
    headers["Authorization"] = f"ACS3-HMAC-SHA256 Credential=LTAI5tSimulator,SignedHeaders={names},Signature={mark}"
    connection = http.client.HTTPConnection("127.0.0.1", aliyun.port, timeout=10)
    connection.putrequest("POST", f"/?{query}", skip_host=True, skip_accept_encoding=True)
    for name, value in [*headers.items(), ("x-acs-signature-nonce", "another")]:
        connection.putheader(name, value)
    connection.endheaders()
    assert json.loads(connection.getresponse().read())["Code"] == "SignatureDoesNotMatch"
    connection.close()


# ---- Aliyun: what may be sent

@pytest.mark.parametrize("why, wish, code", [
    ("1000 numbers", {"to": ",".join(phones(1000))}, "OK"),
    ("1001 numbers", {"to": ",".join(phones(1001))}, "isv.MOBILE_COUNT_OVER_LIMIT"),
    ("+86", {"to": "+8613800138000"}, "OK"), ("0086", {"to": "008613800138000"}, "OK"), ("86", {"to": "8613800138000"}, "OK"),
    ("ten digits", {"to": "1380013800"}, "isv.MOBILE_NUMBER_ILLEGAL"),
    ("no mobile", {"to": "12800138000"}, "isv.MOBILE_NUMBER_ILLEGAL"),
    ("one bad among good ones", {"to": "13800138000,x"}, "isv.MOBILE_NUMBER_ILLEGAL"),
    ("a space behind the comma", {"to": "13800138000, 13800138001"}, "isv.MOBILE_NUMBER_ILLEGAL"),
    ("nobody", {"to": ""}, "isv.INVALID_PARAMETERS"),
    ("a sign with brackets", {"sign": "【腾冲市人民政府】"}, "isv.SIGN_NAME_ILLEGAL"),
    ("a sign that nobody approved", {"sign": "腾冲"}, "isv.SMS_SIGNATURE_ILLEGAL"),
    ("a sign that was switched off", {"sign": "旧签名"}, "isv.SIGN_STATE_ILLEGAL"),
    ("a sign for codes only", {"sign": "验证"}, "isv.SMS_SIGNATURE_SCENE_ILLEGAL"),
    ("a template that nobody approved", {"template": "SMS_9"}, "isv.SMS_TEMPLATE_ILLEGAL"),
    ("a variable of 1", {"title": "一"}, "OK"), ("of 35", {"title": "字" * 35}, "OK"),
    ("of 36", {"title": "字" * 36}, "isv.PARAM_LENGTH_LIMIT"), ("of none", {"title": ""}, "isv.PARAM_LENGTH_LIMIT"),
    ("no variable", {"param": "{}"}, "isv.TEMPLATE_MISSING_PARAMETERS"), ("nothing", {"param": ""}, "isv.TEMPLATE_MISSING_PARAMETERS"),
    ("no JSON", {"param": "{title"}, "isv.INVALID_JSON_PARAM"), ("a number", {"param": '{"title": 7}'}, "isv.INVALID_JSON_PARAM"),
    ("a URL", {"title": "见https://a.example/"}, "isv.PARAM_NOT_SUPPORT_URL"), ("a host", {"title": "见www.tc.gov.cn"}, "isv.PARAM_NOT_SUPPORT_URL"),
    ("an address", {"title": "见 10.0.0.1"}, "isv.PARAM_NOT_SUPPORT_URL"), ("a date is no address", {"title": "2026.7.1起停水"}, "OK"),
    ("a second sign", {"title": "【腾冲】停水"}, "isv.TEMPLATE_PARAMS_ILLEGAL"),
    ("a word of the black list", {"title": "阿里大鱼"}, "isv.BLACK_KEY_CONTROL_LIMIT"),
    ("255 of one's own", {"OutId": "x" * 255}, "OK"), ("256", {"OutId": "x" * 256}, "isv.INVALID_PARAMETERS"),
])
def test_each_limit_of_a_message_has_two_sides(aliyun, sender, why, wish, code):
    aliyun.signs |= {"旧签名": "disabled", "验证": "verify"}
    assert sender.send(**wish)["Code"] == code, why
    assert bool(aliyun.messages) == (code == "OK")


def test_a_phone_gets_fifty_of_a_template_in_24_hours(aliyun, sender):
    assert [sender.send()["Code"] for _ in range(51)] == ["OK"] * 50 + ["isv.BUSINESS_LIMIT_CONTROL"]
    assert "天级流控Permits:50" in sender.send()["Message"]
    assert sender.send(to="13800138001")["Code"] == sender.send(sign="腾冲应急")["Code"] == "OK"
    both = sender.send(to="13800138000,13800138002")["BizId"]
    aliyun.clock.forward(10)
    assert {m.phone[-1]: m.code for m in aliyun.messages if m.batch == both} == {"0": "isv.BUSINESS_LIMIT_CONTROL", "2": "DELIVERED"}
    aliyun.clock.forward(24 * 3600 - 11)
    assert sender.send()["Code"] == "isv.BUSINESS_LIMIT_CONTROL"
    aliyun.clock.forward(1)
    assert sender.send()["Code"] == "OK"
    aliyun.whitelist = {"13800138000"}
    assert [sender.send()["Code"] for _ in range(51)] == ["OK"] * 51


def test_codes_have_limits_by_minute_hour_and_day(aliyun, sender):
    def code():
        answer = sender.send(template="SMS_100003", param='{"code": "1234"}')
        return answer["Message"] if answer["Code"] == "isv.BUSINESS_LIMIT_CONTROL" else answer["Code"]

    aliyun.clock.forward(59)
    assert [code(), code()] == ["OK", "触发分钟级流控Permits:1"]
    aliyun.clock.forward(1)
    assert code() == "OK", "the minute is that of the wall"
    for _ in range(3):
        aliyun.clock.forward(60)
        assert code() == "OK"
    aliyun.clock.forward(60)
    assert code() == "触发小时级流控Permits:5"
    aliyun.clock.set("2026-07-01 10:00:00", freeze=True)
    for _ in range(5):
        assert code() == "OK"
        aliyun.clock.forward(60)
    aliyun.clock.set("2026-07-01 11:00:00", freeze=True)
    assert code() == "触发天级流控Permits:10"


def test_what_is_paid_and_what_the_account_allows_itself(aliyun, sender):
    aliyun.balance, aliyun.fates = 3, {"13800138001": "MOBILE_NOT_ON_SERVICE"}
    long = sender.send(template="SMS_100002", param=json.dumps(dict.fromkeys(("title", "number", "publisher", "date"), "字" * 30)))
    assert long["Code"] == "OK" and aliyun.messages[-1].parts == 3 and aliyun.balance == 0
    assert sender.send()["Code"] == "isv.AMOUNT_NOT_ENOUGH"
    aliyun.balance = 1
    assert sender.send(to="13800138001")["Code"] == "OK"
    aliyun.clock.forward(5)
    assert aliyun.balance == 1, "what failed is not paid"
    aliyun.day_limit = 2
    assert sender.send()["Code"] == "isv.DAY_LIMIT_CONTROL"
    aliyun.clock.set("2026-07-02 00:00:00", freeze=True)
    aliyun.month_limit = 2
    assert sender.send()["Code"] == "isv.MONTH_LIMIT_CONTROL"
    aliyun.clock.set("2026-08-01 00:00:00", freeze=True)
    assert sender.send()["Code"] == "OK"
    aliyun.queries_per_second, aliyun.balance = 3, 9
    assert [sender.send()["Code"] for _ in range(3)] == ["OK", "isv.DAY_LIMIT_CONTROL", "Throttling.User"]


# ---- Aliyun: what became of it

def test_a_message_waits_and_then_has_its_receipt(aliyun, sender):
    aliyun.opted_out, aliyun.fates = {"13800138001"}, {"13800138002": "CONTENT_KEYWORD", "13800138003": ""}
    aliyun.query_lag = 2
    batch = sender.send(to=",".join(phones(4)), OutId="doc-1/1/sms")["BizId"]
    assert sender.find()["TotalCount"] == 0, "just after, it knows nothing yet"
    aliyun.clock.forward(3)
    found = sender.find()["SmsSendDetailDTOs"]["SmsSendDetailDTO"]
    assert [(one["SendStatus"], one["OutId"], "ReceiveDate" in one) for one in found] == [(1, "doc-1/1/sms", False)]
    aliyun.clock.forward(2)
    fates = [sender.find(to=phone, BizId=batch)["SmsSendDetailDTOs"]["SmsSendDetailDTO"][0] for phone in phones(4)]
    assert [(one["SendStatus"], one["ErrCode"]) for one in fates] == [(3, "DELIVERED"), (2, "MOBILE_IN_BLACK"), (2, "CONTENT_KEYWORD"), (1, "")]
    assert fates[0]["ReceiveDate"] == "2026-07-01 09:00:05"
    assert sender.find(BizId="another")["TotalCount"] == 0


def test_looking_up_is_by_day_and_page(aliyun, sender):
    aliyun.clock.set("2026-07-01 23:59:59", freeze=True)
    for i in range(3):
        sender.send(OutId=str(i))
    aliyun.clock.forward(1)
    assert sender.find()["TotalCount"] == 0 and sender.find(day="20260701")["TotalCount"] == 3
    pages = [[one["OutId"] for one in sender.find(day="20260701", size="2", page=page)["SmsSendDetailDTOs"]["SmsSendDetailDTO"]] for page in "123"]
    assert pages == [["2", "1"], ["0"], []]
    good = ["50", "1"]
    assert [sender.find(size=size)["Code"] for size in good + ["51", "0"]] == ["OK"] * 2 + ["isv.INVALID_PARAMETERS"] * 2
    days = ["20260602", "20260702", "20260601", "20260703", "2026-07-1"]
    assert [sender.find(day=day)["Code"] for day in days] == ["OK"] * 2 + ["isv.INVALID_PARAMETERS"] * 3
    assert sender.find(to="+8613800138000")["Code"] == sender.find(to="13800138000,13800138001")["Code"] == "isv.MOBILE_NUMBER_ILLEGAL"


class Ear(Sink):
    """Takes receipts: remembers the bodies, and answers as planned."""

    def one(self, stream, connection):
        line = stream.readline()
        if not line:
            return False
        headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(stream.readline, b"\r\n"))
        self.requests.append(json.loads(stream.read(int(headers["content-length"]))))
        (self.plan.pop(0) if self.plan else self.by_default).speak(self, connection)
        return False


@pytest.fixture
def ear():
    one = Ear()
    one.keeps_connections, one.by_default = False, Answer(200, '{"code": 0, "msg": "接收成功"}')
    yield one
    one.close()


def test_receipts_are_pushed_and_again_after_1_5_and_10_minutes(aliyun, sender, ear):
    aliyun.report_url, aliyun.report_repeats = ear.url, 0
    ear.plan = [Answer(500), Answer(200, "success"), Answer(200, '{"msg": "no code"}')]
    batch = sender.send(to=",".join(phones(2)), OutId="own")["BizId"]
    seen = []
    for seconds in (5, 59, 1, 299, 1, 599, 1, 3600):
        aliyun.clock.forward(seconds)
        seen.append(len(ear.requests))
    assert seen == [1, 1, 2, 2, 3, 3, 4, 4] and [push["taken"] for push in aliyun.pushes] == [False] * 3 + [True]
    first, *_ = ear.requests[0]
    assert first == {"phone_number": "13800138000", "send_time": "2026-07-01 09:00:00", "report_time": "2026-07-01 09:00:05", "success": True,
                     "err_code": "DELIVERED", "err_msg": "用户接收成功", "sms_size": "1", "biz_id": batch, "out_id": "own"}
    assert len(ear.requests[0]) == 2 and ear.requests[0] == ear.requests[3]
    ear.by_default, aliyun.report_repeats = Answer(503), 1
    sender.send(to="13900139000")
    for seconds in (5, 60, 300, 600, 600, 600):
        aliyun.clock.forward(seconds)
    assert len(ear.requests) == 4 + 2 * 4, "given up after three more, and each of the two pushes for itself"


# ---- faults

CODES = """isv.BUSINESS_LIMIT_CONTROL isv.DAY_LIMIT_CONTROL isp.SYSTEM_ERROR isp.GATEWAY_ERROR isp.RAM_PERMISSION_DENY isv.OUT_OF_SERVICE
isv.PRODUCT_UN_SUBSCRIPT isv.PRODUCT_UNSUBSCRIBE isv.ACCOUNT_NOT_EXISTS isv.ACCOUNT_ABNORMAL isv.DENY_IP_RANGE isv.SMS_SIGN_ILLEGAL
isv.EXTEND_CODE_ERROR isv.SMS_CONTENT_ILLEGAL isv.UNSUPPORTED_CONTENT isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE isv.CUSTOMER_REFUSED
isv.DOMESTIC_NUMBER_NOT_SUPPORTED Throttling InternalError ServiceUnavailable SomethingNew""".split()


def test_any_code_can_be_asked_for_and_has_no_effect(aliyun, sender):
    for code in CODES:
        aliyun.trouble("SendSms", error=code)
        assert sender.find()["Code"] == "OK", "it is for the other call"
        assert sender.send()["Code"] == code and aliyun.log[-1].status == GATEWAY.get(code, 200)
    assert not aliyun.messages
    aliyun.trouble("*", error="isp.SYSTEM_ERROR", effect=True, times=2)
    assert [sender.send()["Code"] for _ in range(3)] == ["isp.SYSTEM_ERROR"] * 2 + ["OK"] and len(aliyun.messages) == 3
    aliyun.trouble("SendSms", error="InternalError", status=502)
    assert sender("SendSms")[0] == 502


@pytest.mark.parametrize("how, effect", [("lost", 1), ("half", 1), ("reset", 0), ("later", 0)])
def test_an_answer_that_never_comes_says_nothing_about_the_effect(aliyun, sender, how, effect):
    aliyun.trouble("SendSms", how, seconds=30)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        sender.send(OutId="doubt")
    assert len(aliyun.messages) == effect == sender.find()["TotalCount"]
    aliyun.clock.forward(30)
    late = sender.find()["SmsSendDetailDTOs"]["SmsSendDetailDTO"]
    assert [one["OutId"] for one in late] == ([] if how == "reset" else ["doubt"])
    assert sender.send()["Code"] == "OK", "and the next one is as ever"


def test_an_answer_can_be_held_back_and_comes_when_it_is_let_go(aliyun, sender):
    aliyun.trouble("*", "held")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(sender.send()["Code"]))
    waiting.start()
    wait_until(lambda: aliyun.messages)
    assert not answers
    aliyun.release()
    waiting.join(10)
    assert answers == ["OK"]


# ---- cloud MAS

def submit(mas, path="/sms/norsubmit", spoil=None, secret="simulator-secret", raw=None, **values):
    names = ["mobiles", "content", "sign", "addSerial"] if path.endswith("norsubmit") else ["templateId", "mobiles", "params", "sign", "addSerial"]
    wish = {"mobiles": "13800138000", "content": TITLE, "params": '["停水"]', "templateId": "38516fabae004eddbfa3ace1d4194696",
            "sign": "wHwvfNuH5", "addSerial": "", "ecName": "腾冲市人民政府办公室", "apId": "tczfb"} | values
    text = wish["ecName"] + wish["apId"] + secret + "".join(wish[name] for name in names)
    body = {name: wish[name] for name in ["ecName", "apId"] + names} | {"mac": hashlib.md5(text.encode()).hexdigest()}
    (spoil or (lambda body: None))(body)
    data = base64.b64encode(json.dumps(body, ensure_ascii=False).encode())
    return talk(mas.port, "POST", path, data if raw is None else raw(data))[1]


@pytest.fixture
def mas():
    with Mas() as one:
        one.clock.set("2026-07-01 09:00:00", freeze=True)
        yield one


@pytest.mark.parametrize("why, wish, word", [
    ("all is well", {}, "success"), ("a template", {"path": "/sms/tmpsubmit"}, "success"),
    ("5000", {"mobiles": ",".join(phones(5000))}, "success"), ("5001", {"mobiles": ",".join(phones(5001))}, "TooManyMobiles"),
    ("nobody", {"mobiles": ""}, "NoMobile"), ("no mobile", {"mobiles": "+8613800138000"}, "InvalidMobile"),
    ("the same twice", {"mobiles": "13800138000,13800138000"}, "DupMobile"),
    ("a wrong secret", {"secret": "wrong"}, "IllegalMac"),
    ("an upper-case mac", {"spoil": lambda body: body.update(mac=body["mac"].upper())}, "IllegalMac"),
    ("a text that was changed", {"spoil": lambda body: body.update(content="别的")}, "IllegalMac"),
    ("another company", {"ecName": "别的单位"}, "InvalidUsrOrPwd"), ("another user", {"apId": "nobody"}, "InvalidUsrOrPwd"),
    ("an unknown sign", {"sign": "nobodys1"}, "IllegalSignId"), ("somebody else's", {"sign": "aAbBcCdD1"}, "NoSignId"),
    ("the words of a sign", {"sign": "腾冲市人民政府"}, "IllegalSignId"),
    ("JSON as it is", {"raw": base64.b64decode}, "InvalidMessage"), ("base64 of no JSON", {"raw": lambda data: data[8:]}, "InvalidMessage"),
    ("base64 in lines", {"raw": lambda data: data[:76] + b"\n" + data[76:]}, "InvalidMessage"),
    ("a field is missing", {"spoil": lambda body: body.pop("addSerial")}, "InvalidMessage"),
    ("numbers as a list", {"spoil": lambda body: body.update(mobiles=["13800138000"])}, "InvalidMessage"),
    ("20 digits of code", {"addSerial": "0" * 12}, "success"), ("21 digits", {"addSerial": "0" * 13}, "InvalidMessage"),
    ("no text", {"content": ""}, "InvalidMessage"),
    ("no such template", {"path": "/sms/tmpsubmit", "templateId": "x"}, "IllegalTemplateId"),
    ("one too many", {"path": "/sms/tmpsubmit", "params": '["a", "b"]'}, "ParamsAndTemplateDoesNotMatch"),
    ("params are no list", {"path": "/sms/tmpsubmit", "params": "{}"}, "InvalidMessage"),
])
def test_mas_takes_what_is_right_to_the_letter(mas, why, wish, word):
    answer = submit(mas, **wish)
    assert (answer["rspcod"], answer["success"], bool(answer["msgGroup"])) == (word, word == "success", word == "success"), why
    assert bool(mas.messages) == (word == "success")


def test_mas_sends_again_what_it_had_and_cannot_be_asked(mas):
    mas.trouble("*", "lost")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        submit(mas)
    assert submit(mas)["rspcod"] == "success"
    assert [message.text for message in mas.messages] == ["【腾冲市人民政府】" + TITLE] * 2, "the person has it twice"
    assert talk(mas.port, "POST", "/sms/query")[0] == 404
    mas.trouble("*", error="PrepayBalanceZero")
    assert submit(mas) == {"rspcod": "PrepayBalanceZero", "msgGroup": "", "success": False}
    mas.refuses_repeats = True
    assert submit(mas)["rspcod"] == "SameNumberAndContent"


def test_mas_reports_each_number_and_marks_careless_requests(mas, ear):
    mas.report_url, mas.opted_out, mas.fates = ear.url, {"13800138001"}, {"13800138002": ""}
    group = submit(mas, mobiles=",".join(phones(3)), content="【政府】停水", spoil=lambda body: body.update(secretKey="simulator-secret"))["msgGroup"]
    mas.clock.forward(5)
    assert ear.requests == [
        {"reportStatus": status, "mobile": mobile, "submitDate": "20260701090000", "receiveDate": "20260701090005", "errorCode": code, "msgGroup": group}
        for status, mobile, code in (("DELIVRD", "13800138000", "DELIVRD"), ("UNDELIV", "13800138001", "DB:0140"))]
    assert mas.findings == ["the secret was sent", "a second signature"]


# ---- as programs, and for people

@pytest.mark.parametrize("name", ["sms_aliyun.py", "sms_mas.py"])
def test_each_runs_as_a_program_that_is_steered_by_json(name):
    program = subprocess.Popen([sys.executable, PROGRAMS / name, "--print-port", "--set", '{"receipt_after": 60}'], stdout=subprocess.PIPE, text=True)
    try:
        port = int(program.stdout.readline())
        assert talk(port, "POST", "/control/trouble", b'{"endpoint": "*", "error": "InternalError"}')[0] == 200
        assert "InternalError" in json.dumps(talk(port, "POST", "/sms/norsubmit", b"x")[1])
        assert talk(port, "POST", "/control/trouble", b'{"endpoint": "*", "how": "sideways"}')[0] == 400
        assert talk(port, "POST", "/control/set", b'{"opted_out": ["13800138000"]}')[0] == 200
        assert talk(port, "GET", "/control/state")[1]["opted_out"] == ["138****8000"]
        assert talk(port, "GET", "/control/state?full=1")[1]["opted_out"] == ["13800138000"]
        before, after = (talk(port, "POST", "/control/clock", b'{"forward": %d}' % n)[1]["now"] for n in (0, 86400))
        assert 86400 <= after - before < 86500
        note, = talk(port, "GET", "/control/log")[1]
        assert (note["method"], note["body"], note["trouble"]) == ("POST", "x", "error")
    finally:
        program.terminate()
        assert program.wait(10) == 0
        program.stdout.close()


def test_the_page_shows_texts_on_phones_and_no_whole_number(aliyun, sender):
    aliyun.fates = {"13800138001": "MOBILE_IN_BLACK"}
    sender.send(to=",".join(phones(2)), title="停水<b>&通告")
    aliyun.clock.forward(5)
    connection = http.client.HTTPConnection("127.0.0.1", aliyun.port, timeout=10)
    connection.request("GET", "/")
    page = connection.getresponse().read().decode()
    connection.close()
    assert "138****8000" in page and "13800138000" not in page and "13800138001" not in page
    assert "停水&lt;b&gt;&amp;通告" in page and "未送达：MOBILE_IN_BLACK" in page and "已送达" in page
    assert aliyun.messages[0].phone == "13800138000" and aliyun.state()["messages"][0]["phone"] == "138****8000"
