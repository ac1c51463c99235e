import re

import pytest
from drumline.pipeline.profiles import Profile, list_profiles, locate_profile

from drumline.errors import InputError

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
    with pytest.raises(InputError, match="'enormous'; there are cpu, demo, paper, sampling, and"):
        locate_profile("enormous")
