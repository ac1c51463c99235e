"""The client against a server of a few lines, on the official stubs."""

import asyncio
import contextlib
import subprocess
import threading
from concurrent import futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from drumline.play.chaining import beats, seeds_of
from drumline.serving.client import AsyncClient, Client
from drumline.serving.client_tls import ClientTls
from drumline.serving.errors import (
    DeadlineError,
    OverloadedError,
    RefusedError,
    ServingError,
    UnknownModelError,
    UnreachableError,
)
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

from drumline.errors import InputError

MODEL, VERSION = "lstm-2bar", 7
SEEDS = seeds_of(3, range(2))


class Servicer(PredictionServiceServicer, ModelServiceServicer):
    """A forecaster whose windows are all ones. failures: status codes to give before the next answers."""

    def __init__(self):
        self.failures, self.requests, self.delay = [], [], threading.Event()
        self.delay.set()

    def _check(self, request, context):
        self.requests.append(request)
        self.delay.wait(5)
        if self.failures:
            context.abort(self.failures.pop(0), "not\nnow")
        if request.model_spec.name != MODEL:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request.model_spec.name}")

    def Predict(self, request, context):
        self._check(request, context)
        rows = request.inputs["seed"].tensor_shape.dim[0].size
        answer = predict_pb2.PredictResponse(model_spec=request.model_spec)
        answer.outputs["hits"].CopyFrom(tf.make_tensor_proto(np.ones([rows, 32, 9], np.int64)))
        return answer

    def GetModelMetadata(self, request, context):
        self._check(request, context)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name in ("serving_default", "continue", "evaluate", "__saved_model_init_op"):
            signatures.signature_def[name].CopyFrom(meta_graph_pb2.SignatureDef())
        answer = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
        answer.model_spec.version.value = VERSION
        answer.metadata["signature_def"].Pack(signatures)
        return answer

    def GetModelStatus(self, request, context):
        self._check(request, context)
        answer = get_model_status_pb2.GetModelStatusResponse()
        for version, state in ((6, 50), (VERSION, 30)):
            answer.model_version_status.add(version=version, state=state)
        return answer


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()


@contextlib.contextmanager
def running(servicer, credentials=None):
    server = grpc.server(futures.ThreadPoolExecutor(8))
    add_PredictionServiceServicer_to_server(servicer, server)
    add_ModelServiceServicer_to_server(servicer, server)
    if credentials:
        port = server.add_secure_port("localhost:0", credentials)
    else:
        port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(0).wait()


@pytest.fixture
def address(servicer):
    with running(servicer) as address:
        yield address


@pytest.fixture(params=["waiting", "asyncio"])
def ask(request, address):
    """Does the same with both clients: ask(method, *arguments, **options), options `model`, `client` for those."""

    def waiting(method, *arguments, model=None, client=None, **inputs):
        with Client(address, **client or {}) as opened:
            of_model = getattr(opened.model(**{"name": MODEL} | (model or {})), method)
            return of_model(*arguments, **inputs) if callable(of_model) else of_model

    def on_asyncio(method, *arguments, model=None, client=None, **inputs):
        async def asked():
            async with AsyncClient(address, **client or {}) as opened:
                return await getattr(opened.model(**{"name": MODEL} | (model or {})), method)(*arguments, **inputs)

        return asyncio.run(asked())

    return waiting if request.param == "waiting" else on_asyncio


def test_inputs_become_the_types_of_the_signature(ask, servicer):
    velocities = np.ones([2, 1, 9], np.uint8)
    hits = ask("call", "continue", velocities=velocities, temperature=[1, 0.5], seed=SEEDS.tolist())["hits"]
    assert hits.shape == (2, 32, 9)
    assert hits.dtype == np.int64
    (request,) = servicer.requests
    assert request.model_spec.signature_name == "continue"
    sent = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
    assert {name: value.dtype.name for name, value in sent.items()} == {
        "velocities": "int64",
        "temperature": "float32",
        "seed": "int64",
    }
    np.testing.assert_array_equal(sent["temperature"], np.float32([1, 0.5]))
    np.testing.assert_array_equal(sent["velocities"], velocities)


def test_a_seed_with_a_fraction_is_not_cut_to_a_whole_number(ask, servicer):
    with pytest.raises(TypeError, match="float64"):
        ask("call", "sample", temperature=[1.0], seed=[[0.5, 1]])
    assert not servicer.requests


