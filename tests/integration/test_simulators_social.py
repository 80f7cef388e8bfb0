"""The frame of the simulated accounts, and the simulated Weibo: what drivers are judged by must itself be right."""
import contextlib
import http.client
import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest

from socialkit import BMP, GIF, JPG, PNG, ask, author, caller, multipart, short, wechat, weibo  # noqa: F401
from forms import BadForm, fields
from forms import multipart as parse_multipart
from wechat import Wechat
from weibo_rules import length

MB = 1 << 20
SIMULATORS = pathlib.Path(__file__).resolve().parents[1] / "simulators"
HTTPS = "https://www.tengchong.gov.cn/"


# ---- calls that go wrong ----

def broken_call(one, path, token=None):
    """What became of a call that got no good answer, and what it got."""
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=5)
    try:
        connection.request("POST", f"{path}?access_token={token}", b"{}" + b" " * 300_000)
        return "answer", connection.getresponse().read()
    except http.client.IncompleteRead as problem:
        return "half", problem.partial
    except http.client.RemoteDisconnected:
        return "lost", b""
    except (ConnectionResetError, BrokenPipeError):
        return "reset", b""
    finally:
        connection.close()


def test_calls_go_wrong_as_told_and_for_as_long(wechat, caller):
    count = "/cgi-bin/draft/count"
    for how, effect in (("lost", True), ("half", True), ("reset", False)):
        wechat.trouble(count, how)
        before = wechat.counts.read(count, wechat.clock.day())
        assert broken_call(wechat, count, caller.token)[0] == how
        assert wechat.counts.read(count, wechat.clock.day()) - before == effect
        assert caller.code("draft/count") == 0
    wechat.trouble(count, error=-1, times=2, skip=1)
    assert [caller.code("draft/count") for _ in range(4)] == [0, -1, -1, 0]
    made = wechat.trouble("*", status=503, times=None)
    status, _, body = ask(wechat, "POST", count, b"{}")
    assert status == 503 and body.startswith(b"<html>") and made.hit == 1
    wechat.calm()
    assert caller.code("draft/count") == 0
    for how in ("late", "slow"):
        wechat.trouble(count, how, seconds=0.05)
        assert caller.code("draft/count") == 0
    with pytest.raises(ValueError):
        wechat.trouble(count, "sideways")


def test_a_lost_reply_did_take_effect_and_an_error_did_not_unless_it_lies(wechat, caller):
    for how, n in (({"how": "lost"}, 1), ({"error": -1}, 1), ({"error": -1, "effect": True}, 2), ({"status": 502}, 2)):
        wechat.trouble("/cgi-bin/draft/add", **how)
        with contextlib.suppress(http.client.RemoteDisconnected, ValueError):
            caller.draft()
        assert len(wechat.drafts) == n
    call = wechat.calls("/cgi-bin/draft/add")[0]
    assert call.trouble == "lost" and call.json()["articles"] and call.replied()["media_id"] in wechat.drafts


def test_a_hanging_call_ends_with_the_simulator():
    with Wechat() as one:
        one.trouble("/cgi-bin/token", "hang")
        connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=5)
        connection.request("GET", "/cgi-bin/token")
        one.wait(lambda: one.calls("/cgi-bin/token"))
    with pytest.raises(OSError):
        connection.getresponse()
    connection.close()


def control(port, what, wish=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/control/{what}", None if wish is None else json.dumps(wish).encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as problem:
        return json.load(problem)


@pytest.mark.parametrize("name", ["wechat", "weibo"])
def test_it_is_a_program_that_is_ruled_by_http(name):
    with subprocess.Popen([sys.executable, SIMULATORS / f"{name}.py", "--port", "0", "--print-port"], stdout=subprocess.PIPE, text=True) as program:
        try:
            port = int(program.stdout.readline())
            control(port, "clock", {"at": "2030-01-01 00:00:00", "freeze": True})
            assert control(port, "clock", {"forward": 86400})["now"] == 1893513600
            assert control(port, "state")["day"] == "2030-01-02"
            path = "/cgi-bin/token" if name == "wechat" else "/2/statuses/share.json"
            control(port, "trouble", {"endpoint": path, "status": 500})
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10)
            entry, = control(port, "log")
            assert (entry["path"], entry["status"], entry["trouble"]) == (path, 500, "error")
            assert control(port, "set", {"name": "某县发布"})["now"] and control(port, "state")["account"]["name"] == "某县发布"
            assert "cannot set" in control(port, "set", {"port": 1})["problem"] and "cannot do" in control(port, "do", {"call": "close"})["problem"]
            if name == "weibo":
                assert control(port, "do", {"call": "grant", "with": {"text": "T"}}) == {"done": "T"}
        finally:
            program.kill()


