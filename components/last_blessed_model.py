"""LastBlessedModel: the model to beat, where no Resolver can look into a metadata store (Kubeflow Pipelines)."""

import hashlib
import logging
import os

from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils, path_utils

PUSHED = "pushed"
MODEL = "model"
FINGERPRINT = "fingerprint"
PUSHED_VERSION = "pushed_version"


class PushedFingerprintSpec(ComponentSpec):
    PARAMETERS = {PUSHED: ExecutionParameter(type=str)}
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {FINGERPRINT: ChannelParameter(type=tfx.types.standard_artifacts.String)}


class FingerprintExecutor(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        self._log_startup(input_dict, output_dict, exec_properties)
        version = _newest(exec_properties[PUSHED])
        found = _digest(version) if version else ""
        artifact_utils.get_single_instance(output_dict[FINGERPRINT]).value = found


class PushedFingerprint(base_component.BaseComponent):
    """A digest of the newest version that Pusher left, as a String: "" where there is none.

    The same model, pushed again, has the same. Runs each time; what depends on `fingerprint` can come from a cache.
    """

    SPEC_CLASS = PushedFingerprintSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(FingerprintExecutor)

    def __init__(self, pushed: str):
        channel = tfx.dsl.Channel(type=tfx.types.standard_artifacts.String)
        super().__init__(spec=PushedFingerprintSpec(pushed=pushed, fingerprint=channel))

    @property
    def fingerprint(self):
        """The value that the node will have found, for an execution property of another."""
        return self.outputs[FINGERPRINT].future()[0].value


class LastBlessedModelSpec(ComponentSpec):
    PARAMETERS = {
        PUSHED: ExecutionParameter(type=str),
        FINGERPRINT: ExecutionParameter(type=str),
    }
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {MODEL: ChannelParameter(type=tfx.types.standard_artifacts.Model)}


class Executor(base_executor.BaseExecutor):
    """Copies the newest version; leaves nothing where there is none."""

    def Do(self, input_dict, output_dict, exec_properties):
        self._log_startup(input_dict, output_dict, exec_properties)
        version, model = _newest(exec_properties[PUSHED]), artifact_utils.get_single_instance(output_dict[MODEL])
        if version is None:
            said = f"{exec_properties[PUSHED]}: nothing was pushed yet, so there is no model to beat"
            logging.getLogger("drumline").info(said)
            return
        io_utils.copy_dir(version, path_utils.serving_model_path(model.uri))
        model.set_string_custom_property(PUSHED_VERSION, os.path.basename(version))


def _newest(pushed: str) -> str | None:
    """The folder of the newest version that is whole."""
    names = [name.rstrip("/") for name in fileio.listdir(pushed)] if fileio.isdir(pushed) else []
    versions = filter(str.isdigit, names)
    whole = [name for name in versions if fileio.exists(os.path.join(pushed, name, "saved_model.pb"))]
    return max((f"{pushed}/{name}" for name in whole), key=lambda version: int(os.path.basename(version)), default=None)


def _digest(version: str) -> str:
    digest = hashlib.sha256()
    for folder, folders, files in fileio.walk(version):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            with fileio.open(path, "rb") as file:
                content = file.read()
            digest.update(f"{os.path.relpath(path, version)}\0{len(content)}\n".encode() + content)
    return digest.hexdigest()


class LastBlessedModel(base_component.BaseComponent):
    """The newest of the versions that Pusher left: what is pushed was blessed.

        LastBlessedModel(pushed, PushedFingerprint(pushed).fingerprint).outputs["model"]

    Where nothing was pushed yet, the folder of the artifact `model` is not made.
    """

    SPEC_CLASS = LastBlessedModelSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, pushed: str, fingerprint):
        channel = tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model)
        super().__init__(spec=LastBlessedModelSpec(pushed=pushed, fingerprint=fingerprint, model=channel))
