"""The client of the REST API: against the local server, and against one of a few lines that fails as it is told."""

import http.server
import json
import threading

import numpy as np
import pytest
from drumline.play.chaining import beats, seeds_of
from drumline.serving.client import Client
from drumline.serving.client_tls import ClientTls
from drumline.serving.errors import (
    DeadlineError,
    OverloadedError,
    RefusedError,
    ServingError,
    UnknownModelError,
    UnreachableError,
)
from drumline.serving.rest_client import RestClient
from drumline.serving.server import ModelServer
from drumline.serving.tls import ServerTls

from drumline.errors import InputError
from tests.serving.certificates import Authority
from tests.serving.running import FLAT, LSTM, rest

SEEDS = seeds_of(3, range(2))
NOISE = {"temperature": [1.0, 0.5], "seed": SEEDS}
VELOCITIES = np.arange(2 * 32 * 9).reshape(2, 32, 9) % 128 * (np.arange(9) % 3 == 0)


@pytest.fixture
def client(server):
    with RestClient(rest(server, "")) as client:
        yield client


@pytest.fixture
def grpc_client(server):
    with Client(f"127.0.0.1:{server.port}") as client:
        yield client


@pytest.mark.parametrize(
    ("model", "signature", "inputs"),
    [
        (LSTM, "serving_default", {"velocities": VELOCITIES}),
        (LSTM, "continue", {"velocities": VELOCITIES.astype(np.uint8), **NOISE}),
        (FLAT, "sample", NOISE),
        (FLAT, "draw", {"seed": SEEDS.tolist()}),
        (FLAT, "encode", {"velocities": VELOCITIES}),
        (FLAT, "interpolate", {"a": VELOCITIES, "b": VELOCITIES[::-1], "fraction": [0, 0.1], **NOISE}),
    ],
)
def test_each_signature_answers_as_by_grpc_in_the_same_types(client, grpc_client, model, signature, inputs):
    found = client.model(model).call(signature, **inputs)
    expected = grpc_client.model(model).call(signature, **inputs)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)


def test_what_one_signature_answers_another_takes(client, grpc_client):
    played = []
    for model in (client.model(FLAT), grpc_client.model(FLAT)):
        z = model.call("encode", velocities=VELOCITIES)["z"]
        played.append(model.call("decode", z=z, **NOISE)["hits"])
    np.testing.assert_array_equal(*played)


@pytest.mark.parametrize("model", [LSTM, FLAT])
def test_a_model_behind_rest_plays_the_same_beats_of_any_length(client, grpc_client, model):
    found, expected = (beats(each.model(model), 3, 1.0, SEEDS) for each in (client, grpc_client))
    assert found.shape == (2, 48, 9)
    np.testing.assert_array_equal(found, expected)


def test_signatures_states_and_the_pinned_version_are_those_of_grpc(client, grpc_client):
    for name in (LSTM, FLAT):
        model, expected = client.model(name), grpc_client.model(name)
        assert model.signatures == expected.signatures
        assert model.states() == expected.states() == {1: "AVAILABLE"}
        assert model.pinned().version == expected.pinned().version == 1


def test_strings_travel_as_bytes(client):
    with pytest.raises(RefusedError, match="xample"):
        client.model(FLAT).call("evaluate", examples=[b"no tf.Example"])


def test_a_seed_with_a_fraction_is_not_cut_to_a_whole_number(client):
    with pytest.raises(TypeError, match="float64"):
        client.model(FLAT).call("sample", temperature=[1.0], seed=[[0.5, 1]])


@pytest.mark.parametrize(
    ("signature", "inputs", "said"),
    [
        ("compose", {}, 'Serving signature key "compose" not found'),
        ("draw", {"seed": [[1, 2, 3]]}, "expected shape"),
        ("draw", {"seeds": [[1, 2]]}, "Missing but required: {seed}"),
    ],
)
def test_what_is_not_the_signatures_is_refused_in_one_sentence(client, signature, inputs, said):
    with pytest.raises(RefusedError) as raised:
        client.model(FLAT).call(signature, **inputs)
    assert str(raised.value).startswith(f"{client.address}: {FLAT} refused what it was asked: ")
    assert said in str(raised.value)


