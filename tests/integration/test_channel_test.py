"""`gongkaictl channel test`: which step of the way fails, and what a clerk is told to mend."""
import datetime
import json
import os
import socket
import subprocess
import threading

import pytest

from authority import Authority, silent_port
from county import PROGRAMS
from filehost import FileHost, good

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
HERE = "IP:127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("authority"))
    yield made
    made.close()


@pytest.fixture
def one(county):
    made = county()
    made.channel("hook", driver="discard")
    return made


def diagnose(one, *arguments, url=None, root=None, code=None, language="zh_CN.UTF-8", **settings):
    """The lines of `channel test hook` with this url, or with --json what it says."""
    if url:
        one.channel("hook", driver="webhook", url=url, timeout="1s", **settings)
    environment = dict(os.environ, LANG=language, **({"SSL_CERT_FILE": str(root)} if root else {}))
    run = subprocess.run([PROGRAMS / "gongkaictl", "--config", one.conf, "channel", "test", "hook", *arguments],
                         capture_output=True, text=True, timeout=60, env=environment)
    assert code in (None, run.returncode), run
    assert "Sanitizer" not in run.stderr, run
    return json.loads(run.stdout) if "--json" in arguments else run.stdout


def states(told):
    return {row["step"]: row["state"] for row in told["steps"]}


def test_a_good_way_is_told_step_by_step(one, authority):
    context = authority.certificate("good", HERE, NOW - DAY, NOW + 90 * DAY)
    host = authority.host(context)
    told = diagnose(one, url=f"https://127.0.0.1:{host.port}/in", root=authority.root, code=0)
    for line in ("[正常] 配置：", "[正常] 密钥：没有写 secret_file", "[正常] 域名：127.0.0.1 本身就是地址",
                 "[正常] 连接：连上了 127.0.0.1 端口", "[正常] 加密：证书可信：给 127.0.0.1，由 Test Root, Test Authority 签发",
                 "[正常] 出口：本机用内网地址 127.0.0.1", "[正常] HTTP 答复：对方答了 HTTP 200", "[正常] 试发：通过", "渠道“hook”可用"):
        assert line in told, told
    assert "（还有 89 天）" in told and "TLSv1.3" in told
    assert host.times("/in") == 1, "the handshake that looks at the certificate sends nothing"
    told = diagnose(one, "--json", root=authority.root, code=0)
    assert told["well"] is True and told["channel"] == "hook"
    assert states(told) == dict.fromkeys(("configuration", "secret", "dns", "tcp", "outgoing", "tls", "http", "driver"), "well")
    tls = next(row for row in told["steps"] if row["step"] == "tls")
    assert (tls["names"], tls["days"]) == ("127.0.0.1", 89)
    assert "[well] TCP: connected" in diagnose(one, root=authority.root, code=0, language="en_US.UTF-8")


def test_a_driver_that_is_granted_by_a_login_needs_a_secret_as_well(one):
    one.channel("hook", driver="weibo", app_key="1", safe_domain="www.example.gov.cn", rip="203.0.113.7", address="http://127.0.0.1:9")
    told = diagnose(one, code=1)
    assert "[不通] 密钥：没有写 secret_file，这种驱动要有 app_secret：用 gongkaictl channel secret hook 写入" in told


CERTIFICATES = [
    ("soon", HERE, NOW - DAY, NOW + 10 * DAY, True, "warning", "还有 9 天：请提醒对方换证书"),
    ("expired", HERE, NOW - 90 * DAY, NOW - 3 * DAY, True, "failed", "已经过期：请对方换证书"),
    ("early", HERE, NOW + 3 * DAY, NOW + 90 * DAY, True, "failed", "先核对本机时间"),
    ("other", "DNS:media.example.gov.cn,DNS:www.example.gov.cn", NOW - DAY, NOW + 90 * DAY, True, "failed",
     "证书是给 media.example.gov.cn, www.example.gov.cn 的，不是给 127.0.0.1 的"),
    ("alone", HERE, None, None, False, "failed", "证书是对方自己签的"),
]


@pytest.mark.parametrize("name, alternative, begin, end, signed, state, sentence", CERTIFICATES, ids=[c[0] for c in CERTIFICATES])
def test_a_certificate_is_judged(one, authority, name, alternative, begin, end, signed, state, sentence):
    host = authority.host(authority.certificate(name, alternative, begin, end, signed))
    told = diagnose(one, "--json", url=f"https://127.0.0.1:{host.port}/in", root=authority.root,
                    code=0 if state == "warning" else 1)
    tls = [row for row in told["steps"] if row["step"] == "tls"]
    assert [row["state"] for row in tls] == [state] and sentence in tls[0]["sentence"], told
    # libcurl is of the same mind: where we warn it sends, and where we refuse nothing is tried.
    assert states(told)["driver"] == ("well" if state == "warning" else "skipped")
    assert host.times("/in") == (1 if state == "warning" else 0)


