"""Requests of any kind get a status that says whose fault it was, and the server lives."""

import json

import grpc
import numpy as np
import requests
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
from tensorflow_serving.apis import predict_pb2

from tests.serving.running import FLAT, LSTM, rest, sampling, stub

BOUNDED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SENDERS_FAULT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
DTYPES = [tf.float32, tf.int64, tf.int32, tf.string, tf.bool, tf.resource, tf.variant, tf.bfloat16, tf.qint8]
SIZES = st.one_of(st.integers(0, 3), st.sampled_from([-1, 9, 32, 1 << 31, 1 << 62, -(1 << 63)]))

numbers = st.one_of(st.sampled_from([float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 3e38]), st.floats(width=32))
tensors = st.builds(
    tensor_pb2.TensorProto,
    dtype=st.one_of(st.sampled_from([dtype.as_datatype_enum for dtype in DTYPES]), st.integers(0, 200)),
    tensor_shape=st.builds(
        lambda sizes, unknown: tensor_shape_pb2.TensorShapeProto(
            dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in sizes], unknown_rank=unknown
        ),
        st.lists(SIZES, max_size=4),
        st.booleans(),
    ),
    tensor_content=st.binary(max_size=40),
    float_val=st.lists(numbers, max_size=3),
    int64_val=st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=3),
    string_val=st.lists(st.binary(max_size=5), max_size=3),
)
names = st.sampled_from(["velocities", "temperature", "seed", "z", "a", "b", "fraction", "examples", "", "x"])
signatures = st.sampled_from(
    [
        "",
        "sample",
        "encode",
        "decode",
        "draw",
        "interpolate",
        "continue",
        "evaluate",
        "serving_default",
        "\0",
        "x" * 9000,
    ]
)
models = st.one_of(st.sampled_from([FLAT, LSTM, "", "x", "é" * 3000, "../x"]), st.text(max_size=5))


def alive(server) -> bool:
    return stub(server).Predict(sampling(), timeout=60).model_spec.version.value == 1


def error_of(server, request) -> grpc.RpcError | None:
    return stub(server).Predict.future(request, timeout=60).exception(timeout=60)


@BOUNDED
@given(models, signatures, st.dictionaries(names, tensors, max_size=4), st.lists(names, max_size=2), st.data())
def test_any_message_is_answered_or_refused(server, model, signature, inputs, outputs, data):
    request = predict_pb2.PredictRequest(inputs=inputs, output_filter=outputs)
    request.model_spec.name, request.model_spec.signature_name = model, signature
    version = data.draw(st.one_of(st.none(), st.integers(-(1 << 63), (1 << 63) - 1)))
    if version is not None:
        request.model_spec.version.value = version
    error = error_of(server, request)
    assert error is None or error.code() in SENDERS_FAULT, error
    assert alive(server)


SHAPES = {"velocities": (32, 9), "temperature": (), "seed": (2,), "z": (8,), "a": (32, 9), "b": (32, 9), "fraction": ()}
SIGNATURES = {
    "sample": ["temperature", "seed"],
    "decode": ["z", "temperature", "seed"],
    "interpolate": ["a", "b", "fraction", "temperature", "seed"],
    "encode": ["velocities"],
    "draw": ["seed"],
    "serving_default": ["velocities"],
}
FLOATS = {"temperature", "z", "fraction"}


@BOUNDED
@given(st.sampled_from(sorted(SIGNATURES)), st.integers(0, 3), numbers, st.integers(-(1 << 63), (1 << 63) - 1))
def test_any_numbers_in_the_right_shape_are_answered(server, signature, rows, real, whole):
    request = sampling()
    request.ClearField("inputs")
    request.model_spec.signature_name = signature
    for name in SIGNATURES[signature]:
        kind, value = (np.float32, real) if name in FLOATS else (np.int64, whole)
        array = np.full((rows, *SHAPES[name]), value, kind)
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    assert error_of(server, request) is None
    assert alive(server)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | names, inner, max_size=3),
    max_leaves=12,
)
bodies = st.fixed_dictionaries(
    {},
    optional={"signature_name": signatures | json_values, "instances": json_values, "inputs": json_values},
)


@BOUNDED
@given(st.one_of(bodies, json_values))
def test_any_json_is_answered_or_refused(server, body):
    found = requests.post(rest(server, f"/v1/models/{FLAT}:predict"), data=_text(body), timeout=60)
    assert found.status_code in (200, 400, 404, 429)
    if not found.ok:
        assert found.json()["error"]


@BOUNDED
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(server, body):
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
    send = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    assert isinstance(send.future(body, timeout=60).exception(timeout=60), grpc.RpcError)
    assert requests.post(rest(server, f"/v1/models/{FLAT}:predict"), data=body, timeout=60).status_code == 400
    assert alive(server)


def _text(body) -> bytes:
    return json.dumps(body).encode("utf-8", "surrogatepass")
