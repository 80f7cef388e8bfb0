"""The weibo channel, from the door to a simulated account that is strict, slow, limited, or silent."""
import json
import pathlib
import re
import stat
import subprocess
import sys
import time
import urllib.parse

import pytest

from county import PROGRAMS, attachment, now, publish, wait_until, withdraw
from hookkit import is_quiet, state_of
from socialkit import PNG, ask

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "simulators"))
from weibo import Weibo  # noqa: E402

SHARE, DESTROY, TIMELINE = (f"/2/statuses/{name}.json" for name in ("share", "destroy", "user_timeline"))
QUICK = {"timeout": "1s", "retry": "50ms, 100ms, 200ms*100", "breaker": "0", "appears": "1s"}


@pytest.fixture
def account():
    with Weibo() as one:
        yield one


class Place:
    """A county with a website and the account."""

    def __init__(self, county, account, secret=None, **settings):
        self.one, self.account = county(), account
        self.secret = self.one.folder / "weibo.secret"
        self.secret.write_text(secret or f"# 官微\napp_secret = {account.app_secret}\naccess_token = {account.grant()}\n")
        self.secret.chmod(0o600)
        self.one.channel("portal", driver="site", carrier="政府网站", title="示例网站", root=self.one.folder / "www",
                         address="https://www.tengchong.gov.cn")
        self.one.channel("weibo", driver="weibo", carrier="政府网站", after="portal", address=account.url, app_key=account.app_key,
                         safe_domain="tengchong.gov.cn", rip="39.130.1.1", secret_file=self.secret, **{**QUICK, **settings})
        self.one.start_all(["portal"])

    def start(self, **env):
        self.one.start_channel("weibo", env=env)
        return self

    def seen(self):
        """What citizens see, the oldest first."""
        with self.account.lock:
            return [p.text for p in self.account.posts if not p.deleted and p.seen_at <= self.account.clock.now()]

    def posts(self):
        with self.account.lock:
            return list(self.account.posts)

    def n(self, path):
        return len(self.account.calls(path))

    def quiet(self):
        wait_until(lambda: is_quiet(self.one, "weibo"), 20, "nothing is due")

    def paused(self):
        return next(row["paused"] for row in self.one.ctl_json("channel", "list") if row["channel"] == "weibo")


@pytest.fixture
def place(county, account):
    def make(start=True, **more):
        made = Place(county, account, **more)
        return made.start() if start else made
    return make


# ---- one post ----

def test_a_notice_is_one_post_with_the_address_of_the_full_text(place):
    here = place()
    here.one.ask(publish(title="停水通告", number="腾政发〔2026〕7号", summary="明日停水。"))
    settled = here.one.shown("doc-1", "weibo", revision=1)
    post, = here.posts()
    url = here.one.shown("doc-1", "portal")["url"]
    assert post.text == f"【停水通告（腾政发〔2026〕7号）】明日停水。 {url}"
    assert url.startswith("https://www.tengchong.gov.cn/")
    assert settled["reference"] == str(post.number) and re.fullmatch(r"https://weibo\.com/1073880650/\w{10}", settled["url"])
    here.quiet()
    assert (here.n(SHARE), here.n(DESTROY), here.n(TIMELINE)) == (1, 0, 0)


def test_a_cover_goes_along(place):
    here = place()
    here.one.ask(publish(attachments=[attachment("封面.png", PNG, "image/png", role="cover")]), [PNG])
    here.one.shown("doc-1", "weibo")
    assert [p.pic for p in here.posts()] == [PNG]


def test_a_revision_is_a_new_post_and_then_the_old_one_goes(place):
    here = place()
    here.one.ask(publish(title="停水通告", summary="明日停水。"))
    here.one.shown("doc-1", "weibo", revision=1)
    here.one.ask(publish(title="停水通告", summary="后日停水。", correction={"note": "时间改为后日"}))
    here.one.shown("doc-1", "weibo", revision=2)
    here.quiet()
    text, = here.seen()
    assert text.startswith("【更正：停水通告】时间改为后日 后日停水。 https://")
    assert [r.path for r in here.account.calls() if r.path != TIMELINE] == [SHARE, SHARE, DESTROY]


def test_a_kept_post_stays_at_a_revision(place):
    here = place(on_revise="keep")
    here.one.ask(publish(title="停水通告"))
    first = here.one.shown("doc-1", "weibo", revision=1)
    here.one.ask(publish(title="停水通告", body="另一天。"))
    assert here.one.shown("doc-1", "weibo", revision=2)["reference"] == first["reference"]
    assert (here.n(SHARE), here.n(DESTROY)) == (1, 0)


