"""Hits and combinations inside TensorFlow graphs: `drums.kit`, for tensors."""

import tensorflow as tf
from drumline.drums.kit import DRUMS


def combinations_of_velocities(velocities: tf.Tensor) -> tf.Tensor:
    """The id of each step's combination. velocities: [..., 9], above 0 is a hit. Returns int64 [...]."""
    hits = tf.cast(velocities > 0, tf.int64)
    return tf.reduce_sum(tf.bitwise.left_shift(hits, tf.range(len(DRUMS), dtype=tf.int64)), axis=-1)


def hits_of_combinations(combinations: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """The hits of each combination. combinations: int64 [...]. Returns `dtype` [..., 9], 0 or 1."""
    bits = tf.bitwise.right_shift(combinations[..., None], tf.range(len(DRUMS), dtype=tf.int64))
    return tf.cast(tf.bitwise.bitwise_and(bits, tf.constant(1, tf.int64)), dtype)


def shift_right(hits: tf.Tensor) -> tf.Tensor:
    """The step before each step, silence before the first. hits: [B, steps, 9].  Returns the same shape."""
    return tf.pad(hits[:, :-1], [[0, 0], [1, 0], [0, 0]])
