"""A Trainer step that several machines share: the job, its cluster, and two workers for real."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
import yaml
from drumline.kubeflow import compile as compiling
from drumline.kubeflow import train_job
from drumline.kubeflow.train_job import Shared, Workers, manifest
from drumline.kubeflow.train_job_api import TrainJobs
from drumline.models.preprocessing import preprocessing_fn
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from drumline.errors import InputError
from tests.kubeflow import pods
from tests.kubeflow.kubernetes_api import Cluster, served
from tests.models.test_strategies import free_ports

HERE = Path(__file__).parent
BUCKET = "minio://mlpipeline/v2/artifacts"
INPUTS = {
    "examples": ("transform/transformed_examples", {"split_names": '["train", "eval"]'}),
    "transform_graph": ("transform/transform_graph", {}),
    "schema": ("schema", {}),
}
OUTPUTS = ("model", "model_run", "executor-logs")


def step(**parameters: Any) -> list[str]:
    """The arguments of the compiled file's Trainer-lstm, as the launcher fills them in."""
    spec = next(yaml.safe_load_all((compiling.HERE / "drums-2bar.yaml").read_text()))
    constants = {
        name: value["runtimeValue"]["constant"]
        for name, value in spec["root"]["dag"]["tasks"]["Trainer-lstm"]["inputs"]["parameters"].items()
        if "runtimeValue" in value
    }
    executor_input = {
        "inputs": {
            "parameterValues": constants | parameters,
            "artifacts": {
                name: {"artifacts": [{"name": "1", "uri": f"{BUCKET}/{place}", "type": {}, "metadata": metadata}]}
                for name, (place, metadata) in INPUTS.items()
            },
        },
        "outputs": {
            "artifacts": {
                name: {"artifacts": [{"name": name, "uri": f"{BUCKET}/trainer/{name}", "type": {}}]} for name in OUTPUTS
            },
            "outputFile": "/tmp/kfp_outputs/output_metadata.json",
        },
    }
    component = spec["components"]["Trainer-lstm"]["outputDefinitions"]["artifacts"]
    for name, output in executor_input["outputs"]["artifacts"].items():
        output["artifacts"][0]["type"] = component.get(name, {}).get("artifactType", {})
    arguments = spec["deploymentSpec"]["executors"]["Trainer-lstm_executor"]["container"]["args"]
    return [json.dumps(executor_input) if argument == "{{$}}" else argument for argument in arguments]


@pytest.fixture
def volume(tmp_path, monkeypatch) -> Path:
    """The volume that workers share. The launcher's local copies lie beside it, and all inputs are there."""

    def local(address: str) -> str:
        return str(tmp_path / address.replace("minio://", "minio/").lstrip("/"))

    monkeypatch.setattr(train_job, "local", local)
    for place, _ in INPUTS.values():
        (Path(local(f"{BUCKET}/{place}"))).mkdir(parents=True)
        (Path(local(f"{BUCKET}/{place}")) / "file").write_text(place)
    (tmp_path / "claim" / "train_jobs").mkdir(parents=True)
    return tmp_path / "claim"


WORKERS = Workers(nodes=2, image="registry/drumline:1", gpus=1, memory="16Gi")


# The manifest


def faults(value: Any, schema: dict, place: str) -> list[str]:
    """What a CustomResourceDefinition's schema has against a value."""
    if schema.get("x-kubernetes-int-or-string"):
        return [] if re.fullmatch(schema.get("pattern", ".*"), str(value)) else [f"{place}: {value}"]
    kinds = {"string": str, "integer": int, "array": list, "object": dict, "boolean": bool}
    if not isinstance(value, kinds[schema["type"]]):
        return [f"{place}: {value!r} is no {schema['type']}"]
    if isinstance(value, list):
        return [
            fault for number, one in enumerate(value) for fault in faults(one, schema["items"], f"{place}[{number}]")
        ]
    if not isinstance(value, dict):
        longest = schema.get("maxLength", 2**30)
        return [f"{place}: too long"] if isinstance(value, str) and len(value) > longest else []
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    missing = [f"{place} has no {name}" for name in schema.get("required", ()) if name not in value]
    unknown = [f"{place}: no field {name}" for name in value if name not in known and not others]
    inside = {name: known.get(name, others) for name in value if name in known or others}
    return missing + unknown + [f for name, of in inside.items() for f in faults(value[name], of, f"{place}.{name}")]


