"""Log-likelihoods and the evidence lower bound, in nats per window."""

import tensorflow as tf


def bernoulli_log_likelihood(logits: tf.Tensor, hits: tf.Tensor) -> tf.Tensor:
    """log p(hits) under independent drums (minus the binary cross-entropy, summed over steps and drums).

    logits, hits: float [B, steps, 9].  Returns float [B].
    """
    return -tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=hits, logits=logits), axis=[1, 2])


def categorical_log_likelihood(logits: tf.Tensor, combinations: tf.Tensor) -> tf.Tensor:
    """log p(combinations), summed over the steps.

    logits: float [B, steps, 512]; combinations: int64 [B, steps].  Returns float [B].
    """
    return -tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=combinations, logits=logits), axis=1)


def elbo_loss(log_likelihood: tf.Tensor, kl: tf.Tensor, *, beta: float, free_nats: float) -> tf.Tensor:
    """Negative ELBO with a free information budget (MusicVAE, section 2.1.1; beta and tau there).

    log_likelihood, kl: float [B], nats per window.  Returns float [B].
    """
    return beta * tf.maximum(kl - free_nats, 0.0) - log_likelihood
