"""axe-core (from npm) over every kind of page of the demo's portal, at a phone's and a desk's width."""
import functools
import http.server
import json
import pathlib
import subprocess
import sys
import threading

import pytest
from selenium import webdriver

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = TREE / "build" / "release"
WIDTHS = (390, 1440)


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("axe")
    subprocess.run(["npm", "pack", "--silent", "axe-core@4"], cwd=folder, check=True, capture_output=True, timeout=120)
    subprocess.run(["tar", "xzf", next(folder.glob("axe-core-*.tgz")).name], cwd=folder, check=True)
    return (folder / "package" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "county"
    subprocess.run([sys.executable, TREE / "demo" / "run.py", "--once", "--folder", folder, "--programs", PROGRAMS],
                   check=True, capture_output=True, timeout=240)

    class Files(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(folder / "portal")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder / "portal", f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
                 "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
                 f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.chrome.service.Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def pages(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*.html"))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_has_an_accessibility_error_or_scrolls_sideways(axe, portal, browser, width):
    folder, address = portal
    found = []
    names = pages(folder)
    assert len(names) > 25
    for name in names:
        # A phone's width is smaller than the smallest window: the page is looked at as on that device.
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
        browser.get(f"{address}/{name}")
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        if wide > width:
            found.append(f"{name}: {wide} px wide at {width}")
        browser.execute_script(axe)
        result = browser.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(done, e => done({error: String(e)}))")
        assert "error" not in result, result
        found += [f"{name}: {v['id']}: {v['help']}: {json.dumps(v['nodes'][0]['html'])[:160]}" for v in result["violations"]]
    assert found == []
