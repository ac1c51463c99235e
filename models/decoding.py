"""Sampling, step by step.

The noise of an example comes from its own seed alone, so a batch plays as its parts would.
Everywhere: temperature float [B], 0 or less is greedy; seed int64 or int32 [B, 2]. Beats are
combinations, int64.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from drumline.drums.kit import DRUMS
from drumline.models.encoding import combinations_of_velocities, hits_of_combinations
from drumline.models.forecasters import Forecaster
from drumline.models.latent import STEPS, uniform_noise
from drumline.models.vae import Vae


def draw_combination(logits: tf.Tensor, temperature: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Inverts the distribution function. logits: [B, 512]; noise: [B].  Returns one combination each, int64 [B]."""
    logits = tf.cast(logits, tf.float32)
    cumulative = tf.cumsum(tf.nn.softmax(logits / _divisor(temperature)[:, None]), axis=-1)
    # The sum of all may round to less than 1: so the threshold stays inside what can be drawn.
    threshold = noise[:, None] * cumulative[:, -1:]
    drawn = tf.reduce_sum(tf.cast(cumulative <= threshold, tf.int64), axis=-1)
    return tf.where(temperature > 0, drawn, tf.argmax(logits, axis=-1))


def draw_hits(logits: tf.Tensor, temperature: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Nine independent hits. logits, noise: [B, 9]. Returns their combination, int64 [B]."""
    logits = tf.cast(logits, tf.float32)
    drawn = noise < tf.sigmoid(logits / _divisor(temperature)[:, None])
    return combinations_of_velocities(tf.cast(tf.where(temperature[:, None] > 0, drawn, logits > 0), tf.int64))


def _divisor(temperature: tf.Tensor) -> tf.Tensor:
    return tf.where(temperature > 0, temperature, 1.0)


def decode(model: Vae, z: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The beat of z, the decoder hearing its own steps. z: float [B, Z].  Returns int64 [B, steps]."""
    embeddings = model.embeddings(z)
    conditions = model.decoder.conditions(embeddings)
    starts = model.decoder.initial_states(embeddings)  # of each segment: [B, segments, units]
    length = model.steps // embeddings.shape[1]
    noise = uniform_noise(seed, [model.steps], STEPS)

    def step(index: tf.Tensor, last: tf.Tensor, states: Any) -> tuple[tf.Tensor, Any]:
        segment = index // length
        states = [
            tf.where(index % length == 0, start[:, segment], state) for start, state in zip(starts, states, strict=True)
        ]
        previous = hits_of_combinations(last, model.compute_dtype)
        logits, states = model.decoder.step(conditions[:, index], previous, states)
        return draw_combination(logits, temperature, noise[:, index]), states

    silence = tf.zeros(tf.shape(z)[:1], tf.int64)
    return _loop(step, model.steps, silence, [start[:, 0] for start in starts])


def continue_beat(
    model: Forecaster, primer: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor, steps: int
) -> tf.Tensor:
    """The `steps` steps after a primer. primer: int64 [B, t], combinations.  Returns int64 [B, steps]."""
    noise = uniform_noise(seed, [steps, len(DRUMS)], STEPS)
    logits, state = model.prime(hits_of_combinations(primer))

    def step(index: tf.Tensor, _: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        logits, memory = state
        drawn = draw_hits(logits, temperature, noise[:, index])
        return drawn, model.step(hits_of_combinations(drawn), memory)

    return _loop(step, steps, tf.zeros(tf.shape(primer)[:1], tf.int64), (logits, state))


def _loop(step: Callable, steps: int, first: tf.Tensor, state: Any) -> tf.Tensor:
    """Repeats step(index, last combination, state) -> (combination, state).  Returns int64 [B, steps]."""
    beats = tf.TensorArray(tf.int64, steps, element_shape=first.shape)

    def body(index: tf.Tensor, last: tf.Tensor, state: Any, beats: tf.TensorArray) -> tuple:
        drawn, state = step(index, last, state)
        return index + 1, drawn, state, beats.write(index, drawn)

    *_, beats = tf.while_loop(lambda index, *_: index < steps, body, (0, first, state, beats))
    return tf.transpose(beats.stack())
