"""TFMA's configuration: every metric over the test songs and their slices, and the gate."""

import json
from collections import defaultdict
from collections.abc import Iterable

from tfx import v1 as tfx  # noqa: F401  (tensorflow_model_analysis is complete only after it)

import tensorflow_model_analysis as tfma  # isort: skip
from drumline.models import tfma_slices as slices
from drumline.models.sizes import VaeSizes
from drumline.models.tfma_metrics import (
    ActiveUnits,
    HistogramDistance,
    JudgedMean,
    OnsetScores,
    WindowMean,
    WindowRatio,
)
from drumline.pipeline.profiles import Gate, ModelProfile
from drumline.results.tfma_output import JUDGED
from tensorflow_model_analysis.proto.config_pb2 import PerSliceMetricThreshold

ACCURACY = "teacher_forced_accuracy"


def eval_config(profile: ModelProfile) -> tfma.EvalConfig:
    """What TFX's Evaluator computes of a model, and what it asks before it blesses it."""
    autoencoder = isinstance(profile.sizes, VaeSizes)
    asked = thresholds(profile.gate, autoencoder=autoencoder)
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name="evaluate", model_type="tf_generic")],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(
                        module=type(metric).__module__,
                        class_name=type(metric).__name__,
                        config=json.dumps(metric.get_config()),
                        per_slice_thresholds=asked[metric.name],
                    )
                    for metric in metrics(profile.gate, autoencoder=autoencoder)
                ]
            )
        ],
        slicing_specs=slices.SLICING_SPECS,
    )


def metrics(gate: Gate, *, autoencoder: bool) -> list[tfma.metrics.Metric]:
    """Every metric of an autoencoder or of a forecaster."""
    accuracies = ("teacher_forced", "sampled", "majority", "repeat_bar", "repeat_bar_sampled")
    means = [f"{name}_accuracy" for name in accuracies] + ["sample_self_similarity", "data_self_similarity"]
    of_all = [
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
    of_latent = [
        *(WindowMean(name, of=name) for name in ("kl", "shuffled_z_accuracy")),
        WindowMean("gain_from_z", of="sampled_accuracy", minus="shuffled_z_accuracy"),
        ActiveUnits("active_units"),
    ]
    return of_all + (of_latent if autoencoder else [])


def thresholds(gate: Gate, *, autoencoder: bool) -> dict[str, list[PerSliceMetricThreshold]]:
    """By metric: what the gate asks over all windows and, apart from that, over the slices of groups."""
    of_all = {
        ACCURACY: _threshold(gate.accuracy, gate.loss),
        "gain_over_majority": _threshold(gate.gain),
        "gain_over_repeat_bar": _threshold(gate.gain_over_repeat_bar),
    }
    if autoencoder:
        of_all |= {
            "sampled_gain_over_repeat_bar": _threshold(gate.gain_over_repeat_bar),
            "kl": _threshold(gate.kl),
            "gain_from_z": _threshold(gate.gain_from_z),
        }
    asked = defaultdict(
        list, {metric: [_in_slices([slices.OVERALL], threshold)] for metric, threshold in of_all.items()}
    )
    asked[JUDGED + ACCURACY] = [_in_slices(slices.OF_GROUPS, _threshold(gate.slice_accuracy, gate.slice_loss))]
    return asked


def _threshold(least: float, loss: float | None = None) -> tfma.MetricThreshold:
    """At least so much, and at most so much less than the last blessed model has."""
    threshold = tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": least}))
    if loss is not None:
        threshold.change_threshold.direction = tfma.MetricDirection.HIGHER_IS_BETTER
        threshold.change_threshold.absolute.value = -loss
    return threshold


def _in_slices(specs: Iterable[tfma.SlicingSpec], threshold: tfma.MetricThreshold) -> PerSliceMetricThreshold:
    return PerSliceMetricThreshold(slicing_specs=specs, threshold=threshold)
