import numpy as np
import pytest
import tensorflow as tf
from drumline.models.density import COMPONENTS, Density, fit_density
from scipy.stats import multivariate_normal

from tests.models.tiny import BARS, TINY, build

SEEDS = tf.constant([[index, 7] for index in range(4000)], tf.int64)


@pytest.fixture
def two() -> Density:
    """A quarter around (5, 0), long and slanted; the others in one point."""
    slanted = [[2.0, 0.0], [1.0, 0.5]]
    return Density(np.array([0.25, 0.75]), np.array([[5.0, 0.0], [-5.0, 1.0]]), np.array([slanted, np.zeros([2, 2])]))


def test_draws_have_the_weights_means_and_covariances_of_the_mixture(two):
    z = two.draw(SEEDS).numpy()
    right = z[(z != [-5.0, 1.0]).any(axis=1)]
    assert len(right) / len(z) == pytest.approx(0.25, abs=0.02)
    np.testing.assert_allclose(right.mean(axis=0), [5, 0], atol=0.2)
    np.testing.assert_allclose(np.cov(right.T), [[4, 2], [2, 1.25]], atol=0.4)


def test_a_draw_is_its_own_seeds(two):
    together = two.draw(SEEDS[:20])
    for index in range(20):
        np.testing.assert_allclose(two.draw(SEEDS[index : index + 1])[0], together[index], rtol=1e-6)


def test_the_standard_density_is_the_prior():
    z = Density.standard(30).draw(SEEDS).numpy()
    assert z.mean() == pytest.approx(0, abs=0.02)
    np.testing.assert_allclose(np.cov(z.T), np.eye(30), atol=0.12)


def test_the_log_density_is_that_of_the_mixture():
    weights, means = np.array([0.25, 0.75]), np.array([[1.0, 0.0], [-1.0, 1.0]])
    scales = np.array([[[2.0, 0.0], [1.0, 0.5]], np.eye(2)])
    z = np.random.default_rng(0).normal(size=[20, 2]).astype(np.float32)
    expected = sum(
        weight * multivariate_normal(mean, scale @ scale.T).pdf(z)
        for weight, mean, scale in zip(weights, means, scales, strict=True)
    )
    np.testing.assert_allclose(Density(weights, means, scales).log_prob(z), np.log(expected), rtol=1e-4)


@pytest.mark.parametrize("clusters", COMPONENTS)
def test_draws_of_a_fitted_density_lie_where_the_codes_do(clusters):
    model = build("hierarchical_vae", BARS, TINY["hierarchical_vae"])
    rng = np.random.default_rng(0)
    centres = np.sign(rng.normal(size=[clusters, 8])) * 3
    # The encoder is stood in for by one that finds z in the first 8 steps.
    model.posterior = lambda windows: Codes(tf.cast(windows[:, :8], tf.float32) / 50 - 5)

    def windows(count: int) -> np.ndarray:
        codes = centres[rng.integers(0, clusters, count)] + rng.normal(size=[count, 8]) * 0.2
        return np.pad((codes + 5) * 50, [[0, 0], [0, model.steps - 8]]).astype(np.uint16)

    z = fit_density(model, windows(2000), windows(500)).draw(SEEDS).numpy()
    nearest = abs(z[:, None] - centres).max(axis=-1)
    assert (nearest.min(axis=1) < 1).mean() > 0.99
    assert len(np.unique(nearest.argmin(axis=1))) == len(np.unique(centres, axis=0))


class Codes:
    def __init__(self, mu: tf.Tensor):
        self.mu = mu

    def mean(self) -> tf.Tensor:
        return self.mu


@pytest.mark.parametrize("count", [1, 3, 10])
def test_few_windows_make_a_density_too(count):
    model = build("flat_vae", BARS, TINY["flat_vae"])
    windows = np.random.default_rng(1).integers(0, 512, [count, model.steps], np.uint16)
    z = fit_density(model, windows, windows[:1]).draw(SEEDS[:5])
    assert np.isfinite(z).all()
