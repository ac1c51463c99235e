"""What Tuner calls, without the nodes around it: `tests/end_to_end` has those."""

import keras_tuner
import numpy as np
import pytest
from drumline.models import training
from drumline.models import tuner as tuning
from drumline.models.kinds import Conv
from drumline.models.network import build_model
from drumline.models.search import Search
from drumline.models.sizes import ConvSizes, Training

from drumline.errors import InputError

NARROW = ConvSizes(history=19, filters=1, kernel=4, pool=1)
RECIPE = Training(batch_size=16, steps=60, evaluate_every=20, learning_rate=1e-2)
SEARCH = Search(trials=8, share=2 / 3)


@pytest.fixture
def windows():
    """Beats of four drums that one filter cannot tell apart."""
    beat = np.array([1, 4, 2, 8, 1, 4, 3, 12] * 4, np.uint16)
    rolled = np.stack([np.roll(beat, shift) for shift in range(8)])
    return {"train": np.tile(rolled, (8, 1)), "held_out": rolled}


@pytest.fixture
def searched(windows, tmp_path, monkeypatch):
    """Does a search over a number of filters, and returns its tuner and its lines."""

    def with_filters(filters, sizes=NARROW, recipe=RECIPE, data=windows):
        monkeypatch.setattr(Conv, "search_space", {"filters": filters})
        lines = []
        tuner = tuning.BoxSearch("conv", Conv(), 2, sizes, recipe, SEARCH, directory=tmp_path, report=lines.append)
        tuner.search(**data)
        return tuner, lines

    return with_filters


def best(tuner) -> dict:
    return tuner.get_best_hyperparameters()[0].get_config()["values"]


@pytest.mark.parametrize("filters", [(1, 32), (32, 1)])
def test_the_better_of_two_sizes_is_chosen_wherever_it_stands(searched, filters):
    sizes = ConvSizes(history=19, filters=filters[0], kernel=4, pool=1)
    tuner, lines = searched(filters, sizes)
    assert best(tuner) == {"filters": 32}
    score = {trial.hyperparameters.values["filters"]: trial.score for trial in tuner.oracle.trials.values()}
    assert lines == [
        f"conv: trial 1/2, filters {filters[0]}: held-out loss {score[filters[0]]:.1f}, least {score[filters[0]]:.1f}",
        f"conv: trial 2/2, filters {filters[1]}: held-out loss {score[filters[1]]:.1f}, least {score[32]:.1f}",
    ]


def test_the_same_search_ends_the_same(searched):
    (one, lines), (other, again) = searched((1, 4, 8)), searched((1, 4, 8))
    assert lines == again
    scores = [[trial.score for trial in tuner.oracle.get_best_trials(3)] for tuner in (one, other)]
    assert scores[0] == scores[1]


def test_a_trial_is_the_beginning_of_the_training(searched, windows):
    tuner, _ = searched((1,))
    network = build_model(Conv(), 2, NARROW, seed=RECIPE.seed)
    epochs = training.fit(network, "conv", **windows, training=RECIPE, report=lambda _: None)
    assert tuner.oracle.get_best_trials()[0].score == min(epochs["val_loss"][:2])


def fit_or_fail(error, of_filters):
    fit = training.fit

    def fitting(network, *arguments, **options):
        if network.convolution.filters == of_filters:
            raise error
        return fit(network, *arguments, **options)

    return fitting


def test_a_size_that_cannot_be_trained_is_not_chosen_and_the_search_goes_on(searched, monkeypatch):
    monkeypatch.setattr(training, "fit", fit_or_fail(InputError("conv: the loss is nan"), of_filters=4))
    tuner, lines = searched((1, 4, 8))
    assert sum("filters 4: conv: the loss is nan" in line for line in lines) == 1
    assert len(lines) == 3
    assert best(tuner) == {"filters": 8}


def test_what_stops_the_profile_s_own_sizes_stops_the_search_with_its_sentence(searched, windows):
    few = windows | {"train": windows["train"][:5]}
    with pytest.raises(keras_tuner.errors.FatalError, match=r"conv: fewer examples \(5\)") as raised:
        searched((1, 4), data=few)
    assert isinstance(raised.value.__cause__, InputError)


def test_an_error_of_the_program_is_not_taken_for_a_bad_size(searched, monkeypatch):
    monkeypatch.setattr(training, "fit", fit_or_fail(TypeError("a mistake"), of_filters=4))
    with pytest.raises(keras_tuner.errors.FatalError, match="a mistake"):
        searched((1, 4, 8))
