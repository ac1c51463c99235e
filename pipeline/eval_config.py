"""TFMA's configuration: every metric over the test songs and their slices, and the gate."""

import json
from collections.abc import Iterable

from tfx import v1 as tfx  # noqa: F401  (tensorflow_model_analysis is complete only after it)

import tensorflow_model_analysis as tfma  # isort: skip
from drumline.models import tfma_slices
from drumline.models.gate import Gate, Threshold
from drumline.models.tfma_metrics import HistogramDistance, JudgedMean, OnsetScores, WindowMean, WindowRatio
from drumline.pipeline.profiles import ModelProfile
from drumline.results.tfma_output import JUDGED
from tensorflow_model_analysis.proto.config_pb2 import PerSliceMetricThreshold

ACCURACY = "teacher_forced_accuracy"


def make_eval_config(profile: ModelProfile) -> tfma.EvalConfig:
    """Makes what TFX's Evaluator computes of a model, and what it asks before it blesses it."""
    asked = thresholds(profile)
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name="evaluate", model_type="tf_generic")],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(
                        module=type(metric).__module__,
                        class_name=type(metric).__name__,
                        config=json.dumps(metric.get_config()),
                        per_slice_thresholds=asked.get(metric.name, []),
                    )
                    for metric in [*metrics(profile.gate), *profile.kind.metrics()]
                ]
            )
        ],
        slicing_specs=tfma_slices.SLICING_SPECS,
    )


def metrics(gate: Gate) -> list[tfma.metrics.Metric]:
    """Returns the metrics of every kind of model."""
    accuracies = ("teacher_forced", "sampled", "majority", "repeat_bar", "repeat_bar_sampled")
    means = [f"{name}_accuracy" for name in accuracies] + ["sample_self_similarity", "data_self_similarity"]
    return [
        tfma.metrics.ExampleCount(name="example_count"),
        *(WindowMean(name, of=name) for name in means),
        JudgedMean(JUDGED + ACCURACY, of=ACCURACY, songs=gate.slice_songs),
        WindowMean("gain_over_majority", of=ACCURACY, minus="majority_accuracy"),
        WindowMean("gain_over_repeat_bar", of=ACCURACY, minus="repeat_bar_accuracy"),
        WindowMean("sampled_gain_over_repeat_bar", of="sampled_accuracy", minus="repeat_bar_sampled_accuracy"),
        *(WindowRatio(f"{name}_nonsilent_accuracy", of=f"{name}_nonsilent") for name in accuracies),
        OnsetScores("onset", of="sampled_onsets"),
        OnsetScores("repeat_bar_onset", of="repeat_bar_sampled_onsets"),
        HistogramDistance("histogram_distance", of="sample_histogram", to="data_histogram"),
    ]


def thresholds(profile: ModelProfile) -> dict[str, list[PerSliceMetricThreshold]]:
    """Returns what the gate asks, by metric: over all windows and, apart from that, over the slices of groups."""
    gate = profile.gate
    overall = {
        ACCURACY: Threshold(gate.accuracy, gate.allowed_loss),
        "gain_over_majority": Threshold(gate.gain_over_majority),
        "gain_over_repeat_bar": Threshold(gate.gain_over_repeat_bar),
    } | profile.kind.thresholds(gate)
    asked = {metric: [_in_slices([tfma_slices.OVERALL], threshold)] for metric, threshold in overall.items()}
    of_slices = Threshold(gate.slice_accuracy, gate.slice_allowed_loss)
    return asked | {JUDGED + ACCURACY: [_in_slices(tfma_slices.OF_GROUPS, of_slices)]}


def _in_slices(specs: Iterable[tfma.SlicingSpec], asked: Threshold) -> PerSliceMetricThreshold:
    threshold = tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": asked.least}))
    if asked.allowed_loss is not None:
        threshold.change_threshold.direction = tfma.MetricDirection.HIGHER_IS_BETTER
        threshold.change_threshold.absolute.value = -asked.allowed_loss
    return PerSliceMetricThreshold(slicing_specs=specs, threshold=threshold)
