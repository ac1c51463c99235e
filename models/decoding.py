"""Sampling, step by step.

The noise of an example comes from its own seed alone, so a batch gives what its examples would give one by one.
Everywhere: temperature float [B], 0 or less is greedy; beats are combinations, int64.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from drumline.models.encoding import combinations_of_velocities


def draw_combination(logits: tf.Tensor, temperature: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Draws by inverting the distribution function.

    Args:
      logits: [B, 512].
      temperature: float32 [B].
      noise: Uniform in [0, 1), float32 [B].

    Returns:
      One combination each, int64 [B].
    """
    logits = tf.cast(logits, tf.float32)
    cumulative = tf.cumsum(tf.nn.softmax(logits / _divisor(temperature)[:, None]), axis=-1)
    # The sum of all may round to less than 1: so the threshold stays inside what can be drawn.
    threshold = noise[:, None] * cumulative[:, -1:]
    drawn = tf.reduce_sum(tf.cast(cumulative <= threshold, tf.int64), axis=-1)
    return tf.where(temperature > 0, drawn, tf.argmax(logits, axis=-1))


def draw_hits(logits: tf.Tensor, temperature: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Draws nine independent hits.

    Args:
      logits: [B, 9].
      temperature: float32 [B].
      noise: Uniform in [0, 1), float32 [B, 9].

    Returns:
      Their combination, int64 [B].
    """
    logits = tf.cast(logits, tf.float32)
    drawn = noise < tf.sigmoid(logits / _divisor(temperature)[:, None])
    return combinations_of_velocities(tf.cast(tf.where(temperature[:, None] > 0, drawn, logits > 0), tf.int64))


def _divisor(temperature: tf.Tensor) -> tf.Tensor:
    return tf.where(temperature > 0, temperature, 1.0)


def run_steps(step: Callable[..., Any], steps: int, shape: tf.Tensor, state: Any) -> tf.Tensor:
    """Plays step after step, beginning after silence.

    Args:
      step: Called as step(index, last combination, state); returns a combination, int64 [B], and the new state.
      steps: How many.
      shape: [B], an int32 tensor of one element.
      state: The first state, tensors in any structure.

    Returns:
      int64 [B, steps].
    """
    silence = tf.zeros(shape, tf.int64)
    beats = tf.TensorArray(tf.int64, steps, element_shape=silence.shape)

    def body(index: tf.Tensor, last: tf.Tensor, state: Any, beats: tf.TensorArray) -> tuple:
        drawn, state = step(index, last, state)
        return index + 1, drawn, state, beats.write(index, drawn)

    *_, beats = tf.while_loop(lambda index, *_: index < steps, body, (0, silence, state, beats))
    return tf.transpose(beats.stack())
