"""The paper's simple models: the next step's nine hits, each on its own, from the steps before."""

from typing import Any

import keras
import tensorflow as tf
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.models.encoding import combinations_of_velocities, hits_of_combinations
from drumline.models.losses import bernoulli_log_likelihood
from drumline.models.recurrent import LstmStack, States
from drumline.models.sizes import ConvSizes, LstmSizes

State = Any  # what a forecaster remembers of the steps before: a tensor or a list of tensors, batch first


class Forecaster(keras.Model):
    """What both share. A subclass says how logits come from all steps (`call`) and from one more (`step`)."""

    def __init__(self, bars: int):
        super().__init__()
        self.bars = bars
        self.steps = bars * STEPS_PER_BAR

    def outcome(self, combinations: tf.Tensor, training: bool = False, **_: Any) -> dict[str, tf.Tensor]:
        """What a window costs. combinations: int64 [B, steps].  Returns `loss`, float [B], nats.

        Nothing is drawn, so what an autoencoder is told of seed, beta and own_steps says nothing here.
        """
        logits = tf.cast(self(combinations, training=training), tf.float32)
        return {"loss": -bernoulli_log_likelihood(logits, hits_of_combinations(combinations))}

    def teacher_forced(self, combinations: tf.Tensor) -> tf.Tensor:
        """The likeliest combination of each step after the true steps before it. Both int64 [B, steps]."""
        return combinations_of_velocities(self(combinations, training=False))

    def initial_state(self, batch: tf.Tensor) -> State:
        """The state before the first step."""
        raise NotImplementedError

    def step(self, hits: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Hears one more step. hits: [B, 9].  Returns the next step's logits [B, 9] and the new state."""
        raise NotImplementedError

    def prime(self, hits: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Hears a primer. hits: [B, t, 9].  Returns the next step's logits [B, 9] and the state."""
        raise NotImplementedError


class LstmForecaster(Forecaster):
    """With `lookback` each input also holds the steps 1, 2 ... bars before the one that is forecast (Waite 2016)."""

    def __init__(self, bars: int, sizes: LstmSizes):
        super().__init__(bars)
        self.lookback = sizes.lookback
        self.recent = max(1, sizes.lookback * STEPS_PER_BAR)  # steps that a forecast hears as they were
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
        """What is heard at each step that has all of its recent steps.

        hits: [B, recent - 1 + n, 9].  Returns [B, n, 9 * (1 + lookback)].
        """
        last = self.recent - 1
        steps = tf.shape(hits)[1] - last
        starts = [last, *(self.recent - bar * STEPS_PER_BAR for bar in range(1, self.lookback + 1))]
        return tf.concat([hits[:, start : start + steps] for start in starts], axis=-1)


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
