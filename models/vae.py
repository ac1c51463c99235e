"""The recurrent variational autoencoders: MusicVAE, flat and hierarchical (Roberts et al. 2018)."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from drums.kit import COMBINATIONS, STEPS_PER_BAR
from models.encoding import hits_of_combinations, shifted
from models.losses import categorical_log_likelihood, elbo_loss
from models.recurrent import BidirectionalStack, InitialStates, LstmStack, States
from models.sizes import VaeSizes

tfd = tfp.distributions


class Encoder(keras.layers.Layer):
    """The posterior q(z|x): mu linear, sigma softplus of the last states (MusicVAE, section 3.1)."""

    def __init__(self, bars: int, sizes: VaeSizes):
        super().__init__()
        self.bars = bars
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
        return self.mu(last), self.sigma(last) + 1e-6


class Conductor(keras.layers.Layer):
    """An LSTM stack that turns z into one embedding per bar (MusicVAE, section 3.2)."""

    def __init__(self, bars: int, sizes: VaeSizes):
        super().__init__()
        self.bars = bars
        self.stack = LstmStack(sizes.conductor_layers, sizes.conductor_units)
        self.states = InitialStates(self.stack)
        self.embedding = keras.layers.Dense(sizes.embedding)

    def call(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """z: [B, Z].  Returns [B, bars, embedding]."""
        outputs, _ = self.stack(tf.repeat(z[:, None], self.bars, axis=1), self.states(z), training=training)
        return self.embedding(outputs)


class Decoder(keras.layers.Layer):
    """An LSTM stack that plays a segment from its embedding: its initial states, and part of every input."""

    def __init__(self, sizes: VaeSizes):
        super().__init__()
        self.stack = LstmStack(sizes.decoder_layers, sizes.decoder_units)
        self.states = InitialStates(self.stack)
        self.dense = keras.layers.Dense(COMBINATIONS)

    def call(self, embeddings: tf.Tensor, previous: tf.Tensor, training: bool = False) -> tf.Tensor:
        """All segments at once, folded into the batch.

        embeddings: [B, segments, n]; previous: [B, steps, 9], the hits before each step.
        Returns logits [B, steps, 512].
        """
        segments, steps = embeddings.shape[1], previous.shape[1]
        each = fold(embeddings, segments)
        inputs = tf.concat([fold(previous, segments), tf.repeat(each, steps // segments, axis=1)], axis=-1)
        outputs, _ = self.stack(inputs, self.states(each[:, 0]), training=training)
        return tf.reshape(self.dense(outputs), [-1, steps, COMBINATIONS])

    def step(self, embedding: tf.Tensor, previous: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """embedding: [B, n]; previous: [B, 9].  Returns logits [B, 512] and the states after the step."""
        outputs, states = self.stack.step(tf.concat([previous, embedding], axis=-1), states)
        return self.dense(outputs), states


class Vae(keras.Model):
    """With a conductor, the decoder plays bar by bar; without (flat), one segment of all steps, from z."""

    def __init__(self, bars: int, sizes: VaeSizes, *, hierarchical: bool):
        super().__init__()
        self.bars = bars
        self.steps = bars * STEPS_PER_BAR
        self.sizes = sizes
        self.encoder = Encoder(bars, sizes)
        self.conductor = Conductor(bars, sizes) if hierarchical else None
        self.decoder = Decoder(sizes)

    def call(self, combinations: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """combinations: int64 [B, steps].  Returns logits [B, steps, 512] at a z drawn from q, and KL [B]."""
        posterior = self.posterior(combinations, training=training)
        logits = self.teacher_forced_logits(posterior.sample(), combinations, training=training)
        return logits, tfd.kl_divergence(posterior, self.prior())

    def posterior(self, combinations: tf.Tensor, training: bool = False) -> tfd.Distribution:
        """q(z|x), a batch of B diagonal normals of Z dimensions. combinations: int64 [B, steps]."""
        mu, sigma = self.encoder(hits_of_combinations(combinations, self.compute_dtype), training=training)
        return tfd.MultivariateNormalDiag(mu, sigma)

    def prior(self) -> tfd.Distribution:
        return tfd.MultivariateNormalDiag(tf.zeros(self.sizes.latent), tf.ones(self.sizes.latent))

    def embeddings(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """z: float [B, Z].  Returns one embedding per segment, [B, segments, n]."""
        z = tf.cast(z, self.compute_dtype)
        return z[:, None] if self.conductor is None else self.conductor(z, training=training)

    def teacher_forced_logits(self, z: tf.Tensor, combinations: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits of every step given z and the true steps before it.

        z: float [B, Z]; combinations: int64 [B, steps].  Returns float32 [B, steps, 512].
        """
        previous = shifted(hits_of_combinations(combinations, self.compute_dtype))
        if training and self.sizes.input_dropout:
            kept = tf.random.uniform(tf.shape(combinations)) >= self.sizes.input_dropout
            previous *= tf.cast(kept, previous.dtype)[..., None]
        return tf.cast(self.decoder(self.embeddings(z, training), previous, training=training), tf.float32)

    def outcome(self, combinations: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        """What a window costs. combinations: int64 [B, steps].  Returns `loss` and `kl`, float [B], nats."""
        logits, kl = self(combinations, training=training)
        log_likelihood = categorical_log_likelihood(logits, combinations)
        loss = elbo_loss(log_likelihood, kl, beta=self.sizes.beta, free_nats=self.sizes.free_nats)
        return {"loss": loss, "kl": kl}

    def teacher_forced(self, combinations: tf.Tensor) -> tf.Tensor:
        """The likeliest combination of each step, from mu and the true steps before it. Both int64 [B, steps]."""
        return tf.argmax(self.teacher_forced_logits(self.posterior(combinations).mean(), combinations), axis=-1)


def fold(sequence: tf.Tensor, segments: int) -> tf.Tensor:
    """Cuts time into segments and puts them into the batch: [B, T, n] to [B * segments, T / segments, n]."""
    return tf.reshape(sequence, [-1, sequence.shape[1] // segments, sequence.shape[2]])
