"""Requests that TensorFlow Serving replays before a version is available: no client waits for the first call."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")  # in a SavedModel
# Only TFMA calls it, and that loads the model itself.
_NOT_FOR_CLIENTS = ("evaluate",)

Signatures = Mapping[str, tf.types.experimental.GenericFunction]


def write(directory: Path | str, signatures: Signatures) -> None:
    """Writes a request for each signature that is for clients into the SavedModel of a directory.

    One is enough: a signature has one graph, whatever the number of rows and the length of the primer.
    """
    path = Path(directory) / REQUESTS
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as file:
        for name, function in signatures.items():
            if name not in _NOT_FOR_CLIENTS:
                file.write(_log(_request(name, function)).SerializeToString())


def _request(signature: str, function: tf.types.experimental.GenericFunction) -> predict_pb2.PredictRequest:
    """All inputs full of ones, which every signature takes: hits, fractions and temperatures are among them."""
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for spec in function.input_signature:
        ones = tf.ones([size or 1 for size in spec.shape], spec.dtype)
        request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(ones))
    return request


def _log(request: predict_pb2.PredictRequest) -> prediction_log_pb2.PredictionLog:
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
