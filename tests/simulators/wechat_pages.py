"""What citizens see of the simulated account, and what its operator sees."""
import html

from phone import day, e, page, phone

ACCOUNT_STYLE = """
:root{--bar:#ededed}
.head{background:#fff;padding:20px 20px 18px;display:flex;gap:14px;align-items:center}
.face{width:62px;height:62px;flex:none;border-radius:50%;background:#c8161d;color:#fff;font-size:26px;font-weight:600;display:grid;place-items:center}
.head b{font-size:20px;display:block}.head small{color:#888;font-size:13px}
.tick{color:#fff;background:#f5a623;border-radius:50%;font-size:11px;width:16px;height:16px;
display:inline-grid;place-items:center;vertical-align:3px;margin-left:4px}
.sums{display:flex;background:#fff;border-top:1px solid #f2f2f2;padding:10px 0 12px;margin-bottom:10px;text-align:center}
.sums div{flex:1;font-size:12px;color:#888}.sums b{display:block;font-size:18px;color:#1a1a1a}
.when{text-align:center;color:#9a9a9a;font-size:12px;padding:12px 0 8px}
.card{background:#fff;border-radius:8px;margin:0 12px 4px;overflow:hidden;display:block}
.card .one{display:flex;gap:12px;padding:14px;align-items:flex-start;border-top:1px solid #f2f2f2}.card .one:first-child{border-top:0}
.card b{font-size:16px;font-weight:500;line-height:1.45;flex:1;overflow-wrap:anywhere}
.card img,.card .blank{width:62px;height:62px;border-radius:4px;object-fit:cover;flex:none;background:#eef0f3}
.card p{font-size:13px;color:#8c8c8c;margin-top:6px;font-weight:400}
.gone b{color:#9a9a9a}.gone img{filter:grayscale(1);opacity:.5}
.mark{background:#fbe9e7;color:#b3261e;text-decoration:none;font-weight:500}
.mark.wait{background:#e8f1fb;color:#1c5fa8}.mark.bad{background:#fff3dc;color:#8a5a00}
.none{color:#9a9a9a;text-align:center;padding:90px 0;font-size:15px}
"""
ARTICLE_STYLE = """
body{background:#fff}
article{max-width:677px;margin:0 auto;padding:24px 16px 40px;overflow-wrap:anywhere}
h1{font-size:22px;line-height:1.4;font-weight:600;margin-bottom:14px}
.meta{color:#8c8c8c;font-size:15px;margin-bottom:24px}.meta a{color:#576b95;margin:0 8px}.meta a:first-child{margin-left:0}
.body{font-size:17px;line-height:1.8;letter-spacing:.02em}.body p{margin:0 0 1em}.body img{max-width:100%;height:auto}
.body table{border-collapse:collapse;width:100%;font-size:15px;margin-bottom:1em}.body td,.body th{border:1px solid #d9d9d9;padding:6px 8px}
.body h2,.body h3{font-size:18px;margin:1.2em 0 .6em}
.more{margin-top:28px;font-size:15px;color:#576b95}
.foot{margin-top:34px;border-top:1px solid #eee;padding-top:16px;display:flex;gap:10px;align-items:center;font-size:15px}
.foot i{font-style:normal;width:36px;height:36px;border-radius:50%;background:#c8161d;color:#fff;display:grid;place-items:center}
.draw{display:grid;gap:8px;margin-bottom:18px}.draw img{width:100%}
.end{min-height:72vh;display:grid;place-content:center;justify-items:center;text-align:center;padding:24px}
.end i{font-style:normal;width:92px;height:92px;border-radius:50%;background:#10aeff;color:#fff;font-size:56px;line-height:92px;font-weight:700}
.end p{margin-top:28px}
.end i.red{background:#f76260}.end p{font-size:18px}.end small{color:#8c8c8c;font-size:14px;margin-top:10px}
"""


def _cover(account, fields):
    """The picture of an article's card: its cover, or the first picture of a newspic."""
    ids = [fields.get("thumb_media_id")] + [i["image_media_id"] for i in (fields.get("image_info") or {}).get("image_list", [])]
    for each in ids:
        if each in account.store.materials and account.store.materials[each].url:
            return f'<img src="{e(account.store.materials[each].url)}" alt="">'
    return '<span class="blank"></span>'


