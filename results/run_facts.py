"""What the page of a run tells, from the artifacts of its nodes."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.models.preprocessing import frequencies
from drumline.models.progress import read_epochs
from drumline.models.trainer import RECORD
from drumline.results import evaluation as gate
from drumline.results.examples import Facts, Windows, examples_of, hits_of_each_drum, latent_map
from drumline.results.paper import paper_of
from tfx import v1 as tfx
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from drumline.folders import name_corpus
from drumline.machine import code_version, hardware, software
from drumline.naming import INPUT_BASE, SONG_ID, property_name

WORST_SONGS = 10
OF_A_MODEL = {  # what a model's branch leaves, by the first part of the input's name
    "model": tfx.types.standard_artifacts.Model,
    "model_run": tfx.types.standard_artifacts.ModelRun,
    "hyperparameters": tfx.types.standard_artifacts.HyperParameters,
    "baseline": tfx.types.standard_artifacts.Model,
    "evaluation": tfx.types.standard_artifacts.ModelEvaluation,
    "blessing": tfx.types.standard_artifacts.ModelBlessing,
    "pushed_model": tfx.types.standard_artifacts.PushedModel,
}


def collect_facts(inputs: dict[str, list], pipeline: str, runs: Path) -> Facts:
    """All that the page tells.

    inputs: those of Report.  runs: the folder of the runs; a corpus in it is named as `runs/...`.
    """
    of_models = {name: _inputs_of(inputs, name) for name in _models_of(inputs)}
    recipes = {name: _recipe(artifacts) for name, artifacts in of_models.items()}
    trained = next(iter(recipes.values()))
    midi = name_corpus(inputs["examples"][-1].get_string_custom_property(INPUT_BASE), runs)
    figures = gate.figures(next(iter(of_models.values()))["evaluation"].uri)
    windows = Windows.of_examples(_examples(inputs["examples"], "test"), trained["bars"] * STEPS_PER_BAR)
    return {
        "pipeline": pipeline,
        **{name: trained[name] for name in ("bars", "profile")},
        "corpus": midi.rstrip("/").rpartition("/")[2],
        "seed": trained["training"]["seed"],
        "code": code_version(),
        "date": datetime.now().isoformat(timespec="seconds"),
        "baselines": _baselines(figures),
        "models": [_model(recipes[name], artifacts, windows) for name, artifacts in of_models.items()],
        "data": _data(inputs, midi),
        "lineage": _lineage(inputs, midi, of_models, recipes),
    }


def _models_of(inputs: dict[str, list]) -> list[str]:
    """Returns the names of the models of a run."""
    return sorted(name.removeprefix("model_run_") for name in inputs if name.startswith("model_run_"))


def _inputs_of(inputs: dict[str, list], model: str) -> dict[str, Any]:
    """The artifacts of a model by kind, where there are any."""
    by_kind = {kind: inputs.get(f"{kind}_{model}") for kind in OF_A_MODEL}
    return {kind: artifacts[0] for kind, artifacts in by_kind.items() if artifacts}


def _recipe(artifacts: dict[str, Any]) -> Facts:
    """What Trainer wrote of it: `profile`, `model`, `bars`, `sizes`, `training`, `code`."""
    return json.loads((Path(artifacts["model_run"].uri) / RECORD).read_text())


def _examples(artifacts: list, split: str) -> Iterator[bytes]:
    """The tf.Examples of a split of the latest span."""
    pattern = io_utils.all_files_pattern(artifact_utils.get_split_uris(artifacts[-1:], split)[0])
    yield from tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(pattern)), "GZIP").as_numpy_iterator()


def _baselines(figures: dict[str, float]) -> Facts:
    sampled = {"majority": "majority", "repeat_bar": "repeat_bar_sampled"}
    return {
        name: {
            "teacher_forced_accuracy": figures[f"{name}_accuracy"],
            "teacher_forced_nonsilent_accuracy": figures[f"{name}_nonsilent_accuracy"],
            "sampled_accuracy": figures[f"{of_sampled}_accuracy"],
            "sampled_nonsilent_accuracy": figures[f"{of_sampled}_nonsilent_accuracy"],
            "onset_f1": figures.get(f"{name}_onset_f1"),
        }
        for name, of_sampled in sampled.items()
    }


def _model(recipe: Facts, artifacts: dict[str, Any], windows: Windows) -> Facts:
    model = tf.saved_model.load(path_utils.serving_model_path(artifacts["model"].uri))
    name, evaluation = recipe["model"], artifacts["evaluation"].uri
    paper = paper_of(name, recipe["bars"])
    return {
        "model": name,
        "kind": "autoencoder" if "encode" in model.signatures else "forecaster",
        "paper": dict(zip(("teacher_forced_accuracy", "sampled_accuracy"), paper, strict=True)) if paper else None,
        "metrics": gate.figures(evaluation),
        "intervals": gate.intervals(evaluation),
        "blessed": bool(artifacts["blessing"].get_int_custom_property("blessed")),
        "failures": [f"{name}: {failure}" for failure in gate.failures(evaluation)],
        "blessed_against": _producer(artifacts["baseline"]) if "baseline" in artifacts else None,
        "pushed": _pushed(artifacts.get("pushed_model")),
        "sizes": recipe["sizes"],
        "training": recipe["training"],
        "parameters": sum(int(tf.size(weight)) for weight in model.weights),
        "epochs": read_epochs(Path(artifacts["model_run"].uri) / "epochs.csv"),
        "slices": _slices(evaluation),
        "examples": examples_of(model.signatures, windows),
        "latent": latent_map(model.signatures, windows),
    }


def _pushed(artifact: Any) -> str | None:
    """The folder of the version that was pushed, below that of the runs."""
    if artifact is None or not artifact.get_int_custom_property("pushed"):
        return None
    return "/".join(Path(artifact.get_string_custom_property("pushed_destination")).parts[-3:])


def _slices(evaluation: str) -> list[Facts]:
    """Every slice by one feature; of the songs, those of the least sampled accuracy."""
    slices = [
        {"by": key[0][0], "is": str(key[0][1]), "windows": int(figures["example_count"]), "metrics": figures}
        for key, figures in gate.slices(evaluation)
        if len(key) == 1
    ]
    songs = sorted((s for s in slices if s["by"] == SONG_ID), key=lambda song: song["metrics"]["sampled_accuracy"])
    return [each for each in slices if each["by"] != SONG_ID] + songs[:WORST_SONGS]


def _data(inputs: dict[str, list], midi: str) -> Facts:
    counts = Counter()
    for artifact in inputs["examples"]:
        counts.update({name: artifact.get_int_custom_property(name) for name in _counters(artifact)})
    combinations = frequencies(tft.TFTransformOutput(artifact_utils.get_single_uri(inputs["transform_graph"])))
    rejected, hits = "rejected_", property_name("hits of ")
    as_read = {drum: counts[property_name(f"hits of {drum}")] for drum in DRUMS}
    return {
        "midi": midi,
        "counts": {name: count for name, count in counts.items() if not name.startswith((rejected, hits))},
        "rejections": {
            name.removeprefix(rejected).replace("_", " "): count
            for name, count in counts.items()
            if name.startswith(rejected) and count
        },
        # Examples of an older Drumline do not know what was read.
        "drums": ({"songs as read": as_read} if any(as_read.values()) else {})
        | {"training windows": hits_of_each_drum(combinations)},
        "combinations": list(combinations.items()),
    }


def _counters(artifact: Any) -> list[str]:
    """The names of its properties that MidiExampleGen's `Counts` made."""
    names = artifact.mlmd_artifact.custom_properties
    return [name for name in names if name.startswith(("files", "songs", "windows", "rejected", "hits"))]


