"""The figures of each window that the `evaluate` signature returns; `drumline.models.tfma_metrics` sums them.

Nothing depends on the other windows of a batch: Beam makes batches as it likes, of neighbouring windows of one song.
"""

import tensorflow as tf
from drumline.models.accuracy import repeat_first_bar, repeat_period, repeat_previous_bar, share_right
from drumline.models.measures import histogram, nonsilent_steps, onsets, self_similarity

Figures = dict[str, tf.Tensor]  # by name, float32 [B, ...]


def compare(
    truth: tf.Tensor, *, teacher_forced: tf.Tensor, sampled: tf.Tensor, sample: tf.Tensor, window: tf.Tensor
) -> Figures:
    """Computes the figures that every kind of model has.

    Args:
      truth: The steps that count, int64 [B, counted].
      teacher_forced: Predictions of these steps from the true steps before them, int64 [B, counted].
      sampled: Predictions of these steps from the model's own steps, greedily, int64 [B, counted].
      sample: A beat drawn at temperature 1, int64 [B, steps]; a forecaster's begins with the true primer.
      window: The whole window, int64 [B, steps].

    Returns:
      Accuracies and counts by name. The histograms leave out what a forecaster was given.
    """
    given = window.shape[1] - truth.shape[1]
    return {
        **_agreement("teacher_forced", teacher_forced, truth),
        **_agreement("sampled", sampled, truth),
        "sampled_onsets": onsets(sampled, truth),
        "sample_self_similarity": self_similarity(sample),
        "data_self_similarity": self_similarity(window),
        "sample_histogram": histogram(sample[:, given:]),
        "data_histogram": histogram(truth),
    }


def evaluate_baselines(combinations: tf.Tensor, majority: int) -> Figures:
    """Computes the figures of the baselines.

    Args:
      combinations: int64 [B, steps].
      majority: The most frequent combination of the training windows, 0..511.

    Returns:
      `majority_*`, `repeat_bar_*` and `repeat_bar_sampled_*`.
    """
    followed = combinations[:, repeat_period(combinations.shape[1]) :]
    return {
        **_agreement("majority", tf.fill(tf.shape(combinations), tf.constant(majority, tf.int64)), combinations),
        **_agreement("repeat_bar", repeat_previous_bar(combinations), followed),
        **_agreement("repeat_bar_sampled", repeat_first_bar(combinations), followed),
        "repeat_bar_sampled_onsets": onsets(repeat_first_bar(combinations), followed),
    }


def hash_windows(combinations: tf.Tensor) -> tf.Tensor:
    """Computes a number of 63 bits for each window, int64 [B]: the seed of what is drawn for it."""
    text = tf.strings.reduce_join(tf.strings.as_string(combinations), axis=1, separator=" ")
    return tf.strings.to_hash_bucket_fast(text, 2**63 - 1)


def _agreement(name: str, predicted: tf.Tensor, truth: tf.Tensor) -> Figures:
    return {
        f"{name}_accuracy": share_right(predicted, truth),
        f"{name}_nonsilent": nonsilent_steps(predicted, truth),
    }
