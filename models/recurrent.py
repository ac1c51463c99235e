"""LSTM stacks that run over a whole sequence or one step at a time, with the same weights."""

import keras
import tensorflow as tf

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
        if not training or mask is not None or not self._trains_here():
            return super().inner_loop(sequences, initial_state, mask, training)
        if self.go_backwards:
            sequences = tf.reverse(sequences, [1])
        kernel, recurrent_kernel, bias = (
            tf.convert_to_tensor(weight) for weight in (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        )
        own = sequences.shape[2] - self.constant
        by_step = tf.transpose(sequences[:, :, :own], [1, 0, 2])
        inputs = tf.matmul(tf.reshape(by_step, [-1, own]), kernel[:own])
        inputs = tf.reshape(inputs, tf.concat([tf.shape(by_step)[:2], [4 * self.units]], axis=0))
        constant = tf.broadcast_to(tf.cast(bias, tf.float32), [tf.shape(sequences)[0], 4 * self.units])
        if self.constant:  # oneDNN dies of a product of nothing
            constant += tf.cast(tf.matmul(sequences[:, 0, own:], kernel[own:]), tf.float32)
        outputs, h, c = lstm_steps(inputs, constant, *initial_state, recurrent_kernel)
        outputs = tf.transpose(outputs, [1, 0, 2])
        outputs.set_shape([None, sequences.shape[1], self.units])
        return h, outputs, [h, c]

    def _trains_here(self) -> bool:
        """Whether `lstm_steps` does what this layer's options ask for, and nothing does it faster.

        In float32 the products take nearly all the time, and Keras's loop is as fast.
        """
        return (
            self.compute_dtype == "bfloat16"
            and self.activation is keras.activations.tanh
            and self.recurrent_activation is keras.activations.sigmoid
            and self.use_bias
            and not (self.dropout or self.recurrent_dropout or self.unroll)
            and not tf.config.list_logical_devices("GPU")
        )


@tf.custom_gradient
def lstm_steps(
    inputs: tf.Tensor, constant: tf.Tensor, h: tf.Tensor, c: tf.Tensor, recurrent_kernel: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Every step of an LSTM layer, as Keras computes it, with a gradient for CPUs.

    inputs: [T, B, 4 * units], each step's input product for the gates i, f, c, o; constant: float32 [B, 4 * units],
    what every step adds to that, such as the bias; h, c: [B, units], the states before; recurrent_kernel:
    [units, 4 * units].
    Returns the outputs [T, B, units] and the last h and c. Has no second derivative.

    In bfloat16 only the products are: TensorFlow's bfloat16 sigmoid takes twice the time of float32's and two casts.
    """
    dtype, steps = inputs.dtype, tf.shape(inputs)[0]
    before = tf.TensorArray(dtype, steps, clear_after_read=False)  # h before each step
    outputs = tf.TensorArray(dtype, steps)
    cells = tf.TensorArray(tf.float32, steps + 1, clear_after_read=False).write(0, tf.cast(c, tf.float32))
    gates = tf.TensorArray(dtype, steps)

    def forward(t, h, c, before, outputs, cells, gates):
        before = before.write(t, h)
        h, c, gate = _cell(inputs[t], tf.matmul(h, recurrent_kernel), constant, c)
        gates = gates.write(t, gate)
        return t + 1, h, c, before, outputs.write(t, h), cells.write(t + 1, c), gates

    def gradient(d_outputs, d_h, d_c):
        def backward(t, d_h, d_c, d_constant, d_inputs):
            d_gates, d_c, d_constant = _cell_gradient(
                gates.read(t), cells.read(t), cells.read(t + 1), d_h, d_outputs[t], d_c, d_constant
            )
            d_h = tf.matmul(d_gates, recurrent_kernel, transpose_b=True)
            return t - 1, d_h, d_c, d_constant, d_inputs.write(t, d_gates)

        state = steps - 1, d_h, tf.cast(d_c, tf.float32), tf.zeros_like(constant), tf.TensorArray(dtype, steps)
        _, d_h, d_c, d_constant, d_inputs = tf.while_loop(lambda t, *_: t >= 0, backward, state)
        d_recurrent_kernel = tf.matmul(before.concat(), d_inputs.concat(), transpose_a=True)
        gradients = d_inputs.stack(), d_constant, d_h, tf.cast(d_c, dtype), d_recurrent_kernel
        refusal = "lstm_steps has no second derivative"
        return [tf.raw_ops.PreventGradient(input=each, message=refusal) for each in gradients]

    state = 0, h, tf.cast(c, tf.float32), before, outputs, cells, gates
    _, h, c, before, outputs, cells, gates = tf.while_loop(lambda t, *_: t < steps, forward, state)
    return (outputs.stack(), h, tf.cast(c, dtype)), gradient


# By XLA, which makes one pass of what are a dozen otherwise: 6 % of a training step of cat-drums_2bar_small.
@tf.function(jit_compile=True)
def _cell(inputs, product, constant, c):
    """One step. inputs, product, constant: [B, 4 * units].  Returns h, c and the four gates."""
    i, f, g, o = tf.split(tf.cast(inputs + product, tf.float32) + constant, 4, axis=1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    c = f * c + i * g
    return tf.cast(o * tf.tanh(c), inputs.dtype), c, tf.cast(tf.concat([i, f, g, o], axis=1), inputs.dtype)


@tf.function(jit_compile=True)
def _cell_gradient(gates, before, after, d_h, d_output, d_c, d_constant):
    """before, after: c before and after the step.  Returns the gradients of the sums, of c before, of the constant."""
    i, f, g, o = tf.split(tf.cast(gates, tf.float32), 4, axis=1)
    squashed = tf.tanh(after)
    d_h = tf.cast(d_h + d_output, tf.float32)
    d_c += d_h * o * (1 - squashed * squashed)
    d_i, d_f = d_c * g * i * (1 - i), d_c * before * f * (1 - f)
    d_g, d_o = d_c * i * (1 - g * g), d_h * squashed * o * (1 - o)
    d_sums = tf.concat([d_i, d_f, d_g, d_o], axis=1)
    return tf.cast(d_sums, gates.dtype), d_c * f, d_constant + d_sums


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
