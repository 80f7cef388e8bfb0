"""Short messages on phones: what the simulators of SMS carriers keep, and how a page shows it."""
import dataclasses
import html
import json
import urllib.error
import urllib.request

from frame import Page, Simulator

WAITING, FAILED, DELIVERED = 1, 2, 3


@dataclasses.dataclass
class Message:
    phone: str             # 11 digits
    text: str              # as it is read, 【signature】 included
    sent: float
    batch: str             # the carrier's number of the request
    own: str = ""          # what the sender calls it
    sign: str = ""
    template: str = ""
    state: int = WAITING
    code: str = ""         # the carrier's word for what became of it
    reported: float = 0.0

    @property
    def parts(self):
        return parts(self.text)

    def read(self):
        """Did a person get it?"""
        return self.state == DELIVERED


def parts(text):
    # One message up to 70 characters, above that 67 each, signature included:
    # help.aliyun.com/document_detail/44335.htm, cloud.tencent.com/document/api/382/38780.
    return 1 if len(text) <= 70 else -(-len(text) // 67)


def mask(phone):
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 11 else "****"


def seen(message, clock, full):
    return {"phone": message.phone if full else mask(message.phone), "text": message.text, "state": message.state,
            "code": message.code, "batch": message.batch, "own": message.own, "sent": clock.text(message.sent), "parts": message.parts}


STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#e9edf2;color:#1c2733;font:15px/1.55 "Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
header{background:#12324f;color:#fff;padding:14px 22px}
header h1{margin:0;font-size:19px;font-weight:600}
header p{margin:2px 0 0;font-size:13px;color:#b9cbdc}
main{display:flex;flex-wrap:wrap;gap:22px;padding:22px;align-items:flex-start}
.phone{width:318px;background:#10151b;border-radius:34px;padding:12px;box-shadow:0 8px 22px #0003}
.glass{background:#f4f5f8;border-radius:24px;height:440px;display:flex;flex-direction:column;overflow:hidden}
.who{background:#fff;border-bottom:1px solid #dde2e8;padding:10px 14px;text-align:center;font-weight:600}
.who small{display:block;font-weight:400;font-size:12px;color:#6b7886}
.talk{flex:1;overflow:auto;padding:12px;display:flex;flex-direction:column}
.talk>:first-child{margin-top:auto}
.when{align-self:center;font-size:12px;color:#7a8693;margin:8px 0 4px}
.bubble{background:#fff;border:1px solid #e1e6ec;border-radius:4px 16px 16px 16px;padding:9px 12px;max-width:94%;overflow-wrap:anywhere;white-space:pre-wrap}
.state{font-size:12px;color:#4d7a55;margin:3px 4px 6px}
.waiting .bubble{opacity:.62}
.waiting .state{color:#8a6a1d}
.failed .bubble{background:none;border:1px dashed #c3a3a3;color:#8b8f94;text-decoration:line-through}
.failed .state{color:#a33}
.none{padding:60px 22px;color:#66727f}
"""

# Looks again every other second, and touches the page only when something has changed.
REFRESH = """
setInterval(async()=>{try{
 const page=new DOMParser().parseFromString(await (await fetch(location.href)).text(),'text/html');
 const now=document.querySelector('#live'),next=page.querySelector('#live');
 if(next&&now.innerHTML!==next.innerHTML){now.innerHTML=next.innerHTML;down()}
}catch(e){}},2000);
function down(){document.querySelectorAll('.talk').forEach(t=>t.scrollTop=t.scrollHeight)}
down();
"""


def document(title, about, live, style=""):
    return ("<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
            f"<title>{html.escape(title)}</title><style>{STYLE}{style}</style><div id=\"live\"><header><h1>{html.escape(title)}</h1>"
            f"<p>{html.escape(about)}</p></header>{live}</div><script>{REFRESH}</script></html>")


def fate(message):
    if message.state == WAITING:
        return "waiting", "已提交，等待回执"
    if message.state == FAILED:
        return "failed", f"未送达：{message.code}"
    return "", "已送达"


def phones_page(title, messages, clock, most=24):
    phones = {}
    for message in messages:
        phones.setdefault(message.phone, []).append(message)
    order = sorted(phones, key=lambda phone: -phones[phone][-1].sent)
    got = sum(message.read() for message in messages)
    about = f"{len(phones)} 部手机，{len(messages)} 条短信，其中已送达 {got} 条　{clock.text()}"
    out = []
    for phone in order[:most]:
        lines = []
        for message in phones[phone][-12:]:
            kind, words = fate(message)
            extra = f"（分 {message.parts} 段）" if message.parts > 1 else ""
            lines.append(f"<div class=\"when\">{clock.local(message.sent):%m月%d日 %H:%M}</div><div class=\"{kind}\">"
                         f"<div class=\"bubble\">{html.escape(message.text)}</div><div class=\"state\">{html.escape(words)}{extra}</div></div>")
        out.append(f"<section class=\"phone\"><div class=\"glass\"><div class=\"who\">{mask(phone)}<small>短信 {len(phones[phone])} 条</small></div>"
                   f"<div class=\"talk\">{''.join(lines)}</div></div></section>")
    if len(order) > most:
        out.append(f"<p class=\"none\">另有 {len(order) - most} 部手机没有画出</p>")
    return document(title, about, f"<main>{''.join(out) or '<p class=none>还没有短信发到任何手机</p>'}</main>")


class Carrier(Simulator):
    """What all carriers of short messages have: phones, receipts, and a page that shows them."""

    title = ""

    def __init__(self, port):
        super().__init__(port)
        self.messages, self.pushes = [], []  # a message is one per recipient
        self.opted_out = set()            # their receipt says so
        self.fates = {}                   # number -> code of its receipt, "" = none ever comes
        self.receipt_after = 5            # own: seconds until the operator answers
        self.report_url = ""

    def page(self):
        return Page(phones_page(self.title, self.messages, self.clock))

    def state(self, full=""):
        """full: with whole numbers."""
        return {"messages": [seen(message, self.clock, full) for message in self.messages],
                "opted_out": sorted(number if full else mask(number) for number in self.opted_out), "pushes": len(self.pushes)}

    def push(self, url, document):
        """POSTs JSON to a receiver, and says (status, body), or (0, b"") for no answer."""
        request = urllib.request.Request(url, json.dumps(document, ensure_ascii=False).encode(),
                                         {"Content-Type": "application/json;charset=UTF-8"})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as reply:
                return reply.status, reply.read(1 << 16)
        except urllib.error.HTTPError as problem:
            return problem.code, b""
        except OSError:
            return 0, b""
