"""A request for predictions on its way to a model and back, whatever it came by."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from drumline.serving import checks
from drumline.serving.model_manager import ModelManager
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.model_pb2 import ModelSpec

Inputs = Callable[[SignatureDef], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Prediction:
    """An answer to come from one version of a model. future: all outputs, arrays by name."""

    version: int
    signature: str
    outputs: list[str]
    future: Future

    def arrays(self, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs that were asked for."""
        return {name: found[name] for name in self.outputs}


def predict(
    served: ModelManager, spec: ModelSpec, inputs: Inputs, *, outputs: Iterable[str] = (), deadline: float | None = None
) -> Prediction:
    """Puts a request into its queue.

    inputs: makes the tensors for the signature.  outputs: those that are wanted, by default all.
    deadline: of time.monotonic.  Raises RefusalError, as the future does.
    """
    version, servable = served.acquire(spec)
    try:
        name = spec.signature_name or "serving_default"
        signature = checks.signature_of(servable.signatures, name)
        wanted = checks.check_outputs(signature, outputs)
        tensors = inputs(signature)
        checks.check_shapes(signature, tensors)
        future = servable.submit(name, tensors, deadline)
    except BaseException:
        served.versions(spec).release(version)
        raise
    future.add_done_callback(lambda _: served.versions(spec).release(version))
    return Prediction(version.number, name, wanted, future)
