"""A cluster with Kubeflow Pipelines 2.16 on it, imitated on this machine, for compiled pipelines.

The SDK's own local code (kfp.local) reads the file, resolves arguments and placeholders and reads what steps put out.
What a cluster does otherwise is imitated after the sources of its driver, launcher and metadata client:
- object storage behind minio://, with copies below /minio/ while a step runs, and no folder where there is no file;
- ML Metadata, which forgets the types of artifacts and knows neither integers nor lists;
- the output `executor-logs` of each task, the cache, and pods with a file system of their own (tests/kubeflow/pods.py).
"""

import contextlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import docker
from google.protobuf import json_format
from kfp import components, dsl, local
from kfp.local import executor_input_utils, executor_output_utils, logging_utils, task_dispatcher
from kfp.local.io import IOStore
from kfp.local.orchestrator.orchestrator_utils import OrchestratorUtils
from kfp.local.status import Status
from kfp.local.utils import struct_to_executor_spec
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, ExecutorInput, PipelineTaskSpec, TaskInputsSpec

from tests.kubeflow.pods import Pod

AT_A_TIME = 3
LOGS = "executor-logs"
_SCHEME, _LOCAL = "minio://", "/minio/"
_construct = executor_input_utils.construct_executor_input


@dataclass
class Values:
    """Parameters and artifacts by name. A task may have both of one name, for which kfp.local has one place alone."""

    parameters: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, dsl.Artifact] = field(default_factory=dict)


@dataclass
class Run:
    """What came of a run: what each task put out and logged, and which ran, were taken from the cache or failed."""

    outputs: dict[str, Values] = field(default_factory=dict)
    ran: set[str] = field(default_factory=set)
    cached: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    logs: dict[str, Path] = field(default_factory=dict)

    def log(self, task: str) -> str:
        """What the container of a task wrote."""
        return self.logs[task].read_text()


class Backend:
    """A cluster whose disks are folders below `folder`: `storage` has the buckets, `claims` the volume claims."""

    def __init__(self, folder: Path):
        self.storage, self.claims, self.pods = folder / "storage", folder / "claims", folder / "pods"
        self.cache: dict[str, Values] = {}
        self._numbers = iter(range(1, 1_000_000))

    def run(self, file: Path, **arguments: Any) -> Run:
        """Runs the pipeline that a file holds, some tasks at a time. What depends on a failed task does not run."""
        loaded = components.load_component_from_file(str(file))
        spec, run = loaded.pipeline_spec, Run()
        unknown = set(arguments) - set(spec.root.input_definitions.parameters)
        assert not unknown, f"the pipeline has no parameters {unknown}"
        given = OrchestratorUtils.join_user_inputs_and_defaults(arguments, spec.root.input_definitions)
        run_id = f"{spec.pipeline_info.name}/{uuid.uuid4()}"
        executions = {
            name: _Execution(self, loaded, name, task, given, run, run_id) for name, task in spec.root.dag.tasks.items()
        }
        with _in_place_of_the_sdks(), ThreadPoolExecutor(AT_A_TIME) as pool:
            _run_all(executions, pool)
        return run

    def place(self, address: str) -> Path:
        """Where on this machine the bytes of an address in object storage lie."""
        return self.storage / address.removeprefix(_SCHEME)

    def recorded(self, name: str, uri: str, metadata: dict[str, Any]) -> dsl.Artifact:
        """An artifact as ML Metadata gives it back: by its number, with what its properties can hold."""
        properties = {"display_name": name, "store_session_info": "{}"} | metadata
        return dsl.Artifact(
            name=str(next(self._numbers)), uri=uri, metadata={key: _property(properties[key]) for key in properties}
        )

    def download(self, address: str, pod: Pod) -> None:
        # Object storage knows no folders: all that begins so is copied, `model_run` with `model`.
        source = self.place(address)
        for found in source.parent.glob(f"{source.name}*"):
            _copy(found, pod.place(_LOCAL) / found.relative_to(self.storage))

    def upload(self, address: str, pod: Pod) -> None:
        _copy(pod.place(_local(address)), self.place(address))


def _run_all(executions: dict[str, "_Execution"], pool: ThreadPoolExecutor) -> None:
    waiting, running = dict(executions), {}
    while True:
        for name, execution in list(waiting.items()):
            if execution.may_start():
                running[pool.submit(waiting.pop(name).execute)] = name
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            del running[future]
            future.result()


