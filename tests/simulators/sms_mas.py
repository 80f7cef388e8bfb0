#!/usr/bin/python3
"""China Mobile's cloud MAS as a county's channel meets it: norsubmit, tmpsubmit, and status reports.

It has no way to ask what became of a request, and takes the same one twice: what was unclear stays unclear.

    with Mas() as mas:
        mas.url                            # http://127.0.0.1:PORT, paths /sms/norsubmit and /sms/tmpsubmit
        mas.trouble("/sms/norsubmit", "lost")
        mas.messages                       # one per recipient, with the whole number

Sources, each named where its rule stands (read 2026-11-29); the operator's own manual was not to be had:
  SUBMIT   github wswh520/mas Submit.java, NorsubmitController.java (its comments quote the manual)
  GATEWAY  MasGateway of senweaver-sms (Python), body, mac and answer of both calls
  WORDS    the list of rspcod in the public clients MasErrorCode.java, CMSMSResult.java, gosms mas
  MORE     McMgwError.java of net.renfei.mascloud: what else the gateway can say
  STATUS   github wswh520/mas MasStatusBean.java
What stands in no source is marked "own".
"""
import base64
import binascii
import hashlib
import itertools
import json
import re

from frame import Reply, arguments, main
from smsphones import DELIVERED, FAILED, Carrier, Message

MOST_MOBILES = 5000                       # SUBMIT
LONGEST_CODE = 20                         # SUBMIT: service code and addSerial together
# GATEWAY: what the mac is made of, in this order, the secret behind apId.
FREE = ("mobiles", "content", "sign", "addSerial")
TEMPLATE = ("templateId", "mobiles", "params", "sign", "addSerial")
CALLS = {"/sms/norsubmit": FREE, "/sms/tmpsubmit": TEMPLATE}


class Refused(Exception):
    pass


def mac(values, secret, names):
    text = values["ecName"] + values["apId"] + secret + "".join(values[name] for name in names)
    return hashlib.md5(text.encode()).hexdigest()


