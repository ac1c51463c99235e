"""A compiled pipeline as it goes to a server: its YAML, its nodes, and what its parameters take."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from drumline.kubeflow.lint import SCHEMA_VERSION
from drumline.pipeline.profiles import parse_value
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from drumline.errors import InputError

HERE = Path(__file__).parent
SETTINGS = "settings"  # the parameter that holds overrides of single settings, such as training.steps


@dataclass(frozen=True)
class Package:
    """text: the YAML, one document of the pipeline and, where there is one, one of the platform's."""

    text: str
    spec: pipeline_spec_pb2.PipelineSpec

    @property
    def name(self) -> str:
        return self.spec.pipeline_info.name

    @property
    def version(self) -> str:
        """Named by what is in it, so that the same is not uploaded twice; and by the pipeline, as a server that keeps
        versions as Kubernetes' own objects wants their names to differ in the whole namespace."""
        return f"{self.name}-{hashlib.sha256(self.text.encode()).hexdigest()[:12]}"

    @property
    def bars(self) -> int:
        """Length of the pipeline's windows; 0 where its name does not tell."""
        found = re.fullmatch(r"drums-(\d+)bar", self.name)
        return int(found[1]) if found else 0

    @property
    def nodes(self) -> list[str]:
        return sorted(self.spec.root.dag.tasks)

    def without_cache(self) -> "Package":
        """The same pipeline, every node of which runs. A run by itself has no such setting."""
        documents = [document for document in yaml.safe_load_all(self.text) if document]
        for document in documents:
            for task in document.get("root", {}).get("dag", {}).get("tasks", {}).values():
                task["cachingOptions"] = {}
        return parse_package(yaml.safe_dump_all(documents, sort_keys=False))

    def values(self, given: Iterable[str]) -> dict[str, Any]:
        """The values of parameters, each given as NAME=VALUE, as JSON has them. Raises InputError."""
        declared = self.spec.root.input_definitions.parameters
        values: dict[str, Any] = {}
        for one in given:
            name, equals, text = one.partition("=")
            if not equals:
                raise InputError(f"--param {one}: write it as NAME=VALUE")
            if "." in name and SETTINGS in declared:
                if name in values.get(SETTINGS, {}):
                    raise InputError(f"--param {one}: {name} is given twice")
                values.setdefault(SETTINGS, {})[name] = parse_value(text)
                continue
            if name not in declared:
                known = ", ".join(sorted(declared)) or "none"
                raise InputError(f"--param {one}: {self.name} has no parameter {name!r}; there are: {known}")
            if name in values:
                raise InputError(f"--param {one}: {name} is given twice")
            values[name] = _value(declared[name].parameter_type, one, text)
        if missing := [name for name in sorted(declared) if name not in values and _required(declared[name])]:
            raise InputError(f"{self.name} needs a value of {', '.join(missing)}: --param {missing[0]}=...")
        return values


def read_package(file_or_length: str) -> Package:
    """A compiled file, or that of a window length beside this module. Raises InputError."""
    path = Path(file_or_length)
    if file_or_length.isdecimal():
        path = HERE / f"drums-{int(file_or_length)}bar.yaml"
        if not path.exists():
            there = ", ".join(sorted(other.name for other in HERE.glob("drums-*bar.yaml")))
            raise InputError(
                f"{file_or_length}: there is no compiled pipeline of that length ({there}); "
                "`drumline kubeflow compile` writes one for each length of a profile"
            )
    try:
        return parse_package(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a file, or a length: 2 or 16") from error
    except (ValueError, TypeError, yaml.YAMLError, json_format.Error) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: no compiled pipeline ({reason}); `./run drumline kubeflow compile` writes one"
        ) from error


def parse_package(text: str) -> Package:
    """Raises ValueError, TypeError, yaml.YAMLError or json_format.Error where that is no compiled pipeline."""
    documents = [document for document in yaml.safe_load_all(text) if document]
    if not all(isinstance(document, dict) for document in documents):
        raise ValueError("not a mapping")
    specs = [document for document in documents if "pipelineInfo" in document]
    if len(specs) != 1:
        raise ValueError(f"{len(specs)} documents in it have a pipelineInfo")
    spec = json_format.ParseDict(specs[0], pipeline_spec_pb2.PipelineSpec())
    if spec.schema_version != SCHEMA_VERSION:
        raise ValueError(f"its schemaVersion is {spec.schema_version or 'not given'}, not {SCHEMA_VERSION}")
    if not spec.pipeline_info.name or not spec.root.dag.tasks:
        raise ValueError("it has no name or no node")
    return Package(text, spec)


def _required(declared: Any) -> bool:
    return not declared.is_optional and not declared.HasField("default_value")


def _value(parameter_type: int, one: str, text: str) -> Any:
    type_name = pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name(parameter_type)
    if type_name not in _TYPES:
        raise InputError(f"--param {one}: a parameter of type {type_name} cannot be given")
    parse, meant = _TYPES[type_name]
    try:
        return parse(text)
    except ValueError as error:
        raise InputError(f"--param {one}: not {meant}") from error


def _integer(text: str) -> int:
    value = int(text)
    if abs(value) > 2**53:
        raise ValueError("the server keeps numbers as doubles")
    return value


def _double(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("JSON has no such number")
    return value


def _boolean(text: str) -> bool:
    return text.lower() == "true" if text.lower() in ("true", "false") else _refuse(text)


def _json(wanted: type, text: str) -> Any:
    value = json.loads(text, parse_constant=_refuse)
    return value if isinstance(value, wanted) else _refuse(text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


_TYPES: dict[str, tuple[Callable[[str], Any], str]] = {
    "STRING": (str, "a text"),
    "NUMBER_INTEGER": (_integer, "a whole number (of at most 2**53)"),
    "NUMBER_DOUBLE": (_double, "a finite number"),
    "BOOLEAN": (_boolean, "true or false"),
    "LIST": (partial(_json, list), "a list in JSON, such as [1, 2]"),
    "STRUCT": (partial(_json, dict), 'an object in JSON, such as {"accuracy": 0.5}'),
}
