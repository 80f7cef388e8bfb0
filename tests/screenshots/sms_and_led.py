#!/usr/bin/python3
"""Takes pictures of what the simulators of SMS carriers and of the LED card show: sms_and_led.py FOLDER."""
import base64
import json
import pathlib
import socket
import sys
import tempfile

from selenium import webdriver

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "simulators"), str(TESTS / "integration")]
from led_onbon import Card, wrap  # noqa: E402
from sms_mas import Mas  # noqa: E402
from test_simulators_led import area, update  # noqa: E402
from test_simulators_sms import Aliyun, Sender, submit  # noqa: E402


def messages():
    aliyun, mas = Aliyun().start(), Mas().start()
    sender = Sender(aliyun)
    aliyun.fates, mas.fates = {"13800138001": "MOBILE_NOT_ON_SERVICE"}, {"13900139002": ""}
    sender.send(to="13800138000,13800138001,13912345678", title="关于腾越街道片区停水的通告")
    aliyun.clock.forward(4000)
    long = {"title": "关于公布2026年农村危房改造补助对象名单的公告", "number": "腾政办公告〔2026〕17号",
            "publisher": "腾冲市人民政府办公室", "date": "2026年7月1日"}
    sender.send(to="13800138000", template="SMS_100002", param=json.dumps(long))
    submit(mas, mobiles="13900139000,13900139001,13900139002",
           content="更正：此前发布的停水时间有误，应为7月3日8时至18时。<详见门户网站>")
    for one in (aliyun, mas):
        one.clock.forward(5)
    sender.send(to="13912345678", title="关于恢复供水的通告")
    return aliyun, mas


def board():
    card = Card().start()
    with socket.create_connection(("127.0.0.1", card.port)) as line:
        line.sendall(wrap(update(
            area(r"\C3腾冲市人民政府信息公开", id=0, mode=1),
            area(r"\C1关于腾越街道片区停水的通告：\C27月3日8时至18时，\C1请提前储水。", id=1, y=0x8010, height=0x8020,
                 single=2, wraps=2, mode=1),
            area(r"\C2咨询电话 0875-5131234 滚动向左走的一行很长很长", id=2, y=0x8030))))
        line.recv(100)
    return card


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    aliyun, mas = messages()
    led, dark, empty = board(), Card().start(), Mas().start()
    with tempfile.TemporaryDirectory() as temporary:
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
                     "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", f"--user-data-dir={temporary}/chromium"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=webdriver.chrome.service.Service("/usr/bin/chromedriver"))
        try:
            for name, one, width, height in (("aliyun", aliyun, 1120, 620), ("aliyun", aliyun, 390, 844), ("mas", mas, 1120, 620),
                                             ("none", empty, 700, 300), ("led", led, 1160, 560), ("led-dark", dark, 1160, 480)):
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
                browser.get(one.url)
                picture = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
                (folder / f"{name}-{width}.png").write_bytes(base64.b64decode(picture))
        finally:
            browser.quit()
            for one in (aliyun, mas, led, dark, empty):
                one.close()


main(pathlib.Path(sys.argv[1]))
