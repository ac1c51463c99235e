import numpy as np
import pytest
import tensorflow as tf
from drumline.models import accuracy
from drumline.models.autoencoder import AutoencoderModel
from drumline.models.evaluation import evaluate_baselines, hash_windows
from drumline.models.measures import histogram

MAJORITY = 5


@pytest.fixture
def other_z(network, windows):
    return network.posterior(windows[::-1] ^ 3).mean() if isinstance(network, AutoencoderModel) else None


def evaluated(network, windows, other_z) -> dict[str, np.ndarray]:
    network.other_z = other_z
    figures = network.evaluate_windows(windows) | evaluate_baselines(windows, MAJORITY)
    return {name: values.numpy() for name, values in figures.items()}


def test_a_window_is_told_the_same_of_alone_and_in_any_batch(network, windows, other_z):
    together = evaluated(network, windows, other_z)
    alone = evaluated(network, windows[2:3], other_z)
    backwards = evaluated(network, windows[::-1], other_z)
    for name, values in together.items():
        assert values.dtype == np.float32, name
        np.testing.assert_allclose(alone[name][0], values[2], atol=1e-5, err_msg=name)
        np.testing.assert_allclose(backwards[name][::-1], values, atol=1e-5, err_msg=name)


def test_the_accuracies_are_those_of_their_own_functions(network, windows, other_z):
    windows = tf.concat([windows[:, :16], tf.where(windows[:, 16:] < 300, windows[:, :16], 5)], axis=1)
    figures = evaluated(network, windows, other_z)
    expected = {
        "teacher_forced": accuracy.teacher_forced_accuracy(network, windows),
        "sampled": accuracy.sampled_accuracy(network, windows),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(figures[f"{name}_accuracy"], values, atol=1e-6, err_msg=name)
    # No step of these windows is silent by chance but where it says so.
    right, steps = figures["sampled_nonsilent"].T
    counted = windows.numpy() if isinstance(network, AutoencoderModel) else windows.numpy()[:, 16:]
    np.testing.assert_array_equal(steps, (counted != 0).sum(axis=1))
    assert (right <= steps).all()


def test_samples_and_data_are_counted_over_the_same_steps(network, windows, other_z):
    figures = evaluated(network, windows, other_z)
    steps = 32 if isinstance(network, AutoencoderModel) else 16
    assert figures["sample_histogram"].sum(axis=1).tolist() == [steps] * 5
    np.testing.assert_array_equal(figures["data_histogram"], histogram(windows[:, 32 - steps :]))


def test_a_shuffled_z_is_that_of_another_window(vae, windows):
    other_z = vae.posterior(windows[3:4]).mean()
    played = vae.decode(other_z, tf.zeros([1]), tf.zeros([1, 2], tf.int64))
    expected = accuracy.share_right(played, windows)
    figures = evaluated(vae, windows, other_z)
    np.testing.assert_allclose(figures["shuffled_z_accuracy"], expected, atol=1e-6)
    assert figures["shuffled_z_accuracy"][3] == figures["sampled_accuracy"][3]


def test_mu_and_kl_are_those_of_the_posterior(vae, windows):
    figures = evaluated(vae, windows, vae.posterior(windows).mean())
    posterior = vae.posterior(windows)
    np.testing.assert_allclose(figures["mu"], posterior.mean(), atol=1e-6)
    np.testing.assert_allclose(figures["mu_squared"], posterior.mean() ** 2, atol=1e-6)
    np.testing.assert_allclose(figures["kl"], posterior.kl_divergence(vae.prior()), rtol=1e-5)


def test_windows_have_numbers_of_their_own():
    windows = tf.constant(np.random.default_rng(0).integers(0, 512, (1000, 32)))
    numbers = hash_windows(windows).numpy()
    assert len(set(numbers.tolist())) == 1000
    assert (numbers >= 0).all()
    # 1, 12 and 11, 2 are not the same window.
    assert len(set(hash_windows(tf.constant([[1, 12], [11, 2]], tf.int64)).numpy().tolist())) == 2
