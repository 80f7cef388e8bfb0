#!/usr/bin/python3
"""A county in a box: Redis, the publisher, a portal, a display, and simulated accounts at WeChat, Weibo,
an SMS provider and a LED board, on free ports in one folder.

    demo/run.py [--once] [--folder DIR] [--programs DIR]

Publishes demo/events in the order of their names, revises one, withdraws one, prints each reply,
waits until all is shown, and says where to look. --once then checks every page and ends.
Python's standard library only; what it starts, it ends.
"""
import argparse
import functools
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import carriers
import check_pages
import front

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent
REGIONS = ("530000 云南省", "530626 绥江县", "530581 腾冲市", "532301 楚雄市", "532325 姚安县", "532502 开远市",
           "532504 弥勒市")
PATIENCE = 120  # seconds until all is shown

CONFIG = """\
[county]
regions = {regions}

[paths]
catalogue = catalogue
state = state
run = {run}

[redis]
socket = {run}/redis.sock

[publisherd]
listen = ipc://{run}/publish
events = ipc://{run}/events
control = {run}/control

[ledgerd]
receipts = ipc://{run}/receipts

[console]
listen = 127.0.0.1:{console_port}
"""

CHANNELS = {
    "portal": """\
driver = site
carrier = 政府网站
title = 示例县政务公开（演示）
root = {folder}/portal
address = http://127.0.0.1:{portal_port}
id_code = 5300000000
organ = 示例县人民政府办公室（演示）
contact = 电话：0871-0000000（演示）
""",
    "hall": """\
driver = display
carrier = 社区/企事业单位/村公示栏（电子屏）
title = 政务服务大厅公示屏
heading = 政务公开（演示）
county = 云南省六个试点县市
root = {folder}/display
displays = hall
after = portal
""",
}


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def end_headers(self):
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


