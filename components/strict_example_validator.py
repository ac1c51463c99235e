"""ExampleValidator that stops the run: data that does not fit the schema must not train a model."""

from tfx import v1 as tfx
from tfx.components.example_validator import executor
from tfx.dsl.components.base import executor_spec

from drumline.errors import InputError


class StrictExecutor(executor.Executor):
    """TFX's own; fails where it finds an anomaly, which it has then written to the anomalies artifact's folder."""

    def _Validate(self, inputs, outputs):
        anomalies = super()._Validate(inputs, outputs)
        found = [f"{name}: {info.description}" for name, info in anomalies.anomaly_info.items()]
        if anomalies.HasField("dataset_anomaly_info"):
            found.append(anomalies.dataset_anomaly_info.description)
        if found:
            raise InputError(
                f"the examples do not fit the schema ({'; '.join(found)}); mend the corpus, or curate schema/ anew"
            )
        return anomalies


class StrictExampleValidator(tfx.components.ExampleValidator):
    """ExampleValidator whose node fails on any anomaly, and with it all nodes behind it."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(StrictExecutor)
