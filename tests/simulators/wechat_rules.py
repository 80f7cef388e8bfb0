"""What the WeChat platform accepts, and in which words it refuses.

Every rule names its page on developers.weixin.qq.com (/doc/service/api/... unless said). Where the pages
name no code, the comment says so, and a code of the same class is taken.
"""
import html
import html.parser
import re

# errcode and errmsg: the platform's own table (commErrCode, and the pages of the calls).
ERRORS = {
    -1: "system error", 40001: "invalid credential, access_token is invalid or not latest", 40002: "invalid grant_type",
    40003: "invalid openid", 40004: "invalid media type", 40005: "invalid file type", 40006: "invalid file size",
    40007: "invalid media_id", 40008: "invalid message type", 40009: "invalid image size", 40012: "invalid thumb size",
    40013: "invalid appid", 40014: "invalid access_token", 40035: "invalid parameter", 40059: "invalid msg id",
    40060: "invalid article idx", 40066: "invalid url", 40125: "invalid appsecret", 40137: "invalid image format",
    40152: "invalid group id", 40164: "invalid ip", 41001: "access_token missing", 41002: "appid missing", 41004: "appsecret missing",
    41005: "media data missing", 41006: "media_id missing", 42001: "access_token expired", 43001: "require GET method",
    43002: "require POST method", 44001: "empty media data", 44002: "empty post data", 44003: "empty news data",
    44004: "empty content", 45002: "content size out of limit", 45003: "title size out of limit",
    45004: "description size out of limit", 45005: "url size out of limit", 45008: "article size out of limit",
    45009: "reach max api daily quota limit", 45011: "api minute-quota reach limit, mustn't be retried within a minute",
    45028: "has no masssend quota", 45065: "clientmsgid exist", 45066: "same clientmsgid retry too fast",
    45067: "clientmsgid size out of limit", 45083: "speed out of limit", 45084: "no speed field", 45110: "author size out of limit",
    45166: "invalid content", 47001: "data format error", 48001: "api unauthorized", 48006: "forbid to clear quota because of reaching the limit",
    50007: "account frozen", 53503: "the draft failed the publish check", 53600: "invalid article id", 89501: "the ip is being confirmed",
    89503: "this ip must be confirmed by the administrator", 89504: "the mass send waits for the administrator",
    89505: "the mass send still waits for the administrator", 89506: "the administrator refused this ip twice in 24 hours",
    89507: "the administrator refused this ip within the hour",
}

# Calls a day of a new account (doc/service/Message_Management/API_Call_Limits.html). A row is one counter.
DAILY = (
    (2000, ("/cgi-bin/token",)),
    (500_000, ("/cgi-bin/stable_token",)),  # api_getstableaccesstoken
    (100_000, ("/cgi-bin/media/uploadimg", "/cgi-bin/material/add_material")),
    (100, ("/cgi-bin/message/mass/sendall",)),
    (10, ("/cgi-bin/message/mass/delete",)),
    (1000, ("/cgi-bin/draft/add",)), (1000, ("/cgi-bin/draft/update",)), (1000, ("/cgi-bin/draft/delete",)),
    (1000, ("/cgi-bin/draft/count",)), (1000, ("/cgi-bin/draft/batchget",)), (500, ("/cgi-bin/draft/get",)),
    (100, ("/cgi-bin/freepublish/submit",)), (100, ("/cgi-bin/freepublish/get",)), (100, ("/cgi-bin/freepublish/batchget",)),
    (100, ("/cgi-bin/freepublish/getarticle",)), (10, ("/cgi-bin/freepublish/delete",)),
    (100, ("preview by name",)),  # WxMpMassMessageService: 100 a day by WeChat name
    (20, ("forced token",)),  # api_getstableaccesstoken: 20 a day
)
MINUTELY = {
    "/cgi-bin/stable_token": 10_000,  # api_getstableaccesstoken
    "/cgi-bin/message/mass/sendall": 60,  # doc/offiaccount/Message_Management/Batch_Sends_and_Originality_Checks.html
}

