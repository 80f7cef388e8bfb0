"""Storms use the same county as the stories of tests/integration."""
import importlib.util
import os
import pathlib
import sys

import pytest

STORIES = pathlib.Path(__file__).resolve().parents[1] / "integration"
sys.path.insert(0, str(STORIES))
specification = importlib.util.spec_from_file_location("stories_conftest", STORIES / "conftest.py")
stories = importlib.util.module_from_spec(specification)
specification.loader.exec_module(stories)
county = stories.county


@pytest.fixture(autouse=True, scope="module")
def no_look_for_leaks():
    """Hundreds of processes end here, most of them by force; leaks are looked for in the stories, and that
    takes each process as long as all the rest of its start and end."""
    before = os.environ.get("ASAN_OPTIONS")
    os.environ["ASAN_OPTIONS"] = "abort_on_error=1:detect_leaks=0"
    yield
    if before is None:
        del os.environ["ASAN_OPTIONS"]
    else:
        os.environ["ASAN_OPTIONS"] = before
