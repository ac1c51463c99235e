"""What the runs reached, from the ML Metadata store."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from rich.table import Table
from tfx import v1 as tfx

import tensorflow_model_analysis as tfma  # isort: skip, complete only after tfx

from drums.errors import InputError
from models.progress import read_epochs

# J. Ortiz, "6.882 Final Project" (2020): teacher-forced and sampled accuracy by kind of model and bars.
PAPER = {
    ("simple", 2): (0.982, 0.834),
    ("simple", 16): (0.812, 0.392),
    ("hierarchical", 2): (0.963, 0.924),
    ("hierarchical", 16): (0.943, 0.893),
}
PAPER_KIND = {"lstm": "simple", "conv": "simple", "hierarchical_vae": "hierarchical"}
# The rows that need no training: their teacher-forced and sampled accuracy among an evaluation's metrics.
BASELINES = {
    "majority": ("majority_accuracy", "majority_accuracy"),
    "repeat_bar": ("repeat_bar_accuracy", "repeat_bar_sampled_accuracy"),
}
FINISHED = (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED)


@dataclass(frozen=True)
class Result:
    """An evaluation of a trained model.

    midi: what it was trained on, as the command line would have it; below the folder of the runs as `runs/...`.
    counts: the counters of its examples: `files`, `songs`, `windows`, `windows_in_train` and so on.
    sizes, training: fields of the dataclasses in `models.sizes`.
    steps, minutes: how long it was trained, all resumptions together.
    metrics: figures over the windows of the test songs, those of `pipeline.create_pipeline.metrics`.
    """

    model: str
    bars: int
    profile: str
    midi: str
    date: datetime
    metrics: dict[str, float]
    blessed: bool
    sizes: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    steps: float = math.nan
    minutes: float = math.nan

    @property
    def corpus(self) -> str:
        return Path(self.midi).name

    @property
    def seed(self) -> int:
        return self.training.get("seed", 0)

    @property
    def beats(self) -> list[str]:
        """The baselines that its teacher-forced accuracy exceeds."""
        accuracy = self.metrics["teacher_forced_accuracy"]
        return [name for name, (forced, _) in BASELINES.items() if accuracy > self.metrics[forced]]


def latest_results(metadata: Path) -> list[Result]:
    """The latest evaluation of each model and length. Raises InputError where there was no run."""
    return _latest_by(metadata, lambda result: (result.bars, result.model))


def latest_of_seeds(metadata: Path) -> list[Result]:
    """The latest evaluation of each model, length, profile, corpus and seed. Raises InputError as above."""
    return _latest_by(metadata, lambda result: (result.bars, result.model, result.profile, result.corpus, result.seed))


def _latest_by(metadata: Path, key: Callable[[Result], tuple]) -> list[Result]:
    """The last of the results that share a key, in the order of keys."""
    latest = {key(result): result for result in _results(metadata)}
    if not latest:
        raise InputError(f"{metadata}: no run has evaluated a model yet; see runs/logs for what stopped it")
    return [latest[key] for key in sorted(latest)]


def _results(metadata: Path) -> Iterator[Result]:
    """Every evaluation that a store knows, in the order in which they began."""
    if not metadata.exists():
        raise InputError(f"{metadata}: no run yet; `./run demo` or `./run drums train` makes one")
    store = metadata_store.MetadataStore(tfx.orchestration.metadata.sqlite_metadata_connection_config(str(metadata)))
    executions = [
        execution
        for node in store.get_contexts_by_type("node")
        if ".Evaluator." in node.name
        for execution in store.get_executions_by_context(node.id)
        if execution.last_known_state in FINISHED
    ]
    for execution in sorted(executions, key=_id):
        if result := _result(store, execution, metadata.parent):
            yield result


def _id(execution) -> int:
    return execution.id


def _result(store, execution, runs: Path) -> Result | None:
    """None where the evaluation's files were deleted."""
    (evaluation,), (blessing,) = (_artifacts(store, execution, key) for key in ("evaluation", "blessing"))
    if not Path(evaluation.uri).exists():
        return None
    # Not by the key of the input: where the model is its own baseline, one of the two keys is lost.
    trainer = _producer(store, blessing.custom_properties["current_model_id"].int_value)
    custom_config = json.loads(trainer.custom_properties["custom_config"].string_value)
    examples, *_ = _artifacts(store, execution, "examples")
    example_gen = _producer(store, examples.id)
    return Result(
        model=custom_config["model"],
        bars=custom_config["bars"],
        profile=custom_config["profile"],
        midi=_shown(Path(example_gen.custom_properties["input_base"].string_value), runs),
        date=datetime.fromtimestamp(execution.create_time_since_epoch / 1000),
        metrics=_metrics(evaluation.uri),
        blessed=bool(blessing.custom_properties["blessed"].int_value),
        sizes=custom_config["sizes"],
        training=custom_config["training"],
        counts={name: value.int_value for name, value in examples.custom_properties.items() if _is_int(value)},
        **_trained(store, trainer),
    )


