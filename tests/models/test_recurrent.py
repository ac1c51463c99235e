"""The LSTM's own training loop beside Keras's."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from drumline.models import cpu_lstm
from drumline.models.cpu_lstm import lstm_steps
from drumline.models.recurrent import BidirectionalStack, Lstm
from drumline.models.sizes import LstmSizes
from drumline.pipeline.profiles import Profile, list_profiles
from hypothesis import given, settings
from hypothesis import strategies as st


def pair(units, features, dtype="float32", **options):
    """Keras's layer and ours, with the same weights."""
    layers = [kind(units, return_state=True, dtype=dtype, **options) for kind in (keras.layers.LSTM, Lstm)]
    layers[0].use_cudnn = False
    for layer in layers:
        layer.build((None, None, features))
    layers[1].set_weights(layers[0].get_weights())
    # A bias of zeros would hide a gate that forgets it.
    for weight, ours in zip(layers[0].weights, layers[1].weights, strict=True):
        drawn = np.random.default_rng(len(weight.shape)).normal(size=weight.shape, scale=0.4)
        weight.assign(drawn)
        ours.assign(drawn)
    return layers


def results(layer, arguments):
    """Output and states, then a loss's gradients for inputs, initial states and weights."""
    arguments = [tf.cast(argument, layer.compute_dtype) for argument in arguments]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        values = layer(arguments[0], initial_state=arguments[1:], training=True)
        values = [tf.cast(value, tf.float32) for value in values]
        # Each place has another weight, so that no two gradients can be exchanged unseen.
        loss = sum(
            tf.reduce_sum(value * tf.reshape(tf.sin(tf.range(tf.size(value), dtype=tf.float32)), tf.shape(value)))
            for value in values
        )
    gradients = tape.gradient(loss, arguments + [weight.value for weight in layer.trainable_weights])
    return [tf.cast(each, tf.float32) for each in (*values, *gradients)]


def drawn(batch, steps, features, units):
    generator = np.random.default_rng(5)
    shapes = (batch, steps, features), (batch, units), (batch, units)
    return [tf.constant(generator.normal(size=shape), tf.float32) for shape in shapes]


def relative_error(ours, keras_s):
    return max(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-3) for a, b in zip(ours, keras_s, strict=True))


@pytest.fixture
def own_loop(monkeypatch):
    """Takes our loop in float32 too, where rounding hides no mistake."""
    monkeypatch.setattr(cpu_lstm, "is_faster", lambda _: True)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_training_gives_what_keras_gives(own_loop, return_sequences, go_backwards, graph):
    layers = pair(7, 5, return_sequences=return_sequences, go_backwards=go_backwards)
    run = tf.function(results) if graph else results
    keras_s, ours = (run(layer, drawn(3, 6, 5, 7)) for layer in layers)
    assert relative_error(ours, keras_s) < 1e-5


@pytest.mark.parametrize("constant", [1, 4, 5])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_inputs_that_no_step_changes_give_what_keras_gives(own_loop, constant, go_backwards):
    layers = pair(7, 5, return_sequences=True, go_backwards=go_backwards)
    layers[1].constant = constant
    sequences, *states = drawn(3, 6, 5, 7)
    same = tf.repeat(sequences[:, :1, :constant], 6, axis=1)
    arguments = [tf.concat([sequences[:, :, constant:], same], axis=-1), *states]
    keras_s, ours = (results(layer, arguments) for layer in layers)
    for each in (keras_s, ours):  # what an unchanging input's gradient is at one step has no meaning, their sum has
        each[3] = tf.reduce_sum(each[3], axis=1)
    assert relative_error(ours, keras_s) < 1e-5


@settings(max_examples=25, deadline=None)
@given(*[st.integers(1, 9)] * 4, st.booleans(), st.booleans())
def test_any_shape_gives_what_keras_gives(batch, steps, features, units, return_sequences, go_backwards):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_lstm, "is_faster", lambda _: True)
        layers = pair(units, features, return_sequences=return_sequences, go_backwards=go_backwards)
        keras_s, ours = (results(layer, drawn(batch, steps, features, units)) for layer in layers)
    assert relative_error(ours, keras_s) < 1e-4


def test_bfloat16_trains_by_our_loop_and_no_less_exactly_than_keras(monkeypatch):
    exact, _ = pair(32, 16, return_sequences=True)
    keras_s, ours = pair(32, 16, dtype="mixed_bfloat16", return_sequences=True)
    monkeypatch.setattr(keras.layers.LSTM, "inner_loop", lambda *_: pytest.fail("took Keras's loop"))
    arguments = drawn(64, 12, 16, 32)
    found = tf.function(results)(ours, arguments)
    monkeypatch.undo()
    truth = results(exact, arguments)
    assert relative_error(found, truth) < max(0.02, relative_error(results(keras_s, arguments), truth))


def test_a_length_known_only_when_it_runs(own_loop):
    layers = pair(4, 3, return_sequences=True)
    open_ended = [tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, 4]), tf.TensorSpec([None, 4])]
    run = tf.function(lambda *arguments: results(layers[1], arguments), input_signature=open_ended)
    arguments = drawn(2, 5, 3, 4)
    assert relative_error(run(*arguments), results(layers[0], arguments)) < 1e-5


@pytest.mark.parametrize("layers", [1, 2])
def test_both_directions_of_a_stack_train_by_our_loop(own_loop, layers):
    stack = BidirectionalStack(layers, 6)
    sequences = tf.constant(np.random.default_rng(1).normal(size=(3, 5, 4)), tf.float32)
    # While not training, Keras's loop runs.
    np.testing.assert_allclose(stack(sequences, training=True), stack(sequences), atol=1e-6)
    for both in stack.stack:
        assert isinstance(both.backward_layer, Lstm)
        assert both.backward_layer.go_backwards
        assert both.backward_layer.kernel_initializer.get_config()["scale"] == 16


def test_a_second_derivative_is_refused():
    h = c = tf.zeros([2, 3])
    inputs, kernel = tf.ones([4, 2, 12]), tf.ones([3, 12])
    with tf.GradientTape() as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            outputs, *_ = lstm_steps(inputs, tf.zeros([2, 12]), h, c, kernel)
        first = inner.gradient(outputs, inputs)
    with pytest.raises(LookupError, match="no second derivative"):
        outer.gradient(first, inputs)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_other_activations_train_by_keras_s_loop(activation):
    layers = pair(4, 3, dtype="mixed_bfloat16", activation=activation)
    keras_s, ours = (results(layer, drawn(2, 5, 3, 4)) for layer in layers)
    assert relative_error(ours, keras_s) == 0


ACTIVATIONS = {
    getattr(model.sizes, "activation", "tanh")
    for profile in map(Profile.read, list_profiles())
    for bars in profile.lengths
    for name, model in profile.models(bars).items()
    if name != "conv"
}


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS | {LstmSizes().activation}))
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_training_on_a_gpu_asks_keras_for_cudnn(monkeypatch, activation, dtype):
    asked = []
    rnn = sys.modules["keras.src.backend.tensorflow.rnn"]  # the package has a function of that name

    def no_cudnn(*_):
        asked.append(True)
        raise NotImplementedError

    layer = Lstm(4, activation=activation, dtype=dtype)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    monkeypatch.setattr(rnn, "_cudnn_lstm", no_cudnn)
    assert rnn.cudnn_ok(layer.activation, layer.recurrent_activation, layer.unroll, layer.use_bias)
    layer(tf.zeros([2, 3, 5]), training=True)
    assert asked
    asked.clear()
    layer(tf.zeros([2, 3, 5]))
    assert not asked  # a saved graph must not hold cuDNN
