import pytest
import tensorflow as tf
from drumline.models.registry import build
from drumline.models.sizes import LstmSizes
from drumline.models.training import Trainee
from drumline.pipeline.profiles import CPU, DEMO, PAPER


@pytest.mark.parametrize("profile", [DEMO, CPU, PAPER])
def test_a_profile_has_every_model_at_both_lengths(profile):
    names = ("lstm", "conv", "flat_vae", "hierarchical_vae")
    assert set(profile) == {(name, bars) for name in names for bars in (2, 16)}


@pytest.mark.slow
@pytest.mark.parametrize(("model", "bars"), PAPER)
def test_the_papers_sizes_build_and_take_one_step(model, bars):
    profile = PAPER[model, bars]
    network = build(model, bars, profile.sizes, mixed_bfloat16=True)
    trainee = Trainee(network, profile.training)
    before = [weight.numpy() for weight in network.trainable_variables]
    # Of 512 windows it needs a GPU's memory: the network is the same for 2.
    windows = tf.random.stateless_uniform([2, bars * 16], [1, 2], maxval=512, dtype=tf.int64)
    outcome = trainee.train_step(windows)
    assert all(tf.math.is_finite(value) for value in outcome.values())
    changed = [(old != new.numpy()).any() for old, new in zip(before, network.trainable_variables, strict=True)]
    assert all(changed)


def test_the_papers_simple_model_is_three_layers_of_32_units_with_tanh():
    assert PAPER["lstm", 2].sizes == LstmSizes(layers=3, units=32, activation="tanh", lookback=0)


def test_the_papers_autoencoder_has_the_size_of_music_vae():
    """Roberts et al. 2018, section 4 and its released hierarchical drum model."""
    network = build("hierarchical_vae", 16, PAPER["hierarchical_vae", 16].sizes)
    # Two bidirectional layers of 2048: 4 * 2048 * (9 + 2048 + 1) and 4 * 2048 * (2 * 2048 + 2048 + 1), twice each.
    encoder = sum(tf.size(weight).numpy() for weight in network.encoder.of_window.trainable_variables)
    assert encoder == 2 * 4 * 2048 * ((9 + 2048 + 1) + (2 * 2048 + 2048 + 1))
    assert network.encoder.mu.units == 512
    assert network.conductor.embedding.units == 512
    assert [layer.units for layer in network.decoder.stack.stack] == [1024, 1024]
