"""Looks at the pages as a citizen's browser would get them: is all of every document there?"""
import hashlib
import html.parser
import json
import re
import unicodedata
import urllib.parse
import urllib.request


def get(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read()


def words(text):
    """What must not be lost: Han characters, letters and digits, in their order."""
    return "".join(c for c in unicodedata.normalize("NFC", text) if c.isalnum())


class Page(html.parser.HTMLParser):
    VOID = {"meta", "link", "img", "br", "hr", "input", "source", "wbr", "col"}

    def __init__(self, text):
        super().__init__()
        self.text, self.meta, self.links, self.stack, self.h1, self.tables = [], {}, [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "meta" and "name" in attributes:
            self.meta[attributes["name"]] = attributes.get("content", "")
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag == "img":
            self.links.append(attributes.get("src", ""))
            self.text.append(attributes.get("alt", ""))
        if tag == "h1":
            self.h1.append("")
        self.tables += tag == "table"
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass

    def handle_data(self, data):
        if "script" in self.stack or "style" in self.stack or "head" in self.stack:
            return
        self.text.append(data)
        if "h1" in self.stack:
            self.h1[-1] += data

    @property
    def words(self):
        return words("".join(self.text))


class Text(html.parser.HTMLParser):
    """The text of an HTML body, without what is not for people."""

    def __init__(self, text):
        super().__init__()
        self.parts, self.skip = [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.skip += tag in ("script", "style")
        if tag == "img":
            self.parts.append(dict(attributes).get("alt") or "")

    def handle_endtag(self, tag):
        self.skip -= tag in ("script", "style")

    def handle_data(self, data):
        if self.skip == 0:
            self.parts.append(data)


def body_lines(body):
    """The plain text of a body, in pieces whose order a page must keep."""
    content = body["content"]
    if body["format"] == "html":
        return ["".join(Text(content).parts)]
    if body["format"] == "markdown":
        content = re.sub(r"(!?)\[([^\]]*)\]\([^)]*\)", r"\2", content)  # links and images: their text
        content = re.sub(r"^(\s*)\d+\.\s", r"\1", content, flags=re.M)  # a list's numbers are the browser's
        content = re.sub(r"<(https?://[^>]*)>", r"\1", content)
        content = re.sub(r"</?[a-z][^>]*>", "", content)
    return content.splitlines()


def check_document(event, url, here):
    data, problems = event["data"], []
    page = Page(get(url).decode())
    seen = page.words

    def must(condition, what):
        if not condition:
            problems.append(f"{data['document']}: {what} ({url})")
    must(len(page.h1) == 1, f"{len(page.h1)} 个 h1")
    must(words(data["title"]) in words("".join(page.h1)), "标题")
    if data.get("number"):
        must(words(data["number"]) in seen, "文号")
    publishers = data["publisher"] if isinstance(data["publisher"], list) else [data["publisher"]]
    for publisher in publishers:
        must(words(publisher["name"]) in seen, f"发布机构 {publisher['name']}")
    formed = data["dates"]["formed"]
    year, month, day = (int(part) for part in formed.split("-"))
    must(words(formed) in seen or f"{year}年{month}月{day}日" in seen, "成文日期")
    for name in ("ArticleTitle", "PubDate", "ContentSource", "SiteName", "ColumnName"):
        must(page.meta.get(name), f"网页标签 {name}")
    must(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", page.meta.get("PubDate", "")), "PubDate 的写法")
    at = 0
    for line in body_lines(data["body"]):
        line = words(line)
        found = seen.find(line, at)
        must(found >= 0, f"正文缺：{line[:40]}")
        at = found + len(line) if found >= 0 else at
    digests = {}
    for link in page.links:
        target = urllib.parse.urljoin(url, link)
        if target.startswith(url.rsplit("/", 1)[0]) and not target.endswith(".html") and "#" not in target:
            digests[hashlib.sha256(get(target)).hexdigest()] = link
    for attachment in data.get("attachments", []):
        must(attachment["sha256"] in digests, f"附件 {attachment['name']}")
        must(attachment.get("role") == "inline" or words(attachment["name"]) in seen, f"附件名 {attachment['name']}")
    if data.get("correction"):
        must(words(data["correction"]["note"]) in seen, "更正说明")
    return problems, page


def check(portal, display, events, last, shown, here):
    """A list of what is wrong, in words."""
    problems = []
    first = {}
    for event in events:
        first.setdefault((event["source"].split(":")[2], event["data"]["document"]), event)
    urls = {key: next((c["url"] for c in one["channels"] if c["channel"] == "portal"), None) for key, one in shown.items()}
    counties = sorted({region for region, _ in last})
    lists = {"/": Page(get(f"{portal}/").decode())}
    for region in counties:
        lists[f"/{region}/"] = Page(get(f"{portal}/{region}/").decode())
    feed = get(f"{portal}/feed.xml").decode()
    playlist = json.loads(get(f"{display}playlist.json"))
    on_display = {entry["document"]: entry for entry in playlist["entries"]}
    for (region, document), event in last.items():
        title = first[region, document]["data"]["title"]
        wanted = "withdraw" not in event["type"]
        url = urls[region, document]
        for name, page in lists.items():
            if (words(title) in page.words) != wanted and name in ("/", f"/{region}/"):
                problems.append(f"{document}: 列表 {name} {'没有' if wanted else '还有'}它")
        in_feed = words(title) in words(re.sub(r"&[a-z]+;", "", feed))
        if in_feed != wanted:
            problems.append(f"{document}: feed.xml {'没有' if wanted else '还有'}它")
        displayed = any(c["channel"] == "hall" for c in shown[region, document]["channels"])
        if displayed and (f"{region}/{document}" in on_display) != wanted:
            problems.append(f"{document}: 公示屏{'没有' if wanted else '还有'}它")
        if not url:
            problems.append(f"{document}: 没有网址")
            continue
        if wanted:
            found, page = check_document(event, url, here)
            problems += found
            if event["data"]["document"].startswith("云政办发") and page.tables < 2:
                problems.append(f"{document}: 只有 {page.tables} 张表")
            if displayed and words(event["data"]["title"]) != words(
                    on_display.get(f"{region}/{document}", {}).get("title", "")):
                problems.append(f"{document}: 公示屏上的标题")
        else:
            page = Page(get(url).decode())
            if "noindex" not in page.meta.get("robots", ""):
                problems.append(f"{document}: 撤回页没有 noindex")
            if "撤回" not in page.words or words(event["data"]["reason"]) not in page.words:
                problems.append(f"{document}: 撤回页没有说明撤回和理由")
            body = words(first[region, document]["data"]["body"]["content"])
            if body[:60] in page.words:
                problems.append(f"{document}: 撤回页还有正文")
    return problems