def _trained(store, trainer) -> dict[str, float]:
    """`steps` and `minutes` of training, from the last of its epochs."""
    (model_run,) = _artifacts(store, trainer, "model_run")
    path = Path(model_run.uri) / "epochs.csv"
    if not path.exists():
        return {}
    last = read_epochs(path)[-1]
    return {"steps": last.get("step", math.nan), "minutes": last.get("minutes", math.nan)}


def _shown(midi: Path, runs: Path) -> str:
    """A corpus without the path of this machine."""
    return f"runs/{midi.relative_to(runs)}" if midi.is_relative_to(runs) else midi.name


def _is_int(value: metadata_store_pb2.Value) -> bool:
    return value.HasField("int_value")


def _artifacts(store, execution, key: str) -> list[metadata_store_pb2.Artifact]:
    """The inputs or outputs of an execution under a key."""
    events = store.get_events_by_execution_ids([execution.id])
    ids = [event.artifact_id for event in events if event.path.steps and event.path.steps[0].key == key]
    return store.get_artifacts_by_id(ids)


def _producer(store, artifact_id: int) -> metadata_store_pb2.Execution:
    """The execution that first put an artifact out; later ones took it from the cache."""
    events = store.get_events_by_artifact_ids([artifact_id])
    return min(
        store.get_executions_by_id(
            [event.execution_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT]
        ),
        key=_id,
    )


def _metrics(evaluation_uri: str) -> dict[str, float]:
    (_, metrics) = tfma.load_eval_result(evaluation_uri).slicing_metrics[0]
    return {name: value["doubleValue"] for name, value in metrics[""][""].items() if "doubleValue" in value}


def table(results: list[Result]) -> Table:
    """The table of accuracies, beside the paper's."""
    table = Table(
        title="Accuracy on held-out songs, beside the paper's on other data",
        caption="majority: always the commonest combination. repeat_bar: the bar before, again. A model that beats "
        "neither has learned nothing.",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for column in (
        "model",
        "bars",
        "teacher-forced",
        "paper",
        "sampled",
        "paper",
        "beats",
        "gate",
        "profile",
        "corpus",
    ):
        table.add_column(column, justify="left" if column in ("model", "beats", "gate") else "right", no_wrap=True)
    for bars in sorted({result.bars for result in results}):
        of_length = [result for result in results if result.bars == bars]
        latest = max(of_length, key=lambda result: result.date)
        for name, metrics in BASELINES.items():
            forced, sampled = (f"{latest.metrics[metric]:.3f}" for metric in metrics)
            table.add_row(name, str(bars), forced, "", sampled, "", "", "", "", latest.corpus)
        for result in of_length:
            table.add_row(*_row(result))
        table.add_section()
    return table


def _row(result: Result) -> list[str]:
    paper = PAPER.get((PAPER_KIND.get(result.model), result.bars))
    forced, sampled = (f"{value:.3f}" for value in paper) if paper else ("", "")
    return [
        result.model,
        str(result.bars),
        f"{result.metrics['teacher_forced_accuracy']:.3f}",
        forced,
        f"{result.metrics['sampled_accuracy']:.3f}",
        sampled,
        " and ".join(result.beats) or "neither",
        "blessed" if result.blessed else "not blessed",
        result.profile,
        result.corpus,
    ]
