"""LastBlessedModel: the model to beat, where no Resolver can look into a metadata store (Kubeflow Pipelines)."""

import logging

from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils, path_utils

PUSHED = "pushed"
MODEL = "model"


class LastBlessedModelSpec(ComponentSpec):
    PARAMETERS = {PUSHED: ExecutionParameter(type=str)}
    INPUTS = {}
    OUTPUTS = {MODEL: ChannelParameter(type=tfx.types.standard_artifacts.Model)}


class Executor(base_executor.BaseExecutor):
    """Copies the newest version; leaves nothing where there is none."""

    def Do(self, input_dict, output_dict, exec_properties):
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed, model = exec_properties[PUSHED], artifact_utils.get_single_instance(output_dict[MODEL])
        versions = [name.rstrip("/") for name in fileio.listdir(pushed)] if fileio.isdir(pushed) else []
        newest = max(filter(str.isdigit, versions), key=int, default=None)
        if newest is None:
            logging.getLogger("drumline").info(f"{pushed}: nothing was pushed yet, so there is no model to beat")
            return
        io_utils.copy_dir(f"{pushed}/{newest}", path_utils.serving_model_path(model.uri))
        model.set_string_custom_property("pushed_version", newest)


class LastBlessedModel(base_component.BaseComponent):
    """The newest of the versions that Pusher left: what is pushed was blessed.

        LastBlessedModel(pushed="/serving/lstm-2bar").outputs["model"]

    Where nothing was pushed yet, the folder of the artifact `model` is not made.
    """

    SPEC_CLASS = LastBlessedModelSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, pushed: str):
        super().__init__(
            spec=LastBlessedModelSpec(pushed=pushed, model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model))
        )
