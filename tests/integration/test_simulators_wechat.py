"""The simulated WeChat account: what the driver is judged by must itself be right."""
import contextlib
import json
import urllib.parse

import pytest

from socialkit import BMP, GIF, JPG, MP3, MP4, PNG, Receiver, ask, caller, short, wechat  # noqa: F401
from wechat_push import decrypt, encrypt, signature

MB = 1 << 20


# ---- tokens ----

def test_the_stable_token_is_the_same_until_five_minutes_before_its_end_and_then_both_work(wechat, caller):
    first = caller.stable()
    assert (first["access_token"], first["expires_in"]) == (caller.token, 7200) and len(caller.token) == 512
    wechat.clock.forward(6900)
    assert caller.stable() == {"access_token": caller.token, "expires_in": 300}
    wechat.clock.forward(1)
    second = caller.stable()
    assert second["access_token"] != caller.token and second["expires_in"] == 7200
    assert caller.code("draft/count") == 0
    wechat.clock.forward(298)
    assert caller.code("draft/count") == 0
    wechat.clock.forward(1)
    assert caller.code("draft/count") == 42001
    caller.token = second["access_token"]
    assert caller.code("draft/count") == 0


def test_a_forced_token_ends_the_old_one_at_once_and_is_rare(wechat, caller):
    old = caller.token
    new = caller.stable(force_refresh=True)["access_token"]
    assert new != old and caller.code("draft/count") == 40001
    assert caller.stable()["access_token"] == new
    wechat.clock.forward(29)
    assert caller.stable(force_refresh=True)["errcode"] == 45011
    wechat.clock.forward(1)
    assert "access_token" in caller.stable(force_refresh=True)
    for _ in range(18):
        wechat.clock.forward(30)
        assert "access_token" in caller.stable(force_refresh=True)
    wechat.clock.forward(30)
    assert caller.stable(force_refresh=True)["errcode"] == 45009
    assert "access_token" in caller.stable()
    wechat.clock.set("2026-03-03 00:00:00", freeze=True)
    assert "access_token" in caller.stable(force_refresh=True)


def test_plain_tokens_replace_each_other_and_leave_the_stable_one_alone(wechat, caller):
    def plain(**more):
        return caller.raw("/cgi-bin/token", b"", "GET", **{"grant_type": "client_credential", "appid": wechat.appid, "secret": wechat.secret, **more})
    first, second = plain()["access_token"], plain()["access_token"]
    assert caller.raw("/cgi-bin/draft/count", {}, access_token=first)["errcode"] == 40001
    assert caller.raw("/cgi-bin/draft/count", {}, access_token=second) == {"total_count": 0}
    assert caller.code("draft/count") == 0
    assert plain(secret="x")["errcode"] == 40125
    wechat.use_up("/cgi-bin/token")
    assert plain()["errcode"] == 45009


@pytest.mark.parametrize("change, code", [
    ({"appid": "wx0"}, 40013), ({"secret": "wrong"}, 40125), ({"appid": None}, 41002), ({"secret": None}, 41004),
    ({"grant_type": "password"}, 40002), ({"force_refresh": "true"}, 47001),
])
def test_the_token_endpoint_says_what_is_wrong(caller, change, code):
    assert caller.stable(**change)["errcode"] == code


@pytest.mark.parametrize("setting, value, code", [
    ("allowed_ips", ["10.0.0.1"], 40164), ("ip_state", "pending", 89501), ("ip_state", "unconfirmed", 89503),
    ("ip_state", "refused", 89507), ("ip_state", "refused twice", 89506),
])
def test_an_address_that_may_not_call_is_told_so(wechat, caller, setting, value, code):
    setattr(wechat, setting, value)
    answer = caller.stable()
    assert answer["errcode"] == code and (code != 40164 or "127.0.0.1" in answer["errmsg"])


def test_the_stable_token_wants_a_json_body_by_post(wechat, caller):
    words = {"grant_type": "client_credential", "appid": wechat.appid, "secret": wechat.secret}
    assert caller.raw("/cgi-bin/stable_token", urllib.parse.urlencode(words).encode())["errcode"] == 47001
    assert caller.raw("/cgi-bin/stable_token", b"", **words)["errcode"] == 44002
    assert caller.raw("/cgi-bin/stable_token", words, "GET")["errcode"] == 43002
    wechat.minutely["/cgi-bin/stable_token"] = 1
    wechat.clock.forward(60)
    assert "access_token" in caller.stable() and caller.stable()["errcode"] == 45011


