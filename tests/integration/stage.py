"""What the player's tests share: one Chromium, a web server per test, and ways to read the screen."""
import time

import pytest

from glass import READ, Glass, House

LANDSCAPE, PORTRAIT = (1920, 1080), (1080, 1920)
SIZES = [LANDSCAPE, PORTRAIT, (3840, 2160), (1280, 720)]
FAST = "poll=0.2&speed=100"
LEAF = "poll=0.2&speed=200"  # for those that read a long document to its end

NOT_FIRST = "，。、；：？！）》」』”’…—"
NOT_LAST = "（《「『“‘"

@pytest.fixture(scope="module")
def screen():
    glass = Glass()
    yield glass
    glass.close()


@pytest.fixture
def glass(screen):
    screen.size(*LANDSCAPE)
    yield screen
    screen.open("about:blank")


@pytest.fixture
def house():
    made = House()
    yield made
    made.close()


def shows(document):
    return lambda state: (state["showing"] or {}).get("document") == document


def idle(state):
    return state["showing"] is None


def turn_all(glass, seconds=90):
    """Reads every page of what is shown, whatever page it is at; returns them in order."""
    pages = {}
    until = time.monotonic() + seconds
    while True:
        read = glass.run(READ)
        showing = read["state"]["showing"]
        if showing:
            pages[showing["page"]] = read
            if len(pages) == showing["pages"]:
                return [pages[number] for number in sorted(pages)]
        assert time.monotonic() < until, "only saw pages %s of %s" % (sorted(pages), showing)
        page = showing and showing["page"]
        glass.wait(lambda state: (state["showing"] or {}).get("page") != page)