@dataclass
class _Execution:
    """A task of a run: what the cluster's driver and launcher do for it."""

    backend: Backend
    loaded: Any
    name: str
    task: PipelineTaskSpec
    of_run: dict[str, Any]  # the parameters of the run
    run: Run
    run_id: str

    def may_start(self) -> bool:
        return set(self.task.dependent_tasks) <= set(self.run.outputs)

    def execute(self) -> None:
        spec = self.loaded.pipeline_spec
        component = spec.components[self.task.component_ref.name]
        executor = struct_to_executor_spec(spec.deployment_spec["executors"][component.executor_label])
        key = self._cache_key(component, executor)
        if self.task.caching_options.enable_cache and key in self.backend.cache:
            self.run.cached.add(self.name)
            self.run.outputs[self.name] = self.backend.cache[key]
            return
        self.pod = self._new_pod(component.executor_label)
        self.run.logs[self.name] = self.pod.folder / "log"
        _CURRENT.execution = self
        _, status = task_dispatcher.run_single_task_implementation(
            pipeline_resource_name=self.run_id,
            component_name=self.name,
            component_spec=component,
            executor_spec=executor,
            arguments={},
            pipeline_root=str(self.backend.pods),
            runner=local.DockerRunner(),
            raise_on_error=False,
            block_input_artifact=False,
            unique_pipeline_id=self.run_id,
        )
        if status != Status.SUCCESS:
            self.run.failed.add(self.name)
            return
        self.run.ran.add(self.name)
        self.run.outputs[self.name] = self.backend.cache[key] = self.outputs

    def _inputs(self) -> Values:
        tasks = self.run.outputs
        inputs = self.task.inputs
        return Values(
            _arguments(
                TaskInputsSpec(parameters=inputs.parameters),
                self.of_run,
                {task: values.parameters for task, values in tasks.items()},
            ),
            _arguments(
                TaskInputsSpec(artifacts=inputs.artifacts),
                {},
                {task: values.artifacts for task, values in tasks.items()},
            ),
        )

    def _cache_key(self, component: ComponentSpec, executor) -> str:
        inputs = self._inputs()
        artifacts = {name: artifact.name for name, artifact in inputs.artifacts.items()}
        parts = [inputs.parameters, artifacts, str(component.output_definitions), str(executor.container)]
        return json.dumps(parts, sort_keys=True)

    def _new_pod(self, label: str) -> Pod:
        """With the volumes that the file asks for."""
        told = json_format.MessageToDict(self.loaded.platform_spec)["platforms"]["kubernetes"]["deploymentSpec"]
        mounts = {
            mount["mountPath"]: self.backend.claims / mount["pvcNameParameter"]["runtimeValue"]["constant"]
            for mount in told["executors"].get(label, {}).get("pvcMount", [])
        }
        return Pod(self.backend.pods / f"{self.name}_{uuid.uuid4().hex[:8]}", mounts)

    def executor_input(self, component_spec: ComponentSpec, **_: Any) -> ExecutorInput:
        """What the driver gives to the launcher."""
        inputs, only = self._inputs(), {"parameters": ComponentSpec(), "artifacts": ComponentSpec()}
        only["parameters"].input_definitions.parameters.MergeFrom(component_spec.input_definitions.parameters)
        only["artifacts"].input_definitions.artifacts.MergeFrom(component_spec.input_definitions.artifacts)
        only["artifacts"].output_definitions.CopyFrom(component_spec.output_definitions)
        given = _construct(only["artifacts"], inputs.artifacts, "", block_input_artifact=False)
        parameters = _construct(only["parameters"], inputs.parameters, "", block_input_artifact=False).inputs
        given.inputs.parameter_values.MergeFrom(parameters.parameter_values)
        for artifacts in given.inputs.artifacts.values():
            artifacts.artifacts[0].type.instance_schema = ""
        given.outputs.artifacts[LOGS].artifacts.add(name=LOGS).type.schema_title = "system.Artifact"
        root = self.loaded.pipeline_spec.default_pipeline_root
        task_root = f"{root}/{self.run_id}/{self.name}/{uuid.uuid4()}"
        for name, artifacts in given.outputs.artifacts.items():
            artifacts.artifacts[0].uri = f"{task_root}/{name}"
        for name, parameter in given.outputs.parameters.items():
            parameter.output_file = f"/tmp/kfp/outputs/{name}"
        given.outputs.output_file = f"{_local(task_root)}/output_metadata.json"
        self.given = given
        return given

    def launch(self, command: list[str], **_: Any) -> mock.Mock:
        """What the launcher does: inputs to the pod's disk, the container's command, outputs to object storage.

        Returns what stands for a container of Docker's that has ended.
        """
        for artifacts in self.given.inputs.artifacts.values():
            self.backend.download(artifacts.artifacts[0].uri, self.pod)
        outputs = {name: artifacts.artifacts[0].uri for name, artifacts in self.given.outputs.artifacts.items()}
        for folder in {os.path.dirname(_local(uri)) for uri in outputs.values()} | {"/tmp/kfp/outputs"}:
            self.pod.place(folder).mkdir(parents=True, exist_ok=True)
        code = self.pod.run(command, log := self.run.logs[self.name])
        shutil.copy(log, self.pod.place(_local(outputs[LOGS])))
        return mock.Mock(**{"logs.return_value": [], "wait.return_value": {"StatusCode": code}})

    def take_outputs(self, executor_input: ExecutorInput, component_spec: ComponentSpec) -> dict[str, Any]:
        """What the launcher tells ML Metadata of the outputs, and uploads."""
        told = executor_output_utils.load_executor_output(str(self.pod.place(executor_input.outputs.output_file)))
        parameters = {
            name: executor_output_utils.pb2_value_to_python(value) for name, value in told.parameter_values.items()
        }
        self.outputs = Values(
            executor_output_utils.cast_protobuf_numbers(parameters, component_spec.output_definitions.parameters)
        )
        assert set(self.outputs.parameters) == set(component_spec.output_definitions.parameters)
        assert set(told.artifacts) <= set(component_spec.output_definitions.artifacts)
        for name, artifacts in executor_input.outputs.artifacts.items():
            (artifact,) = artifacts.artifacts
            for said in told.artifacts[name].artifacts:
                artifact.uri = said.uri or artifact.uri
                artifact.metadata.MergeFrom(said.metadata)
            assert artifact.uri.startswith(self.loaded.pipeline_spec.default_pipeline_root), artifact
            self.backend.upload(artifact.uri, self.pod)
            metadata = json_format.MessageToDict(artifact.metadata)
            self.outputs.artifacts[name] = self.backend.recorded(name, artifact.uri, metadata)
        return {}


