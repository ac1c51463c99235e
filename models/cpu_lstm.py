"""The training loop of an LSTM layer on CPUs in bfloat16, where it is faster than Keras's."""

import keras
import tensorflow as tf


def is_faster(layer: keras.layers.LSTM) -> bool:
    """Whether `lstm_steps` does what the layer's options ask for, and nothing does it faster.

    In float32 the products take nearly all the time, and Keras's loop is as fast.
    """
    return (
        layer.compute_dtype == "bfloat16"
        and layer.activation is keras.activations.tanh
        and layer.recurrent_activation is keras.activations.sigmoid
        and layer.use_bias
        and not (layer.dropout or layer.recurrent_dropout or layer.unroll)
        and not tf.config.list_logical_devices("GPU")
    )


def run_layer(
    layer: keras.layers.LSTM, sequences: tf.Tensor, initial_state: list[tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    """What `layer.inner_loop` returns while training.

    Args:
      layer: A layer that has, beside Keras's attributes, `constant`: how many of its inputs, the last ones, are the
        same at every step.
      sequences: [B, T, inputs].
      initial_state: h and c, each [B, units].

    Returns:
      The last h [B, units], the outputs [B, T, units], and the last states.
    """
    if layer.go_backwards:
        sequences = tf.reverse(sequences, [1])
    kernel, recurrent_kernel, bias = (
        tf.convert_to_tensor(weight) for weight in (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias)
    )
    own = sequences.shape[2] - layer.constant
    by_step = tf.transpose(sequences[:, :, :own], [1, 0, 2])
    inputs = tf.matmul(tf.reshape(by_step, [-1, own]), kernel[:own])
    inputs = tf.reshape(inputs, tf.concat([tf.shape(by_step)[:2], [4 * layer.units]], axis=0))
    constant = tf.broadcast_to(tf.cast(bias, tf.float32), [tf.shape(sequences)[0], 4 * layer.units])
    if layer.constant:  # oneDNN dies of a product of nothing
        constant += tf.cast(tf.matmul(sequences[:, 0, own:], kernel[own:]), tf.float32)
    outputs, h, c = lstm_steps(inputs, constant, *initial_state, recurrent_kernel)
    outputs = tf.transpose(outputs, [1, 0, 2])
    outputs.set_shape([None, sequences.shape[1], layer.units])
    return h, outputs, [h, c]


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
    return (outputs.stack(), h, tf.cast(c, dtype)), gradient  # type: ignore[return-value]  # tf.custom_gradient


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
