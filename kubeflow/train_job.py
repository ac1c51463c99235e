"""The container command of a Trainer step whose training several machines share: a TrainJob of Kubeflow Trainer 2.

    python -m drumline.kubeflow.train_job --nodes 2 --gpus 1 --cpu 8 --memory 32Gi --image IMAGE ARGUMENT...

ARGUMENTs are those of the step. Each worker of the job runs the step's usual command with them, but on the volume that
all mount: the inputs are copied there, each worker has a folder there for its outputs, and those of the first, the
chief, become the step's. What the workers have in common is kubeflow/manifests/train-job/runtime.yaml.
"""

import argparse
import hashlib
import json
import logging
import os
import shutil
import signal
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from drumline.kubeflow.repairs import local
from tfx.types.standard_component_specs import MODEL_KEY
from tfx.utils import path_utils

from drumline.errors import InputError

COMMAND = ["/drumline/run", "python", "-m", "drumline.kubeflow.entrypoint"]  # of a worker
VOLUME = Path("/mnt/drumline")
RUNTIME = "drumline"
PORT = 2222
CHIEF = 0
_INPUT, _OUTPUT = "--json_serialized_invocation_args", "output.json"
_WORKER = "DRUMLINE_WORKER"  # a worker's number
_ITS_NUMBER = f"$({_WORKER})"  # as Kubernetes puts it into arguments


@dataclass(frozen=True)
class Workers:
    """How many there are and what each has: cores and memory as Kubernetes counts them, a container image.

    Raises InputError where that would be no training of several.
    """

    nodes: int
    image: str
    gpus: int = 0
    cpu: str = "8"
    memory: str = "32Gi"

    def __post_init__(self):
        if self.nodes < 2:
            raise InputError(f"a TrainJob has 2 nodes or more, not {self.nodes}; on one, the step itself trains")
        if self.gpus < 0:
            raise InputError(f"a node of a TrainJob has 0 GPUs or more, not {self.gpus}")

    @property
    def resources(self) -> dict[str, str]:
        """Of one worker, by Kubernetes' names."""
        gpus = {"nvidia.com/gpu": str(self.gpus)} if self.gpus else {}
        return {"cpu": self.cpu, "memory": self.memory, **gpus}


def command(workers: Workers) -> list[str]:
    """The container command of a Trainer step that leaves its training to these workers."""
    options = [word for field in fields(Workers) for word in (f"--{field.name}", str(getattr(workers, field.name)))]
    return ["/drumline/run", "python", "-m", "drumline.kubeflow.train_job", *options]


