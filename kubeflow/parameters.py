"""The parameters of a run on Kubeflow: in the compiled file, and in the container of a step.

TFX knows parameters that stand for a whole execution property. Ours say less: which profile, how many steps. So each
node that one concerns gets it as a further input, and `applied` makes the node's own properties of it in the container.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from drumline.kubeflow.values import check_steps, with_thresholds
from drumline.pipeline.config import Config
from drumline.pipeline.create_pipeline import recipe
from drumline.pipeline.eval_config import eval_config
from drumline.pipeline.profiles import ModelProfile
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs as keys
from tfx.utils import json_utils, proto_utils

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
        "The folder of MIDI files or archives; or an address such as gs://bucket/midi.",
        ("CorpusFingerprint", "MidiExampleGen"),
    ),
    "pattern": Parameter(
        "STRING",
        "*",
        "What to read in the corpus, such as span-{SPAN}/*: the latest span.",
        ("CorpusFingerprint", "MidiExampleGen"),
    ),
    "profile": Parameter(
        "STRING", PROFILE, "The sizes of models and training: demo, cpu or paper.", ("Trainer", "Tuner", "Evaluator")
    ),
    "seed": Parameter("NUMBER_INTEGER", 0, "Of the first weights and all that training draws.", ("Trainer", "Tuner")),
    "steps": Parameter("NUMBER_INTEGER", 0, "Of training; 0 stands for the profile's.", ("Trainer",)),
    "thresholds": Parameter(
        "STRUCT", {}, 'Instead of the gate of the profile, such as {"accuracy": 0.5, "gain": 0.1}.', ("Evaluator",)
    ),
    "gpu_nodes": Parameter("STRUCT", {}, "Labels of the nodes that train: a node selector."),
}
# What tells an Evaluator whose gate it holds; a constant of the node.
MODEL, BARS = "model", "bars"
# What tells a Trainer how it computes, where that is not as its profile says (see kubeflow.train_job).
STRATEGY = "strategy"


def attach(spec: dict[str, Any], models: dict[str, str], bars: int) -> None:
    """Adds the parameters to a pipeline spec, in place.

    models: by the id of each Evaluator, which model it judges.
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
        given = {
            name: ({"componentInputParameter": name}, parameter.type)
            for name, parameter in PARAMETERS.items()
            if node.partition("-")[0] in parameter.nodes
        }
        if node in models:
            # The whole of it, from the profile and the thresholds.
            del task["inputs"]["parameters"][keys.EVAL_CONFIG_KEY], definitions[keys.EVAL_CONFIG_KEY]
            given[MODEL] = {"runtimeValue": {"constant": models[node]}}, "STRING"
            given[BARS] = {"runtimeValue": {"constant": bars}}, "NUMBER_INTEGER"
        for name, (source, type_) in given.items():
            task.setdefault("inputs", {}).setdefault("parameters", {})[name] = source
            definitions[name] = {"parameterType": type_}


def apply_parameters(properties: dict[str, Any]) -> dict[str, Any]:
    """The execution properties of a step, with the parameters of the run in place of what they stand for.

    Raises InputError for a value that no run could use.
    """
    # The reading has an execution property `bars` of its own.
    names = (*PARAMETERS, MODEL, BARS) if MODEL in properties else (*PARAMETERS, STRATEGY)
    given = {name: properties[name] for name in names if name in properties}
    rest = {name: value for name, value in properties.items() if name not in given}
    if "corpus" in given:
        rest |= _reading(rest, **given)
    if "seed" in given:
        rest[keys.CUSTOM_CONFIG_KEY] = json_utils.dumps(
            _training(json_utils.loads(rest[keys.CUSTOM_CONFIG_KEY]), **given)
        )
    if MODEL in given:
        rest[keys.EVAL_CONFIG_KEY] = proto_utils.proto_to_json(eval_config(_judged(**given)))
    return rest


def _reading(properties: dict[str, Any], corpus: str, pattern: str) -> dict[str, Any]:
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(properties[keys.INPUT_CONFIG_KEY], config)
    config.splits[0].pattern = pattern
    return {keys.INPUT_BASE_KEY: corpus, keys.INPUT_CONFIG_KEY: proto_utils.proto_to_json(config)}


def _training(
    custom_config: dict[str, Any], profile: str, seed: int, steps: int = 0, strategy: str = ""
) -> dict[str, Any]:
    model, bars = custom_config["model"], custom_config["bars"]
    config = Config("", bars, profile, (model,), seed=int(seed))
    chosen = config.model_profiles[model]
    check_steps(steps)
    if steps:
        training = chosen.training
        shorter = replace(training, steps=int(steps), evaluate_every=min(training.evaluate_every, int(steps)))
        chosen = replace(chosen, training=shorter)
    if strategy:
        chosen = replace(chosen, training=replace(chosen.training, strategy=strategy))
    search = {"search": asdict(chosen.search)} if "search" in custom_config else {}
    return custom_config | recipe(config, model, chosen) | search


def _judged(model: str, bars: int, profile: str, thresholds: dict[str, float]) -> ModelProfile:
    """The model's profile with another gate."""
    chosen = Config("", int(bars), profile, (model,)).model_profiles[model]
    return replace(chosen, gate=with_thresholds(chosen.gate, thresholds))