def test_a_call_needs_a_token_a_post_and_an_account_in_order(wechat, caller):
    assert caller.raw("/cgi-bin/draft/count", {})["errcode"] == 41001
    assert caller.raw("/cgi-bin/draft/count", {}, access_token="no")["errcode"] == 40014
    assert caller.raw("/cgi-bin/draft/count", {}, "GET", access_token=caller.token)["errcode"] == 43002
    assert caller.code("nothing/here") == 40066
    wechat.frozen = True
    assert caller.code("draft/count") == 50007
    wechat.frozen = False
    wechat.expire_token()
    assert caller.code("draft/count") == 40001


# ---- files ----

def filled(head, n):
    return head + b"x" * (n - len(head))


@pytest.mark.parametrize("data, code", [
    (JPG, 0), (PNG, 0), (GIF, 40005), (b"<svg/>", 40005), (b"", 44001), (filled(PNG, MB - 1), 0), (filled(PNG, MB), 40009)], ids=short)
def test_uploadimg_takes_jpg_and_png_under_one_mb(caller, data, code):
    answer = caller.upload("/cgi-bin/media/uploadimg", data, "a.png")
    assert answer.get("errcode", 0) == code
    if not code:
        status, headers, body = ask(caller.one, "GET", answer["url"].replace(caller.one.url, ""))
        assert (status, body) == (200, data) and headers["content-type"].startswith("image/")


@pytest.mark.parametrize("part, name", [("file", "a.png"), ("media", None)])
def test_a_file_is_a_part_named_media_with_a_file_name(caller, part, name):
    assert caller.upload("/cgi-bin/media/uploadimg", PNG, name, part)["errcode"] == 41005
    assert caller.raw("/cgi-bin/media/uploadimg", PNG, access_token=caller.token)["errcode"] == 41005


@pytest.mark.parametrize("kind, data, code", [
    ("image", BMP, 0), ("image", GIF, 0), ("image", MP3, 40005), ("image", filled(PNG, 10 * MB), 0), ("image", filled(PNG, 10 * MB + 1), 40009),
    ("thumb", filled(JPG, 64 << 10), 0), ("thumb", filled(JPG, (64 << 10) + 1), 40012), ("thumb", PNG, 40005),
    ("voice", filled(MP3, 2 * MB), 0), ("voice", filled(MP3, 2 * MB + 1), 40006), ("video", MP4, 47001), ("paper", PNG, 40004),
], ids=short)
def test_material_has_types_and_sizes(caller, kind, data, code):
    answer = caller.upload("/cgi-bin/material/add_material", data, type=kind)
    assert answer.get("errcode", 0) == code and ("media_id" in answer) == (code == 0) and ("url" in answer) == (code == 0 and kind == "image")


def test_a_video_needs_a_description(caller):
    words = json.dumps({"title": "题", "introduction": "文"}).encode()
    assert "media_id" in caller.upload("/cgi-bin/material/add_material", MP4, others=[("description", None, words)], type="video")


# ---- drafts ----

@pytest.mark.parametrize("field, good, bad, code", [
    ("title", "题" * 32, "题" * 33, 45003), ("title", "题", " ", 44003), ("author", "名" * 16, "名" * 17, 45110),
    ("digest", "摘" * 128, "摘" * 129, 45004), ("content", "文" * 19_999, "文" * 20_000, 45002), ("content", "文", "", 44003),
    ("content_source_url", "http://a.cn/" + "x" * 1012, "http://a.cn/" + "x" * 1013, 45005),
    ("need_open_comment", 1, 2, 47001), ("only_fans_can_comment", 0, "1", 47001), ("article_type", "news", "video", 40008),
    ("pic_crop_235_1", "0_0_1_0.123456", "0_0_1_0.1234567", 40035), ("pic_crop_1_1", "0.1_0.1_0.9_1", "0.1_0.1_1.1_1", 40035),
], ids=short)
def test_each_field_of_an_article_has_its_limit(caller, field, good, bad, code):
    assert "media_id" in caller.draft(**{field: good})
    assert caller.draft(**{field: bad})["errcode"] == code