def against(job: dict) -> list[str]:
    parts = yaml.safe_load((HERE / "train_job_schema.yaml").read_text())
    return faults(job["spec"], {"type": "object", "properties": parts, "required": ["runtimeRef"]}, "spec")


def test_the_manifest_is_a_train_job(volume):
    shared = Shared(step(), volume)
    job = manifest(shared.name, WORKERS, shared.arguments(), ("pod", "uid"))
    assert against(job) == []
    assert (job["apiVersion"], job["kind"]) == ("trainer.kubeflow.org/v1alpha1", "TrainJob")
    assert job["spec"]["trainer"]["numNodes"] == 2
    assert job["spec"]["trainer"]["resourcesPerNode"]["limits"] == {
        "cpu": "8",
        "memory": "16Gi",
        "nvidia.com/gpu": "1",
    }
    assert job["spec"]["trainer"]["command"] == compiling.COMMAND
    # A pod's name is its job's, `node-0` and two numbers or five letters, and a label.
    assert len(f"{job['metadata']['name']}-node-0-99-abcde") <= 63
    job["spec"]["trainer"]["numNodes"] = "two"
    job["spec"]["trainer"]["imagee"] = "x"
    assert against(job) == ["spec.trainer: no field imagee", "spec.trainer.numNodes: 'two' is no integer"]


def test_the_command_of_a_step_is_read_back_as_it_was_written(volume, monkeypatch):
    seen = []
    monkeypatch.setattr(TrainJobs, "of_this_pod", lambda: type("Jobs", (), {"run": staticmethod(seen.append)}))
    monkeypatch.setattr(train_job, "Shared", lambda arguments: Shared(arguments, volume))
    with pytest.raises(FileNotFoundError):  # nobody trained
        train_job.run([*train_job.command(WORKERS)[4:], *step()])
    shared = Shared(step(), volume)
    assert seen == [manifest(shared.name, WORKERS, shared.arguments())]
    assert not shared.folder.exists()


def test_fewer_than_two_workers_are_refused():
    with pytest.raises(InputError, match="a TrainJob has 2 nodes or more, not 1"):
        Workers(nodes=1, image="drumline:1")


# What the workers share


def as_the_kubelet_does(job: dict, worker: int | str) -> tuple[dict[str, str], list[str]]:
    """The environment and the command of a worker, with variables in place of their names."""

    def filled(text: str) -> str:
        return re.sub(r"\$\$|\$\((\w+)\)", lambda m: "$" if m[0] == "$$" else environment.get(m[1], m[0]), text)

    environment: dict[str, str] = {}
    trainer = job["spec"]["trainer"]
    for variable in trainer["env"]:
        environment[variable["name"]] = filled(variable["value"]) if "value" in variable else str(worker)
    return environment, [filled(word) for word in (*trainer["command"], *trainer["args"])]


def test_each_worker_reads_the_same_and_writes_for_itself(volume):
    shared = Shared(step(note="$(HOME) and $$"), volume)
    shared.bring(2)
    job = manifest(shared.name, WORKERS, shared.arguments())
    inputs, outputs = [], []
    for worker in range(2):
        environment, command = as_the_kubelet_does(job, worker)
        config = json.loads(environment["TF_CONFIG"])
        assert (config["task"]["type"], int(config["task"]["index"])) == ("worker", worker)
        name = shared.name
        assert config["cluster"]["worker"] == [f"{name}-node-0-{each}.{name}:2222" for each in range(2)]
        assert command[:4] == compiling.COMMAND
        executor_input = json.loads(command[command.index("--json_serialized_invocation_args") + 1])
        assert executor_input["inputs"]["parameterValues"]["note"] == "$(HOME) and $$"
        for artifacts in executor_input["inputs"]["artifacts"].values():
            assert (Path(artifacts["artifacts"][0]["uri"]) / "file").exists()
        inputs.append(executor_input["inputs"])
        outputs.append(
            {artifacts["artifacts"][0]["uri"] for artifacts in executor_input["outputs"]["artifacts"].values()}
        )
        outputs[-1].add(executor_input["outputs"]["outputFile"])
    assert inputs[0] == inputs[1]
    assert all(Path(uri).is_relative_to(volume) for uri in outputs[0] | outputs[1])
    assert not outputs[0] & outputs[1]


