import grpc
import numpy as np
import pytest
import tensorflow as tf
from drumline.play.pushed_models import PushedModel
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.serving.running import FLAT, LSTM, arrays, asking, figure, model_stub, sampling, states, stub

Code = grpc.StatusCode


def refusal(call, request) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call(request, timeout=20)
    return raised.value.code(), raised.value.details()


def metadata(model: str, *fields: str):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = model
    return request


def test_an_answer_is_that_of_the_model_itself_and_names_its_version(server, pushed):
    seeds, temperature = np.array([[3, 4], [5, 6]], np.int64), np.array([1.0, 0.5], np.float32)
    response = stub(server).Predict(asking(FLAT, "sample", temperature=temperature, seed=seeds), timeout=20)
    alone = PushedModel(pushed / FLAT, "flat_vae", 2).call("sample", temperature=temperature, seed=seeds)
    np.testing.assert_array_equal(arrays(response)["hits"], alone["hits"])
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == (FLAT, 1, "sample")


def test_no_signature_is_the_default_one(server):
    response = stub(server).Predict(asking(LSTM, "", velocities=np.zeros((2, 5, 9), np.int64)), timeout=20)
    assert response.model_spec.signature_name == "serving_default"
    assert arrays(response)["probabilities"].shape == (2, 9)


def test_only_the_outputs_that_are_asked_for_come_back(server):
    request = asking(FLAT, "encode", velocities=np.zeros((1, 32, 9), np.int64))
    assert set(arrays(stub(server).Predict(request, timeout=20))) == {"z", "sigma"}
    request.output_filter.append("z")
    assert set(arrays(stub(server).Predict(request, timeout=20))) == {"z"}


@pytest.mark.parametrize(
    ("model", "spec", "code", "words"),
    [
        ("unknown", {}, Code.NOT_FOUND, "Servable not found for request: Latest(unknown)"),
        (FLAT, {"version": 7}, Code.NOT_FOUND, f"Servable not found for request: Specific({FLAT}, 7)"),
        (FLAT, {"version": -1}, Code.NOT_FOUND, f"Servable not found for request: Specific({FLAT}, -1)"),
        (FLAT, {"label": "stable"}, Code.INVALID_ARGUMENT, "Unrecognized servable version label: stable"),
        ("", {}, Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        ("../" + FLAT, {}, Code.NOT_FOUND, f"Servable not found for request: Latest(../{FLAT})"),
    ],
)
def test_a_model_that_is_not_there_is_refused(server, model, spec, code, words):
    assert refusal(stub(server).Predict, sampling(model=model, **spec)) == (code, words)


def test_a_request_without_a_model_is_refused(server):
    assert refusal(stub(server).Predict, predict_pb2.PredictRequest()) == (Code.INVALID_ARGUMENT, "Missing ModelSpec")


@pytest.mark.parametrize("signature", ["x", "__saved_model_init_op", "Sample"])
def test_an_unknown_signature_is_refused(server, signature):
    words = f'Serving signature key "{signature}" not found.'
    assert refusal(stub(server).Predict, asking(FLAT, signature)) == (Code.FAILED_PRECONDITION, words)


def test_wrong_inputs_are_refused_by_name(server):
    code, words = refusal(stub(server).Predict, asking(FLAT, "sample", temperature=[1.0], sead=[[1, 2]]))
    assert code == Code.INVALID_ARGUMENT
    assert words == (
        "input size does not match signature: 2!=2 len({sead,temperature}) != len({seed,temperature}). "
        "Sent extra: {sead}. Missing but required: {seed}."
    )


SEED = np.array([[1, 2]], np.int64)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"seed": SEED.astype(np.int32)}, "Expects arg[0] to be int64 but int32 is provided"),
        ({"temperature": np.array([1])}, "Expects arg[1] to be float32 but int64 is provided"),
        ({"seed": SEED[0]}, "input seed: expected shape [?,2], got [2]"),
        ({"seed": np.zeros((1, 3), np.int64)}, "input seed: expected shape [?,2], got [1,3]"),
        ({"temperature": np.float32(1)}, "input temperature: expected shape [?], got []"),
        ({"seed": np.zeros((2, 2), np.int64)}, "input tensors must have equal 0th-dimension size"),
        ({"seed": np.zeros((20_000, 2), np.int64), "temperature": np.ones(20_000, np.float32)}, "Task size 20000 is"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(server, inputs, words):
    good = {"temperature": np.ones(1, np.float32), "seed": SEED}
    code, said = refusal(stub(server).Predict, asking(FLAT, "sample", **(good | inputs)))
    assert code == Code.INVALID_ARGUMENT
    assert words in said


def proto(shape, **fields) -> tensor_pb2.TensorProto:
    made = tensor_pb2.TensorProto(dtype=tf.int64.as_datatype_enum, **fields)
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    return made


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (proto([1, -2]), "tensor parsing error: seed"),
        (proto([1] * 200), "tensor parsing error: seed"),
        (proto([1, 2], tensor_content=b"123"), "tensor parsing error: seed"),
        (proto([1, 2], int64_val=[1, 2, 3]), "tensor parsing error: seed"),
        (proto([1 << 40, 2], int64_val=[1]), "is larger than"),
        (proto([1 << 62, 1 << 62], int64_val=[1]), "is larger than"),
    ],
)
def test_a_tensor_is_checked_before_it_is_decoded(server, tensor, words):
    request = sampling()
    request.inputs["seed"].CopyFrom(tensor)
    code, said = refusal(stub(server).Predict, request)
    assert code == Code.INVALID_ARGUMENT
    assert words in said