MB, KB = 1 << 20, 1 << 10
# type -> (file types, most bytes, code when there are more). Material page copied at cloud.tencent.com/developer/article/2384436:
# 10 MB for an image is the newer figure, older texts have 2 MB.
MATERIAL = {
    "image": (("bmp", "png", "jpg", "gif"), 10 * MB, 40009),
    "voice": (("mp3", "wma", "wav", "amr"), 2 * MB, 40006),
    "video": (("mp4",), 10 * MB, 40006),
    "thumb": (("jpg",), 64 * KB, 40012),
}
STORE = {"image": 100_000}  # same page: 100,000 images, 1,000 of each other kind


class Refused(Exception):
    def __init__(self, code, detail="", **more):
        super().__init__(code, detail)
        self.code, self.detail, self.more = code, detail, more


def escaped_text(raw):
    """The first \\uXXXX of something that is not ASCII in raw JSON, or None."""
    for found in re.finditer(rb"(\\+)u([0-9a-fA-F]{4})", raw):
        if len(found[1]) % 2 and int(found[2], 16) >= 0x80:
            return found[0].decode()
    return None


class _Content(html.parser.HTMLParser):
    """What the editor keeps of a body: no script, and which images it shows."""

    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.kept, self.words, self.images, self.tags, self.muted = [], [], [], 0, 0

    def handle_starttag(self, tag, attributes):
        self.tags += 1
        if tag in ("script", "iframe", "object", "embed", "style"):
            self.muted += tag in ("script", "style", "object")
            return
        for name, value in attributes:
            if tag in ("img", "image") and name in ("src", "data-src", "href", "xlink:href") and value:
                self.images.append(value)
            if name == "style" and value:
                self.images += re.findall(r"""url\(\s*['"]?(.*?)['"]?\s*\)""", value)
        safe = [(n, v) for n, v in attributes if not n.startswith("on") and not (v or "").strip().lower().startswith("javascript:")]
        if not self.muted:
            self.kept.append("<" + tag + "".join(f' {n}="{html.escape(v or "")}"' for n, v in safe) + ">")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.muted -= tag in ("script", "style", "object")

    def handle_endtag(self, tag):
        if tag in ("script", "style", "object"):
            self.muted = max(0, self.muted - 1)
        elif not self.muted and tag not in ("iframe", "embed"):
            self.kept.append(f"</{tag}>")

    def keep(self, text, words):
        if not self.muted:
            self.kept.append(text)
            self.words.append(words)

    def handle_data(self, data):
        self.keep(data, data)

    def handle_entityref(self, name):
        self.keep(f"&{name};", html.unescape(f"&{name};"))

    def handle_charref(self, name):
        self.keep(f"&#{name};", html.unescape(f"&#{name};"))


def read_content(text):
    """The cleaned body, its words, the addresses of its images, and the number of its tags."""
    parser = _Content()
    parser.feed(text)
    parser.close()
    return "".join(parser.kept), re.sub(r"\s+", " ", "".join(parser.words)).strip(), parser.images, parser.tags


def _text(article, name, most, code):
    value = article.get(name, "")
    if not isinstance(value, str):
        raise Refused(47001, f"{name} is no string")
    if len(value) > most:
        raise Refused(code, f"{name}: {len(value)} > {most}")
    return value


def _crop(article, name):
    """api_draft_add and WxJava: X1_Y1_X2_Y2, each 0..1 with at most 6 decimals. (No code is named.)"""
    value = _text(article, name, 64, 40035)
    if not value:
        return
    if not re.fullmatch(r"(?:(?:0(?:\.\d{1,6})?|1(?:\.0{1,6})?)(?:_|$)){4}", value) or value.endswith("_"):
        raise Refused(40035, f"{name}: {value}")
    left, top, right, bottom = map(float, value.split("_"))
    if left >= right or top >= bottom:
        raise Refused(40035, f"{name}: {value}")


