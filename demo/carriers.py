"""The demo's carriers that are somebody else's: accounts with a provider, here simulated ones on this machine.

Each is a program of tests/simulators on free ports, strict as the real one, with a page of what people see.
"""
import pathlib
import socket
import sys

HERE = pathlib.Path(__file__).resolve().parent
SIMULATORS = HERE.parent / "tests" / "simulators"

APPID, APPSECRET = "wx5f0c3a1b2d4e6f70", "0123456789abcdef0123456789abcdef"
CALLBACK_TOKEN = "demoCallbackToken"
WEIBO_TOKEN = "2.00demoDemoDemoDemoDemoDemo"

# Numbers of a block that no carrier has given out.
RECIPIENTS = """\
号码,分组,区划
19900000001,,
19900000002,,
19900000003,,
"""

FILES = {
    "recipients.csv": (RECIPIENTS, 0o640),
    "wechat.secret": (f"appsecret = {APPSECRET}\ntoken = {CALLBACK_TOKEN}\n", 0o600),
    "weibo.secret": (f"access_token = {WEIBO_TOKEN}\n", 0o600),
    "sms.secret": ("secret_key = simulator-secret\nhmac_key = demo-hmac-key-of-the-county-in-a-box\n", 0o600),
}

CHANNELS = {
    "wechat": """\
driver = wechat
title = 政务微信（模拟）
carrier = 政务微信
after = portal
appid = {appid}
secret_file = wechat.secret
api = http://127.0.0.1:{wechat}
listen = 127.0.0.1:{callback}
cover = {here}/attachments/binjiang-shiyi.png
""",
    "weibo": """\
driver = weibo
title = 政务微博（模拟）
carrier = 政务微博
after = portal
app_key = 1234567890
secret_file = weibo.secret
address = http://127.0.0.1:{weibo}
safe_domain = 127.0.0.1
rip = 203.0.113.7
concurrency = 1
""",
    "sms": """\
driver = mas
title = 短信（模拟）
carrier = 短信
after = portal
url = http://127.0.0.1:{sms}
secret_file = sms.secret
ec_name = 腾冲市人民政府办公室
ap_id = tczfb
sign = wHwvfNuH5
signature = 腾冲市人民政府
recipients = recipients.csv
hours = 00:00-24:00
on_withdraw = correct
""",
    "led": """\
driver = onbon
title = 便民服务站条屏（模拟）
carrier = 便民服务站, 社区/企事业单位/村公示栏（电子屏）
host = 127.0.0.1
port = {led}
width = 256
height = 64
effect = up
lines = yes
""",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Carriers:
    """Starts the simulators in a box (demo/run.py) and knows their ports."""

    def __init__(self, box):
        self.box, self.ports = box, {"portal": box.portal.server_port, "callback": free_port()}

    def open(self):
        box, ports = self.box, self.ports
        callback = ["--callback", f"http://127.0.0.1:{ports['callback']}/", "--callback-token", CALLBACK_TOKEN]
        ports["wechat"], = self.start("wechat", "wechat.py", "--name", "示例县发布", "--publish-seconds", "1", *callback)
        ports["weibo"], = self.start("weibo", "weibo.py", "--name", "示例县发布", "--token", WEIBO_TOKEN, "--safe-domain", "127.0.0.1")
        ports["sms"], = self.start("sms", "sms_mas.py")
        ports["led"], ports["led_page"] = self.start("led", "led_onbon.py")
        for name, (text, mode) in FILES.items():
            path = box.folder / name
            path.touch(mode)
            path.write_text(text)
        for name, text in CHANNELS.items():
            (box.folder / "channels.d" / f"{name}.conf").write_text(text.format(appid=APPID, here=HERE, **ports))

    def start(self, name, program, *arguments):
        """The ports that it says in its first line."""
        log = self.box.folder / "log" / f"simulated-{name}.log"
        self.box.start(f"simulated-{name}", sys.executable, SIMULATORS / program, "--port", "0", "--print-port", *arguments)
        self.box.wait(lambda: log.exists() and "\n" in log.read_text(), f"{program}")
        return [int(word) for word in log.read_text().splitlines()[0].split()]

    @property
    def pages(self):
        """What people see: name, address, width and height of the picture that the front page has room for."""
        at = {name: f"http://127.0.0.1:{port}/" for name, port in self.ports.items()}
        return [("政务微信", at["wechat"], "phone"), ("政务微博", at["weibo"], "phone"), ("短信", at["sms"], "phone"),
                ("便民服务站条屏", at["led_page"], "board")]
