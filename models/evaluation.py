"""The figures of each window that the `evaluate` signature returns; `drumline.models.tfma_metrics` sums them.

Nothing depends on the other windows of a batch: Beam makes batches as it likes, of neighbouring windows of one song.
"""

import tensorflow as tf
from drumline.drums.kit import STEPS_PER_BAR
from drumline.models.accuracy import repeat_first_bar, repeat_previous_bar, share_right
from drumline.models.decoding import continue_beat, decode
from drumline.models.density import Density
from drumline.models.forecasters import Forecaster
from drumline.models.measures import histogram, nonsilent_steps, onsets, self_similarity
from drumline.models.vae import Vae

Evaluation = dict[str, tf.Tensor]  # by name, float32 [B, ...]


def evaluate_windows(
    model: Forecaster | Vae,
    combinations: tf.Tensor,
    *,
    majority: int,
    other_z: tf.Tensor | None,
    density: Density | None,
) -> Evaluation:
    """Every figure of each window, of the model and of the baselines.

    combinations: int64 [B, steps].
    majority: the commonest combination of the training windows.
    other_z: float [N, Z], mu of windows of other songs; None for a forecaster.
    density: where samples are drawn from; None for a forecaster.

    A sample is drawn at temperature 1, by noise that the window alone decides.
    """
    if isinstance(model, Vae):
        own = _of_autoencoder(model, combinations, other_z, density)
    else:
        own = _of_forecaster(model, combinations)
    return own | _of_baselines(combinations, majority)


def number_of(combinations: tf.Tensor) -> tf.Tensor:
    """A number of 63 bits that is nearly always another for another window. Returns int64 [B]."""
    text = tf.strings.reduce_join(tf.strings.as_string(combinations), axis=1, separator=" ")
    return tf.strings.to_hash_bucket_fast(text, 2**63 - 1)


def _of_autoencoder(model: Vae, combinations: tf.Tensor, other_z: tf.Tensor, density: Density) -> Evaluation:
    """One beat each from z = mu and from that of another window, greedily, and one sample."""
    posterior, number = model.posterior(combinations), number_of(combinations)
    mu, seed = posterior.mean(), tf.stack([number, tf.zeros_like(number)], axis=1)
    z = [mu, tf.gather(other_z, number % len(other_z)), density.draw(seed)]
    # Three times as many at once take hardly longer, as each step depends on the one before.
    zeros = tf.zeros_like(number, tf.float32)
    beats = decode(model, tf.concat(z, 0), tf.concat([zeros, zeros, zeros + 1.0], 0), tf.tile(seed, [3, 1]))
    own, shuffled, sample = tf.split(beats, 3)
    forced = tf.argmax(model.teacher_forced_logits(mu, combinations), axis=-1)
    return {
        **_agreement("teacher_forced", forced, combinations),
        **_agreement("sampled", own, combinations),
        "sampled_onsets": onsets(own, combinations),
        "shuffled_z_accuracy": share_right(shuffled, combinations),
        "kl": posterior.kl_divergence(model.prior()),
        "mu": mu,
        "mu_squared": mu**2,
        "sample_self_similarity": self_similarity(sample),
        "data_self_similarity": self_similarity(combinations),
        "sample_histogram": histogram(sample),
        "data_histogram": histogram(combinations),
    }


def _of_forecaster(model: Forecaster, combinations: tf.Tensor) -> Evaluation:
    """The first bar continued twice, greedily and as a sample; what is played counts, the first bar does not."""
    primer, truth = combinations[:, :STEPS_PER_BAR], combinations[:, STEPS_PER_BAR:]
    number = number_of(combinations)
    zeros, seed = tf.zeros_like(number, tf.float32), tf.stack([number, tf.zeros_like(number)], axis=1)
    temperature = tf.concat([zeros, zeros + 1.0], 0)
    beats = continue_beat(model, tf.tile(primer, [2, 1]), temperature, tf.tile(seed, [2, 1]), truth.shape[1])
    own, sample = tf.split(beats, 2)
    return {
        **_agreement("teacher_forced", model.teacher_forced(combinations)[:, STEPS_PER_BAR:], truth),
        **_agreement("sampled", own, truth),
        "sampled_onsets": onsets(own, truth),
        "sample_self_similarity": self_similarity(tf.concat([primer, sample], axis=1)),
        "data_self_similarity": self_similarity(combinations),
        "sample_histogram": histogram(sample),
        "data_histogram": histogram(truth),
    }


def _of_baselines(combinations: tf.Tensor, majority: int) -> Evaluation:
    followed = combinations[:, STEPS_PER_BAR:]
    return {
        **_agreement("majority", tf.fill(tf.shape(combinations), tf.constant(majority, tf.int64)), combinations),
        **_agreement("repeat_bar", repeat_previous_bar(combinations), followed),
        **_agreement("repeat_bar_sampled", repeat_first_bar(combinations), followed),
        "repeat_bar_sampled_onsets": onsets(repeat_first_bar(combinations), followed),
    }


def _agreement(name: str, predicted: tf.Tensor, truth: tf.Tensor) -> Evaluation:
    return {
        f"{name}_accuracy": share_right(predicted, truth),
        f"{name}_nonsilent": nonsilent_steps(predicted, truth),
    }
