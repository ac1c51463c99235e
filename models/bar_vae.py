"""A hierarchical autoencoder that is a generative model: a latent code for each bar, and a decoder that looks back.

As in MusicVAE (Roberts et al. 2018) a conductor gives each bar a context, from which a decoder plays it. Here the
conductor also reads the bars before, and the decoder the same step of earlier bars (`drumline.models.lookback`), so
that the latent codes need to say only what these do not. It is trained by the ELBO itself, with a part of the KL free
so that the codes are used (Chen et al. 2017, "Variational lossy autoencoder", section 2).
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from drumline.drums.kit import COMBINATIONS, DRUMS, STEPS_PER_BAR
from drumline.models import lookback
from drumline.models.autoencoder import AutoencoderModel, tfd
from drumline.models.batches import permute_drums
from drumline.models.decoding import draw_combination, run_steps
from drumline.models.encoding import hits_of_combinations
from drumline.models.evaluation import hash_windows
from drumline.models.latent import LATENT, STEPS, normal_noise, uniform_noise
from drumline.models.losses import categorical_log_likelihood, elbo_loss
from drumline.models.recurrent import InitialStates, Lstm, LstmStack, States
from drumline.models.schedules import linear_ramp
from drumline.models.sizes import BarVaeSizes

type Seed = tf.Tensor | tuple[int, int]
Drop = Callable[[tf.Tensor], tf.Tensor]


class Code(NamedTuple):
    """What the decoder is given of a window.

    Attributes:
      bars: The latent code of each bar, [B, bars, n].
      permuted: 1 for a training window whose drums are permuted, else 0; [B, 1].
    """

    bars: tf.Tensor
    permuted: tf.Tensor


class BarEncoder(keras.layers.Layer):
    """The posterior of the codes, from a bidirectional LSTM over the bars."""

    def __init__(self, bars: int, sizes: BarVaeSizes):
        super().__init__()
        self.bars = bars
        self.of_steps = keras.layers.Dense(2 * sizes.encoder_units, activation="gelu")
        self.of_bar = keras.layers.Dense(sizes.encoder_units, activation="gelu")
        self.of_bars = keras.layers.Bidirectional(Lstm(sizes.encoder_units, return_sequences=True))
        self.mu, self.sigma = (keras.layers.Dense(sizes.bar_latent, dtype="float32") for _ in range(2))

    def call(
        self, combinations: tf.Tensor, permuted: tf.Tensor, drop: Drop, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """combinations: int64 [B, steps]; permuted: [B, 1].  Returns mu and sigma, float32 [B, Z]."""
        hits = hits_of_combinations(combinations, self.compute_dtype)
        hits = tf.reshape(hits, [-1, self.bars, STEPS_PER_BAR * len(DRUMS)])
        bars = self.of_bar(drop(self.of_steps(tf.concat([hits, tf.repeat(permuted[:, None], self.bars, 1)], 2))))
        bars = tf.concat([bars, self.of_bars(bars, training=training)], axis=2)
        mu, sigma = (tf.reshape(each(bars), [-1, self.bars * each.units]) for each in (self.mu, self.sigma))
        return mu, tf.nn.softplus(sigma + 0.5) + 1e-4  # near 1 at first


class BarDecoder(keras.layers.Layer):
    """The conductor and the decoder of bars."""

    def __init__(self, bars: int, sizes: BarVaeSizes):
        super().__init__()
        self.bars = bars
        self.lags = lookback.lags_of(bars)
        self.history = lookback.history_of(self.lags)
        self.of_bar = keras.layers.Dense(sizes.context, activation="gelu")
        self.conductor = LstmStack(1, sizes.conductor_units)
        self.context = keras.layers.Dense(sizes.context, activation="gelu")
        self.stack = LstmStack(1, sizes.decoder_units, constant=sizes.context)
        self.states = InitialStates(self.stack)
        self.hidden = keras.layers.Dense(sizes.decoder_units, activation="gelu")
        self.combination = keras.layers.Dense(COMBINATIONS)
        self.hits = keras.layers.Dense(len(DRUMS), use_bias=False)
        self.copies = keras.layers.Dense(len(self.lags))

    def call(self, code: Code, combinations: tf.Tensor, drop: Drop, training: bool = False) -> tf.Tensor:
        """All bars at once, given the true steps before each step.

        combinations: int64 [B, steps].  Returns logits [B, steps, 512].
        """
        steps = combinations.shape[1]
        padded = lookback.pad_history(combinations, self.history)[:, :-1]
        bars = lookback.pad_history(combinations, lookback.BAR_HISTORY * STEPS_PER_BAR)[:, :-STEPS_PER_BAR]
        bars = tf.reshape(bars, [-1, lookback.BAR_HISTORY - 1 + self.bars, STEPS_PER_BAR])
        read = self.conductor_inputs(code, bars, drop)
        outputs, _ = self.conductor(read, self.conductor.zero_states(tf.shape(padded)[0]), training=training)
        contexts = drop(self.contexts(outputs, code.bars, tf.repeat(code.permuted[:, None], self.bars, 1)))
        features, earlier = lookback.read_steps(padded, self.history, self.lags, self.compute_dtype)
        features, by_step = with_place(features, tf.range(steps)), tf.repeat(contexts, STEPS_PER_BAR, axis=1)
        inputs = tf.concat([features, by_step], axis=2)
        folded = tf.reshape(inputs, [-1, STEPS_PER_BAR, inputs.shape[2]])
        states = self.states(tf.reshape(contexts, [-1, contexts.shape[2]]))
        outputs, _ = self.stack(folded, states, training=training)
        outputs = drop(tf.reshape(outputs, [-1, steps, outputs.shape[2]]))
        return self.logits(outputs, features, by_step, earlier)

    def conductor_inputs(self, code: Code, bars: tf.Tensor, drop: Drop) -> tf.Tensor:
        """bars: int64 [B, BAR_HISTORY - 1 + n, 16].  Returns [B, n, m]."""
        hits, agreements = lookback.read_bars(bars, self.compute_dtype)
        permuted = tf.repeat(code.permuted[:, None], tf.shape(hits)[1], axis=1)
        return tf.concat([drop(self.of_bar(tf.concat([hits, permuted], axis=2))), agreements], axis=2)

    def contexts(self, outputs: tf.Tensor, bars: tf.Tensor, permuted: tf.Tensor) -> tf.Tensor:
        """The context of bars from the conductor's outputs and their codes. All [..., n]."""
        return self.context(tf.concat([outputs, bars, permuted], axis=-1))

    def begin_bar(self, code: Code, bar: tf.Tensor, history: tf.Tensor, conductor: States) -> tuple[States, tf.Tensor]:
        """Leads into bar number `bar`. history: int64 [B, history].  Returns the conductor's states, and a context."""
        recent = history[:, -lookback.BAR_HISTORY * STEPS_PER_BAR :]
        recent = tf.reshape(recent, [-1, lookback.BAR_HISTORY, STEPS_PER_BAR])
        inputs = self.conductor_inputs(code, recent, keep)[:, 0]
        output, conductor = self.conductor.step(inputs, conductor)
        return conductor, self.contexts(output, code.bars[:, bar], code.permuted)

    def step(
        self, index: tf.Tensor, history: tf.Tensor, context: tf.Tensor, states: States
    ) -> tuple[tf.Tensor, States]:
        """Step `index` of a window. history: int64 [B, history].  Returns logits [B, 512] and the states after it."""
        features, earlier = lookback.read_steps(history, self.history, self.lags, self.compute_dtype)
        features = with_place(features, tf.reshape(index, [1]))[:, 0]
        outputs, states = self.stack.step(tf.concat([features, context], axis=1), states)
        return self.logits(outputs, features, context, earlier[:, 0]), states

    def logits(self, outputs: tf.Tensor, features: tf.Tensor, contexts: tf.Tensor, earlier: tf.Tensor) -> tf.Tensor:
        """What each combination has in its favour: itself, its drums, and that it was played before. [..., 512]."""
        hidden = self.hidden(tf.concat([outputs, features, contexts], axis=-1))
        read = tf.concat([hidden, features], axis=-1)
        of_combinations = hits_of_combinations(tf.range(COMBINATIONS, dtype=tf.int64), outputs.dtype)
        by_drum = tf.tensordot(self.hits(read), of_combinations, [[-1], [1]])
        return self.combination(hidden) + by_drum + lookback.copy_logits(self.copies(read), earlier)


