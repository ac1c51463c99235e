import copy
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from drumline.commands.main import drumline
from drumline.kubeflow import lint
from drumline.kubeflow.compile import GPU, IMAGE, ClusterOptions, compile_pipeline, config_of
from drumline.kubeflow.parameters import PARAMETERS
from drumline.kubeflow.train_job import COMMAND, VOLUME, Workers, command
from google.protobuf import json_format
from kfp.components import load_component_from_file
from kfp.pipeline_spec import pipeline_spec_pb2

from drumline.errors import InputError

FOLDER = Path(__file__).parent.parent.parent / "kubeflow"
FILES = {bars: FOLDER / f"drums-{bars}bar.yaml" for bars in (2, 16)}


def documents(bars=2):
    return tuple(yaml.safe_load_all(FILES[bars].read_text()))


@pytest.fixture(scope="module")
def small():
    """Two models, one of them tuned, for a cluster without GPUs."""
    text = compile_pipeline(
        config_of(2, ("conv", "flat_vae"), tune=True), ClusterOptions(image="registry/drumline:1", gpus=0)
    )
    return tuple(yaml.safe_load_all(text))


@pytest.mark.parametrize("bars", FILES)
def test_the_tracked_files_are_what_compiling_gives(bars):
    assert FILES[bars].read_text() == compile_pipeline(config_of(bars)), "stale: ./run drumline kubeflow compile"


@pytest.mark.parametrize("bars", FILES)
def test_the_files_are_pipelines_to_the_sdk_and_have_no_faults(bars):
    spec, platform = documents(bars)
    assert load_component_from_file(str(FILES[bars])).pipeline_spec.pipeline_info.name == f"drums-{bars}bar"
    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    assert spec["schemaVersion"] == lint.SCHEMA_VERSION
    assert lint.find_faults(spec) == []


@pytest.mark.parametrize("bars", FILES)
def test_what_a_file_says_of_nodes_is_of_nodes_that_are_there(bars):
    spec, platform = documents(bars)
    assert set(pods(platform)) <= set(spec["deploymentSpec"]["executors"])
    for node, task in tasks(spec).items():
        component = spec["components"][task["componentRef"]["name"]]
        asked = component.get("inputDefinitions", {}).get("parameters", {})
        given = set(task.get("inputs", {}).get("parameters", {}))
        assert given <= set(asked), node
        assert all(asked[name].get("isOptional") for name in set(asked) - given), node
        assert set(task.get("dependentTasks", [])) <= set(tasks(spec)), node
    assert not any("lifecycle" in executor["container"] for executor in spec["deploymentSpec"]["executors"].values())


def test_every_parameter_of_the_pipeline_has_a_default_and_a_description():
    parameters = documents()[0]["root"]["inputDefinitions"]["parameters"]
    assert set(parameters) == set(PARAMETERS)
    assert all(parameter["description"] and "defaultValue" in parameter for parameter in parameters.values())


def test_what_looks_at_files_is_not_cached_and_the_reading_is_by_their_fingerprint():
    tasks = documents()[0]["root"]["dag"]["tasks"]
    uncached = {node for node, task in tasks.items() if not task["cachingOptions"].get("enableCache")}
    models = ("conv", "flat-vae", "hierarchical-vae", "lstm")
    assert uncached == {"CorpusFingerprint", *(f"PushedFingerprint-{model}" for model in models)}
    source = tasks["MidiExampleGen"]["inputs"]["parameters"]["fingerprint"]["taskOutputParameter"]
    assert source == {"producerTask": "CorpusFingerprint", "outputParameterKey": "fingerprint"}


def test_the_report_has_a_page_of_the_type_that_the_ui_shows():
    outputs = documents()[0]["components"]["Report"]["outputDefinitions"]["artifacts"]
    assert outputs["page"]["artifactType"]["schemaTitle"] == "system.HTML"


def test_every_step_is_tried_again():
    for task in documents()[0]["root"]["dag"]["tasks"].values():
        assert task["retryPolicy"]["maxRetryCount"] > 0
        # From the beginning of the first try: a training of days must fit.
        assert int(task["retryPolicy"]["backoffMaxDuration"].removesuffix("s")) >= 7 * 24 * 3600


def test_what_trains_has_a_gpu_and_may_stand_on_its_nodes():
    spec, platform = documents()
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name, executor in spec["deploymentSpec"]["executors"].items():
        resources, trains = executor["container"]["resources"], name.startswith("Trainer")
        assert resources["resourceMemoryLimit"]
        assert resources.get("accelerator") == ({"resourceType": GPU, "resourceCount": "1"} if trains else None)
        pod = pods.get(name, {})
        assert ("tolerations" in pod) is ("nodeSelector" in pod) is trains


def test_the_volume_is_where_a_step_reads_or_writes_it():
    spec, platform = documents()
    on_it = {
        name
        for name, pod in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].items()
        if "pvcMount" in pod
    }
    told = {f"{node}_executor" for node, task in tasks(spec).items() if str(VOLUME) in json.dumps(task)}
    assert on_it == told - {"Report_executor"}  # which only shows the corpus by a shorter name


def test_a_cluster_without_gpus_gets_none_and_the_image_is_everywhere(small):
    spec, _ = small
    containers = [executor["container"] for executor in spec["deploymentSpec"]["executors"].values()]
    assert {container["image"] for container in containers} == {"registry/drumline:1"}
    assert not any("accelerator" in container["resources"] for container in containers)


