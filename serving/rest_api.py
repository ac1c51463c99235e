"""TensorFlow Serving's REST API, and Prometheus's page."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import uvicorn
from drumline.serving import grpc_api, logs
from drumline.serving.data_plane import Prediction, predict
from drumline.serving.json_tensors import JsonRequest
from drumline.serving.metrics import Metrics
from drumline.serving.model_manager import ModelManager
from drumline.serving.request_error import RequestError, invalid_argument
from drumline.serving.tls import ServerTls
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tensorflow_serving.apis import classification_pb2, get_model_metadata_pb2, get_model_status_pb2
from tensorflow_serving.apis.model_pb2 import ModelSpec

from drumline.errors import InputError

_TIMEOUT = 30.0  # seconds, as TensorFlow Serving's --rest_api_timeout_in_ms
_CONNECTIONS = 512
_VERSIONS = ("", "/versions/{version:int}", "/labels/{label}")
_HTTP = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


class _TooLargeError(RequestError):
    """A body that is not read."""

    def __init__(self, message: str):
        super().__init__(grpc.StatusCode.RESOURCE_EXHAUSTED, message)


def application(served: ModelManager, metrics: Metrics, largest: int) -> Starlette:
    """The API as an ASGI application. largest: bytes of a request's body."""

    async def predicted(request: Request) -> Response:
        spec = _spec(request)
        with metrics.request(served.known(spec.name), "Predict", "REST"):
            body = await _body(request, largest)
            asked, prediction = await run_in_threadpool(_submit, served, spec, body)
            try:
                found = await asyncio.wait_for(asyncio.wrap_future(prediction.future), _TIMEOUT)
            except TimeoutError as error:
                raise RequestError(grpc.StatusCode.DEADLINE_EXCEEDED, f"no answer within {_TIMEOUT:g} s") from error
            return await run_in_threadpool(lambda: _json(asked.answer(prediction.arrays(found))))

    def refused(kind: str) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            message = classification_pb2.ClassificationRequest(model_spec=_spec(request))
            return grpc_api.refuse_examples(served, message, kind)

        return answer

    def status(request: Request) -> Response:
        found = grpc_api.status(served, get_model_status_pb2.GetModelStatusRequest(model_spec=_spec(request)))
        return _json(_plain(found))

    def metadata(request: Request) -> Response:
        asked = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=_spec(request), metadata_field=[grpc_api.METADATA]
        )
        found = grpc_api.metadata(served, asked)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        found.metadata[grpc_api.METADATA].Unpack(signatures)
        return _json({"model_spec": _plain(found.model_spec), "metadata": {grpc_api.METADATA: _plain(signatures)}})

    def figures(request: Request) -> Response:
        return Response(metrics.page(), media_type="text/plain")

    routes = [Route("/monitoring/prometheus/metrics", figures)]
    for version in _VERSIONS:
        model = "/v1/models/{model}" + version
        routes += [
            Route(f"{model}:predict", predicted, methods=["POST"]),
            Route(f"{model}:classify", refused("classification"), methods=["POST"]),
            Route(f"{model}:regress", refused("regression"), methods=["POST"]),
            Route(f"{model}/metadata", metadata),
            Route(model, status),
        ]
    handlers: dict[Any, Any] = {RequestError: _refused, HTTPException: _malformed, Exception: _failed}
    return Starlette(routes=routes, exception_handlers=handlers)


class Listener:
    """The application behind a socket, in a thread of its own. Arguments as `application` takes them."""

    def __init__(self, served: ModelManager, metrics: Metrics, largest: int, tls: ServerTls | None):
        options = tls.for_uvicorn() if tls else {}
        config = uvicorn.Config(
            application(served, metrics, largest),
            log_config=None,
            access_log=False,
            limit_concurrency=_CONNECTIONS,
            **options,
        )
        self._server = uvicorn.Server(config)
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=lambda: self._server.run([self._socket]), daemon=True)

    def bind(self, host: str, port: int) -> int:
        """The port that is bound. Raises InputError where it cannot be."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=_CONNECTIONS)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"{host}:{port}: cannot listen there ({error}); choose another --rest-port or --host"
            ) from error
        return self._socket.getsockname()[1]

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Gives the port back, of a listener that was never started."""
        if self._socket:
            self._socket.close()

    def stop(self, grace: float) -> None:
        """Answers what it has within `grace` seconds, and ends."""
        self._server.config.timeout_graceful_shutdown = max(1, round(grace))
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()


def _submit(served: ModelManager, spec: ModelSpec, body: bytes) -> tuple[JsonRequest, Prediction]:
    asked = JsonRequest(body)
    spec.signature_name = asked.signature
    return asked, predict(served, spec, asked.inputs, deadline=time.monotonic() + _TIMEOUT)


def _spec(request: Request) -> ModelSpec:
    given = request.path_params
    spec = ModelSpec(name=given["model"])
    if "label" in given:
        spec.version_label = given["label"]
    if "version" in given:
        if given["version"] >= 1 << 63:
            raise invalid_argument(f"Failed to convert version: {given['version']} to numeric.")
        spec.version.value = given["version"]
    return spec


async def _body(request: Request, largest: int) -> bytes:
    too_large = _TooLargeError(f"the body is larger than the {largest} bytes that are taken")
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > largest:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > largest:
            raise too_large
    return bytes(body)


def _plain(message) -> dict[str, Any]:
    return MessageToDict(message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True)


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


def _refused(request: Request, refusal: RequestError) -> Response:
    if isinstance(refusal, _TooLargeError):
        # What is left of the body stays unread.
        return Response(json.dumps({"error": str(refusal)}), 413, {"connection": "close"}, "application/json")
    return _json({"error": str(refusal)}, _HTTP.get(refusal.code, 500))


def _malformed(request: Request, error: HTTPException) -> Response:
    inside = request.url.path.startswith("/v1/")
    return _json({"error": f"Malformed request: {request.method} {request.url.path}"}, 400 if inside else 404)


def _failed(request: Request, error: Exception) -> Response:
    logs.problem("request failed", why=f"{type(error).__name__}: {error}")
    return _json({"error": "the server failed on this request; its log says why"}, 500)
