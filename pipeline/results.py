"""What the latest runs reached, from the ML Metadata store."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from rich.table import Table
from tfx import v1 as tfx

import tensorflow_model_analysis as tfma  # isort: skip, complete only after tfx

from drums.errors import InputError

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


@dataclass(frozen=True)
class Result:
    """The latest evaluation of a model. metrics: means over the windows of the test songs."""

    model: str
    bars: int
    profile: str
    corpus: str
    date: datetime
    metrics: dict[str, float]
    blessed: bool

    @property
    def beats(self) -> list[str]:
        """The baselines that its teacher-forced accuracy exceeds."""
        accuracy = self.metrics["teacher_forced_accuracy"]
        return [name for name, (forced, _) in BASELINES.items() if accuracy > self.metrics[forced]]


def latest_results(metadata: Path) -> list[Result]:
    """The latest evaluation of each model and length. Raises InputError where there was no run."""
    if not metadata.exists():
        raise InputError(f"{metadata}: no run yet; `./run demo` or `./run drums train` makes one")
    store = metadata_store.MetadataStore(tfx.orchestration.metadata.sqlite_metadata_connection_config(str(metadata)))
    evaluators = [
        store.get_executions_by_context(node.id)
        for node in store.get_contexts_by_type("node")
        if ".Evaluator." in node.name
    ]
    latest = [max(filter(_is_finished, of_node), key=_id, default=None) for of_node in evaluators]
    results = [_result(store, execution) for execution in latest if execution]
    if not results:
        raise InputError(f"{metadata}: no run has evaluated a model yet; see runs/logs for what stopped it")
    return sorted(results, key=lambda result: (result.bars, result.model))


def _id(execution) -> int:
    return execution.id


def _is_finished(execution) -> bool:
    return execution.last_known_state in (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED)


def _result(store, execution) -> Result:
    (evaluation,), (blessing,) = (_artifacts(store, execution, key) for key in ("evaluation", "blessing"))
    # Not by the key of the input: where the model is its own baseline, one of the two keys is lost.
    model = blessing.custom_properties["current_model_id"].int_value
    custom_config = json.loads(_producer(store, model).custom_properties["custom_config"].string_value)
    examples, *_ = _artifacts(store, execution, "examples")
    example_gen = _producer(store, examples.id)
    return Result(
        model=custom_config["model"],
        bars=custom_config["bars"],
        profile=custom_config["profile"],
        corpus=Path(example_gen.custom_properties["input_base"].string_value).name,
        date=datetime.fromtimestamp(execution.create_time_since_epoch / 1000),
        metrics=_metrics(evaluation.uri),
        blessed=bool(blessing.custom_properties["blessed"].int_value),
    )


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
