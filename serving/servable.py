"""One version of a model, in memory."""

import functools
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from drumline.serving import checks
from drumline.serving.batching import Batcher, BatchLimits
from drumline.serving.metrics import Metrics
from drumline.serving.request_error import RequestError, invalid_argument
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

WARMUP = Path("assets.extra", "tf_serving_warmup_requests")
_MOST_WARMUP_RECORDS = 1000
_LARGEST_WARMUP_TENSOR = 1 << 28  # bytes
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Servable:
    """A SavedModel with a queue for each signature; its warm-up requests have run when it is made.

    `definitions` has every signature of the file, `signatures` those that can be called.
    Raises whatever TensorFlow does for a file that it cannot load, and RefusalError for a warm-up request that fails.
    """

    def __init__(self, name: str, folder: Path, limits: BatchLimits, metrics: Metrics):
        self.definitions = _definitions(folder)
        self._functions = tf.saved_model.load(str(folder)).signatures
        self.signatures = {key: self.definitions[key] for key in self._functions}
        self._warm_up(folder / WARMUP)
        self._queues = {
            key: Batcher(functools.partial(self._run, key), limits, metrics.batches(name, key))
            for key, signature in self.signatures.items()
            if checks.batches(signature)
        }

    def submit(self, signature: str, inputs: Mapping[str, np.ndarray], deadline: float | None) -> Future:
        """The outputs to come, arrays by name. inputs: checked. Raises RefusalError, as Batcher.submit does."""
        if signature in self._queues:
            return self._queues[signature].submit(inputs, deadline)
        alone: Future = Future()
        alone.set_result(self._run(signature, inputs))
        return alone

    def close(self) -> None:
        """Answers what waits, and ends."""
        for queue in self._queues.values():
            queue.close()

    def _run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            outputs = self._functions[signature](**{name: tf.constant(value) for name, value in inputs.items()})
        except tf.errors.OpError as error:
            raise RequestError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message) from error
        except UnicodeDecodeError as error:
            # TensorFlow's message quotes an input that is not text, and its Python binding cannot raise it.
            raise invalid_argument(error.object.decode(errors="replace")) from error
        return {name: value.numpy() for name, value in outputs.items()}

    def _warm_up(self, file: Path) -> None:
        if not file.exists():
            return
        for number, record in enumerate(tf.data.TFRecordDataset(str(file)).as_numpy_iterator()):
            if number == _MOST_WARMUP_RECORDS:
                raise ValueError(f"Number of warmup records exceeds the maximum ({_MOST_WARMUP_RECORDS}) at {file}")
            log = PredictionLog.FromString(record)
            if not log.HasField("predict_log"):
                raise ValueError(f"{file}: record {number} is no PredictLog; only these warm a model up")
            request = log.predict_log.request
            key = request.model_spec.signature_name or "serving_default"
            signature = checks.signature_of(self.signatures, key)
            inputs = checks.decode_inputs(signature, request.inputs, _LARGEST_WARMUP_TENSOR)
            checks.check_shapes(signature, inputs)
            self._run(key, inputs)


def _definitions(folder: Path) -> dict[str, SignatureDef]:
    """The signatures that are written in a SavedModel, by name."""
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for graph in saved.meta_graphs:
        if tf.saved_model.SERVING in graph.meta_info_def.tags:
            return dict(graph.signature_def)
    raise ValueError(f"{folder}: the SavedModel has no graph tagged '{tf.saved_model.SERVING}'")
