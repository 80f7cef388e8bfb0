"""A screen for tests: headless Chromium at an exact size, and the web server it looks at.

The server serves the player's folder; its playlist, its status and its clock are the test's.
Debian packages: chromium, chromium-driver, python3-selenium, fonts-noto-cjk.
"""

import base64
import email.utils
import hashlib
import http.server
import json
import os
import pathlib
import tempfile
import threading
import time

from selenium import webdriver
from selenium.common.exceptions import JavascriptException
from selenium.webdriver.chrome.service import Service

PLAYER = pathlib.Path(__file__).resolve().parents[2] / "channels" / "display" / "player"

# Nothing here may go through a proxy: driver, server and page are all on this machine.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --no-proxy-server --force-device-scale-factor=1"
).split()


# What stands on the glass now: the characters whose middle is inside the window, line by line.
# A line is what one block shows at one height; `cut` counts glyphs that the window cuts.
READ = """
const clip = document.getElementById('clip').getBoundingClientRect();
const flow = document.getElementById('flow');
const walker = document.createTreeWalker(flow, NodeFilter.SHOW_TEXT);
const range = document.createRange();
const BLOCK = /^(P|DIV|H\\d|LI|TD|TH|DT|DD|CAPTION|PRE|BLOCKQUOTE|ARTICLE)$/;
const lines = [];
let cut = 0, text = '', block = null, line = null;
while (walker.nextNode()) {
    const node = walker.currentNode;
    let element = node.parentElement;
    const size = parseFloat(getComputedStyle(element).fontSize);
    while (!BLOCK.test(element.tagName)) element = element.parentElement;
    for (let i = 0; i < node.length; i++) {
        const c = node.nodeValue[i];
        if (/[\\s\\u2060]/.test(c)) continue;
        range.setStart(node, i); range.setEnd(node, i + 1);
        const rects = range.getClientRects();
        if (!rects.length) continue;
        const r = rects[rects.length - 1], middle = (r.top + r.bottom) / 2;
        const top = middle - size * 0.5, bottom = middle + size * 0.5;
        const inside = middle > clip.top && middle < clip.bottom;
        if (inside ? top < clip.top - 1 || bottom > clip.bottom + 1
                   : top < clip.bottom - 1 && bottom > clip.top + 1) cut++;
        if (element !== block || Math.abs(line.middle - middle) > size * 0.6) {
            line = {middle: middle, text: '', first: element !== block, last: true,
                left: r.left, right: r.right, top: top, bottom: bottom, seen: inside,
                tag: element.tagName, cls: element.className, size: size};
            if (element === block && lines.length) lines[lines.length - 1].last = false;
            lines.push(line);
            block = element;
        }
        line.text += c;
        line.left = Math.min(line.left, r.left); line.right = Math.max(line.right, r.right);
        if (inside) text += c;
    }
}
const frame = document.getElementById('frame').getBoundingClientRect();
const root = document.documentElement;
return {state: window.gongkaiPlayer.state(), text: text, cut: cut,
    lines: lines.filter(l => l.seen), repeat: document.getElementById('repeat').textContent,
    frame: {left: frame.left, right: frame.right, top: frame.top, bottom: frame.bottom},
    over: [root, document.body, document.getElementById('screen')].some(e =>
        e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight),
    clipped: document.getElementById('flow').scrollWidth > flow.clientWidth};
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, directory=str(PLAYER), **kwargs)

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        if timestamp is None:
            timestamp = time.time() + self.server.house.clock_ahead
        return email.utils.formatdate(timestamp, usegmt=True)

    def end_headers(self):
        self.send_header("Connection", "close")
        super().end_headers()

    def do_GET(self):
        house = self.server.house
        path = self.path.split("?")[0]
        with house.lock:
            house.asked.append(path)
            del house.asked[:-200]
        if path.endswith("/playlist.json"):
            self.playlist(house)
        elif house.page_away:
            self.send_error(503)
        else:
            super().do_GET()

    def do_POST(self):
        house = self.server.house
        beat = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with house.lock:
            house.asked.append(self.path)
            house.beats.append(beat)
        self.send_response(house.beat_status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def playlist(self, house):
        if house.hang.is_set():
            house.hung += 1
            house.released.wait(30)
            self.close_connection = True
            return
        body, status = house.body, house.status
        tag = '"%s"' % hashlib.sha256(body).hexdigest()[:16]
        if status == 200 and self.headers.get("If-None-Match") == tag:
            house.unchanged += 1
            self.send_response(304)
            self.send_header("ETag", tag)
            self.end_headers()
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 200:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # a browser that hangs up is the ordinary case here


class House:
    """The county's web server: say what it serves, let it fall silent, let it come back."""

    def __init__(self):
        self.lock = threading.Lock()
        self.body = b""
        self.status = 200
        self.clock_ahead = 0
        self.page_away = False
        self.hang = threading.Event()
        self.released = threading.Event()
        self.hung = 0
        self.unchanged = 0
        self.asked = []
        self.beats = []
        self.beat_status = 204
        self.serial = 0
        self.port = 0
        self.server = None
        self.open()

    def open(self):
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.house = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        if self.server:
            self.released.set()
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def put(self, *entries, **fields):
        """Serves a playlist of these entries; returns its serial."""
        self.serial += 1
        playlist = {
            "format": 1, "display": "hall", "title": "腾冲市政务公开", "county": "腾冲市",
            "generated": "2026-11-23T22:00:00+08:00", "serial": self.serial, "language": "zh",
            "entries": list(entries),
        }
        playlist.update(fields)
        self.body = json.dumps(playlist, ensure_ascii=False).encode()
        self.status = 200
        return self.serial

    def url(self, query="", page="index.html"):
        return "http://127.0.0.1:%d/%s?%s" % (self.port, page, query)


class Glass:
    """One screen. show() opens the player; state() is what it says of itself."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in FLAGS + ["--user-data-dir=" + self.profile.name]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_script_timeout(60)

    def close(self):
        self.driver.quit()
        self.profile.cleanup()

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def calm(self):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})

    def open(self, url):
        self.driver.get(url)

    def run(self, script, *args):
        return self.driver.execute_script(script, *args)

    def state(self):
        try:
            return self.run("return window.gongkaiPlayer ? window.gongkaiPlayer.state() : null")
        except JavascriptException:
            return None

    def showing(self):
        state = self.state()
        return state and state["showing"]

    def wait(self, condition, seconds=15, what="the condition"):
        """Waits until condition(state) is true, and returns the state it was true of."""
        until = time.monotonic() + seconds
        while True:
            state = self.state()
            if state and condition(state):
                return state
            assert time.monotonic() < until, "waited in vain for %s; state %r" % (what, state)
            threading.Event().wait(0.02)

    def picture(self, path):
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))
