import os
from pathlib import Path

import pytest


def kept_corpora() -> Path:
    """Where real corpora lie, in the user's cache, between test runs."""
    home = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(os.environ.get("DRUMLINE_CACHE", Path(home, "drumline"))) / "test-corpora"


@pytest.fixture(scope="session")
def freedoom() -> Path:
    """The corpus of real songs: 75 MIDI files."""
    from drumline.corpora.find import fetch_freedoom

    return fetch_freedoom(kept_corpora())


@pytest.fixture(scope="session")
def planetblupi() -> Path:
    """The smallest corpus of a Debian package: 10 MIDI files."""
    from drumline.corpora.debian import fetch_debian

    return fetch_debian("planetblupi", kept_corpora())