def test_time_stands_still_or_runs_and_what_falls_due_is_done(wechat):
    done = []
    wechat.clock.after(10, lambda: done.append("ten"))
    wechat.clock.after(5, lambda: done.append("five"))
    wechat.clock.forward(4.9)
    assert done == []
    wechat.clock.forward(6)
    assert done == ["five", "ten"]
    wechat.clock.set("2026-03-02T16:30:00+00:00", freeze=True)
    assert (wechat.clock.day(), wechat.clock.month()) == ("2026-03-03", "2026-03")  # China's day
    wechat.clock.set("2026-03-02 09:00:00")  # runs again, and so does its own thread
    wechat.clock.after(0.01, lambda: (done.append("soon"), wechat.lock.notify_all()))
    wechat.wait(lambda: done[-1] == "soon")


def test_what_is_done_alone_leaves_the_simulator_free(wechat):
    statuses = []
    wechat.clock.after(5, lambda: statuses.append(ask(wechat, "GET", "/")[0]), alone=True)
    wechat.clock.forward(5)
    assert statuses == [200], "a receiver of pushes may call while it takes one"


def test_a_page_that_people_look_at_is_no_call(wechat):
    wechat.trouble("*", "reset")
    assert ask(wechat, "GET", "/")[0] == 200 and wechat.calls() == []
    assert broken_call(wechat, "/cgi-bin/draft/count")[0] == "reset" and len(wechat.calls()) == 1


def test_a_fault_of_the_simulator_is_not_taken_for_the_platforms():
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        with Wechat() as one:
            one.routes["/cgi-bin/draft/count"] = lambda request: 1 / 0
            one.check_token = lambda request: None
            assert ask(one, "POST", "/cgi-bin/draft/count", b"{}")[0] == 500


def test_chunked_bodies_and_those_that_wait_to_be_wanted_are_read(wechat, caller):
    connection = http.client.HTTPConnection("127.0.0.1", wechat.port, timeout=5)
    connection.request("POST", f"/cgi-bin/draft/add?access_token={caller.token}", iter([b'{"articles":', b"[]}"]), {"Expect": "100-continue"})
    reply = connection.getresponse()
    assert json.loads(reply.read())["errcode"] == 44003
    connection.request("POST", f"/cgi-bin/draft/count?access_token={caller.token}", b"{}")  # the connection is still good
    assert json.loads(connection.getresponse().read()) == {"total_count": 0}
    connection.close()