def _line(account, article):
    title = e(article.fields["title"])
    clock = account.clock
    if article.deleted:
        text = f'<s>{title}</s><p><span class="mark">已删除</span> {day(clock.local(article.deleted), clock.local())}</p>'
    elif article.blocked:
        text = f'<s>{title}</s><p><span class="mark bad">被平台屏蔽</span> {day(clock.local(article.blocked), clock.local())}</p>'
    else:
        digest = article.fields.get("digest", "")
        text = title + (f"<p>{e(digest[:40])}</p>" if digest else "")
    gone = " gone" if article.deleted or article.blocked else ""
    return f'<a class="one{gone}" href="{e(article.url)}"><b>{text}</b>{_cover(account, article.fields)}</a>'


def account(account):
    """The operator's view: every article ever shown, those taken down struck out."""
    groups = {}
    for each in account.articles.values():
        groups.setdefault((each.at, each.url.split("&mid=")[1].split("&")[0]), []).append(each)
    now = account.clock.local()
    parts = []
    for job in account.jobs.values():
        if job.status != 0:
            words = {1: ("wait", "发布中"), 2: ("bad", "原创声明失败"), 3: ("bad", "发布失败"), 4: ("bad", "平台审核不通过")}[job.status]
            parts.append((account.clock.now() if job.status == 1 else 0,
                          f'<div class="card"><div class="one"><b>{e(job.articles[0]["title"])}<p><span class="mark {words[0]}">{words[1]}</span></p></b>'
                          f'{_cover(account, job.articles[0])}</div></div>'))
    for (at, _), several in groups.items():
        lines = "".join(_line(account, each) for each in several)
        parts.append((at, f'<p class="when">{day(account.clock.local(at), now)} · {several[0].way}</p><div class="card">{lines}</div>'))
    cards = "".join(text for _, text in sorted(parts, key=lambda part: -part[0])) or '<p class="none">还没有发布过内容</p>'
    down = sum(bool(a.deleted or a.blocked) for a in account.articles.values())
    kind = "服务号" if account.account == "service" else "公众号"
    tick = '<span class="tick">✓</span>' if account.verified else ""
    sums = "".join(f"<div><b>{n}</b>{word}</div>" for n, word in (
        (len(account.articles) - down, "可见"), (down, "已撤"), (len(account.drafts), "草稿")))
    screen = (f'<div class="head"><span class="face">{e(account.name[:1])}</span><div><b>{e(account.name)}{tick}</b>'
              f'<small>{kind} · {"政府机构" if account.verified else "未认证"}</small></div></div>'
              f'<div class="sums">{sums}</div>{cards}<p class="when">&nbsp;</p>')
    return phone(account.name, now, screen, ACCOUNT_STYLE, "微信公众号（模拟）· 运营者视图")


def article(account, article):
    """As a citizen opens it in the phone's browser."""
    if article.deleted:
        return gone(account, "该内容已被发布者删除")
    if article.blocked:
        return gone(account, "此内容因违规无法查看", "此内容违反平台规定，已停止访问", "red")
    fields = article.fields
    at = account.clock.local(article.at)
    author = f"<span>{e(fields['author'])}</span>" if fields["author"] else ""
    body = fields["content"] if fields["article_type"] == "news" else html.escape(fields["content"]).replace("\n", "<br>")
    pictures = "".join(f'<img src="{e(account.store.materials[i["image_media_id"]].url)}" alt="">'
                       for i in (fields.get("image_info") or {}).get("image_list", []) if i["image_media_id"] in account.store.materials)
    more = f'<p class="more"><a href="{e(fields["content_source_url"])}">阅读原文</a></p>' if fields["content_source_url"] else ""
    return page(fields["title"],
                f'<article><h1>{e(fields["title"])}</h1><p class="meta">{author}<a>{e(account.name)}</a>{at.year}年{at.month}月{at.day}日 {at:%H:%M}</p>'
                f'{f"<div class=draw>{pictures}</div>" if pictures else ""}<div class="body">{body}</div>{more}'
                f'<p class="foot"><i>{e(account.name[:1])}</i>{e(account.name)}</p></article>', ARTICLE_STYLE)


def gone(account, words, more="", kind=""):
    small = f"<small>{e(more)}</small>" if more else ""
    return page(words, f'<div class="end"><i class="{kind}">!</i><p>{e(words)}</p>{small}</div>', ARTICLE_STYLE)