class Mas(Carrier):
    title = "中国移动云MAS（模拟）"
    settable = ("ec", "users", "signs", "foreign_signs", "templates", "service_code", "group_name", "refuses_repeats", "opted_out", "fates",
                "receipt_after", "report_url")

    def __init__(self, port=0, ec="腾冲市人民政府办公室", user="tczfb", secret="simulator-secret"):
        super().__init__(port)
        self.ec, self.users = ec, {user: secret}
        self.signs = {"wHwvfNuH5": "腾冲市人民政府"}      # code from the console -> what people read
        self.foreign_signs = {"aAbBcCdD1"}                 # codes that are somebody else's
        self.templates = {"38516fabae004eddbfa3ace1d4194696": "{1}，详情请查看市政府门户网站。"}
        self.service_code = "10657529"
        self.group_name = "msgGroup"      # CMSMSResult.java and others spell it mgsGroup
        self.refuses_repeats = False      # one client names SameNumberAndContent; whether all platforms do it is not known
        self.numbers = itertools.count(1)

    def call_of(self, request):
        return "" if (request.method, request.path) == ("GET", "/") else request.path

    def error_reply(self, request, code, detail=""):
        # CMSMSResult.java: the batch is empty where nothing was taken.
        return Reply({"rspcod": code, self.group_name: "", "success": False})

    def answer(self, request):
        if not request.call:
            return self.page()
        if request.method != "POST" or request.path not in CALLS:
            return Reply({"error": "no such call"}, 404)
        names = CALLS[request.path]
        try:
            values = self.read(request, names)
            numbers = self.admit(values, names)
            text = f"【{self.signs[values['sign']]}】" + self.text_of(values)
            if self.refuses_repeats and any(message.phone == numbers[0] and message.text == text for message in self.messages):
                raise Refused("SameNumberAndContent")
        except Refused as no:
            return self.error_reply(request, str(no))
        group = f"{self.clock.local():%m%d%H%M%S}001{next(self.numbers):09d}"
        batch = [Message(number, text, self.clock.now(), group, sign=values["sign"], template=values.get("templateId", ""))
                 for number in numbers]
        self.messages += batch
        self.clock.after(self.receipt_after, lambda: self.settle(batch))
        return Reply({"rspcod": "success", self.group_name: group, "success": True})

    def read(self, request, names):
        """GATEWAY: the body is base64 of a JSON object whose values are texts."""
        try:
            values = json.loads(base64.b64decode(request.body, validate=True).decode())
        except (ValueError, binascii.Error):
            raise Refused("InvalidMessage") from None
        wanted = ("ecName", "apId", "mac") + names
        if not isinstance(values, dict) or not all(isinstance(values.get(name), str) for name in wanted):
            raise Refused("InvalidMessage")
        if values.get("secretKey"):       # SUBMIT: it is in the mac, not in the message
            self.findings.append("the secret was sent")
        if set(values) - set(wanted) - {"secretKey"}:
            self.findings.append(f"fields that nobody reads: {', '.join(sorted(set(values) - set(wanted)))}")
        return values

    def admit(self, values, names):
        # own: in which order it looks
        if values["ecName"] != self.ec or values["apId"] not in self.users:
            raise Refused("InvalidUsrOrPwd")
        if values["mac"] != mac(values, self.users[values["apId"]], names):   # SUBMIT: 32 lower-case digits
            raise Refused("IllegalMac")
        if not re.fullmatch("[A-Za-z0-9]+", values["sign"]):
            raise Refused("IllegalSignId")
        if values["sign"] not in self.signs:
            raise Refused("NoSignId" if values["sign"] in self.foreign_signs else "IllegalSignId")
        if not re.fullmatch("[0-9]*", values["addSerial"]) or len(self.service_code + values["addSerial"]) > LONGEST_CODE:
            raise Refused("InvalidMessage")
        if not values["mobiles"]:
            raise Refused("NoMobile")     # MORE
        numbers = values["mobiles"].split(",")
        if len(numbers) > MOST_MOBILES:
            raise Refused("TooManyMobiles")
        if not all(re.fullmatch("1[3-9][0-9]{9}", number) for number in numbers):
            raise Refused("InvalidMobile")  # MORE
        if len(set(numbers)) < len(numbers):
            raise Refused("DupMobile")    # MORE
        return numbers

    def text_of(self, values):
        if "content" in values:
            if not values["content"].strip():
                raise Refused("InvalidMessage")
            if values["content"].startswith("【"):
                # ihuyi.com/wiki/121.html: exactly one signature; the platform puts it there by the code.
                self.findings.append("a second signature")
            return values["content"]
        if values["templateId"] not in self.templates:
            raise Refused("IllegalTemplateId")   # MORE
        try:
            params = json.loads(values["params"])
        except ValueError:
            params = None
        text = self.templates[values["templateId"]]
        holes = set(re.findall(r"\{(\d+)\}", text))
        if not isinstance(params, list) or not all(isinstance(param, str) for param in params):
            raise Refused("InvalidMessage")
        if len(params) != len(holes):
            raise Refused("ParamsAndTemplateDoesNotMatch")   # MORE
        return re.sub(r"\{(\d+)\}", lambda hole: params[int(hole[1]) - 1], text)

    def settle(self, batch):
        for message in batch:
            # MORE: ErrEcBlackList, told by the status report.
            code = "DB:0140" if message.phone in self.opted_out else self.fates.get(message.phone, "DELIVRD")
            if not code:
                continue
            message.state = DELIVERED if code == "DELIVRD" else FAILED
            message.code, message.reported = code, self.clock.now()
            if self.report_url:   # STATUS: one number each; own: it is not said that it tries again
                self.tell(self.report_url, self.report(message))

    def tell(self, url, report):
        def now():
            status, _ = self.push(url, report)
            self.pushes.append({"at": self.clock.now(), "report": report, "status": status})
        self.clock.after(0, now, alone=True)

    def report(self, message):
        done = message.state == DELIVERED
        return {"reportStatus": "DELIVRD" if done else "UNDELIV", "mobile": message.phone,
                "submitDate": f"{self.clock.local(message.sent):%Y%m%d%H%M%S}", "receiveDate": f"{self.clock.local(message.reported):%Y%m%d%H%M%S}",
                "errorCode": message.code, "msgGroup": message.batch}


if __name__ == "__main__":
    main(arguments(__doc__), lambda words: Mas(words.port))
