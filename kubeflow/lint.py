"""What open-source Kubeflow Pipelines refuses, or only stumbles over in a run, found in a compiled file."""

import re
from collections.abc import Iterator
from typing import Any

SCHEMA_VERSION = "2.1.0"
OBJECT_STORAGE = re.compile(r"(minio|s3|gs)://[^/\s]\S*")
_LEGAL = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
_PINNED = re.compile(r"[^\s@]+(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})")
_LONGEST = 63  # of a label in Kubernetes


def find_faults(spec: dict[str, Any], platform: dict[str, Any] | None = None) -> list[str]:
    """One sentence a fault. spec: a PipelineSpec.  platform: the YAML's second document."""
    return [*_whole(spec), *_nodes(spec), *_parameters(spec), *_images(spec), *_pods(spec, platform or {})]


def _whole(spec: dict[str, Any]) -> Iterator[str]:
    if (version := spec.get("schemaVersion")) != SCHEMA_VERSION:
        yield f"its schema is {version}, and Kubeflow takes {SCHEMA_VERSION}"
    if not OBJECT_STORAGE.fullmatch(root := spec.get("defaultPipelineRoot", "")):
        yield f"artifacts go to '{root}', which is no object storage: minio://, s3:// or gs://"
    for name, executor in _executors(spec).items():
        for kind in set(executor) - {"container", "importer"}:
            yield f"{name} is a {kind}, which Kubeflow cannot run"
        if "lifecycle" in executor.get("container", {}):
            yield f"{name} has a lifecycle hook, which Kubeflow does not call"


def _nodes(spec: dict[str, Any]) -> Iterator[str]:
    tasks, components = _tasks(spec), spec.get("components", {})
    for node, task in tasks.items():
        if not _LEGAL.fullmatch(node) or len(node) > _LONGEST:
            yield f"'{node}' is no name for a node: letters, digits and hyphens, {_LONGEST} at most"
        if task["componentRef"]["name"] not in components:
            yield f"{node} is of a component that is not there, {task['componentRef']['name']}"
        for other in task.get("dependentTasks", []):
            if other not in tasks:
                yield f"{node} comes after {other}, which is not there"
        for key, producer, output, kind in _produced(task):
            made = _outputs(spec, tasks.get(producer), kind)
            if output not in made:
                yield f"the input {key} of {node} is the output {output} of {producer}, which is not there"
            elif producer not in task.get("dependentTasks", []):
                yield f"{node} takes {output} of {producer} and does not come after it"


def _produced(task: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Of each input that is another task's output: its name, the task, the output, and of which kind."""
    for kind, word in (("artifacts", "Artifact"), ("parameters", "Parameter")):
        for key, source in task.get("inputs", {}).get(kind, {}).items():
            if output := source.get(f"taskOutput{word}"):
                yield key, output["producerTask"], output[f"output{word}Key"], kind


def _outputs(spec: dict[str, Any], task: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    if task is None:
        return {}
    component = spec["components"].get(task["componentRef"]["name"], {})
    return component.get("outputDefinitions", {}).get(kind, {})


def _parameters(spec: dict[str, Any]) -> Iterator[str]:
    defined = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    used = {
        (node, source["componentInputParameter"])
        for node, task in _tasks(spec).items()
        for source in task.get("inputs", {}).get("parameters", {}).values()
        if "componentInputParameter" in source
    }
    for node, name in sorted(used):
        if name not in defined:
            yield f"{node} takes the parameter {name}, which the pipeline does not have"
    for name, definition in defined.items():
        if definition.get("isOptional") and "defaultValue" not in definition:
            yield f"the parameter {name} may be left out and has no default"
    for node, task in _tasks(spec).items():
        given = set(task.get("inputs", {}).get("parameters", {}))
        component = spec["components"].get(task["componentRef"]["name"], {})
        asked = component.get("inputDefinitions", {}).get("parameters", {})
        for name in sorted(given ^ set(asked)):
            if name in given or not asked[name].get("isOptional"):
                yield f"the parameter {name} of {node} is {'not defined' if name in given else 'not given'}"


def _images(spec: dict[str, Any]) -> Iterator[str]:
    containers = [executor["container"] for executor in _executors(spec).values() if "container" in executor]
    for image in sorted({container.get("image", "") for container in containers}):
        if not _PINNED.fullmatch(image):
            yield f"the image '{image}' has no tag but latest, or none, and could change between two steps"


def _pods(spec: dict[str, Any], platform: dict[str, Any]) -> Iterator[str]:
    pods = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    for name in set(pods) - set(_executors(spec)):
        yield f"Kubernetes is told of {name}, which is not there"


def _executors(spec: dict[str, Any]) -> dict[str, Any]:
    return spec.get("deploymentSpec", {}).get("executors", {})


def _tasks(spec: dict[str, Any]) -> dict[str, Any]:
    return spec["root"]["dag"]["tasks"]
