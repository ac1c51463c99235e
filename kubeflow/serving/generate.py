"""The models that TensorFlow Serving serves: `./run python kubeflow/serving/generate.py [MODEL-BARSbar ...]`.

Writes, beside itself, for the named models or else for all that a profile can train:
  models.config            for the server of deployment.yaml (ModelServerConfig)
  inference_services.yaml  for KServe: one InferenceService a model
A server starts only when each of its models has a version: name those that were pushed. Models lie on the volume claim
`drumline`, in the folder `serving`, as the runs leave them.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from drumline.kubeflow.yaml_text import dump_yaml
from drumline.pipeline.profiles import Profile
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from drumline.naming import model_folder

HERE = Path(__file__).parent
_CPU = Profile.read("cpu")
ALL = tuple(model_folder(model, bars) for bars in _CPU.lengths for model in _CPU.models(bars))
RELEASE = version("tensorflow-serving-api")  # of the server, too
_VERSIONS = 2  # the latest, and the one before for who has begun with it


def files(models: tuple[str, ...] = ALL) -> dict[str, str]:
    """The text of each file by its name."""
    return {
        "models.config": _model_config(models),
        "inference_services.yaml": dump_yaml([_inference_service(model) for model in models]),
    }


def _model_config(models: tuple[str, ...]) -> str:
    config = model_server_config_pb2.ModelServerConfig()
    for model in models:
        one = config.model_config_list.config.add(name=model, base_path=f"/models/{model}", model_platform="tensorflow")
        one.model_version_policy.latest.num_versions = _VERSIONS
    return text_format.MessageToString(config)


def _inference_service(model: str) -> dict[str, Any]:
    served = {
        "modelFormat": {"name": "tensorflow"},
        "runtimeVersion": RELEASE,  # KServe's own default is 2.6.2
        "storageUri": f"pvc://drumline/serving/{model}",
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    }
    # Names in Kubernetes have no underscore; KServe serves a model under the name of its service.
    metadata = {"name": model.replace("_", "-"), "labels": {"app.kubernetes.io/name": "drumline-serving"}}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": metadata,
        "spec": {"predictor": {"minReplicas": 1, "model": served}},
    }


def main(models: list[str]) -> None:
    """Writes the files. Exits where a model is not there."""
    if unknown := [model for model in models if model not in ALL]:
        sys.exit(f"Error: there is no model '{unknown[0]}'; there are {', '.join(ALL)}")
    for name, text in files(tuple(models) or ALL).items():
        (HERE / name).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
