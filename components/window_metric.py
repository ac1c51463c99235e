"""TFMA metrics: figures of the windows of a slice, from the sums over them of what a model's `evaluate` signature
gives of each. What is given, `models.evaluation` tells; how a figure comes from sums, `models.figures`.
"""

from collections.abc import Callable

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types

from drums.kit import DRUMS
from models import figures

SCORES = ("f1", "precision", "recall")
ALL_AND_EACH_DRUM = ("", *("_" + drum.replace(" ", "_").replace("-", "_") for drum in DRUMS))


class WindowMean(tfma.metrics.Metric):
    """The mean of the prediction `of`, float [B], or of its difference to the prediction `minus`."""

    def __init__(self, name: str, of: str, minus: str | None = None):
        super().__init__(_window_mean, name=name, of=of, minus=minus)


class WindowRatio(tfma.metrics.Metric):
    """Of the prediction `of`, float [B, 2]: the sum of the first column by that of the second."""

    def __init__(self, name: str, of: str):
        super().__init__(_window_ratio, name=name, of=of)


class OnsetScores(tfma.metrics.Metric):
    """F1, precision and recall from the prediction `of`, float [B, 3, 9]: see `models.measures.onsets`.

    Thirty figures: `<name>_f1` over all drums, `<name>_f1_closed_hi_hat` and so on.
    """

    def __init__(self, name: str, of: str):
        super().__init__(_onset_scores, name=name, of=of)


class ActiveUnits(tfma.metrics.Metric):
    """How many dimensions of z vary with the window, from the predictions `mu` and `mu_squared`, float [B, Z]."""

    def __init__(self, name: str):
        super().__init__(_active_units, name=name)


class HistogramDistance(tfma.metrics.Metric):
    """The total variation distance of the predictions `of` and `to`, each counts by class, float [B, n]."""

    def __init__(self, name: str, of: str, to: str):
        super().__init__(_histogram_distance, name=name, of=of, to=to)


def _window_mean(name, of, minus, model_names=None, **_):
    def mean(windows, total, subtrahend=0.0):
        return [float(np.sum(total - subtrahend)) / windows]

    return _computations([name], [of, minus] if minus else [of], mean, model_names)


def _window_ratio(name, of, model_names=None, **_):
    return _computations([name], [of], lambda windows, total: [figures.ratio(*total)], model_names)


def _onset_scores(name, of, model_names=None, **_):
    def scores(windows, onsets):
        return [score for of_drum in (onsets.sum(1), *onsets.T) for score in figures.f1_precision_recall(of_drum)]

    names = [f"{name}_{score}{drum}" for drum in ALL_AND_EACH_DRUM for score in SCORES]
    return _computations(names, [of], scores, model_names)


def _active_units(name, model_names=None, **_):
    def active(windows, mu, mu_squared):
        return [float(figures.active_units(mu, mu_squared, windows))]

    return _computations([name], ["mu", "mu_squared"], active, model_names)


def _histogram_distance(name, of, to, model_names=None, **_):
    def distance(windows, counts, other):
        return [figures.total_variation(counts, other)]

    return _computations([name], [of, to], distance, model_names)


def _computations(
    names: list[str], predictions: list[str], figures_of: Callable[..., list[float]], model_names: list[str] | None
) -> list[metric_types.MetricComputation]:
    """For each model the figures `names`, which figures_of(windows, *sums of the predictions) gives."""
    return [
        metric_types.MetricComputation(
            keys=[metric_types.MetricKey(name=name, model_name=model) for name in names],
            preprocessors=None,
            combiner=WindowSums(names, model, predictions, figures_of),
        )
        for model in model_names or [""]
    ]


class WindowSums(beam.CombineFn):
    """Sums predictions over windows. The accumulator is the number of windows and the sums, float64.

    Windows that lack a prediction, as those of a baseline model do that is older than the figure, do not count.
    Of no window, every figure is NaN.
    """

    def __init__(self, names: list[str], model: str, predictions: list[str], figures_of: Callable[..., list[float]]):
        self._keys = [metric_types.MetricKey(name=name, model_name=model) for name in names]
        self._model, self._predictions, self._figures_of = model, predictions, figures_of

    def create_accumulator(self):
        return 0, [0.0] * len(self._predictions)

    def add_input(self, accumulator, inputs):
        predictions = inputs.prediction
        if self._model in predictions:  # where several models are evaluated together
            predictions = predictions[self._model]
        if not all(name in predictions for name in self._predictions):
            return accumulator
        return self.merge_accumulators(
            [accumulator, (1, [np.asarray(predictions[name], np.float64) for name in self._predictions])]
        )

    def merge_accumulators(self, accumulators):
        windows, sums = zip(*accumulators, strict=True)
        return sum(windows), [sum(parts) for parts in zip(*sums, strict=True)]

    def extract_output(self, accumulator):
        windows, sums = accumulator
        values = self._figures_of(windows, *sums) if windows else [float("nan")] * len(self._keys)
        return dict(zip(self._keys, values, strict=True))