@pytest.mark.parametrize("kind, body", [
    ("text/plain", b"a=1"), ("application/x-www-form-urlencoded", b"a=1&a=2"), ("application/x-www-form-urlencoded", b"a=%ff"),
    ("application/x-www-form-urlencoded", "a=中".encode()), ("multipart/form-data", b""), ("multipart/form-data; boundary=x", b"--x\r\n\r\nno end"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--x--\r\n")], ids=short)
def test_a_form_that_is_none_is_refused(kind, body):
    with pytest.raises(BadForm):
        fields(kind, body)


def test_multipart_keeps_every_byte():
    data = b"\r\n--b0un\r\n" + bytes(range(256)) + b"\r\n"
    body, headers = multipart([("media", 'a"b.png'.replace('"', "%22"), data), ("空", None, "文".encode())])
    one, two = parse_multipart(headers["Content-Type"], body)
    assert (one.filename, one.data, two.name, two.text()) == ('a"b.png', data, "空", "文")


# ---- Weibo: posts ----

@pytest.mark.parametrize("text, n", [
    ("我司CEO与我司吉祥物...好大一坨！", 16),  # the check value of the clients' rule
    ("", 0), ("a", 1), ("ab", 1), ("abc", 2), ("中", 1), ("😀", 2), ("\u0080\u0080", 1), ("\u0081\u0081", 2),
    ("http://a.cn", 10), ("https://a.cn/" + "x" * 127, 10), ("https://a.cn/" + "x" * 129, 11), ("看http://a.cn文", 12),
    ("http://t.cn/A6abcdef", 10), ("http://t.cn/A6abc", 9), ("http://weibo.com/12345", 11), ("http://m.weibo.cn/" + "x" * 23, 21),
    ("http://m.weibo.cn/" + "x" * 24, 10)], ids=short)
def test_length_is_counted_as_the_clients_do(text, n):
    assert length(text) == n


def test_a_post_is_answered_listed_and_deleted(author, weibo):
    made = author.share(f"【停水通告】明日停水 {HTTPS}a.html")
    assert made["status"] == 200 and made["id"] > 1 << 53 and made["idstr"] == str(made["id"]) == made["mid"]
    assert made["created_at"] == "Mon Mar 02 09:00:00 +0800 2026" and "http://t.cn/" in made["text"]
    listed = author.timeline()
    assert [s["idstr"] for s in listed["statuses"]] == [made["idstr"]] and listed["total_number"] == 1
    page = ask(weibo, "GET", "/")[2].decode()
    assert "明日停水" in page and "<s>" not in page
    assert author.destroy(made["idstr"])["idstr"] == made["idstr"]
    assert author.timeline()["statuses"] == [] and "<s>【停水通告】" in ask(weibo, "GET", "/")[2].decode()
    assert author.destroy(made["idstr"])["error_code"] == 20101
    assert "已被作者删除" in ask(weibo, "GET", f"/detail/{made['idstr']}")[2].decode()
    assert author.destroy(weibo.seed("别人的", uid=1))["error_code"] == 20102
    weibo.short_links = False
    assert author.share(f"又一件 {HTTPS}b.html")["text"] == f"又一件 {HTTPS}b.html"


@pytest.mark.parametrize("text, code", [
    ("文" * 130 + HTTPS, None), ("文" * 131 + HTTPS, 20012), ("文", 10017), ("文 https://tengchong.gov.cn.evil.com/", 10017),
    ("文 https://tengchong.gov.cn/a", None), ("#停水# " + HTTPS, 20021), (f"一号# {HTTPS}#top 二号", None), (" ", 20008), ("", 20008)], ids=short)
def test_a_text_has_a_length_an_address_of_ours_and_no_topic(author, text, code):
    assert author.share(text).get("error_code") == code


@pytest.mark.parametrize("change, code", [({"rip": ""}, 10016), ({"rip": "here"}, 10008), ({"rip": "240e::1"}, None), ({"access_token": ""}, 10006),
                                          ({"access_token": "x"}, 21317), ({"pic": "x"}, 20007)])
def test_a_post_says_what_is_missing(author, change, code):
    assert author.share("文 " + HTTPS, **change).get("error_code") == code


def test_a_post_is_a_form_by_post(author, weibo):
    assert code_of(ask(weibo, "GET", "/2/statuses/share.json")) == (400, 10021)
    assert code_of(ask(weibo, "POST", "/2/statuses/share.json", b"{}", {"Content-Type": "application/json"})) == (400, 10008)
    assert code_of(ask(weibo, "POST", "/2/statuses/nothing.json", b"")) == (400, 10020)
    assert author.form("/2/statuses/share.json", rip="1.1.1.1")["error_code"] == 10016


def code_of(reply):
    return reply[0], json.loads(reply[2])["error_code"]


@pytest.mark.parametrize("data, code", [(JPG, None), (GIF, None), (PNG + b"x" * (5 * MB - 1 - len(PNG)), None),
                                        (PNG + b"x" * (5 * MB - len(PNG)), 20006), (BMP, 20005)], ids=short)
def test_a_picture_is_jpeg_gif_or_png_under_five_mb(author, weibo, data, code):
    answer = author.share_picture("图 " + HTTPS, data)
    assert answer.get("error_code") == code
    if not code:
        assert ask(weibo, "GET", answer["pic_urls"][0]["thumbnail_pic"].replace(weibo.url, ""))[2] == data


def test_the_same_text_is_refused_and_a_similar_one_for_a_while(author, weibo):
    assert "idstr" in author.share(f"明日停水，请储水。{HTTPS}1")
    assert author.share(f"明日停水，请储水。{HTTPS}1")["error_code"] == 20019
    assert author.share(f"明日停水请储水！ {HTTPS}2")["error_code"] == 20017
    weibo.clock.forward(600)
    assert "idstr" in author.share(f"明日停水请储水！ {HTTPS}2")
    assert author.share(f"明日停水，请储水。{HTTPS}1")["error_code"] == 20019
    weibo.clock.forward(86400)
    assert "idstr" in author.share(f"明日停水，请储水。{HTTPS}1")


def test_a_lost_reply_shows_as_a_repeated_text(author, weibo):
    weibo.trouble("/2/statuses/share.json", "lost")
    with pytest.raises(http.client.RemoteDisconnected):
        author.share("文 " + HTTPS)
    assert author.share("文 " + HTTPS)["error_code"] == 20019 and author.timeline()["total_number"] == 1


def test_a_slow_post_is_taken_and_seen_later(author, weibo):
    weibo.slow_seconds = 90
    assert author.share("文 " + HTTPS)["error_code"] == 20032
    assert author.timeline()["statuses"] == []
    weibo.clock.forward(90)
    assert len(author.timeline()["statuses"]) == 1


@pytest.mark.parametrize("what, code, opens", [
    ("per_ip_hour", 10022, "2026-03-02 10:00:00"), ("per_user_hour", 10023, "2026-03-02 10:00:00"), ("per_post_hour", 10024, "2026-03-02 10:00:00"),
    ("most_posts", 20016, "2026-03-02 10:00:00"), ("per_user_day", 10023, "2026-03-03 00:00:00")])
def test_limits_run_out_and_open_again(author, weibo, what, code, opens):
    weibo.use_up(what, left=1)
    assert "idstr" in author.share("一 " + HTTPS)
    answer = author.share("二 " + HTTPS)
    assert (answer["error_code"], answer["status"]) == (code, 403)
    weibo.clock.set(opens, freeze=True)
    weibo.clock.forward(-1)
    assert author.share("二 " + HTTPS)["error_code"] == code
    weibo.clock.forward(1)
    assert "idstr" in author.share("二 " + HTTPS)


def test_an_error_has_the_providers_form_and_a_code_that_is_a_number_or_a_string(author, weibo):
    assert author.share("文") == {"request": "/2/statuses/share.json", "error_code": 10017, "error": "appkey not bind domain", "status": 400}
    weibo.string_codes = True
    assert author.share("文")["error_code"] == "10017"
    weibo.trouble("/2/statuses/share.json", error=10001)
    assert (author.share("文")["error_code"], author.share("文")["error_code"]) == ("10001", "10017")


def test_the_timeline_is_read_in_pages(author):
    ids = [author.share(f"第{n}件 {HTTPS}")["id"] for n in "一二三"]
    def seen(**words):
        return [s["id"] for s in author.timeline(**words)["statuses"]]
    assert seen() == ids[::-1] and seen(count=2) == [ids[2], ids[1]] and seen(count=2, page=2) == [ids[0]]
    assert seen(since_id=ids[1]) == [ids[2]] and seen(max_id=ids[1]) == [ids[1], ids[0]]
    assert [author.timeline(**w).get("error_code") for w in ({"count": 0}, {"count": 101}, {"count": "x"}, {"uid": 5}, {"count": 100})] == [10008] * 4 + [None]


# ---- Weibo: who may ----

def test_a_token_ends_when_its_time_is_over_or_it_is_taken_back(author, weibo):
    life = {"unaudited": 86400, "audited": 2592000, "owner": 157679471}
    for app, seconds in life.items():
        weibo.app = app
        author.token = weibo.grant()
        info = author.form("/oauth2/get_token_info")
        assert info["expire_in"] == seconds and info["uid"] == weibo.uid and info["appkey"] == weibo.app_key
    author.token = weibo.grant(seconds=60)
    weibo.clock.forward(59)
    assert author.form("/oauth2/get_token_info")["expire_in"] == 1
    weibo.clock.forward(1)
    assert author.share("文 " + HTTPS)["error_code"] == 21327 and author.form("/oauth2/get_token_info")["error_code"] == 21327
    author.token = weibo.grant()
    weibo.revoke(author.token)
    answer = author.share("文 " + HTTPS)
    assert (answer["error_code"], answer["status"]) == (21316, 401)


def grant(weibo, **change):
    words = {"client_id": weibo.app_key, "redirect_uri": weibo.redirect_uri, "response_type": "code", "state": "s&1", **change}
    return ask(weibo, "GET", "/oauth2/authorize?" + urllib.parse.urlencode(words)), \
        ask(weibo, "POST", "/oauth2/authorize", urllib.parse.urlencode({**words, "answer": change.get("answer", "yes")}).encode(),
            {"Content-Type": "application/x-www-form-urlencoded"})


def exchange(weibo, given, **change):
    words = {"client_id": weibo.app_key, "client_secret": weibo.app_secret, "grant_type": "authorization_code", "code": given,
             "redirect_uri": weibo.redirect_uri, **change}
    return json.loads(ask(weibo, "POST", "/oauth2/access_token?" + urllib.parse.urlencode(words))[2])


def test_an_officer_grants_a_code_and_the_code_is_a_token_once(author, weibo):
    weibo.redirect_uri = "http://127.0.0.1:1/back?x=1"
    question, answer = grant(weibo)
    assert question[0] == 200 and "授权" in question[2].decode() and answer[0] == 302
    back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer[1]["location"]).query))
    assert back["x"] == "1" and back["state"] == "s&1"
    token = exchange(weibo, back["code"])
    assert token["expires_in"] == 2592000 and token["uid"] == str(weibo.uid)
    author.token = token["access_token"]
    assert "idstr" in author.share("文 " + HTTPS)
    assert exchange(weibo, back["code"])["error_code"] == 21325
    refused = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(grant(weibo, answer="no")[1][1]["location"]).query))
    assert (refused["error"], refused["error_code"]) == ("access_denied", "21330")


