"""Notices for tests of displays: ordinary, long, full of traps, and hostile ones."""

import datetime
import random
import re

CHINA = datetime.timezone(datetime.timedelta(hours=8))


def rfc3339(seconds_from_now):
    moment = datetime.datetime.now(CHINA) + datetime.timedelta(seconds=seconds_from_now)
    return moment.isoformat(timespec="milliseconds")


def entry(document, **fields):
    made = {
        "document": document, "revision": 1, "kind": "notice", "title": "关于%s的通知" % document,
        "number": "腾政办发〔2026〕90号", "publisher": "腾冲市人民政府办公室", "date": "2026-11-20",
        "html": "<p>%s的正文。</p>" % document, "text": "", "urgent": False, "start": None,
        "end": rfc3339(3600), "url": None,
    }
    made.update(fields)
    return made


def squeeze(text):
    return re.sub(r"[\s\u2060]+", "", text)


def sentences(seed, count):
    """Nonsense with every trap of Chinese line breaking in it, the same for the same seed."""
    dice = random.Random(seed)
    han = "县人民政府关于公布农村饮水安全工程检修安排和临时供水点的通知各乡镇街道办事处应当做好群众工作"
    word = lambda: "".join(dice.choice(han) for _ in range(dice.randint(1, 5)))
    traps = [
        lambda: "（%s）" % word(), lambda: "《%s〈%s〉》" % (word(), word()),
        lambda: "“%s”" % word(), lambda: "“‘%s’%s”" % (word(), word()),
        lambda: "「%s『%s』」" % (word(), word()), lambda: "%s——%s" % (word(), word()),
        lambda: "%s……" % word(), lambda: "云政办发〔2017〕90号", lambda: "2026年11月20日",
        lambda: "%d万元" % dice.randint(1, 99999), lambda: "%.1f%%" % (dice.random() * 100),
        lambda: "“%s”——（%s）" % (word(), word()), lambda: "《%s》（云政办发〔2017〕90号）" % word(),
        lambda: "%d个工作日" % dice.randint(1, 30), lambda: "9:00—17:00", word, word, word,
    ]
    made = ""
    for _ in range(count):
        for _ in range(dice.randint(3, 9)):
            made += word() + dice.choice(traps)() + dice.choice(["", "，", "、", "；", "："])
        made = made.rstrip("，、；：") + dice.choice("。！？")
    return made


def long_document():
    """(html, its text squeezed): headings, lists, a table over several pages, a signature."""
    parts = []
    for number, seed in enumerate(range(6), 1):
        parts.append(("h2", "第%d部分" % number))
        parts += [("p", sentences(seed * 10 + turn, 4)) for turn in range(3)]
    html = "".join("<%s>%s</%s>" % (tag, text, tag) for tag, text in parts)
    rows = [("%d" % n, "第%d供水片区" % n, "11月%d日" % n) for n in range(1, 31)]
    html += "<table><thead><tr><th>序号</th><th>片区</th><th>日期</th></tr></thead><tbody>"
    html += "".join("<tr>%s</tr>" % "".join("<td>%s</td>" % c for c in row) for row in rows)
    html += "</tbody></table><ol><li>%s</li><li>%s</li></ol>" % (sentences(90, 1), sentences(91, 1))
    html += "<blockquote><p>%s</p></blockquote><p>特此通知。</p>" % sentences(92, 2)
    html += '<p align="right">腾冲市人民政府办公室</p><p align="right">2026年11月20日</p>'
    return html, squeeze(re.sub(r"<[^>]+>", "", html))


HOSTILE = """
<p>正文一<script>window.pwned = 1</script></p>
<img src="x" onerror="window.pwned = 2" alt="图一">
<img src="javascript:window.pwned=3" alt="图二"><img src="//evil.example/a.png" alt="图三">
<img src="../../secret.png" alt="图四"><img src="http://evil.example/b.png">
<a href="javascript:window.pwned=4" onclick="window.pwned=5">链接文字</a>
<iframe src="javascript:parent.pwned=6" srcdoc="<script>parent.pwned=7</script>">框内</iframe>
<style>#band, body { display: none !important }</style>
<link rel="stylesheet" href="/evil.css"><meta http-equiv="refresh" content="0;url=/evil">
<base href="http://evil.example/"><object data="/evil"></object><embed src="/evil">
<svg onload="window.pwned=8"><script>window.pwned=9</script><text>图形</text></svg>
<math><mtext><img src=x onerror="window.pwned=10"></mtext></math>
<form action="/evil"><input value="输入"><button>按</button>表单文字</form>
<p style="position:fixed;top:0;font-size:1px" class="idle" id="title" onmouseover="pwned=11">正文二</p>
<template><p>模板</p></template><video src="/evil"></video><marquee>跑动</marquee>
<p>\u202e反向\u202c正文三</p><noscript><p title="</noscript><img src=x onerror=pwned=12>"></p></noscript>
<div><p>未闭合<b>正文四<table><tr><td>表内<td colspan=99999>表二
"""