@pytest.mark.parametrize("outputs", [["x"], ["hits", "hits"]])
def test_a_bad_output_filter_is_refused(server, outputs):
    request = sampling()
    request.output_filter.extend(outputs)
    code, words = refusal(stub(server).Predict, request)
    assert code == Code.INVALID_ARGUMENT
    assert "output tensor alias" in words


def test_what_the_model_itself_refuses_comes_back_as_its_error(server):
    code, _ = refusal(stub(server).Predict, asking(FLAT, "evaluate", examples=[b"no tf.Example"]))
    assert code == Code.INVALID_ARGUMENT


def test_the_metadata_are_the_signatures_of_the_version(server):
    response = stub(server).GetModelMetadata(metadata(FLAT, "signature_def"), timeout=20)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert response.model_spec.version.value == 1
    assert set(signatures.signature_def["sample"].inputs) == {"temperature", "seed"}


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (metadata(FLAT), Code.INVALID_ARGUMENT, "at least one metadata_field"),
        (metadata(FLAT, "x"), Code.INVALID_ARGUMENT, "Metadata field x is not supported"),
        (metadata("x", "signature_def"), Code.NOT_FOUND, "Latest(x)"),
    ],
)
def test_other_metadata_are_refused(server, request_, code, words):
    said = refusal(stub(server).GetModelMetadata, request_)
    assert said[0] == code
    assert words in said[1]


def test_the_status_is_that_of_each_version(server):
    assert states(server, FLAT) == {1: "AVAILABLE"}


@pytest.mark.parametrize(
    ("model", "version", "words"),
    [("x", None, "Could not find any versions of model x"), (FLAT, 9, f"Could not find version 9 of model {FLAT}")],
)
def test_the_status_of_what_is_not_there_is_refused(server, model, version, words):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model
    if version:
        request.model_spec.version.value = version
    assert refusal(model_stub(server).GetModelStatus, request) == (Code.NOT_FOUND, words)


def test_classify_and_regress_say_what_the_signature_is(server):
    for call, request, method in (
        (stub(server).Classify, classification_pb2.ClassificationRequest(), "classify"),
        (stub(server).Regress, regression_pb2.RegressionRequest(), "regress"),
    ):
        request.model_spec.name = FLAT
        code, words = refusal(call, request)
        assert code == Code.INVALID_ARGUMENT
        assert words.endswith(f"method_name to be tensorflow/serving/{method}. Was: tensorflow/serving/predict")
    assert refusal(stub(server).MultiInference, inference_pb2.MultiInferenceRequest())[0] == Code.UNIMPLEMENTED


def test_health_and_reflection_answer(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        ask = health_pb2_grpc.HealthStub(channel).Check
        for service in ("", "tensorflow.serving.PredictionService"):
            response = ask(health_pb2.HealthCheckRequest(service=service), timeout=20)
            assert response.status == health_pb2.HealthCheckResponse.SERVING
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) >= {
            "tensorflow.serving.PredictionService",
            "tensorflow.serving.ModelService",
            "grpc.health.v1.Health",
        }
        file = database.FindFileContainingSymbol("tensorflow.serving.ModelService")
        assert [method.name for method in file.service[0].method] == ["GetModelStatus", "HandleReloadConfigRequest"]
        file = database.FindFileContainingSymbol("tensorflow.serving.PredictionService")
        assert "Predict" in [method.name for method in file.service[0].method]


def test_requests_are_counted_by_status_and_unknown_names_make_no_label(server):
    name = ":tensorflow:serving:request_count"
    before = figure(server, name, model_name=FLAT, status="OK")
    stub(server).Predict(sampling(), timeout=20)
    refusal(stub(server).Predict, sampling(model="made-up"))
    assert figure(server, name, model_name=FLAT, status="OK") == before + 1
    assert figure(server, name, model_name="made-up", status="NOT_FOUND") == 0
    assert figure(server, name, model_name="", status="NOT_FOUND") >= 1
    assert figure(server, ":tensorflow:serving:request_latency_count", model_name=FLAT, entrypoint="GRPC") >= 1
