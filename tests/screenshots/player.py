"""Photographs the display's page with the sample playlist, for docs/screenshots/.

    /usr/bin/python3 tests/screenshots/player.py [FOLDER]

The page believes it is the moment at which the sample was generated, so a picture only changes
when the page does. Needs the same packages as tests/integration/test_player.py.
"""

import datetime
import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from glass import PLAYER, Glass, House  # noqa: E402

# Name, size, document, page.
PICTURES = [
    ("player-1920x1080", (1920, 1080), "example-2026-0301", 1),
    ("player-1080x1920", (1080, 1920), "example-2026-0307", 1),
    ("player-table-1920x1080", (1920, 1080), "example-2026-0301", 3),
    ("player-idle-1920x1080", (1920, 1080), None, None),
]


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    sample = (PLAYER / "sample-playlist.json").read_bytes()
    generated = datetime.datetime.fromisoformat(json.loads(sample)["generated"])
    house, glass = House(), Glass()

    try:
        glass.calm()
        for name, size, document, page in PICTURES:
            house.clock_ahead = generated.timestamp() - time.time()
            house.body = sample
            if document is None:
                house.put()
            glass.size(*size)
            glass.open(house.url("poll=0.5&speed=8"))
            glass.wait(lambda state: abs(state["clockOffsetMs"] - house.clock_ahead * 1000) < 9000
                       and wanted(state["showing"], document, page), 60)
            glass.picture(folder / (name + ".png"))
            print(folder / (name + ".png"))
    finally:
        glass.close()
        house.close()


def wanted(showing, document, page):
    if document is None:
        return showing is None
    return showing and showing["document"] == document and showing["page"] == page


if __name__ == "__main__":
    main()
