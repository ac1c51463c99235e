"""What a server does under load, under attack and at its end."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import requests
from drumline.serving.batching import BatchLimits
from drumline.serving.servable import Servable
from drumline.serving.server import ModelServer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from drumline.errors import InputError
from tests.serving.running import FLAT, figure, rest, sampling, soon, stub


@pytest.fixture
def held(monkeypatch):
    """Holds every model until it is set; `entered` is set once one runs."""
    gate, run = threading.Event(), Servable._run
    gate.entered = threading.Event()

    def wait(self, *arguments):
        gate.entered.set()
        assert gate.wait(60)
        return run(self, *arguments)

    gate.set()
    monkeypatch.setattr(Servable, "_run", wait)
    yield gate
    gate.set()


def code_of(call) -> grpc.StatusCode:
    return call.exception(timeout=60).code()


def test_a_full_queue_answers_that_it_is_full_and_serves_on(own, held):
    body = {"signature_name": "sample", "instances": [{"temperature": 1, "seed": [1, 2]}]}
    with ModelServer(own, limits=BatchLimits(rows=1, wait=0, queue=2)) as server:
        ask = stub(server).Predict.future
        held.clear()
        held.entered.clear()
        running = ask(sampling(), timeout=60)
        held.entered.wait(60)
        waiting = [ask(sampling(seed), timeout=60) for seed in (1, 2)]
        refused = [ask(sampling(seed), timeout=60) for seed in (3, 4, 5)]
        finished = [*waiting, *refused]
        soon(lambda: sum(call.done() for call in finished) == 3)
        full = [call for call in finished if call.done()]
        assert {code_of(call) for call in full} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert "queue" in full[0].exception().details()
        over_rest = requests.post(rest(server, f"/v1/models/{FLAT}:predict"), json=body, timeout=60)
        assert (over_rest.status_code, "full" in over_rest.json()["error"]) == (429, True)
        held.set()
        assert running.result(60)
        assert sum(not call.exception(60) for call in finished) == 2
        assert ask(sampling(6), timeout=60).result()
        assert figure(server, ":tensorflow:serving:request_count", status="RESOURCE_EXHAUSTED") == 4


def test_a_request_whose_deadline_passes_in_the_queue_never_runs(own, held):
    with ModelServer(own, limits=BatchLimits(rows=1, wait=0)) as server:
        ask = stub(server).Predict.future
        held.clear()
        held.entered.clear()
        running = ask(sampling(), timeout=60)
        held.entered.wait(60)
        late, killed = ask(sampling(1), timeout=0.3), ask(sampling(2), timeout=60)
        assert code_of(late) == grpc.StatusCode.DEADLINE_EXCEEDED
        killed.cancel()
        held.set()
        assert running.result(60)
        count = ":tensorflow:serving:request_count"
        for status in ("DEADLINE_EXCEEDED", "CANCELLED"):
            soon(lambda: figure(server, count, status=status) == 1)  # noqa: B023
        assert figure(server, count, status="OK") == 1


def test_a_message_over_the_limit_is_refused_and_the_server_lives(own):
    with ModelServer(own, message_limit=100_000) as server:
        call = stub(server).Predict.future(sampling(rows=10_000), timeout=60)
        assert code_of(call) == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert stub(server).Predict(sampling(), timeout=60)


def test_stopping_answers_what_is_on_its_way_and_takes_no_more(own, held):
    server = ModelServer(own, limits=BatchLimits(rows=1, wait=0))
    server.start()
    body = {"signature_name": "sample", "instances": [{"temperature": 1, "seed": [1, 2]}]}
    address = rest(server, f"/v1/models/{FLAT}:predict")
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
    health = health_pb2_grpc.HealthStub(channel)
    with ThreadPoolExecutor(2) as threads:
        held.clear()
        held.entered.clear()
        calls = [stub(server).Predict.future(sampling(seed), timeout=60) for seed in range(3)]
        posted = threads.submit(requests.post, address, json=body, timeout=60)
        held.entered.wait(60)
        soon(lambda: _in_flight(server) == 4)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        stopping = threads.submit(server.stop, 60)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        soon(lambda: _refuses(server))
        assert not any(call.done() for call in calls)
        watch.cancel()
        held.set()
        assert [call.result(60).model_spec.version.value for call in calls] == [1, 1, 1]
        assert posted.result(60).ok
        stopping.result(60)
    with pytest.raises(requests.ConnectionError):
        requests.post(address, json=body, timeout=5)


def _in_flight(server: ModelServer) -> int:
    return sum(version.requests for version in server.served.status(sampling().model_spec))


def _refuses(server: ModelServer) -> bool:
    call = stub(server).Predict.future(sampling(), timeout=0.5)
    return code_of(call) == grpc.StatusCode.UNAVAILABLE


def test_a_taken_port_is_an_error_in_a_sentence(own):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for ports in ({"port": port}, {"rest_port": port}):
            with pytest.raises(InputError, match=f"127.0.0.1:{port}: cannot listen there"):
                ModelServer(own, **ports).start()


def test_nobody_elsewhere_reaches_it_unless_told(own):
    with ModelServer(own) as server:
        others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for host in (address for address in others if not address.startswith("127.")):
            for port in (server.port, server.rest_port):
                with pytest.raises(OSError, match="refused"):
                    socket.create_connection((host, port), timeout=5)


def test_answers_for_many_rows_are_whole(own):
    with ModelServer(own) as server:
        channel = grpc.insecure_channel(f"127.0.0.1:{server.port}", options=[("grpc.max_receive_message_length", -1)])
        many = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(sampling(rows=3000), timeout=120)
        assert [dim.size for dim in many.outputs["hits"].tensor_shape.dim] == [3000, 32, 9]
        assert np.frombuffer(many.outputs["hits"].tensor_content, np.int64).any()
