"""The pipelines as files for open-source Kubeflow Pipelines 2.16: pipeline spec 2.1, and what Kubernetes is to know.

`drums-2bar.yaml` and `drums-16bar.yaml` beside this file are what `compiled` gives by default.
"""

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drumline.kubeflow import lint
from drumline.kubeflow.parameters import PARAMETERS, PROFILE, attach
from drumline.kubeflow.repairs import PAGE
from drumline.kubeflow.train_job import COMMAND, VOLUME, Workers, command
from drumline.kubeflow.yaml_text import dump_yaml
from drumline.pipeline.config import Config
from drumline.pipeline.create_pipeline import create_pipeline
from tfx import v1 as tfx
from tfx.v1.orchestration.experimental import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig

from drumline.errors import InputError

HERE = Path(__file__).parent
CLAIM = "drumline"
IMAGE = "drumline:0.1.0"
PIPELINE_ROOT = "minio://mlpipeline/v2/artifacts"
GPU = "nvidia.com/gpu"
_ON_VOLUME = ("CorpusFingerprint", "MidiExampleGen", "Trainer", "PushedFingerprint", "LastBlessed", "Pusher")
# What a node must not take from the cache: what it looks at is no input that the cache knows.
_LOOKS = ("CorpusFingerprint", "PushedFingerprint")
# Argo counts the last of these from the beginning of the first try: after it, nothing is tried again, and a try ends.
_RETRIES = {"maxRetryCount": 2, "backoffDuration": "30s", "backoffFactor": 2.0, "backoffMaxDuration": "1209600s"}


@dataclass(frozen=True)
class ClusterOptions:
    """What a compiled file says of the cluster.

    image: with a tag or digest.  gpus: of each machine that trains; 0 for none.  pipeline_root: where artifacts go,
    where a run is not told otherwise.  machines: how many train a model together; from 2 on in a TrainJob.

    Raises InputError where that is nonsense.
    """

    image: str = IMAGE
    gpus: int = 1
    pipeline_root: str = PIPELINE_ROOT
    machines: int = 1

    def __post_init__(self):
        if not self.image:  # TFX would take its own
            raise InputError("the image has no name; --image is that of kubeflow/Dockerfile in your registry")
        if self.gpus < 0:
            raise InputError(f"a machine has 0 GPUs or more, not {self.gpus}")
        if self.machines < 1:
            raise InputError(f"1 machine or more trains a model, not {self.machines}")

    def command(self, node: str) -> list[str]:
        """Of a node's container. A Trainer that others help only starts their job and waits."""
        return command(Workers(self.machines, self.image, self.gpus)) if self._shared(node) else COMMAND

    def _shared(self, node: str) -> bool:
        return self.machines > 1 and node.startswith("Trainer")

    def _trains(self, node: str) -> bool:
        return node.startswith(("Trainer", "Tuner")) and not self._shared(node)

    def resources(self, node: str) -> dict[str, Any]:
        """Of a node's container, as pipeline spec 2.1 has them. Transform holds all windows of a split at a time."""
        kind = node.partition("-")[0]
        requests, limits = ("1", "2Gi"), ("4", "8Gi")
        if kind in ("MidiExampleGen", "Transform", "Evaluator"):
            requests, limits = ("2", "4Gi"), ("8", "16Gi")
        if self._trains(node):
            requests, limits = ("2", "8Gi"), ("8", "32Gi")
        of_gpu = {"accelerator": {"resourceType": GPU, "resourceCount": str(self.gpus)}}
        return {
            "resourceCpuRequest": requests[0],
            "resourceMemoryRequest": requests[1],
            "resourceCpuLimit": limits[0],
            "resourceMemoryLimit": limits[1],
        } | (of_gpu if self.gpus and self._trains(node) else {})

    def pod(self, node: str) -> dict[str, Any]:
        """What Kubernetes is to know of a node, as a KubernetesExecutorConfig."""
        kind = node.partition("-")[0]
        volume = {"mountPath": str(VOLUME), "pvcNameParameter": {"runtimeValue": {"constant": CLAIM}}}
        mounts = {"pvcMount": [volume]} if kind in _ON_VOLUME else {}
        if not self._trains(node):
            return mounts
        # NCCL's GPUs of one machine talk through shared memory, of which a container has 64 MB.
        shared = {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "2Gi"}
        return mounts | {
            **({"emptyDirMounts": [shared]} if self.gpus > 1 else {}),
            "nodeSelector": {"nodeSelectorJson": {"componentInputParameter": "gpu_nodes"}},
            "tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}],
        }


