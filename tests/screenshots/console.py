#!/usr/bin/python3
"""Takes the pictures of the console for the documents: docs/screenshots/console-*.png.

A county of the demo's events, with a channel that nobody answers on, one that is paused, and an event that is held.
"""
import base64
import pathlib
import re
import sys
import tempfile

from selenium import webdriver

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "integration"))

import consolekit  # noqa: E402
import county as stories  # noqa: E402
from ledgerkit import caught_up  # noqa: E402

OUT = TREE / "docs" / "screenshots"
TITLES = ("关于征收腾越街道玉璧村集体土地的公告", "关于公布2026年市级部门预算的通知", "腾冲市2026年义务教育阶段学校招生工作实施方案",
          "关于腾冲至猴桥公路改扩建工程施工绕行的通告", "关于公布农村低保对象名单的公示", "腾冲市防汛抗旱应急预案", "关于食品安全监督抽检信息的公告（2026年第12期）",
          "关于公开招聘事业单位工作人员的公告", "腾冲市人民政府信息公开工作年度报告（2025年度）")


def main():
    one = consolekit.make(stories.County)
    one.channel("portal", driver="discard", carrier="政府网站", title="腾冲市人民政府门户网站")
    one.channel("sms", driver="discard", carrier="政府网站", title="村组短信", quota="500/day", rate="10/s")
    one.channel("yunnan", driver="webhook", carrier="政府网站", title="省政务公开平台", url="http://127.0.0.1:9/x", retry="0, 1h*5", breaker_probe="10min",
                breaker_probe_most="10min")
    one.channel("oa", driver="webhook", carrier="政府网站", title="市委办公系统", url="http://127.0.0.1:9/x", retry="0, 50ms", breaker="0")
    one.channel("hall", driver="discard", carrier="政府网站", title="政务服务大厅公示屏")
    one.start_all(["portal", "sms", "yunnan", "oa"])
    one.start_ledgerd()
    one.start_channel("hall")
    one.console.start()
    try:
        one.ctl("channel", "pause", "hall", "--reason", "大屏检修，周五恢复")
        for i in range(60):
            one.ask(stories.publish(f"tc-2026-{i:04}", title=TITLES[i % len(TITLES)], number=f"腾政发〔2026〕{i + 1}号", body=f"第一条 内容之{i}。"))
        one.ask(stories.publish("tc-2026-0002", title="腾冲市2026年义务教育阶段学校招生工作实施方案（修订）", number="腾政发〔2026〕3号"))
        one.ask(stories.withdraw("tc-2026-0004"))
        one.ask(stories.publish("tc-2026-0900", body="联系人手机13800138000。"))
        one.ask(stories.publish("tc-2026-0901", item="nix.1"))
        one.shown("tc-2026-0059", "portal")
        caught_up(one)
        one.console.shows("/", "dead-letters", "对方没有反应")
        stories.wait_until(lambda: consolekit.value(one.console.metrics(), "gongkai_console_index_lag_rows") == 0, 30, "the index")
        document = re.search(r'href="(/document/[^"]*0002)"', one.console.page("/documents?before=99999999&q=%E4%BF%AE%E8%AE%A2"))[1]
        pages = {"console": "/", "console-document": document, "console-documents": "/documents", "console-channel": "/channels/yunnan",
                 "console-trouble": "/trouble?state=dead"}
        with tempfile.TemporaryDirectory() as temporary:
            options = webdriver.ChromeOptions()
            options.binary_location = "/usr/bin/chromium"
            for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync", "--no-proxy-server",
                         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", f"--user-data-dir={temporary}/chromium"):
                options.add_argument(flag)
            browser = webdriver.Chrome(options=options, service=webdriver.chrome.service.Service("/usr/bin/chromedriver"))
            for name, path in pages.items():
                for width in (1440, 390):
                    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1,
                                                                                   "mobile": width < 500})
                    browser.get(one.console.address + path)
                    height = min(browser.execute_script("return document.documentElement.scrollHeight"), 2400)
                    picture = browser.execute_cdp_cmd("Page.captureScreenshot", {
                        "format": "png", "captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}})["data"]
                    (OUT / f"{name}-{width}.png").write_bytes(base64.b64decode(picture))
            browser.quit()
    finally:
        one.close()


main()
