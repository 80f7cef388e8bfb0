#!/usr/bin/python3
"""Aliyun's SMS service as a county's channel meets it: SendSms, QuerySendDetails, and the receipts it pushes.

    with Aliyun() as aliyun:
        aliyun.url                         # what a channel is pointed at
        aliyun.trouble("SendSms", error="isp.SYSTEM_ERROR", effect=True)
        aliyun.messages                    # one per recipient, with the whole number
        aliyun.clock.forward(3600)         # receipts come, limits move on

As a program: sms_aliyun.py --port 0 --print-port [--set '{"balance": 100}'], and look at / with a browser.

Sources, each named where its rule stands (read 2026-11-29):
  SDK       npm @alicloud/dysmsapi20170525 4.6.0            V3        npm @alicloud/openapi-util 0.3.3, openapi-core 1.0.8;
  SEND      help.aliyun.com/document_detail/55284.htm                 help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature
  QUERY     help.aliyun.com/document_detail/419277.html     RULES     help.aliyun.com/document_detail/44335.htm
  ERRORS    help.aliyun.com/document_detail/101346.html     CODES     help.aliyun.com/document_detail/101347.htm
  REPORT    help.aliyun.com/document_detail/101867.html     BATCH     help.aliyun.com/document_detail/419274.htm
What stands in no source is marked "own".
"""
import datetime
import hashlib
import hmac
import json
import re
import urllib.parse
import uuid

from frame import Reply, arguments, main
from smsphones import DELIVERED, FAILED, WAITING, Carrier, Message, parts

VERSION = "2017-05-25"                    # SDK
SKEW = 15 * 60                            # ERRORS: InvalidTimeStamp.Expired, 15 minutes
MOST_NUMBERS = 1000                       # SEND
LONGEST_VARIABLE = 35                     # ERRORS: a notice's variable has 1 to 35 characters
LONGEST_TEXT = 500                        # RULES: a message has at most 500 characters
RETRIES = (60, 300, 600)                  # REPORT: again after 1, 5 and 10 minutes, then never
DAY = 24 * 3600                           # RULES: a day is the 24 hours from the sending
QUERY_DAYS = 30                           # QUERY
# ERRORS and gateway: what the gateway itself says has an HTTP status; what the service says comes with 200.
GATEWAY = {"SignatureDoesNotMatch": 400, "InvalidTimeStamp.Expired": 400, "SignatureNonceUsed": 400, "InvalidVersion": 400,
           "InvalidAccessKeyId.NotFound": 404, "MissingAccessKeyId": 400, "InvalidAction.NotFound": 404, "Throttling": 400,
           "Throttling.User": 400, "InternalError": 500, "ServiceUnavailable": 503}
WORDS = {"SignatureDoesNotMatch": "Specified signature is not matched with our calculation.",
         "InvalidTimeStamp.Expired": "Specified time stamp or date value is expired.",
         "SignatureNonceUsed": "Specified signature nonce was used already.",
         "isv.AMOUNT_NOT_ENOUGH": "账户余额不足", "isv.MOBILE_NUMBER_ILLEGAL": "非法手机号"}
NUMBER = re.compile(r"(?:\+|\+86|0086|86)?(1[3-9][0-9]{9})")          # SEND: +, +86, 0086, 86, or nothing before it
LINK = re.compile(r"https?://|www\.|[a-z0-9-]+\.(?:cn|com|net|org|gov|top|info)\b|\b\d{1,3}(?:\.\d{1,3}){3}\b", re.I)  # ERRORS: no URL, no IP
AUTHORIZATION = re.compile(r"ACS3-HMAC-SHA256 Credential=([^,;= ]+),SignedHeaders=([a-z0-9;-]+),Signature=([0-9a-f]{64})")  # V3


class Refused(Exception):
    def __init__(self, code, message=""):
        super().__init__(code)
        self.code, self.message = code, message


def encode(text):
    """V3: RFC 3986, with - _ . ~ left as they are."""
    return urllib.parse.quote(text, safe="-_.~")


def canonical_query(query):
    """V3: decoded, sorted by name, encoded again, a name without a value has an empty one."""
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(pairs))


