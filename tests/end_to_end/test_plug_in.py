"""A kind of model that Drumline does not know, named by the path of its class in a profile."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from drumline.commands.main import drumline
from drumline.pipeline.config import Config
from drumline.pipeline.run_pipeline import run
from drumline.results.report_facts import REPORT_FACTS
from drumline.serving.client import Client
from drumline.serving.server import ModelServer

from tests.end_to_end.songs import write_songs
from tests.tiny_profile import write_profile


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Config:
    """A finished run that tuned, trained, evaluated and pushed the model."""
    folder = tmp_path_factory.mktemp("plug-in")
    profile = write_profile(folder, 'bigram.kind = "tests.bigram:Bigram"\nsearch = { trials = 2 }\n')
    config = Config(str(write_songs(folder / "songs", 30)), 2, profile, runs=folder / "runs", tune=True)
    run(config)
    return config


def call(config: Config, *arguments: str) -> str:
    result = CliRunner().invoke(drumline, ["--runs", str(config.runs), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_new_kind_of_model_is_in_the_table_with_a_metric_of_its_own(config):
    (row,) = json.loads(call(config, "table", "--json"))
    assert (row["model"], row["blessed"], row["tuned"]) == ("bigram", True, True)
    assert row["metrics"]["hits_of_last_step"] > 0
    assert "bigram" in call(config, "table")


def test_a_new_kind_of_model_is_in_the_report(config):
    (report,) = (config.pipeline_root / "Report" / "report").iterdir()
    (model,) = json.loads((report / REPORT_FACTS).read_text())["models"]
    assert model["model"] == "bigram"
    assert model["examples"]


def test_a_new_kind_of_model_is_served_and_plays(config):
    with (
        ModelServer(config.serving, "127.0.0.1", 0, 0) as server,
        Client(f"127.0.0.1:{server.port}") as client,
    ):
        model = client.model("bigram-2bar")
        inputs = {"velocities": np.zeros((1, 16, 9), int), "temperature": [1.0], "seed": [[0, 1]]}
        assert model.call("continue", **inputs)["hits"].shape == (1, 32, 9)
    call(config, "generate", "--model", "bigram", "--count", "1", "--out", str(config.runs / "beats"))
    assert len(list((config.runs / "beats").glob("*.mid"))) == 1