def serve(folder):
    """A web server on a free port of the loopback; any would do, nginx too."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = functools.partial(Files, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Box:
    def __init__(self, folder, programs):
        self.folder, self.programs, self.processes = folder, programs, []
        if folder.exists():
            if not (folder / "gongkai.conf").exists() and any(folder.iterdir()):
                sys.exit(f"{folder} 已有别的文件，请换一个文件夹（has other files; name another by --folder）")
            shutil.rmtree(folder)
        for name in ("channels.d", "emitters.d", "state", "redis", "log"):
            (folder / name).mkdir(parents=True)
        shutil.copytree(TREE / "conf" / "catalogue", folder / "catalogue")
        # The name of a unix socket has at most 107 bytes, whatever folder this was cloned to.
        self.run = pathlib.Path(tempfile.mkdtemp(prefix="gongkai-"))
        self.portal, self.display, self.front = serve(folder / "portal"), serve(folder / "display"), None
        self.carriers = carriers.Carriers(self)
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.console_port = one.getsockname()[1]
        (folder / "gongkai.conf").write_text(CONFIG.format(regions=", ".join(REGIONS), run=self.run, console_port=self.console_port))
        (folder / "emitters.d" / "counties.conf").write_text("sources = urn:gongkai:*\nmay_urgent = yes\n")
        for name, text in CHANNELS.items():
            (folder / "channels.d" / f"{name}.conf").write_text(text.format(portal_port=self.portal.server_port, folder=folder))

    @property
    def portal_url(self):
        return f"http://127.0.0.1:{self.portal.server_port}"

    @property
    def display_url(self):
        return f"http://127.0.0.1:{self.display.server_port}/hall/"

    @property
    def console_url(self):
        return f"http://127.0.0.1:{self.console_port}/"

    @property
    def front_url(self):
        return f"http://127.0.0.1:{self.front.server_port}/"

    def start(self, name, *command):
        log = open(self.folder / "log" / f"{name}.log", "wb")
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, cwd=self.folder,
                                   start_new_session=True)
        self.processes.append((name, process))

    def look_after(self):
        for name, process in self.processes:
            if process.poll() is not None:
                print((self.folder / "log" / f"{name}.log").read_text(errors="replace")[-3000:], file=sys.stderr)
                sys.exit(f"{name} 意外退出（ended by itself with {process.returncode}）")

    def wait(self, condition, what, patience=PATIENCE):
        end = time.monotonic() + patience
        while not condition():
            self.look_after()
            if time.monotonic() > end:
                sys.exit(f"{patience} 秒内没有等到：{what}（did not come about）；日志在 {self.folder / 'log'}")
            time.sleep(0.1)  # between two looks at the condition

    def open(self):
        # The shipped settings, in this folder instead of the system's.
        own = {"dir": self.folder / "redis", "unixsocket": self.run / "redis.sock", "daemonize": "no", "supervised": "no"}
        lines = (TREE / "conf" / "redis.conf").read_text().splitlines()
        kept = [line for line in lines if not line.split() or line.split()[0] not in (*own, "logfile", "pidfile")]
        (self.folder / "redis.conf").write_text("\n".join(kept + [f'{key} "{value}"' for key, value in own.items()]) + "\n")
        self.start("redis", "redis-server", self.folder / "redis.conf")
        self.wait((self.run / "redis.sock").exists, "Redis")
        conf = self.folder / "gongkai.conf"
        self.carriers.open()
        wechat, weibo, sms, led = self.carriers.pages
        self.front = front.serve([("门户网站", self.portal_url + "/", "page"), wechat,
                                  ("政务服务大厅公示屏", self.display_url, "screen"), weibo, sms, led], self.console_url)
        self.start("publisherd", self.programs / "gongkai-publisherd", "--config", conf)
        self.wait((self.run / "publish").exists, "gongkai-publisherd")
        self.start("ledgerd", self.programs / "gongkai-ledgerd", "--config", conf)
        self.start("consoled", self.programs / "gongkai-consoled", "--config", conf)
        for channel in [*CHANNELS, *carriers.CHANNELS]:
            self.start(f"channeld-{channel}", self.programs / "gongkai-channeld", "--config", conf, channel)

    def close(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # impatience leaves nothing behind either
        for name, process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for server in (self.portal, self.display, self.front):
            if server:
                server.shutdown()
                server.server_close()
        shutil.rmtree(self.run, ignore_errors=True)

    def emit(self, path, event):
        command = [str(self.programs / "gongkai-emit"), "--door", f"ipc://{self.run}/publish", "--try-for", "60s"]
        for attachment in event["data"].get("attachments", []):
            command += ["--attach", str(HERE / "attachments" / attachment["name"])]
        run = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        line = run.stdout.strip()
        reply = json.loads(line) if line else {}
        print(f"  {path.name}: {reply.get('status', run.stderr.strip())}  {reply.get('document', '')}"
              f"  第 {reply.get('revision', '-')} 版 → {'、'.join(reply.get('channels', []))}", flush=True)
        for one in reply.get("warnings", []) + reply.get("errors", []):
            print(f"      {one['code']}: {one['message']}")
        if reply.get("status") != "accepted":
            sys.exit(f"{path.name} 没有被接收（was not accepted）：{line or run.stderr}")
        return reply

    def shown(self, region, document):
        run = subprocess.run([str(self.programs / "gongkaictl"), "--config", str(self.folder / "gongkai.conf"), "--json",
                              "--region", region, "document", "show", document], capture_output=True, text=True, check=False)
        return json.loads(run.stdout) if run.returncode == 0 else {}

    def console_problems(self, documents):
        """Whether the console has each document, with its way through the channels."""
        problems = []
        for region, document in documents:
            try:
                page = check_pages.get(f"{self.console_url}document/{region}/{urllib.parse.quote(document, safe='')}").decode()
                if "门户" not in page and "portal" not in page:
                    problems.append(f"总览里 {document} 没有渠道")
            except OSError as error:
                problems.append(f"总览里没有 {document}：{error}")
        return problems

    def settled(self, region, document, revision, state):
        def done():
            shown = self.shown(region, document)
            return shown and shown["channels"] and all(
                one["state"] == state and one.get("revision") == revision for one in shown["channels"])
        return done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path, default=HERE / "county")
    parser.add_argument("--programs", type=pathlib.Path, default=TREE / "build" / "release")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    box = Box(arguments.folder.resolve(), arguments.programs.resolve())
    try:
        box.open()
        events = {path: json.loads(path.read_text()) for path in sorted((HERE / "events").glob("*.json"))}
        print("发送（sending）：")
        last, replies = {}, {}
        for path, event in events.items():
            region, document = event["source"].split(":")[2], event["data"]["document"]
            if (region, document) in last:
                # A citizen may have seen the first one before it is revised or withdrawn: so do we.
                before = last[region, document]
                box.wait(box.settled(region, document, before["data"]["revision"], "published"),
                         f"{document} 第 {before['data']['revision']} 版")
            replies[path.name] = box.emit(path, event)
            last[region, document] = event
        print("等待各渠道展示（waiting until all is shown）……", flush=True)
        for (region, document), event in last.items():
            state = "withdrawn" if "withdraw" in event["type"] else "published"
            box.wait(box.settled(region, document, event["data"]["revision"], state), document)
        shown = {key: box.shown(*key) for key in last}
        print(f"\n各渠道并排（all carriers side by side）： {box.front_url}\n"
              f"门户网站（portal）：  {box.portal_url}/\n公示屏（display）：    {box.display_url}\n总览（console）：      {box.console_url}\n"
              + "".join(f"{name}（模拟）：  {address}\n" for name, address, _ in box.carriers.pages) +
              f"文件夹（folder）：    {box.folder}\n"
              f"命令（try）：         {os.path.relpath(box.programs)}/gongkaictl --config "
              f"{os.path.relpath(box.folder)}/gongkai.conf status\n", flush=True)
        if arguments.once:
            problems = check_pages.check(box.portal_url, box.display_url, list(events.values()), last, shown, HERE)
            problems += box.console_problems(last)
            for problem in problems:
                print(f"不对（wrong）：{problem}", file=sys.stderr)
            print(f"{len(last)} 份文件逐页核对，{len(problems)} 处不对（pages checked, things wrong）")
            return 1 if problems else 0
        print("按 Ctrl-C 结束（Ctrl-C ends it）", flush=True)
        while True:
            box.look_after()
            time.sleep(1)  # until Ctrl-C
    except KeyboardInterrupt:
        print("\n结束（ending）")
        return 0
    finally:
        box.close()


if __name__ == "__main__":
    sys.exit(main())
