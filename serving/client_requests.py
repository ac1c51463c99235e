"""What both clients ask a server, how they reach it, and what its answers say."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

import grpc
import numpy as np
import tensorflow as tf
from drumline.serving.errors import serving_error
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2, predict_pb2
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from drumline.errors import InputError

MOST_BYTES = 64 << 20  # of an answer; gRPC's own limit is 4 MiB

_TYPES = dict.fromkeys(("velocities", "a", "b", "seed"), np.int64) | dict.fromkeys(
    ("z", "fraction", "temperature"), np.float32
)
_RETRIES = {
    "methodConfig": [
        {
            "name": [{"service": f"tensorflow.serving.{service}"} for service in ("PredictionService", "ModelService")],
            "retryPolicy": {
                "maxAttempts": 5,  # gRPC allows no more
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ]
}
OPTIONS = [
    ("grpc.service_config", json.dumps(_RETRIES)),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_receive_message_length", MOST_BYTES),
]


def parse_address(address: str) -> str:
    """HOST:PORT as it is. gRPC would take other things, and ask a port that nobody meant. Raises InputError."""
    host, colon, port = address.rpartition(":")
    if not host or not colon or "/" in address or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(
            f"{address or repr(address)}: no address of a server; write HOST:PORT for gRPC, http://HOST:PORT for REST"
        )
    return address


@dataclass(frozen=True)
class ModelRequests:
    """What is asked of a model, and what the answer says: the same for both clients.

    version: a number; label: a name that the server gives to a version. Of neither, the latest version answers.
    """

    address: str
    channel: grpc.Channel | grpc.aio.Channel = field(repr=False)
    deadline: float
    name: str
    version: int | None = None
    label: str | None = None

    def __post_init__(self):
        if self.version is not None and self.label is not None:
            raise ValueError(f"{self.name}: a version or a label, not both ({self.version}, {self.label!r})")

    def _spec(self, signature: str = "") -> model_pb2.ModelSpec:
        spec = model_pb2.ModelSpec(name=self.name, signature_name=signature)
        if self.version is not None:
            spec.version.value = self.version
        if self.label is not None:
            spec.version_label = self.label
        return spec

    def _predict(self, signature: str, inputs: dict[str, Any]):
        request = predict_pb2.PredictRequest(model_spec=self._spec(signature))
        for name, value in inputs.items():
            array = np.asarray(value)
            if array.dtype.kind == "S":  # numpy's own bytes lose the zeros at their end
                array = np.asarray(value, object)
            array = array.astype(_TYPES.get(name, array.dtype), casting="same_kind", copy=False)
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        return PredictionServiceStub(self.channel).Predict(request, timeout=self.deadline)

    def _metadata(self):
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec(), metadata_field=["signature_def"]
        )
        return PredictionServiceStub(self.channel).GetModelMetadata(request, timeout=self.deadline)

    def _status(self):
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._spec())
        return ModelServiceStub(self.channel).GetModelStatus(request, timeout=self.deadline)

    def _pin_version(self, metadata: get_model_metadata_pb2.GetModelMetadataResponse) -> Self:
        return replace(self, version=metadata.model_spec.version.value, label=None)

    @contextlib.contextmanager
    def _explain_error(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise serving_error(error.code().name, error.details() or "", self.address, self.name) from error


def outputs_of(answer: predict_pb2.PredictResponse) -> dict[str, np.ndarray]:
    """The arrays of an answer by name."""
    return {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}


def signatures_of(metadata: get_model_metadata_pb2.GetModelMetadataResponse) -> frozenset[str]:
    """The names of the signatures that are not TensorFlow's own."""
    signatures = SignatureDefMap()
    metadata.metadata["signature_def"].Unpack(signatures)
    return frozenset(name for name in signatures.signature_def if not name.startswith("__"))


def states_of(answer: get_model_status_pb2.GetModelStatusResponse) -> dict[int, str]:
    """The name of the state of each version."""
    states = get_model_status_pb2.ModelVersionStatus.State
    return {status.version: states.Name(status.state) for status in answer.model_version_status}
