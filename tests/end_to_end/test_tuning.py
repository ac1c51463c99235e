"""A pipeline that searches sizes before it trains."""

import json

import pytest
import tensorflow as tf
from drumline.models import search
from drumline.models.kinds import Conv
from drumline.pipeline.config import Config
from drumline.pipeline.create_pipeline import create_pipeline
from drumline.pipeline.run_pipeline import run
from drumline.results.markdown import Setting, render_markdown
from drumline.results.report_facts import REPORT_FACTS
from drumline.results.store import all_results

from drumline.errors import InputError
from tests.end_to_end.songs import write_songs
from tests.end_to_end.test_pipeline import states
from tests.tiny_profile import write_profile

SEARCHED = """
training = { batch_size = 16, steps = 8, evaluate_every = 4, learning_rate = 1e-2 }
search = { trials = 3 }
conv.sizes = { history = 19, filters = 1, kernel = 4, pool = 2 }
"""


def newest(folder):
    return max(folder.iterdir(), key=lambda path: int(path.name))


def test_the_model_that_is_pushed_has_the_sizes_that_the_search_found_best(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(Conv, "search_space", {"filters": (16, 24), "kernel": (4,), "pool": (1, 2)})
    songs = write_songs(tmp_path / "songs", 30)
    config = Config(str(songs), 2, write_profile(tmp_path, SEARCHED), runs=tmp_path / "runs", tune=True)
    run(config)

    tuner = config.pipeline_root / "Tuner.conv"
    best = json.loads((newest(tuner / "best_hyperparameters") / "best_hyperparameters.txt").read_text())["values"]
    trials = json.loads((newest(tuner / "tuner_results") / "tuner_results.json").read_text())
    assert len(trials) == 3
    assert {name: min(trials, key=lambda trial: trial["score"])[name] for name in best} == best
    assert best["filters"] > 1

    lines = capfd.readouterr().out.splitlines()
    assert sum("conv: trial " in line for line in lines) == 3
    (chosen,) = (line for line in lines if "the search chose" in line)
    assert chosen.strip() == f"conv: the search chose {search.describe_values(best)}"

    pushed = tf.saved_model.load(str(newest(config.pushed("conv"))))
    shapes = [tuple(weight.shape) for weight in pushed.weights]
    assert (4, 9, best["filters"]) in shapes
    assert (16 // best["pool"], best["filters"], 9) in shapes

    (result,) = (result for result in all_results(config.metadata) if result.model == "conv")
    assert result.tuned
    assert {name: result.sizes[name] for name in best} == best
    assert "--seed 0 --tune" in render_markdown([result], Setting.here())
    facts = json.loads((newest(config.pipeline_root / "Report" / "report") / REPORT_FACTS).read_text())
    (reported,) = (model for model in facts["models"] if model["model"] == "conv")
    assert reported["sizes"] == result.sizes

    run(config)
    cached = states(config)
    assert cached["Tuner.conv", "CACHED"] == cached["Trainer.conv", "CACHED"] == 1


def test_only_the_simple_models_are_tuned_and_only_if_told():
    def tuners(**told) -> list[str]:
        nodes = [node.id for node in create_pipeline(Config("midi", 2, "paper", **told)).components]
        return sorted(node for node in nodes if node.startswith("Tuner"))

    assert tuners(tune=True) == ["Tuner.conv", "Tuner.lstm"]
    assert tuners() == []
    assert tuners(tune=True, models=("conv", "flat_vae")) == ["Tuner.conv"]
    with pytest.raises(InputError, match="nothing to tune: none of flat_vae has a search space"):
        Config("midi", 2, "paper", ("flat_vae",), tune=True)


@pytest.mark.parametrize(("value", "tune"), [(None, False), ("0", False), ("1", True)])
def test_the_environment_says_whether_to_tune(value, tune):
    environment = {"DRUMLINE_MIDI": "midi"} | ({"DRUMLINE_TUNE": value} if value else {})
    assert Config.from_environment(environment).tune is tune
    with pytest.raises(InputError, match="DRUMLINE_TUNE must be 0 or 1, not 'yes'"):
        Config.from_environment(environment | {"DRUMLINE_TUNE": "yes"})
