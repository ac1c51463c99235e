"""LSTM stacks that run over a whole sequence or one step at a time, with the same weights."""

import keras
import tensorflow as tf
from drumline.models import cpu_lstm

States = list[tf.Tensor]  # h and c of each layer in turn, each [B, units]


@keras.saving.register_keras_serializable(package="drumline")
class Lstm(keras.layers.LSTM):
    """An LSTM layer that takes cuDNN for training only, and whose inputs weigh more at the start than Keras's would.

    A graph saved on a GPU must load on a CPU server, which has no cuDNN.

    constant: how many of its inputs, the last ones, are the same at every step. Their product is worth doing once.
    """

    def __init__(self, units: int, constant: int = 0, **options):
        # Found by experiment: with Keras's Glorot weights a signal fades tenfold in each layer of a stack, and a
        # network forecasts the same thing at every step for its first 400 steps of training. With these it
        # does not. An LSTM's outputs are of the order of a quarter: four times that is of the order of 1.
        options.setdefault("kernel_initializer", keras.initializers.VarianceScaling(4.0**2, "fan_in", "uniform"))
        super().__init__(units, **options)
        self.constant = constant

    def inner_loop(self, sequences, initial_state, mask, training=False):
        self.use_cudnn = "auto" if training else False
        if training and mask is None and cpu_lstm.is_faster(self):
            return cpu_lstm.run_layer(self, sequences, initial_state)
        return super().inner_loop(sequences, initial_state, mask, training)


class LstmStack(keras.layers.Layer):
    """`layers` LSTM layers, one over another. constant: how many of the inputs, the last ones, no step changes."""

    def __init__(self, layers: int, units: int, activation: str = "tanh", constant: int = 0):
        super().__init__()
        self.units = units
        options = {"activation": activation, "return_sequences": True, "return_state": True}
        self.stack = [Lstm(units, constant=0 if layer else constant, **options) for layer in range(layers)]

    def call(self, inputs: tf.Tensor, states: States, training: bool = False) -> tuple[tf.Tensor, States]:
        """inputs: [B, T, n].  Returns the top layer's outputs [B, T, units] and the last states."""
        outputs, last = inputs, []
        for layer, h, c in zip(self.stack, states[::2], states[1::2], strict=True):
            outputs, h, c = layer(outputs, initial_state=[h, c], training=training)
            last += [h, c]
        return outputs, last

    def step(self, inputs: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """One step. inputs: [B, n].  Returns the top layer's output [B, units] and the states after it."""
        outputs, after = inputs, []
        for layer, h, c in zip(self.stack, states[::2], states[1::2], strict=True):
            outputs, (h, c) = layer.cell(outputs, [h, c])
            after += [h, c]
        return outputs, after

    def zero_states(self, batch: tf.Tensor) -> States:
        return [tf.zeros([batch, self.units], self.compute_dtype) for _ in range(2 * len(self.stack))]


class InitialStates(keras.layers.Layer):
    """The initial states of a stack from a vector: tanh of a dense layer (MusicVAE, section 3.2)."""

    def __init__(self, stack: LstmStack):
        super().__init__()
        self.count = 2 * len(stack.stack)
        self.dense = keras.layers.Dense(self.count * stack.units, activation="tanh")

    def call(self, vectors: tf.Tensor) -> States:
        """vectors: [..., n].  Returns each state as [..., units]."""
        return tf.split(self.dense(vectors), self.count, axis=-1)


class BidirectionalStack(keras.layers.Layer):
    """`layers` bidirectional LSTM layers; only the last states of the top one are kept."""

    def __init__(self, layers: int, units: int):
        super().__init__()
        self.stack = [
            keras.layers.Bidirectional(Lstm(units, return_sequences=index + 1 < layers)) for index in range(layers)
        ]

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """inputs: [B, T, n].  Returns [B, 2 * units], the last state of each direction."""
        outputs = inputs
        for layer in self.stack:
            outputs = layer(outputs, training=training)
        return outputs
