"""What people see of the simulated timeline, and the page on which an officer grants the app its token."""
from phone import day, e, page, phone
from weibo_rules import URL

STYLE = """
:root{--bar:#fff}
.head{background:linear-gradient(160deg,#ff9d3c,#ff7a00);color:#fff;padding:30px 18px 18px;display:flex;gap:14px;align-items:center}
.face{width:58px;height:58px;flex:none;border-radius:50%;background:#fff;color:#e6162d;font-size:25px;font-weight:700;display:grid;place-items:center}
.head b{font-size:20px;display:block}.head small{font-size:13px;opacity:.95}
.v{background:#3d8cff;color:#fff;border-radius:50%;width:17px;height:17px;font-size:11px;
display:inline-grid;place-items:center;vertical-align:3px;margin-left:5px;font-weight:700}
.post{background:#fff;margin-bottom:8px;padding:14px 16px}
.who{display:flex;gap:10px;align-items:center;margin-bottom:8px}.who .face{width:38px;height:38px;background:#e6162d;color:#fff;font-size:17px}
.who b{font-size:15px;font-weight:600;display:block;line-height:1.3}.who small{color:#939393;font-size:12px}
.text{font-size:16px;line-height:1.6;overflow-wrap:anywhere;white-space:pre-wrap}.text a{color:#eb7350}
.post img{display:block;margin-top:10px;max-width:220px;max-height:220px;border-radius:6px}
.acts{display:flex;border-top:1px solid #f3f3f3;margin:12px -16px -14px;color:#939393;font-size:13px;text-align:center}.acts span{flex:1;padding:9px 0}
.gone .text,.gone .text a{color:#a3a3a3}.gone img{filter:grayscale(1);opacity:.5}
.mark{background:#fdecea;color:#b3261e;margin-top:10px}.mark.wait{background:#e8f1fb;color:#1c5fa8}
.none{color:#939393;text-align:center;padding:90px 0;font-size:15px}
"""
ASK_STYLE = """
body{background:#f2f2f5}.ask{max-width:400px;margin:9vh auto;background:#fff;border-radius:12px;padding:36px 32px;box-shadow:0 2px 18px rgba(0,0,0,.08)}
.ask h1{font-size:20px;margin-bottom:6px}.ask p{color:#666;font-size:15px;margin-bottom:20px}.ask b{color:#1a1a1a}
.ask button{width:100%;border:0;border-radius:24px;padding:12px;font-size:16px;margin-top:10px;font-family:inherit;cursor:pointer}
.ask .yes{background:#ff8200;color:#fff}.ask .no{background:#f2f2f5;color:#555}
.ask code{display:block;font-size:17px;background:#f2f2f5;border-radius:8px;padding:14px;overflow-wrap:anywhere;user-select:all}
"""


def _text(text):
    """Addresses as the clients show them."""
    out, at = "", 0
    for found in URL.finditer(text):
        out += e(text[at:found.start()]) + f'<a href="{e(found[0])}">↗网页链接</a>'
        at = found.end()
    return out + e(text[at:])


def _post(account, post):
    clock = account.clock
    name = account.name if post.uid == account.uid else "别人"
    text = _text(post.text)
    mark = ""
    if post.deleted:
        text = f"<s>{text}</s>"
        mark = f'<span class="mark">已于 {day(clock.local(post.deleted), clock.local())} 删除</span>'
    elif post.seen_at > clock.now():
        mark = '<span class="mark wait">处理中，稍后可见</span>'
    picture = f'<img src="/pic/{post.number}" alt="">' if post.pic else ""
    acts = "" if post.deleted else '<div class="acts"><span>转发</span><span>评论</span><span>赞</span></div>'
    return (f'<div class="post{" gone" if post.deleted else ""}"><div class="who"><span class="face">{e(name[:1])}</span>'
            f'<div><b>{e(name)}<span class="v">V</span></b>'
            f'<small>{day(clock.local(post.at), clock.local())}&ensp;来自 公开发布</small></div></div>'
            f'<div class="text">{text}</div>{picture}{mark}{acts}</div>')


def timeline(account):
    """The operator's view: what was deleted stays, struck out."""
    mine = [p for p in account.posts if p.uid == account.uid]
    posts = "".join(_post(account, p) for p in reversed(mine)) or '<p class="none">还没有发过微博</p>'
    n = sum(not p.deleted for p in mine)
    screen = (f'<div class="head"><span class="face">{e(account.name[:1])}</span><div><b>{e(account.name)}<span class="v">V</span></b>'
              f'<small>政府官方微博 · 可见 {n} 条，已删 {len(mine) - n} 条</small></div></div>{posts}')
    return phone(account.name, account.clock.local(), screen, STYLE, "微博（模拟）· 运营者视图")


def detail(account, post):
    """As a citizen opens it."""
    if post.deleted:
        return phone("微博正文", account.clock.local(), '<p class="none">抱歉，此微博已被作者删除。</p>', STYLE)
    return phone("微博正文", account.clock.local(), _post(account, post), STYLE)


def authorize(account, words):
    hidden = "".join(f'<input type="hidden" name="{e(n)}" value="{e(v)}">' for n, v in words.items())
    return page("授权", f'<form class="ask" method="post" action="/oauth2/authorize">{hidden}<h1>将你的微博账号授权给应用</h1>'
                        f'<p>应用 <b>公开发布</b> 请求以 <b>@{e(account.name)}</b> 的名义发布和删除微博。</p>'
                        f'<button class="yes" name="answer" value="yes">授权</button>'
                        f'<button class="no" name="answer" value="no">取消</button></form>', ASK_STYLE)


def code(text):
    if not text:
        return page("授权", '<div class="ask"><h1>已取消授权</h1><p>没有给出授权码。</p></div>', ASK_STYLE)
    return page("授权", f'<div class="ask"><h1>授权成功</h1>'
                        f'<p>把下面的授权码交给系统管理员（十分钟内有效，只能用一次）：</p><code>{e(text)}</code></div>', ASK_STYLE)
