"""How an LED board with a 16 dot font looks: what fits where, and a page that draws it."""
import html
import unicodedata

from smsphones import document

COLOURS = {1: "red", 2: "green", 3: "yellow"}
FONT = 16
DOT = 4        # pixels of the page for a dot of the board


def wide(character):
    return FONT if unicodedata.east_asian_width(character) in "WFA" else FONT // 2


def overlap(one, other):
    return (one.x < other.x + other.width and other.x < one.x + one.width
            and one.y < other.y + other.height and other.y < one.y + one.height)


def rows(area):
    """The lines of an area as [[(colour, character)]]; without wrapping there is one."""
    lines, across = [[]], 0
    for colour, text in area.runs:
        for character in text:
            if character == "\n" or (area.wraps and not area.single and across + wide(character) > area.width):
                lines.append([])
                across = 0
            if character not in "\r\n":
                lines[-1].append((colour, character))
                across += wide(character)
    return lines


def cut(area):
    """Is there text that nobody ever sees? What stands still shows one line, or pages of lines; what moves shows all."""
    across = max(sum(wide(character) for _, character in line) for line in rows(area))
    return area.mode in (1, 2) and across > area.width or area.height < FONT or area.width < FONT


STYLE = """
body{background:#20242a}
main{display:block;padding:26px;overflow:auto}
.board{position:relative;background:#0b0708;border:14px solid #3a3f46;border-radius:6px;box-shadow:0 10px 30px #0008;overflow:hidden;
 width:calc(var(--w)*4px + 28px);height:calc(var(--h)*4px + 28px)}
.board:after{content:"";position:absolute;inset:0;pointer-events:none;
 background:radial-gradient(circle at 50% 50%,transparent 38%,#0b0708 62%) 0 0/4px 4px}
.area{position:absolute;overflow:hidden;font:64px/64px "Noto Sans Mono CJK SC","Noto Sans CJK SC",monospace;font-weight:500;white-space:pre}
.area b{display:inline-block;font-weight:500;text-align:center;overflow:hidden;height:64px;vertical-align:top}
.red{color:#ff3b2f;text-shadow:0 0 6px #ff3b2f99}.green{color:#35e85a;text-shadow:0 0 6px #35e85a99}.yellow{color:#ffd02e;text-shadow:0 0 6px #ffd02e99}
.dark{color:#c9ced4;font-size:14px;margin:14px 2px}
.list{color:#d6dbe1;font-size:15px;margin:16px 2px;padding:0;list-style:none}
.list li{margin:6px 0}
.warn{color:#ffb37a}
"""
MODES = {1: "静止", 2: "快速打出", 3: "向左移动", 4: "向右移动", 5: "向上移动", 6: "向下移动"}


def cells(line):
    return "".join(f"<b class=\"{colour}\" style=\"width:{wide(character) * DOT}px\">{html.escape(character)}</b>" for colour, character in line)


def draw(area):
    lines = "".join(f"<div>{cells(line)}</div>" for line in rows(area))
    place = "left:{}px;top:{}px;width:{}px;height:{}px".format(*(value * DOT for value in (area.x, area.y, area.width, area.height)))
    return f"<div class=\"area\" style=\"{place}\">{lines}</div>"


def page(card):
    with card.lock:
        areas, on, findings = card.visible(), card.on, len(card.findings)
        about = (f"{card.width}×{card.height} 点，屏号 {card.screen}，{'已开机' if on else '已关机'}，亮度 {card.brightness}，"
                 f"{len(areas)} 个区域　{card.clock.text()}")
        board = "".join(draw(area) for area in areas)
        size = f"--w:{card.width};--h:{card.height}"
    listed = "".join(f"<li>区域 {area.id}（{MODES[area.mode]}）：{html.escape(area.text)}</li>" for area in areas)
    below = f"<ul class=\"list\">{listed}</ul>" if areas else f"<p class=\"dark\">{'屏幕上没有内容' if on else '屏幕已关闭'}</p>"
    below += f"<p class=\"warn\">有 {findings} 处不妥，见 /control/state</p>" if findings else ""
    return document("LED 显示屏（模拟）", about, f"<main><div class=\"board\" style=\"{size}\">{board}</div>{below}</main>", STYLE)
