"""Collecting what the report of a run tells, from the artifacts of its nodes."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.models.model_run import EPOCHS, TrainingRecord, read_epochs, read_record
from drumline.models.preprocessing import frequencies
from drumline.results.baselines import SAMPLED, TEACHER_FORCED, list_beaten, read_baselines
from drumline.results.evaluation import Evaluation, Slice
from drumline.results.examples import Windows, count_hits, draw_latent_map, play_examples
from drumline.results.paper import find_in_paper
from drumline.results.report_facts import WORST_SONGS, DataFacts, LineageRow, ModelFacts, ReportFacts
from tfx import v1 as tfx
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from drumline.folders import name_corpus
from drumline.machine import code_version, hardware, software
from drumline.naming import INPUT_BASE, SONG_ID, is_counter, property_name

OF_A_MODEL = {  # what a model's branch leaves, by the first part of the input's name
    "model": tfx.types.standard_artifacts.Model,
    "model_run": tfx.types.standard_artifacts.ModelRun,
    "hyperparameters": tfx.types.standard_artifacts.HyperParameters,
    "baseline": tfx.types.standard_artifacts.Model,
    "evaluation": tfx.types.standard_artifacts.ModelEvaluation,
    "blessing": tfx.types.standard_artifacts.ModelBlessing,
    "pushed_model": tfx.types.standard_artifacts.PushedModel,
}

Inputs = dict[str, list[Any]]


@dataclass(frozen=True)
class _Branch:
    """What the nodes of a model left: artifacts by kind (OF_A_MODEL), and what those hold."""

    artifacts: dict[str, Any]
    record: TrainingRecord
    evaluation: Evaluation


def collect_facts(inputs: Inputs, pipeline: str, runs: Path) -> ReportFacts:
    """Everything that the report of a run tells.

    Args:
      inputs: The artifacts that the node Report gets, by the names of its inputs.
      pipeline: The name that the page has.
      runs: The folder of the runs; a corpus in it is named as `runs/...`.
    """
    branches = [_read_branch(_select_inputs(inputs, name)) for name in _list_models(inputs)]
    first = branches[0]
    midi = name_corpus(inputs["examples"][-1].get_string_custom_property(INPUT_BASE), runs)
    windows = Windows.of_examples(_read_examples(inputs["examples"], "test"), first.record.bars * STEPS_PER_BAR)
    return ReportFacts(
        pipeline=pipeline,
        bars=first.record.bars,
        profile=first.record.profile,
        corpus=midi.rstrip("/").rpartition("/")[2],
        seed=first.record.training["seed"],
        code=code_version(),
        date=datetime.now().isoformat(timespec="seconds"),
        baselines=read_baselines(first.evaluation.metrics),
        models=[_describe_model(branch, windows) for branch in branches],
        data=_describe_data(inputs, midi),
        lineage=_list_lineage(inputs, midi, branches),
    )


def _list_models(inputs: Inputs) -> list[str]:
    """The names of the models of a run."""
    return sorted(name.removeprefix("model_run_") for name in inputs if name.startswith("model_run_"))


def _select_inputs(inputs: Inputs, model: str) -> dict[str, Any]:
    """The artifacts of a model by kind, where there are any."""
    by_kind = {kind: inputs.get(f"{kind}_{model}") for kind in OF_A_MODEL}
    return {kind: artifacts[0] for kind, artifacts in by_kind.items() if artifacts}


def _read_branch(artifacts: dict[str, Any]) -> _Branch:
    record = read_record(Path(artifacts["model_run"].uri))
    return _Branch(artifacts, record, Evaluation.load(artifacts["evaluation"].uri))


def _read_examples(artifacts: list[Any], split: str) -> Iterator[bytes]:
    """The tf.Examples of a split of the latest span."""
    pattern = io_utils.all_files_pattern(artifact_utils.get_split_uris(artifacts[-1:], split)[0])
    yield from tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(pattern)), "GZIP").as_numpy_iterator()


def _describe_model(branch: _Branch, windows: Windows) -> ModelFacts:
    artifacts, record, evaluation = branch.artifacts, branch.record, branch.evaluation
    model = tf.saved_model.load(path_utils.serving_model_path(artifacts["model"].uri))
    paper = find_in_paper(record.paper_model, record.bars)
    return ModelFacts(
        model=record.model,
        kind="autoencoder" if "encode" in model.signatures else "forecaster",
        paper={TEACHER_FORCED: paper.teacher_forced, SAMPLED: paper.sampled} if paper else None,
        metrics=evaluation.metrics,
        intervals=evaluation.intervals,
        beats=list_beaten(evaluation.metrics),
        blessed=bool(artifacts["blessing"].get_int_custom_property("blessed")),
        failures=[str(failure) for failure in evaluation.failures],
        blessed_against=_name_producer(artifacts["baseline"]) if "baseline" in artifacts else None,
        pushed=_name_pushed(artifacts.get("pushed_model")),
        sizes=record.sizes,
        training=record.training,
        parameters=sum(int(tf.size(weight)) for weight in model.weights),
        epochs=[
            {name: value for name, value in epoch.items() if math.isfinite(value)}
            for epoch in read_epochs(Path(artifacts["model_run"].uri, EPOCHS))
        ],
        slices=_select_slices(evaluation),
        examples=play_examples(model.signatures, windows),
        latent=draw_latent_map(model.signatures, windows),
    )


def _name_pushed(artifact: Any) -> str | None:
    """The folder of the version that was pushed, below that of the runs."""
    if artifact is None or not artifact.get_int_custom_property("pushed"):
        return None
    return "/".join(Path(artifact.get_string_custom_property("pushed_destination")).parts[-3:])


def _select_slices(evaluation: Evaluation) -> list[Slice]:
    """Every slice by one feature; of the songs, those of the least sampled accuracy."""
    slices = [each for each in evaluation.slices if len(each.key) == 1]
    songs = sorted((each for each in slices if each.feature == SONG_ID), key=lambda song: song.metrics[SAMPLED])
    return [each for each in slices if each.feature != SONG_ID] + songs[:WORST_SONGS]


def _describe_data(inputs: Inputs, midi: str) -> DataFacts:
    counts: Counter[str] = Counter()
    for artifact in inputs["examples"]:
        names = filter(is_counter, artifact.mlmd_artifact.custom_properties)
        counts.update({name: artifact.get_int_custom_property(name) for name in names})
    combinations = frequencies(tft.TFTransformOutput(artifact_utils.get_single_uri(inputs["transform_graph"])))
    rejected, hits = "rejected_", property_name("hits of ")
    as_read = {drum: counts[property_name(f"hits of {drum}")] for drum in DRUMS}
    return DataFacts(
        midi=midi,
        counts={name: count for name, count in counts.items() if not name.startswith((rejected, hits))},
        rejections={
            name.removeprefix(rejected).replace("_", " "): count
            for name, count in counts.items()
            if name.startswith(rejected) and count
        },
        # Examples of an older Drumline do not know what was read.
        drums=({"songs as read": as_read} if any(as_read.values()) else {})
        | {"training windows": count_hits(combinations)},
        combinations=list(combinations.items()),
    )


def _list_lineage(inputs: Inputs, midi: str, branches: list[_Branch]) -> list[LineageRow]:
    """Rows from the data to the models, and what code made them on which machine."""
    rows = [LineageRow("code", code_version(), software()), LineageRow("machine", hardware())]
    for examples in inputs["examples"]:
        fingerprint = examples.get_string_custom_property("input_fingerprint")[:16]
        detail = f"{midi}, span {examples.get_int_custom_property('span')}, fingerprint {fingerprint}"
        rows.append(LineageRow("examples", _name_producer(examples), detail))
    rows.append(LineageRow("transform graph", _name_producer(inputs["transform_graph"][0])))
    for branch in branches:
        details = {"model": f"by the code {branch.record.code}"}
        rows += [
            LineageRow(
                f"{branch.record.model}: {kind.replace('_', ' ')}", _name_producer(artifact), details.get(kind, "")
            )
            for kind, artifact in branch.artifacts.items()
        ]
    return rows


def _name_producer(artifact: Any) -> str:
    """The node and its execution, which end an artifact's address: a number, or on Kubeflow a UUID before the key."""
    *_, node, key, execution = artifact.uri.rstrip("/").split("/")
    return f"{node}, execution {execution if execution.isdigit() else key}"
