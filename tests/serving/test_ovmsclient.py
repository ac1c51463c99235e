"""A client of other people, in its own environment, against the server."""

import subprocess
import sys

import pytest

from tests.conftest import kept_corpora
from tests.serving.running import FLAT

PROGRAM = """
import sys
import numpy as np
from ovmsclient import make_grpc_client, make_http_client

model, port, rest_port = sys.argv[1:]
VERSION = 1  # Its default is a version 0, which to TensorFlow Serving is no word for the latest.
velocities = np.zeros((2, 32, 9), np.int64)
# Over REST this client reads metadata in another server's spelling ("modelSpec"), not in TensorFlow Serving's.
metadata = make_grpc_client(f"127.0.0.1:{port}").get_model_metadata(model, VERSION)
assert (metadata["model_version"], list(metadata["inputs"])) == (1, ["velocities"]), metadata
for client in (make_grpc_client(f"127.0.0.1:{port}"), make_http_client(f"127.0.0.1:{rest_port}")):
    status = client.get_model_status(model, VERSION)
    assert {version: one["state"] for version, one in status.items()} == {1: "AVAILABLE"}, status
    hits = client.predict({"velocities": velocities}, model, VERSION)
    assert np.asarray(hits).shape == (2, 32, 9), hits
    try:
        client.predict({"velocities": velocities}, "unknown", VERSION)
    except Exception as error:
        assert "Servable not found for request: Specific(unknown, 1)" in str(error), error
    else:
        raise AssertionError("it knows a model that there is not")
"""


@pytest.fixture(scope="module")
def python():
    """A Python with ovmsclient, kept between test runs."""
    folder = kept_corpora().parent / "ovmsclient"
    if not (folder / ".complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
        install = ["uv", "pip", "install", "--quiet", "--python", folder / "bin" / "python", "ovmsclient==2023.1"]
        made = subprocess.run(install, capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"no package index has ovmsclient: {made.stderr.strip().splitlines()[-1]}")
        (folder / ".complete").touch()
    return folder / "bin" / "python"


def test_a_client_of_other_people_is_served(server, python):
    arguments = [FLAT, str(server.port), str(server.rest_port)]
    done = subprocess.run(
        [python, "-c", PROGRAM, *arguments], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, timeout=120
    )
    assert done.returncode == 0, done.stderr
