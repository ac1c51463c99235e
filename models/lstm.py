"""The LSTM forecaster."""

import keras
import tensorflow as tf
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.models.encoding import hits_of_combinations
from drumline.models.forecaster import Forecaster, State
from drumline.models.recurrent import LstmStack, States
from drumline.models.sizes import LstmSizes


class LstmForecaster(Forecaster):
    """Stacked LSTM layers. With `lookback`, inputs also hold the steps 1, 2 ... bars before the one that is predicted
    (Waite 2016)."""

    def __init__(self, bars: int, sizes: LstmSizes):
        super().__init__(bars)
        self.lookback = sizes.lookback
        self.recent = max(1, sizes.lookback * STEPS_PER_BAR)  # steps before a prediction that are inputs of it
        self.stack = LstmStack(sizes.layers, sizes.units, sizes.activation)
        self.dense = keras.layers.Dense(len(DRUMS), dtype="float32")

    def call(self, combinations: tf.Tensor, training: bool = False) -> tf.Tensor:
        """combinations: int64 [B, steps].  Returns logits [B, steps, 9], each from the steps before it."""
        hits = hits_of_combinations(combinations, self.compute_dtype)
        outputs, _ = self._run_stack(hits[:, :-1], self.stack.zero_states(tf.shape(hits)[0]), training)
        return self.dense(outputs)

    def initial_state(self, batch: tf.Tensor) -> State:
        return self.stack.zero_states(batch), tf.zeros([batch, self.recent, len(DRUMS)], self.compute_dtype)

    def step(self, hits: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        states, recent = state
        recent = tf.concat([recent[:, 1:], tf.cast(hits, self.compute_dtype)[:, None]], axis=1)
        outputs, states = self.stack.step(self._inputs(recent)[:, 0], states)
        return self.dense(outputs), (states, recent)

    def prime(self, hits: tf.Tensor) -> tuple[tf.Tensor, State]:
        hits = tf.cast(hits, self.compute_dtype)
        states, silence = self.initial_state(tf.shape(hits)[0])
        outputs, states = self._run_stack(hits, states)
        return self.dense(outputs[:, -1]), (states, tf.concat([silence, hits], axis=1)[:, -self.recent :])

    def _run_stack(self, hits: tf.Tensor, states: States, training: bool = False) -> tuple[tf.Tensor, States]:
        """The stack over silence, which comes before the first step, and then `hits`, [B, t, 9]."""
        padded = tf.pad(hits, [[0, 0], [self.recent, 0], [0, 0]])
        return self.stack(self._inputs(padded), states, training=training)

    def _inputs(self, hits: tf.Tensor) -> tf.Tensor:
        """Returns the input of each step that has all of its recent steps.

        hits: [B, recent - 1 + n, 9].  Returns [B, n, 9 * (1 + lookback)].
        """
        last = self.recent - 1
        steps = tf.shape(hits)[1] - last
        starts = [last, *(self.recent - bar * STEPS_PER_BAR for bar in range(1, self.lookback + 1))]
        return tf.concat([hits[:, start : start + steps] for start in starts], axis=-1)
