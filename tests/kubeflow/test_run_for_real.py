"""Compiled files, run as a cluster runs them: each step in a pod of its own, by the command of its container.

The backend is imitated (tests/kubeflow/local_backend.py); the executors, the corpus and the models are real.
"""

import json
from pathlib import Path

import pytest
from drumline.kubeflow.compile import HERE, compile_pipeline, config_of
from drumline.kubeflow.repairs import PAGE as PAGE_OF_THE_UI
from drumline.models.model_run import RECORD
from drumline.play.pushed_models import pushed_model, pushed_models
from drumline.results.evaluation import Evaluation
from drumline.results.report_facts import PAGE, REPORT_FACTS
from drumline.results.report_page import format_value

from tests.end_to_end.songs import write_songs
from tests.kubeflow import pods
from tests.kubeflow.local_backend import Backend, Run

NO_PODS = pods.unavailable()
pytestmark = [
    pytest.mark.skipif(bool(NO_PODS), reason=f"no pods on this machine: {NO_PODS}"),
    pytest.mark.timeout(3600),  # the first test waits for a whole run, and the machine may have other work
]
MODELS = ("conv", "flat_vae", "hierarchical_vae", "lstm")
OF_A_MODEL = ("Trainer", "PushedFingerprint", "LastBlessed", "Evaluator", "Pusher")
BEFORE_MODELS = {
    "CorpusFingerprint",
    "MidiExampleGen",
    "StatisticsGen",
    "WindowSchema",
    "StrictExampleValidator",
    "Transform",
}
ANY_MODEL = {
    "gate.accuracy": 0.0,
    "gate.gain_over_majority": -1.0,
    "gate.gain_over_repeat_bar": -1.0,
    "gate.kl": 0.0,
    "gate.gain_from_z": -1.0,
    "gate.slice_accuracy": 0.0,
    "gate.allowed_loss": 1.0,
}
NO_MODEL = ANY_MODEL | {"gate.accuracy": 0.999}
PARAMETERS = {"profile": "demo", "pattern": "span-{SPAN}", "settings": ANY_MODEL | {"training.steps": 20}}


def of_models(*kinds: str, models: tuple[str, ...] = MODELS) -> set[str]:
    return {f"{kind}-{model.replace('_', '-')}" for kind in kinds for model in models}


@pytest.fixture(scope="module")
def backend(tmp_path_factory) -> Backend:
    """A cluster whose volume holds a corpus of one span."""
    cluster = Backend(tmp_path_factory.mktemp("cluster"))
    write_songs(cluster.claims / "drumline" / "corpora" / "span-1", 30)
    return cluster


@pytest.fixture(scope="module")
def first(backend) -> Run:
    """The tracked file, on an empty cluster."""
    return backend.run(HERE / "drums-2bar.yaml", **PARAMETERS)


@pytest.fixture(scope="module")
def second(backend, first) -> Run:
    """The same once more, with nothing changed."""
    return backend.run(HERE / "drums-2bar.yaml", **PARAMETERS)


@pytest.fixture(scope="module")
def of_one_model(tmp_path_factory) -> Path:
    """A file of the same pipeline with one model."""
    file = tmp_path_factory.mktemp("compiled") / "conv.yaml"
    file.write_text(compile_pipeline(config_of(2, ("conv",))))
    return file


@pytest.fixture(scope="module")
def refused(backend, second, of_one_model) -> Run:
    """One model, on a new span, with a gate that lets nothing through."""
    write_songs(backend.claims / "drumline" / "corpora" / "span-2", 45, bars=24)
    return backend.run(of_one_model, **PARAMETERS | {"settings": NO_MODEL | {"training.steps": 10}})


def artifact(run: Run, task: str, name: str):
    return run.outputs[task].artifacts[name]


def facts_of(backend: Backend, run: Run) -> dict:
    return json.loads((backend.place(artifact(run, "Report", "report").uri) / REPORT_FACTS).read_text())


def of_model(facts: dict, name: str) -> dict:
    return next(model for model in facts["models"] if model["model"] == name)


def lineage(facts: dict) -> dict[str, str]:
    return {row["what"]: f"{row['name']}, {row['detail']}" for row in facts["lineage"]}


def serving(backend: Backend) -> Path:
    return backend.claims / "drumline" / "serving"


def versions(backend: Backend, model: str) -> list[str]:
    return sorted(folder.name for folder in (serving(backend) / f"{model}-2bar").iterdir())


def test_every_step_of_the_tracked_file_runs(first):
    assert not first.failed, "\n".join(map(first.log, first.failed))
    assert first.ran == BEFORE_MODELS | of_models(*OF_A_MODEL) | {"Report"}


def test_the_pushed_models_load_and_sample(backend, first):
    assert tuple(model.name for model in pushed_models(serving(backend))) == MODELS
    for model in MODELS:
        beats = pushed_model(serving(backend), model, 2).generate(2, temperature=1.0, seed=0)
        assert beats.shape == (2, 32, 9)
        assert set(beats.ravel()) <= {0, 1}


def test_the_parameters_of_the_run_take_effect(backend, first):
    record = json.loads((backend.place(artifact(first, "Trainer-conv", "model_run").uri) / RECORD).read_text())
    assert (record["profile"], record["training"]["steps"], record["training"]["seed"]) == ("demo", 20, 0)
    metadata = artifact(first, "MidiExampleGen", "examples").metadata
    assert (metadata["input_base"], metadata["files"]) == ("/mnt/drumline/corpora", 30)
    assert lineage(facts_of(backend, first))["examples"].partition(", fingerprint")[0].endswith("span 1")


