"""The convolutional forecaster."""

import keras
import tensorflow as tf
from drumline.drums.kit import DRUMS
from drumline.models.encoding import hits_of_combinations
from drumline.models.forecaster import Forecaster, State
from drumline.models.sizes import ConvSizes


class ConvForecaster(Forecaster):
    """Convolution, max pooling and a dense layer over the last `history` steps, silence before the first.

    Over a whole window the three run once, not once a step: pooling with stride 1 and a dense layer written
    as a convolution over every `pool`-th place give each step exactly what its own history would.
    """

    def __init__(self, bars: int, sizes: ConvSizes):
        super().__init__(bars)
        self.history = sizes.history
        self.convolution = keras.layers.Conv1D(sizes.filters, sizes.kernel, activation="relu")
        self.pool = keras.layers.MaxPooling1D(sizes.pool, strides=1)
        self.dense = keras.layers.Conv1D(
            len(DRUMS), (sizes.history - sizes.kernel + 1) // sizes.pool, dilation_rate=sizes.pool
        )

    def call(self, combinations: tf.Tensor, training: bool = False) -> tf.Tensor:
        """combinations: int64 [B, steps].  Returns logits [B, steps, 9], each from the steps before it."""
        hits = hits_of_combinations(combinations, self.compute_dtype)
        return self._logits(tf.pad(hits[:, :-1], [[0, 0], [self.history, 0], [0, 0]]))

    def _logits(self, hits: tf.Tensor) -> tf.Tensor:
        """hits: [B, history - 1 + n, 9].  Returns logits of each full history, float32 [B, n, 9]."""
        return tf.cast(self.dense(self.pool(self.convolution(hits))), tf.float32)

    def initial_state(self, batch: tf.Tensor) -> State:
        return tf.zeros([batch, self.history, len(DRUMS)], self.compute_dtype)

    def step(self, hits: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        state = tf.concat([state[:, 1:], tf.cast(hits, self.compute_dtype)[:, None]], axis=1)
        return self._logits(state)[:, 0], state

    def prime(self, hits: tf.Tensor) -> tuple[tf.Tensor, State]:
        hits = tf.cast(hits, self.compute_dtype)
        state = tf.concat([self.initial_state(tf.shape(hits)[0]), hits], axis=1)[:, -self.history :]
        return self._logits(state)[:, 0], state
