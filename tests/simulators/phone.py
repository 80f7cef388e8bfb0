"""A page that looks like a phone's, and follows what happens without being loaded again."""
import html

e = html.escape

STYLE = """
*{box-sizing:border-box;margin:0}
html{-webkit-text-size-adjust:100%}
body{font-family:-apple-system,"PingFang SC","Noto Sans CJK SC","Noto Sans SC","Microsoft YaHei",sans-serif;color:#1a1a1a;background:#e4e6ea;line-height:1.5}
a{color:inherit;text-decoration:none}
.phone{width:390px;height:844px;margin:28px auto;background:#ededed;border-radius:44px;box-shadow:0 0 0 10px #16181c,0 18px 50px rgba(0,0,0,.35);
overflow:hidden;display:flex;flex-direction:column}
.phone .clock{flex:none;display:flex;justify-content:space-between;padding:12px 28px 4px;font-size:14px;font-weight:600;
background:var(--bar);font-variant-numeric:tabular-nums}
.phone .bar{flex:none;text-align:center;font-size:17px;font-weight:600;padding:8px 0 12px;background:var(--bar);border-bottom:1px solid rgba(0,0,0,.06)}
.phone .screen{flex:1;overflow-y:auto;scrollbar-width:none}
.phone .screen::-webkit-scrollbar{display:none}
.under{text-align:center;color:#666;font-size:13px;margin:-8px 0 24px}
.mark{display:inline-block;border-radius:3px;padding:0 6px;font-size:12px;line-height:18px}
s{text-decoration-thickness:2px}
@media(max-width:480px){body{background:#fff}.phone{width:100%;height:100vh;margin:0;border-radius:0;box-shadow:none}
.phone .clock,.under{display:none}.phone .bar{padding-top:12px}}
"""
# Looks every two seconds whether the page has changed, and changes what is inside of main only.
FOLLOW = """
setInterval(async()=>{try{const t=await(await fetch(location.href,{cache:'no-store'})).text(),
n=new DOMParser().parseFromString(t,'text/html').querySelector('main'),o=document.querySelector('main');
if(n&&n.innerHTML!==o.innerHTML){const s=document.querySelector('.screen'),y=s?s.scrollTop:0;o.innerHTML=n.innerHTML;
const a=document.querySelector('.screen');if(a)a.scrollTop=y}}catch(_){}},2000)
"""


def page(title, main, style=""):
    return (f'<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<link rel="icon" href="data:,"><title>{e(title)}</title><style>{STYLE}{style}</style></head>'
            f'<body><main>{main}</main><script>{FOLLOW}</script></body></html>')


def phone(title, moment, screen, style="", under=""):
    """A phone whose clock is the simulator's: to the minute, so that the page does not change each second."""
    return page(title, f'<div class="phone"><div class="clock"><span>{moment:%H:%M}</span><span>5G&ensp;▮▮▮</span></div><div class="bar">{e(title)}</div>'
                       f'<div class="screen">{screen}</div></div><p class="under">{e(under)}</p>', style)


def day(moment, now):
    """As a phone writes a time: 今天 14:05, or the day."""
    if moment.date() == now.date():
        return f"今天 {moment:%H:%M}"
    if (now.date() - moment.date()).days == 1:
        return f"昨天 {moment:%H:%M}"
    if moment.year == now.year:
        return f"{moment.month}月{moment.day}日 {moment:%H:%M}"
    return f"{moment.year}年{moment.month}月{moment.day}日"
