"""The one pipeline, for every length, profile and runner."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from drumline.components.evaluator import Evaluator
from drumline.components.last_blessed_model import LastBlessedModel, PushedFingerprint
from drumline.components.latest_spans import LatestSpans
from drumline.components.midi_example_gen import CorpusFingerprint, MidiExampleGen
from drumline.components.report import Report
from drumline.components.strict_example_validator import StrictExampleValidator
from drumline.models import preprocessing
from drumline.models import tfma_slices as slices
from drumline.models import trainer as training
from drumline.models import tuner as tuning
from drumline.models.search import BOXES
from drumline.pipeline import infra_validation as infra
from drumline.pipeline.config import Config
from drumline.pipeline.eval_config import eval_config
from drumline.pipeline.profiles import ModelProfile
from tfx import v1 as tfx
from tfx.dsl.components.base.base_component import BaseComponent

SCHEMA = Path(__file__).parent.parent / "schema"
SCHEMA_IN_IMAGE = Path("/drumline/schema")


def create_pipeline(config: Config, *, on_kubeflow: bool = False) -> tfx.dsl.Pipeline:
    """The TFX pipeline of one window length with one branch a model.

    on_kubeflow: with what open-source Kubeflow Pipelines can run. It has no Resolver, so a run there trains on the span
    that it read, no InfraValidator, and a cache that knows no driver, so the fingerprint of the files has a node.
    """
    fingerprints = [CorpusFingerprint(config.midi, config.pattern)] if on_kubeflow else []
    example_gen = MidiExampleGen(config.midi, config.bars, config.pattern, *(each.fingerprint for each in fingerprints))
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    folder = SCHEMA_IN_IMAGE if on_kubeflow else SCHEMA
    schema_gen = tfx.components.ImportSchemaGen(schema_file=str(folder / f"{config.bars}bar.pbtxt"))
    schema = schema_gen.outputs["schema"]
    validator = StrictExampleValidator(statistics=statistics_gen.outputs["statistics"], schema=schema)
    spans = [] if on_kubeflow else [_latest_spans(config, example_gen)]
    for latest_spans in spans:
        latest_spans.add_upstream_node(validator)
        examples = latest_spans.outputs["examples"]
    transform = tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=f"{preprocessing.__name__}.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
    )
    transform.add_upstream_node(validator)
    branches = {
        model: _branch(config, model, profile, examples, schema, transform, on_kubeflow)
        for model, profile in config.model_profiles.items()
    }
    report = Report(
        pipeline=config.pipeline_name,
        runs=config.runs,
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        of_models={model: branch.outputs for model, branch in branches.items()},
    )
    before = [*fingerprints, example_gen, statistics_gen, schema_gen, validator, *spans, transform]
    return tfx.dsl.Pipeline(
        pipeline_name=config.pipeline_name,
        pipeline_root=str(config.pipeline_root),
        components=[*before, *(node for branch in branches.values() for node in branch.nodes), report],
        enable_cache=config.cache,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(config.metadata)),
        beam_pipeline_args=list(config.beam_pipeline_args),
    )


def _latest_spans(config: Config, example_gen: MidiExampleGen) -> tfx.dsl.Resolver:
    examples = tfx.dsl.Channel(type=tfx.types.standard_artifacts.Examples, producer_component_id=example_gen.id)
    return tfx.dsl.Resolver(strategy_class=LatestSpans, config={"spans": config.spans}, examples=examples).with_id(
        "LatestSpans"
    )


class _Branch(NamedTuple):
    """The nodes of a model, and what they leave."""

    nodes: list[BaseComponent]
    outputs: dict[str, tfx.dsl.Channel]


def _branch(
    config: Config, model: str, profile: ModelProfile, examples, schema, transform, on_kubeflow: bool
) -> _Branch:
    inputs = {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "schema": schema,
        "train_args": tfx.proto.TrainArgs(splits=["train"]),
        "eval_args": tfx.proto.EvalArgs(splits=["eval"]),
    }
    described = recipe(config, model, profile)
    tuners = []
    if config.tune and model in BOXES:
        tuners = [
            tfx.components.Tuner(
                tuner_fn=f"{tuning.__name__}.tuner_fn",
                custom_config=described | {"search": asdict(profile.search)},
                **inputs,
            ).with_id(f"Tuner.{model}")
        ]
    trainer = tfx.components.Trainer(
        run_fn=f"{training.__name__}.run_fn",
        hyperparameters=tuners[0].outputs["best_hyperparameters"] if tuners else None,
        custom_config=described | {"checkpoints": str(config.runs / "checkpoints")},
        **inputs,
    ).with_id(f"Trainer.{model}")
    pushed = str(config.pushed(model))
    *before, last_blessed = _last_pushed(model, pushed) if on_kubeflow else [_last_blessed(model)]
    evaluator = Evaluator(
        examples=examples,
        example_splits=["test"],
        model=trainer.outputs["model"],
        baseline_model=last_blessed.outputs["model"],
        eval_config=eval_config(profile),
        module_path=slices.__name__,
    ).with_id(f"Evaluator.{model}")
    with_docker = not on_kubeflow and infra.docker_answers()
    validators = [infra.validator(model, trainer.outputs["model"])] if with_docker else []
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=validators[0].outputs["blessing"] if validators else None,
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=pushed)
        ),
    ).with_id(f"Pusher.{model}")
    outputs = {
        "model": trainer.outputs["model"],
        "model_run": trainer.outputs["model_run"],
        "baseline": last_blessed.outputs["model"],
        "evaluation": evaluator.outputs["evaluation"],
        "blessing": evaluator.outputs["blessing"],
        "pushed_model": pusher.outputs["pushed_model"],
    }
    if tuners:
        outputs["hyperparameters"] = tuners[0].outputs["best_hyperparameters"]
    return _Branch([*tuners, trainer, *before, last_blessed, evaluator, *validators, pusher], outputs)


def _last_blessed(model: str) -> tfx.dsl.Resolver:
    return tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        # By producer, so that the models of one pipeline are not taken for each other.
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model, producer_component_id=f"Trainer.{model}"),
        model_blessing=tfx.dsl.Channel(
            type=tfx.types.standard_artifacts.ModelBlessing, producer_component_id=f"Evaluator.{model}"
        ),
    ).with_id(f"LastBlessed.{model}")


def _last_pushed(model: str, pushed: str) -> list[BaseComponent]:
    """What finds the last blessed model where there is no Resolver; the node that has it as output comes last."""
    fingerprint = PushedFingerprint(pushed).with_id(f"PushedFingerprint.{model}")
    return [fingerprint, LastBlessedModel(pushed, fingerprint.fingerprint).with_id(f"LastBlessed.{model}")]


def recipe(config: Config, model: str, profile: ModelProfile) -> dict[str, Any]:
    """What Trainer and Tuner are told of a model."""
    return {
        "profile": config.profile,
        "model": model,
        "bars": config.bars,
        "sizes": asdict(profile.sizes),
        "training": asdict(profile.training),
    }