def _lineage(
    inputs: dict[str, list], midi: str, of_models: dict[str, dict[str, Any]], recipes: dict[str, Facts]
) -> list[Facts]:
    """Rows from the data to the models, and what code made them on which machine."""
    rows = [("code", code_version(), software()), ("machine", hardware(), "")]
    for examples in inputs["examples"]:
        fingerprint = examples.get_string_custom_property("input_fingerprint")[:16]
        detail = f"{midi}, span {examples.get_int_custom_property('span')}, fingerprint {fingerprint}"
        rows.append(("examples", _producer(examples), detail))
    rows.append(("transform graph", _producer(inputs["transform_graph"][0]), ""))
    for name, artifacts in of_models.items():
        details = {"model": f"by the code {recipes[name]['code']}"}
        rows += [
            (f"{name}: {kind.replace('_', ' ')}", _producer(each), details.get(kind, ""))
            for kind, each in artifacts.items()
        ]
    return [dict(zip(("what", "is", "detail"), row, strict=True)) for row in rows]


def _producer(artifact: Any) -> str:
    """The node and its execution, which end an artifact's address: a number, or on Kubeflow a UUID before the key."""
    *_, node, key, execution = artifact.uri.rstrip("/").split("/")
    return f"{node}, execution {execution if execution.isdigit() else key}"
