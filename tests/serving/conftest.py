import shutil

import pytest
from drumline.serving.server import ModelServer

from tests.models.saved import push
from tests.serving.running import FLAT


@pytest.fixture(scope="session")
def pushed(tmp_path_factory):
    """Two tiny models, to be left alone."""
    folder = tmp_path_factory.mktemp("pushed")
    push("flat_vae", folder)
    push("lstm", folder)
    return folder


@pytest.fixture(scope="session")
def server(pushed):
    """A server of both, for tests that change nothing about it."""
    with ModelServer(pushed) as server:
        yield server


@pytest.fixture
def own(pushed, tmp_path):
    """A folder of the test's own, with the one model in it."""
    shutil.copytree(pushed / FLAT, tmp_path / "serving" / FLAT)
    return tmp_path / "serving"