def test_content_has_less_than_a_megabyte_whatever_its_characters(wechat, caller, monkeypatch):
    monkeypatch.setattr("wechat_rules.MB", 9000)  # 20,000 characters never have a megabyte
    assert "media_id" in caller.draft(content="文" * 2999)
    assert caller.draft(content="文" * 3000)["errcode"] == 45002


def test_a_cover_is_a_permanent_picture(wechat, caller):
    voice = caller.upload("/cgi-bin/material/add_material", MP3, type="voice")["media_id"]
    for wrong in ("nothing", voice, None, [], ""):
        assert caller.draft(thumb_media_id=wrong)["errcode"] == 40007
    wechat.forget_media(caller.thumb)
    assert caller.draft()["errcode"] == 40007


def test_pictures_in_the_body_come_from_uploadimg(wechat, caller):
    ours = caller.image().replace("&", "&amp;")
    assert "media_id" in caller.draft(content=f'<p><img src="{ours}"></p>')
    for foreign in ('<img src="http://other.cn/a.png">', '<p style="background:url(http://other.cn/a.png)">', '<img data-src="data:image/png;base64,AA">',
                    f'<img src="{ours}x">'):
        assert caller.draft(content=foreign + "<p>文</p>")["errcode"] == 45166
    wechat.foreign_images = "drop"
    media_id = caller.draft(content='<p>文<img src="http://other.cn/a.png"></p>')["media_id"]
    assert caller.call("draft/get", media_id=media_id)["news_item"][0]["content"] == "<p>文</p>"


def test_scripts_are_taken_out_and_an_empty_digest_is_the_first_54_characters(caller):
    media_id = caller.draft(content='<p onclick="x()">' + "字" * 60 + "&amp;</p><script>alert(1)</script><a href='javascript:x'>去</a>")["media_id"]
    found, = caller.call("draft/get", media_id=media_id)["news_item"]
    assert found["content"] == "<p>" + "字" * 60 + "&amp;</p><a>去</a>" and found["digest"] == "字" * 54


def test_text_is_sent_raw_and_not_escaped(caller):
    body = json.dumps({"articles": [caller.article()]}).encode()
    assert b"\\u" in body
    answer = caller.raw("/cgi-bin/draft/add", body, access_token=caller.token)
    assert answer["errcode"] == 47001 and "raw UTF-8" in answer["errmsg"]
    assert "media_id" in caller.draft(content="<p>一行\n\t二行 \x1f \\u4e2d</p>")  # JSON must escape these; a written backslash is no escape


@pytest.mark.parametrize("body, code", [(b"", 44002), (b"{", 47001), (b"[]", 47001), ("{\"题\":1}".encode("gbk"), 47001), (b'{"articles":[1]}', 47001),
                                        (b'{"articles":[]}', 44003), (b'{}', 44003), (b'{"articles":[{"title":5}]}', 47001)])
def test_a_body_that_is_no_draft_is_refused(caller, body, code):
    assert caller.raw("/cgi-bin/draft/add", body, access_token=caller.token)["errcode"] == code


def test_a_draft_has_eight_articles_at_most_and_a_digest_only_alone(caller):
    assert caller.code("draft/add", articles=[caller.article()] * 9) == 45008
    media_id = caller.call("draft/add", articles=[caller.article(digest="摘")] * 8)["media_id"]
    assert [a["digest"] for a in caller.call("draft/get", media_id=media_id)["news_item"]] == [""] * 8


def test_a_newspic_has_pictures_and_plain_text(caller):
    def pictures(content="文", ids=(caller.thumb,)):
        return caller.draft(article_type="newspic", content=content, thumb_media_id=None, image_info={"image_list": [{"image_media_id": i} for i in ids]})
    assert "media_id" in pictures()
    assert [pictures("<p>文</p>")["errcode"], pictures(ids=["x"])["errcode"], pictures(ids=[])["errcode"]] == [45166, 40007, 44003]


def test_drafts_are_listed_newest_first_and_deleted_once(caller):
    ids = [caller.draft(title=f"第{n}件")["media_id"] for n in range(3)]
    listed = caller.call("draft/batchget", offset=0, count=2)
    assert (listed["total_count"], [i["media_id"] for i in listed["item"]]) == (3, [ids[2], ids[1]])
    assert listed["item"][0]["content"]["news_item"][0]["title"] == "第2件"
    assert caller.call("draft/batchget", offset=2, count=20, no_content=1)["item"][0]["content"] == {}
    assert [caller.code("draft/batchget", offset=0, count=n) for n in (0, 1, 20, 21)] == [40035, 0, 0, 40035]
    assert caller.call("draft/count")["total_count"] == 3
    assert [caller.code("draft/delete", media_id=ids[0]) for _ in range(2)] == [0, 40007]
    assert caller.code("draft/update", media_id=ids[1], index=0, articles=caller.article(title="改")) == 0
    assert caller.call("draft/get", media_id=ids[1])["news_item"][0]["title"] == "改"


