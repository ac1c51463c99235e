"""Schedules over training steps."""

import keras
import tensorflow as tf


def linear_ramp(step: tf.Tensor | float, steps: int) -> tf.Tensor | float:
    """Rises in a straight line from 0 at step 0 to 1 at `steps`, and no further; 1 throughout for 0 steps."""
    return tf.minimum(tf.cast(step, tf.float32) / steps, 1.0) if steps else 1.0


def inverse_sigmoid_ramp(step: tf.Tensor | float, rate: float) -> tf.Tensor | float:
    """The share of steps that scheduled sampling takes from the model itself (Bengio et al. 2015, section 2.4).

    Args:
      step: Training steps done.
      rate: The constant k of the paper's inverse sigmoid decay, of which this is one minus; MusicVAE has 1000 for 2
        bars. 0 switches it off.

    Returns:
      float32, from 1 / (k + 1) at the beginning towards 1.
    """
    if not rate:
        return 0.0
    growth = tf.exp(tf.cast(step, tf.float32) / rate)
    return tf.where(tf.math.is_inf(growth), 1.0, 1.0 - rate / (rate + growth))


@keras.saving.register_keras_serializable(package="drumline")
class DecayToFloor(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate max(last, first * decay ** step)."""

    def __init__(self, first: float, last: float, decay: float):
        super().__init__()
        self.first, self.last, self.decay = first, last, decay

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return tf.maximum(self.last, self.first * tf.pow(self.decay, tf.cast(step, tf.float32)))

    def get_config(self) -> dict[str, float]:
        return {"first": self.first, "last": self.last, "decay": self.decay}
