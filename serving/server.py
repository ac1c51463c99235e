"""The pushed models behind TensorFlow Serving's gRPC and REST API, on this machine."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
from drumline.serving import logs
from drumline.serving.batching import BatchLimits
from drumline.serving.grpc_api import NAMES, ModelService, PredictionService
from drumline.serving.metrics import Metrics
from drumline.serving.model_manager import ModelManager, read_config
from drumline.serving.request_error import RequestError
from drumline.serving.rest_api import Listener
from drumline.serving.servable import Servable
from drumline.serving.tls import ServerTls
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from drumline.errors import InputError

_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_LIMITS = BatchLimits()
_OTHER_CALLS = 64  # calls at a time besides those that wait in a queue


@dataclass(frozen=True)
class ServerConfig:
    """models: the folder of pushed models.  port, rest_port: 0 takes a free one.
    config: a ModelServerConfig file instead of every model of the folder.
    message_limit: bytes of a request, and of each of its tensors.  poll: seconds between looks at the folders."""

    models: Path
    host: str = "127.0.0.1"
    port: int = 8500
    rest_port: int = 8501
    config: Path | None = None
    limits: BatchLimits = _LIMITS
    tls: ServerTls | None = None
    message_limit: int = 16 << 20
    poll: float = 1.0


class ModelServer:
    """Serves from `start` to `stop`, or as a context. options: of ServerConfig.

    `port` and `rest_port` are those that it listens on.
    """

    def __init__(self, models: Path, host: str = "127.0.0.1", port: int = 0, rest_port: int = 0, **options):
        self._config = config = ServerConfig(Path(models), host, port, rest_port, **options)
        self.metrics = Metrics()
        model_config = read_config(config.config) if config.config else None
        self.served = ModelManager(config.models, model_config, self._load, config.poll)
        self._health = health.HealthServicer()
        self._grpc = self._grpc_server()
        self._rest = Listener(self.served, self.metrics, config.message_limit, config.tls)
        self.port, self.rest_port = config.port, config.rest_port

    def __enter__(self) -> "ModelServer":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        """Returns once the models answer. Raises InputError where a port is taken or the configuration is no good."""
        try:
            self._open()
        except BaseException:
            self._grpc.stop(None)
            self._rest.close()
            raise
        self._grpc.start()
        self._rest.start()
        for name in ("", *NAMES):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        logs.event(
            "started", host=self._config.host, port=self.port, rest_port=self.rest_port, models=self.served.names()
        )

    @property
    def models(self) -> Path:
        return self._config.models

    @property
    def config(self) -> Path | None:
        return self._config.config

    @property
    def addresses(self) -> str:
        """Where it listens, in words."""
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        web = "https" if self._config.tls else "http"
        return f"gRPC {host}:{self.port}, REST {web}://{host}:{self.rest_port}/v1/models/NAME"

    def stop(self, grace: float = 10.0) -> None:
        """Takes no more requests, and answers those that it has; after `grace` seconds it breaks them off."""
        self._health.enter_graceful_shutdown()
        stopped = self._grpc.stop(grace)
        self._rest.stop(grace)
        stopped.wait()
        self.served.stop()
        logs.event("stopped")

    def _open(self) -> None:
        """Takes the ports, then loads the models: a taken port is told of at once."""
        self.rest_port = self._rest.bind(self._config.host, self._config.rest_port)
        self.port = self._bind()
        try:
            self.served.start()
        except RequestError as refusal:
            raise InputError(f"{self._config.config}: {refusal}") from refusal

    def _load(self, name: str, folder: Path) -> Servable:
        return Servable(name, folder, self._config.limits, self.metrics)

    def _grpc_server(self) -> grpc.Server:
        calls = self._config.limits.queue + _OTHER_CALLS
        server = grpc.server(
            ThreadPoolExecutor(calls, thread_name_prefix="grpc"),
            options=[
                ("grpc.so_reuseport", 0),  # A taken port is an error, not shared.
                ("grpc.max_receive_message_length", self._config.message_limit),
                ("grpc.max_send_message_length", -1),
            ],
            maximum_concurrent_rpcs=calls,
        )
        largest = self._config.message_limit
        prediction = PredictionService(self.served, self.metrics, largest)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction, server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(self.served), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((*NAMES, _HEALTH, reflection.SERVICE_NAME), server)
        return server

    def _bind(self) -> int:
        host, port = self._config.host, self._config.port
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._config.tls:
                return self._grpc.add_secure_port(address, self._config.tls.for_grpc())
            return self._grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise InputError(f"{address}: cannot listen there; choose another --port or --host") from error


def serve(server: ModelServer, ready: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM, then answers what it has.

    ready: told the addresses, the models and what cannot be served, a line each, once the models answer.

    Raises InputError where there is no model.
    """
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    with server:
        if not server.served.names():
            where = server.config or server.models
            broken = "".join(f"; {why}" for why in server.served.problems())
            raise InputError(f"{where}: no model that can be loaded{broken}; `./run drumline train` pushes models")
        ready(server.addresses)
        ready(f"models: {', '.join(server.served.names())}")
        for problem in server.served.problems():
            ready(f"not served: {problem}")
        asked.wait()
