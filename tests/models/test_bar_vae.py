from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from drumline.drums.kit import STEPS_PER_BAR
from drumline.models.importance_sampling import estimate_log_likelihood
from drumline.models.losses import categorical_log_likelihood

from tests.models.tiny import BARS, TINY, build

BARS_OF_LONG = 4
SEEDS = tf.constant([[1, 2], [3, 4], [1, 5]], tf.int64)
WARM = tf.ones([3])


@pytest.fixture(scope="module")
def vae():
    return build("bar_vae", BARS_OF_LONG, TINY["bar_vae"])


@pytest.fixture
def songs() -> tf.Tensor:
    """Five windows of four bars whose later bars mostly repeat the first, int64 [5, 64]."""
    generator = np.random.default_rng(5)
    repeated = np.tile(generator.integers(0, 512, (5, STEPS_PER_BAR)), BARS_OF_LONG)
    return tf.constant(np.where(generator.random(repeated.shape) < 0.2, 1, repeated))


def draw_z(vae, count: int) -> tf.Tensor:
    return tf.random.stateless_normal([count, vae.latent], [1, 2])


def test_there_is_one_latent_code_for_each_bar(vae):
    assert vae.latent == BARS_OF_LONG * TINY["bar_vae"].bar_latent
    changed = draw_z(vae, 3).numpy()
    before = vae.teacher_forced_logits(tf.constant(changed), tf.zeros([3, vae.steps], tf.int64)).numpy()
    changed[:, 8:12] += 1  # the code of the third bar
    after = vae.teacher_forced_logits(tf.constant(changed), tf.zeros([3, vae.steps], tf.int64)).numpy()
    of_bars = np.abs(after - before).reshape(3, BARS_OF_LONG, -1).max(axis=(0, 2)) > 0
    assert of_bars.tolist() == [False, False, True, False]


def test_a_step_depends_on_earlier_bars_and_on_no_later_step(vae, songs):
    z, step = draw_z(vae, 5), 21
    changed = songs.numpy()
    changed[:, step] ^= 0b101
    before, after = (vae.teacher_forced_logits(z, each).numpy() for each in (songs, tf.constant(changed)))
    np.testing.assert_array_equal(before[:, : step + 1], after[:, : step + 1])
    for later in (step + 1, step + STEPS_PER_BAR, step + 2 * STEPS_PER_BAR):
        assert (before[:, later] != after[:, later]).any()


def test_a_greedy_beat_is_the_most_probable_answer_to_itself(vae):
    z = 3 * draw_z(vae, 3)
    beat = vae.decode(z, tf.zeros([3]), SEEDS)
    np.testing.assert_array_equal(tf.argmax(vae.teacher_forced_logits(z, beat), -1), beat)


def test_the_same_seed_gives_the_same_beat_in_any_batch(vae):
    z, decode = draw_z(vae, 3), tf.function(vae.decode, reduce_retracing=True)
    together = decode(z, WARM, SEEDS).numpy()
    np.testing.assert_array_equal(decode(z, WARM, SEEDS), together)
    for index in range(3):
        one = slice(index, index + 1)
        np.testing.assert_array_equal(decode(z[one], WARM[one], SEEDS[one])[0], together[index])
    assert (decode(z[:1], WARM[:1], SEEDS[2:]).numpy()[0] != together[0]).any()


def test_the_kl_is_that_of_many_draws(vae, songs):
    kl = vae.outcome(songs)["kl"].numpy()
    posterior = vae.posterior(songs)
    draws = posterior.sample(20_000, seed=3)
    estimates = tf.reduce_mean(posterior.log_prob(draws) - vae.prior().log_prob(draws), axis=0)
    assert (kl > 0).all()
    np.testing.assert_allclose(estimates, kl, rtol=0.05)