_CURRENT = threading.local()


@contextlib.contextmanager
def _in_place_of_the_sdks() -> Iterator[None]:
    client = mock.MagicMock()
    client.containers.run = lambda **given: _CURRENT.execution.launch(**given)
    replaced = [
        (docker, "from_env", lambda: client),
        # The SDK cuts "comp-" off, with which its own compiler begins the names of components.
        (executor_input_utils, "get_local_task_resource_name", lambda component: component),
        (executor_input_utils, "construct_executor_input", lambda **given: _CURRENT.execution.executor_input(**given)),
        (executor_output_utils, "get_outputs_for_task", lambda **given: _CURRENT.execution.take_outputs(**given)),
        # These two change what is global, and tasks run at the same time.
        (logging_utils, "local_logger_context", contextlib.nullcontext),
        (logging_utils, "indented_print", contextlib.nullcontext),
    ]
    with contextlib.ExitStack() as stack:
        for module, name, replacement in replaced:
            stack.enter_context(mock.patch.object(module, name, replacement))
        yield


def _arguments(inputs: TaskInputsSpec, of_run: dict[str, Any], of_tasks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    store = IOStore()
    for name, value in of_run.items():
        store.put_parent_input(name, value)
    for task, values in of_tasks.items():
        for name, value in values.items():
            store.put_task_output(task, name, value)
    return OrchestratorUtils.make_task_arguments(inputs, store)


def _property(value: Any) -> Any:
    """What becomes of the value of a property in ML Metadata (the backend's StructValueToMLMDValue, and back)."""
    if value is None:
        raise TypeError("the launcher fails on a null among the metadata of an output")
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return float(value)
    return {"list": value} if isinstance(value, list) else {"struct": value}


def _local(address: str) -> str:
    return address.replace(_SCHEME, _LOCAL, 1)


def _copy(source: Path, target: Path) -> None:
    """Files alone: object storage has no empty folders."""
    for file in [source] if source.is_file() else filter(Path.is_file, source.rglob("*")):
        to = target / file.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)