def check_article(article, alone, store, refuse_foreign):
    """An article of draft/add, as it is then kept. `store` knows the account's materials and image addresses."""
    if not isinstance(article, dict):
        raise Refused(47001, "an article is no object")
    kind = article.get("article_type", "news")
    if kind not in ("news", "newspic"):  # api_draft_add: news or newspic. (No code is named.)
        raise Refused(40008, f"article_type: {kind}")
    # api_draft_add: title is required, <= 32 characters; 45003 beyond. (Missing: no code is named.)
    title = _text(article, "title", 32, 45003)
    if not title.strip():
        raise Refused(44003, "title is empty")
    author = _text(article, "author", 16, 45110)  # api_draft_add: <= 16 characters
    digest = _text(article, "digest", 128, 45004)  # api_draft_add: <= 128 characters
    source = _text(article, "content_source_url", 1 << 30, 45005)
    if len(source.encode()) > KB:  # api_draft_add: <= 1 KB
        raise Refused(45005, f"content_source_url: {len(source.encode())} bytes")
    content = _text(article, "content", 19_999, 45002)  # api_draft_add: < 20,000 characters with all markup
    if len(content.encode()) >= MB:  # api_draft_add: < 1 MB
        raise Refused(45002, f"content: {len(content.encode())} bytes")
    if not content.strip():  # api_draft_add: required
        raise Refused(44003, "content is empty")
    for name in ("need_open_comment", "only_fans_can_comment"):  # api_draft_add: 0 or 1
        if article.get(name, 0) not in (0, 1) or isinstance(article.get(name), bool):
            raise Refused(47001, f"{name}: {article[name]}")
    _crop(article, "pic_crop_235_1")
    _crop(article, "pic_crop_1_1")
    kept, words, images, tags = read_content(content)
    # api_draft_add: images only by the addresses that uploadimg gave; the platform leaves others out without a word. Here they are
    # refused, so that they are seen (no code is named), unless the test wants the platform's way.
    foreign = [i for i in images if i not in store.images]
    if foreign and refuse_foreign:
        raise Refused(45166, f"image is not from uploadimg: {foreign[0][:100]}")
    for each in foreign:
        kept = re.sub(r"<(?:img|image)\b[^>]*" + re.escape(html.escape(each)) + r"[^>]*>", "", kept)
    if kind == "newspic":
        check_pictures(article, store, tags)
    else:
        # api_draft_add: required for news; the id of a permanent material.
        thumb = article.get("thumb_media_id")
        if not isinstance(thumb, str) or thumb not in store.materials or store.materials[thumb].kind not in ("image", "thumb"):
            raise Refused(40007, f"thumb_media_id: {thumb}")
    return {**article, "article_type": kind, "title": title, "author": author, "content": kept, "content_source_url": source,
            # api_draft_add: only the draft of one article has a digest; empty: the first 54 characters of the body.
            "digest": (digest or words[:54]) if alone else "", "filtered": foreign}


def check_pictures(article, store, tags):
    """api_draft_add: image_info.image_list[].image_media_id, permanent; the content is plain text. (No codes are named.)"""
    info = article.get("image_info")
    listed = info.get("image_list") if isinstance(info, dict) else None
    if not isinstance(listed, list) or not listed:
        raise Refused(44003, "image_info.image_list is empty")
    for each in listed:
        found = store.materials.get(str(each.get("image_media_id"))) if isinstance(each, dict) else None
        if not found or found.kind != "image":
            raise Refused(40007, f"image_media_id: {each}")
    if tags:
        raise Refused(45166, "newspic: content is plain text")


def check_articles(body, store, refuse_foreign):
    articles = body.get("articles")
    if not isinstance(articles, list) or not articles:
        raise Refused(44003, "articles is empty")
    if len(articles) > 8:  # no page found: the website's editor takes 8; 45008 is the platform's code for too many
        raise Refused(45008, f"{len(articles)} articles")
    return [check_article(each, len(articles) == 1, store, refuse_foreign) for each in articles]
