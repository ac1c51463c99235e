import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from drumline.serving.batching import Batcher, BatchLimits
from drumline.serving.request_error import RequestError
from drumline.serving.server import ModelServer

from tests.serving.running import FLAT, LSTM, arrays, asking, figure, sampling, stub


class Model:
    """Doubles what it is given, when it is let; `batches` are the rows of each run."""

    def __init__(self, held: bool = False):
        self.batches: list[list[float]] = []
        self.gate = threading.Event()
        if not held:
            self.gate.set()

    def __call__(self, inputs):
        self.batches.append(inputs["x"][:, 0].tolist())
        assert self.gate.wait(60)
        if -1 in inputs["x"]:
            raise ValueError("no -1")
        return {"y": inputs["x"] * 2}


@pytest.fixture
def batcher():
    """Makes a queue before a model; all are closed in the end."""
    made = []

    def make(model, **limits):
        made.append((model, Batcher(model, BatchLimits(**limits), lambda *_: None)))
        return made[-1][1]

    yield make
    for model, queue in made:
        model.gate.set()
        queue.close()


def x(*values: float, width: int = 1) -> dict[str, np.ndarray]:
    return {"x": np.repeat(np.array(values, np.float64)[:, None], width, axis=1)}


def first_waits(model) -> None:
    """Returns once the model is busy, so that what is submitted from here on waits."""
    while not model.batches:
        time.sleep(0.001)


def test_what_waits_runs_together_in_order_and_each_gets_its_own(batcher):
    model = Model(held=True)
    queue = batcher(model, rows=4, wait=0)
    first = queue.submit(x(0))
    first_waits(model)
    futures = [queue.submit(x(value)) for value in (1, 2, 3, 4, 5)]
    model.gate.set()
    assert [future.result(60)["y"].tolist() for future in (first, *futures)] == [[[2 * v]] for v in range(6)]
    assert model.batches == [[0], [1, 2, 3, 4], [5]]


def test_only_what_agrees_in_all_other_dimensions_runs_together(batcher):
    model = Model(held=True)
    queue = batcher(model, wait=0)
    queue.submit(x(0))
    first_waits(model)
    futures = [queue.submit(x(value, width=1 + value % 2)) for value in (1, 2, 3)]
    model.gate.set()
    assert [future.result(60)["y"].shape for future in futures] == [(1, 2), (1, 1), (1, 2)]
    assert model.batches == [[0], [1, 3], [2]]


def test_a_batch_waits_for_others_as_long_as_it_may(batcher):
    model = Model()
    queue = batcher(model, rows=3, wait=60)
    futures = [queue.submit(x(value)) for value in (1, 2, 3)]
    assert [future.result(30)["y"].item() for future in futures] == [2, 4, 6]
    assert model.batches == [[1, 2, 3]]


@pytest.mark.parametrize("rows", [0, 1, 8, 9, 50])
def test_more_rows_than_a_batch_takes_run_as_several(batcher, rows):
    model = Model()
    result = batcher(model, rows=8, wait=0).submit(x(*range(rows))).result(60)
    np.testing.assert_array_equal(result["y"], x(*range(rows))["x"] * 2)
    assert max(map(len, model.batches)) <= 8


def test_a_request_that_fails_takes_no_other_with_it(batcher):
    model = Model(held=True)
    queue = batcher(model, wait=0)
    queue.submit(x(0))
    first_waits(model)
    good, bad, other = (queue.submit(x(value)) for value in (1, -1, 2))
    model.gate.set()
    assert [good.result(60)["y"].item(), other.result(60)["y"].item()] == [2, 4]
    with pytest.raises(ValueError, match="no -1"):
        bad.result(60)


def test_a_full_queue_refuses_and_is_used_again_when_it_has_room(batcher):
    model = Model(held=True)
    queue = batcher(model, rows=2, wait=0, queue=3)
    queue.submit(x(0))
    first_waits(model)
    waiting = [queue.submit(x(1)), queue.submit(x(2, 3, 4))]
    with pytest.raises(RequestError, match="queue to which this task was submitted is full") as raised:
        queue.submit(x(5))
    assert raised.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(RequestError, match="Task size 7 is larger") as raised:
        queue.submit(x(*range(7)))
    assert raised.value.code == grpc.StatusCode.INVALID_ARGUMENT
    model.gate.set()
    for future in waiting:
        future.result(60)
    assert queue.submit(x(6)).result(60)["y"].item() == 12


def test_what_is_too_late_or_cancelled_never_runs(batcher):
    model = Model(held=True)
    queue = batcher(model, rows=1, wait=0)
    queue.submit(x(0))
    first_waits(model)
    late, cancelled, long = queue.submit(x(1), time.monotonic()), queue.submit(x(2)), queue.submit(x(3, 4))
    assert cancelled.cancel()
    assert long.cancel()
    last = queue.submit(x(5), time.monotonic() + 60)
    model.gate.set()
    with pytest.raises(RequestError) as raised:
        late.result(60)
    assert raised.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    with pytest.raises(CancelledError):
        cancelled.result(60)
    assert last.result(60)["y"].item() == 10
    assert model.batches == [[0], [5]]


def test_closing_answers_what_waits_and_takes_no_more(batcher):
    model = Model(held=True)
    queue = batcher(model, rows=1, wait=0)
    futures = [queue.submit(x(value)) for value in (0, 1, 2)]
    model.gate.set()
    queue.close()
    assert [future.result(0)["y"].item() for future in futures] == [0, 2, 4]
    with pytest.raises(RequestError, match="unloaded"):
        queue.submit(x(3))


@pytest.mark.parametrize("limits", [{"rows": 0}, {"queue": 0}, {"wait": -1}, {"wait": float("nan")}])
def test_limits_that_make_no_sense_are_refused(limits):
    with pytest.raises(ValueError, match="hold at least one"):
        BatchLimits(**limits)


def test_batched_answers_are_those_of_lone_requests(pushed):
    with ModelServer(pushed, limits=BatchLimits(rows=16, wait=0.05)) as server:
        ask = stub(server).Predict
        velocities = np.random.default_rng(0).integers(0, 128, (24, 1, 7, 9)) * (np.arange(9) % 3 == 0)
        requests = [sampling(seed) for seed in range(24)]
        requests += [asking(LSTM, "continue", **primed(window, number)) for number, window in enumerate(velocities)]
        lone = [arrays(ask(request, timeout=60))["hits"] for request in requests]
        runs = sum(batches(server))
        with ThreadPoolExecutor(24) as threads:
            together = [arrays(found)["hits"] for found in threads.map(lambda one: ask(one, timeout=60), requests)]
        np.testing.assert_array_equal(together, lone)
        assert sum(batches(server)) - runs < len(requests)


def primed(window: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    return {
        "velocities": window.astype(np.int64),
        "temperature": np.ones(1, np.float32),
        "seed": np.array([[seed, 1]], np.int64),
    }


def batches(server: ModelServer) -> list[float]:
    """How many batches have run, of each kind that the tests ask for."""
    name = "drumline:batch_rows_count"
    return [
        figure(server, name, model_name=FLAT, signature="sample"),
        figure(server, name, model_name=LSTM, signature="continue"),
    ]
