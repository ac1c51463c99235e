"""TensorFlow Serving's gRPC API: PredictionService and ModelService."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import grpc
import tensorflow as tf
from drumline.serving import checks, logs
from drumline.serving.data_plane import predict
from drumline.serving.metrics import Metrics
from drumline.serving.model_manager import ModelManager
from drumline.serving.request_error import RequestError, invalid_argument
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

# Written for an older protobuf, these modules fail on their last lines, but leave the services' descriptions where
# gRPC's reflection finds them.
with contextlib.suppress(AttributeError):
    import tensorflow_serving.apis.model_service_pb2
with contextlib.suppress(AttributeError):
    import tensorflow_serving.apis.prediction_service_pb2  # noqa: F401

NAMES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
METADATA = "signature_def"


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """largest: bytes of one decoded tensor."""

    def __init__(self, served: ModelManager, metrics: Metrics, largest: int):
        self._manager, self._metrics, self._largest = served, metrics, largest

    def Predict(self, request, context):
        return self._answer("Predict", request, context, self._predict)

    def GetModelMetadata(self, request, context):
        return self._answer("GetModelMetadata", request, context, lambda request, _: metadata(self._manager, request))

    def Classify(self, request, context):
        return self._answer(
            "Classify",
            request,
            context,
            lambda request, _: refuse_examples(self._manager, request, "classification"),
        )

    def Regress(self, request, context):
        return self._answer(
            "Regress", request, context, lambda request, _: refuse_examples(self._manager, request, "regression")
        )

    def MultiInference(self, request, context):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "Drumline's models have no signature for MultiInference")

    def _predict(self, request: predict_pb2.PredictRequest, context) -> predict_pb2.PredictResponse:
        left = context.time_remaining()
        prediction = predict(
            self._manager,
            request.model_spec,
            lambda signature: checks.decode_inputs(signature, request.inputs, self._largest),
            outputs=request.output_filter,
            deadline=None if left is None else time.monotonic() + left,
        )
        context.add_callback(prediction.future.cancel)
        try:
            found = prediction.future.result()
        except CancelledError as error:  # Whoever asked has gone, or has waited long enough.
            late = left is not None and context.time_remaining() <= 0
            code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
            raise RequestError(code, "nobody waits for the answer") from error
        response = predict_pb2.PredictResponse()
        for name, value in prediction.arrays(found).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        response.model_spec.name, response.model_spec.signature_name = request.model_spec.name, prediction.signature
        response.model_spec.version.value = prediction.version
        return response

    def _answer(self, api: str, request, context, work: Callable[[Any, grpc.ServicerContext], Any]):
        model = self._manager.known(request.model_spec.name)
        with refusals(context), self._metrics.request(model, api, "GRPC"):
            if not request.HasField("model_spec"):
                raise invalid_argument("Missing ModelSpec")
            return work(request, context)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, served: ModelManager):
        self._manager = served

    def GetModelStatus(self, request, context):
        with refusals(context):
            return status(self._manager, request)

    def HandleReloadConfigRequest(self, request, context):
        with refusals(context):
            self._manager.reload(request.config)
            logs.event("reloaded", models=[model.name for model in request.config.model_config_list.config])
            return model_management_pb2.ReloadConfigResponse()


def metadata(
    served: ModelManager, request: get_model_metadata_pb2.GetModelMetadataRequest
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """The signatures of a version. Raises RefusalError."""
    if not request.metadata_field:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != METADATA:
            raise invalid_argument(f"Metadata field {field} is not supported")
    version, servable = served.acquire(request.model_spec)
    try:
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.definitions)
    finally:
        served.versions(request.model_spec).release(version)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name, response.model_spec.version.value = request.model_spec.name, version.number
    response.metadata[METADATA].Pack(signatures)
    return response


def status(
    served: ModelManager, request: get_model_status_pb2.GetModelStatusRequest
) -> get_model_status_pb2.GetModelStatusResponse:
    """The state of each version. Raises RefusalError."""
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in served.status(request.model_spec):
        found = response.model_version_status.add(version=version.number, state=version.state)
        failure = version.failure
        found.status.error_code = failure.code.value[0] if failure else 0
        found.status.error_message = str(failure) if failure else ""
    return response


def refuse_examples(served: ModelManager, request, kind: str):
    """Raises RefusalError: no signature of ours takes tf.Examples by Classify or Regress."""
    version, servable = served.acquire(request.model_spec)
    try:
        name = request.model_spec.signature_name or "serving_default"
        signature = servable.signatures.get(name)
    finally:
        served.versions(request.model_spec).release(version)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name}")
    method = "classify" if kind == "classification" else "regress"
    raise invalid_argument(
        f"Expected {kind} signature method_name to be tensorflow/serving/{method}. Was: {signature.method_name}"
    )


@contextlib.contextmanager
def refusals(context: grpc.ServicerContext):
    """Tells the caller of a RefusalError; of an error of ours only that there was one."""
    try:
        yield
    except RequestError as refusal:
        context.abort(refusal.code, str(refusal))
    except Exception as error:
        logs.problem("request failed", why=f"{type(error).__name__}: {error}")
        context.abort(grpc.StatusCode.INTERNAL, "the server failed on this request; its log says why")
