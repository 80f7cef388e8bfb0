"""Debian's Kannel with its fakesmsc: what leaves a channel is what a phone would get, and reports come back."""
import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("GONGKAI_PROGRAMS", str(TREE / "build" / "release"))
sys.path.insert(0, str(TREE / "tests" / "integration"))
from county import County, free_port, publish, wait_until  # noqa: E402
from hookkit import state_of  # noqa: E402

FAKESMSC = "/usr/lib/kannel/test/fakesmsc"
NUMBERS = [str(13800138000 + i) for i in range(25)]
PASSWORD = "kannel-pass"


def is_open(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Kannel:
    def __init__(self, folder):
        self.folder, self.processes = folder, []
        admin, boxes, self.smsc, self.port = (free_port() for _ in range(4))
        (folder / "kannel.conf").write_text(f"""
group = core
admin-port = {admin}
admin-password = admin
smsbox-port = {boxes}
box-allow-ip = 127.0.0.1

group = smsc
smsc = fake
smsc-id = F
port = {self.smsc}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {self.port}
global-sender = 10657529

group = sendsms-user
username = gongkai
password = {PASSWORD}
max-messages = 5
concatenation = true
""")
        self.run("bearerbox", "/usr/sbin/bearerbox", "kannel.conf")
        wait_until(lambda: is_open(boxes) and is_open(self.smsc), 20, "bearerbox is up")
        self.run("smsbox", "/usr/sbin/smsbox", "kannel.conf")
        wait_until(lambda: is_open(self.port), 20, "smsbox is up")
        # It reads commands from its input, which stays open and silent.
        self.run("fakesmsc", FAKESMSC, "-H", "127.0.0.1", "-r", str(self.smsc), "-m", "0")
        wait_until(lambda: "onnect" in self.log("fakesmsc"), 20, "fakesmsc is up")

    def run(self, name, *command):
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.folder))

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def messages(self):
        """(number, the text) of each message that came to the carrier's end; %XX are UCS-2's bytes."""
        found = []
        for number, escaped in re.findall(r"Got message \d+: <\S+ (\d+) ucs-2 (\S*)>", self.log("fakesmsc")):
            raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), escaped.replace("+", " ").encode())
            found.append((number, raw.decode("utf-16-be", "replace")))
        return found

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.stdin.close()
            process.wait(20)


@pytest.fixture
def kannel(tmp_path):
    one = Kannel(tmp_path)
    yield one
    one.close()


@pytest.fixture
def office(kannel):
    county = County()
    (county.folder / "people.csv").write_text("number\n" + "\n".join(NUMBERS) + "\n")
    secret = county.folder / "sms.key"
    secret.write_text(f"hmac_key = 5f2b1c0d9e8f7a6b5c4d\nusername = gongkai\npassword = {PASSWORD}\n")
    secret.chmod(0o600)
    port = free_port()
    county.channel("sms", driver="kannel", url=f"http://127.0.0.1:{kannel.port}/cgi-bin/sendsms", carrier="政府网站",
                   signature="腾冲发布", recipients="people.csv", secret_file=str(secret), hours="00:00-24:00", batch="10",
                   listen=f"127.0.0.1:{port}", report_url=f"http://127.0.0.1:{port}/", reports="3s")
    county.secret = secret
    yield county
    county.close()


def test_everybody_gets_one_message_and_reports_are_counted(kannel, office):
    office.start_all(["sms"])
    office.ask(publish(texts={"short": "明日8时至18时停水，请提前储水"}))
    assert office.shown("doc-1", "sms", timeout=60)["reference"] == "sent=25,failed=0,doubt=0"
    # Kannel has them by now, and passes them on in its own time.
    wait_until(lambda: len(kannel.messages()) >= len(NUMBERS), 20, "all messages came to the carrier's end")
    assert sorted(kannel.messages()) == [(number, "【腾冲发布】明日8时至18时停水，请提前储水") for number in NUMBERS]
    wait_until(lambda: state_of(office, channel="sms")["reference"] == "sent=25,failed=0,doubt=0,delivered=25,undelivered=0", 20)
    assert len(kannel.messages()) == len(NUMBERS)


def test_a_test_tells_a_wrong_password_and_texts_nobody(kannel, office):
    office.start_redis()
    office.start_publisherd()
    assert "账号能用" in office.ctl("channel", "test", "sms")
    office.secret.write_text("hmac_key = 5f2b1c0d9e8f7a6b5c4d\nusername = gongkai\npassword = wrong\n")
    assert "Authorization failed" in office.ctl("channel", "test", "sms", code=1)
    assert kannel.messages() == []