def test_a_trainer_that_machines_share_starts_a_job_and_only_waits():
    text = compile_pipeline(config_of(2, ("conv", "lstm"), tune=True), ClusterOptions(gpus=4, machines=3))
    spec, platform = yaml.safe_load_all(text)
    executors = spec["deploymentSpec"]["executors"]
    for model in ("conv", "lstm"):
        trainer, tuner = (executors[f"{kind}-{model}_executor"]["container"] for kind in ("Trainer", "Tuner"))
        assert trainer["command"] == command(Workers(nodes=3, image=IMAGE, gpus=4))
        assert "accelerator" not in trainer["resources"]
        assert "nodeSelector" not in pods(platform)[f"Trainer-{model}_executor"]
        assert tuner["command"] == COMMAND
        assert tuner["resources"]["accelerator"]["resourceCount"] == "4"


def test_several_gpus_of_a_machine_have_memory_to_share():
    _, platform = yaml.safe_load_all(compile_pipeline(config_of(2, ("conv",)), ClusterOptions(gpus=2)))
    mounts = {name: pod.get("emptyDirMounts", []) for name, pod in pods(platform).items()}
    assert [mount["mountPath"] for mount in mounts.pop("Trainer-conv_executor")] == ["/dev/shm"]
    assert not any(mounts.values())
    assert not any("emptyDirMounts" in pod for pod in pods(documents()[1]).values())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"image": ""}, "the image has no name"),
        ({"gpus": -1}, "0 GPUs or more"),
        ({"machines": 0}, "1 machine or more"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        ClusterOptions(**wrong)


def test_the_command_writes_both_files_and_says_where(tmp_path):
    options = ["--models", "conv", "--image", "registry/drumline:2", "--out", str(tmp_path / "new")]
    result = CliRunner().invoke(drumline, ["--runs", str(tmp_path / "runs"), "kubeflow", "compile", *options])
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == [str(tmp_path / "new" / file.name) for file in FILES.values()]
    for bars, file in FILES.items():
        expected = compile_pipeline(config_of(bars, ("conv",)), ClusterOptions(image="registry/drumline:2"))
        assert (tmp_path / "new" / file.name).read_text() == expected


def test_what_the_command_writes_by_default_are_the_tracked_files(tmp_path):
    result = CliRunner().invoke(
        drumline, ["--runs", str(tmp_path / "runs"), "kubeflow", "compile", "--out", str(tmp_path)]
    )
    assert result.exit_code == 0, result.output
    assert [(tmp_path / file.name).read_text() == file.read_text() for file in FILES.values()] == [True, True]


def test_the_models_and_the_search_are_those_asked_for(small):
    tasks = set(small[0]["root"]["dag"]["tasks"])
    assert {task for task in tasks if task.startswith(("Trainer", "Tuner"))} == {
        "Trainer-conv",
        "Trainer-flat-vae",
        "Tuner-conv",
    }


def test_no_path_of_this_machine_is_in_the_files():
    text = FILES[2].read_text()
    for folder in (Path.home(), FOLDER.parent):
        assert f"{folder}/" not in text or str(folder) in ("/", "/drumline")


def test_an_image_without_a_tag_is_refused():
    with pytest.raises(InputError, match=r"drums-2bar would not run on Kubeflow.*the image 'registry/drumline:latest'"):
        compile_pipeline(config_of(2, ("conv",)), ClusterOptions(image="registry/drumline:latest"))


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ("artifacts go to '/tmp'", lambda spec: spec.update(defaultPipelineRoot="/tmp")),
        ("artifacts go to 's3:// bad'", lambda spec: spec.update(defaultPipelineRoot="s3:// bad")),
        ("is a resolver", lambda spec: executor(spec).update(resolver=executor(spec).pop("container"))),
        ("'Trainer.conv' is no name", lambda spec: rename(spec, "Trainer-conv", "Trainer.conv")),
        ("an output of Other_task, which", lambda spec: fingerprint(spec).update(producerTask="Other_task")),
        ("takes the parameter corpus, which", lambda spec: parameters(spec).pop("corpus")),
        ("seed may be left out and has no default", lambda spec: parameters(spec)["seed"].pop("defaultValue")),
        ("'foo bar:1' has no tag", lambda spec: executor(spec)["container"].update(image="foo bar:1")),
        ("has no tag but latest", lambda spec: executor(spec)["container"].update(image="drumline")),
    ],
)
def test_a_fault_is_found_and_said(fault, change):
    spec, _ = copy.deepcopy(documents())
    change(spec)
    assert fault in "; ".join(lint.find_faults(spec))


def executor(spec):
    return spec["deploymentSpec"]["executors"]["Trainer-conv_executor"]


def tasks(spec):
    return spec["root"]["dag"]["tasks"]


def rename(spec, old, new):
    tasks(spec)[new] = tasks(spec).pop(old)


def fingerprint(spec):
    return tasks(spec)["MidiExampleGen"]["inputs"]["parameters"]["fingerprint"]["taskOutputParameter"]


def parameters(spec):
    return spec["root"]["inputDefinitions"]["parameters"]


def pods(platform):
    return platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


@pytest.mark.skipif("KFP_COMPILER" not in os.environ, reason="KFP_COMPILER, made of tests/kubeflow/argo, is not there")
@pytest.mark.parametrize("bars", FILES)
def test_the_backend_makes_a_workflow_of_the_files(bars):
    command = [os.environ["KFP_COMPILER"], FILES[bars]]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    workflow = yaml.safe_load(finished.stdout)
    root = next(template for template in workflow["spec"]["templates"] if template["name"] == "root")
    assert len(root["dag"]["tasks"]) >= len(tasks(documents(bars)[0]))
    tries = {
        parameter["value"]
        for task in root["dag"]["tasks"]
        for parameter in task.get("arguments", {}).get("parameters", [])
        if parameter["name"] == "retry-backoff-max-duration"
    }
    assert tries == {"1209600"}
