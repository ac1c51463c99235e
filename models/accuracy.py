"""Accuracy: the share of steps whose whole combination is right; and the baselines that need no training.

Everywhere: combinations are int64 [B, steps], and what is returned is float32 [B], one share per window, unless said
otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from drumline.drums.kit import STEPS_PER_BAR

if TYPE_CHECKING:
    from drumline.models.network import DrumModel


def share_right(predicted: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Computes the share of steps that are equal."""
    return tf.reduce_mean(tf.cast(predicted == truth, tf.float32), axis=1)


def teacher_forced_accuracy(model: DrumModel, combinations: tf.Tensor) -> tf.Tensor:
    """Computes the accuracy of every step after the primer, given the true steps before it."""
    first = model.primer_steps
    return share_right(model.teacher_forced(combinations)[:, first:], combinations[:, first:])


def sampled_accuracy(model: DrumModel, combinations: tf.Tensor) -> tf.Tensor:
    """Computes the accuracy of every step after the primer, given the model's own steps (greedily)."""
    return share_right(model.predict_greedily(combinations), combinations[:, model.primer_steps :])


def repeat_period(steps: int) -> int:
    """The steps that the baseline `repeat_bar` repeats: a bar, or half of it where the window has one bar only."""
    return min(STEPS_PER_BAR, steps // 2)


def repeat_previous_bar(combinations: tf.Tensor) -> tf.Tensor:
    """Predicts for each step after the first period the true one a period before. Returns int64 [B, steps - period]."""
    return combinations[:, : -repeat_period(combinations.shape[1])]


def repeat_first_bar(combinations: tf.Tensor) -> tf.Tensor:
    """Predicts for each step after the first period that of the first period. Returns int64 [B, steps - period]."""
    period = repeat_period(combinations.shape[1])
    return tf.tile(combinations[:, :period], [1, combinations.shape[1] // period - 1])
