"""TFX's InfraValidator, where a Docker engine is there to run TensorFlow Serving in."""

from importlib.metadata import version

import docker
from docker.errors import DockerException
from tfx import v1 as tfx

_SECONDS_TO_ASK = 2


def docker_answers() -> bool:
    """Whether a Docker engine of this machine, or of DOCKER_HOST, answers."""
    try:
        return docker.from_env(timeout=_SECONDS_TO_ASK).ping()
    except DockerException:
        return False


def validator(name: str, model: tfx.dsl.Channel) -> tfx.components.InfraValidator:
    """A node that blesses a model which TensorFlow Serving loads, warm-up requests and all."""
    serving = tfx.proto.ServingSpec(
        tensorflow_serving=tfx.proto.TensorFlowServing(tags=[version("tensorflow-serving-api")]),
        local_docker=tfx.proto.LocalDockerConfig(),
        model_name=name,
    )
    return tfx.components.InfraValidator(model=model, serving_spec=serving).with_id(f"InfraValidator.{name}")
