"""`gongkaictl channel add` as an interview, and `channel help`: a clerk without the manual."""
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from county import PROGRAMS, TREE, wait_until
from test_ctl_alarms import run


@pytest.fixture
def one(county):
    return county()


def asked(one, *answers, name="media", language="zh_CN.UTF-8"):
    return run(one, "channel", "add", *([name] if name else []), stdin="".join(f"{a}\n" for a in answers), language=language)


def written(one, name="media"):
    path = one.folder / "channels.d" / f"{name}.conf"
    return path.read_text() if path.exists() else None


def settings(text):
    return dict(line.split(" = ", 1) for line in text.splitlines() if line and not line.startswith("#"))


def test_a_channel_is_made_by_answers_and_the_file_explains_itself(one):
    done = asked(one, "media", "webhook", "融媒体中心", "广播, 17", "https://media.example.gov.cn/in", "", "", "y", name=None)
    assert done.returncode == 0, done
    text = written(one)
    assert settings(text) == {"driver": "webhook", "title": "融媒体中心", "carrier": "广播, 报刊",
                              "url": "https://media.example.gov.cn/in"}
    assert "# 接收地址，以 http:// 或 https:// 开头\nurl = " in text
    assert "\n#content_type = application/cloudevents+json\n" in text, "the default stands as a comment"
    for word in ("channel secret media", "channel test media", "systemctl enable --now gongkai-channeld@media"):
        assert word in done.stdout, "what is next"
    assert text in done.stderr, "it is shown before it is written"
    assert run(one, "config", "check").returncode == 0


@pytest.mark.parametrize("before, wrong, said, after", [
    ([], "webhok", "没有“webhok”，是不是“webhook”？", ["webhook", "", "", "https://x.cn/", ""]),
    ([], "9999", "没有“9999”", ["webhook", "", "", "https://x.cn/", ""]),
    (["webhook", ""], "政府网战", "没有“政府网战”，是不是“政府网站”？", ["", "https://x.cn/", ""]),
    (["webhook", "", ""], "", "“url”必须写明", ["https://x.cn/", ""]),
    (["webhook", "", ""], "nowhere", "接收地址“nowhere”不能用", ["https://x.cn/", ""]),
    (["webhook", "", "", "https://x.cn/"], "https://x.cn/q", "查询网址“https://x.cn/q”不能用", [""]),
    (["webhook", "", "", "https://x.cn/", ""], "retri", "没有“retri”，是不是“retry”？", []),
    (["webhook", "", "", "https://x.cn/", "", "timeout"], "5", "要带单位", ["5s"]),
    (["webhook", "", "", "https://x.cn/", "", "timeout"], "１０s", "１", ["10s"]),
    (["webhook", "", "", "https://x.cn/", "", "content_type"], "application/jsom", "是不是“application/json”？",
     ["application/json"]),
    (["webhook", "", "", "https://x.cn/", "", "rate"], "10/s， 3/min", "，", ["10/s, 3/min"]),
], ids=["driver", "number", "carrier", "required", "address", "look-up", "key", "unit", "full-width", "choice", "comma"])
def test_a_wrong_answer_is_told_at_once_and_asked_again(one, before, wrong, said, after):
    done = asked(one, *before, wrong, *after, "", "y")
    assert said in done.stderr and done.returncode == 0, done
    assert "不对" not in done.stdout and run(one, "config", "check").returncode == 0


def test_a_wrong_answer_can_never_be_kept_by_insisting(one):
    done = asked(one, "webhook", "", "", "nowhere", "nowhere", "nowhere")
    assert done.returncode == 1 and done.stderr.count("接收地址“nowhere”不能用") == 3
    assert written(one) is None


def test_the_order_of_channels_is_asked_for_where_there_are_others(one):
    one.channel("portal", driver="discard")
    done = asked(one, "discard", "", "", "portl", "portal", "", "y")
    assert "portl" in done.stderr and settings(written(one))["after"] == "portal", done


def test_what_the_answers_lack_together_is_told_while_it_can_be_answered(one):
    """A cover is a file or an id in the library: both may be left out, but not both of them."""
    begin = ["wechat", "", "", "wx5f0c3a1b2d4e6f70", "", "", "", "", ""]
    done = asked(one, *begin, "cover", "cover.jpg", "", "y")
    assert done.returncode == 0 and "都要有封面" in done.stderr, done
    assert settings(written(one))["cover"] == "cover.jpg"


def test_regions_are_asked_for_where_there_are_several(county):
    one = county(regions=("530581 腾冲市", "530626 绥江县"))
    done = asked(one, "discard", "", "", "530582", "530626", "", "y")
    assert "530582" in done.stderr and settings(written(one))["regions"] == "530626", done


def test_a_driver_that_demands_a_title_gets_one(one):
    done = asked(one, "site", "", "腾冲市人民政府", "政府网站", "/srv/www", "https://www.example.gov.cn", "", "", "", "", "",
                 "", "y")
    assert done.returncode == 0 and "“title”必须写明" in done.stderr, done
    assert settings(written(one))["root"] == "/srv/www"


