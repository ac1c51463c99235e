"""The SavedModel of a trained network, with the signatures that TensorFlow Serving and TFMA call."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from drumline.drums.kit import DRUMS
from drumline.models import batching_parameters, warmup
from drumline.models.evaluation import evaluate_baselines
from drumline.models.network import DrumModel, Encode


def save(model: DrumModel, directory: Path | str, encode: Encode, majority: int, *, track: Sequence[Any] = ()) -> None:
    """Writes a SavedModel with the network's signatures and `evaluate`, warm-up requests and batching parameters.

    Args:
      model: The network, after `prepare_export`.
      directory: Folder of the SavedModel.
      encode: The preprocessing of the pipeline.
      majority: The most frequent combination of the training windows, 0..511.
      track: What `encode` needs kept alive, such as a Transform layer with its tables.
    """
    # The Keras model must not be reachable: TensorFlow would trace its call with float32 and fail.
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    module.track = [*model.tracked(), *track]
    signatures = model.signatures(encode)
    signatures["evaluate"] = _evaluate(model, encode, majority)
    tf.saved_model.save(module, str(directory), signatures=signatures)
    warmup.write(directory, signatures)
    batching_parameters.write(directory, signatures)


def _evaluate(model: DrumModel, encode: Encode, majority: int) -> tf.types.experimental.GenericFunction:
    feature = {"velocities": tf.io.FixedLenFeature([model.steps, len(DRUMS)], tf.int64)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def evaluate(examples):
        combinations = encode(tf.io.parse_example(examples, feature)["velocities"])
        return model.evaluate_windows(combinations) | evaluate_baselines(combinations, majority)

    return evaluate