def test_a_version_or_a_label_reaches_the_server_and_both_are_refused(ask, servicer):
    ask("call", "continue", seed=SEEDS, model={"version": 6})
    ask("call", "continue", seed=SEEDS, model={"label": "stable"})
    ask("call", "continue", seed=SEEDS)
    specs = [request.model_spec for request in servicer.requests]
    assert [spec.version.value for spec in specs] == [6, 0, 0]
    assert [spec.version_label for spec in specs] == ["", "stable", ""]
    assert not specs[2].WhichOneof("version_choice")
    with pytest.raises(ValueError, match="a version or a label, not both"):
        ask("states", model={"version": 6, "label": "stable"})


def test_signatures_and_states_are_the_servers(ask):
    assert ask("signatures") == {"serving_default", "continue", "evaluate"}
    assert ask("states") == {6: "END", VERSION: "AVAILABLE"}


def test_a_pinned_model_stays_at_the_version_that_answered(ask):
    assert ask("pinned", model={"label": "stable"}).version == VERSION


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_what_passes_is_asked_again(ask, servicer, code):
    servicer.failures = [code] * 3
    assert ask("call", "continue", seed=SEEDS)["hits"].shape == (2, 32, 9)
    assert len(servicer.requests) == 4


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.UNAVAILABLE, UnreachableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, OverloadedError),
        (grpc.StatusCode.INVALID_ARGUMENT, RefusedError),
        (grpc.StatusCode.FAILED_PRECONDITION, RefusedError),
        (grpc.StatusCode.INTERNAL, ServingError),
    ],
)
def test_what_does_not_pass_is_an_error_of_its_own_type_and_one_sentence(ask, servicer, address, code, error):
    servicer.failures = [code] * 9
    with pytest.raises(error) as raised:
        ask("call", "continue", seed=SEEDS)
    assert type(raised.value) is error
    assert raised.value.code == code.name
    assert isinstance(raised.value, InputError)
    assert str(raised.value).startswith(f"{address}: ")
    assert "not now" in str(raised.value)


def test_an_unknown_model_is_asked_for_once(ask, servicer):
    with pytest.raises(UnknownModelError, match=r"the server has no model conv-2bar \(Servable not found"):
        ask("signatures", model={"name": "conv-2bar"})
    assert len(servicer.requests) == 1


def test_a_call_ends_at_its_deadline(ask, servicer):
    servicer.delay.clear()
    try:
        with pytest.raises(DeadlineError, match="lstm-2bar did not answer in time"):
            ask("call", "continue", seed=SEEDS, client={"deadline": 0.2})
    finally:
        servicer.delay.set()


def test_where_no_server_is_the_sentence_says_how_to_start_one():
    with (
        Client("localhost:9") as client,
        pytest.raises(UnreachableError, match=r"localhost:9: no server answers there"),
    ):
        client.model(MODEL).states()


def test_a_model_behind_a_server_plays_beats_of_any_length(address):
    with Client(address) as client:
        np.testing.assert_array_equal(beats(client.model(MODEL), 3, 1.0, SEEDS), np.ones([2, 48, 9]))


def test_threads_share_a_client(address, servicer):
    with Client(address) as client, futures.ThreadPoolExecutor(16) as pool:
        model = client.model(MODEL)
        answers = list(pool.map(lambda _: model.call("continue", seed=SEEDS)["hits"].sum(), range(64)))
    assert set(answers) == {2 * 32 * 9}
    assert len(servicer.requests) == 64


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> ClientTls:
    """A certificate for localhost that signs itself, so that it can be each side's."""
    folder = tmp_path_factory.mktemp("tls")
    signed, key = folder / "cert.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "1"]
    subprocess.run([*made, *named, "-keyout", key, "-out", signed], check=True, capture_output=True)
    return ClientTls(signed, signed, key)


def test_mutual_tls_lets_in_who_has_a_certificate(servicer, certificate):
    key, chain = certificate.key.read_bytes(), certificate.certificate.read_bytes()
    with running(servicer, grpc.ssl_server_credentials([(key, chain)], chain, True)) as address:
        with Client(address, tls=certificate) as client:
            assert client.model(MODEL).states()[VERSION] == "AVAILABLE"
        with Client(address, tls=ClientTls(certificate.authority)) as client, pytest.raises(UnreachableError):
            client.model(MODEL).states()
        with Client(address) as client, pytest.raises(UnreachableError):
            client.model(MODEL).states()


def test_a_certificate_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.pem: cannot be read \(No such file"):
        Client("localhost:9", tls=ClientTls(tmp_path / "nowhere.pem"))