# ---- publishing ----

def test_a_publication_takes_its_time_and_takes_the_draft_out_of_the_box(wechat, caller):
    wechat.publish_seconds = 60
    media_id = caller.draft()["media_id"]
    queued = caller.call("freepublish/submit", media_id=media_id)
    assert queued["errcode"] == 0
    wechat.clock.forward(59)
    assert caller.call("freepublish/get", publish_id=queued["publish_id"])["publish_status"] == 1
    assert caller.call("draft/count")["total_count"] == 1
    wechat.clock.forward(1)
    done = caller.call("freepublish/get", publish_id=queued["publish_id"])
    assert (done["publish_status"], done["article_detail"]["count"], done["fail_idx"]) == (0, 1, [])
    assert caller.code("freepublish/submit", media_id=media_id) == 40007
    listed, = caller.call("freepublish/batchget", offset=0, count=20)["item"]
    assert listed["article_id"] == done["article_id"] and listed["content"]["news_item"][0]["url"] == done["article_detail"]["item"][0]["article_url"]
    assert caller.call("freepublish/getarticle", article_id=done["article_id"])["news_item"][0]["is_deleted"] is False


def test_a_draft_that_is_submitted_twice_in_a_hurry_is_shown_twice(wechat, caller):
    wechat.publish_seconds = 60
    media_id = caller.draft()["media_id"]
    for _ in range(2):
        assert caller.code("freepublish/submit", media_id=media_id) == 0
    wechat.clock.forward(60)
    assert len(wechat.articles) == 2


@pytest.mark.parametrize("status", [2, 3, 4])
def test_a_publication_can_fail(wechat, caller, status):
    wechat.publish_results = [status]
    found = caller.published()
    assert (found["publish_status"], found["fail_idx"]) == (status, [1]) and "article_id" not in found
    assert caller.call("draft/count")["total_count"] == 1


def test_accounts_that_may_not_publish(wechat, caller):
    wechat.sandbox = True
    assert caller.published()["publish_status"] == 3
    wechat.verified = False
    for path in ("submit", "get", "batchget", "getarticle", "delete"):
        assert caller.code("freepublish/" + path) == 48001
    assert caller.code("message/mass/sendall") == 48001
    assert caller.code("draft/count") == 0


def read(wechat, url):
    return ask(wechat, "GET", url.replace(wechat.url, "").split("#")[0])[2].decode()


def test_what_is_deleted_is_gone_for_citizens_and_struck_out_for_the_operator(wechat, caller):
    media_id = caller.call("draft/add", articles=[caller.article(title="第一"), caller.article(title="第二")])["media_id"]
    publish_id = caller.call("freepublish/submit", media_id=media_id)["publish_id"]
    done = caller.call("freepublish/get", publish_id=publish_id)
    first, second = (i["article_url"] for i in done["article_detail"]["item"])
    assert "明日停水" in read(wechat, first) and "第一" in read(wechat, "/")
    assert [caller.code("freepublish/delete", article_id=done["article_id"], index=i) for i in (3, 1, 1)] == [40060, 0, 53600]
    assert "该内容已被发布者删除" in read(wechat, first) and "明日停水" in read(wechat, second)
    assert "<s>第一</s>" in read(wechat, "/") and "<s>第二</s>" not in read(wechat, "/")
    news = caller.call("freepublish/getarticle", article_id=done["article_id"])["news_item"]
    assert [n["is_deleted"] for n in news] == [True, False]
    assert caller.code("freepublish/delete", article_id=done["article_id"]) == 0
    assert caller.call("freepublish/get", publish_id=publish_id)["publish_status"] == 5
    assert caller.call("freepublish/batchget", offset=0, count=1) == {"total_count": 0, "item_count": 0, "item": []}
    assert caller.code("freepublish/getarticle", article_id="none") == 53600


