"""Reading the files that TensorFlow Model Analysis writes. Slow to import: only Evaluator's executor does."""

import math
from collections.abc import Iterator

from tfx import v1 as tfx  # noqa: F401  (tensorflow_model_analysis is complete only after it)

import tensorflow_model_analysis as tfma  # isort: skip
from drumline.models.tfma_metrics import HIGH, LOW
from drumline.results.evaluation import Evaluation, Failure, Key, Slice, describe_slice
from tensorflow_model_analysis.proto import validation_result_pb2
from tensorflow_model_analysis.slicer.slicer_lib import deserialize_slice_key

# Before the name of a metric that only thresholds of slices ask for: see drumline.models.tfma_metrics.JudgedMean.
JUDGED = "judged_"

Metrics = dict[str, float]


def read_tfma_output(folder: str) -> Evaluation:
    """The evaluation that TFMA wrote into the folder of Evaluator's artifact `evaluation`."""
    slices = [_read_slice(key, metrics) for key, metrics in _read_metrics(folder, tfma.CANDIDATE_KEY)]
    return Evaluation(tuple(sorted(slices, key=lambda each: each.key)), tuple(_read_failures(folder)))


def _read_slice(key: Key, metrics: Metrics) -> Slice:
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    shown = {name: value for name, value in finite.items() if not name.endswith((LOW, HIGH)) and JUDGED not in name}
    intervals = {
        name: (finite[name + LOW], finite[name + HIGH]) for name in shown if {name + LOW, name + HIGH} <= finite.keys()
    }
    return Slice(key, shown, intervals)


def _read_failures(folder: str) -> Iterator[Failure]:
    result = tfma.load_validation_result(folder)
    last_blessed = dict(_read_metrics(folder, tfma.BASELINE_KEY))
    by_slice = {
        deserialize_slice_key(validation.slice_key): validation.failures
        for validation in result.metric_validations_per_slice
    }
    for key in sorted(by_slice):
        for failure in by_slice[key]:
            yield _read_failure(key, failure, last_blessed.get(key, {}))
    for spec in result.missing_slices:
        key = tuple((name, "any number of") for name in spec.feature_keys)
        yield Failure("number of windows", describe_slice(key), 0, 1)


def _read_failure(key: Key, failure: validation_result_pb2.ValidationFailure, last_blessed: Metrics) -> Failure:
    metric, threshold = failure.metric_key.name, failure.metric_threshold
    value = failure.metric_value.double_value.value if failure.HasField("metric_value") else math.nan
    bound, last = threshold.value_threshold.lower_bound.value, None
    if threshold.HasField("change_threshold") and metric in last_blessed:
        last = last_blessed[metric]
        # TFMA gives the difference to the last blessed model.
        value, bound = last + value, last + threshold.change_threshold.absolute.value
    known = value if math.isfinite(value) else None
    return Failure(metric.removeprefix(JUDGED), describe_slice(key), known, bound, last)


def _read_metrics(folder: str, model: str) -> Iterator[tuple[Key, Metrics]]:
    """Each slice and the metrics of a model on it."""
    for metrics in tfma.load_metrics(folder):
        values = {
            metric.key.name: metric.value.double_value.value
            for metric in metrics.metric_keys_and_values
            # A model has no name where it was evaluated alone.
            if metric.key.model_name in (model, "") and not metric.key.is_diff
        }
        yield deserialize_slice_key(metrics.slice_key), values
