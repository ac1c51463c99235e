import numpy as np
import pytest
import tensorflow as tf
from drumline.drums.kit import STEPS_PER_BAR
from drumline.models.decoding import draw_combination, draw_hits
from drumline.models.encoding import hits_of_combinations, shift_right

from tests.models.tiny import BARS

STEPS = BARS * STEPS_PER_BAR
SEEDS = tf.constant([[1, 2], [3, 4], [1, 5]], tf.int64)
WARM = tf.ones([3])


def test_fed_the_truth_step_by_step_forecasters_give_the_teacher_forced_logits(forecaster, windows):
    hits = hits_of_combinations(windows)
    logits, state = forecaster.prime(hits[:, :0])
    stepwise = [logits]
    for step in range(STEPS - 1):
        logits, state = forecaster.step(hits[:, step], state)
        stepwise.append(logits)
    np.testing.assert_allclose(tf.stack(stepwise, axis=1), forecaster(windows), atol=1e-5)


@pytest.mark.parametrize("length", [1, 7, STEPS - 1])
def test_a_primer_at_once_is_the_same_as_step_by_step(forecaster, windows, length):
    hits = hits_of_combinations(windows)
    logits, state = forecaster.prime(hits[:, :length])
    np.testing.assert_allclose(logits, forecaster(windows)[:, length], atol=1e-5)
    if length + 1 < STEPS:
        np.testing.assert_allclose(
            forecaster.step(hits[:, length], state)[0], forecaster(windows)[:, length + 1], atol=1e-5
        )


def test_fed_the_truth_step_by_step_autoencoders_give_the_teacher_forced_logits(vae, windows):
    z = tf.random.stateless_normal([5, vae.sizes.latent], [1, 2])
    previous, embeddings = shift_right(hits_of_combinations(windows)), vae.embeddings(z)
    conditions, length = vae.decoder.conditions(embeddings), STEPS // embeddings.shape[1]
    stepwise = []
    for step in range(STEPS):
        if step % length == 0:
            states = vae.decoder.initial_states(embeddings[:, step // length])
        logits, states = vae.decoder.step(conditions[:, step], previous[:, step], states)
        stepwise.append(logits)
    np.testing.assert_allclose(tf.stack(stepwise, axis=1), vae.teacher_forced_logits(z, windows), atol=1e-5)


def test_a_greedy_beat_is_the_likeliest_answer_to_itself(vae):
    z = 3 * tf.random.stateless_normal([3, vae.sizes.latent], [1, 2])
    beat = vae.decode(z, tf.zeros([3]), SEEDS)
    np.testing.assert_array_equal(tf.argmax(vae.teacher_forced_logits(z, beat), -1), beat)


def test_a_greedy_continuation_is_the_likeliest_answer_to_itself(forecaster, windows):
    primer = windows[:, :7]
    beat = forecaster.continue_beat(primer, tf.zeros([5]), tf.zeros([5, 2], tf.int64), STEPS - 7)
    whole = tf.concat([primer, beat], axis=1)
    np.testing.assert_array_equal(forecaster.teacher_forced(whole)[:, 7:], beat)


def test_a_beat_alone_is_the_same_as_in_a_batch(vae):
    z = tf.random.stateless_normal([3, vae.sizes.latent], [1, 2])
    together = vae.decode(z, WARM, SEEDS).numpy()
    for index in range(3):
        one = slice(index, index + 1)
        np.testing.assert_array_equal(vae.decode(z[one], WARM[one], SEEDS[one])[0], together[index])


def test_greed_ignores_the_seed_and_warmth_does_not(forecaster, windows):
    primer = tf.repeat(windows[:1, :5], 3, axis=0)
    greedy = forecaster.continue_beat(primer, tf.constant([0.0, -1.0, 0.0]), SEEDS, STEPS).numpy()
    assert (greedy[0] == greedy).all()
    warm = forecaster.continue_beat(primer, WARM, SEEDS, STEPS).numpy()
    assert (warm[0] != warm[1]).any()
    assert (warm[0] != warm[2]).any()


def test_combinations_are_drawn_as_often_as_their_probability_at_the_temperature_says():
    logits = tf.math.log([[0.5, 0.3, 0.0, 0.2]])
    noise = tf.linspace(0.0, 0.9999, 10_000)
    drawn = draw_combination(tf.repeat(logits, 10_000, axis=0), tf.fill([10_000], 0.5), noise).numpy()
    weights = np.array([0.25, 0.09, 0.0, 0.04])
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 10_000, weights / weights.sum(), atol=1e-3)


def test_hits_are_drawn_as_often_as_their_probability_at_the_temperature_says():
    probability = 0.8
    logits = tf.fill([10_000, 9], float(np.log(probability / (1 - probability))))
    noise = tf.repeat(tf.linspace(0.0, 0.9999, 10_000)[:, None], 9, axis=1)
    drawn = draw_hits(logits, tf.fill([10_000], 2.0), noise).numpy()
    assert (drawn == 511).mean() == pytest.approx(2 / 3, abs=1e-3)  # odds 4 to the power of 1 / 2
