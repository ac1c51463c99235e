import re

import pytest
import tensorflow as tf
from drumline.models.sizes import LstmSizes
from drumline.models.training import Trainee
from drumline.pipeline.profiles import Profile, list_profiles, locate_profile

from drumline.errors import InputError
from tests.models.tiny import build

PAPER = Profile.read("paper")


@pytest.mark.parametrize("name", ["demo", "cpu", "paper"])
def test_a_profile_has_every_model_of_the_paper_at_both_lengths(name):
    profile = Profile.read(name)
    assert profile.lengths == (2, 16)
    for bars in profile.lengths:
        assert set(profile.models(bars)) == {"lstm", "conv", "flat_vae", "hierarchical_vae"}


def test_the_profiles_are_listed():
    assert list_profiles() == ["cpu", "demo", "paper", "sampling"]


def read(tmp_path, text: str, *settings: str) -> Profile:
    (tmp_path / "my.toml").write_text(text)
    return Profile.read(str(tmp_path / "my.toml"), settings)


MINE = """
lengths = [2, 4]
training = { batch_size = 8, steps = 100 }
gate = { accuracy = 0.4, gain_over_majority = 0.0 }
[lstm]
sizes = { units = 16 }
training = { steps = 50 }
[conv]
[bars.4.training]
learning_rate = 5e-3
[bars.4.lstm]
sizes = { layers = 1 }
"""


def test_a_model_has_what_is_common_then_what_is_its_own_then_that_of_its_length(tmp_path):
    profile = read(tmp_path, MINE)
    short, long = profile.models(2), profile.models(4)
    assert (short["lstm"].training.steps, short["conv"].training.steps) == (50, 100)
    assert (short["lstm"].sizes.layers, long["lstm"].sizes.layers) == (3, 1)
    assert long["lstm"].sizes.units == 16
    assert (short["conv"].training.learning_rate, long["conv"].training.learning_rate) == (1e-3, 5e-3)


def test_any_value_is_overridden_by_its_name(tmp_path):
    settings = ("training.steps=7", "lstm.sizes.units=24", "bars.4.conv.training.steps=9", "gate.accuracy=0.9")
    profile = read(tmp_path, MINE, *settings)
    assert profile.models(2)["lstm"].training.steps == profile.models(2)["conv"].training.steps == 7
    assert (profile.models(2)["lstm"].sizes.units, profile.models(4)["conv"].training.steps) == (24, 9)
    assert {model.gate.accuracy for bars in (2, 4) for model in profile.models(bars).values()} == {0.9}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.stpes=7", "there is no setting training.stpes; training has batch_size, steps"),
        ("training.steps=0", "training.steps: input should be greater than or equal to 1, not 0"),
        ("training.steps=many", "training.steps: input should be a valid integer, not 'many'"),
        ("gate.accuracy=nan", "gate.accuracy: input should be a finite number"),
        ("lstm.sizes.activation=tahn", "sizes.activation: input should be 'tanh', 'relu' or 'sigmoid'"),
        ("conv.sizes.pool=5", "a kernel of 32 steps has 16 positions in a history of 47"),
        ("gru.sizes.units=1", "there is no such setting"),
        ("steps=1", "there is no such setting"),
        ("training.steps", "write it as NAME=VALUE"),
        ("bars.16.training.steps=1", "has the lengths"),
    ],
)
def test_a_setting_that_does_not_exist_or_a_value_that_is_not_allowed_is_one_sentence(tmp_path, setting, said):
    with pytest.raises(InputError, match=re.escape(said)) as raised:
        read(tmp_path, MINE, setting).models(2)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lengths = [2", "is not a profile"),
        ("[lstm]", "`lengths` must list"),
        ("lengths = [0]", "`lengths` must list"),
        ("lengths = [2]\nlstm = 3", "'lstm' must be a table"),
        ("lengths = [2]\n[lstm.szies]", "there is no table 'szies'"),
        ("lengths = [2]\n[gru]", "there is no kind of model 'gru'"),
        ("lengths = [2]\n[lstm]", "training.batch_size: field required"),
        ("lengths = [2]\n[x]\nkind = 'json:dumps'", "is not a subclass"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_in_one_sentence(tmp_path, text, said):
    with pytest.raises(InputError, match=re.escape(said)):
        read(tmp_path, text).models(2)


def test_an_unknown_profile_names_those_there_are():
    with pytest.raises(
        InputError, match="no profile .enormous.; there are cpu, demo, paper, sampling, and"
    ):
        locate_profile("enormous")


@pytest.mark.slow
@pytest.mark.parametrize(("model", "bars"), [(model, bars) for bars in PAPER.lengths for model in PAPER.models(bars)])
def test_the_papers_sizes_build_and_take_one_step(model, bars):
    profile = PAPER.models(bars)[model]
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
    assert PAPER.models(2)["lstm"].sizes == LstmSizes(layers=3, units=32, activation="tanh", lookback=0)


def test_the_papers_autoencoder_has_the_size_of_music_vae():
    """Roberts et al. 2018, section 4 and its released hierarchical drum model."""
    network = build("hierarchical_vae", 16, PAPER.models(16)["hierarchical_vae"].sizes)
    # Two bidirectional layers of 2048: 4 * 2048 * (9 + 2048 + 1) and 4 * 2048 * (2 * 2048 + 2048 + 1), twice each.
    encoder = sum(tf.size(weight).numpy() for weight in network.encoder.of_window.trainable_variables)
    assert encoder == 2 * 4 * 2048 * ((9 + 2048 + 1) + (2 * 2048 + 2048 + 1))
    assert network.encoder.mu.units == 512
    assert network.conductor.embedding.units == 512
    assert [layer.units for layer in network.decoder.stack.stack] == [1024, 1024]
