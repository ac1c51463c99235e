"""The container command of a step: each repair alone, and how the process ends."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from drumline.kubeflow import compile as compiling
from drumline.kubeflow import entrypoint, repairs
from drumline.kubeflow.repairs import Step, local, local_addresses, remote
from drumline.models.sizes import Training
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentInputsSpec, ExecutorInput
from tfx.orchestration.kubeflow.v2.container.kubeflow_v2_entrypoint_utils import parse_raw_artifact_dict
from tfx.types import standard_artifacts

from drumline.errors import InputError
from tests.end_to_end.songs import write_songs

SPEC = next(yaml.safe_load_all((compiling.HERE / "drums-2bar.yaml").read_text()))
NOT_PARSED = (AttributeError, ImportError, ValueError)


def arguments(
    node: str, inputs: dict[str, Any] | None = None, output_file: str = "/out.json", **parameters
) -> list[str]:
    """What the launcher gives to a node of the compiled file.

    inputs: of each artifact its address, or its address and metadata.  parameters: those that are no constants.
    """
    task, component = SPEC["root"]["dag"]["tasks"][node], SPEC["components"][node]
    constants = {
        name: value["runtimeValue"]["constant"]
        for name, value in task["inputs"]["parameters"].items()
        if "runtimeValue" in value
    }
    outputs = component["outputDefinitions"]["artifacts"]
    types = {name: output["artifactType"] for name, output in outputs.items()}
    types["executor-logs"] = {"schemaTitle": "system.Artifact"}
    given = {name: value if isinstance(value, tuple) else (value, {}) for name, value in (inputs or {}).items()}
    executor_input = {
        "inputs": {
            "parameterValues": constants | parameters,
            "artifacts": {
                name: artifact("7", uri, {"instanceSchema": ""}, metadata) for name, (uri, metadata) in given.items()
            },
        },
        "outputs": {
            "artifacts": {
                name: artifact(name, f"{os.path.dirname(output_file)}/{name}", type_) for name, type_ in types.items()
            },
            "outputFile": output_file,
        },
    }
    args = SPEC["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["args"]
    return [json.dumps(executor_input) if each == "{{$}}" else each for each in args]


def artifact(name: str, uri: str, type_: dict[str, str], metadata: Any = None) -> dict[str, Any]:
    return {"artifacts": [{"name": name, "uri": uri, "type": type_, "metadata": metadata or {}}]}


def step(*given, **more) -> Step:
    words = arguments(*given, **more)
    named = dict(zip(words[::2], words[1::2], strict=True))
    return Step(
        named["--executor_class_path"],
        json_format.Parse(named["--json_serialized_invocation_args"], ExecutorInput()),
        json_format.Parse(named["--json_serialized_inputs_spec_args"], ComponentInputsSpec()),
    )


# The repairs


def test_the_log_of_the_container_is_no_output_of_the_executor():
    trainer = step("Trainer-conv")
    with pytest.raises(NOT_PARSED):
        parse_raw_artifact_dict(trainer.executor_input.outputs.artifacts)
    repairs.logs_among_the_outputs(trainer)
    assert set(parse_raw_artifact_dict(trainer.executor_input.outputs.artifacts)) == {"model", "model_run"}


def test_the_page_for_the_ui_is_no_output_of_the_executor():
    given = step("Report", output_file="/minio/bucket/out.json")
    with pytest.raises(NOT_PARSED):
        parse_raw_artifact_dict({"page": given.executor_input.outputs.artifacts["page"]}, {})
    repairs.page_among_the_outputs(given)
    assert given.page == Path("/minio/bucket/page")
    assert "page" not in given.executor_input.outputs.artifacts
    other = step("Transform")
    repairs.page_among_the_outputs(other)
    assert other.page is None


def test_inputs_get_the_types_that_kfp_forgot():
    trainer = step("Trainer-conv", {"examples": "minio://b/examples", "transform_graph": "minio://b/graph"})
    with pytest.raises(NOT_PARSED):
        parse_raw_artifact_dict(trainer.executor_input.inputs.artifacts)
    repairs.inputs_without_types(trainer)
    parsed = parse_raw_artifact_dict(trainer.executor_input.inputs.artifacts)
    assert isinstance(parsed["examples"][0], standard_artifacts.Examples)
    assert isinstance(parsed["transform_graph"][0], standard_artifacts.TransformGraph)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("minio://bucket/a/model", "/minio/bucket/a/model"),
        ("gs://bucket/a/model", "/gcs/bucket/a/model"),
        ("s3://bucket/a/model", "/s3/bucket/a/model"),
    ],
)
def test_artifacts_are_read_from_where_the_launcher_has_them(address, path):
    pusher = step("Pusher-conv", {"model": (address, {"input_base": "gs://songs/midi"})})
    repairs.remote_addresses(pusher)
    (model,) = pusher.executor_input.inputs.artifacts["model"].artifacts
    assert model.uri == path
    # What is said of it, such as which corpus it came from, is no artifact that the launcher would have fetched.
    assert model.metadata["input_base"] == "gs://songs/midi"
    assert (local(address), remote(path)) == (path, address)


def test_artifacts_are_written_to_where_the_launcher_takes_them_from():
    trainer = step("Trainer-conv", output_file="s3://bucket/task/output_metadata.json")
    repairs.remote_addresses(trainer)
    assert trainer.executor_input.outputs.artifacts["model"].artifacts[0].uri == "/s3/bucket/task/model"


def test_other_places_stay_where_they_are():
    for place in ("/mnt/drumline/serving", "see minio://bucket", "hdfs://host/midi", ""):
        assert local(place) == remote(place) == place


def test_a_baseline_that_is_not_there_is_none(tmp_path):
    (tmp_path / "pushed").mkdir()
    inputs = {
        "model": "/nowhere",
        "baseline_conv": str(tmp_path / "pushed"),
        "baseline_lstm": str(tmp_path / "no-model-yet"),
    }
    report = step("Report", inputs)
    repairs.absent_baseline(report)
    # What else is not there is for the executor to say.
    assert set(report.executor_input.inputs.artifacts) == {"model", "baseline_conv"}


def test_a_baseline_that_was_there_and_is_gone_is_bad_input():
    last = ("minio://bucket/gone", {"pushed_version": "7"})
    evaluator = step("Evaluator-conv", {"baseline_model": last})
    repairs.remote_addresses(evaluator)
    with pytest.raises(InputError, match="minio://bucket/gone: the copy of the last blessed model is gone"):
        repairs.absent_baseline(evaluator)


def test_a_parameter_of_the_run_becomes_what_the_executor_knows():
    trainer = step("Trainer-conv", profile="demo", seed=3.0, settings={"training.steps": 20.0})
    repairs.parameters_of_the_run(trainer)
    assert {"profile", "seed", "settings"}.isdisjoint(trainer.properties)
    training = Training(**json.loads(trainer.properties["custom_config"])["training"])
    assert (training.steps, training.seed) == (20, 3)
    assert trainer.properties["run_fn"] == "drumline.models.trainer.run_fn"


def test_steps_that_no_parameter_concerns_keep_their_properties():
    for node in set(SPEC["root"]["dag"]["tasks"]):
        names = set(SPEC["components"][node]["inputDefinitions"]["parameters"])
        if names & set(SPEC["root"]["inputDefinitions"]["parameters"]):
            continue
        plain = step(node)
        before = plain.properties
        repairs.parameters_of_the_run(plain)
        assert plain.properties == before


def test_every_node_of_the_file_takes_the_defaults_of_the_parameters():
    declared = SPEC["root"]["inputDefinitions"]["parameters"]
    for node, task in SPEC["root"]["dag"]["tasks"].items():
        taken = task.get("inputs", {}).get("parameters", {})
        defaults = {
            name: declared[name]["defaultValue"] for name, of in taken.items() if "componentInputParameter" in of
        }
        each = step(node, **defaults)
        repairs.parameters_of_the_run(each)
        assert set(defaults).isdisjoint(each.properties), node


def test_whole_numbers_are_whole_again():
    generator = step("MidiExampleGen", corpus="/midi", pattern="*", fingerprint="f")
    assert generator.properties["bars"] == 2
    assert isinstance(generator.properties["bars"], int)
    judge = step("Evaluator-conv", profile="demo", settings={"gate.accuracy": 0.5, "gate.slice_songs": 5.0})
    assert json.dumps(judge.properties["settings"], sort_keys=True) == '{"gate.accuracy": 0.5, "gate.slice_songs": 5}'


def test_a_number_that_the_pipeline_calls_a_double_stays_one():
    trainer = step("Trainer-conv", rate=1.0)
    assert isinstance(trainer.properties["rate"], int)
    trainer.inputs_spec.parameters["rate"].parameter_type = repairs.ParameterType.NUMBER_DOUBLE
    assert isinstance(trainer.properties["rate"], float)


@pytest.mark.parametrize("spans", [(1,), (1, 2)])
def test_an_example_gen_reads_the_latest_span_and_tells_its_fingerprint(spans, tmp_path):
    for span in spans:
        write_songs(tmp_path / f"span-{span}", 1, bars=2)
    generator = step("MidiExampleGen", corpus=str(tmp_path), pattern="span-{SPAN}", fingerprint="of the cache")
    for repair in repairs.REPAIRS:
        repair(generator)
    (split,) = json.loads(generator.properties["input_config"])["splits"]
    assert split["pattern"] == f"span-{spans[-1]}"
    (examples,) = parse_raw_artifact_dict(generator.executor_input.outputs.artifacts)["examples"]
    assert examples.get_int_custom_property("span") == spans[-1]
    assert len(examples.get_string_custom_property("input_fingerprint")) == 64


def test_a_span_that_is_not_there_is_bad_input(tmp_path):
    generator = step("MidiExampleGen", corpus=str(tmp_path), pattern="span-{SPAN}", fingerprint="f")
    repairs.parameters_of_the_run(generator)
    with pytest.raises(InputError, match=r"no span to read \(Cannot find matching for split midi based on span-"):
        repairs.example_gen_without_driver(generator)


def test_other_steps_need_no_driver():
    trainer = step("Trainer-conv")
    before = ExecutorInput.FromString(trainer.executor_input.SerializeToString())
    repairs.example_gen_without_driver(trainer)
    assert trainer.executor_input == before


def test_what_is_said_of_outputs_names_their_addresses(tmp_path):
    file = tmp_path / "output_metadata.json"
    told = {"model": "/minio/bucket/model", "pushed_destination": "/mnt/drumline/serving/conv-2bar/1", "blessed": 1}
    file.write_text(json.dumps({"artifacts": {"blessing": artifact("b", "/gcs/bucket/blessing", {}, told)}}))
    local_addresses(file)
    expected = artifact("b", "gs://bucket/blessing", {}, told | {"model": "minio://bucket/model"})
    assert json.loads(file.read_text())["artifacts"]["blessing"] == expected


# The process


def test_a_step_runs_and_its_log_says_what_it_read_and_made(tmp_path, caplog):
    (tmp_path / "serving" / "17").mkdir(parents=True)
    (tmp_path / "serving" / "17" / "saved_model.pb").write_text("a model")
    output_file = tmp_path / "task" / "output_metadata.json"
    pushed = str(tmp_path / "serving")
    with caplog.at_level(logging.INFO, "drumline"):
        entrypoint.run(arguments("LastBlessed-conv", output_file=str(output_file), pushed=pushed))
    (model,) = json.loads(output_file.read_text())["artifacts"]["model"]["artifacts"]
    assert model["metadata"]["pushed_version"] == "17"
    assert list(Path(model["uri"]).rglob("saved_model.pb"))
    said = [record.getMessage() for record in caplog.records if record.name == "drumline"]
    assert said[0].startswith("drumline.components.last_blessed_model.Executor, code ")
    assert said[1:] == [f"property pushed: {pushed}", f'output model: {model["uri"]} {{"pushed_version": "17"}}']


class Ended(BaseException):
    """In place of the end of the process."""


@pytest.fixture
def ending(monkeypatch):
    """Runs `main` over a function in place of `run`; returns the exit code."""

    def end(code):
        raise Ended(code)

    def ended(run) -> int:
        monkeypatch.setattr(entrypoint, "run", run)
        with pytest.raises(Ended) as caught:
            entrypoint.main()
        return caught.value.args[0]

    monkeypatch.setattr(os, "_exit", end)
    for name in ("_log", "logging.shutdown"):
        monkeypatch.setattr(f"drumline.kubeflow.entrypoint.{name}", lambda: None)
    return ended


def test_a_step_that_ran_ends_with_0(ending, capsys):
    assert ending(lambda arguments: None) == 0
    assert capsys.readouterr().err == ""


def test_bad_input_is_one_sentence(ending, capsys):
    def refuse(arguments):
        raise InputError("/mnt/drumline/corpora: no drum window in its 2 MIDI files")

    assert ending(refuse) == 1
    assert capsys.readouterr().err == "Error: /mnt/drumline/corpora: no drum window in its 2 MIDI files\n"


def test_a_fault_leaves_its_traceback(ending, capsys):
    assert ending(lambda arguments: 1 / 0) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_the_log_has_warnings_once_and_no_chatter(monkeypatch, capsys):
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    monkeypatch.setattr(logging.getLogger("tensorflow"), "handlers", [logging.StreamHandler()])
    entrypoint._log()
    for name in ("absl", "apache_beam.io.iobase", "drumline"):
        logging.getLogger(name).info(f"{name} informs")
    for name in ("absl", "tensorflow", "apache_beam.io.gcp"):
        logging.getLogger(name).warning(f"{name} warns")
    logging.getLogger("tensorflow").error("tensorflow fails")
    said = [line.split(": ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert said == ["drumline informs", "apache_beam.io.gcp warns", "tensorflow fails"]


def test_the_process_ends_whatever_threads_there_are():
    program = (
        "import threading, drumline.kubeflow.entrypoint as e; "
        "threading.Thread(target=threading.Event().wait).start(); e.main()"
    )
    command = [
        sys.executable,
        "-c",
        program,
        *arguments("Trainer-conv", profile="demo", seed=0, settings={"training.steps": -1}),
    ]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith("Error: profile demo, lstm of 2 bars: training.steps:")
    assert "Traceback" not in finished.stderr