def test_the_held_out_loss_is_the_negative_elbo(vae, songs):
    """The mean of log p(x, z) - log q(z|x) over many draws of z, whatever the network's beta and free bits."""
    loss = tf.function(lambda number: vae.outcome(songs, seed=tf.stack([0, number]))["loss"])
    posterior, prior = vae.posterior(songs), vae.prior()

    @tf.function
    def bound(z):
        likelihood = categorical_log_likelihood(vae.teacher_forced_logits(z, songs), songs)
        return likelihood + prior.log_prob(z) - posterior.log_prob(z)

    losses = [loss(number) for number in tf.range(200)]
    bounds = [bound(z) for z in posterior.sample(200, seed=3)]
    np.testing.assert_allclose(-tf.reduce_mean(losses, axis=0), tf.reduce_mean(bounds, axis=0), rtol=0.002)


def test_free_bits_cost_nothing_in_training(songs):
    sizes = replace(TINY["bar_vae"], dropout=0.0, permute_drums=0.0)
    free, charged = (
        build("bar_vae", BARS_OF_LONG, replace(sizes, free_bits=bits)).outcome(songs, True, (1, 2))
        for bits in (1e6, 0.0)
    )
    np.testing.assert_allclose(charged["loss"] - free["loss"], charged["kl"], rtol=1e-4)


def test_the_network_is_told_which_windows_are_permuted(vae, songs):
    plain, told = (vae(songs, permuted=tf.fill([5], flag))[0].numpy() for flag in (False, True))
    np.testing.assert_array_equal(plain, vae(songs)[0])
    assert (plain != told).any()


def test_training_permutes_a_share_of_the_windows(songs):
    """All windows, or none: with none, what is trained on is what is evaluated."""
    none, every = (
        build("bar_vae", BARS_OF_LONG, replace(TINY["bar_vae"], dropout=0.0, free_bits=0.0, permute_drums=share))
        for share in (0.0, 1.0)
    )
    _, inner = tf.unstack(tf.random.experimental.stateless_split((1, 2), 2))
    np.testing.assert_allclose(none.outcome(songs, True, (1, 2))["loss"], none.outcome(songs, False, inner)["loss"])
    permuted, plain = every.outcome(songs, True, (1, 2))["loss"].numpy(), none.outcome(songs, False, inner)["loss"]
    assert (permuted != plain.numpy()).all()


def test_what_training_draws_is_decided_by_its_seed(vae, songs):
    first, again, other = (vae.outcome(songs, True, (1, last))["loss"].numpy() for last in (2, 2, 3))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_the_density_is_fitted_to_draws_from_the_posterior(vae):
    windows = tf.constant(np.random.default_rng(2).integers(0, 512, (300, vae.steps)))
    codes, posterior = vae.codes_for_density(windows), vae.posterior(windows)
    standardized = (codes - posterior.mean()) / posterior.stddev()
    assert np.mean(standardized) == pytest.approx(0, abs=0.05)
    assert np.std(standardized) == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(vae.codes_for_density(windows[7:9]), codes[7:9], atol=1e-5)


def test_hidden_steps_reach_the_decoder_through_the_codes_alone(songs):
    hiding = build("bar_vae", BARS_OF_LONG, replace(TINY["bar_vae"], dropout=0.0, input_dropout=1.0))
    code = tf.zeros([5, hiding.latent]), tf.ones([5, hiding.latent])
    hiding.encoder = lambda *_, **__: code
    np.testing.assert_array_equal(hiding(songs, training=True)[0], hiding(songs ^ 5, training=True)[0])
    assert (hiding(songs)[0].numpy() != hiding(songs ^ 5)[0].numpy()).any()


def test_importance_sampling_with_one_draw_is_the_elbo_and_more_draws_are_tighter(songs):
    vae = build("bar_vae", BARS, TINY["bar_vae"])
    windows = songs[:, : vae.steps]

    @tf.function
    def estimate(number, draws):
        return estimate_log_likelihood(vae, windows, tf.stack([0, number]), draws)

    one, many = (tf.reduce_mean([estimate(number, draws) for number in tf.range(60)], axis=0) for draws in (1, 64))
    loss = tf.function(lambda number: vae.outcome(windows, seed=tf.stack([1, number]))["loss"])
    elbo = -tf.reduce_mean([loss(number) for number in tf.range(60)], axis=0)
    np.testing.assert_allclose(one, elbo, rtol=0.01)
    assert (many.numpy() > one.numpy()).all()
