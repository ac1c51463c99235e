import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def freedoom() -> Path:
    """The corpus of real songs: 75 MIDI files, kept in the user's cache between test runs."""
    from drums.corpora import fetch_freedoom

    home = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    cache = Path(os.environ.get("DRUMLINE_CACHE", Path(home, "drumline")))
    return fetch_freedoom(cache / "test-corpora")
