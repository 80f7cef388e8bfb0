"""A county in a temporary folder: private Redis, publisherd, channels, and a door to knock at.

Everything is started by the test that wants it and ended with it. Nothing sleeps for a fixed time:
wait_until() looks at a condition until it holds, or fails with what it last saw.
"""
import contextlib
import copy
import datetime
import hashlib
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import redis
import zmq

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("GONGKAI_PROGRAMS", TREE / "build" / "asan"))
SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
NUMBERS = itertools.count(1)


def free_port():
    """A port of 127.0.0.1 that nobody has, below those that the kernel gives to whoever connects (32768 and more)."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


def wait_until(condition, timeout=20, what=""):
    end = time.monotonic() + timeout
    while True:
        seen = condition()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"in {timeout} s it did not come about: {what or condition} (last: {seen!r})")
        time.sleep(0.02)


def now(**delta):
    return (datetime.datetime.now(SHANGHAI) + datetime.timedelta(**delta)).isoformat(timespec="milliseconds")


def publish(document="doc-1", title="关于公布一项安排的通告", body="第一条 内容。", item="aqsc.0402", id=None,
            source="urn:gongkai:530581:oa", time=None, attributes=None, **data):
    event = {
        "specversion": "1.0", "type": "cn.gongkai.disclosure.publish.v1", "source": source,
        "id": id or f"t-{next(NUMBERS)}", "time": time or now(), "datacontenttype": "application/json",
        "data": {"document": document, "item": item, "title": title,
                 "body": {"format": "text", "content": body},
                 "publisher": {"name": "腾冲市人民政府办公室"}, "dates": {"formed": "2026-11-20"}, **data},
    }
    event.update(attributes or {})
    return event


def withdraw(document="doc-1", reason="内容有误", id=None, source="urn:gongkai:530581:oa", time=None, **data):
    return {
        "specversion": "1.0", "type": "cn.gongkai.disclosure.withdraw.v1", "source": source,
        "id": id or f"t-{next(NUMBERS)}", "time": time or now(), "datacontenttype": "application/json",
        "data": {"document": document, "reason": reason, **data},
    }


def query(document=None, source="urn:gongkai:530581:oa", id=None):
    return {
        "specversion": "1.0", "type": "cn.gongkai.query.document.v1", "source": source,
        "id": f"q-{next(NUMBERS)}", "time": now(), "datacontenttype": "application/json",
        "data": {"document": document} if document else {"id": id},
    }


def attachment(name, content, media_type="text/plain", **more):
    return {"name": name, "media_type": media_type, "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(), **more}


class Door:
    """An honest emitter: a DEALER with an empty delimiter."""

    def __init__(self, endpoint, keys=None, server_key=None):
        self.context = zmq.Context.instance()
        self.endpoint, self.keys, self.server_key = endpoint, keys, server_key
        self.socket = None
        self.open()

    def open(self):
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        if self.keys:
            self.socket.curve_publickey, self.socket.curve_secretkey = self.keys
            self.socket.curve_serverkey = self.server_key
        self.socket.connect(self.endpoint)

    def close(self):
        self.socket.close(0)

    def send(self, message, attachments=()):
        body = message if isinstance(message, bytes) else json.dumps(message, ensure_ascii=False).encode()
        self.socket.send_multipart([b"", body, *attachments])

    def receive(self, timeout=10):
        if not self.socket.poll(int(timeout * 1000)):
            raise AssertionError("the door did not answer")
        frames = self.socket.recv_multipart()
        assert frames[0] == b"" and len(frames) == 2
        return json.loads(frames[1])

    def ask(self, message, attachments=(), timeout=10):
        self.send(message, attachments)
        return self.receive(timeout)


class County:
    def __init__(self, folder=None, regions=("530581 腾冲市",), fsync="always", config=""):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="gk-", dir="/tmp"))
        self.conf = self.folder / "gongkai.conf"
        self.fsync, self.processes, self.began, self.environment = fsync, {}, {}, {}
        self.redis_socket = self.folder / "redis.sock"
        for name in ("channels.d", "emitters.d", "run", "state", "redis"):
            (self.folder / name).mkdir(exist_ok=True)
        shutil.copytree(TREE / "conf" / "catalogue", self.folder / "catalogue", dirs_exist_ok=True)
        sections = {
            "county": {"regions": ", ".join(regions)},
            "paths": {"catalogue": "catalogue", "state": "state", "run": "run"},
            "redis": {"socket": "redis.sock", "timeout": "2s"},
            "publisherd": {"listen": f"ipc://{self.folder}/run/publish",
                           "events": f"ipc://{self.folder}/run/events",
                           "control": f"{self.folder}/run/control"},
            "ledgerd": {"receipts": f"ipc://{self.folder}/run/receipts"},
        }
        for line in config.strip().splitlines():
            if line.startswith("["):
                current = line.strip("[] ")
            elif "=" in line:
                key, value = line.split("=", 1)
                sections.setdefault(current, {})[key.strip()] = value.strip()
        self.conf.write_text("".join(
            f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in settings.items()) + "\n"
            for section, settings in sections.items()))
        self.endpoint = f"ipc://{self.folder}/run/publish"

    # -- processes

    def start(self, name, *command, env=None, ready=None):
        log = open(self.folder / f"{name}.log", "ab")
        self.began[name] = log.tell()
        environment = dict(os.environ, LANG="zh_CN.UTF-8", **self.environment, **(env or {}))
        environment.setdefault("ASAN_OPTIONS", "abort_on_error=1:detect_leaks=1")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log, cwd=self.folder,
                                   env=environment, start_new_session=True)
        self.processes[name] = process
        if ready:
            wait_until(lambda: ready() or process.poll() is not None, 20, f"{name} is ready")
            assert process.poll() is None, f"{name} ended:\n{self.log(name)[-3000:]}"
        return process

    def start_redis(self, env=None, **settings):
        settings = {"appendfsync": self.fsync, **settings}
        command = ["redis-server", "--port", "0", "--unixsocket", self.redis_socket, "--dir", self.folder / "redis",
                   "--appendonly", "yes", "--save", "", "--no-appendfsync-on-rewrite", "no",
                   "--maxmemory-policy", "noeviction", "--aof-use-rdb-preamble", "yes"]
        for key, value in settings.items():
            command += [f"--{key}", str(value)]

        def up():
            try:
                return self.redis().ping()
            except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError, FileNotFoundError):
                return False
        return self.start("redis", *command, env=env, ready=up)

    def redis(self):
        return redis.Redis(unix_socket_path=str(self.redis_socket))

    def start_publisherd(self, env=None):
        path = self.folder / "run" / "publish"
        path.unlink(missing_ok=True)
        return self.start("publisherd", PROGRAMS / "gongkai-publisherd", "--config", self.conf, env=env,
                          ready=path.exists)

    def start_ledgerd(self, env=None):
        path = self.folder / "run" / "receipts"
        path.unlink(missing_ok=True)
        return self.start("ledgerd", PROGRAMS / "gongkai-ledgerd", "--config", self.conf, env=env, ready=path.exists)

    def channel(self, name, **settings):
        lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
        (self.folder / "channels.d" / f"{name}.conf").write_text(lines)

    def emitter(self, name, **settings):
        lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
        (self.folder / "emitters.d" / f"{name}.conf").write_text(lines)

    def start_channel(self, name, instance="", env=None):
        label = f"channeld-{name}{instance}"
        before = self.log(label).count("已启动")
        process = self.start(label, PROGRAMS / "gongkai-channeld", "--config", self.conf, name, env=env)
        wait_until(lambda: self.log(label).count("已启动") > before or process.poll() is not None, 30, f"{label} is up")
        return process

    def log(self, name):
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def kill(self, name, with_signal=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(with_signal)
        return process.wait(30)

    def stop(self, name):
        code = self.kill(name, signal.SIGTERM)
        # One that has said nothing yet has not come to listen for signals either.
        silent = (self.folder / f"{name}.log").stat().st_size == self.began[name]
        assert code == 0 or (silent and code == -signal.SIGTERM), f"{name} ended with {code}:\n{self.log(name)[-4000:]}"

    def close(self):
        """Ends everything, and looks at what the sanitizers said."""
        bad = []
        for name in sorted(self.processes, key=lambda n: n == "redis"):
            process = self.processes[name]
            early = process.poll()
            if early is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(25)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    bad.append(f"{name} did not stop")
            log = self.log(name)
            if "Sanitizer" in log or "runtime error" in log or process.returncode not in (0, -signal.SIGTERM):
                bad.append(f"{name} ended with {process.returncode}:\n{log[-6000:]}")
        self.processes.clear()
        if bad:
            raise AssertionError("\n".join(bad))
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- using it

    def door(self, **more):
        return Door(self.endpoint, **more)

    def ask(self, message, attachments=(), timeout=10):
        door = self.door()
        try:
            return door.ask(message, attachments, timeout)
        finally:
            door.close()

    def ready(self):
        """Waits until events are taken."""
        def taken():
            reply = self.ask(publish(document="probe", attributes={"gkdryrun": True}))
            assert reply["status"] in ("accepted", "busy", "stale", "duplicate"), reply
            return reply["status"] != "busy"
        wait_until(taken, 30, "the door takes events")

    def ctl(self, *arguments, code=0, language="zh_CN.UTF-8"):
        result = subprocess.run([PROGRAMS / "gongkaictl", "--config", self.conf, *map(str, arguments)],
                                capture_output=True, text=True, timeout=60,
                                env=dict(os.environ, LANG=language))
        assert result.returncode == code, (arguments, result.returncode, result.stdout, result.stderr)
        return result.stdout

    def ctl_json(self, *arguments, code=0):
        return json.loads(self.ctl(*arguments, "--json", code=code))

    def shown(self, document, channel, state="published", revision=None, timeout=30):
        """Waits until a channel has settled a document."""
        def settled():
            reply = self.ask(query(document))
            for one in reply.get("channels", []):
                if one["channel"] == channel and one["state"] == state and revision in (None, one.get("revision")):
                    return one
            return None
        return wait_until(settled, timeout, f"{document} is {state} on {channel}")

    def start_all(self, channels=()):
        self.start_redis()
        self.start_publisherd()
        for name in channels:
            self.start_channel(name)
        self.ready()
        return self
