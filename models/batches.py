"""The order in which training sees its windows, and what it does to them: functions of the seed and the step alone.

So a run that goes on at step 1200 sees what an unbroken run sees there, and nothing of the order needs keeping.
"""

import numpy as np
import tensorflow as tf
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.models.encoding import combinations_of_velocities, hits_of_combinations
from drumline.models.sizes import Training

_ORDER, _CHANGE = 0, 1  # the seed's uses


def batches(windows: np.ndarray, training: Training, first_step: int = 0) -> tf.data.Dataset:
    """The batch of step `first_step` and those of all steps after it, int64 [B, steps], without end.

    windows: combinations, uint16 [N, steps], N >= B. They stay in memory: 512 bytes a window of 16 bars, so 2.6 GB
    for 5 million windows.
    """
    with tf.device("CPU:0"):
        all_windows = tf.convert_to_tensor(windows, tf.uint16)

    def batch(step: tf.Tensor) -> tf.Tensor:
        taken = tf.gather(all_windows, draw_indices(step, training, len(windows)))
        return augment(tf.cast(taken, tf.int64), step, training)

    steps = tf.data.Dataset.counter(first_step)
    return steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def pick_evenly(windows: np.ndarray, count: int) -> tf.Tensor:
    """At most `count` windows, at equal distances: of many songs, as the windows of one lie together. int64."""
    chosen = np.linspace(0, len(windows) - 1, min(count, len(windows))).round().astype(int)
    return tf.constant(windows[chosen], tf.int64)


def draw_indices(step: tf.Tensor, training: Training, count: int) -> tf.Tensor:
    """Which of `count` windows make up the batch of a step.

    Batches follow one another through passes, each a permutation of all windows, the seed's and the pass's own.
    step: int64.  Returns int64 [B].
    """
    index = step * training.batch_size + tf.range(training.batch_size, dtype=tf.int64)
    first = index[0] // count
    # A batch is no larger than a pass, so it lies in two passes at most.
    in_first, in_next = (
        tf.random.experimental.index_shuffle(
            index % count, _seed(training, _ORDER, one), tf.constant(count - 1, tf.int64)
        )
        for one in (first, first + 1)
    )
    return tf.where(index // count == first, in_first, in_next)


def augment(windows: tf.Tensor, step: tf.Tensor, training: Training) -> tf.Tensor:
    """The batch of a step after augmentation. int64 [B, steps], as is what it returns."""
    for_mix, for_drop, for_permute, _ = tf.unstack(tf.random.split(_seed(training, _CHANGE, step), 4))
    if training.mix_bars:
        windows = mix_bars(windows, training.mix_bars, for_mix)
    if training.drop_drums:
        windows = drop_drums(windows, training.drop_drums, for_drop)
    if training.permute_drums:
        windows = permute_drums(windows, training.permute_drums, for_permute)
    return windows


def drop_drums(windows: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """A share of the windows without one of the nine drum classes, a random one, throughout. int64 [B, steps]."""
    for_drum, for_share = tf.unstack(tf.random.split(seed, 2))
    drum = tf.random.stateless_uniform([len(windows), 1], for_drum, maxval=len(DRUMS), dtype=tf.int64)
    without = tf.bitwise.bitwise_and(windows, ~tf.bitwise.left_shift(tf.ones_like(drum), drum))
    return tf.where(_chosen(len(windows), share, for_share), without, windows)


def permute_drums(windows: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """A share of the windows with the nine drum classes in another order, the same throughout. int64 [B, steps].

    No drummer plays so, but an autoencoder learns from it to read and write rhythms that its songs do not hold.
    """
    for_order, for_share = tf.unstack(tf.random.split(seed, 2))
    order = tf.argsort(tf.random.stateless_uniform([tf.shape(windows)[0], len(DRUMS)], for_order))
    permuted = combinations_of_velocities(tf.gather(hits_of_combinations(windows), order, axis=2, batch_dims=1))
    return tf.where(_chosen(tf.shape(windows)[0], share, for_share), permuted, windows)


def mix_bars(windows: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """A share of the windows with every bar from a random window of the batch, its bar at that place. int64 [B, steps].

    Such a window has no theme to repeat: what it plays in a bar must come from that bar's own code.
    """
    for_source, for_share = tf.unstack(tf.random.split(seed, 2))
    bars = _in_bars(windows)
    shape = [len(windows), bars.shape[1]]
    source = tf.random.stateless_uniform(shape, for_source, maxval=len(windows), dtype=tf.int32)
    mixed = tf.gather_nd(bars, tf.stack([source, tf.broadcast_to(tf.range(shape[1]), shape)], axis=-1))
    return tf.where(_chosen(len(windows), share, for_share), tf.reshape(mixed, windows.shape), windows)


def _in_bars(windows: tf.Tensor) -> tf.Tensor:
    return tf.reshape(windows, [len(windows), -1, STEPS_PER_BAR])


def _chosen(count: tf.Tensor | int, share: float, seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform([count, 1], seed) < share


def _seed(training: Training, use: int, number: tf.Tensor) -> tf.Tensor:
    """int32 [2]."""
    return tf.random.fold_in(tf.constant([training.seed % 2**31, use]), tf.cast(number, tf.int32))
