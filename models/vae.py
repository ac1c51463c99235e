"""The recurrent variational autoencoders: MusicVAE, flat and hierarchical (Roberts et al. 2018)."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from drumline.drums.kit import COMBINATIONS, DRUMS
from drumline.models.autoencoder import AutoencoderModel, tfd
from drumline.models.decoding import draw_combination, run_steps
from drumline.models.encoding import hits_of_combinations, shift_right
from drumline.models.latent import STEPS, uniform_noise
from drumline.models.losses import categorical_log_likelihood, elbo_loss
from drumline.models.recurrent import BidirectionalStack, InitialStates, LstmStack, States
from drumline.models.schedules import inverse_sigmoid_ramp, linear_ramp
from drumline.models.sizes import VaeSizes

type Seed = tf.Tensor | tuple[int, int]
_READING = 16  # values that a step reads of z by itself


class Encoder(keras.layers.Layer):
    """The posterior q(z|x): mu linear, sigma softplus of the last states (MusicVAE, section 3.1)."""

    def __init__(self, bars: int, sizes: VaeSizes):
        super().__init__()
        self.bars = bars
        self.skips = sizes.skips
        self.of_bar = None
        if sizes.encoder == "two_level":
            self.of_bar = BidirectionalStack(sizes.encoder_layers, sizes.encoder_units)
        self.of_window = BidirectionalStack(sizes.encoder_layers, sizes.encoder_units)
        self.mu = keras.layers.Dense(sizes.latent, dtype="float32")
        self.sigma = keras.layers.Dense(sizes.latent, activation="softplus", dtype="float32")

    def call(self, hits: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """hits: [B, steps, 9].  Returns mu and sigma, float32 [B, Z]."""
        sequence = hits
        if self.of_bar is not None:
            bars = self.of_bar(fold(hits, self.bars), training=training)
            sequence = tf.reshape(bars, [-1, self.bars, bars.shape[-1]])
        last = self.of_window(sequence, training=training)
        if self.skips:
            every = [tf.reshape(each, [-1, each.shape[1] * each.shape[2]]) for each in (sequence, hits)]
            last = tf.concat([last, *every], axis=-1)
        return self.mu(last), self.sigma(last) + 1e-6


class Conductor(keras.layers.Layer):
    """An LSTM stack that turns z into one embedding per bar (MusicVAE, section 3.2)."""

    def __init__(self, bars: int, sizes: VaeSizes):
        super().__init__()
        self.bars = bars
        self.stack = LstmStack(
            sizes.conductor_layers, sizes.conductor_units, constant=0 if sizes.skips else sizes.latent
        )
        self.states = InitialStates(self.stack)
        self.embedding = keras.layers.Dense(sizes.embedding)
        self.of_bars = keras.layers.Dense(bars * sizes.embedding) if sizes.skips else None

    def call(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """z: [B, Z].  Returns [B, bars, embedding]."""
        if self.of_bars is None:
            inputs = tf.repeat(z[:, None], self.bars, axis=1)
        else:
            inputs = tf.reshape(self.of_bars(z), [-1, self.bars, self.embedding.units])
        outputs, _ = self.stack(inputs, self.states(z), training=training)
        embeddings = self.embedding(outputs)
        return embeddings if self.of_bars is None else embeddings + inputs


class Decoder(keras.layers.Layer):
    """An LSTM stack that plays a segment from its embedding: its initial states, and part of every input.

    With `skips`, an embedding ends in a reading of z for each of its steps, which only that step hears, and there is a
    linear path from what a step hears to its drums.
    """

    def __init__(self, segments: int, steps: int, shared: int, sizes: VaeSizes):
        """shared: the length of an embedding without the readings."""
        super().__init__()
        self.segments, self.steps, self.shared = segments, steps, shared
        self.stack = LstmStack(sizes.decoder_layers, sizes.decoder_units, constant=shared)
        self.states = InitialStates(self.stack)
        self.combination = keras.layers.Dense(COMBINATIONS)
        self.hits = keras.layers.Dense(len(DRUMS), use_bias=False)
        self.skips = sizes.skips

    def call(self, embeddings: tf.Tensor, previous: tf.Tensor, training: bool = False) -> tf.Tensor:
        """All segments at once, folded into the batch.

        embeddings: [B, segments, n]; previous: [B, steps, 9], the hits before each step.
        Returns logits [B, steps, 512].
        """
        conditions = self.conditions(embeddings)
        inputs = fold(tf.concat([previous, conditions], axis=-1), self.segments)
        states = self.initial_states(tf.reshape(embeddings, [-1, embeddings.shape[2]]))
        outputs, _ = self.stack(inputs, states, training=training)
        return self.logits(tf.reshape(outputs, [-1, self.steps, outputs.shape[2]]), conditions)

    def initial_states(self, embeddings: tf.Tensor) -> States:
        """embeddings: [..., n].  Returns each state as [..., units]."""
        return self.states(embeddings[..., : self.shared])

    def conditions(self, embeddings: tf.Tensor) -> tf.Tensor:
        """What each step hears of z. embeddings: [B, segments, n].  Returns [B, steps, m]."""
        repeated = tf.repeat(embeddings[..., : self.shared], self.steps // self.segments, axis=1)
        if not self.skips:
            return repeated
        return tf.concat([tf.reshape(embeddings[..., self.shared :], [-1, self.steps, _READING]), repeated], axis=-1)

    def step(self, condition: tf.Tensor, previous: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """condition: [B, m]; previous: [B, 9].  Returns logits [B, 512] and the states after the step."""
        outputs, states = self.stack.step(tf.concat([previous, condition], axis=-1), states)
        return self.logits(outputs, condition), states

    def logits(self, outputs: tf.Tensor, conditions: tf.Tensor) -> tf.Tensor:
        """Dense layers to the 512 combinations. outputs: [..., units]; conditions: [..., m].  Returns [..., 512].

        One of them says how likely each drum is, so that combinations share what they have in common: a rare one is
        learnt from its drums.
        """
        each_drum = self.hits(tf.concat([outputs, conditions], axis=-1) if self.skips else outputs)
        every = hits_of_combinations(tf.range(COMBINATIONS, dtype=tf.int64), outputs.dtype)
        return self.combination(outputs) + tf.tensordot(each_drum, every, [[-1], [1]])


class Vae(AutoencoderModel):
    """With a conductor, the decoder plays bar by bar; without (flat), one segment of all steps, from z."""

    def __init__(self, bars: int, sizes: VaeSizes, *, hierarchical: bool):
        super().__init__(bars, sizes.latent)
        self.sizes = sizes
        self.encoder = Encoder(bars, sizes)
        self.conductor = Conductor(bars, sizes) if hierarchical else None
        self.readings = keras.layers.Dense(self.steps * _READING) if sizes.skips else None
        segments, shared = (bars, sizes.embedding) if hierarchical else (1, sizes.latent)
        self.decoder = Decoder(segments, self.steps, shared, sizes)

    def call(
        self,
        combinations: tf.Tensor,
        training: bool = False,
        seed: Seed = (0, 0),
        own_steps: tf.Tensor | float = 0.0,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """combinations: int64 [B, steps].  Returns logits [B, steps, 512] at a z drawn from q, and KL [B].

        seed: int32 [2], of all that is drawn.  own_steps: see `heard`.
        """
        for_z, for_heard = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        posterior = self.posterior(combinations, training=training)
        mu = posterior.mean()
        # Not posterior.sample: of a batch that several devices share, one may get nothing, and TFP divides by that.
        z = mu + posterior.stddev() * tf.random.stateless_normal(tf.shape(mu), for_z)
        embeddings = self.embeddings(z, training)
        heard = hits_of_combinations(combinations, self.compute_dtype)
        if training:
            heard = self.decoder_inputs(heard, embeddings, for_heard, own_steps)
        logits = self.decoder(embeddings, shift_right(heard), training=training)
        return tf.cast(logits, tf.float32), tfd.kl_divergence(posterior, self.prior())

    def decoder_inputs(
        self, hits: tf.Tensor, embeddings: tf.Tensor, seed: Seed, own_steps: tf.Tensor | float
    ) -> tf.Tensor:
        """What the decoder hears of the steps while it trains: some blanked, some its own.

        A share `own_steps` of the steps, 0 to 1, is replaced by what the decoder itself would play after the true
        ones: scheduled sampling (Bengio et al. 2015) in one parallel pass (Duckworth et al. 2019, algorithm 1).
        hits: [B, steps, 9]; embeddings: [B, segments, n].  Returns [B, steps, 9].
        """
        for_own, for_play, for_blank = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
        shape = tf.shape(hits)[:2]
        own_steps = tf.cast(own_steps, tf.float32)  # Keras casts what `call` gets to the compute dtype

        def mixed() -> tf.Tensor:
            logits = tf.cast(self.decoder(embeddings, shift_right(hits)), tf.float32)
            played = tf.argmax(logits + gumbel_noise(for_play, tf.shape(logits)), axis=-1)
            own = tf.random.stateless_uniform(shape, for_own) < own_steps
            return tf.where(own[..., None], tf.stop_gradient(hits_of_combinations(played, hits.dtype)), hits)

        hits = tf.cond(own_steps > 0, mixed, lambda: hits)
        kept = tf.random.stateless_uniform(shape, for_blank) >= self.sizes.input_dropout
        return hits * tf.cast(kept, hits.dtype)[..., None]

    def posterior(self, combinations: tf.Tensor, training: bool = False) -> tfp.distributions.Distribution:
        """q(z|x), a batch of B diagonal normals of Z dimensions. combinations: int64 [B, steps]."""
        mu, sigma = self.encoder(hits_of_combinations(combinations, self.compute_dtype), training=training)
        return tfd.MultivariateNormalDiag(mu, sigma)

    def embeddings(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """z: float [B, Z].  Returns one embedding per segment, [B, segments, n]."""
        z = tf.cast(z, self.compute_dtype)
        embeddings = z[:, None] if self.conductor is None else self.conductor(z, training=training)
        if self.readings is None:
            return embeddings
        segments = embeddings.shape[1]
        readings = tf.reshape(self.readings(z), [-1, segments, self.readings.units // segments])
        return tf.concat([embeddings, readings], axis=-1)

    def teacher_forced_logits(self, z, combinations):
        previous = shift_right(hits_of_combinations(combinations, self.compute_dtype))
        return tf.cast(self.decoder(self.embeddings(z), previous), tf.float32)

    def decode(self, z, temperature, seed):
        embeddings = self.embeddings(z)
        conditions = self.decoder.conditions(embeddings)
        starts = self.decoder.initial_states(embeddings)  # of each segment: [B, segments, units]
        length = self.steps // embeddings.shape[1]
        noise = uniform_noise(seed, [self.steps], STEPS)

        def play_step(index: tf.Tensor, last: tf.Tensor, states: Any) -> tuple[tf.Tensor, Any]:
            segment = index // length
            states = [
                tf.where(index % length == 0, start[:, segment], state)
                for start, state in zip(starts, states, strict=True)
            ]
            previous = hits_of_combinations(last, self.compute_dtype)
            logits, states = self.decoder.step(conditions[:, index], previous, states)
            return draw_combination(logits, temperature, noise[:, index]), states

        return run_steps(play_step, self.steps, tf.shape(z)[:1], [start[:, 0] for start in starts])

    def outcome(self, combinations, training=False, seed=(0, 0), step=0.0, settings=None):
        beta, own_steps = self.sizes.beta, 0.0
        if settings is not None:
            beta *= linear_ramp(step, settings.beta_warmup_steps)
            own_steps = inverse_sigmoid_ramp(step, settings.scheduled_sampling)
        logits, kl = self(combinations, training=training, seed=seed, own_steps=own_steps)
        log_likelihood = categorical_log_likelihood(logits, combinations)
        return {"loss": elbo_loss(log_likelihood, kl, beta=beta, free_nats=self.sizes.free_nats), "kl": kl}


def fold(sequence: tf.Tensor, segments: int) -> tf.Tensor:
    """Cuts time into segments and puts them into the batch: [B, T, n] to [B * segments, T / segments, n]."""
    return tf.reshape(sequence, [-1, sequence.shape[1] // segments, sequence.shape[2]])


def gumbel_noise(seed: Seed, shape: tf.Tensor) -> tf.Tensor:
    """What makes the likeliest a draw: argmax of logits plus this noise is a sample of their softmax. float32."""
    uniform = tf.random.stateless_uniform(shape, seed, minval=1e-7, maxval=1.0)
    return -tf.math.log(-tf.math.log(uniform))