def test_a_withdrawn_notice_is_deleted(place):
    here = place()
    here.one.ask(publish())
    here.one.shown("doc-1", "weibo")
    here.one.ask(withdraw())
    here.one.shown("doc-1", "weibo", state="withdrawn")
    assert here.seen() == [] and here.n(DESTROY) == 1


def test_at_the_end_of_its_time_a_post_is_marked(place):
    here = place(on_end="mark")
    here.one.ask(publish(title="拟表彰名单", show_until=now(seconds=3)))
    here.one.shown("doc-1", "weibo")
    wait_until(lambda: len(here.seen()) == 1 and here.seen()[0].startswith("【公示已结束：拟表彰名单】"), 20)
    here.quiet()
    assert (here.n(SHARE), here.n(DESTROY)) == (2, 1)


def test_one_that_was_deleted_by_hand_is_withdrawn(place):
    here = place()
    here.one.ask(publish())
    here.account.delete_by_hand(here.one.shown("doc-1", "weibo")["reference"])
    here.one.ask(withdraw())
    here.one.shown("doc-1", "weibo", state="withdrawn")


def test_without_an_address_nothing_is_posted(place):
    here = place(after_timeout="500ms", start=False)
    here.one.stop("channeld-portal")
    here.start()
    here.one.ask(publish())
    dead = here.one.shown("doc-1", "weibo", state="dead")
    assert "after = " in dead["error"] and here.n(SHARE) == 0


# ---- no clear answer (each step's: test_weibo_steps.py) ----

def test_the_same_words_again_after_a_timeout_mean_that_the_first_went_through(place, account):
    here = place()
    account.slow_seconds = 4  # nothing is seen for so long, and so it is posted again
    account.trouble(SHARE, "lost")
    here.one.ask(publish(title="停水通告"))
    settled = here.one.shown("doc-1", "weibo")
    post, = here.posts()
    assert settled["reference"] == str(post.number)
    assert 20019 in [json.loads(r.answer).get("error_code") for r in account.calls(SHARE)]


def test_one_that_is_shown_late_is_waited_for(place, account):
    here = place()
    account.slow_seconds = 2  # 20032
    here.one.ask(publish(title="停水通告"))
    settled = here.one.shown("doc-1", "weibo")
    assert settled["reference"] == str(here.posts()[0].number) and here.n(SHARE) == 1


def test_a_withdrawal_of_one_in_doubt_looks_for_it(place, account):
    here = place()
    account.trouble(TIMELINE, status=500, times=None)
    account.trouble(SHARE, "lost")
    here.one.ask(publish(title="停水通告"))
    wait_until(lambda: here.n(TIMELINE) > 0)
    account.calm()
    here.one.ask(withdraw())
    here.one.shown("doc-1", "weibo", state="withdrawn")
    here.quiet()
    assert here.seen() == [] and len(here.posts()) == 1


def test_a_withdrawal_in_the_middle_of_a_revision_takes_both_posts_down(place, account):
    here = place()
    here.one.ask(publish(title="停水通告", summary="一"))
    here.one.shown("doc-1", "weibo", revision=1)
    account.trouble(DESTROY, error=10024)
    here.one.ask(publish(title="停水通告", summary="二二二二二二"))
    wait_until(lambda: state_of(here.one, channel="weibo")["state"] == "parked")
    assert len(here.seen()) == 2
    here.one.ask(withdraw())
    here.one.shown("doc-1", "weibo", state="withdrawn")
    assert here.seen() == []


# ---- limits and grants ----

def test_an_hourly_limit_waits_for_the_next_full_hour(place, account):
    here = place()
    account.use_up("per_post_hour")
    began = time.time()
    here.one.ask(publish())
    wait_until(lambda: state_of(here.one, channel="weibo")["state"] == "parked")
    due = here.one.redis().zscore("{530581}:due:weibo", "doc-1") / 1000
    assert due % 3600 < 60 and began < due < began + 3660  # jitter may be upon it
    assert "10024" in state_of(here.one, channel="weibo")["error"] and here.posts() == [] and here.n(SHARE) == 1


def test_a_grant_that_has_run_out_stops_the_channel_until_an_officer_logs_in(place, account):
    here = place(start=False)
    here.secret.write_text(f"# 官微\napp_secret = {account.app_secret}\naccess_token = {account.grant(seconds=0)}\n")
    here.start()
    here.one.ask(publish(title="停水通告"))
    why = wait_until(here.paused)
    assert "21327" in why and "gongkaictl channel login weibo" in why
    alarm = here.one.folder / "state" / "alarms" / "channel-blocked--weibo.json"
    assert "channel login weibo" in wait_until(lambda: alarm.exists() and alarm.read_text())
    assert here.n(SHARE) == 1
    assert login(here, grant(account)).returncode == 0
    here.one.stop("channeld-weibo")
    here.start()
    here.one.shown("doc-1", "weibo")
    assert len(here.posts()) == 1


