"""Where in z the songs lie: a mixture of Gaussians, fitted to their codes once the autoencoder is trained.

With free bits the codes of songs are no standard normal, so draws from that prior land where the decoder has learnt
nothing. Ex-post density estimation (Ghosh et al. 2020, "From variational to deterministic autoencoders", section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from drumline.models.batches import pick_evenly
from drumline.models.latent import LATENT, PLACE, normal_noise, uniform_noise
from sklearn.mixture import GaussianMixture

if TYPE_CHECKING:
    from drumline.models.autoencoder import AutoencoderModel

COMPONENTS = (1, 4, 16)
_WINDOWS = 8192  # that are looked at: the codes of neighbouring windows differ little
_FLOOR = 1e-3  # of the variance in every direction, where there are fewer windows than dimensions


class Density(tf.Module):
    """A mixture of Gaussians over z."""

    def __init__(self, weights: np.ndarray, means: np.ndarray, scales: np.ndarray):
        """weights: [K], of sum 1; means: [K, Z]; scales: [K, Z, Z], lower triangles of the covariances."""
        super().__init__()
        self.weights, self.means, self.scales = (
            tf.Variable(np.asarray(values, np.float32), trainable=False) for values in (weights, means, scales)
        )

    @classmethod
    def standard(cls, latent: int) -> Density:
        """The prior itself: the standard normal."""
        return cls(np.ones(1), np.zeros([1, latent]), np.eye(latent)[None])

    def draw(self, seed: tf.Tensor) -> tf.Tensor:
        """One z a seed, of its seed alone. seed: int64 or int32 [B, 2].  Returns float32 [B, Z]."""
        cumulative = tf.cumsum(self.weights)
        places = uniform_noise(seed, [1], PLACE) * cumulative[-1]
        component = tf.minimum(tf.searchsorted(cumulative, places[:, 0], side="right"), self.weights.shape[0] - 1)
        noise = normal_noise(seed, self.means.shape[1], LATENT)
        # By components, not by draws: there are few components, and a matrix for each draw would not fit into memory.
        offsets = tf.gather(tf.einsum("bz,kyz->bky", noise, self.scales), component, batch_dims=1)
        return tf.gather(self.means, component) + offsets

    def log_prob(self, z: tf.Tensor) -> tf.Tensor:
        """Computes the log-density of codes, in nats.

        Args:
          z: float32 [B, Z].

        Returns:
          float32 [B].
        """
        components = tfp.distributions.MultivariateNormalTriL(self.means, self.scales).log_prob(z[:, None])
        return tf.reduce_logsumexp(components + tf.math.log(self.weights), axis=1)


def fit_density(model: AutoencoderModel, train: np.ndarray, held_out: np.ndarray, seed: int = 0) -> Density:
    """The mixture of as many components, of COMPONENTS, as make the codes of the held-out windows likeliest.

    train, held_out: combinations, integers [N, steps].
    """
    codes, unseen = (_codes(model, pick_evenly(windows, _WINDOWS)) for windows in (train, held_out))
    if len(codes) == 1:
        codes = np.repeat(codes, 2, axis=0)  # GaussianMixture asks for two
    counts = [count for count in COMPONENTS if count <= len(codes)]
    mixtures = [
        GaussianMixture(count, reg_covar=_FLOOR, max_iter=30, random_state=seed % 2**32).fit(codes) for count in counts
    ]
    best = max(mixtures, key=lambda mixture: mixture.score(unseen))
    return Density(best.weights_, best.means_, np.linalg.cholesky(best.covariances_))


def _codes(model: AutoencoderModel, windows: tf.Tensor) -> np.ndarray:
    """float32 [N, Z]."""
    encode = tf.function(model.codes_for_density)
    return np.concatenate([encode(batch).numpy() for batch in tf.data.Dataset.from_tensor_slices(windows).batch(512)])