def test_the_report_names_the_figures_of_the_run(backend, first):
    facts = facts_of(backend, first)
    assert (facts["pipeline"], facts["profile"], facts["code"]) == ("drums-2bar", "demo", pods.IMAGE["DRUMLINE_CODE"])
    assert facts["data"]["counts"]["files"] == 30
    page = backend.place(artifact(first, "Report", PAGE_OF_THE_UI).uri).read_text()
    assert page == (backend.place(artifact(first, "Report", "report").uri) / PAGE).read_text()
    for name in MODELS:
        model, node = of_model(facts, name), name.replace("_", "-")
        figures = Evaluation.load(backend.place(artifact(first, f"Evaluator-{node}", "evaluation").uri)).metrics
        assert model["metrics"]["teacher_forced_accuracy"] == pytest.approx(figures["teacher_forced_accuracy"])
        assert format_value(model["metrics"]["teacher_forced_accuracy"]) in page
        assert (model["blessed"], model["failures"], model["blessed_against"]) == (True, [], None)
        version = artifact(first, f"Pusher-{node}", "pushed_model").metadata["pushed_version"]
        assert model["pushed"] == f"serving/{name}-2bar/{version}"


def test_a_second_run_takes_from_the_cache_what_has_not_changed(second):
    assert not second.failed, "\n".join(map(second.log, second.failed))
    assert second.cached == BEFORE_MODELS - {"CorpusFingerprint"} | of_models("Trainer")
    # The models that the first run blessed are new to it: it compares with them, pushes again and reports.
    assert second.ran == {"CorpusFingerprint", "Report"} | of_models(*set(OF_A_MODEL) - {"Trainer"})


def test_a_third_run_pushes_nothing_again(backend, second):
    before = {model: versions(backend, model) for model in MODELS}
    third = backend.run(HERE / "drums-2bar.yaml", **PARAMETERS)
    assert third.ran == {"CorpusFingerprint"} | of_models("PushedFingerprint")
    assert {model: versions(backend, model) for model in MODELS} == before


def test_a_second_run_compares_with_the_model_that_the_first_pushed(backend, first, second):
    for name in MODELS:
        node = name.replace("_", "-")
        last, blessing = (
            artifact(second, f"LastBlessed-{node}", "model"),
            artifact(second, f"Evaluator-{node}", "blessing"),
        )
        pushed = artifact(first, f"Pusher-{node}", "pushed_model").metadata["pushed_version"]
        assert last.metadata["pushed_version"] == pushed
        (copied,) = backend.place(last.uri).rglob("saved_model.pb")
        assert copied.read_bytes() == (serving(backend) / f"{name}-2bar" / pushed / "saved_model.pb").read_bytes()
        assert blessing.metadata["baseline_model"] == last.uri
        assert of_model(facts_of(backend, second), name)["blessed_against"].startswith(
            f"LastBlessed-{node}, execution "
        )


def test_a_gate_that_fails_stops_the_push(backend, second, refused):
    assert not refused.failed, "\n".join(map(refused.log, refused.failed))
    assert artifact(refused, "Pusher-conv", "pushed_model").metadata["pushed"] == 0
    latest = artifact(second, "Pusher-conv", "pushed_model").metadata["pushed_version"]
    assert versions(backend, "conv")[-1] == latest
    model = of_model(facts_of(backend, refused), "conv")
    assert (model["blessed"], model["pushed"]) == (False, None)
    (sentence,) = [line for line in refused.log("Evaluator-conv").splitlines() if "not blessed" in line]
    assert "not blessed: its teacher-forced accuracy is " in sentence
    assert "on all windows; at least 0.999 is required" in sentence


def test_a_corpus_that_changed_is_read_anew(backend, refused):
    assert refused.cached == {"WindowSchema", "LastBlessed-conv"}
    metadata = artifact(refused, "MidiExampleGen", "examples").metadata
    assert metadata["files"] == 45
    assert lineage(facts_of(backend, refused))["examples"].partition(", fingerprint")[0].endswith("span 2")


def test_a_corpus_without_songs_stops_the_run_with_one_sentence(backend, of_one_model):
    run = backend.run(of_one_model, corpus="/mnt/drumline/nothing")
    assert run.failed == {"MidiExampleGen"}
    assert set(run.outputs) == {"CorpusFingerprint", "WindowSchema", "PushedFingerprint-conv", "LastBlessed-conv"}
    log = run.log("MidiExampleGen")
    assert log.splitlines()[-1].startswith("Error: /mnt/drumline/nothing: no drum window in its 0 MIDI files")
    assert "Traceback" not in log


def test_the_log_of_a_step_is_short_and_says_what_came_of_it(refused):
    for task in refused.ran:
        lines = [line for line in refused.log(task).splitlines() if " INFO drumline: " in line]
        assert f"Executor, code {pods.IMAGE['DRUMLINE_CODE']}" in lines[0]
        assert any(" output " in line and "minio://mlpipeline/" in line for line in lines), task
        assert " done after " in lines[-1]
        assert len(refused.log(task)) < 20_000, task
    assert any("epoch 1/1" in line for line in refused.log("Trainer-conv").splitlines())
