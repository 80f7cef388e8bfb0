"""`gongkaictl channel secret` on a terminal: part by part, and nothing of it on the screen."""
import pytest

from test_channel_add import Terminal
from test_ctl_alarms import run

WECHAT = {"driver": "wechat", "appid": "wx0123456789abcdef", "cover_media": "M1"}


@pytest.fixture
def one(county):
    return county()


def typed(one, *answers, name="oa", first):
    """Answers the questions; the exit code."""
    terminal = Terminal(one, "channel", "secret", name)
    terminal.waits_for(first)
    for prompt, answer in answers:
        terminal.waits_for(prompt)
        terminal.types(answer)
    if answers[-1][1].endswith("\n"):
        terminal.waits_for("systemctl reload gongkai-channeld@")
    return terminal.ends()


def secret(one, name="oa"):
    path = one.folder / f"{name}.secret"
    assert path.stat().st_mode & 0o007 == 0
    return path.read_text()


def test_each_part_is_asked_for_and_what_is_not_typed_stays(one):
    one.channel("oa", **WECHAT)
    conf = one.folder / "channels.d" / "oa.conf"
    parts = [("appsecret：", "0123abcd\n"), ("token：", "\n"), ("aes_key：", "\n")]
    assert typed(one, *parts, first="逐项输入") == 0
    assert secret(one) == "appsecret = 0123abcd\n" and f"secret_file = {one.folder}/oa.secret" in conf.read_text()
    parts = [("appsecret：", "\n"), ("token：", "  gongkai2026 \n"), ("aes_key：", "aes_key = abc=\n")]
    assert typed(one, *parts, first="原来写过的就不变") == 0
    assert secret(one) == "appsecret = 0123abcd\ntoken = gongkai2026\naes_key = abc=\n"


def test_nothing_that_is_typed_is_shown(one):
    one.channel("oa", **WECHAT)
    terminal = Terminal(one, "channel", "secret", "oa")
    everything = ""
    for prompt, answer in (("appsecret：", "hidden-one\n"), ("token：", "hidden-two\n"), ("aes_key：", "\n"), ("已写入", "")):
        terminal.waits_for(prompt)
        everything += terminal.text
        terminal.types(answer)
    terminal.waits_for("systemctl reload")
    assert terminal.ends() == 0 and "hidden" not in everything + terminal.text
    assert "hidden-two" in secret(one)


def test_a_bare_line_becomes_its_part_and_what_a_login_brought_stays(one):
    one.channel("oa", **WECHAT)
    assert run(one, "channel", "secret", "oa", stdin="barebare==\n").returncode == 0
    assert typed(one, ("appsecret：", "\n"), ("token：", "t\n"), ("aes_key：", "\n"), first="逐项") == 0
    assert secret(one) == "appsecret = barebare==\ntoken = t\n"
    one.channel("wb", driver="weibo", app_key="1", safe_domain="www.example.gov.cn", rip="203.0.113.7")
    assert run(one, "channel", "secret", "wb", stdin="# 2026-11\napp_secret = old\naccess_token = 2.00\nuid=7\n").returncode == 0
    assert typed(one, ("app_secret：", "new\n"), name="wb", first="逐项") == 0
    assert secret(one, "wb") == "app_secret = new\n# 2026-11\naccess_token = 2.00\nuid=7\n"


def test_a_driver_without_parts_asks_for_one_line(one):
    one.channel("oa", driver="webhook", url="https://x.cn/")
    assert typed(one, ("不显示", "whsec_b3RoZXI=\n"), first="口令或密钥") == 0
    assert secret(one) == "whsec_b3RoZXI="


@pytest.mark.parametrize("answers", [
    [("appsecret：", "\x03")], [("appsecret：", "new\n"), ("token：", "\x03")], [("appsecret：", "new\n"), ("token：", "\x04")],
], ids=["at once", "half-way", "end of input"])
def test_who_gives_up_leaves_the_old_one(one, answers):
    one.channel("oa", **WECHAT)
    assert run(one, "channel", "secret", "oa", stdin="appsecret = old\n").returncode == 0
    assert typed(one, *answers, first="逐项") == 1
    assert secret(one) == "appsecret = old"


def test_a_file_that_cannot_be_read_is_not_overwritten(one):
    one.channel("oa", **WECHAT)
    assert run(one, "channel", "secret", "oa", stdin="appsecret = old\n").returncode == 0
    (one.folder / "oa.secret").chmod(0o644)
    terminal = Terminal(one, "channel", "secret", "oa")
    terminal.waits_for("人人可读或可改")
    assert terminal.ends() == 1 and (one.folder / "oa.secret").read_text() == "appsecret = old"
