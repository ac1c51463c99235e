import base64
import contextlib
import json

import numpy as np
import pytest
import requests
from drumline.serving.server import ModelServer

from tests.serving.running import FLAT, LSTM, arrays, asking, figure, rest, sampling, stub

ROW = {"temperature": 1.0, "seed": [3, 4]}


@pytest.fixture
def post(server):
    def post(body, path=f"/v1/models/{FLAT}:predict", **options):
        data = body if isinstance(body, bytes) else json.dumps(body)
        return requests.post(rest(server, path), data=data, timeout=20, **options)

    return post


def test_rows_are_answered_by_rows_and_columns_by_columns(post, server):
    hits = arrays(stub(server).Predict(sampling(3, 2), timeout=20))["hits"].tolist()
    rows = post({"signature_name": "sample", "instances": [{"temperature": 1.0, "seed": [3, row]} for row in (0, 1)]})
    assert rows.json() == {"predictions": hits}
    columns = post({"signature_name": "sample", "inputs": {"temperature": [1.0, 1.0], "seed": [[3, 0], [3, 1]]}})
    assert columns.json() == {"outputs": hits}


def test_a_single_input_goes_without_its_name_and_several_outputs_with_theirs(post, server):
    velocities = np.zeros((2, 32, 9), np.int64)
    expected = arrays(stub(server).Predict(asking(FLAT, "encode", velocities=velocities), timeout=20))
    rows = post({"signature_name": "encode", "instances": velocities.tolist()}).json()["predictions"]
    columns = post({"signature_name": "encode", "inputs": velocities.tolist()}).json()["outputs"]
    for name in ("z", "sigma"):
        np.testing.assert_array_equal(np.float32([row[name] for row in rows]), expected[name])
        np.testing.assert_array_equal(np.float32(columns[name]), expected[name])


@pytest.mark.parametrize("where", ["", "/versions/1"])
def test_a_version_can_be_pinned(post, where):
    assert post({"signature_name": "sample", "instances": [ROW]}, f"/v1/models/{FLAT}{where}:predict").ok


def test_floats_are_written_in_their_own_precision(post):
    primer = np.zeros((1, 3, 9), int)
    primer[0, 1, 2] = 100
    text = post({"instances": primer.tolist()}, f"/v1/models/{LSTM}:predict").text
    probabilities = json.loads(text)["predictions"][0]
    assert all(len(repr(one)) <= 12 for one in probabilities)


