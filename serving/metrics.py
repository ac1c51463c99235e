"""What Prometheus is told, under TensorFlow Serving's names where it has one."""

import contextlib
import time
from collections.abc import Callable, Iterator

from drumline.serving.request_error import RequestError
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

_LATENCIES = [10 * 1.8**power for power in range(33)]  # microseconds, as in TensorFlow Serving: up to 20 minutes
_ROWS = [1 << power for power in range(13)]


class Metrics:
    """The figures of one server."""

    def __init__(self):
        self._registry = CollectorRegistry()
        # A Counter would be called request_count_total.
        self._requests = Gauge(
            ":tensorflow:serving:request_count",
            "The total number of requests.",
            ["model_name", "status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Distribution of wall time (in microseconds) for Tensorflow Serving request.",
            ["model_name", "API", "entrypoint"],
            buckets=_LATENCIES,
            registry=self._registry,
        )
        labels = ["model_name", "signature"]
        self._rows = Histogram(
            "drumline:batch_rows", "Rows of the batches that ran.", labels, buckets=_ROWS, registry=self._registry
        )
        self._queue = Gauge("drumline:queue_length", "Requests that wait for a batch.", labels, registry=self._registry)

    @contextlib.contextmanager
    def request(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Counts and times one request. model: that is served, or "", lest senders make up labels."""
        start, status = time.perf_counter(), "OK"
        try:
            yield
        except RequestError as refusal:
            status = refusal.code.name
            raise
        except BaseException:
            status = "INTERNAL"
            raise
        finally:
            self._requests.labels(model, status).inc()
            self._latency.labels(model, api, entrypoint).observe((time.perf_counter() - start) * 1e6)

    def batches(self, model: str, signature: str) -> Callable[[int, int], None]:
        """Where the rows of each batch of a signature, and the length of its queue, are told."""
        rows, queue = self._rows.labels(model, signature), self._queue.labels(model, signature)

        def observe(batch: int, waiting: int) -> None:
            rows.observe(batch)
            queue.set(waiting)

        return observe

    def page(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self._registry)
