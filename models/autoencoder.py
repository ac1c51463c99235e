"""What the variational autoencoders share: evaluation, signatures, and where samples are drawn from."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from drumline.drums.kit import DRUMS
from drumline.models.accuracy import share_right
from drumline.models.batches import pick_evenly
from drumline.models.density import Density, fit_density
from drumline.models.encoding import hits_of_combinations
from drumline.models.evaluation import compare, hash_windows
from drumline.models.latent import slerp
from drumline.models.network import DrumModel, Encode, Signatures
from drumline.models.signature_inputs import SEED, TEMPERATURE

tfd = tfp.distributions
_OTHER_WINDOWS = 512  # training windows whose latent codes stand for those of another song


class AutoencoderModel(DrumModel):
    """A subclass has an encoder (`posterior`), a decoder (`decode`, `teacher_forced_logits`) and an `outcome`."""

    outcome_names = ("loss", "kl")

    def __init__(self, bars: int, latent: int):
        super().__init__(bars)
        self.latent = latent
        # Before training is over: draws from the prior, and no other song.
        self.density = Density.standard(latent)
        self.other_z = tf.zeros([1, latent])

    def posterior(self, combinations: tf.Tensor, training: bool = False) -> tfp.distributions.Distribution:
        """Returns q(z|x), a batch of B distributions over Z dimensions. combinations: int64 [B, steps]."""
        raise NotImplementedError

    def prior(self) -> tfp.distributions.Distribution:
        """Returns p(z), the standard normal over Z dimensions."""
        return tfd.MultivariateNormalDiag(tf.zeros(self.latent), tf.ones(self.latent))

    def codes_for_density(self, combinations: tf.Tensor) -> tf.Tensor:
        """Encodes windows that the density is fitted to; float32 [B, Z]. Here, as the means of the posterior."""
        return self.posterior(combinations).mean()

    def decode(self, z: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Plays the beat of a latent code, the decoder reading its own steps.

        Args:
          z: float32 [B, Z].
          temperature: float32 [B]; 0 plays the most probable combinations.
          seed: int64 or int32 [B, 2].

        Returns:
          Combinations, int64 [B, steps].
        """
        raise NotImplementedError

    def teacher_forced_logits(self, z: tf.Tensor, combinations: tf.Tensor) -> tf.Tensor:
        """Computes the logits of every step given z and the true steps before it.

        Args:
          z: float32 [B, Z].
          combinations: int64 [B, steps].

        Returns:
          float32 [B, steps, 512].
        """
        raise NotImplementedError

    def teacher_forced(self, combinations):
        mu = self.posterior(combinations).mean()
        return tf.argmax(self.teacher_forced_logits(mu, combinations), axis=-1)

    def predict_greedily(self, combinations):
        batch = tf.shape(combinations)[0]
        mu = self.posterior(combinations).mean()
        return self.decode(mu, tf.zeros([batch]), tf.zeros([batch, 2], tf.int64))

    def prepare_export(self, train: np.ndarray, held_out: np.ndarray, seed: int) -> None:
        """Fits the density that samples are drawn from, and keeps the latent codes of some other songs."""
        self.density = fit_density(self, train, held_out, seed)
        self.other_z = self.posterior(pick_evenly(train, _OTHER_WINDOWS)).mean()

    def tracked(self) -> list[Any]:
        return [self.density]

    def evaluate_windows(self, combinations):
        """As DrumModel.evaluate_windows, with `kl`, `mu`, `mu_squared` and the accuracy from another song's z."""
        posterior, number = self.posterior(combinations), hash_windows(combinations)
        mu, seed = posterior.mean(), tf.stack([number, tf.zeros_like(number)], axis=1)
        z = [mu, tf.gather(self.other_z, number % len(self.other_z)), self.density.draw(seed)]
        # Three times as many at once take hardly longer, as each step depends on the one before.
        zeros = tf.zeros_like(number, tf.float32)
        beats = self.decode(tf.concat(z, 0), tf.concat([zeros, zeros, zeros + 1.0], 0), tf.tile(seed, [3, 1]))
        sampled, shuffled, sample = tf.split(beats, 3)
        forced = tf.argmax(self.teacher_forced_logits(mu, combinations), axis=-1)
        return {
            **compare(combinations, teacher_forced=forced, sampled=sampled, sample=sample, window=combinations),
            "shuffled_z_accuracy": share_right(shuffled, combinations),
            "kl": posterior.kl_divergence(self.prior()),
            "mu": mu,
            "mu_squared": mu**2,
        }

    def signatures(self, encode: Encode) -> Signatures:
        """Makes `serving_default` (reconstruction), `encode`, `decode`, `draw`, `sample` and `interpolate`."""
        code = tf.TensorSpec([None, self.latent], tf.float32, "z")

        def window(name: str) -> tf.TensorSpec:
            return tf.TensorSpec([None, self.steps, len(DRUMS)], tf.int64, name)

        def encode_mean(velocities: tf.Tensor) -> tf.Tensor:
            return self.posterior(encode(velocities)).mean()

        def play(z: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"hits": hits_of_combinations(self.decode(z, temperature, seed), tf.int64)}

        @tf.function(input_signature=[window("velocities")])
        def reconstruct(velocities):
            return {"hits": hits_of_combinations(self.predict_greedily(encode(velocities)), tf.int64)}

        @tf.function(input_signature=[window("velocities")])
        def encode_(velocities):
            posterior = self.posterior(encode(velocities))
            return {"z": posterior.mean(), "sigma": posterior.stddev()}

        @tf.function(input_signature=[code, TEMPERATURE, SEED])
        def decode(z, temperature, seed):
            return play(z, temperature, seed)

        @tf.function(input_signature=[SEED])
        def draw(seed):
            return {"z": self.density.draw(seed)}

        @tf.function(input_signature=[TEMPERATURE, SEED])
        def sample(temperature, seed):
            return play(self.density.draw(seed), temperature, seed)

        fraction = tf.TensorSpec([None], tf.float32, "fraction")

        @tf.function(input_signature=[window("a"), window("b"), fraction, TEMPERATURE, SEED])
        def interpolate(a, b, fraction, temperature, seed):
            return play(slerp(encode_mean(a), encode_mean(b), fraction), temperature, seed)

        return {
            "serving_default": reconstruct,
            "encode": encode_,
            "decode": decode,
            "draw": draw,
            "sample": sample,
            "interpolate": interpolate,
        }
