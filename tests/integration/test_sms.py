"""Short messages from the door to the phones: everybody once, whatever dies or gets lost in between."""
import datetime
import json
import pathlib
import signal
import sys
import urllib.error
import urllib.request

import pytest

from county import SHANGHAI, free_port, publish, wait_until, withdraw
from hookkit import records, state_of

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from sms_aliyun import Aliyun  # noqa: E402
from sms_mas import Mas  # noqa: E402

FIRST = 13800138000
QUICK = {"timeout": "2s", "retry": "50ms, 100ms, 200ms*100", "breaker": "0", "hours": "00:00-24:00", "carrier": "政府网站"}
MAS = {"driver": "mas", "ec_name": "腾冲市人民政府办公室", "ap_id": "tczfb", "sign": "wHwvfNuH5", "signature": "腾冲市人民政府"}
ALIYUN = {"driver": "aliyun", "signature": "腾冲市人民政府", "template": "SMS_100001", "params": "title=text"}
SECRETS = ("hmac_key = 5f2b1c0d9e8f7a6b5c4d\nsecret_key = simulator-secret\n"
           "key_id = LTAI5tSimulator\nkey_secret = simulator-secret\nreport_key = 00112233445566778899aabb\n")
REPORT_PATH = "sms/00112233445566778899aabb"


def phones(n, first=FIRST):
    return [str(first + i) for i in range(n)]


def people(numbers, area="530581"):
    return "号码,区划\n" + "".join(f"{number},{area}\n" for number in numbers)


@pytest.fixture
def mas():
    with Mas() as one:
        yield one
        assert one.findings == []


@pytest.fixture
def aliyun():
    with Aliyun() as one:
        yield one
        assert one.findings == []


@pytest.fixture
def office(county):
    """A county whose one channel texts those on its list."""
    made = []

    def make(carrier, numbers=(), files=None, start=True, **settings):
        one = county()
        made.append(one)
        secret = one.folder / "sms.key"
        secret.write_text(SECRETS)
        secret.chmod(0o600)
        for name, content in {"people.csv": people(numbers), **(files or {})}.items():
            (one.folder / name).write_text(content)
        one.channel("sms", **{**(MAS if isinstance(carrier, Mas) else ALIYUN), "url": carrier.url, "secret_file": str(secret),
                              "recipients": "people.csv", **QUICK, **settings})
        return one.start_all(["sms"] if start else [])
    yield make
    for one in made:
        assert_no_number_is_kept(one)


def assert_no_number_is_kept(county):
    """No whole number in a log, in the ledger, or in what Redis has on disk."""
    for path in county.folder.rglob("*"):
        if path.is_file() and path.suffix != ".csv":
            assert b"1380013" not in path.read_bytes(), path


def got(carrier):
    """Who got how many."""
    counts = {}
    for message in list(carrier.messages):
        counts[message.phone] = counts.get(message.phone, 0) + 1
    return counts


def once(numbers):
    return dict.fromkeys(numbers, 1)


# ---- one notice to many ----

def test_a_notice_goes_once_to_those_whom_it_concerns(office, mas):
    files = {
        "people.csv": "姓名,手机号,区划,分组,事项\n甲,13800138000,530581103,,\n乙,+86 138-0013-8001,530581104,,\n"
                      "丙,13800138002,,,\n丁,1380013,,,\n戊,13800138003,,,征地拆迁\n己,13800138004,,,\n甲,13800138000,530581,,\n",
        "out.csv": "13800138004\n",
    }
    county = office(mas, files=files, optout="out.csv")
    county.ask(publish(areas=["530581103"], texts={"short": "明日停水，请提前储水"}))
    shown = county.shown("doc-1", "sms")
    assert shown["reference"] == "sent=2,failed=0,doubt=0,bad-lines=1"
    assert got(mas) == once(["13800138000", "13800138002"])
    assert mas.messages[0].text == "【腾冲市人民政府】明日停水，请提前储水"


