"""The console in a browser: it fits a desk's and a phone's screen, works without scripts, and looks again by itself."""
import tempfile

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from consolekit import make
from county import publish, wait_until
from glass import FLAGS
from ledgerkit import caught_up

PAGES = ("/", "/documents", "/document/530581/doc-1", "/channels", "/channels/hook", "/trouble?state=dead", "/alarms", "/held",
         "/rejected", "/?lang=en", "/nix")


class Browser:
    def __init__(self, scripts=True):
        self.folder = tempfile.TemporaryDirectory()
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"--user-data-dir={self.folder.name}"):
            options.add_argument(flag)
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))

    def look(self, address, width, height=900):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
        self.driver.get(address)

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser") if "404" not in entry["message"]]

    def close(self):
        self.driver.quit()
        self.folder.cleanup()


@pytest.fixture(scope="module")
def browser():
    one = Browser()
    yield one
    one.close()


@pytest.fixture
def filled(county):
    one = make(county)
    one.channel("portal", driver="discard", carrier="政府网站", title="门户网站")
    one.channel("hook", driver="webhook", carrier="政府网站", title="一个名字很长的部门内部业务系统接口（试运行）", url="http://127.0.0.1:9/x",
                retry="0, 50ms", breaker="0")
    one.start_all(["portal", "hook"])
    one.start_ledgerd()
    one.console.start()
    for i in range(3):
        one.ask(publish(f"doc-{i}", title=f"关于印发《腾冲市第{i}期城镇老旧小区改造及配套基础设施建设项目实施方案（2026—2028年）》的通知"))
    one.ask(publish("held-1", body="手机13800138000"))
    one.ask(publish("a" * 128, title="abcdefghij" * 20))
    one.ask(publish("bad-1", item="nix"))
    one.shown("doc-2", "portal")
    caught_up(one)
    one.console.shows("/", "dead-letters")
    one.console.shows("/documents", "abcdefghij")
    return one


def test_every_page_fits_its_screen_and_nothing_is_forbidden_by_the_policy(filled, browser):
    for path in PAGES:
        for width in (1440, 390):
            browser.look(filled.console.address + path, width)
            found = browser.driver.execute_script(
                "return [document.documentElement.scrollWidth, document.querySelectorAll('h1').length,"
                " getComputedStyle(document.body).fontFamily.includes('Noto'), document.title]")
            assert found[0] <= width, (path, width, found)
            assert found[1] == 1 and found[2] and found[3], (path, found)
            # What is cut, or lies over something else, is not read.
            small = browser.driver.execute_script(
                "return [...document.querySelectorAll('main p, main td, main th, main a, main dd, main h3, main .chip')].filter(e => e.offsetParent"
                " && e.textContent.trim() && parseFloat(getComputedStyle(e).fontSize) < 12).map(e => e.outerHTML.slice(0, 200))")
            assert not small, (path, width, small)
    assert not browser.complaints()


def test_it_looks_again_by_itself_and_keeps_its_place(filled, browser):
    browser.look(filled.console.address + "/channels", 1440)
    browser.driver.execute_script("window.mark = 1")
    filled.ctl("channel", "pause", "portal", "--reason", "检修机房")
    browser.driver.execute_script("refresh()")
    wait_until(lambda: browser.driver.execute_async_script(
        "const done = arguments[0]; refresh().then(() => done(document.querySelector('main').innerText.includes('检修机房')))"), 20, "the page has changed")
    assert browser.driver.execute_script("return window.mark") == 1  # and it was not loaded anew
    filled.stop("consoled")
    wait_until(lambda: browser.driver.execute_async_script(
        "const done = arguments[0]; refresh().then(() => done(document.documentElement.classList.contains('stale')))"), 20, "it says that it is old")


def test_everything_works_without_scripts(filled):
    plain = Browser(scripts=False)
    try:
        plain.look(filled.console.address + "/documents", 1440)
        field = plain.driver.find_element("css selector", "#q")
        field.send_keys("老旧小区 第1期")
        plain.driver.find_element("css selector", ".search button").click()
        found = plain.driver.find_elements("css selector", "tbody th a")
        assert [one.text for one in found] == ["关于印发《腾冲市第1期城镇老旧小区改造及配套基础设施建设项目实施方案（2026—2028年）》的通知"]
        found[0].click()
        assert "doc-1" in plain.driver.find_element("css selector", "main").text
        plain.driver.find_element("css selector", ".tongue a").click()
        assert "What happened" in plain.driver.find_element("css selector", "main").text
        plain.driver.find_element("css selector", "nav a[href^='/channels']").click()
        assert "lang=en" in plain.driver.current_url and "Due now" in plain.driver.find_element("css selector", "main").text
    finally:
        plain.close()
