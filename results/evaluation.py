"""What Evaluator found, from its evaluation's folder: figures, their intervals, and why a model was not blessed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tfx import v1 as tfx  # noqa: F401  (tensorflow_model_analysis is complete only after it)

import tensorflow_model_analysis as tfma  # isort: skip
from drumline.models.tfma_metrics import HIGH, LOW
from tensorflow_model_analysis.proto import validation_result_pb2
from tensorflow_model_analysis.slicer.slicer_lib import deserialize_slice_key

from drumline.naming import SONG_ID

Key = tuple[tuple[str, str | int | float], ...]  # a slice: its features and their values; empty for all windows

JUDGED = "judged_"  # before the name of a figure that is asked of slices: see drumline.models.tfma_metrics.JudgedMean
ALL_WINDOWS = "all windows"
_SHOWN = {
    "hits_per_bar": "windows of {} hits a bar",
    "distinct_bars": "windows of {} distinct bar(s)",
    SONG_ID: "song {}",
}


@dataclass(frozen=True)
class Failure:
    """A threshold that a model did not reach.

    slice: as it is shown, such as "all windows" or "windows of 0-3 hits a bar".
    value: the model's figure. bound: the least that passes. short_by: what lacks.
    last_blessed: the figure of the last blessed model, where the bound comes from it; else None.
    A value of NaN: there is no such figure.
    """

    metric: str
    slice: str
    value: float
    bound: float
    last_blessed: float | None = None

    @property
    def short_by(self) -> float:
        return self.bound - self.value

    def __str__(self) -> str:
        if math.isnan(self.value):
            return f"{self.metric} is not known on {self.slice}"
        asked = f"at least {self.bound:.3f} is asked"
        if self.last_blessed is not None:
            loss = self.last_blessed - self.bound
            asked = f"the last blessed model has {self.last_blessed:.3f}, at most {loss:.3f} below is allowed"
        return f"{self.metric} is {self.value:.3f} on {self.slice}, {asked}: {self.short_by:.3f} short"


def failures(evaluation: str) -> list[Failure]:
    """Every threshold that the model of an evaluation did not reach; none where it was blessed.

    evaluation: the folder of Evaluator's artifact `evaluation`. Those over all windows come first.
    """
    result = tfma.load_validation_result(evaluation)
    of_slices = {
        deserialize_slice_key(validation.slice_key): validation.failures
        for validation in result.metric_validations_per_slice
    }
    found = [_failure(evaluation, key, failure) for key in sorted(of_slices) for failure in of_slices[key]]
    empty = [tuple((name, "any number of") for name in spec.feature_keys) for spec in result.missing_slices]
    return found + [Failure("number of windows", describe_slice(key), 0, 1) for key in empty]


def verdict(evaluation: str) -> list[str]:
    """`blessed`, or a sentence a threshold that was not reached. evaluation: as in `failures`."""
    return [f"not blessed: {failure}" for failure in failures(evaluation)] or ["blessed"]


def _failure(evaluation: str, key: Key, failure: validation_result_pb2.ValidationFailure) -> Failure:
    metric, threshold = failure.metric_key.name, failure.metric_threshold
    value = failure.metric_value.double_value.value if failure.HasField("metric_value") else math.nan
    last_blessed = None
    if threshold.HasField("change_threshold"):
        last_blessed = _everything(evaluation, key, tfma.BASELINE_KEY).get(metric, math.nan)
        value, bound = last_blessed + value, last_blessed + threshold.change_threshold.absolute.value
    else:
        bound = threshold.value_threshold.lower_bound.value
    return Failure(metric.removeprefix(JUDGED), describe_slice(key), value, bound, last_blessed)


def describe_slice(key: Key) -> str:
    """How a slice is called in a sentence."""
    return " and ".join(_SHOWN[feature].format(value) for feature, value in key) or ALL_WINDOWS


def figures(evaluation: str, key: Key = ()) -> dict[str, float]:
    """The figures of a slice, by metric; those over all windows unless a key says otherwise. None for no such slice."""
    return _shown_alone(_everything(evaluation, key))


def slices(evaluation: str) -> Iterator[tuple[Key, dict[str, float]]]:
    """Each slice of an evaluation and its figures by metric."""
    for key, values in _of_slices(evaluation):
        yield key, _shown_alone(values)


def intervals(evaluation: str, key: Key = ()) -> dict[str, tuple[float, float]]:
    """The 95 % interval over songs, low and high, of each figure of a slice that has one: see `models.intervals`."""
    bounds = _everything(evaluation, key)
    names = [name.removesuffix(LOW) for name in bounds if name.endswith(LOW)]
    return {name: (bounds[name + LOW], bounds[name + HIGH]) for name in names if math.isfinite(bounds[name + LOW])}


def _shown_alone(values: dict[str, float]) -> dict[str, float]:
    """Without the ends of intervals and what only the gate asks for."""
    return {name: value for name, value in values.items() if not name.endswith((LOW, HIGH)) and JUDGED not in name}


def _everything(evaluation: str, key: Key, model: str = tfma.CANDIDATE_KEY) -> dict[str, float]:
    return next((values for other, values in _of_slices(evaluation, model) if other == key), {})


def _of_slices(evaluation: str, model: str = tfma.CANDIDATE_KEY) -> Iterator[tuple[Key, dict[str, float]]]:
    for of_slice in tfma.load_metrics(evaluation):
        values = {
            metric.key.name: metric.value.double_value.value
            for metric in of_slice.metric_keys_and_values
            # A model has no name where it was evaluated alone.
            if metric.key.model_name in (model, "") and not metric.key.is_diff
        }
        yield deserialize_slice_key(of_slice.slice_key), values
