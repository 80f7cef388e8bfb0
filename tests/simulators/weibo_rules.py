"""What Weibo accepts, and in which words it refuses.

Sources: open.weibo.com/wiki/2/statuses/share and /Oauth2/get_token_info; open.weibo.com/wiki/Error_code as copied at
cnblogs.com/lxwphp/p/9400049.html and blog.csdn.net/qq157819567/article/details/45096155; weiboclient4j's
WeiboError.java; the limits page as copied at blog.csdn.net/weixin_32747681/article/details/116173160; the length rule
of the clients (WeCase, TweetUtils.py: the rule only).
"""
import re
import urllib.parse

ERRORS = {
    10001: "System error", 10002: "Service unavailable", 10003: "Remote service error", 10004: "IP limit", 10005: "Permission denied",
    10006: "Source paramter (appkey) is missing", 10008: "Param error, see doc for more info", 10009: "Too many pending tasks, system is busy",
    10010: "Job expired", 10016: "Miss required parameter", 10017: "appkey not bind domain", 10020: "Request api not found",
    10021: "HTTP method is not suported for this request", 10022: "IP requests out of rate limit", 10023: "User requests out of rate limit",
    10024: "User requests for (%s) out of rate limit", 20005: "Unsupported image type, only suport JPG, GIF, PNG", 20006: "Image size too large",
    20007: "Does multipart has image", 20008: "Content is null", 20012: "Text too long, please input text less than 140 characters",
    20016: "Out of limit", 20017: "Repeat content", 20019: "Repeat content", 20021: "Content is illegal", 20031: "Test and verify",
    20032: "Update success, while server slow now, please wait 1-2 minutes", 20101: "Target weibo does not exist", 20102: "Not your own weibo",
    21301: "Auth faild", 21314: "Token used", 21315: "Token expired", 21316: "Token revoked", 21317: "Token rejected",
    21321: "Applications over the unaudited use restrictions", 21322: "redirect_uri_mismatch", 21323: "invalid_request", 21324: "invalid_client",
    21325: "invalid_grant", 21326: "unauthorized_client", 21327: "expired_token", 21328: "unsupported_grant_type", 21329: "unsupported_response_type",
    21330: "access_denied", 21331: "temporarily_unavailable",
}
PIC = 5 << 20  # statuses/share: JPEG, GIF or PNG, less than 5 MB, one
LONGEST = 140  # statuses/share
# An address is ASCII: it ends at the first space or Chinese character.
URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")


class Refused(Exception):
    def __init__(self, code, detail=""):
        super().__init__(code, detail)
        self.code, self.detail = code, detail


def host_of(url):
    try:
        return (urllib.parse.urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def under(host, domain):
    return host == domain or host.endswith("." + domain)


def units(text):
    """TweetUtils.py: a code up to U+0080 is 1, each other UTF-16 unit 2."""
    return sum(1 if ord(c) <= 0x80 else 4 if ord(c) > 0xffff else 2 for c in text)


def url_units(url):
    """TweetUtils.py: 20, and what is longer than 140 bytes; t.cn as text; weibo.com and weibo.cn up to 41 bytes as they are."""
    host, n = host_of(url), len(url)
    if host == "t.cn" or (n <= 41 and (under(host, "weibo.com") or under(host, "weibo.cn"))):
        return n
    return 20 + max(0, n - 140)


def length(text):
    """In Chinese characters, as the clients count."""
    total = units(URL.sub("", text)) + sum(url_units(u) for u in URL.findall(text))
    return (total + 1) // 2


def alike(text):
    """Two texts are taken for similar when this is equal: no page says how the platform sees it."""
    return re.sub(r"[\W_]+", "", URL.sub("", text)).lower()


def check_text(text, domains):
    """statuses/share: at most 140 Chinese characters, at least one address under the app's safe domain, no #topic#."""
    if not text.strip():
        raise Refused(20008)
    if length(text) > LONGEST:
        raise Refused(20012)
    if re.search(r"#[^#\n]+#", URL.sub(" ", text)):
        raise Refused(20021, "#topic#")  # which code is not said
    if not any(under(host_of(url), domain) for url in URL.findall(text) for domain in domains):
        raise Refused(10017)
