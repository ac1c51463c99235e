"""What Transform does: velocities to combinations, and the vocabulary of combinations by their frequency."""

import tensorflow as tf
import tensorflow_transform as tft
from drumline.models.encoding import combinations_of_velocities

VOCABULARY = "combinations"


def preprocessing_fn(inputs):
    """velocities int64 [B, steps, 9] -> combinations int64 [B, steps]."""
    combinations = combinations_of_velocities(inputs["velocities"])
    tft.vocabulary(tf.reshape(combinations, [-1]), store_frequency=True, vocab_filename=VOCABULARY)
    return {"combinations": combinations}


def frequencies(transform_output: tft.TFTransformOutput) -> dict[int, int]:
    """How often each combination occurs in the training windows, the commonest first."""
    lines = transform_output.vocabulary_by_name(VOCABULARY)
    return {int(combination): int(count) for count, combination in (line.split() for line in lines)}