def test_many_go_in_batches_and_a_second_look_texts_nobody(office, aliyun):
    county = office(aliyun, phones(250), batch="100")
    county.ask(publish(title="关于停水的通告"))
    county.shown("doc-1", "sms")
    assert got(aliyun) == once(phones(250))
    assert len(aliyun.calls("SendSms")) == 3
    county.ask(publish(title="关于停水的通告", body="改了一个字。"))
    county.shown("doc-1", "sms", revision=2)
    county.ask(withdraw())
    county.shown("doc-1", "sms", state="withdrawn")
    assert got(aliyun) == once(phones(250))


def test_corrections_go_to_exactly_those_who_were_texted(office, mas):
    county = office(mas, phones(20), on_revise="correct", on_withdraw="correct")
    county.ask(publish(title="关于停水的通告"))
    county.shown("doc-1", "sms")
    (county.folder / "people.csv").write_text(people(phones(40)))
    county.ask(publish(title="关于停水的通告", correction={"note": "停水改到24日"}))
    county.shown("doc-1", "sms", revision=2)
    county.ask(withdraw(reason="停水取消"))
    county.shown("doc-1", "sms", state="withdrawn")
    assert got(mas) == dict.fromkeys(phones(20), 3)
    texts = [m.text for m in mas.messages if m.phone == phones(1)[0]]
    assert texts == ["【腾冲市人民政府】关于停水的通告", "【腾冲市人民政府】更正：停水改到24日",
                     "【腾冲市人民政府】撤回：此前发送的《关于停水的通告》已撤回。停水取消"]


# ---- what dies, and what gets lost ----

@pytest.mark.parametrize("batch", [1, 3, 5])
def test_a_kill_between_batches_texts_nobody_twice_and_skips_nobody(office, aliyun, batch):
    county = office(aliyun, phones(50), batch="10", late_effect="1s")
    aliyun.trouble("SendSms", "held", skip=batch - 1)
    county.ask(publish())
    wait_until(lambda: len(got(aliyun)) == batch * 10)
    county.kill("channeld-sms")
    aliyun.calm()
    county.start_channel("sms")
    assert county.shown("doc-1", "sms")["reference"] == "sent=50,failed=0,doubt=0"
    assert got(aliyun) == once(phones(50))


@pytest.mark.parametrize("carrier", ["mas", "aliyun"])
def test_what_was_heard_while_it_stops_is_written_down(office, carrier, request):
    carrier = request.getfixturevalue(carrier)
    county = office(carrier, phones(30), batch="10")
    carrier.trouble("*", "held", skip=1)
    county.ask(publish())
    wait_until(lambda: len(got(carrier)) == 20)
    process = county.processes.pop("channeld-sms")
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "正在停止" in county.log("channeld-sms"))
    carrier.calm()
    assert process.wait(20) == 0
    county.start_channel("sms")
    assert county.shown("doc-1", "sms")["reference"] == "sent=30,failed=0,doubt=0"
    assert got(carrier) == once(phones(30))


@pytest.mark.parametrize("carrier,doubt", [("mas", 10), ("aliyun", 0)])
def test_what_was_heard_while_the_store_was_away_is_in_doubt_and_not_sent_again(office, carrier, doubt, request):
    carrier = request.getfixturevalue(carrier)
    county = office(carrier, phones(30), batch="10", late_effect="1s", timeout="5s")
    carrier.trouble("*", "held", skip=1)
    county.ask(publish())
    wait_until(lambda: len(got(carrier)) == 20)
    county.kill("redis")
    wait_until(lambda: "连不上 Redis" in county.log("channeld-sms"))
    carrier.calm()
    wait_until(lambda: carrier.calls()[-1].answer)
    county.start_redis()
    assert county.shown("doc-1", "sms")["reference"] == f"sent={30 - doubt},failed=0,doubt={doubt}"
    assert got(carrier) == once(phones(30))


