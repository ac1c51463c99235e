"""Reconstruction accuracy: the share of steps whose whole combination is right.

Everywhere: combinations are int64 [B, steps], and what is returned is float32 [B], one share per window.
"""

import tensorflow as tf
from drumline.drums.kit import STEPS_PER_BAR
from drumline.models.decoding import continue_beat, decode
from drumline.models.forecasters import Forecaster
from drumline.models.vae import Vae


def share_right(predicted: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(predicted == truth, tf.float32), axis=1)


def teacher_forced_accuracy(model: Forecaster | Vae, combinations: tf.Tensor) -> tf.Tensor:
    """Every step from the true steps before it (and, for an autoencoder, z = mu).

    Of a forecaster only what follows the first bar counts, as in sampled accuracy and `repeat_bar`.
    """
    first = first_counted_step(model)
    return share_right(model.teacher_forced(combinations)[:, first:], combinations[:, first:])


def sampled_accuracy(model: Forecaster | Vae, combinations: tf.Tensor) -> tf.Tensor:
    """Every step from the model's own steps, greedily.

    An autoencoder plays the whole window from z = mu. A forecaster continues the first bar, and only what
    follows counts.
    """
    return share_right(predict_greedily(model, combinations), combinations[:, first_counted_step(model) :])


def predict_greedily(model: Forecaster | Vae, combinations: tf.Tensor) -> tf.Tensor:
    """The steps that sampled accuracy counts, as played greedily. Returns int64 [B, steps counted]."""
    batch = tf.shape(combinations)[0]
    greedy, seed = tf.zeros([batch]), tf.zeros([batch, 2], tf.int64)
    if isinstance(model, Vae):
        return decode(model, model.posterior(combinations).mean(), greedy, seed)
    primer = combinations[:, :STEPS_PER_BAR]
    return continue_beat(model, primer, greedy, seed, model.steps - STEPS_PER_BAR)


def first_counted_step(model: Forecaster | Vae) -> int:
    """The first step that counts."""
    return 0 if isinstance(model, Vae) else STEPS_PER_BAR


def majority_accuracy(combinations: tf.Tensor, majority: int) -> tf.Tensor:
    """Always the same combination."""
    return share_right(tf.constant(majority, tf.int64), combinations)


def repeat_bar_accuracy(combinations: tf.Tensor) -> tf.Tensor:
    """The true bar before, again; counted after the first bar."""
    return share_right(repeat_previous_bar(combinations), combinations[:, STEPS_PER_BAR:])


def repeat_bar_sampled_accuracy(combinations: tf.Tensor) -> tf.Tensor:
    """The first bar, over and over; counted after it."""
    return share_right(repeat_first_bar(combinations), combinations[:, STEPS_PER_BAR:])


def repeat_previous_bar(combinations: tf.Tensor) -> tf.Tensor:
    """For each step after the first bar the true one a bar before. Returns int64 [B, steps - 16]."""
    return combinations[:, :-STEPS_PER_BAR]


def repeat_first_bar(combinations: tf.Tensor) -> tf.Tensor:
    """For each step after the first bar that of the first bar. Returns int64 [B, steps - 16]."""
    return tf.tile(combinations[:, :STEPS_PER_BAR], [1, combinations.shape[1] // STEPS_PER_BAR - 1])