def test_the_chiefs_outputs_become_the_steps(volume, tmp_path):
    shared = Shared(step(), volume)
    shared.bring(2)
    for worker in ("0", "1"):
        for name in OUTPUTS[:2]:
            folder = shared.folder / worker / name / "0"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "who").write_text(worker)
        said = {
            "artifacts": {
                name: {"artifacts": [{"name": name, "uri": f"{shared.folder}/{worker}/{name}/0"}]}
                for name in OUTPUTS[:2]
            }
        }
        (shared.folder / worker / "output.json").write_text(json.dumps(said))
    shared.fetch()
    trainer = tmp_path / "minio/mlpipeline/v2/artifacts/trainer"
    assert [(trainer / name / "who").read_text() for name in OUTPUTS[:2]] == ["0", "0"]
    output = json.loads((tmp_path / "tmp/kfp_outputs/output_metadata.json").read_text())
    assert {name: one["artifacts"][0]["uri"] for name, one in output["artifacts"].items()} == {
        name: f"{BUCKET}/trainer/{name}" for name in OUTPUTS[:2]
    }


def test_another_attempt_at_a_step_has_the_same_job_and_another_step_has_not(volume):
    other = [argument.replace("/trainer/", "/trainer-2/") for argument in step()]
    # As the launcher names the log of a second attempt.
    again = [argument.replace("/trainer/executor-logs", "/trainer/executor-logs-1") for argument in step()]
    assert again != step()
    assert Shared(step(), volume).name == Shared(again, volume).name != Shared(other, volume).name


# The cluster


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def jobs(cluster):
    with served(cluster) as api:
        yield TrainJobs(api, "beats", pause=0.01, tries=5)


JOB = {"metadata": {"name": "drumline-1"}, "spec": {}}
FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "JobsFailed",
    "message": "jobset failed due to one or more jobs",
}


def test_a_job_that_is_complete_is_taken_away(cluster, jobs):
    cluster.becomes = [{"type": "Suspended", "status": "False"}, {"type": "Complete", "status": "True"}]
    jobs.run(JOB)
    assert cluster.asked == ["POST", "GET", "GET", "GET", "DELETE"]
    assert cluster.jobs == {}


def test_a_job_that_failed_stays_for_its_log(cluster, jobs):
    cluster.becomes = [FAILED]
    with pytest.raises(InputError, match=r"TrainJob drumline-1 failed: jobset failed .*; see kubectl logs -l"):
        jobs.run(JOB)
    assert set(cluster.jobs) == {"drumline-1"}


def test_a_job_that_an_earlier_attempt_left_is_replaced(cluster, jobs):
    cluster.jobs, cluster.looks = {"drumline-1": {"old": True}}, {"drumline-1": 0}
    jobs.run(JOB)
    assert cluster.asked[:3] == ["POST", "DELETE", "POST"]


@pytest.mark.parametrize(
    ("status", "said", "sentence"),
    [
        (403, 'trainjobs is forbidden: User "drumline-runner" cannot create', "submit with that service account"),
        (404, "the server could not find the requested resource", "is Kubeflow Trainer 2 installed"),
        (422, "spec.trainer.numNodes: Invalid value", "Invalid value"),
    ],
)
def test_what_the_cluster_refuses_is_one_sentence(cluster, jobs, status, said, sentence):
    cluster.refuses = [(status, said)]
    with pytest.raises(InputError) as error:
        jobs.run(JOB)
    assert str(error.value).startswith(f"the cluster refuses the TrainJob drumline-1: {status} {said}")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_an_api_that_is_away_for_a_while_is_waited_for(cluster, jobs):
    cluster.refuses = [(503, "etcd is changing its leader"), (429, "too many requests")]
    jobs.run(JOB)
    assert cluster.jobs == {}


def test_an_api_that_stays_away_is_one_sentence(cluster, jobs):
    cluster.refuses = [(500, "etcd is gone")] * 5
    with pytest.raises(InputError, match="the API of the cluster did not answer 5 times: 500 etcd is gone"):
        jobs.run(JOB)


def test_a_job_that_others_delete_is_one_sentence(cluster, jobs, monkeypatch):
    cluster.becomes = []
    monkeypatch.setattr("time.sleep", lambda _: cluster.jobs.clear())
    with pytest.raises(
        InputError, match=r'the TrainJob drumline-1 cannot be seen any more: 404 .*"drumline-1" not found'
    ):
        jobs.run(JOB)


