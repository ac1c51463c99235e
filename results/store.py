"""What the runs reached, from the ML Metadata store."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from drumline.models.kinds import find_kind
from drumline.models.progress import read_epochs
from drumline.models.search import read_search_result
from drumline.results import evaluation as gate
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

from drumline.errors import InputError
from drumline.folders import name_corpus

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
    sizes, training: fields of the dataclasses in `models.sizes`.  tuned: whether a search chose the sizes.
    steps, minutes: how long it was trained, all resumptions together.
    run: the number of the pipeline's run, of those of all pipelines.
    pushed: the version that it was pushed as; None where it was not.
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
    tuned: bool = False
    run: int = 0
    pushed: str | None = None

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


def all_results(metadata: Path) -> list[Result]:
    """Every evaluation, the latest last. Raises InputError where there was no run."""
    return _known(metadata, list(_results(metadata)))


def latest_results(metadata: Path) -> list[Result]:
    """The latest evaluation of each model and length. Raises InputError where there was no run."""
    return _latest_by(metadata, lambda result: (result.bars, result.model))


def latest_of_seeds(metadata: Path) -> list[Result]:
    """The latest evaluation of each model, length, profile, corpus and seed. Raises InputError as above."""
    return _latest_by(metadata, lambda result: (result.bars, result.model, result.profile, result.corpus, result.seed))


def _latest_by(metadata: Path, key: Callable[[Result], tuple]) -> list[Result]:
    """The last of the results that share a key, in the order of keys."""
    latest = {key(result): result for result in _results(metadata)}
    return _known(metadata, [latest[key] for key in sorted(latest)])


def _known(metadata: Path, results: list[Result]) -> list[Result]:
    if not results:
        raise InputError(f"{metadata}: no run has evaluated a model yet; see runs/logs for what stopped it")
    return results


def _results(metadata: Path) -> Iterator[Result]:
    """Every evaluation that a store knows, in the order in which they began."""
    store = store_of(metadata)
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


def store_of(metadata: Path) -> metadata_store.MetadataStore:
    """Raises InputError where nothing has run yet."""
    if not metadata.exists():
        raise InputError(f"{metadata}: no run yet; `./run demo` or `./run drumline train` makes one")
    return metadata_store.MetadataStore(tfx.orchestration.metadata.sqlite_metadata_connection_config(str(metadata)))


def _id(execution) -> int:
    return execution.id


def _result(store, execution, runs: Path) -> Result | None:
    """None where the evaluation's files were deleted."""
    (evaluation,), (blessing,) = (artifacts_of(store, execution, key) for key in ("evaluation", "blessing"))
    if not Path(evaluation.uri).exists():
        return None
    # Not by the key of the input: where the model is its own baseline, one of the two keys is lost.
    trainer = _producer(store, blessing.custom_properties["current_model_id"].int_value)
    custom_config = json.loads(trainer.custom_properties["custom_config"].string_value)
    (run,) = (each for each in store.get_contexts_by_execution(execution.id) if each.type == "pipeline_run")
    examples, *_ = artifacts_of(store, execution, "examples")
    example_gen = _producer(store, examples.id)
    return Result(
        model=custom_config["model"],
        bars=custom_config["bars"],
        profile=custom_config["profile"],
        midi=name_corpus(example_gen.custom_properties["input_base"].string_value, runs),
        date=datetime.fromtimestamp(execution.create_time_since_epoch / 1000),
        metrics=gate.figures(evaluation.uri),
        blessed=bool(blessing.custom_properties["blessed"].int_value),
        **_sizes(store, trainer, custom_config),
        training=custom_config["training"],
        counts={name: value.int_value for name, value in examples.custom_properties.items() if _is_int(value)},
        run=run.id,
        pushed=_pushed(store, blessing),
        **_trained(store, trainer),
    )


def _sizes(store, trainer, custom_config: dict[str, Any]) -> dict[str, Any]:
    """`sizes`: those of the profile, with what a search chose in their place; `tuned`: whether one did."""
    sizes, found = (
        find_kind(custom_config["kind"]).Sizes(**custom_config["sizes"]),
        artifacts_of(store, trainer, "hyperparameters"),
    )
    for hyperparameters in found:
        sizes = read_search_result(sizes, hyperparameters.uri)
    return {"sizes": asdict(sizes), "tuned": bool(found)}


def _pushed(store, blessing) -> str | None:
    """The version as which a Pusher pushed what was blessed."""
    events = store.get_events_by_artifact_ids([blessing.id])
    pushers = [event.execution_id for event in events if event.type == metadata_store_pb2.Event.INPUT]
    versions = [
        pushed.custom_properties["pushed_version"].string_value
        for pusher in store.get_executions_by_id(pushers)
        for pushed in artifacts_of(store, pusher, "pushed_model")
    ]
    return next(filter(None, versions), None)


def _trained(store, trainer) -> dict[str, float]:
    """`steps` and `minutes` of training, from the last of its epochs."""
    (model_run,) = artifacts_of(store, trainer, "model_run")
    path = Path(model_run.uri) / "epochs.csv"
    if not path.exists():
        return {}
    last = read_epochs(path)[-1]
    return {"steps": last.get("step", math.nan), "minutes": last.get("minutes", math.nan)}


def _is_int(value: metadata_store_pb2.Value) -> bool:
    return value.HasField("int_value")


def artifacts_of(store, execution, key: str) -> list[metadata_store_pb2.Artifact]:
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
