"""Whole pipelines, on small songs and small models."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest
from drumline.pipeline.config import Config
from drumline.pipeline.profiles import Profile
from drumline.pipeline.run_pipeline import run
from drumline.play.pushed_models import pushed_model, pushed_models
from drumline.results.markdown import Setting, render_markdown
from drumline.results.report_facts import REPORT_FACTS
from drumline.results.report_files import reported_runs, write_report
from drumline.results.run import select_results
from drumline.results.store import all_results, latest_of_seeds, latest_results
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

from drumline.errors import InputError
from tests.end_to_end.songs import write_songs
from tests.tiny_profile import LSTM, write_profile

MODELS = ("lstm", "hierarchical_vae")
BEFORE_MODELS = [
    "MidiExampleGen",
    "StatisticsGen",
    "WindowSchema",
    "StrictExampleValidator",
    "LatestSpans",
    "Transform",
]
OF_A_MODEL = ["Trainer", "LastBlessed", "Evaluator", "Pusher"]


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("songs"), 30)


@pytest.fixture
def tiny(tmp_path) -> str:
    """The profile of two tiny models that pass any gate."""
    return write_profile(tmp_path)


def states(config: Config) -> Counter:
    """How many executions of each node the metadata store holds, by node and state."""
    store = metadata_store.MetadataStore(
        tfx.orchestration.metadata.sqlite_metadata_connection_config(str(config.metadata))
    )
    counted = Counter()
    for context in store.get_contexts_by_type("node"):
        node = context.name.removeprefix(f"{config.pipeline_name}.")
        for execution in store.get_executions_by_context(context.id):
            counted[node, metadata_store_pb2.Execution.State.Name(execution.last_known_state)] += 1
    return counted


def test_a_second_run_takes_from_the_cache_and_a_forced_one_does_not(songs, tiny, tmp_path, capfd):
    config = Config(str(songs), 2, tiny, runs=tmp_path)
    nodes = BEFORE_MODELS + [f"{node}.{model}" for model in MODELS for node in OF_A_MODEL] + ["Report"]

    run(config)
    first = states(config)
    assert first == {(node, "COMPLETE"): 1 for node in nodes}

    run(config)
    # Resolvers always run. The models that the first run blessed are new to the second: it compares with them,
    # pushes again, and has something else to report.
    again = [node for node in nodes if node.startswith(("LatestSpans", "LastBlessed", "Evaluator", "Pusher", "Report"))]
    second = states(config) - first
    assert second == {(node, "COMPLETE" if node in again else "CACHED"): 1 for node in nodes}

    run(replace(config, cache=False))
    third = states(config) - first - second
    assert third == {(node, "COMPLETE"): 1 for node in nodes}

    lines = capfd.readouterr().out
    assert all(lines.count(f"  {node} ") == 3 for node in nodes), lines
    assert "epoch 2/2" in lines
    assert "sampled accuracy" in lines
    assert "INFO" not in lines

    assert [model.name for model in pushed_models(config.serving)] == ["hierarchical_vae", "lstm"]
    for model in MODELS:
        beats = pushed_model(config.serving, model, 2).generate(3, temperature=1.0, seed=0)
        assert beats.shape == (3, 32, 9)
    results = latest_results(config.metadata)
    assert [(result.model, result.blessed, result.corpus) for result in results] == [
        ("hierarchical_vae", True, songs.name),
        ("lstm", True, songs.name),
    ]
    assert all(0 <= value <= 1 for result in results for name, value in result.metrics.items() if "accuracy" in name)
    assert all(result.steps == 4 and result.minutes > 0 and result.counts["windows_in_test"] for result in results)

    run(replace(config, seed=1, models=("lstm",)))
    results = latest_of_seeds(config.metadata)
    assert [(result.model, result.seed) for result in results] == [("hierarchical_vae", 0), ("lstm", 0), ("lstm", 1)]
    text = render_markdown(select_results(results), Setting.here())
    assert f"--profile tiny.toml --bars 2 --midi {songs.name} --seed 1" in text
    assert str(songs) not in text
    assert "| not measured |" not in text
    reports_tell_what_the_table_tells(config)


def reports_tell_what_the_table_tells(config: Config) -> None:
    results, reported = all_results(config.metadata), reported_runs(config.metadata)
    assert len(results) == 7
    assert sorted({result.run for result in results}) == sorted(reported)
    for number, folder in reported.items():
        facts = json.loads((folder / REPORT_FACTS).read_text())
        of_run = {result.model: result for result in results if result.run == number}
        assert {model["model"] for model in facts["models"]} == set(of_run)
        for model in facts["models"]:
            result = of_run[model["model"]]
            assert model["metrics"] == pytest.approx(result.metrics)
            assert model["pushed"] == f"serving/{model['model']}-2bar/{result.pushed}"
            assert len(model["epochs"]) == 2
            assert model["parameters"] > 0
            assert {part["key"][0][0] for part in model["slices"]} == {"song_id", "hits_per_bar", "distinct_bars"}
            assert model["blessed_against"] == (None if number == min(reported) else ANY)
        assert facts["data"]["counts"]["windows_in_test"] == results[0].counts["windows_in_test"]
        assert all(sum(hits.values()) > 0 for hits in facts["data"]["drums"].values())
        assert len(facts["data"]["drums"]) == 2
        assert facts["data"]["midi"] == Path(config.midi).name
        assert config.midi not in (folder / REPORT_FACTS).read_text()
        assert (folder / "index.html").read_text().startswith("<!doctype html>")
    first, second, *_ = sorted(reported)
    both = write_report(config.runs, [first, second])
    assert both == config.runs / "reports" / f"run-{first}-{second}.html"
    with pytest.raises(InputError, match=f"run 12345 has no report; there are those of {first}, {second}"):
        write_report(config.runs, [12345])


@pytest.mark.parametrize("model", Profile.read("demo").models(2))
def test_random_weights_do_not_pass_the_gate_of_the_demo_profile(model, songs, tmp_path, capfd):
    untrained = ("training.steps=1", "training.learning_rate=1e-9", "training.final_learning_rate=1e-9")
    config = Config(str(songs), 2, "demo", (model,), runs=tmp_path, settings=untrained)
    run(config)
    (result,) = latest_results(config.metadata)
    assert not result.blessed
    assert not pushed_models(config.serving)
    run(config)
    assert states(config)[f"Evaluator.{model}", "CACHED"] == 1
    lines = capfd.readouterr().out.splitlines()
    reasons = [line for line in lines if line.endswith("required (gain_over_majority)")]
    assert len(reasons) == 2, lines  # also from the cache
    assert all(reason.startswith("    not blessed: it is ") for reason in reasons)


@pytest.mark.parametrize("bars", [1, 4, 16])
def test_other_lengths_come_from_the_same_pipeline(bars, songs, tmp_path):
    config = Config(str(songs), bars, write_profile(tmp_path, LSTM, lengths=(bars,)), runs=tmp_path)
    run(config)
    assert pushed_model(config.serving, "lstm", bars).generate(1, 1.0, 0).shape == (1, 16 * bars, 9)