def test_a_step_that_is_stopped_takes_its_job_away(cluster, jobs, monkeypatch):
    def stop(_):
        raise SystemExit(143)

    cluster.becomes = []
    monkeypatch.setattr("time.sleep", stop)
    with pytest.raises(SystemExit):
        jobs.run(JOB)
    assert cluster.jobs == {}


def test_outside_a_cluster_it_is_one_sentence(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InputError, match="a TrainJob can be started from a pod of a cluster alone"):
        TrainJobs.of_this_pod()


# Two workers

ALONE = "alone"


def transform_into(folder: Path) -> None:
    """What Transform leaves of windows that repeat four themes: 160 to train on and 40 beside."""
    rng = np.random.default_rng(0)
    windows = (rng.random((4, 32, 9)) < 0.2).astype(np.int64)[rng.integers(0, 4, 200)] * 100
    spec = {"velocities": tf.io.FixedLenFeature([32, 9], tf.int64)}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    with beam.Pipeline(runner="FnApiRunner") as pipeline, tft_beam.Context(temp_dir=str(folder / "temp")):
        rows = pipeline | beam.Create([{"velocities": window} for window in windows])
        _, function = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(preprocessing_fn)
        function | tft_beam.WriteTransformFn(str(folder / "transform_graph"))
    combinations = ((windows > 0) * 2 ** np.arange(9)).sum(axis=-1)
    for split, part in {"train": combinations[:160], "eval": combinations[160:]}.items():
        (folder / "transformed_examples" / f"Split-{split}").mkdir(parents=True)
        path = folder / "transformed_examples" / f"Split-{split}" / "transformed_examples.gz"
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for window in part:
                feature = tf.train.Feature(int64_list=tf.train.Int64List(value=window))
                example = tf.train.Example(features=tf.train.Features(feature={"combinations": feature}))
                writer.write(example.SerializeToString())


def without_strategy(command: list[str]) -> list[str]:
    """The step's own command, as it is without a job."""
    at = command.index("--json_serialized_invocation_args") + 1
    step = json.loads(command[at])
    del step["inputs"]["parameterValues"]["settings"]["training.strategy"]
    return [*command[:at], json.dumps(step), *command[at + 1 :]]


def weights(model: Path) -> list[np.ndarray]:
    return [weight.numpy() for weight in tf.saved_model.load(str(model / "Format-Serving")).weights]


@pytest.mark.skipif(bool(pods.unavailable()), reason=f"no pods on this machine: {pods.unavailable()}")
def test_two_workers_of_a_job_train_the_one_model_that_a_machine_alone_does(volume, tmp_path):
    transform_into(tmp_path / "minio/mlpipeline/v2/artifacts/transform")
    shared = Shared(step(profile="demo", seed=0, settings={"training.steps": 6}), volume)
    shared.bring(2)
    job = manifest(shared.name, WORKERS, shared.arguments())
    ports = free_ports(2)

    def run(worker: int | str) -> Path:
        environment, command = as_the_kubelet_does(job, worker)
        if worker == ALONE:
            variables, command = [], without_strategy(command)
        else:
            config = json.loads(environment["TF_CONFIG"])
            config["cluster"]["worker"] = [f"localhost:{port}" for port in ports]
            variables = [f"TF_CONFIG={json.dumps(config)}"]
        pod = pods.Pod(tmp_path / f"pod-{worker}", {"/mnt/drumline": volume, str(volume): volume})
        log = tmp_path / f"{worker}.log"
        assert pod.run(["env", *variables, *command], log) == 0, log.read_text()[-3000:]
        return shared.folder / str(worker) / "model" / "0"

    with ThreadPoolExecutor() as both:
        _, other = both.map(run, range(2))
    assert not any((other / "Format-Serving").iterdir())
    alone = weights(run(ALONE))
    shared.fetch()
    together = weights(tmp_path / "minio/mlpipeline/v2/artifacts/trainer/model")
    for some, others in zip(together, alone, strict=True):
        np.testing.assert_allclose(some, others, rtol=1e-3, atol=1e-4)
    epochs = tmp_path / "minio/mlpipeline/v2/artifacts/trainer/model_run/epochs.csv"
    assert epochs.read_text().splitlines()[-1].split(",")[1] == "6"
