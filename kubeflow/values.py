"""Values of a run's parameters that no step could use, found before the run begins, and again in the steps."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from drumline.pipeline.config import Config
from drumline.pipeline.profiles import LENGTHS, Gate

from drumline.errors import InputError


def check(values: Mapping[str, Any]) -> None:
    """values: some of kubeflow.parameters.PARAMETERS. Raises InputError."""
    Config("", LENGTHS[0], **{name: values[name] for name in ("profile", "seed") if name in values})
    check_steps(values.get("steps", 0))
    with_thresholds(Gate(0, 0), values.get("thresholds", {}))
    for name in ("corpus", "pattern"):
        if name in values and not values[name]:
            raise InputError(f"the parameter {name} is empty")
    for label, value in values.get("gpu_nodes", {}).items():
        if not isinstance(value, str):
            raise InputError(f"gpu_nodes: the value of a label is a text, and that of {label} is {value!r}")


def check_steps(steps: int) -> None:
    """Raises InputError."""
    if steps < 0:
        raise InputError(f"a training has 0 steps (those of the profile) or more, not {steps}")


def with_thresholds(gate: Gate, thresholds: Mapping[str, Any]) -> Gate:
    """Another gate. Raises InputError for what is no threshold."""
    known = {field.name: field.type for field in fields(Gate)}
    for name, value in thresholds.items():
        if name not in known:
            raise InputError(f"there is no threshold '{name}'; there are {', '.join(known)}")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"the threshold {name} must be a number, not {value!r}")
    return replace(gate, **{name: known[name](thresholds[name]) for name in thresholds})
