"""TFMA metrics: figures of the windows of a slice, from the sums over them of what a model's `evaluate` signature
gives of each. What is given, `models.evaluation` tells; how a figure comes from sums, `models.figures`.

A mean, a ratio and an F1 come with their 95 % interval over songs, `<name>_low` and `<name>_high`, in slices of two
songs or more. A slice whose windows lack a prediction has no figure of it: so it is with a baseline model that is
older than the figure, and with most figures of single songs (`drumline.models.tfma_slices`).
"""

from collections.abc import Callable
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from drumline.drums.kit import DRUMS
from drumline.models import figures
from drumline.models.intervals import song_interval
from tensorflow_model_analysis.metrics import metric_types

from drumline.naming import SONG_ID, drum_metric

SCORES = ("f1", "precision", "recall")
LOW, HIGH = "_low", "_high"

Sums = tuple[int, list[np.ndarray]]  # how many windows, and the sum of each prediction over them


class WindowMean(tfma.metrics.Metric):
    """The mean of the prediction `of`, float [B], or of its difference to the prediction `minus`."""

    def __init__(self, name: str, of: str, minus: str | None = None):
        super().__init__(_window_mean, name=name, of=of, minus=minus)


class JudgedMean(tfma.metrics.Metric):
    """The mean of the prediction `of`, float [B], a share, over a slice of `songs` songs or more.

    Of fewer songs it is 1, whatever they give: they tell too little to stop a model. A threshold asks for this figure.
    """

    def __init__(self, name: str, of: str, songs: int):
        super().__init__(_judged_mean, name=name, of=of, songs=songs)


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
    predictions = [of, minus] if minus else [of]

    def mean(windows, total, subtrahend=0.0):
        return [float(np.sum(total - subtrahend)) / windows]

    return [
        *_computations(WindowSums, [name], predictions, mean, model_names),
        *_interval(name, predictions, mean, model_names),
    ]


def _judged_mean(name, of, songs, model_names=None, **_):
    def mean(windows, total):
        return [float(np.sum(total)) / np.sum(windows) if len(windows) >= songs else 1.0]

    return _computations(SongSums, [name], [of], mean, model_names)


def _window_ratio(name, of, model_names=None, **_):
    def ratio(windows, total):
        return [figures.ratio(*total)]

    return [
        *_computations(WindowSums, [name], [of], ratio, model_names),
        *_interval(name, [of], ratio, model_names),
    ]


def _onset_scores(name, of, model_names=None, **_):
    def f1(windows, onsets):
        return [figures.f1_precision_recall(onsets.sum(1))[0]]

    def scores(windows, onsets):
        return [score for of_drum in (onsets.sum(1), *onsets.T) for score in figures.f1_precision_recall(of_drum)]

    of_all = [f"{name}_{score}" for score in SCORES]
    names = of_all + [drum_metric(metric, drum) for drum in DRUMS for metric in of_all]
    return [
        *_computations(WindowSums, names, [of], scores, model_names),
        *_interval(names[0], [of], f1, model_names),
    ]


def _active_units(name, model_names=None, **_):
    def active(windows, mu, mu_squared):
        return [float(figures.active_units(mu, mu_squared, windows))]

    return _computations(WindowSums, [name], ["mu", "mu_squared"], active, model_names)


def _histogram_distance(name, of, to, model_names=None, **_):
    def distance(windows, counts, other):
        return [figures.total_variation(counts, other)]

    return _computations(WindowSums, [name], [of, to], distance, model_names)


def _interval(name, predictions, figures_of, model_names):
    def interval(*songs):
        return song_interval(lambda *sums: figures_of(*sums)[0], songs) if len(songs[0]) > 1 else []

    return _computations(SongSums, [name + LOW, name + HIGH], predictions, interval, model_names)


def _computations(
    sums: "type[WindowSums]",
    names: list[str],
    predictions: list[str],
    figures_of: Callable[..., list[float]],
    model_names: list[str] | None,
) -> list[metric_types.MetricComputation]:
    """For each model the figures `names`, which figures_of(windows, *sums of the predictions) gives."""
    # Beside what TFMA gives a metric anyway, the window's song.
    inputs = metric_types.StandardMetricInputsPreprocessor(include_filter={tfma.FEATURES_KEY: {SONG_ID: {}}})
    return [
        metric_types.MetricComputation(
            keys=[metric_types.MetricKey(name=name, model_name=model) for name in names],
            preprocessors=[inputs],
            combiner=sums(names, model, predictions, figures_of),
        )
        for model in model_names or [""]
    ]


class WindowSums(beam.CombineFn):
    """Sums predictions over windows. The accumulator is the number of windows and the sums, float64.

    Windows that lack a prediction do not count. Of no window there is no figure.
    """

    def __init__(self, names: list[str], model: str, predictions: list[str], figures_of: Callable[..., list[float]]):
        self._keys = [metric_types.MetricKey(name=name, model_name=model) for name in names]
        self._model, self._predictions, self._figures_of = model, predictions, figures_of

    def create_accumulator(self) -> Any:
        return 0, [0.0] * len(self._predictions)

    def add_input(self, accumulator: Any, inputs: metric_types.StandardMetricInputs) -> Any:
        sums = self._sums_of(inputs)
        return _add([accumulator, sums]) if sums else accumulator

    def merge_accumulators(self, accumulators) -> Any:
        return _add(accumulators)

    def extract_output(self, accumulator: Any) -> dict[metric_types.MetricKey, float]:
        windows, sums = accumulator
        return dict(zip(self._keys, self._figures_of(windows, *sums), strict=True)) if windows else {}

    def _sums_of(self, inputs: metric_types.StandardMetricInputs) -> Sums | None:
        predictions = inputs.prediction
        if self._model in predictions:  # where several models are evaluated together
            predictions = predictions[self._model]
        if not all(name in predictions for name in self._predictions):
            return None
        return 1, [np.asarray(predictions[name], np.float64) for name in self._predictions]


class SongSums(WindowSums):
    """Sums predictions over the windows of each song. The accumulator is what WindowSums has, by song.

    What tells the figures gets them of all songs, [songs] and [songs, ...], and may tell none.
    """

    def create_accumulator(self) -> dict[bytes, Sums]:
        return {}

    def add_input(self, accumulator, inputs):
        if sums := self._sums_of(inputs):
            song = inputs.features[SONG_ID].item()
            accumulator[song] = _add([accumulator[song], sums]) if song in accumulator else sums
        return accumulator

    def merge_accumulators(self, accumulators):
        merged = {}
        for accumulator in accumulators:
            for song, sums in accumulator.items():
                merged[song] = _add([merged[song], sums]) if song in merged else sums
        return merged

    def extract_output(self, accumulator):
        if not accumulator:
            return {}
        windows, sums = zip(*accumulator.values(), strict=True)
        values = self._figures_of(np.array(windows), *map(np.array, zip(*sums, strict=True)))
        return dict(zip(self._keys, values, strict=True)) if values else {}


def _add(sums: list[Sums]) -> Sums:
    windows, parts = zip(*sums, strict=True)
    return sum(windows), [sum(part) for part in zip(*parts, strict=True)]
