"""The pipeline, for every length of window, profile and runner."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from drumline.components.evaluator import Evaluator
from drumline.components.last_blessed_model import LastBlessedModel, PushedFingerprint
from drumline.components.latest_spans import LatestSpans
from drumline.components.midi_example_gen import CorpusFingerprint, MidiExampleGen
from drumline.components.pusher import Pusher
from drumline.components.report import Report
from drumline.components.strict_example_validator import StrictExampleValidator
from drumline.components.window_schema import WindowSchema
from drumline.models import preprocessing, tfma_slices, trainer, tuner
from drumline.pipeline import infra_validation
from drumline.pipeline.config import Config
from drumline.pipeline.eval_config import make_eval_config
from drumline.pipeline.profiles import ModelProfile
from tfx import v1 as tfx
from tfx.dsl.components.base.base_node import BaseNode
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing


def create_pipeline(config: Config, *, on_kubeflow: bool = False) -> tfx.dsl.Pipeline:
    """Creates the TFX pipeline of one length of window.

    Args:
      config: The run.
      on_kubeflow: Whether open-source Kubeflow Pipelines is to run it. That has no Resolver, so a run there trains on
        the span that it read; no InfraValidator; and a cache that does not ask drivers, so the fingerprints of what is
        outside the pipeline have nodes of their own.

    Returns:
      Nodes that read, validate and transform the corpus; then for each model [Tuner], Trainer, Evaluator, Pusher;
      then Report.
    """
    nodes: list[BaseNode] = []

    fingerprint = None
    if on_kubeflow:
        corpus_fingerprint = CorpusFingerprint(config.midi, config.pattern)
        fingerprint = corpus_fingerprint.fingerprint
        nodes.append(corpus_fingerprint)

    # Reads MIDI files into windows of drum velocities, split by song.
    example_gen = MidiExampleGen(
        config.midi, config.bars, config.pattern, fingerprint, config.drum_map, config.channel, config.loops
    )
    nodes.append(example_gen)

    # Stops the run where the examples do not fit the curated schema.
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = WindowSchema(bars=config.bars)
    validator = StrictExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )
    nodes += [statistics_gen, schema_gen, validator]

    # Adds the examples of earlier spans.
    examples = example_gen.outputs["examples"]
    if not on_kubeflow:
        latest_spans = tfx.dsl.Resolver(
            strategy_class=LatestSpans,
            config={"spans": config.spans},
            examples=tfx.dsl.Channel(type=Examples, producer_component_id=example_gen.id),
        ).with_id("LatestSpans")
        latest_spans.add_upstream_node(validator)
        examples = latest_spans.outputs["examples"]
        nodes.append(latest_spans)

    # Encodes velocities as combinations, and counts each combination.
    transform = tfx.components.Transform(
        examples=examples,
        schema=schema_gen.outputs["schema"],
        preprocessing_fn=f"{preprocessing.__name__}.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
    )
    transform.add_upstream_node(validator)
    nodes.append(transform)

    data = _Data(examples, transform, schema_gen.outputs["schema"])
    outputs = {}
    for model, profile in config.model_profiles.items():
        branch, outputs[model] = _create_branch(config, model, profile, data, on_kubeflow)
        nodes += branch

    # Writes the report of the run.
    nodes.append(
        Report(
            pipeline=config.pipeline_name,
            runs=config.runs,
            examples=examples,
            transform_graph=transform.outputs["transform_graph"],
            of_models=outputs,
        )
    )

    return tfx.dsl.Pipeline(
        pipeline_name=config.pipeline_name,
        pipeline_root=str(config.pipeline_root),
        components=nodes,
        enable_cache=config.cache,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(config.metadata)),
        beam_pipeline_args=list(config.beam_pipeline_args),
    )


class _Data(NamedTuple):
    """What all models are trained and evaluated on."""

    examples: tfx.dsl.Channel
    transform: tfx.components.Transform
    schema: tfx.dsl.Channel


def _create_branch(
    config: Config, model: str, profile: ModelProfile, data: _Data, on_kubeflow: bool
) -> tuple[list[BaseNode], dict[str, tfx.dsl.Channel]]:
    """Returns the nodes of a model, and those of their outputs that the report tells of."""
    nodes: list[BaseNode] = []
    training_inputs = {
        "examples": data.transform.outputs["transformed_examples"],
        "transform_graph": data.transform.outputs["transform_graph"],
        "schema": data.schema,
        "train_args": tfx.proto.TrainArgs(splits=["train"]),
        "eval_args": tfx.proto.EvalArgs(splits=["eval"]),
    }
    custom_config = make_custom_config(config, model, profile)

    # Searches the sizes of the network.
    hyperparameters = None
    if config.tune and profile.kind.search_space:
        tuner_node = tfx.components.Tuner(
            tuner_fn=f"{tuner.__name__}.tuner_fn",
            custom_config=custom_config | {"search": asdict(profile.search)},
            **training_inputs,
        ).with_id(f"Tuner.{model}")
        hyperparameters = tuner_node.outputs["best_hyperparameters"]
        nodes.append(tuner_node)

    trainer_node = tfx.components.Trainer(
        run_fn=f"{trainer.__name__}.run_fn",
        hyperparameters=hyperparameters,
        custom_config=custom_config | {"checkpoints": str(config.runs / "checkpoints")},
        **training_inputs,
    ).with_id(f"Trainer.{model}")
    nodes.append(trainer_node)

    # Finds the model to beat: the last one that was blessed.
    pushed = str(config.pushed(model))
    if on_kubeflow:
        pushed_fingerprint = PushedFingerprint(pushed).with_id(f"PushedFingerprint.{model}")
        last_blessed = LastBlessedModel(pushed, pushed_fingerprint.fingerprint).with_id(f"LastBlessed.{model}")
        nodes.append(pushed_fingerprint)
    else:
        last_blessed = tfx.dsl.Resolver(
            strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
            # By producer, so that the models of one pipeline are not taken for each other.
            model=tfx.dsl.Channel(type=Model, producer_component_id=f"Trainer.{model}"),
            model_blessing=tfx.dsl.Channel(type=ModelBlessing, producer_component_id=f"Evaluator.{model}"),
        ).with_id(f"LastBlessed.{model}")
    nodes.append(last_blessed)

    # Blesses the model if it passes its gate on held-out songs.
    evaluator = Evaluator(
        examples=data.examples,
        example_splits=["test"],
        model=trainer_node.outputs["model"],
        baseline_model=last_blessed.outputs["model"],
        eval_config=make_eval_config(profile),
        module_path=tfma_slices.__name__,
    ).with_id(f"Evaluator.{model}")
    nodes.append(evaluator)

    # Checks that TensorFlow Serving loads it.
    infra_blessing = None
    if not on_kubeflow and infra_validation.docker_answers():
        infra_validator = infra_validation.validator(model, trainer_node.outputs["model"])
        infra_blessing = infra_validator.outputs["blessing"]
        nodes.append(infra_validator)

    destination = tfx.proto.PushDestination.Filesystem(base_directory=pushed)
    pusher = Pusher(
        model=trainer_node.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=infra_blessing,
        push_destination=tfx.proto.PushDestination(filesystem=destination),
    ).with_id(f"Pusher.{model}")
    nodes.append(pusher)

    outputs = {
        "model": trainer_node.outputs["model"],
        "model_run": trainer_node.outputs["model_run"],
        "baseline": last_blessed.outputs["model"],
        "evaluation": evaluator.outputs["evaluation"],
        "blessing": evaluator.outputs["blessing"],
        "pushed_model": pusher.outputs["pushed_model"],
    }
    if hyperparameters is not None:
        outputs["hyperparameters"] = hyperparameters
    return nodes, outputs


def make_custom_config(config: Config, model: str, profile: ModelProfile) -> dict[str, Any]:
    """Returns what Trainer and Tuner are told of a model; not the gate, so that another gate trains nothing anew."""
    return {
        "profile": Path(config.profile).name,
        "model": model,
        "kind": profile.kind_name,
        "bars": config.bars,
        "sizes": asdict(profile.sizes),
        "training": asdict(profile.training),
    }