class Shared:
    """A step's inputs and outputs on the volume that the workers share.

    name: of the TrainJob; the same for each attempt at the step, so that a later one takes the place of a dead one and
        finds its checkpoints.
    """

    def __init__(self, arguments: list[str], volume: Path = VOLUME):
        self._arguments, self._at = arguments, arguments.index(_INPUT) + 1
        self._step = json.loads(arguments[self._at])
        # Not by all outputs: the launcher gives the log of each attempt an address of its own.
        model = self._step["outputs"]["artifacts"][MODEL_KEY]["artifacts"][0]["uri"]
        self.name = f"drumline-{hashlib.sha256(model.encode()).hexdigest()[:16]}"
        self.folder = volume / "train_jobs" / self.name

    def bring(self, nodes: int) -> None:
        """Copies the inputs from where the launcher left them, and makes the workers' folders."""
        self.remove()
        for place, artifact in _artifacts(self._step["inputs"]):
            if Path(local(artifact["uri"])).exists():
                shutil.copytree(local(artifact["uri"]), self.folder / "inputs" / place)
        for worker in range(nodes):
            # TFX asks each worker for a model, but the chief alone exports one.
            exported = path_utils.serving_model_dir(str(self.folder / str(worker) / MODEL_KEY / "0"))
            Path(exported).parent.mkdir(parents=True)
            if worker != CHIEF:
                Path(exported).mkdir()

    def arguments(self) -> list[str]:
        """The step's, for workers that share its training, on the volume. Kubernetes puts the worker's number in."""
        arguments = [argument.replace("$", "$$") for argument in self._arguments]
        step = json.loads(arguments[self._at])
        values = step["inputs"].setdefault("parameterValues", {})
        values["settings"] = {**values.get("settings", {}), "training.strategy": "multi_worker"}
        for place, artifact in _artifacts(step["inputs"]):
            if Path(local(artifact["uri"])).exists():
                artifact["uri"] = str(self.folder / "inputs" / place)
        for place, artifact in _artifacts(step["outputs"]):
            artifact["uri"] = f"{self.folder}/{_ITS_NUMBER}/{place}"
        step["outputs"]["outputFile"] = f"{self.folder}/{_ITS_NUMBER}/{_OUTPUT}"
        arguments[self._at] = json.dumps(step)
        return arguments

    def fetch(self) -> None:
        """Copies the chief's outputs to where the launcher looks for the step's."""
        chief = self.folder / str(CHIEF)
        output = json.loads((chief / _OUTPUT).read_text())
        said = dict(_artifacts(output))
        for place, artifact in _artifacts(self._step["outputs"]):
            if (chief / place).exists():
                shutil.copytree(chief / place, local(artifact["uri"]), dirs_exist_ok=True)
            if place in said:
                said[place]["uri"] = artifact["uri"]
        file = Path(local(self._step["outputs"]["outputFile"]))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(output))

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _artifacts(side: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """All of the inputs or of the outputs, each with a path of its own."""
    by_name = side.get("artifacts", {}).items()
    return [(f"{name}/{number}", one) for name, listed in by_name for number, one in enumerate(listed["artifacts"])]


def manifest(name: str, workers: Workers, arguments: list[str], owner: tuple[str, str] | None = None) -> dict[str, Any]:
    """A TrainJob whose workers run a Trainer step together.

    arguments: of the step, as `Shared.arguments` gives them.  owner: name and uid of the pod that the job goes with.
    """
    # As JobSet names pods and their headless service.
    hosts = [f"{name}-node-0-{worker}.{name}:{PORT}" for worker in range(workers.nodes)]
    cluster = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": _ITS_NUMBER}}
    number = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
    metadata: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/part-of": "drumline"}}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": owner[0], "uid": owner[1]}]
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": metadata,
        "spec": {
            "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": RUNTIME},
            "trainer": {
                "image": workers.image,
                "numNodes": workers.nodes,
                "resourcesPerNode": {"requests": workers.resources, "limits": workers.resources},
                "command": COMMAND,
                "args": arguments,
                # In this order: a variable knows those before it.
                "env": [
                    {"name": _WORKER, "valueFrom": number},
                    {"name": "TF_CONFIG", "value": json.dumps(cluster)},
                ],
            },
        },
    }


def run(arguments: list[str]) -> None:
    """Has workers run the step that the command line describes. Raises InputError where the cluster refuses, or where
    the training fails.
    """
    from drumline.kubeflow.train_job_api import TrainJobs

    parser = argparse.ArgumentParser(allow_abbrev=False)
    for field in fields(Workers):
        parser.add_argument(f"--{field.name}", type=field.type, required=True)
    options, of_step = parser.parse_known_args(arguments)
    workers, shared, jobs = Workers(**vars(options)), Shared(of_step), TrainJobs.of_this_pod()
    name, uid = os.environ.get("KFP_POD_NAME"), os.environ.get("KFP_POD_UID")
    owner = (name, uid) if name and uid else None
    try:
        shared.bring(workers.nodes)
        jobs.run(manifest(shared.name, workers, shared.arguments(), owner))
        shared.fetch()
    finally:
        shared.remove()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the job is taken away, too
    try:
        run(sys.argv[1:])
    except InputError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