def config_of(bars: int, models: tuple[str, ...] = (), *, tune: bool = False, profile: str = PROFILE) -> Config:
    """The run that a compiled file stands for, its parameters at their defaults. Raises InputError."""
    return Config(PARAMETERS["corpus"].default, bars, profile, models, VOLUME, tune=tune)


def compile_pipeline(config: Config, cluster: ClusterOptions = ClusterOptions()) -> str:
    """The YAML of a pipeline. Raises InputError where Kubeflow would refuse it."""
    pipeline = create_pipeline(config, on_kubeflow=True)
    judges = {}
    for node in pipeline.components:
        kind, _, model = node.id.partition(".")
        node.with_id(re.sub("[^a-zA-Z0-9]", "-", node.id))
        if kind == "Evaluator":
            judges[node.id] = model
    spec = _spec(pipeline, cluster)
    attach(spec, judges, config.bars)
    _complete_spec(spec, cluster)
    pods = {node: cluster.pod(node) for node in sorted(spec["root"]["dag"]["tasks"])}
    executors = {f"{node}_executor": pod for node, pod in pods.items() if pod}
    documents = [_sort_keys(spec), {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}]
    if faults := lint.find_faults(spec):
        raise InputError(f"{config.pipeline_name} would not run on Kubeflow Pipelines: {'; '.join(faults)}")
    return _HEAD.format(name=config.pipeline_name) + dump_yaml(documents)


def _sort_keys(spec: dict[str, Any]) -> dict[str, Any]:
    """The same with its keys in order: those of a proto's maps have none."""
    return json.loads(json.dumps(spec, sort_keys=True))


_HEAD = """\
# PIPELINE DEFINITION
# Name: {name}
# Written by ./run drumline kubeflow compile; do not edit.
"""


def _spec(pipeline: tfx.dsl.Pipeline, cluster: ClusterOptions) -> dict[str, Any]:
    """As TFX writes it."""
    config = KubeflowV2DagRunnerConfig(
        default_image=cluster.image, default_commands=COMMAND, use_pipeline_spec_2_1=True
    )
    with tempfile.TemporaryDirectory() as folder:
        job = KubeflowV2DagRunner(config, folder).run(pipeline, write_out=False)
    return job["pipelineSpec"]


def _complete_spec(spec: dict[str, Any], cluster: ClusterOptions) -> None:
    """What TFX does not write, or not so that Kubeflow takes it, in place."""
    spec["defaultPipelineRoot"] = cluster.pipeline_root
    page = {"artifactType": {"schemaTitle": "system.HTML", "schemaVersion": "0.0.1"}}
    spec["components"]["Report"]["outputDefinitions"]["artifacts"][PAGE] = page
    for node, task in spec["root"]["dag"]["tasks"].items():
        task["cachingOptions"] = {} if node.startswith(_LOOKS) else {"enableCache": True}
        task["retryPolicy"] = _RETRIES
        for source in task.get("inputs", {}).get("parameters", {}).values():
            if output := source.get("taskOutputParameter"):
                # TFX names another task than it makes.
                output["producerTask"] = output["producerTask"].removesuffix("_task")
        container = spec["deploymentSpec"]["executors"][spec["components"][node]["executorLabel"]]["container"]
        container.pop("lifecycle", None)  # Kubeflow never runs it: our entrypoint does.
        container["command"], container["resources"] = cluster.command(node), cluster.resources(node)
        # The entrypoint reads types off it, so it must know the parameters too.
        inputs = container["args"].index("--json_serialized_inputs_spec_args") + 1
        container["args"][inputs] = json.dumps(spec["components"][node].get("inputDefinitions", {}), sort_keys=True)
