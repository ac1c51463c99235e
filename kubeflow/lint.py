"""What open-source Kubeflow Pipelines refuses and TFX lets through, found in a compiled file."""

import re
from collections.abc import Iterator
from typing import Any

SCHEMA_VERSION = "2.1.0"
OBJECT_STORAGE = re.compile(r"(minio|s3|gs)://[^/\s]\S*")
_LEGAL = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
_PINNED = re.compile(r"[^\s@]+(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})")
_LONGEST = 63  # of a label in Kubernetes


def find_faults(spec: dict[str, Any]) -> list[str]:
    """One sentence a fault of a PipelineSpec."""
    return [*_storage(spec), *_executors(spec), *_nodes(spec), *_parameters(spec)]


def _storage(spec: dict[str, Any]) -> Iterator[str]:
    if not OBJECT_STORAGE.fullmatch(root := spec.get("defaultPipelineRoot", "")):
        yield f"artifacts go to '{root}', which is no object storage: minio://, s3:// or gs://"


def _executors(spec: dict[str, Any]) -> Iterator[str]:
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    for name, executor in executors.items():
        for kind in set(executor) - {"container", "importer"}:
            yield f"{name} is a {kind}, which Kubeflow cannot run"
    images = {executor["container"].get("image", "") for executor in executors.values() if "container" in executor}
    for image in sorted(images):
        if not _PINNED.fullmatch(image):
            yield f"the image '{image}' has no tag but latest, or none, and could change between two steps"


def _nodes(spec: dict[str, Any]) -> Iterator[str]:
    tasks = spec["root"]["dag"]["tasks"]
    for node, task in tasks.items():
        if not _LEGAL.fullmatch(node) or len(node) > _LONGEST:
            yield f"'{node}' is no name for a node: letters, digits and hyphens, {_LONGEST} at most"
        # TFX names another task than it makes, where an execution property is another node's output.
        for key, source in task.get("inputs", {}).get("parameters", {}).items():
            producer = source.get("taskOutputParameter", {}).get("producerTask", node)
            if producer not in tasks:
                yield f"the input {key} of {node} is an output of {producer}, which is not there"


def _parameters(spec: dict[str, Any]) -> Iterator[str]:
    defined = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for node, task in spec["root"]["dag"]["tasks"].items():
        for source in task.get("inputs", {}).get("parameters", {}).values():
            name = source.get("componentInputParameter")
            if name is not None and name not in defined:
                yield f"{node} takes the parameter {name}, which the pipeline does not have"
    for name, definition in defined.items():
        if definition.get("isOptional") and "defaultValue" not in definition:
            yield f"the parameter {name} may be left out and has no default"