@pytest.mark.parametrize("change, code", [({"client_id": "1"}, 21324), ({"client_secret": "x"}, 21324), ({"grant_type": "password"}, 21328),
                                          ({"code": ""}, 21323), ({"redirect_uri": "http://x"}, 21322), ({"code": "never"}, 21325)])
def test_the_exchange_says_what_is_wrong(weibo, change, code):
    page = grant(weibo)[1][2].decode()
    answer = exchange(weibo, page.split("<code>")[1].split("</code>")[0], **change)
    assert answer["error_code"] == code and answer["error_uri"] == "/oauth2/access_token"


def test_authorising_needs_the_app_and_its_address_and_a_test_account_before_the_audit(weibo):
    assert [code_of(grant(weibo, **c)[0])[1] for c in ({"client_id": "1"}, {"redirect_uri": "http://x"}, {"response_type": "token"})] == [21324, 21322, 21329]
    weibo.app, weibo.testers = "unaudited", [5]
    page = grant(weibo)[1][2].decode()
    assert exchange(weibo, page.split("<code>")[1].split("</code>")[0])["error_code"] == 21321
    weibo.app = "audited"
    page = grant(weibo)[1][2].decode()
    weibo.clock.forward(601)
    assert exchange(weibo, page.split("<code>")[1].split("</code>")[0])["error_code"] == 21325
