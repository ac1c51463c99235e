import math

import numpy as np
import pytest
import tensorflow as tf
from drumline.models.losses import bernoulli_log_likelihood, categorical_log_likelihood, elbo_loss


def test_bernoulli_log_likelihood_is_the_sum_of_the_logs_of_the_probabilities():
    probabilities = np.array([[[0.9, 0.2], [0.5, 0.3]]])
    logits = np.log(probabilities / (1 - probabilities))
    hits = np.array([[[1.0, 0.0], [1.0, 1.0]]])
    by_hand = math.log(0.9) + math.log(0.8) + math.log(0.5) + math.log(0.3)
    assert bernoulli_log_likelihood(logits, hits).numpy() == pytest.approx([by_hand])


def test_categorical_log_likelihood_is_the_sum_of_the_logs_of_the_probabilities():
    logits = tf.math.log([[[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]])
    by_hand = math.log(0.2) + math.log(0.5)
    assert categorical_log_likelihood(logits, tf.constant([[1, 2]])).numpy() == pytest.approx([by_hand])


def test_information_within_the_budget_is_free():
    def loss(kl):
        return elbo_loss(tf.constant([-10.0]), tf.constant([kl]), beta=0.5, free_nats=4.0).numpy()[0]

    assert loss(0.0) == loss(4.0) == 10.0
    assert loss(6.0) == 11.0


def test_an_autoencoder_costs_its_log_likelihood_and_its_information_beyond_the_budget(vae, windows):
    posterior = vae.posterior(windows)
    mu, sigma = posterior.mean().numpy(), posterior.stddev().numpy()
    outcome = vae.outcome(windows, seed=(5, 6))
    for_z, _ = tf.unstack(tf.random.experimental.stateless_split((5, 6), 2))
    z = mu + sigma * tf.random.stateless_normal(mu.shape, for_z)
    kl = 0.5 * (sigma**2 + mu**2 - 1 - 2 * np.log(sigma)).sum(axis=1)
    np.testing.assert_allclose(outcome["kl"], kl, rtol=1e-4)
    logits = vae.teacher_forced_logits(z, windows)
    probabilities = tf.gather(tf.nn.softmax(logits), windows, batch_dims=2).numpy()
    expected = -np.log(probabilities).sum(axis=1) + vae.sizes.beta * np.maximum(kl - vae.sizes.free_nats, 0)
    np.testing.assert_allclose(outcome["loss"], expected, rtol=1e-5)