def test_the_platform_can_take_an_article_down(wechat, caller):
    done = caller.published()
    wechat.block(done["article_detail"]["item"][0]["article_url"])
    assert caller.call("freepublish/get", publish_id=done["publish_id"])["publish_status"] == 6
    assert "此内容因违规无法查看" in read(wechat, done["article_detail"]["item"][0]["article_url"])


def test_publish_id_is_a_string_or_a_number(wechat, caller):
    assert isinstance(caller.publish(), str)
    wechat.number_ids = True
    assert isinstance(caller.published()["publish_id"], int)


# ---- mass sends ----

def test_a_subscription_account_sends_once_a_day(wechat, caller):
    first = caller.send()
    assert first["errcode"] == 0 and caller.call("message/mass/get", msg_id=first["msg_id"])["msg_status"] == "SEND_SUCCESS"
    assert caller.send(filter={"tag_id": 2})["errcode"] == 45028
    wechat.clock.set("2026-03-02 23:59:59", freeze=True)
    caller.token = caller.stable()["access_token"]
    assert caller.send()["errcode"] == 45028
    wechat.clock.forward(1)
    assert caller.send()["errcode"] == 0


def test_a_service_account_reaches_nobody_a_fifth_time_in_a_month(wechat, caller):
    wechat.account = "service"
    for day in (2, 3, 4):
        wechat.clock.set(f"2026-03-{day:02} 09:00:00", freeze=True)
        caller.token = caller.stable()["access_token"]
        assert caller.send()["errcode"] == 0 and caller.send()["errcode"] == 45028  # to all: once a day
    assert caller.send(filter={"is_to_all": False, "tag_id": 2})["errcode"] == 0
    assert caller.send(filter={"tag_id": 2})["errcode"] == 45028 and caller.send(filter={"tag_id": 3})["errcode"] == 0
    wechat.clock.set("2026-04-01 00:00:00", freeze=True)
    caller.token = caller.stable()["access_token"]
    assert caller.send(filter={"tag_id": 2})["errcode"] == 0


def test_a_clientmsgid_is_sent_once_and_its_repetition_names_the_first(wechat, caller):
    body = {"mpnews": {"media_id": caller.draft()["media_id"]}, "clientmsgid": "公" * 21 + "x"}
    first = caller.send(**body)
    assert caller.send(**body)["errcode"] == 45066
    wechat.clock.forward(60)
    again = caller.send(**body)
    assert (again["errcode"], again["msg_id"]) == (45065, first["msg_id"]) and len(wechat.sends) == 1
    assert caller.send(**{**body, "clientmsgid": "公" * 21 + "xx"})["errcode"] == 45067


@pytest.mark.parametrize("change, code", [
    ({"filter": None}, 47001), ({"filter": {"tag_id": 9}}, 40152), ({"msgtype": "card"}, 40008), ({"mpnews": {"media_id": "x"}}, 40007),
    ({"mpnews": {}}, 40007),
    ({"msgtype": "text", "text": {"content": ""}}, 44004), ({"msgtype": "text", "text": {"content": "文"}}, 0), ({"send_ignore_reprint": 2}, 40035)])
def test_a_mass_send_says_what_is_wrong(caller, change, code):
    assert caller.send(**change)["errcode"] == code


def test_a_protected_send_to_all_waits_for_the_administrator_half_an_hour(wechat, caller):
    wechat.protected = True
    wechat.account = "service"

    def status(send):
        return caller.call("message/mass/get", msg_id=send["msg_id"])["msg_status"]
    agreed = caller.send()
    assert agreed["errcode"] == 89504 and status(agreed) == "SENDING"
    wechat.admin(True)
    assert status(agreed) == "SEND_SUCCESS"
    wechat.clock.forward(86400)
    caller.token = caller.stable()["access_token"]
    forgotten = caller.send()
    wechat.clock.forward(1799)
    assert status(forgotten) == "SENDING"
    wechat.clock.forward(1)
    assert status(forgotten) == "SEND_FAIL"
    assert caller.send(filter={"tag_id": 3})["errcode"] == 0


@pytest.mark.parametrize("reprint, ignore, status", [("allowed", 0, "SEND_FAIL"), ("allowed", 1, "SEND_SUCCESS"), ("forbidden", 1, "SEND_FAIL")])
def test_a_reprint_stops_a_send_unless_it_may_go_on(wechat, caller, reprint, ignore, status):
    wechat.reprints = [reprint]
    assert caller.call("message/mass/get", msg_id=caller.send(send_ignore_reprint=ignore)["msg_id"])["msg_status"] == status