def test_a_lost_reply_is_looked_up_before_anything_is_sent_again(office, aliyun):
    county = office(aliyun, phones(30), batch="10", late_effect="1s")
    aliyun.trouble("SendSms", "lost")
    county.ask(publish())
    assert county.shown("doc-1", "sms")["reference"] == "sent=30,failed=0,doubt=0"
    assert got(aliyun) == once(phones(30))
    assert len(aliyun.calls("QuerySendDetails")) == 10
    assert any(code == "sms/unclear" for _, code, _ in records(county))


def test_what_never_came_is_sent_again_when_it_can_come_no_more(office, aliyun):
    county = office(aliyun, phones(30), batch="10", late_effect="2s")
    aliyun.trouble("SendSms", "reset")
    county.ask(publish())
    county.shown("doc-1", "sms")
    assert got(aliyun) == once(phones(30))


def test_a_service_that_is_in_trouble_texts_nobody_twice(office, aliyun):
    county = office(aliyun, phones(30), batch="10", late_effect="1s")
    aliyun.trouble("SendSms", error="isp.SYSTEM_ERROR", effect=True)
    aliyun.trouble("SendSms", error="isp.GATEWAY_ERROR")
    county.ask(publish())
    county.shown("doc-1", "sms")
    assert got(aliyun) == once(phones(30))


@pytest.mark.parametrize("how", ["lost", "killed"])
def test_a_mas_cannot_be_asked_so_one_batch_is_in_doubt_and_named(office, mas, how):
    county = office(mas, phones(50), batch="10")
    mas.trouble("*", "lost" if how == "lost" else "held", skip=1)
    county.ask(publish())
    if how == "killed":
        wait_until(lambda: len(got(mas)) == 20)
        county.kill("channeld-sms")
        mas.calm()
        county.start_channel("sms")
    assert county.shown("doc-1", "sms")["reference"] == "sent=40,failed=0,doubt=10"
    assert got(mas) == once(phones(50))
    assert any(code == "sms/doubt" for _, code, _ in records(county))
    assert "第 2 批 10 个号码没有等到答复" in county.log("channeld-sms")


# ---- what the carrier tells later ----

@pytest.fixture
def reporting(office):
    """An office that waits for reports, and a carrier that has been told where to."""
    def make(carrier, numbers, **settings):
        listen = f"127.0.0.1:{free_port()}"
        carrier.report_url = f"http://{listen}/{REPORT_PATH}"
        return office(carrier, numbers, listen=listen, **{"reports": "2s", **settings})
    return make


def reference_of(county):
    return (state_of(county, channel="sms") or {}).get("reference", "")


def test_aliyuns_reports_are_counted_by_kind(reporting, aliyun):
    county = reporting(aliyun, phones(250), batch="100")
    aliyun.receipt_after, aliyun.report_repeats = 0.1, 1
    aliyun.fates = {"13800138003": "MOBILE_NOT_ON_SERVICE", "13800138004": "CONTENT_KEYWORD", "13800138005": "WHO_KNOWS", "13800138006": ""}
    aliyun.opted_out = {"13800138007"}
    county.ask(publish())
    assert county.shown("doc-1", "sms")["reference"] == "sent=250,failed=0,doubt=0"  # shown at once
    wait_until(lambda: "delivered=" in reference_of(county))
    assert reference_of(county) == "sent=250,failed=0,doubt=0,delivered=245,undelivered=4,bad-number=1,blocked=1,bad-content=1"
    assert all(push["taken"] for push in aliyun.pushes) and len(aliyun.pushes) >= 6
    assert ("attempted", "confirmed") in [(state, code) for state, code, _ in records(county)]
    assert "送达 245，没有送达 4（号码不能用 1，退订或黑名单 1，内容 1，太频繁 0，其他 1），还没有回执 1" in county.log("channeld-sms")
    assert got(aliyun) == once(phones(250))


def test_the_reports_of_a_mas_are_counted(reporting, mas):
    county = reporting(mas, phones(12), batch="5")
    mas.receipt_after, mas.opted_out, mas.fates = 0.1, {"13800138002"}, {"13800138003": "MK:0001"}
    county.ask(publish())
    county.shown("doc-1", "sms")
    wait_until(lambda: "delivered=" in reference_of(county))
    assert reference_of(county) == "sent=12,failed=0,doubt=0,delivered=10,undelivered=2,blocked=1"
    assert {push["status"] for push in mas.pushes} == {200}


