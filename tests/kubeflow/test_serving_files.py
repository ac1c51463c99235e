import copy
import re
from typing import Any

import pytest
import yaml
from drumline.kubeflow.serving import generate
from drumline.models.batching_parameters import parameters
from drumline.pipeline.profiles import Profile
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from kubernetes import client
from tensorflow_serving.config import model_server_config_pb2

FILES = generate.files()
DEPLOYMENT = list(yaml.safe_load_all((generate.HERE / "deployment.yaml").read_text()))
INFERENCE_SERVICES = list(yaml.safe_load_all(FILES["inference_services.yaml"]))


def test_the_files_are_those_that_are_generated():
    assert {name: (generate.HERE / name).read_text() for name in FILES} == FILES


def test_every_model_of_every_length_is_served():
    config = text_format.Parse(FILES["models.config"], model_server_config_pb2.ModelServerConfig())
    served = {one.name: one for one in config.model_config_list.config}
    profile = Profile.read("cpu")
    assert set(served) == {f"{model}-{bars}bar" for bars in profile.lengths for model in profile.models(bars)}
    assert {one["spec"]["predictor"]["model"]["storageUri"] for one in INFERENCE_SERVICES} == {
        f"pvc://drumline/serving/{name}" for name in served
    }
    for name, one in served.items():
        assert one.base_path == f"/models/{name}"
        assert one.model_platform == "tensorflow"


@pytest.fixture(scope="module")
def batching_parameters():
    """The message of TensorFlow Serving's session_bundle_config.proto, which its stubs leave out."""
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", package="tensorflow.serving", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="BatchingParameters")
    integers = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    kinds = dict.fromkeys((*integers, "max_execution_batch_size"), "Int64Value")
    kinds |= {"thread_pool_name": "StringValue", "enable_large_batch_splitting": "BoolValue"}
    for number, (name, kind) in enumerate(kinds.items(), 1):
        message.field.add(name=name, number=number, label=1, type=11, type_name=f".google.protobuf.{kind}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.BatchingParameters"))


def test_batching_parameters_are_parsed_and_make_a_batch(batching_parameters):
    shared = text_format.Parse((generate.HERE / "batching.config").read_text(), batching_parameters())
    of_model = text_format.Parse(parameters(), batching_parameters())
    assert shared.num_batch_threads.value >= 1
    assert shared.thread_pool_name.value
    assert of_model.enable_large_batch_splitting.value
    assert 1 < of_model.max_execution_batch_size.value <= of_model.max_batch_size.value
    assert of_model.max_enqueued_batches.value >= 1


def check(value: Any, kind: str, place: str) -> None:
    """Fails where a value is not of a type of Kubernetes' API, by the official client's tables of it."""
    if listed := re.fullmatch(r"list\[(.+)\]", kind):
        assert isinstance(value, list), place
        for number, item in enumerate(value):
            check(item, listed[1], f"{place}[{number}]")
    elif mapped := re.fullmatch(r"dict\(str, (.+)\)", kind):
        assert isinstance(value, dict), place
        for name, item in value.items():
            check(item, mapped[1], f"{place}.{name}")
    elif model := getattr(client, kind, None):
        assert isinstance(value, dict), place
        fields = {key: model.openapi_types[name] for name, key in model.attribute_map.items()}
        for key, item in value.items():
            assert key in fields, f"{place}: {kind} has no field {key}"
            check(item, fields[key], f"{place}.{key}")
    else:
        python = {"str": str, "int": int, "bool": bool, "object": (int, str)}[kind]
        assert isinstance(value, python), f"{place}: {value!r} is no {kind}"


def test_deployment_and_service_are_kubernetes_own():
    kinds = [document["kind"] for document in DEPLOYMENT]
    assert kinds == ["Deployment", "Service"]
    for document in DEPLOYMENT:
        check(document, f"V1{document['kind']}", document["kind"])


def test_a_field_that_kubernetes_does_not_know_is_found():
    deployment = copy.deepcopy(DEPLOYMENT[0])
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(AssertionError, match="V1Container has no field readynessProbe"):
        check(deployment, "V1Deployment", "Deployment")


def test_the_server_reads_the_config_map_and_the_service_finds_its_ports():
    deployment, service = DEPLOYMENT
    kustomization = yaml.safe_load((generate.HERE / "kustomization.yaml").read_text())
    (config_map,) = kustomization["configMapGenerator"]
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    paths = dict(argument.split("=") for argument in container["args"] if "_file=" in argument)
    assert set(paths.values()) == {f"{mounted['config']}/{name}" for name in config_map["files"]}
    assert all((generate.HERE / name).exists() for name in config_map["files"])
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert set(volumes) == set(mounted)
    assert volumes["config"]["configMap"]["name"] == config_map["name"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    for port in service["spec"]["ports"]:
        assert named[port["targetPort"]] == port["port"]
        assert any(argument.endswith(f"port={port['port']}") for argument in container["args"])


def test_the_container_has_probes_and_no_rights():
    pod = DEPLOYMENT[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] > 0
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["image"] == f"tensorflow/serving:{generate.RELEASE}"


def test_inference_services_have_names_that_kubernetes_takes_and_a_version_of_the_runtime():
    for service in INFERENCE_SERVICES:
        assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", service["metadata"]["name"])
        model = service["spec"]["predictor"]["model"]
        assert model["runtimeVersion"] == generate.RELEASE
        assert model["modelFormat"] == {"name": "tensorflow"}
        check(model["resources"], "V1ResourceRequirements", service["metadata"]["name"])


def test_files_for_some_models_have_no_other():
    text = "".join(generate.files(("lstm-2bar",)).values())
    assert "lstm-2bar" in text
    assert "conv" not in text
    with pytest.raises(SystemExit, match="there is no model 'gpt'; there are lstm-2bar, conv-2bar"):
        generate.main(["gpt"])