@pytest.mark.parametrize("answers", [[], ["webhook"], ["webhook", "", "", "https://x.cn/"],
                                     ["webhook", "", "", "https://x.cn/", "", ""],
                                     ["webhook", "", "", "https://x.cn/", "", "", "n"]])
def test_who_gives_up_leaves_nothing_behind(one, answers):
    done = asked(one, *answers)
    assert done.returncode == 1 and "什么也没有留下" in done.stderr and "Sanitizer" not in done.stderr, done
    assert list((one.folder / "channels.d").iterdir()) == []


def test_a_channel_that_is_there_is_not_asked_about(one):
    one.channel("media", driver="discard")
    done = asked(one, "webhook")
    assert done.returncode == 1 and "已经有了" in done.stderr and "哪种方式" not in done.stderr


def test_it_asks_in_english_too(one):
    done = asked(one, "webhook", "", "", "https://x.cn/", "", "", "y", language="en_US.UTF-8")
    assert "How is it to be sent?" in done.stderr and "# where to send to" in written(one) and done.returncode == 0, done


class Terminal:
    """gongkaictl on a terminal, typed at by a person."""

    def __init__(self, one, *arguments):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests in the background has it ignored
            os.environ["LANG"] = "zh_CN.UTF-8"
            os.execv(PROGRAMS / "gongkaictl", ["gongkaictl", "--config", str(one.conf), *arguments])

    def waits_for(self, words, timeout=20):
        end = time.monotonic() + timeout
        while words not in self.text and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
        assert words in self.text, self.text
        self.text = self.text.split(words, 1)[1]

    def types(self, text):
        os.write(self.fd, text.encode())

    def ends(self):
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


def test_on_a_terminal_it_is_a_conversation(one):
    terminal = Terminal(one, "channel", "add")
    terminal.waits_for("什么名称")
    terminal.types("Media\n")
    terminal.waits_for("什么名称")
    terminal.types("media\n")
    terminal.waits_for("编号或名称：")
    terminal.types("webhook\n")
    terminal.waits_for("title [media]：")
    terminal.types("融媒体\n")
    terminal.waits_for("点名发给它的：")
    terminal.types("政务微信、政务微博\n")
    terminal.waits_for("url：")
    terminal.types("?\n")
    terminal.waits_for("接收地址，以 http:// 或 https:// 开头")
    terminal.waits_for("url：")
    terminal.types("https://x.cn/\n")
    terminal.waits_for("lookup_url：")
    terminal.types("\n")
    terminal.waits_for("直接回车就写完了：")
    terminal.types("\n")
    terminal.waits_for("写入吗？[y/n]：")
    assert written(one) is None
    terminal.types("y\n")
    terminal.waits_for("gongkai-channeld@media")
    assert terminal.ends() == 0
    assert settings(written(one))["carrier"] == "政务微信, 政务微博"


def test_ctrl_c_on_a_terminal_leaves_nothing_behind(one):
    terminal = Terminal(one, "channel", "add", "media")
    terminal.waits_for("编号或名称：")
    terminal.types("webhook\n")
    terminal.waits_for("title [media]：")
    terminal.types("\x03")
    assert terminal.ends() != 0
    assert list((one.folder / "channels.d").iterdir()) == []


# ---- one driver's page ----

@pytest.mark.parametrize("driver", re.findall(r"&(\w+)_driver", (TREE / "channels" / "registry.c").read_text()))
def test_every_driver_has_a_page_of_its_own(one, driver):
    for example in (TREE / "conf" / "channels.d").glob("*.example"):
        (one.folder / "channels.d" / example.name).write_text(example.read_text())
    page = run(one, "channel", "help", driver)
    assert page.returncode == 0 and page.stdout.startswith(f"{driver}：") and "要先备好" in page.stdout, page
    others = [line for line in page.stdout.splitlines() if line.startswith("driver = ") and line != f"driver = {driver}"]
    assert others == [], "no other driver's"
    assert f"{driver}: " in run(one, "channel", "help", driver, language="en_US.UTF-8").stdout


def test_a_page_has_needs_bounds_defaults_and_an_example(one):
    example = TREE / "conf" / "channels.d" / "webhook.conf.example"
    (one.folder / "channels.d" / example.name).write_text(example.read_text())
    page = run(one, "channel", "help", "webhook").stdout
    assert "  url：接收地址" in page and "默认：application/cloudevents+json" in page and example.read_text() in page
    assert "范围：10 到 200" in run(one, "channel", "help", "site").stdout
    wrong = run(one, "channel", "help", "webhok")
    assert wrong.returncode == 1 and "是不是“webhook”" in wrong.stderr and "site" in wrong.stderr
    assert "driver = site" in run(one, "channel", "help").stdout, "without a name: all of it, as ever"
