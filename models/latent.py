"""Noise from seeds, and the way between two z: TensorFlow alone, no network."""

import numpy as np
import tensorflow as tf

LATENT, STEPS, PLACE = 0, 1, 2  # streams of one seed


def uniform_noise(seed: tf.Tensor, shape: list[int], stream: int) -> tf.Tensor:
    """Uniform in [0, 1), one array of `shape` per seed. seed: int64 or int32 [B, 2].  Returns float32 [B, *shape]."""

    def noise_of(one: tf.Tensor) -> tf.Tensor:
        folded = tf.random.experimental.stateless_fold_in(one, stream)
        return tf.random.stateless_uniform(shape, folded, alg="philox")

    return tf.map_fn(noise_of, seed, fn_output_signature=tf.TensorSpec(shape, tf.float32))


def normal_noise(seed: tf.Tensor, size: int, stream: int) -> tf.Tensor:
    """Standard normal, by Box and Muller's transform. seed: int64 or int32 [B, 2].  Returns float32 [B, size]."""
    noise = uniform_noise(seed, [2, size], stream)
    return tf.sqrt(-2.0 * tf.math.log1p(-noise[:, 0])) * tf.cos(2.0 * np.pi * noise[:, 1])


def slerp(a: tf.Tensor, b: tf.Tensor, fraction: tf.Tensor) -> tf.Tensor:
    """Spherical interpolation (White 2016), linear where they are parallel. a, b: [B, Z]; fraction: [B]."""
    cosine = tf.reduce_sum(tf.linalg.l2_normalize(a, -1) * tf.linalg.l2_normalize(b, -1), -1)
    angle = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
    sine = tf.sin(angle)
    parallel = sine < 1e-4
    safe = tf.where(parallel, 1.0, sine)
    of_a = tf.where(parallel, 1.0 - fraction, tf.sin((1.0 - fraction) * angle) / safe)
    of_b = tf.where(parallel, fraction, tf.sin(fraction * angle) / safe)
    return of_a[:, None] * a + of_b[:, None] * b
