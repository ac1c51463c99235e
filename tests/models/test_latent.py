import numpy as np
import pytest
import tensorflow as tf
from drumline.models.latent import normal_noise, slerp, uniform_noise

SEEDS = tf.constant([[1, 2], [3, 4], [1, 5]], tf.int64)


def test_noise_is_uniform_and_the_another_is_standard_normal():
    seeds = tf.constant([[index, 7] for index in range(200)], tf.int64)
    noise = uniform_noise(seeds, [100], 1).numpy()
    assert noise.mean() == pytest.approx(0.5, abs=0.01)
    assert len(np.unique(noise)) > 19_000
    z = normal_noise(seeds, 100, 0).numpy()
    assert z.mean() == pytest.approx(0, abs=0.03)
    assert z.std() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(z[:, 0], z[:, 1])[0, 1]) < 0.25


def test_int32_and_int64_seeds_give_the_same_noise():
    np.testing.assert_array_equal(uniform_noise(SEEDS, [4], 1), uniform_noise(tf.cast(SEEDS, tf.int32), [4], 1))


def test_slerp_keeps_to_the_sphere():
    a, b = tf.constant([[2.0, 0.0], [2.0, 0.0]]), tf.constant([[0.0, 2.0], [2.0, 0.0]])
    halfway = slerp(a, b, tf.constant([0.5, 0.5])).numpy()
    np.testing.assert_allclose(halfway, [[2**0.5, 2**0.5], [2.0, 0.0]], rtol=1e-5)