def test_all_that_is_wrong_with_a_certificate_is_told_at_once(one, authority):
    host = authority.host(authority.certificate("worse", "DNS:x.example", NOW - 9 * DAY, NOW - DAY))
    told = diagnose(one, url=f"https://127.0.0.1:{host.port}/in", code=1)
    assert "签发者“Test Root, Test Authority”本机不认识" in told, "without the test's root"
    assert "不是给 127.0.0.1 的" in told and "已经过期" in told
    assert told.count("[不通] 加密") == 3


def test_a_certificate_that_the_diagnosis_trusts_libcurl_trusts_too(one, authority):
    """Against the roots of the machine both refuse, so the environment's file is what both read."""
    host = authority.host(authority.certificate("both", HERE, NOW - DAY, NOW + 90 * DAY))
    assert states(diagnose(one, "--json", url=f"https://127.0.0.1:{host.port}/in", code=1))["tls"] == "failed"
    assert states(diagnose(one, "--json", root=authority.root, code=0))["http"] == "well"


def test_a_port_that_speaks_no_tls_is_told_so(one):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        threading.Thread(target=answer, daemon=True).start()
        told = diagnose(one, url=f"https://127.0.0.1:{server.getsockname()[1]}/in", code=1)
    assert "[不通] 加密：加密没有谈成" in told and "https 还是 http" in told


def test_a_port_where_nobody_serves(one):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    told = diagnose(one, url=f"http://127.0.0.1:{port}/in", code=1)
    assert f"[不通] 连接：127.0.0.1 端口 {port} 拒绝连接" in told and "[没试] 试发" in told
    assert told.rstrip().endswith("核对地址和端口，再问对方"), "the last line says why"


@pytest.mark.parametrize("full, sentence", [(True, "端口 {port} 在 1000 毫秒里没有反应：多半被防火墙挡住了"),
                                            (False, "连上了，但 1000 毫秒里没有谈成加密")], ids=["dropped", "taken"])
def test_a_port_that_says_nothing_is_waited_for_no_longer_than_the_timeout(one, full, sentence):
    with silent_port(full) as port:
        told = diagnose(one, url=f"https://127.0.0.1:{port}/in", code=1)
    assert sentence.format(port=port) in told


def test_a_server_that_takes_the_request_and_says_nothing(one):
    with silent_port(full=False) as port:
        told = diagnose(one, url=f"http://127.0.0.1:{port}/in", code=1)
    assert "[正常] 连接" in told and "[不通] HTTP 答复：没有等到 HTTP 答复" in told and "[不通] 试发" in told


def test_a_name_that_nobody_knows(one):
    told = diagnose(one, url="https://nowhere.invalid/in", code=1)
    assert "[不通] 域名：" in told and "/etc/resolv.conf" in told and "连接" not in told.split("[没试]")[0].replace("连接超时", "")


def test_a_refusal_is_the_drivers_own_word(one):
    host = FileHost()
    told = diagnose(one, url=f"http://127.0.0.1:{host.port}/in", code=1)
    assert "[正常] HTTP 答复：对方答了 HTTP 404" in told and "[不通] 试发：" in told
    host.answers["/in"] = good(b"")
    assert "[正常] 试发" in diagnose(one, code=0)
    host.close()


def test_the_secret_is_looked_at_and_never_told(one):
    host = FileHost()
    host.answers["/in"] = good(b"")
    url, key = f"http://127.0.0.1:{host.port}/in", one.folder / "hook.key"
    told = diagnose(one, url=url, secret_file="hook.key", code=1)
    assert "[不通] 密钥：" in told and "gongkaictl channel secret hook" in told
    assert "[正常] 连接" in told, "the way is looked at all the same"
    assert host.asked == [], "and nothing is sent without the signature"
    key.write_text("a-very-secret-key\nanother-one\n")
    key.chmod(0o644)
    assert "人人可读" in diagnose(one, code=1)
    key.chmod(0o640)
    told = diagnose(one, code=0)
    assert "读得到，权限 640，2 行" in told and "secret-key" not in told
    host.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="the service becomes another user here, and only root may do that")
def test_root_tries_as_the_daemons_user(one):
    nobody, key = 65534, one.folder / "hook.key"
    key.write_text("a-very-secret-key\n")
    key.chmod(0o600)
    one.folder.chmod(0o755)
    os.chown(one.folder / "state", nobody, nobody)
    host = FileHost()
    host.answers["/in"] = good(b"")
    told = diagnose(one, url=f"http://127.0.0.1:{host.port}/in", secret_file="hook.key", code=1)
    assert "[不通] 密钥：读不了密钥文件" in told and "chgrp gongkai" in told, "root could read it, the daemon cannot"
    os.chown(key, nobody, nobody)
    assert "[正常] 密钥" in diagnose(one, code=0)
    host.close()


def test_a_wrong_file_is_told_with_its_line(one):
    told = diagnose(one, url="http://127.0.0.1/", tiemout="5s", code=1)
    assert "[不通] 配置" in told


def test_a_driver_that_connects_nowhere_is_tried_without_a_way(one):
    told = diagnose(one, "--json", code=0)
    assert states(told) == dict.fromkeys(("configuration", "secret", "driver"), "well")
