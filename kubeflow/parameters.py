"""The parameters of a run on Kubeflow: in the compiled file, and in the container of a step.

TFX knows parameters that stand for a whole execution property. Ours say less: which profile, which settings. So each
node that one concerns gets it as a further input, and `apply_parameters` makes the node's own properties of it in the
container.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from drumline.pipeline.config import Config
from drumline.pipeline.create_pipeline import make_custom_config
from drumline.pipeline.eval_config import make_eval_config
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs as keys
from tfx.utils import json_utils, proto_utils

from drumline.errors import InputError

PROFILE = "cpu"


@dataclass(frozen=True)
class Parameter:
    """type: of pipeline spec 2.1.  nodes: whose ids begin so take it."""

    type: str
    default: Any
    description: str
    nodes: tuple[str, ...] = ()


PARAMETERS = {
    "corpus": Parameter(
        "STRING",
        "/mnt/drumline/corpora",
        "Folder of MIDI files or archives; or an address such as gs://bucket/midi.",
        ("CorpusFingerprint", "MidiExampleGen"),
    ),
    "pattern": Parameter(
        "STRING",
        "*",
        "What to read in the corpus, such as span-{SPAN}/*: the latest span.",
        ("CorpusFingerprint", "MidiExampleGen"),
    ),
    "profile": Parameter(
        "STRING",
        PROFILE,
        "Profile of the models: demo, cpu, paper, or the path of a TOML file that the steps can read.",
        ("Trainer", "Tuner", "Evaluator"),
    ),
    "seed": Parameter("NUMBER_INTEGER", 0, "Random seed of the training.", ("Trainer", "Tuner")),
    "settings": Parameter(
        "STRUCT",
        {},
        'Overrides of the profile\'s settings by name, such as {"training.steps": 1000, "gate.accuracy": 0.5}.',
        ("Trainer", "Tuner", "Evaluator"),
    ),
    "gpu_nodes": Parameter("STRUCT", {}, "Labels of the cluster's nodes that train: a node selector."),
}
# What tells an Evaluator whose gate it holds; a constant of the node.
MODEL, BARS = "model", "bars"


def attach(spec: dict[str, Any], models: dict[str, str], bars: int) -> None:
    """Adds the parameters to a pipeline spec, in place.

    Args:
      spec: A PipelineSpec as JSON.
      models: By the id of each Evaluator, which model it evaluates.
      bars: Length of a window.
    """
    root = spec["root"]
    root["inputDefinitions"] = {
        "parameters": {
            name: {
                "parameterType": parameter.type,
                "defaultValue": parameter.default,
                "description": parameter.description,
                "isOptional": True,
            }
            for name, parameter in PARAMETERS.items()
        }
    }
    for node, task in root["dag"]["tasks"].items():
        definitions = spec["components"][node].setdefault("inputDefinitions", {}).setdefault("parameters", {})
        # A node takes the parameters of its kind: `Trainer-lstm` those of `Trainer`.
        given: dict[str, tuple[dict[str, Any], str]] = {
            name: ({"componentInputParameter": name}, parameter.type)
            for name, parameter in PARAMETERS.items()
            if node.partition("-")[0] in parameter.nodes
        }
        if node in models:
            # An Evaluator makes its whole configuration of the profile and the settings: TFX's own constant goes.
            del task["inputs"]["parameters"][keys.EVAL_CONFIG_KEY], definitions[keys.EVAL_CONFIG_KEY]
            given[MODEL] = {"runtimeValue": {"constant": models[node]}}, "STRING"
            given[BARS] = {"runtimeValue": {"constant": bars}}, "NUMBER_INTEGER"
        for name, (source, type_) in given.items():
            task.setdefault("inputs", {}).setdefault("parameters", {})[name] = source
            definitions[name] = {"parameterType": type_}


def apply_parameters(properties: dict[str, Any]) -> dict[str, Any]:
    """Returns the execution properties of a step, with the parameters of the run in place of what they stand for.

    Args:
      properties: Execution properties by name, parameters of the run among them.

    Raises:
      InputError: A value that no run could use.
    """
    # MidiExampleGen and WindowSchema have an execution property `bars` of their own.
    names = (*PARAMETERS, MODEL, BARS) if MODEL in properties else tuple(PARAMETERS)
    given = {name: properties[name] for name in names if name in properties}
    rest = {name: value for name, value in properties.items() if name not in given}
    if "corpus" in given:
        rest |= _read_properties(rest, **given)
    if "seed" in given:
        custom_config = _make_custom_config(json_utils.loads(rest[keys.CUSTOM_CONFIG_KEY]), **given)
        rest[keys.CUSTOM_CONFIG_KEY] = json_utils.dumps(custom_config)
    if MODEL in given:
        profile = _config(**given).model_profiles[given[MODEL]]
        rest[keys.EVAL_CONFIG_KEY] = proto_utils.proto_to_json(make_eval_config(profile))
    return rest


def check_values(values: Mapping[str, Any], bars: int) -> None:
    """Checks values of parameters before a run begins.

    Args:
      values: Some of PARAMETERS by name.
      bars: Length of the pipeline's windows.

    Raises:
      InputError: A value that no step could use.
    """
    profile = values.get("profile", PROFILE)
    # A file of the cluster cannot be read here.
    if not str(profile).endswith(".toml"):
        _config("", bars, profile, values.get("seed"), values.get("settings", {}))
    for name in ("corpus", "pattern"):
        if name in values and not values[name]:
            raise InputError(f"the parameter {name} is empty")
    for label, value in values.get("gpu_nodes", {}).items():
        if not isinstance(value, str):
            raise InputError(f"gpu_nodes: the value of a label is a text, and that of {label} is {value!r}")


def _read_properties(properties: dict[str, Any], corpus: str, pattern: str) -> dict[str, Any]:
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(properties[keys.INPUT_CONFIG_KEY], config)
    config.splits[0].pattern = pattern
    return {keys.INPUT_BASE_KEY: corpus, keys.INPUT_CONFIG_KEY: proto_utils.proto_to_json(config)}


def _make_custom_config(
    custom_config: dict[str, Any], profile: str, seed: int, settings: Mapping[str, Any]
) -> dict[str, Any]:
    model = custom_config["model"]
    config = _config(model, custom_config["bars"], profile, seed, settings)
    chosen = config.model_profiles[model]
    search = {"search": asdict(chosen.search)} if "search" in custom_config else {}
    return custom_config | make_custom_config(config, model, chosen) | search


def _config(
    model: str, bars: int, profile: str, seed: int | None = None, settings: Mapping[str, Any] | None = None
) -> Config:
    """Returns the run of one model, or of all for an empty name. Raises InputError."""
    overrides = tuple(f"{name}={_to_text(value)}" for name, value in (settings or {}).items())
    models = (model,) if model else ()
    return Config("", int(bars), profile, models, seed=None if seed is None else int(seed), settings=overrides)


def _to_text(value: Any) -> str:
    """Returns a JSON value as a setting has it on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value) if isinstance(value, float) else str(value)