def test_an_unknown_code_stops_the_channel(place, account):
    here = place()
    account.trouble(SHARE, error=29999)
    here.one.ask(publish())
    assert "29999" in wait_until(here.paused)
    assert here.n(SHARE) == 1


# ---- login ----

def grant(account, answer="yes"):
    """The officer's browser: what stands in its address bar at the end."""
    account.redirect_uri = "https://api.weibo.com/oauth2/default.html"
    query = urllib.parse.urlencode({"client_id": account.app_key, "redirect_uri": account.redirect_uri, "response_type": "code",
                                    "answer": answer})
    ask(account, "POST", "/oauth2/authorize?" + query)
    with account.lock:
        code = list(account.codes)[-1] if account.codes else ""
    return f"{account.redirect_uri}?code={code}"


def login(here, pasted):
    return subprocess.run([PROGRAMS / "gongkaictl", "--config", here.one.conf, "channel", "login", "weibo"], input=pasted + "\n",
                          capture_output=True, text=True, timeout=60, env={"LANG": "zh_CN.UTF-8"})


def test_a_login_keeps_what_is_granted_and_the_rest_of_the_file(place, account):
    here = place(start=False, secret="# 官微\napp_secret = fedcba9876543210fedcba9876543210\naccess_token = old\nnote = 办公室\n")
    before = here.secret.stat()
    done = login(here, grant(account))
    assert done.returncode == 0, done
    assert f"{account.url}/oauth2/authorize?client_id={account.app_key}" in done.stdout and "forcelogin=true" in done.stdout
    with account.lock:
        token = next(t for t, k in account.tokens.items() if k.uid == account.uid)
    lines = here.secret.read_text().splitlines()
    assert lines[:3] == ["# 官微", f"app_secret = {account.app_secret}", "note = 办公室"]
    newest = list(account.tokens)[-1]
    assert f"access_token = {newest}" in lines and f"uid = {account.uid}" in lines and "access_token = old" not in lines
    assert any(line.startswith("expires_at = 20") for line in lines)
    assert here.secret.stat().st_mode == before.st_mode and stat.S_IMODE(before.st_mode) == 0o600
    for secret in (token, newest, account.app_secret):
        assert secret not in done.stdout + done.stderr
    well = here.one.ctl("channel", "test", "weibo")
    assert "授权有效" in well and ("29 天" in well or "30 天" in well), well


@pytest.mark.parametrize("pasted, says", [("https://api.weibo.com/oauth2/default.html?code=wrong", "没有得到授权"),
                                          ("https://a.cn/?error=access_denied&error_code=21330", "access_denied"),
                                          ("https://a.cn/", "粘贴"), ("", "粘贴")])
def test_a_login_that_fails_changes_nothing(place, pasted, says):
    here = place(start=False)
    before = here.secret.read_text()
    done = login(here, pasted)
    assert done.returncode == 1 and says in done.stdout, done
    assert here.secret.read_text() == before


def test_a_login_by_the_daemon_itself_has_nowhere_to_keep_it(place):
    here = place(start=False)
    done = subprocess.run([PROGRAMS / "gongkai-channeld", "--config", here.one.conf, "weibo", "--login"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, env={"LANG": "zh_CN.UTF-8"})
    assert done.returncode == 1 and "gongkaictl channel login weibo" in done.stdout


def test_a_grant_that_ends_soon_is_an_alarm(place, account):
    here = place(start=False)
    alarm = here.one.folder / "state" / "alarms" / "token-expires--weibo.json"
    here.secret.write_text(f"access_token = {account.grant()}\nexpires_at = {now(days=3)}\n")
    here.start()
    told = json.loads(wait_until(lambda: alarm.exists() and alarm.read_text()))
    assert "2 天" in told["sentence"] and "channel login weibo" in json.dumps(told, ensure_ascii=False)
    here.one.stop("channeld-weibo")
    here.secret.write_text(f"access_token = {account.grant()}\nexpires_at = {now(days=30)}\n")
    here.start()
    wait_until(lambda: not alarm.exists())


def test_a_test_says_what_is_wrong_with_the_grant(place, account):
    here = place(start=False)
    here.secret.write_text(f"access_token = {account.grant(seconds=3 * 86400)}\n")
    assert "到期" in here.one.ctl("channel", "test", "weibo")
    here.secret.write_text("access_token = 2.00nobody\n")
    assert "21317" in here.one.ctl("channel", "test", "weibo", code=1)
    here.secret.write_text("app_secret = x\n")
    assert "channel login weibo" in here.one.ctl("channel", "test", "weibo", code=1)
    assert here.n(SHARE) == 0