def test_a_model_or_a_version_that_is_not_there_is_told_apart_from_a_label(client):
    for model in (client.model("conv-2bar"), client.model(FLAT, version=9)):
        with pytest.raises(UnknownModelError, match="the server has no model") as raised:
            model.call("draw", seed=SEEDS)
        assert raised.value.code == "NOT_FOUND"
    with pytest.raises(RefusedError, match="stable"):
        client.model(FLAT, label="stable").call("draw", seed=SEEDS)
    with pytest.raises(ValueError, match="a version or a label, not both"):
        client.model(FLAT, version=1, label="stable")


def test_where_no_server_is_the_sentence_says_how_to_start_one():
    with RestClient("http://localhost:9") as client, pytest.raises(UnreachableError, match="no server answers there"):
        client.model(LSTM).states()


@pytest.mark.parametrize(
    "address", ["localhost:8501", "ftp://localhost", "http://", "http://localhost:x", "http://localhost:99999"]
)
def test_what_is_no_address_is_one_sentence(address):
    with pytest.raises(InputError, match="write http://HOST:PORT"):
        RestClient(address)


def test_certificates_are_shown_and_asked_for(pushed, tmp_path):
    authority = Authority(tmp_path, "authority")
    mutual = ClientTls(authority.certificate, *authority.sign("client"))
    with ModelServer(pushed, tls=ServerTls(*authority.sign("server"), authority.certificate)) as server:
        address = f"https://127.0.0.1:{server.rest_port}"
        with RestClient(address, tls=mutual) as client:
            assert client.model(FLAT).states() == {1: "AVAILABLE"}
        for tls in (ClientTls(authority.certificate), None):
            with RestClient(address, tls=tls) as client, pytest.raises(UnreachableError):
                client.model(FLAT).states()
    with pytest.raises(InputError, match="certificates are for https://"):
        RestClient("http://localhost:8501", tls=mutual)


class Failing(http.server.BaseHTTPRequestHandler):
    """Answers each request with the server's next failure, a status and a body; after the last with a model's state."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.open.wait(5)
        states = {"model_version_status": [{"version": "7", "state": "AVAILABLE"}]}
        status, body = self.server.failures.pop(0) if self.server.failures else (200, json.dumps(states))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def failing():
    """A server with `failures` to give, `asked`, the paths it was asked, and `open`, the event that it waits for."""
    with http.server.ThreadingHTTPServer(("localhost", 0), Failing) as server:
        server.failures, server.asked, server.open = [], [], threading.Event()
        server.open.set()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def states_of(server, **options):
    with RestClient(f"http://localhost:{server.server_port}/behind/a/proxy/", **options) as client:
        return client.model(LSTM).states()


@pytest.mark.parametrize("status", [429, 503])
def test_what_passes_is_asked_again(failing, status):
    failing.failures = [(status, '{"error": "not now"}')] * 3
    assert states_of(failing) == {7: "AVAILABLE"}
    assert failing.asked == [f"/behind/a/proxy/v1/models/{LSTM}"] * 4


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, RefusedError, "INVALID_ARGUMENT"),
        (404, UnknownModelError, "NOT_FOUND"),
        (413, OverloadedError, "RESOURCE_EXHAUSTED"),
        (429, OverloadedError, "RESOURCE_EXHAUSTED"),
        (500, ServingError, "INTERNAL"),
        (503, UnreachableError, "UNAVAILABLE"),
        (504, DeadlineError, "DEADLINE_EXCEEDED"),
        (599, ServingError, "UNKNOWN"),
    ],
)
def test_what_does_not_pass_is_an_error_of_its_own_type_and_one_sentence(failing, status, error, code):
    failing.failures = [(status, '{"error": "not\\nnow"}')] * 9
    with pytest.raises(error) as raised:
        states_of(failing)
    assert type(raised.value) is error
    assert raised.value.code == code
    assert isinstance(raised.value, InputError)
    assert "not now" in str(raised.value) or error is DeadlineError
    assert len(failing.asked) == (5 if status in (429, 503) else 1)


@pytest.mark.parametrize("body", ["<html>Welcome to the proxy</html>", "[1]"])
def test_what_is_no_server_of_models_is_one_sentence(failing, body):
    failing.failures = [(200, body)]
    with pytest.raises(ServingError, match="HTTP status 200"):
        states_of(failing)


def test_a_request_ends_at_its_timeout(failing):
    failing.open.clear()
    with pytest.raises(DeadlineError, match="did not answer in time"):
        states_of(failing, timeout=0.2)
    failing.open.set()
    assert len(failing.asked) == 1