def test_deleting_one_send_deletes_all_of_its_media_id(wechat, caller):
    wechat.account = "service"
    media = {"media_id": caller.draft()["media_id"]}
    one, two = (caller.send(filter={"tag_id": t}, mpnews=media)["msg_id"] for t in (2, 3))
    text = caller.send(filter={"tag_id": 2}, msgtype="text", text={"content": "文"})["msg_id"]
    assert [caller.code("message/mass/delete", msg_id=m) for m in (text, 7, one)] == [40059, 40059, 0]
    assert [caller.call("message/mass/get", msg_id=str(m))["msg_status"] for m in (one, two, text)] == ["DELETE", "DELETE", "SEND_SUCCESS"]
    assert all(a.deleted for a in wechat.articles.values())


def test_previews_go_to_people_who_are_there(wechat, caller):
    draft = {"msgtype": "mpnews", "mpnews": {"media_id": caller.draft()["media_id"]}}
    assert [caller.code("message/mass/preview", **draft, **to) for to in
            ({"towxname": "xuanchuanbu"}, {"touser": next(iter(wechat.followers))}, {"touser": "x"}, {})] == [0, 0, 40003, 40003]
    wechat.use_up("preview by name")
    assert caller.code("message/mass/preview", **draft, towxname="xuanchuanbu") == 45009
    assert [caller.code("message/mass/speed/set", **s) for s in ({"speed": 4}, {"speed": 5}, {})] == [0, 45083, 45084]


# ---- quotas ----

DAILY = {"draft/add": 1000, "draft/delete": 1000, "draft/batchget": 1000, "draft/get": 500, "freepublish/submit": 100, "freepublish/get": 100,
         "freepublish/batchget": 100, "freepublish/getarticle": 100, "freepublish/delete": 10, "message/mass/sendall": 100, "message/mass/delete": 10}


@pytest.mark.parametrize("path, most", DAILY.items())
def test_a_daily_quota_runs_out_and_opens_at_midnight_in_china(wechat, caller, path, most):
    assert wechat.daily["/cgi-bin/" + path] == most
    if most == 10:
        assert all(caller.code(path) != 45009 for _ in range(10))
    else:
        wechat.use_up("/cgi-bin/" + path, left=1)
        assert caller.code(path) != 45009
    assert caller.code(path) == 45009
    wechat.clock.set("2026-03-02 23:59:59", freeze=True)
    caller.token = caller.stable()["access_token"]
    assert caller.code(path) == 45009
    wechat.clock.forward(1)
    assert caller.code(path) != 45009


def test_all_uploads_have_one_quota(wechat, caller):
    wechat.daily["/cgi-bin/media/uploadimg"] = 3  # the cover was the first
    assert "media_id" in caller.upload("/cgi-bin/material/add_material", JPG, type="image")
    assert "url" in caller.upload("/cgi-bin/media/uploadimg", JPG)
    assert caller.upload("/cgi-bin/material/add_material", JPG, type="image")["errcode"] == 45009


def test_the_sixty_first_mass_send_of_a_minute_is_too_many(wechat, caller):
    codes = [caller.code("message/mass/sendall") for _ in range(61)]
    assert 45011 not in codes[:60] and codes[60] == 45011
    wechat.clock.forward(60)
    assert caller.code("message/mass/sendall") != 45011


def test_quotas_can_be_cleared_ten_times_a_month(wechat, caller):
    wechat.use_up("/cgi-bin/freepublish/get")
    assert caller.code("freepublish/get") == 45009 and caller.code("clear_quota", appid="wx0") == 40013
    assert caller.code("clear_quota", appid=wechat.appid) == 0 and caller.code("freepublish/get") == 40035
    assert [caller.code("clear_quota", appid=wechat.appid) for _ in range(10)] == [0] * 9 + [48006]
    wechat.clock.set("2026-04-01 00:00:00", freeze=True)
    caller.token = caller.stable()["access_token"]
    assert caller.code("clear_quota", appid=wechat.appid) == 0


# ---- pushes ----

KEY, APP = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wx5f0c3a1b2d4e6f70"


