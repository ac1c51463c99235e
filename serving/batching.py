"""Requests of several clients run together."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import grpc
import numpy as np
from drumline.serving.request_error import RequestError, invalid_argument

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class BatchLimits:
    """rows: of a batch at most.  wait: seconds that the first of a batch waits for others.
    queue: requests that may wait, a long one counting once for each batch that it makes."""

    rows: int = 64
    wait: float = 0.002
    queue: int = 256

    def __post_init__(self):
        if self.rows < 1 or self.queue < 1 or not 0 <= self.wait <= 60:
            raise ValueError(f"{self}: a batch and a queue hold at least one, and the wait is 0 to 60 seconds")


@dataclass(eq=False)
class _Task:
    inputs: Tensors
    deadline: float | None  # of time.monotonic
    future: Future = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)

    def __post_init__(self):
        self.rows = len(next(iter(self.inputs.values())))
        # What the tasks of one batch have in common: all dimensions but the first.
        self.kind = {name: value.shape[1:] for name, value in self.inputs.items()}

    def claim(self) -> bool:
        """Whether somebody still waits for the answer."""
        if not self.future.set_running_or_notify_cancel():
            return False
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.future.set_exception(
                RequestError(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed in the queue")
            )
            return False
        return True


class Batcher:
    """The queue of one signature, and the thread that runs it.

    run: takes and gives arrays by name, of one length along the first dimension.
    observe: told the rows of each batch and the tasks that wait after it.
    """

    def __init__(self, run: Callable[[Tensors], Tensors], limits: BatchLimits, observe: Callable[[int, int], None]):
        self._run, self._limits, self._observe = run, limits, observe
        self._waiting: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def submit(self, inputs: Tensors, deadline: float | None = None) -> Future:
        """The outputs to come for some inputs; more rows than a batch takes run as several.

        deadline: of time.monotonic; what has not begun by then fails with DEADLINE_EXCEEDED.
        Raises RefusalError: RESOURCE_EXHAUSTED if the queue is full, INVALID_ARGUMENT if it could never hold these.
        """
        tasks = [_Task(part, deadline) for part in _parts(inputs, self._limits.rows)]
        if len(tasks) > self._limits.queue:
            most = self._limits.rows * self._limits.queue
            raise invalid_argument(
                f"Task size {sum(task.rows for task in tasks)} is larger than the maximum of {most} rows"
            )
        with self._changed:
            if self._closed:
                raise RequestError(grpc.StatusCode.UNAVAILABLE, "the model is being unloaded")
            if len(self._waiting) + len(tasks) > self._limits.queue:
                raise RequestError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    "The batch scheduling queue to which this task was submitted is full",
                )
            self._waiting.extend(tasks)
            self._changed.notify()
        return _join([task.future for task in tasks])

    def close(self) -> None:
        """Answers what waits, and ends."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _loop(self) -> None:
        while batch := self._next():
            if live := [task for task in batch if task.claim()]:
                self._answer(live)

    def _next(self) -> list[_Task]:
        """The oldest task and others that can run with it; none once closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return []
            until = self._waiting[0].since + self._limits.wait
            while not self._closed and (left := until - time.monotonic()) > 0 and not self._full():
                self._changed.wait(left)
            batch = self._alike()
            chosen = set(map(id, batch))
            self._waiting = deque(task for task in self._waiting if id(task) not in chosen)
            self._observe(sum(task.rows for task in batch), len(self._waiting))
            return batch

    def _full(self) -> bool:
        return sum(task.rows for task in self._alike()) >= self._limits.rows or len(self._waiting) >= self._limits.queue

    def _alike(self) -> list[_Task]:
        kind, rows = self._waiting[0].kind, 0
        batch: list[_Task] = []
        for task in self._waiting:
            if task.kind == kind and (not batch or rows + task.rows <= self._limits.rows):
                rows += task.rows
                batch.append(task)
        return batch

    def _answer(self, tasks: list[_Task]) -> None:
        try:
            inputs = {name: np.concatenate([task.inputs[name] for task in tasks]) for name in tasks[0].inputs}
            outputs = self._run(inputs)
        except Exception as error:
            if len(tasks) == 1:
                tasks[0].future.set_exception(error)
                return
            # One request must not fail for what another one asks.
            for task in tasks:
                self._answer([task])
            return
        start = 0
        for task in tasks:
            task.future.set_result({name: value[start : start + task.rows] for name, value in outputs.items()})
            start += task.rows


def _parts(inputs: Tensors, rows: int) -> list[Tensors]:
    length = len(next(iter(inputs.values())))
    starts = range(0, max(length, 1), rows)
    return [{name: value[start : start + rows] for name, value in inputs.items()} for start in starts]


def _join(parts: list[Future]) -> Future:
    """The outputs of all parts, one after the other; cancelling it cancels them."""
    if len(parts) == 1:
        return parts[0]
    whole: Future = Future()
    left = threading.Semaphore(len(parts) - 1)

    def finish(_: Future) -> None:
        if left.acquire(blocking=False) or not whole.set_running_or_notify_cancel():
            return
        try:
            results = [part.result() for part in parts]
        except BaseException as error:
            whole.set_exception(error)
        else:
            whole.set_result({name: np.concatenate([result[name] for result in results]) for name in results[0]})

    for part in parts:
        part.add_done_callback(finish)
    whole.add_done_callback(lambda done: done.cancelled() and [part.cancel() for part in parts])
    return whole
