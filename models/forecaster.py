"""The paper's simple models: the next step's nine hits, each on its own, from the steps before."""

from typing import Any

import tensorflow as tf
from drumline.drums.kit import DRUMS
from drumline.models.accuracy import repeat_period
from drumline.models.decoding import draw_hits, run_steps
from drumline.models.encoding import combinations_of_velocities, hits_of_combinations
from drumline.models.evaluation import compare, hash_windows
from drumline.models.latent import STEPS, uniform_noise
from drumline.models.losses import bernoulli_log_likelihood
from drumline.models.network import DrumModel, Encode, Signatures
from drumline.models.signature_inputs import SEED, TEMPERATURE

State = Any  # what a forecaster remembers of the steps before: a tensor or a list of tensors, batch first


class Forecaster(DrumModel):
    """What both share. A subclass computes logits from all steps (`call`) and from one step more (`step`)."""

    def __init__(self, bars: int):
        super().__init__(bars)
        self.primer_steps = repeat_period(self.steps)

    def initial_state(self, batch: tf.Tensor) -> State:
        """Returns the state before the first step."""
        raise NotImplementedError

    def step(self, hits: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Adds one step. hits: [B, 9].  Returns the next step's logits [B, 9] and the new state."""
        raise NotImplementedError

    def prime(self, hits: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Reads a primer. hits: [B, t, 9].  Returns the next step's logits [B, 9] and the state."""
        raise NotImplementedError

    def outcome(self, combinations, training=False, seed=(0, 0), step=0.0, settings=None):
        logits = tf.cast(self(combinations, training=training), tf.float32)
        return {"loss": -bernoulli_log_likelihood(logits, hits_of_combinations(combinations))}

    def teacher_forced(self, combinations):
        return combinations_of_velocities(self(combinations, training=False))

    def continue_beat(self, primer: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor, steps: int) -> tf.Tensor:
        """Plays on after a primer.

        Args:
          primer: Combinations, int64 [B, t].
          temperature: float32 [B]; 0 plays the most probable hits.
          seed: int64 or int32 [B, 2]; the noise of an example depends on its own seed alone.
          steps: How many steps to play.

        Returns:
          Combinations, int64 [B, steps].
        """
        noise = uniform_noise(seed, [steps, len(DRUMS)], STEPS)

        def play_step(index: tf.Tensor, _: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
            logits, memory = state
            drawn = draw_hits(logits, temperature, noise[:, index])
            return drawn, self.step(hits_of_combinations(drawn), memory)

        return run_steps(play_step, steps, tf.shape(primer)[:1], self.prime(hits_of_combinations(primer)))

    def predict_greedily(self, combinations):
        batch = tf.shape(combinations)[0]
        primer = combinations[:, : self.primer_steps]
        return self.continue_beat(
            primer, tf.zeros([batch]), tf.zeros([batch, 2], tf.int64), self.steps - self.primer_steps
        )

    def evaluate_windows(self, combinations):
        # The primer continued twice: greedily, and as a sample.
        primer, truth = combinations[:, : self.primer_steps], combinations[:, self.primer_steps :]
        number = hash_windows(combinations)
        zeros, seed = tf.zeros_like(number, tf.float32), tf.stack([number, tf.zeros_like(number)], axis=1)
        temperature = tf.concat([zeros, zeros + 1.0], 0)
        beats = self.continue_beat(tf.tile(primer, [2, 1]), temperature, tf.tile(seed, [2, 1]), truth.shape[1])
        sampled, sample = tf.split(beats, 2)
        return compare(
            truth,
            teacher_forced=self.teacher_forced(combinations)[:, self.primer_steps :],
            sampled=sampled,
            sample=tf.concat([primer, sample], axis=1),
            window=combinations,
        )

    def signatures(self, encode: Encode) -> Signatures:
        """Makes `serving_default` (probabilities of the next step) and `continue`."""
        primer = tf.TensorSpec([None, None, len(DRUMS)], tf.int64, "velocities")

        def encode_primer(velocities: tf.Tensor) -> tf.Tensor:
            """Returns the primer's combinations, int64 [B, t]; of one longer than a window, its last window."""
            velocities = velocities[:, -self.steps :]
            length = tf.shape(velocities)[1]
            window = tf.pad(velocities, [[0, 0], [0, self.steps - length], [0, 0]])
            return encode(tf.ensure_shape(window, [None, self.steps, len(DRUMS)]))[:, :length]

        @tf.function(input_signature=[primer])
        def predict_next_step(velocities):
            logits, _ = self.prime(hits_of_combinations(encode_primer(velocities)))
            return {"probabilities": tf.sigmoid(tf.cast(logits, tf.float32))}

        @tf.function(input_signature=[primer, TEMPERATURE, SEED])
        def continue_(velocities, temperature, seed):
            beats = self.continue_beat(encode_primer(velocities), temperature, seed, self.steps)
            return {"hits": hits_of_combinations(beats, tf.int64)}

        return {"serving_default": predict_next_step, "continue": continue_}
