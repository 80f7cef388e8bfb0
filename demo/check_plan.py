#!/usr/bin/env python3
"""Check that demo/events/00-plan.json still says what the plan says.

The original as it was received is demo/source/plan-2017-90.txt, kept byte for byte. Its words and
punctuation must all stand in the event, in the same order; only markup, blanks, page breaks and
the table heads that were repeated on each page are left out of the comparison. The title is moved:
in the original it follows the letterhead and the number, on the page it is the heading above them.

Also checked: the body has no h1 (the page's h1 is the title) and skips no heading level, it has
the two tables of the plan whole, and no line end or blank tears a word.

Exit 0 when all is well, 1 when not. Python's standard library only.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "source" / "plan-2017-90.txt"
EVENT = HERE / "events" / "00-plan.json"
SOURCE_SHA256 = "80dc41ed32ba116ae6894fc010633d8c7d18f8403872ec21ce1708c1caa51b61"

# (heads, rows) of the plan's tables; the second was printed in three pieces, one a page.
TABLES = [
    (["序号", "试点县、市", "试点任务"], 6),
    (["序号", "工作任务", "责任单位", "完成时限"], 11),
]
# Two organs that issue together are parted by a blank; that one belongs to the text.
BLANK_ALLOWED = "中共云南省委办公厅 云南省人民政府办公厅"


def signs(text):
    """Words and punctuation of a text, without markup and blanks."""
    text = re.sub(r"^\s*\|[\s:|-]+\|\s*$", "", text, flags=re.M)  # delimiter row of a table
    text = re.sub(r"[#*|\s-]", "", text)
    return text.replace("(", "（").replace(")", "）")


def without_repeated_heads(text):
    heads = ["\t".join(head) for head, _ in TABLES]
    seen, kept = set(), []
    for line in text.splitlines():
        if line in heads and line in seen:
            continue
        seen.add(line)
        kept.append(line)
    return "\n".join(kept)


def difference(want, have):
    """Where two texts part, for a person to find the place."""
    at = next((i for i, (a, b) in enumerate(zip(want, have)) if a != b), min(len(want), len(have)))
    return f"从第{at + 1}个字起不同：原文“…{want[max(at - 12, 0):at + 12]}…”，" \
           f"现文“…{have[max(at - 12, 0):at + 12]}…”"


def check_words(title, body, problems):
    raw = SOURCE.read_bytes()
    if hashlib.sha256(raw).hexdigest() != SOURCE_SHA256:
        problems.append(f"{SOURCE.name}：原文被改动，摘要不符")
    source, title = signs(without_repeated_heads(raw.decode("utf-8"))), signs(title)
    if source.count(title) != 1:
        problems.append("标题与原文不符")
        return
    if source.replace(title, "") != signs(body):
        problems.append("正文" + difference(source.replace(title, ""), signs(body)))


def check_headings(body, problems):
    level = 1
    for mark, text in re.findall(r"^(#+) +(.*)$", body, flags=re.M):
        if len(mark) == 1:
            problems.append(f"正文不得有一级标题：{text}")
        if len(mark) > level + 1:
            problems.append(f"标题跳级：{text}")
        if re.search(r"\s", text):
            problems.append(f"标题中有空格：{text}")
        level = len(mark)


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def check_tables(body, problems):
    blocks = [b.splitlines() for b in re.findall(r"(?:^\|.*\|\n?)+", body, flags=re.M)]
    found = [(cells(b[0]), len(b) - 2) for b in blocks]
    if found != TABLES:
        problems.append(f"表格应为{TABLES}，实为{found}")
    for block in blocks:
        numbers = [cells(line)[0] for line in block[2:]]
        if numbers != [str(n + 1) for n in range(len(numbers))]:
            problems.append(f"表格序号不连续：{numbers}")
        if any(len(cells(line)) != len(cells(block[0])) for line in block):
            problems.append("表格各行列数不一")


def check_tears(body, problems):
    lines = body.splitlines()
    for line, following in zip(lines, lines[1:]):
        if line and following and not line.startswith("|") and not line.endswith("  "):
            problems.append(f"段落中断行：{line[-12:]}／{following[:12]}")
    for line in lines:
        if line.startswith(("|", "#")):
            continue
        torn = re.search(r"\S{0,8}[^\x00-\x7f] +[^\x00-\x7f]\S{0,8}",
                         line.replace(BLANK_ALLOWED, ""))
        if torn:
            problems.append(f"词语中有空格：{torn.group()}")


def main():
    data = json.loads(EVENT.read_text(encoding="utf-8"))["data"]
    body, problems = data["body"]["content"], []
    check_words(data["title"], body, problems)
    check_headings(body, problems)
    check_tables(body, problems)
    check_tears(body, problems)
    if re.search(r"\s", data["title"]):
        problems.append("标题中有空格")
    for problem in problems:
        print(f"{EVENT.name}：{problem}", file=sys.stderr)
    if not problems:
        print(f"{EVENT.name}：与原文一致，正文{len(signs(body))}字（含标点），{len(TABLES)}张表")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