def test_strings_come_in_base64(post):
    body = {"signature_name": "evaluate", "inputs": [{"b64": base64.b64encode(b"no tf.Example").decode()}]}
    refused = post(body)
    assert refused.status_code == 400
    assert "xample" in refused.json()["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON Parse error"),
        (b"{", "JSON Parse error"),
        (b"\xff\xfe\x00", "JSON Parse error"),
        (b"[" * 200_000, "JSON Parse error"),
        (b'{"instances": [' + b"9" * 5000 + b"]}", "JSON Parse error"),
        ([], "Is not object"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"inputs": [], "instances": []}, "only one of 'inputs' or 'instances'"),
        ({"signature_name": 3, "instances": [ROW]}, "'signature_name' key must be a string value"),
        ({"signature_name": "sample", "instances": []}, "'instances'"),
        ({"signature_name": "sample", "instances": ROW}, "'instances'"),
        ({"signature_name": "sample", "instances": [ROW, 3]}, "Failed to process element: 1"),
        ({"signature_name": "sample", "instances": [ROW, {"seed": [1, 2]}]}, "Failed to process element: 1"),
        ({"signature_name": "sample", "instances": [1.0]}, "multiple input tensors"),
        ({"signature_name": "sample", "inputs": {"seed": [[1, 2]]}}, "Missing but required: {temperature}"),
        ({"signature_name": "sample", "instances": [ROW, ROW | {"seed": [1]}]}, "unequal size"),
        ({"signature_name": "sample", "instances": [ROW | {"seed": [1.0, 2]}]}, "expected type: int64"),
        ({"signature_name": "sample", "instances": [ROW | {"seed": ["1", "2"]}]}, "expected type: int64"),
        ({"signature_name": "sample", "instances": [ROW | {"seed": [True, False]}]}, "expected type: int64"),
        ({"signature_name": "sample", "instances": [ROW | {"seed": [1 << 63, 0]}]}, "expected type: int64"),
        ({"signature_name": "sample", "instances": [ROW | {"seed": [1 << 80, 0]}]}, "expected type: int64"),
        (b'{"inputs": [1' + 400 * b"0" + b"]}", "Number too big"),
        (b'{"inputs": [1e400]}', "Number too big"),
        ({"signature_name": "\ud800", "instances": [ROW]}, "'signature_name' key must be a string value"),
        ({"signature_name": "sample", "instances": [ROW | {"temperature": 1e39}]}, "expected type: float32"),
        ({"signature_name": "sample", "instances": [ROW | {"temperature": None}]}, "expected type: float32"),
        ({"signature_name": "sample", "instances": [ROW | {"temperature": {"b64": "?"}}]}, "base64"),
        ({"signature_name": "sample", "instances": [ROW | {"seed": [1, 2, 3]}]}, "expected shape [?,2], got [1,3]"),
        ({"signature_name": "x", "instances": [ROW]}, 'Serving signature key "x" not found.'),
    ],
)
def test_what_is_no_request_is_refused_in_a_sentence(post, body, words):
    refused = post(body)
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/json"
    assert words in refused.json()["error"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/x:predict", 404),
        (f"/v1/models/{FLAT}/versions/9:predict", 404),
        (f"/v1/models/{FLAT}/versions/99999999999999999999:predict", 400),
        (f"/v1/models/{FLAT}/versions/x:predict", 400),
        (f"/v1/models/{FLAT}/labels/x:predict", 400),
        (f"/v1/models/{FLAT}:guess", 400),
        (f"/v1/models/{FLAT}:classify", 400),
        (f"/v1/models/{FLAT}:regress", 400),
        ("/v1/models/..%2F..%2Fetc:predict", 400),
        ("/elsewhere", 404),
    ],
)
def test_an_address_that_is_none_is_refused(post, path, status):
    refused = post({"signature_name": "sample", "instances": [ROW]}, path)
    assert (refused.status_code, list(refused.json())) == (status, ["error"])


def test_status_and_metadata_are_told_as_tensorflow_serving_does(server):
    ok = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in (f"/v1/models/{FLAT}", f"/v1/models/{FLAT}/versions/1"):
        assert requests.get(rest(server, path), timeout=20).json() == {"model_version_status": [ok]}
    assert requests.get(rest(server, f"/v1/models/{FLAT}/versions/2"), timeout=20).status_code == 404
    found = requests.get(rest(server, f"/v1/models/{FLAT}/metadata"), timeout=20).json()
    assert found["model_spec"] == {"name": FLAT, "signature_name": "", "version": "1"}
    seed = found["metadata"]["signature_def"]["signature_def"]["sample"]["inputs"]["seed"]
    assert (seed["dtype"], [dim["size"] for dim in seed["tensor_shape"]["dim"]]) == ("DT_INT64", ["-1", "2"])


def test_a_body_that_is_too_large_is_refused_unread(own):
    def endless():
        while True:
            yield b" " * 65536

    with ModelServer(own, message_limit=100_000) as server:
        path = rest(server, f"/v1/models/{FLAT}:predict")
        named = requests.post(path, data=b" " * 100_001, timeout=20)
        assert (named.status_code, "larger" in named.json()["error"]) == (413, True)
        with contextlib.suppress(requests.ConnectionError):  # It may hang up before all is sent.
            assert requests.post(path, data=endless(), timeout=20).status_code == 413
        assert figure(server, ":tensorflow:serving:request_count", status="RESOURCE_EXHAUSTED") == 2
        assert requests.get(rest(server, f"/v1/models/{FLAT}"), timeout=20).ok
