"""A TFMA metric: the mean over windows of the scalars that a model's `evaluate` signature gives."""

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types


class WindowMean(tfma.metrics.Metric):
    """The mean of the prediction `of`, float [B], or of its difference to the prediction `minus`."""

    def __init__(self, name: str, of: str, minus: str | None = None):
        super().__init__(_computations, name=name, of=of, minus=minus)


def _computations(name, of, minus, model_names=None, **_):
    keys = [metric_types.MetricKey(name=name, model_name=model) for model in model_names or [""]]
    return [
        metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=_Mean(key, of, minus)) for key in keys
    ]


class _Mean(beam.CombineFn):
    def __init__(self, key, of, minus):
        self._key, self._of, self._minus = key, of, minus

    def create_accumulator(self):
        return 0.0, 0

    def add_input(self, accumulator, inputs):
        predictions = inputs.prediction
        if self._key.model_name in predictions:  # where several models are evaluated together
            predictions = predictions[self._key.model_name]
        values = predictions[self._of]
        if self._minus:
            values = values - predictions[self._minus]
        total, windows = accumulator
        return total + float(values.sum()), windows + values.size

    def merge_accumulators(self, accumulators):
        totals, windows = zip(*accumulators, strict=True)
        return sum(totals), sum(windows)

    def extract_output(self, accumulator):
        total, windows = accumulator
        return {self._key: total / windows if windows else float("nan")}
