"""What TensorFlow Serving needs to know to answer several requests at once."""

from pathlib import Path

import tensorflow as tf
from drumline.models.warmup import Signatures

# In a SavedModel, where TensorFlow Serving finds it with --enable_per_model_batching_parameters.
PARAMETERS = "batching_params.pbtxt"
ROWS = 64  # of a batch; a request with more is split
MOST_ROWS = 1024  # of a request
TIMEOUT = 2000  # microseconds
MOST_WAITING = 64  # batches


def write(directory: Path | str, signatures: Signatures) -> None:
    """Writes the parameters into the SavedModel of a directory, unless rows of a signature differ in shape.

    TensorFlow Serving fails a batch of rows that differ, such as primers of other lengths, or pads them, which is
    silence that the model hears. A model without parameters answers one request after the other.
    """
    rows = [spec.shape[1:] for function in signatures.values() for spec in function.input_signature]
    if all(tf.TensorShape(row).is_fully_defined() for row in rows):
        (Path(directory) / PARAMETERS).write_text(parameters())


def parameters() -> str:
    """Of one model, as a text proto BatchingParameters."""
    return (
        f"max_batch_size {{ value: {MOST_ROWS} }}\n"
        "enable_large_batch_splitting { value: true }\n"
        f"max_execution_batch_size {{ value: {ROWS} }}\n"
        f"batch_timeout_micros {{ value: {TIMEOUT} }}\n"
        f"max_enqueued_batches {{ value: {MOST_WAITING} }}\n"
    )