def test_sealing_and_signing_agree_with_another_implementation():
    # Made with npm wechat-crypto 0.0.2, its random bytes set to these; the short one has more than 16 bytes of padding.
    assert encrypt(KEY, APP, "公开", b"fedcba9876543210") == "DpQeJfnf/MGZ/+GTIspwVNgAQnv+vVYG5jgKmSQc+87i0NUYPj2BAddbygcvOiGKZ7aymkheZz9ypcTAdNETMg=="
    text = "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><标题>公开</标题></xml>"
    sealed = ("Q3stYC6hdFzMh9T8HCvyDKvMuYn5G0Hvs+586AjX6FDUsKuu8Lyhqxv/tH328J14U+5yvd7i+PNA5rQ82v32kPrVcSrB1uBjCxepfHzZlyk0Gbu3cRq8T+YEa4AsUfpFz6GTZD7M"
              "6wXFioBIRKodKuz4+VRc5CdLs2TN1mQddMo=")
    assert encrypt(KEY, APP, text, b"0123456789abcdef") == sealed and decrypt(KEY, APP, sealed) == text
    assert signature("gongkai-token", "1767225600", "nonce-1", sealed) == "f17a523b08b799f9b6475baeff9f6ceccbecfbf6"
    assert signature("gongkai-token", "1767225600", "nonce-1") == "951364b0a2f4e4377a9d6bc816bda2c6cd858168"
    with pytest.raises(ValueError):
        decrypt(KEY, "wx0000000000000000", sealed)
    for n in range(1, 70):  # every length of padding
        assert decrypt(KEY, APP, encrypt(KEY, APP, "x" * n)) == "x" * n


@pytest.mark.parametrize("key", [None, KEY])
def test_the_end_of_a_job_is_pushed_and_pushed_again_until_it_is_taken(wechat, caller, key):
    with contextlib.closing(Receiver("t0ken", key, wechat.appid)) as receiver:
        wechat.set_callback(receiver.url + "?who=county", "t0ken", key)
        receiver.answers = [(500, ""), (200, "no"), (200, "")]
        done = caller.published(title="甲")
        wechat.wait(lambda: len(wechat.pushes) == 3)
        assert [p["outcome"][:8] for p in wechat.pushes] == ["answered", "answered", "taken"]
        assert len(set(receiver.events)) == 1  # the event is the same, down to CreateTime
        event = receiver.events[0]
        url = done["article_detail"]["item"][0]["article_url"]
        for part in ("<Event><![CDATA[PUBLISHJOBFINISH]]></Event>", f"<publish_id>{done['publish_id']}</publish_id>",
                     "<publish_status>0</publish_status>", f"<article_id><![CDATA[{done['article_id']}]]></article_id>", f"<article_url><![CDATA[{url}]]>",
                     "<count>1</count>", "<idx>1</idx>", f"<ToUserName><![CDATA[{wechat.original_id}]]>", "<MsgType><![CDATA[event]]></MsgType>"):
            assert part in event
        wechat.publish_results = [4]
        caller.published()
        wechat.wait(lambda: len(wechat.pushes) == 4)
        assert "<publish_status>4</publish_status>" in receiver.events[-1] and "<fail_idx>1</fail_idx>" in receiver.events[-1]
        wechat.mass_results = ["err(20001)"]
        caller.send()
        wechat.wait(lambda: len(wechat.pushes) == 5)
        assert "MASSSENDJOBFINISH" in receiver.events[-1] and "<Status><![CDATA[err(20001)]]></Status>" in receiver.events[-1]
        receiver.answers = [(404, "")] * 5
        caller.published()
        wechat.wait(lambda: len(wechat.pushes) == 8)
        caller.published()
        wechat.wait(lambda: len(wechat.pushes) == 11)  # three tries each, no fourth
        assert [p["n"] for p in wechat.pushes[5:]] == [1, 2, 3, 1, 2, 3]


def test_an_address_that_does_not_echo_gets_nothing(wechat, caller):
    with contextlib.closing(Receiver("t0ken")) as receiver:
        receiver.echo = False
        wechat.set_callback(receiver.url, "t0ken")
        assert wechat.verify_callback() is False
        caller.published()
        wechat.wait(lambda: len(wechat.pushes) == 3)
        assert receiver.events == [] and {p["outcome"] for p in wechat.pushes} == {"address not verified"}
        receiver.echo = True
        assert wechat.verify_callback() is True
