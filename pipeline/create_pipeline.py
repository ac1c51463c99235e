"""The one pipeline, for every length, profile and runner."""

import json
from dataclasses import asdict
from pathlib import Path

from tfx import v1 as tfx

import tensorflow_model_analysis as tfma  # isort: skip, complete only after tfx
from tfx.dsl.components.base.base_component import BaseComponent

from components import preprocessing, training, tuning
from components.latest_spans import LatestSpans
from components.midi_example_gen import MidiExampleGen
from components.strict_example_validator import StrictExampleValidator
from components.window_metric import ActiveUnits, HistogramDistance, OnsetScores, WindowMean, WindowRatio
from models.search import BOXES
from models.sizes import VaeSizes
from pipeline.config import Config
from pipeline.profiles import ModelProfile

SCHEMA = Path(__file__).parent.parent / "schema"
GAIN = "gain_over_majority"


def create_pipeline(config: Config) -> tfx.dsl.Pipeline:
    """The TFX pipeline of one window length with one branch a model."""
    example_gen = MidiExampleGen(config.midi, config.bars, config.pattern)
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    schema_gen = tfx.components.ImportSchemaGen(schema_file=str(SCHEMA / f"{config.bars}bar.pbtxt"))
    schema = schema_gen.outputs["schema"]
    validator = StrictExampleValidator(statistics=statistics_gen.outputs["statistics"], schema=schema)
    latest_spans = tfx.dsl.Resolver(
        strategy_class=LatestSpans,
        config={"spans": config.spans},
        examples=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Examples, producer_component_id=example_gen.id),
    ).with_id("LatestSpans")
    latest_spans.add_upstream_node(validator)
    examples = latest_spans.outputs["examples"]
    transform = tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=f"{preprocessing.__name__}.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
    )
    branches = [
        node
        for model, profile in config.model_profiles.items()
        for node in _model_branch(config, model, profile, examples, schema, transform)
    ]
    return tfx.dsl.Pipeline(
        pipeline_name=config.pipeline_name,
        pipeline_root=str(config.pipeline_root),
        components=[example_gen, statistics_gen, schema_gen, validator, latest_spans, transform, *branches],
        enable_cache=config.cache,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(config.metadata)),
        beam_pipeline_args=list(config.beam_pipeline_args),
    )


def _model_branch(config, model, profile: ModelProfile, examples, schema, transform) -> list[BaseComponent]:
    inputs = {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "schema": schema,
        "train_args": tfx.proto.TrainArgs(splits=["train"]),
        "eval_args": tfx.proto.EvalArgs(splits=["eval"]),
    }
    recipe = {
        "model": model,
        "bars": config.bars,
        "sizes": asdict(profile.sizes),
        "training": asdict(profile.training),
    }
    tuners = []
    if config.tune and model in BOXES:
        tuners = [
            tfx.components.Tuner(
                tuner_fn=f"{tuning.__name__}.tuner_fn",
                custom_config=recipe | {"search": asdict(profile.search)},
                **inputs,
            ).with_id(f"Tuner.{model}")
        ]
    trainer = tfx.components.Trainer(
        run_fn=f"{training.__name__}.run_fn",
        hyperparameters=tuners[0].outputs["best_hyperparameters"] if tuners else None,
        custom_config={
            "profile": config.profile,
            **recipe,
            "checkpoints": str(config.runs / "checkpoints"),
        },
        **inputs,
    ).with_id(f"Trainer.{model}")
    last_blessed = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        # By producer, so that the models of one pipeline are not taken for each other.
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model, producer_component_id=f"Trainer.{model}"),
        model_blessing=tfx.dsl.Channel(
            type=tfx.types.standard_artifacts.ModelBlessing, producer_component_id=f"Evaluator.{model}"
        ),
    ).with_id(f"LastBlessed.{model}")
    evaluator = tfx.components.Evaluator(
        examples=examples,
        example_splits=["test"],
        model=trainer.outputs["model"],
        baseline_model=last_blessed.outputs["model"],
        eval_config=eval_config(profile),
    ).with_id(f"Evaluator.{model}")
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(config.pushed(model)))
        ),
    ).with_id(f"Pusher.{model}")
    return [*tuners, trainer, last_blessed, evaluator, pusher]


def eval_config(profile: ModelProfile) -> tfma.EvalConfig:
    """TFMA's configuration: all metrics over the test songs, and the gate."""
    gate = profile.gate

    def at_least(value: float) -> tfma.GenericValueThreshold:
        return tfma.GenericValueThreshold(lower_bound={"value": value})

    no_worse = tfma.GenericChangeThreshold(
        direction=tfma.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -gate.loss}
    )
    thresholds = {
        "teacher_forced_accuracy": tfma.MetricThreshold(
            value_threshold=at_least(gate.accuracy), change_threshold=no_worse
        ),
        GAIN: tfma.MetricThreshold(value_threshold=at_least(gate.gain)),
    }
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name="evaluate", model_type="tf_generic")],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(
                        module=type(metric).__module__,
                        class_name=type(metric).__name__,
                        config=json.dumps(metric.get_config()),
                        threshold=thresholds.get(metric.name),
                    )
                    for metric in metrics(autoencoder=isinstance(profile.sizes, VaeSizes))
                ]
            )
        ],
        slicing_specs=[tfma.SlicingSpec()],
    )


def metrics(*, autoencoder: bool) -> list[tfma.metrics.Metric]:
    """Every metric of an autoencoder or of a forecaster."""
    accuracies = ("teacher_forced", "sampled", "majority", "repeat_bar", "repeat_bar_sampled")
    means = [f"{name}_accuracy" for name in accuracies] + ["sample_self_similarity", "data_self_similarity"]
    of_all = [
        *(WindowMean(name, of=name) for name in means),
        WindowMean(GAIN, of="teacher_forced_accuracy", minus="majority_accuracy"),
        *(WindowRatio(f"{name}_nonsilent_accuracy", of=f"{name}_nonsilent") for name in accuracies),
        OnsetScores("onset", of="sampled_onsets"),
        OnsetScores("repeat_bar_onset", of="repeat_bar_sampled_onsets"),
        HistogramDistance("histogram_distance", of="sample_histogram", to="data_histogram"),
    ]
    of_latent = [WindowMean(name, of=name) for name in ("kl", "shuffled_z_accuracy")] + [ActiveUnits("active_units")]
    return of_all + (of_latent if autoencoder else [])
