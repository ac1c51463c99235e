"""A server on free ports, and what a client says to it."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import requests
import tensorflow as tf
from drumline.serving.server import ModelServer
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

FLAT, LSTM = "flat_vae-2bar", "lstm-2bar"


def stub(server: ModelServer):
    return prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(f"127.0.0.1:{server.port}"))


def model_stub(server: ModelServer):
    return model_service_pb2_grpc.ModelServiceStub(grpc.insecure_channel(f"127.0.0.1:{server.port}"))


def asking(
    model: str, signature: str, version: int | None = None, label: str = "", **inputs
) -> predict_pb2.PredictRequest:
    """A request with the inputs as tensors."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def sampling(seed: int = 0, rows: int = 1, model: str = FLAT, **spec) -> predict_pb2.PredictRequest:
    """A request for beats of an autoencoder."""
    seeds = np.array([[seed, row] for row in range(rows)], np.int64).reshape(rows, 2)
    return asking(model, "sample", temperature=np.ones(rows, np.float32), seed=seeds, **spec)


def arrays(response: predict_pb2.PredictResponse) -> dict[str, np.ndarray]:
    return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


def states(server: ModelServer, model: str) -> dict[int, str]:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model
    found = model_stub(server).GetModelStatus(request, timeout=20).model_version_status
    return {one.version: get_model_status_pb2.ModelVersionStatus.State.Name(one.state) for one in found}


def rest(server: ModelServer, path: str) -> str:
    return f"http://127.0.0.1:{server.rest_port}{path}"


def figure(server: ModelServer, name: str, **labels: str) -> float:
    """A figure of the metrics page, 0 where it is not there."""
    for line in requests.get(rest(server, "/monitoring/prometheus/metrics"), timeout=20).text.splitlines():
        if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rpartition(" ")[2])
    return 0.0


def soon(condition: Callable[[], bool]) -> None:
    """Waits until something is so, at most a minute."""
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def copied(model: Path, version: int) -> Path:
    """Another version of a model, of the files of the last; it appears all at once."""
    last = max(int(path.name) for path in model.iterdir() if path.name.isdigit())
    made = shutil.copytree(model / str(last), model.parent / f"{model.name}.{version}.part")
    return made.rename(model / str(version))