class BarVae(AutoencoderModel):
    """z is the codes of all bars, which are standard normal a priori: what they have in common, the conductor knows."""

    def __init__(self, bars: int, sizes: BarVaeSizes):
        super().__init__(bars, bars * sizes.bar_latent)
        self.sizes = sizes
        self.encoder = BarEncoder(bars, sizes)
        self.decoder = BarDecoder(bars, sizes)

    def call(
        self,
        combinations: tf.Tensor,
        training: bool = False,
        seed: Seed = (0, 0),
        permuted: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes logits at a z drawn from the posterior, and the KL.

        Args:
          combinations: int64 [B, steps].
          training: Whether activations and steps are dropped.
          seed: int32 [2], of all that is drawn.
          permuted: Whether a window's drums are permuted, bool [B]; None for no window.

        Returns:
          Logits, float32 [B, steps, 512], and KL, float32 [B].
        """
        for_z, for_drop, for_blank = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
        drop = make_dropout(self.sizes.dropout if training else 0.0, for_drop)
        mu, sigma = self.encoder(combinations, self._flag(combinations, permuted), drop=drop, training=training)
        z = mu + sigma * tf.random.stateless_normal(tf.shape(mu), for_z)
        if training and self.sizes.input_dropout:
            blank = tf.random.stateless_uniform(tf.shape(combinations), for_blank) < self.sizes.input_dropout
            combinations = tf.where(blank, tf.constant(lookback.NOTHING, tf.int64), combinations)
        logits = self.decoder(self._split(z, permuted), combinations, drop=drop, training=training)
        return tf.cast(logits, tf.float32), tfd.MultivariateNormalDiag(mu, sigma).kl_divergence(self.prior())

    def outcome(self, combinations, training=False, seed=(0, 0), step=0.0, settings=None):
        """As DrumModel.outcome; outside training `loss` is the negative ELBO, without free bits or a weight."""
        permuted, beta, free_nats = None, 1.0, 0.0
        if training:
            for_permuting, seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
            changed = permute_drums(combinations, self.sizes.permute_drums, for_permuting)
            permuted, combinations = tf.reduce_any(changed != combinations, axis=1), changed
            beta, free_nats = self.sizes.beta, self.sizes.free_nats
            if settings is not None:
                beta *= linear_ramp(step, settings.beta_warmup_steps)
        logits, kl = self(combinations, training=training, seed=seed, permuted=permuted)
        log_likelihood = categorical_log_likelihood(logits, combinations)
        return {"loss": elbo_loss(log_likelihood, kl, beta=beta, free_nats=free_nats), "kl": kl}

    def posterior(self, combinations, training=False):
        return tfd.MultivariateNormalDiag(
            *self.encoder(combinations, self._flag(combinations, None), drop=keep, training=training)
        )

    def teacher_forced_logits(self, z, combinations):
        return tf.cast(self.decoder(self._split(z), combinations, drop=keep), tf.float32)

    def decode(self, z, temperature, seed):
        code, decoder, batch = self._split(z), self.decoder, tf.shape(z)[0]
        noise = uniform_noise(seed, [self.steps], STEPS)

        def play_step(index: tf.Tensor, _: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
            history, conductor, context, states = state

            def begin_bar() -> tuple:
                into, led = decoder.begin_bar(code, index // STEPS_PER_BAR, history, conductor)
                return into, led, decoder.states(led)

            conductor, context, states = tf.cond(
                index % STEPS_PER_BAR == 0, begin_bar, lambda: (conductor, context, states)
            )
            logits, states = decoder.step(index, history, context, states)
            drawn = draw_combination(logits, temperature, noise[:, index])
            return drawn, (tf.concat([history[:, 1:], drawn[:, None]], axis=1), conductor, context, states)

        state = (
            tf.fill([batch, decoder.history], tf.constant(lookback.NOTHING, tf.int64)),
            decoder.conductor.zero_states(batch),
            tf.zeros([batch, self.sizes.context], self.compute_dtype),
            decoder.stack.zero_states(batch),
        )
        return run_steps(play_step, self.steps, tf.shape(z)[:1], state)

    def codes_for_density(self, combinations):
        """Draws from the posterior, so that the density is a prior for the ELBO and no narrower than the codes."""
        posterior, number = self.posterior(combinations), hash_windows(combinations)
        noise = normal_noise(tf.stack([number, tf.zeros_like(number)], axis=1), self.latent, LATENT)
        return posterior.mean() + posterior.stddev() * noise

    def _split(self, z: tf.Tensor, permuted: tf.Tensor | None = None) -> Code:
        bars = tf.reshape(tf.cast(z, self.compute_dtype), [-1, self.bars, self.sizes.bar_latent])
        return Code(bars, self._flag(z, permuted))

    def _flag(self, batch: tf.Tensor, permuted: tf.Tensor | None) -> tf.Tensor:
        if permuted is None:
            return tf.zeros([tf.shape(batch)[0], 1], self.compute_dtype)
        return tf.cast(permuted, self.compute_dtype)[:, None]


def with_place(features: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """Adds the place in the bar, one-hot. features: [B, n, m]; indices: int32 [n].  Returns [B, n, m + 16]."""
    place = tf.one_hot(indices % STEPS_PER_BAR, STEPS_PER_BAR, dtype=features.dtype)
    return tf.concat([features, tf.repeat(place[None], tf.shape(features)[0], axis=0)], axis=2)


def make_dropout(rate: float, seed: tf.Tensor) -> Drop:
    """Makes a dropout whose draws are decided by a seed (int32 [2]) and the order in which it is called."""
    count = itertools.count()

    def drop(values: tf.Tensor) -> tf.Tensor:
        return tf.nn.experimental.stateless_dropout(values, rate, tf.random.fold_in(seed, next(count)))

    return drop if rate else keep


def keep(values: tf.Tensor) -> tf.Tensor:
    """Drops nothing."""
    return values
