"""Storms use the same county as the stories of tests/integration."""
import importlib.util
import pathlib
import sys

STORIES = pathlib.Path(__file__).resolve().parents[1] / "integration"
sys.path.insert(0, str(STORIES))
specification = importlib.util.spec_from_file_location("stories_conftest", STORIES / "conftest.py")
stories = importlib.util.module_from_spec(specification)
specification.loader.exec_module(stories)
county = stories.county
