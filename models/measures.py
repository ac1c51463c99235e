"""What is counted in windows beside accuracy, in amounts that can be summed over windows.

Everywhere: combinations are int64 [B, steps], and what is returned is float32, one row per window.
"""

import tensorflow as tf
from drumline.drums.kit import COMBINATIONS, SILENCE
from drumline.models.accuracy import repeat_period
from drumline.models.encoding import hits_of_combinations


def nonsilent_steps(predicted: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Of the steps whose truth is not silence: how many are right, and how many there are. Returns [B, 2]."""
    sounding = truth != SILENCE
    return tf.stack([_count(sounding & (predicted == truth)), _count(sounding)], axis=1)


def onsets(predicted: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Hits of each drum that are right at their step, that are too many, and that are missing. Returns [B, 3, 9]."""
    predicted, truth = (hits_of_combinations(combinations, tf.bool) for combinations in (predicted, truth))
    return tf.stack([_count(predicted & truth), _count(predicted & ~truth), _count(~predicted & truth)], axis=1)


def self_similarity(combinations: tf.Tensor) -> tf.Tensor:
    """The share of steps that two different bars of a window have in common, over all pairs of bars. Returns [B].

    Of a window of one bar: that its two halves have in common.
    """
    period = repeat_period(combinations.shape[1])
    bars = combinations.shape[1] // period
    folded = tf.reshape(combinations, [-1, bars, period])
    shares = tf.reduce_mean(tf.cast(folded[:, :, None] == folded[:, None], tf.float32), axis=-1)
    # Each bar shares all of its steps with itself.
    return (tf.reduce_sum(shares, axis=[1, 2]) - bars) / (bars * (bars - 1))


def histogram(combinations: tf.Tensor) -> tf.Tensor:
    """How often each combination is played. Returns [B, 512]."""
    return tf.cast(tf.math.bincount(combinations, minlength=COMBINATIONS, maxlength=COMBINATIONS, axis=-1), tf.float32)


def _count(condition: tf.Tensor) -> tf.Tensor:
    """In how many steps it holds. condition: bool [B, steps, ...].  Returns [B, ...]."""
    return tf.reduce_sum(tf.cast(condition, tf.float32), axis=1)
