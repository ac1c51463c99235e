"""The files for TensorFlow Serving in production: `./run python kubeflow/serving/generate.py [MODEL-BARSbar ...]`.

Writes, beside itself, for the named models or else for all that a profile can train:
  models.config            the models (ModelServerConfig)
  batching.config          the threads that batches share (BatchingParameters)
  deployment.yaml          both as a ConfigMap, a Deployment and its Service: all models in one server
  inference_services.yaml  for KServe: one InferenceService a model
A server starts only when each of its models has a version: name those that were pushed. Models lie on the volume claim
`drumline`, in the folder `serving`, as the runs leave them.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from drumline.kubeflow.yaml_text import dump_yaml
from drumline.models.registry import MODELS
from drumline.pipeline.profiles import LENGTHS
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from drumline.naming import model_folder

HERE = Path(__file__).parent
ALL = tuple(model_folder(model, bars) for bars in LENGTHS for model in MODELS)
RELEASE = version("tensorflow-serving-api")  # of the server, too
CLAIM = "drumline"
_FOLDER, _CONFIG = "/models", "/config"
_GRPC, _REST = 8500, 8501
_THREADS = 4
_VERSIONS = 2  # the latest, and the one before for who has begun with it
_USER = 1000
_LABELS = {"app.kubernetes.io/name": "drumline-serving"}


def files(models: tuple[str, ...] = ALL) -> dict[str, str]:
    """The text of each file by its name."""
    configs = {"models.config": model_config(models), "batching.config": batching_config()}
    return configs | {
        "deployment.yaml": dump_yaml([_config_map(configs), _deployment(models), _service()]),
        "inference_services.yaml": dump_yaml([_inference_service(model) for model in models]),
    }


def model_config(models: tuple[str, ...]) -> str:
    """A ModelServerConfig as text."""
    config = model_server_config_pb2.ModelServerConfig()
    for model in models:
        one = config.model_config_list.config.add(
            name=model, base_path=f"{_FOLDER}/{model}", model_platform="tensorflow"
        )
        one.model_version_policy.latest.num_versions = _VERSIONS
    return text_format.MessageToString(config)


def batching_config() -> str:
    """BatchingParameters as text: the threads alone; a model's SavedModel has the rest."""
    return f'num_batch_threads {{ value: {_THREADS} }}\nthread_pool_name {{ value: "drumline" }}\n'


def _config_map(data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(), "data": data}


def _metadata() -> dict[str, Any]:
    return {"name": "drumline-serving", "labels": _LABELS}


def _deployment(models: tuple[str, ...]) -> dict[str, Any]:
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 60,
        "containers": [_container(models)],
        "volumes": [
            {"name": "models", "persistentVolumeClaim": {"claimName": CLAIM, "readOnly": True}},
            {"name": "config", "configMap": {"name": "drumline-serving"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": _LABELS},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"metadata": {"labels": _LABELS}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(), "spec": spec}


def _container(models: tuple[str, ...]) -> dict[str, Any]:
    # The ports open when all models are there; then the state of any of them tells that the server answers.
    answers = {"httpGet": {"path": f"/v1/models/{models[0]}", "port": "rest"}, "timeoutSeconds": 5}
    return {
        "name": "tensorflow-serving",
        "image": f"tensorflow/serving:{RELEASE}",
        "command": ["tensorflow_model_server"],
        "args": [
            f"--port={_GRPC}",
            f"--rest_api_port={_REST}",
            f"--model_config_file={_CONFIG}/models.config",
            "--model_config_file_poll_wait_seconds=60",
            "--enable_batching",
            "--enable_per_model_batching_parameters",
            f"--batching_parameters_file={_CONFIG}/batching.config",
        ],
        "ports": [{"name": "grpc", "containerPort": _GRPC}, {"name": "rest", "containerPort": _REST}],
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "4Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": answers | {"periodSeconds": 5, "failureThreshold": 60},
        "readinessProbe": answers | {"periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": "grpc"}, "periodSeconds": 20, "failureThreshold": 3},
        # Until the Service has forgotten a pod, requests still come to it.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "10"]}}},
        "volumeMounts": [
            {"name": "models", "mountPath": _FOLDER, "subPath": "serving", "readOnly": True},
            {"name": "config", "mountPath": _CONFIG, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _service() -> dict[str, Any]:
    ports = [{"name": name, "port": port, "targetPort": name} for name, port in (("grpc", _GRPC), ("rest", _REST))]
    spec = {"selector": _LABELS, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(), "spec": spec}


def _inference_service(model: str) -> dict[str, Any]:
    served = {
        "modelFormat": {"name": "tensorflow"},
        "runtimeVersion": RELEASE,  # KServe's own default is 2.6.2
        "storageUri": f"pvc://{CLAIM}/serving/{model}",
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    }
    # Names in Kubernetes have no underscore; KServe serves a model under the name of its service.
    metadata = {"name": model.replace("_", "-"), "labels": _LABELS}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": metadata,
        "spec": {"predictor": {"minReplicas": 1, "model": served}},
    }


def main(models: list[str]) -> None:
    if unknown := [model for model in models if model not in ALL]:
        sys.exit(f"Error: there is no model '{unknown[0]}'; there are {', '.join(ALL)}")
    for name, text in files(tuple(models) or ALL).items():
        (HERE / name).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