def canonical_request(method, path, query, headers, names, body):
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    return "\n".join((method, path, canonical_query(query), lines, ";".join(names), hashlib.sha256(body).hexdigest()))


def signature(secret, request):
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(request.encode()).hexdigest()
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Aliyun(Carrier):
    title = "阿里云短信（模拟）"
    settable = ("signs", "templates", "balance", "day_limit", "month_limit", "queries_per_second", "whitelist", "opted_out", "fates",
                "forbidden", "receipt_after", "query_lag", "report_url", "report_repeats")

    def __init__(self, port=0, key="LTAI5tSimulator", secret="simulator-secret"):
        super().__init__(port)
        self.keys = {key: secret}
        # Signatures: name -> "general", "verify" (for codes only), or "disabled" (ERRORS: SIGN_STATE_ILLEGAL).
        self.signs = {"腾冲市人民政府": "general", "腾冲应急": "general"}
        # Templates: code -> (kind, text). kind is "notice", "verify" or "promo".
        self.templates = {"SMS_100001": ("notice", "${title}，详情请查看市政府门户网站。"),
                          "SMS_100002": ("notice", "${title}（${number}），由${publisher}于${date}发布。"),
                          "SMS_100003": ("verify", "您的验证码是${code}")}
        self.balance = 1_000_000          # messages that are paid for
        self.day_limit = self.month_limit = 0    # ERRORS: what the account has set for itself, 0 = nothing
        self.queries_per_second = 5000    # SEND
        self.whitelist = set()            # RULES: numbers without a limit
        self.forbidden = {"阿里大鱼": "isv.BLACK_KEY_CONTROL_LIMIT"}  # word in a variable -> code
        self.query_lag = 0                # own: seconds until QuerySendDetails knows a message
        self.report_repeats = 0           # REPORT: a receipt may come again; this often
        self.of, self.nonces = {}, set()  # of: number -> its messages
        self.second = []                  # when the calls of the last second came

    # -- the gateway

    def call_of(self, request):
        if action := request.headers.get("x-acs-action"):
            return action
        return "" if (request.method, request.path, request.query_text) == ("GET", "/", "") else request.path

    def error_reply(self, request, code, detail=""):
        status = GATEWAY.get(code, 200)
        body = {"RequestId": self.request_id(), "Code": code, "Message": detail or WORDS.get(code, code)}
        if status != 200:
            body |= {"HostId": "dysmsapi.aliyuncs.com", "Recommend": f"https://api.aliyun.com/troubleshoot?q={code}&product=Dysmsapi"}
        return Reply(body, status)

    def request_id(self):
        return str(uuid.uuid4()).upper()

    def answer(self, request):
        if not request.call:
            return self.page()
        try:
            self.admit(request)
            act = {"SendSms": self.send, "QuerySendDetails": self.query}[request.call]
            return Reply({"RequestId": self.request_id(), "Code": "OK", "Message": "OK"} | act(self.values(request)))
        except Refused as no:
            return self.error_reply(request, no.code, no.message)

    def admit(self, request):
        headers = request.headers
        if request.path != "/" or request.method not in ("GET", "POST") or request.call not in ("SendSms", "QuerySendDetails"):
            raise Refused("InvalidAction.NotFound")
        if headers.get("x-acs-version") != VERSION:
            raise Refused("InvalidVersion")
        if "authorization" not in headers:
            raise Refused("MissingAccessKeyId")
        parsed = AUTHORIZATION.fullmatch(headers["authorization"])
        if not parsed:
            raise Refused("SignatureDoesNotMatch", "Authorization is not of the form ACS3-HMAC-SHA256 Credential=,SignedHeaders=,Signature=")
        key, names, given = parsed[1], parsed[2].split(";"), parsed[3]
        if key not in self.keys:
            raise Refused("InvalidAccessKeyId.NotFound")
        self.check_date(headers.get("x-acs-date", ""))
        # V3: every x-acs-* header, host, and content-type when there is one, sorted.
        wanted = sorted(name for name in headers if name.startswith("x-acs-") or name in ("host", "content-type"))
        if names != wanted:
            raise Refused("SignatureDoesNotMatch", f"signed are {';'.join(names)}, but they have to be {';'.join(wanted)}")
        if headers.get("x-acs-content-sha256") != hashlib.sha256(request.body).hexdigest():
            raise Refused("SignatureDoesNotMatch", "x-acs-content-sha256 is not that of the body")
        text = canonical_request(request.method, request.path, request.query_text, headers, names, request.body)
        if not hmac.compare_digest(signature(self.keys[key], text), given):
            raise Refused("SignatureDoesNotMatch", f"{WORDS['SignatureDoesNotMatch']} server canonical request is:{text}")
        nonce = headers.get("x-acs-signature-nonce", "")
        if not nonce or nonce in self.nonces:  # V3: another one for each request
            raise Refused("SignatureNonceUsed")
        self.nonces.add(nonce)
        now = self.clock.now()
        self.second = [at for at in self.second if at > now - 1] + [now]
        if len(self.second) > self.queries_per_second:
            raise Refused("Throttling.User", "Request was denied due to user flow control.")

    def check_date(self, date):
        try:
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", date):
                raise ValueError(date)
            at = datetime.datetime.fromisoformat(date.replace("Z", "+00:00")).timestamp()
        except ValueError:
            raise Refused("InvalidTimeStamp.Expired", "x-acs-date is not yyyy-MM-ddTHH:mm:ssZ") from None
        if abs(at - self.clock.now()) > SKEW:
            raise Refused("InvalidTimeStamp.Expired")

    def values(self, request):
        pairs = urllib.parse.parse_qsl(request.query_text, keep_blank_values=True)
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):  # V3: formData
            pairs += urllib.parse.parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        elif request.body:
            self.findings.append("a body that is no form is not looked at")
        values = dict(pairs)
        if len(values) < len(pairs):
            raise Refused("isv.INVALID_PARAMETERS", "a parameter is there twice")
        return values

    # -- SendSms

    def send(self, values):
        missing = [name for name in ("PhoneNumbers", "SignName", "TemplateCode") if not values.get(name)]
        if missing:
            raise Refused("isv.INVALID_PARAMETERS", f"{missing[0]} is mandatory for this action.")
        if len(values.get("OutId", "")) >= 256:  # BATCH: shorter than 256
            raise Refused("isv.INVALID_PARAMETERS", "OutId")
        numbers = self.numbers(values["PhoneNumbers"])
        kind, text = self.text_of(values)
        own, sign, template = values.get("OutId", ""), values["SignName"], values["TemplateCode"]
        self.check_account(len(numbers) * parts(text))
        over = {number: self.over_limit(number, sign, template, kind) for number in set(numbers)}
        if len(numbers) == 1 and over[numbers[0]]:
            raise Refused("isv.BUSINESS_LIMIT_CONTROL", over[numbers[0]])
        if len(set(numbers)) < len(numbers):
            self.findings.append("a number is there twice, and gets two messages")
        now = self.clock.now()
        batch = f"{int(now * 1000):013d}{len(self.messages):05d}^0"
        batch_messages = [Message(number, text, now, batch, own, sign, template) for number in numbers]
        self.messages += batch_messages
        for message in batch_messages:
            self.of.setdefault(message.phone, []).append(message)
        self.balance -= len(numbers) * parts(text)
        # CODES: of several numbers, those over a limit are told by their receipts.
        codes = [over[number] and "isv.BUSINESS_LIMIT_CONTROL" for number in numbers]
        self.clock.after(self.receipt_after, lambda: self.settle(batch_messages, codes))
        return {"BizId": batch}

    def numbers(self, text):
        given = text.split(",")
        if len(given) > MOST_NUMBERS:
            raise Refused("isv.MOBILE_COUNT_OVER_LIMIT", "手机号码数量超过限制")
        found = [NUMBER.fullmatch(number) for number in given]
        if not all(found):
            raise Refused("isv.MOBILE_NUMBER_ILLEGAL", f"非法手机号：第 {found.index(None) + 1} 个")
        return [number[1] for number in found]

    def text_of(self, values):
        sign, template = values["SignName"], values["TemplateCode"]
        if re.search("[【】\\[\\]]", sign):     # SDK: the name without brackets
            raise Refused("isv.SIGN_NAME_ILLEGAL", "签名名称不符合规范")
        if sign not in self.signs:
            raise Refused("isv.SMS_SIGNATURE_ILLEGAL", "该账号下找不到对应签名")
        if self.signs[sign] == "disabled":
            raise Refused("isv.SIGN_STATE_ILLEGAL", "签名不可用")
        if template not in self.templates:
            raise Refused("isv.SMS_TEMPLATE_ILLEGAL", "该账号下找不到对应模板")
        kind, text = self.templates[template]
        if self.signs[sign] == "verify" and kind != "verify":    # ERRORS
            raise Refused("isv.SMS_SIGNATURE_SCENE_ILLEGAL", "签名和模板类型不一致")
        filled = f"【{sign}】" + self.fill(text, values.get("TemplateParam", ""))
        if len(filled) > LONGEST_TEXT:
            raise Refused("isv.PARAM_LENGTH_LIMIT", "短信内容超过 500 字")
        return kind, filled

    def fill(self, text, given):
        wanted = re.findall(r"\$\{(\w+)\}", text)
        if not given and wanted:
            raise Refused("isv.TEMPLATE_MISSING_PARAMETERS", f"模板变量中未赋值：{wanted[0]}")
        try:
            values = json.loads(given or "{}")
        except ValueError:
            values = None
        # jmcad.top copy of ERRORS: a JSON object whose values are strings; {"code": 123456} is not taken.
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise Refused("isv.INVALID_JSON_PARAM", "参数格式错误，请修改为字符串值")
        for name in wanted:
            if name not in values:
                raise Refused("isv.TEMPLATE_MISSING_PARAMETERS", f"模板变量中未赋值：{name}")
            self.check_value(name, values[name])
        if set(values) - set(wanted):
            self.findings.append(f"the template has no {', '.join(sorted(set(values) - set(wanted)))}")
        return re.sub(r"\$\{(\w+)\}", lambda hole: values[hole[1]], text)

    def check_value(self, name, value):
        if not 1 <= len(value) <= LONGEST_VARIABLE:
            raise Refused("isv.PARAM_LENGTH_LIMIT", f"参数超过长度限制：{name}")
        if LINK.search(value):
            raise Refused("isv.PARAM_NOT_SUPPORT_URL", f"变量不支持传入URL：{name}")
        for word, code in self.forbidden.items():
            if word in value:
                raise Refused(code, f"变量内容含有限制发送的内容：{name}")
        if re.search("[【】]", value):         # own: a second signature; ERRORS names the code for what a variable must not hold
            raise Refused("isv.TEMPLATE_PARAMS_ILLEGAL", f"模板变量里包含非法关键字：{name}")

    def check_account(self, cost):
        # SEND: paid is what was delivered; what fails comes back when its receipt does.
        if cost > self.balance:
            raise Refused("isv.AMOUNT_NOT_ENOUGH")
        today = self.clock.local().date()
        days = [self.clock.local(message.sent).date() for message in self.messages] if self.day_limit or self.month_limit else []
        if self.day_limit and days.count(today) >= self.day_limit:
            raise Refused("isv.DAY_LIMIT_CONTROL", "触发日发送限额")
        if self.month_limit and sum((day.year, day.month) == (today.year, today.month) for day in days) >= self.month_limit:
            raise Refused("isv.MONTH_LIMIT_CONTROL", "触发月发送限额")

    def over_limit(self, number, sign, template, kind):
        """RULES: which window is full, in the carrier's words, or ""."""
        if number in self.whitelist:
            return ""
        now = self.clock.now()
        mine = [one for one in self.of.get(number, []) if one.sent > now - DAY]  # submitted is enough, whatever became of it
        if kind != "verify":
            return "触发天级流控Permits:50" if sum((one.sign, one.template) == (sign, template) for one in mine) >= 50 else ""
        codes = [one for one in mine if self.templates[one.template][0] == "verify"]
        signed = [one.sent for one in codes if one.sign == sign]
        # The minute and the hour are those of the clock on the wall, the day is not.
        if sum(at // 60 == now // 60 for at in signed) >= 1:
            return "触发分钟级流控Permits:1"
        if sum(at // 3600 == now // 3600 for at in signed) >= 5:
            return "触发小时级流控Permits:5"
        if len(signed) >= 10:
            return "触发天级流控Permits:10"
        return "触发天级流控Permits:40" if len(codes) >= 40 else ""

    # -- what becomes of it

    def settle(self, messages, codes):
        told = []
        for message, code in zip(messages, codes):
            code = code or ("MOBILE_IN_BLACK" if message.phone in self.opted_out else self.fates.get(message.phone, "DELIVERED"))
            if not code:
                continue
            message.state = DELIVERED if code == "DELIVERED" else FAILED
            message.code, message.reported = code, self.clock.now()
            self.balance += message.parts if message.state == FAILED else 0
            told.append(self.receipt(message))
        for at in range(0, len(told) if self.report_url else 0, 100):
            for _ in range(1 + self.report_repeats):
                self.report(self.report_url, told[at:at + 100], (0,) + RETRIES)

    def receipt(self, message):
        return {"phone_number": message.phone, "send_time": self.clock.text(message.sent), "report_time": self.clock.text(message.reported),
                "success": message.state == DELIVERED, "err_code": message.code,
                "err_msg": "用户接收成功" if message.state == DELIVERED else "发送失败", "sms_size": str(message.parts),
                "biz_id": message.batch, "out_id": message.own}

    def report(self, url, receipts, waits):
        def tell():
            status, body = self.push(url, receipts)
            try:
                taken = status == 200 and isinstance(json.loads(body)["code"], (int, float))  # REPORT: 200, and code is a number
            except (ValueError, KeyError, TypeError):
                taken = False
            self.pushes.append({"at": self.clock.now(), "receipts": receipts, "status": status, "taken": taken})
            if not taken and waits[1:]:
                self.report(url, receipts, waits[1:])
        self.clock.after(waits[0], tell, alone=True)

    # -- QuerySendDetails

    def query(self, values):
        number = values.get("PhoneNumber", "")
        if not re.fullmatch("1[3-9][0-9]{9}", number):   # QUERY: one number, of 11 digits
            raise Refused("isv.MOBILE_NUMBER_ILLEGAL")
        try:
            day = datetime.datetime.strptime(values["SendDate"], "%Y%m%d").date()
            size, page = int(values["PageSize"]), int(values["CurrentPage"])
        except (KeyError, ValueError):
            raise Refused("isv.INVALID_PARAMETERS", "SendDate, PageSize, CurrentPage") from None
        age = (self.clock.local().date() - day).days
        if len(values["SendDate"]) != 8 or not 0 <= age <= QUERY_DAYS or not 1 <= size <= 50 or page < 1:  # QUERY
            raise Refused("isv.INVALID_PARAMETERS", "SendDate, PageSize, CurrentPage")
        known = self.clock.now() - self.query_lag
        found = [message for message in reversed(self.of.get(number, []))
                 if self.clock.local(message.sent).date() == day and message.sent <= known
                 and values.get("BizId") in (None, "", message.batch)]
        return {"TotalCount": len(found),
                "SmsSendDetailDTOs": {"SmsSendDetailDTO": [self.detail(message) for message in found[(page - 1) * size:page * size]]}}

    def detail(self, message):
        # help.aliyun.com/document_detail/59840.html: 1 waits for its receipt, 2 failed, 3 was delivered.
        return {"PhoneNum": message.phone, "SendStatus": message.state, "ErrCode": message.code, "TemplateCode": message.template,
                "Content": message.text, "SendDate": self.clock.text(message.sent), "OutId": message.own} | (
                    {"ReceiveDate": self.clock.text(message.reported)} if message.state != WAITING else {})

    def state(self, full=""):
        return {**super().state(full), "balance": self.balance}


if __name__ == "__main__":
    main(arguments(__doc__), lambda words: Aliyun(words.port))
