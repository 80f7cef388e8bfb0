#!/usr/bin/python3
"""Takes the pictures of the portal for the documents: docs/screenshots/portal-*.png.

Runs the demo in a folder of its own, and looks at its pages at a phone's and a desk's width.
"""
import base64
import functools
import http.server
import pathlib
import subprocess
import sys
import tempfile
import threading

from selenium import webdriver

TREE = pathlib.Path(__file__).resolve().parents[2]
OUT = TREE / "docs" / "screenshots"
HEIGHTS = {390: 844, 1440: 1100}


def page_with(folder, words):
    return next(p for p in sorted(folder.glob("[0-9]*/??/*.html")) if words in p.read_text())


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "county"
        subprocess.run([sys.executable, TREE / "demo" / "run.py", "--once", "--folder", folder], check=True)
        site = folder / "portal"

        class Files(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *arguments):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(site)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pages = {
            "portal": (site / "index.html", ""),
            "portal-document": (page_with(site, "<meta name=\"ArticleTitle\" content=\"云南省人民政府办公厅关于印发"), ""),
            "portal-table": (page_with(site, "<meta name=\"ArticleTitle\" content=\"云南省人民政府办公厅关于印发"), "table:nth-of-type(1)"),
            "portal-withdrawn": (page_with(site, "noindex"), ""),
        }
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
                     "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
                     f"--user-data-dir={temporary}/chromium"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=webdriver.chrome.service.Service("/usr/bin/chromedriver"))
        try:
            for name, (path, where) in pages.items():
                for width, height in HEIGHTS.items():
                    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
                    browser.get(f"http://127.0.0.1:{server.server_port}/{path.relative_to(site)}")
                    if where:
                        browser.execute_script("document.querySelectorAll('article table, main table')"
                                               "[1].scrollIntoView({block: 'center'})")
                    picture = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
                    (OUT / f"{name}-{width}.png").write_bytes(base64.b64decode(picture))
        finally:
            browser.quit()
            server.shutdown()


main()
