"""Tighter estimates of an autoencoder's log-likelihood than its ELBO."""

import tensorflow as tf
from drumline.models.autoencoder import AutoencoderModel
from drumline.models.losses import categorical_log_likelihood


def estimate_log_likelihood(
    model: AutoencoderModel, combinations: tf.Tensor, seed: tf.Tensor | tuple[int, int], samples: tf.Tensor | int = 64
) -> tf.Tensor:
    """Estimates log p(x) by importance sampling from the posterior (Burda et al. 2016, equation 8).

    The prior is what samples are drawn from: `model.density`. In expectation the estimate is a lower bound, which rises
    with the number of draws; with one draw it is the ELBO.

    Args:
      model: A trained network.
      combinations: int64 [B, steps].
      seed: Random seed, int32 [2].
      samples: Draws of z for each window; they are decoded one after another, so that they need no memory.

    Returns:
      float32 [B], nats per window.
    """
    posterior = model.posterior(combinations)
    mu, sigma = posterior.mean(), posterior.stddev()

    def weigh(index: tf.Tensor) -> tf.Tensor:
        noise = tf.random.stateless_normal(tf.shape(mu), tf.random.fold_in(tf.convert_to_tensor(seed), index))
        z = mu + sigma * noise
        likelihood = categorical_log_likelihood(model.teacher_forced_logits(z, combinations), combinations)
        return likelihood + model.density.log_prob(z) - posterior.log_prob(z)

    weights = tf.map_fn(weigh, tf.range(samples), fn_output_signature=tf.float32)
    return tf.reduce_logsumexp(weights, axis=0) - tf.math.log(tf.cast(samples, tf.float32))
