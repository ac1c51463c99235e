"""What TFX 1.21 and the launcher of Kubeflow Pipelines 2.16 disagree on, and a repair of each, named after the fault.

The launcher has the inputs of a step on the local disk before the container's command runs, and takes its outputs from
there afterwards; what it says of them it takes from, and gives to, ML Metadata.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drumline.components.last_blessed_model import PUSHED_VERSION
from drumline.components.midi_example_gen import MidiExampleGen
from drumline.kubeflow.parameters import apply_parameters
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentInputsSpec, ExecutorInput, ParameterType, RuntimeArtifact
from tfx.components.example_gen.driver import update_output_artifact
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils
from tfx.types import standard_component_specs as keys
from tfx.utils import name_utils

from drumline.errors import InputError

LOGS = "executor-logs"
PAGE = "page"
BASELINE = "baseline"
# Where the launcher keeps what lies in object storage (LocalPathForURI of its launcher_v2.go).
LOCAL_FOLDERS = {"gs://": "/gcs/", "s3://": "/s3/", "minio://": "/minio/"}


@dataclass
class Step:
    """One execution of a node. executor_class: its import path. The repairs change `executor_input` in place.

    page: the file that KFP's UI is to show, where the node has such an output.
    """

    executor_class: str
    executor_input: ExecutorInput
    inputs_spec: ComponentInputsSpec
    page: Path | None = None

    @property
    def properties(self) -> dict[str, Any]:
        """The execution properties by name. Whole numbers are int, but for what the pipeline calls a double."""
        return {
            name: self._value(name, json_format.MessageToDict(value))
            for name, value in self.executor_input.inputs.parameter_values.items()
            if not value.HasField("null_value")
        }

    def _value(self, name: str, value: Any) -> Any:
        declared = self.inputs_spec.parameters[name].parameter_type if name in self.inputs_spec.parameters else None
        return value if declared == ParameterType.NUMBER_DOUBLE else _whole(value)

    def set_properties(self, properties: Mapping[str, Any]) -> None:
        values = self.executor_input.inputs.parameter_values
        values.clear()
        for name, value in properties.items():
            json_format.ParseDict(value, values[name])


def logs_among_the_outputs(step: Step) -> None:
    """KFP adds an output to every task, for the log of its container, of a type that TFX does not know."""
    step.executor_input.outputs.artifacts.pop(LOGS, None)


def page_among_the_outputs(step: Step) -> None:
    """KFP's UI shows a page if it is an artifact of its own type HTML, one file, which TFX does not know."""
    if PAGE in step.executor_input.outputs.artifacts:
        step.page = Path(local(step.executor_input.outputs.artifacts.pop(PAGE).artifacts[0].uri))


def inputs_without_types(step: Step) -> None:
    """KFP's metadata client gives each input an empty `instanceSchema`; the spec of the component knows better."""
    for name, artifacts in step.executor_input.inputs.artifacts.items():
        for artifact in artifacts.artifacts:
            artifact.type.CopyFrom(step.inputs_spec.artifacts[name].artifact_type)


def remote_addresses(step: Step) -> None:
    """TFX cannot open `minio://`, and other addresses only with more packages; each has its local folder."""
    for artifact in _artifacts(step):
        artifact.uri = local(artifact.uri)


def absent_baseline(step: Step) -> None:
    """KFP has no optional artifacts: before the first push there is one all the same, but nothing lies there.

    Raises InputError where something did lie there.
    """
    inputs = step.executor_input.inputs.artifacts
    absent = [
        name
        for name, artifacts in inputs.items()
        if name.startswith(BASELINE) and not any(Path(artifact.uri).exists() for artifact in artifacts.artifacts)
    ]
    for name in absent:
        for artifact in inputs[name].artifacts:
            if PUSHED_VERSION in artifact.metadata.fields:
                raise InputError(
                    f"{remote(artifact.uri)}: the copy of the last blessed model is gone; run the pipeline again by "
                    "`submit --no-cache`"
                )
        del inputs[name]


def parameters_of_the_run(step: Step) -> None:
    """TFX takes a parameter for a whole execution property; ours say less (see kubeflow.parameters)."""
    step.set_properties(apply_parameters(step.properties))


def example_gen_without_driver(step: Step) -> None:
    """KFP never runs the driver of an ExampleGen, which finds the span that is read and its fingerprint."""
    if step.executor_class != name_utils.get_full_name(MidiExampleGen.EXECUTOR_SPEC.executor_class):
        return
    properties = MidiExampleGen.DRIVER_CLASS(None).resolve_exec_properties(step.properties, None, None)
    outputs = step.executor_input.outputs.artifacts
    names: dict[int, str] = {}
    (examples,) = kubeflow_v2_entrypoint_utils.parse_raw_artifact_dict(outputs, names)[keys.EXAMPLES_KEY]
    update_output_artifact(properties, examples.mlmd_artifact)
    described = kubeflow_v2_entrypoint_utils.to_runtime_artifact(examples, names)
    outputs[keys.EXAMPLES_KEY].artifacts[0].metadata.CopyFrom(described.metadata)
    step.set_properties(step.properties | {keys.INPUT_CONFIG_KEY: properties[keys.INPUT_CONFIG_KEY]})


# In this order: each counts on those before it.
REPAIRS: tuple[Callable[[Step], None], ...] = (
    logs_among_the_outputs,
    page_among_the_outputs,
    inputs_without_types,
    remote_addresses,
    absent_baseline,
    parameters_of_the_run,
    example_gen_without_driver,
)


def local_addresses(output_file: Path) -> None:
    """What TFX says of the outputs names local folders, also in their metadata: a blessing has its model's."""
    output_file.write_text(json.dumps(_remote(json.loads(output_file.read_text()))))


def local(address: str) -> str:
    """Where the launcher keeps what lies at an address; other strings as they are."""
    return _translate(address, LOCAL_FOLDERS)


def remote(path: str) -> str:
    """The address of what the launcher keeps at a path; other strings as they are."""
    return _translate(path, {folder: scheme for scheme, folder in LOCAL_FOLDERS.items()})


def _translate(place: str, folders: Mapping[str, str]) -> str:
    for before, after in folders.items():
        if place.startswith(before):
            return after + place.removeprefix(before)
    return place


def _remote(value: Any) -> Any:
    """A JSON value with the address of each path in it, but for names."""
    if isinstance(value, str):
        return remote(value)
    if isinstance(value, list):
        return [_remote(item) for item in value]
    if isinstance(value, dict):
        return {name: _remote(item) for name, item in value.items()}
    return value


def _whole(value: Any) -> Any:
    """The numbers of JSON are doubles: whole ones as int, also in a struct."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value


def _artifacts(step: Step) -> Iterator[RuntimeArtifact]:
    for by_name in (step.executor_input.inputs.artifacts, step.executor_input.outputs.artifacts):
        for artifacts in by_name.values():
            yield from artifacts.artifacts