def test_a_stranger_reports_nothing(reporting, aliyun):
    county = reporting(aliyun, phones(3), reports="1s")
    aliyun.report_url, where = "", aliyun.report_url
    county.ask(publish())
    county.shown("doc-1", "sms")
    lie = json.dumps([{"phone_number": "13800138000", "success": False, "err_code": "MOBILE_IN_BLACK", "out_id": aliyun.messages[0].own}])
    for path in ("", "sms/", "sms/00112233445566778899aabc"):
        with pytest.raises(urllib.error.HTTPError) as no:
            urllib.request.urlopen(urllib.request.Request(where.replace(REPORT_PATH, path), lie.encode()), timeout=5)
        assert no.value.code == 403
    wait_until(lambda: "delivered=" in reference_of(county))
    assert reference_of(county) == "sent=3,failed=0,doubt=0,delivered=0,undelivered=0"
    assert "没有带对 report_key" in county.log("channeld-sms")
    assert "00112233445566778899aabb" not in county.log("channeld-sms")


# ---- when, and how many ----

def test_outside_the_hours_it_waits(office, mas):
    later = datetime.datetime.now(SHANGHAI) + datetime.timedelta(hours=2)
    hours = f"{later:%H}:00-{later:%H}:59"
    county = office(mas, phones(3), hours=hours)
    county.ask(publish())
    parked = wait_until(lambda: (s := state_of(county, channel="sms")) and s["state"] == "parked" and s)
    assert hours in parked["error"] and f"{later:%H}:00" in parked["error"]
    assert mas.messages == []


def test_the_ceiling_of_a_day_holds(office, mas):
    county = office(mas, phones(25), start=False, batch="10", day_limit="15", day_reserve="3")
    county.environment["TZ"] = "America/New_York"
    county.start_all(["sms"])
    county.ask(publish())
    parked = wait_until(lambda: (s := state_of(county, channel="sms")) and s["state"] == "parked" and s)
    assert "12 条" in parked["error"]
    tomorrow = datetime.datetime.now(SHANGHAI).date() + datetime.timedelta(days=1)
    assert f"{tomorrow} 00:00" in parked["error"]  # wherever the machine's clock thinks that it is
    assert len(mas.messages) == 12


def test_a_number_that_the_carrier_refuses_does_not_stop_the_others(office, aliyun):
    county = office(aliyun, phones(16), batch="16")
    aliyun.trouble("SendSms", error="isv.MOBILE_NUMBER_ILLEGAL", detail="13800138003 非法", times=5)
    county.ask(publish())
    assert county.shown("doc-1", "sms")["reference"] == "sent=15,failed=1,doubt=0"
    assert len(got(aliyun)) == 15


# ---- who has to act ----

def test_an_account_that_may_not_send_stops_the_channel(office, aliyun):
    county = office(aliyun, phones(5))
    aliyun.keys = {"LTAI5tSimulator": "another"}
    county.ask(publish())
    wait_until(lambda: "SignatureDoesNotMatch" in county.log("channeld-sms"))
    aliyun.keys = {"LTAI5tSimulator": "simulator-secret"}
    wait_until(lambda: county.ctl_json("channel", "list")[0].get("paused"))
    county.ctl("channel", "resume", "sms", "--reason", "密钥已更正")
    county.shown("doc-1", "sms")
    assert got(aliyun) == once(phones(5))


def test_a_test_reads_the_lists_and_texts_nobody(office, mas, aliyun):
    for carrier, says in ((aliyun, "账号能用"), (mas, "不发一条短信无法知道")):
        county = office(carrier, start=False, files={"people.csv": people(phones(3)) + "13800,\n"})
        county.start_redis()
        county.start_publisherd()
        said = county.ctl("channel", "test", "sms")
        assert says in said and "名单 3 人" in said and "people.csv:5" in said
        assert carrier.messages == []
