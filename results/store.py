"""Reading what runs reached: from the ML Metadata store and the files of its artifacts, without TFX."""

import math
from datetime import datetime
from pathlib import Path

from drumline.models.model_run import EPOCHS, read_epochs, read_record
from drumline.results.evaluation import EVALUATION, Evaluation
from drumline.results.report_facts import REPORT_FACTS
from drumline.results.run import ModelResult, Run, select_latest
from ml_metadata.errors import StatusError
from ml_metadata.metadata_store.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from drumline.errors import InputError
from drumline.folders import name_corpus
from drumline.metadata import check_store
from drumline.naming import INPUT_BASE, is_counter

_FINISHED = (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)


def read_runs(metadata: Path) -> list[Run]:
    """All runs that evaluated a model or wrote a report, by number.

    Args:
      metadata: The SQLite file of the ML Metadata store, in the folder of the runs.

    Raises:
      InputError: There is no store, or no run in it.
    """
    store = _open(metadata)
    models: dict[int, list[ModelResult]] = {}
    for execution in _find_executions(store, "Evaluator"):
        if result := _read_result(store, execution, metadata.parent):
            models.setdefault(result.run, []).append(result)
    reports: dict[int, Path] = {}
    for execution in _find_executions(store, "Report"):
        for report in _get_artifacts(store, execution, "report"):
            if Path(report.uri, REPORT_FACTS).exists():
                reports[_get_run(store, execution)] = Path(report.uri)
    numbers = sorted(models.keys() | reports.keys())
    return [Run(number, tuple(models.get(number, ())), reports.get(number)) for number in numbers]


def all_results(metadata: Path) -> list[ModelResult]:
    """Every evaluation, the latest last. Raises InputError where no run has evaluated a model."""
    results = [result for run in read_runs(metadata) for result in run.models]
    if not results:
        raise InputError(f"{metadata}: no run has evaluated a model yet; see runs/logs for what stopped it")
    return results


def latest_results(metadata: Path) -> list[ModelResult]:
    """The latest evaluation of each model and length. Raises InputError as `all_results` does."""
    return select_latest(all_results(metadata), lambda result: (result.bars, result.model))


def latest_of_seeds(metadata: Path) -> list[ModelResult]:
    """The latest evaluation of each model, length, profile, corpus and seed. Raises InputError as above."""
    return select_latest(
        all_results(metadata),
        lambda result: (result.bars, result.model, result.profile, result.corpus, result.seed),
    )


def _open(metadata: Path) -> MetadataStore:
    if not metadata.exists():
        raise InputError(f"{metadata}: no run yet; `./run demo` or `./run drumline train` makes one")
    check_store(metadata, to_write=False)
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(metadata)
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READONLY
    try:
        return MetadataStore(config)
    except (StatusError, RuntimeError) as error:
        raise InputError(f"{metadata}: not an ML Metadata store; name another folder by --runs") from error


def _find_executions(store: MetadataStore, kind: str) -> list[mlmd.Execution]:
    """The executions of all nodes of a kind, such as `Evaluator`, that finished or came from the cache, in order."""
    found = [
        execution
        for node in store.get_contexts_by_type("node")
        if kind in node.name.split(".")[1:2]
        for execution in store.get_executions_by_context(node.id)
        if execution.last_known_state in _FINISHED
    ]
    return sorted(found, key=_get_id)


def _get_id(execution: mlmd.Execution) -> int:
    return execution.id


def _get_run(store: MetadataStore, execution: mlmd.Execution) -> int:
    (run,) = (each for each in store.get_contexts_by_execution(execution.id) if each.type == "pipeline_run")
    return run.id


def _read_result(store: MetadataStore, execution: mlmd.Execution, runs: Path) -> ModelResult | None:
    """None where the files of the evaluation were deleted, or an older Drumline wrote them."""
    (evaluation,), (blessing,) = (_get_artifacts(store, execution, key) for key in ("evaluation", "blessing"))
    if not Path(evaluation.uri, EVALUATION).exists():
        return None
    # Not by the key of the input: where the model is its own baseline, one of the two keys is lost.
    trainer = _get_producer(store, blessing.custom_properties["current_model_id"].int_value)
    (model_run,) = _get_artifacts(store, trainer, "model_run")
    record = read_record(Path(model_run.uri))
    examples, *_ = _get_artifacts(store, execution, "examples")
    return ModelResult(
        model=record.model,
        bars=record.bars,
        profile=record.profile,
        midi=name_corpus(examples.custom_properties[INPUT_BASE].string_value, runs),
        date=datetime.fromtimestamp(execution.create_time_since_epoch / 1000),
        evaluation=Evaluation.load(evaluation.uri),
        blessed=bool(blessing.custom_properties["blessed"].int_value),
        sizes=record.sizes,
        training=record.training,
        counts={name: value.int_value for name, value in examples.custom_properties.items() if is_counter(name)},
        tuned=bool(_get_artifacts(store, trainer, "hyperparameters")),
        run=_get_run(store, execution),
        pushed=_read_pushed_version(store, blessing),
        paper_model=record.paper_model,
        **_read_duration(Path(model_run.uri, EPOCHS)),
    )


def _read_pushed_version(store: MetadataStore, blessing: mlmd.Artifact) -> str | None:
    """The version as which a Pusher pushed what was blessed."""
    events = store.get_events_by_artifact_ids([blessing.id])
    pushers = [event.execution_id for event in events if event.type == mlmd.Event.INPUT]
    versions = [
        pushed.custom_properties["pushed_version"].string_value
        for pusher in store.get_executions_by_id(pushers)
        for pushed in _get_artifacts(store, pusher, "pushed_model")
    ]
    return next(filter(None, versions), None)


def _read_duration(epochs: Path) -> dict[str, float]:
    """`steps` and `minutes` of training, from the last epoch."""
    if not epochs.exists():
        return {}
    last = read_epochs(epochs)[-1]
    return {"steps": last.get("step", math.nan), "minutes": last.get("minutes", math.nan)}


def _get_artifacts(store: MetadataStore, execution: mlmd.Execution, key: str) -> list[mlmd.Artifact]:
    """The inputs or outputs of an execution under a key."""
    events = store.get_events_by_execution_ids([execution.id])
    ids = [event.artifact_id for event in events if event.path.steps and event.path.steps[0].key == key]
    return store.get_artifacts_by_id(ids)


def _get_producer(store: MetadataStore, artifact_id: int) -> mlmd.Execution:
    """The execution that first put an artifact out; later ones took it from the cache."""
    events = store.get_events_by_artifact_ids([artifact_id])
    outputs = [event.execution_id for event in events if event.type == mlmd.Event.OUTPUT]
    return min(store.get_executions_by_id(outputs), key=_get_id)
