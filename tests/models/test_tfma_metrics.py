import math

import apache_beam as beam
import numpy as np
import pytest
from tfx import v1 as tfx  # noqa: F401  (tensorflow_model_analysis is complete only after it)

from tensorflow_model_analysis.metrics import metric_types  # isort: skip

from drumline.models.tfma_metrics import (
    ActiveUnits,
    HistogramDistance,
    JudgedMean,
    OnsetScores,
    WindowMean,
    WindowRatio,
)


def figures_of(metric, predictions: dict[str, np.ndarray], model: str = "", songs: str = "") -> dict[str, float]:
    """What a metric tells of windows, as Beam would ask it: in two parts, merged. songs: a letter a window."""
    windows = len(next(iter(predictions.values())))
    inputs = []
    for window in range(windows):
        # TFMA gives a scalar as an array of shape [1].
        of_window = {name: np.atleast_1d(values[window]) for name, values in predictions.items()}
        of_window = {model: of_window} if model else of_window
        song = {"song_id": np.array([(songs or "a" * windows)[window]])}
        inputs.append(metric_types.StandardMetricInputs(predictions=of_window, features=song))
    figures = {}
    for computation in metric.computations(model_names=[model]):
        outcome = combined(computation.combiner, inputs)
        assert not outcome or list(outcome) == computation.keys
        assert all(key.model_name == model for key in outcome)
        figures |= {key.name: value for key, value in outcome.items()}
    return figures


def combined(combiner: beam.CombineFn, inputs: list) -> dict:
    parts = []
    for part in (inputs[: len(inputs) // 2], inputs[len(inputs) // 2 :]):
        accumulator = combiner.create_accumulator()
        for one in part:
            accumulator = combiner.add_input(accumulator, one)
        parts.append(accumulator)
    return combiner.extract_output(combiner.merge_accumulators([*parts, combiner.create_accumulator()]))


def test_the_mean_is_over_windows():
    predictions = {"right": np.array([0.5, 1.0, 0.0]), "other": np.array([0.5, 0.25, 0.0])}
    assert figures_of(WindowMean("m", of="right"), predictions) == {"m": 0.5}
    assert figures_of(WindowMean("m", of="right", minus="other"), predictions) == {"m": 0.25}


def test_a_ratio_is_of_sums_and_not_a_mean_of_ratios():
    assert figures_of(WindowRatio("r", of="steps"), {"steps": np.array([[1, 1], [0, 3], [0, 0]])}) == {"r": 0.25}
    assert math.isnan(figures_of(WindowRatio("r", of="steps"), {"steps": np.zeros((2, 2))})["r"])


def test_onset_scores_are_over_all_drums_and_for_each():
    onsets = np.zeros((2, 3, 9))
    onsets[0, :, 0] = 3, 1, 0
    onsets[1, :, 2] = 1, 0, 2
    figures = figures_of(OnsetScores("onset", of="onsets"), {"onsets": onsets})
    assert len(figures) == 30
    assert figures["onset_precision"] == pytest.approx(4 / 5)
    assert figures["onset_recall"] == pytest.approx(4 / 6)
    assert figures["onset_f1"] == pytest.approx(8 / 11)
    assert figures["onset_precision_kick"] == 0.75
    assert figures["onset_recall_closed_hi_hat"] == pytest.approx(1 / 3)
    assert math.isnan(figures["onset_f1_ride"])


def test_active_units_and_histograms_come_from_all_windows():
    mu = np.array([[0.0, 1.0], [2.0, 1.0], [-2.0, 1.0]])
    assert figures_of(ActiveUnits("units"), {"mu": mu, "mu_squared": mu**2}) == {"units": 1}
    drawn, data = np.array([[4, 0], [0, 4]]), np.array([[4, 0], [4, 0]])
    distance = HistogramDistance("d", of="drawn", to="data")
    assert figures_of(distance, {"drawn": drawn, "data": data}) == {"d": 0.5}


def test_each_of_several_models_has_its_own():
    assert figures_of(WindowMean("m", of="right"), {"right": np.array([0.0, 1.0])}, model="baseline") == {"m": 0.5}


def test_a_model_without_the_prediction_has_no_figure():
    assert figures_of(WindowMean("m", of="newer"), {"right": np.array([0.0, 1.0])}, songs="ab") == {}
    assert figures_of(OnsetScores("onset", of="onsets"), {"right": np.array([0.0, 1.0])}) == {}


def test_an_interval_is_over_songs_and_needs_two():
    right = {"right": np.array([0.2, 0.4, 0.6, 0.8])}
    assert set(figures_of(WindowMean("m", of="right"), right, songs="aaaa")) == {"m"}
    two = figures_of(WindowMean("m", of="right"), right, songs="abba")
    assert two == pytest.approx({"m": 0.5, "m_low": 0.5, "m_high": 0.5})  # both songs have the same mean
    four = figures_of(WindowMean("m", of="right"), right, songs="abcd")
    assert four["m_low"] < 0.4
    assert four["m_high"] > 0.6


def test_a_ratio_and_an_f1_have_intervals_too():
    steps = {"steps": np.array([[1, 2], [3, 4], [0, 1]])}
    assert set(figures_of(WindowRatio("r", of="steps"), steps, songs="abc")) == {"r", "r_low", "r_high"}
    onsets = {"onsets": np.ones((2, 3, 9))}
    figures = figures_of(OnsetScores("onset", of="onsets"), onsets, songs="ab")
    assert figures["onset_f1_low"] == pytest.approx(figures["onset_f1"]) == pytest.approx(0.5)
    assert len(figures) == 32


def test_few_songs_are_not_judged():
    right = {"right": np.array([0.2, 0.4, 0.6])}
    assert figures_of(JudgedMean("m", of="right", songs=3), right, songs="abb") == {"m": 1.0}
    assert figures_of(JudgedMean("m", of="right", songs=3), right, songs="abc") == pytest.approx({"m": 0.4})


def test_merging_leaves_the_parts_as_they_were():
    combiner = WindowRatio("r", of="steps").computations(model_names=[""])[0].combiner
    window = metric_types.StandardMetricInputs(predictions={"steps": np.array([1.0, 2.0])})
    one = combiner.add_input(combiner.create_accumulator(), window)
    combiner.merge_accumulators([one, one])
    combiner.add_input(one, window)
    assert one[0] == 1
    assert one[1][0].tolist() == [1.0, 2.0]
