"""Pusher: TFX's own, with versions that only grow and appear whole."""

import os
import tempfile
import time
from pathlib import Path

from drumline.serving.versions import LARGEST_VERSION
from tfx import v1 as tfx
from tfx.components.pusher import executor
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as keys
from tfx.utils import proto_utils


class Executor(executor.Executor):
    """Lets TFX push into a folder beside the versions, and renames what it pushed."""

    def Do(self, input_dict, output_dict, exec_properties):
        if not self.CheckBlessing(input_dict):
            super().Do(input_dict, output_dict, exec_properties)
            return
        destination = proto_utils.json_to_proto(
            exec_properties[keys.PUSH_DESTINATION_KEY], pusher_pb2.PushDestination()
        )
        folder = Path(destination.filesystem.base_directory)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pushing-", dir=folder) as scratch:
            destination.filesystem.base_directory = scratch
            properties = exec_properties | {keys.PUSH_DESTINATION_KEY: proto_utils.proto_to_json(destination)}
            super().Do(input_dict, output_dict, properties)
            (pushed,) = Path(scratch).iterdir()
            version = rename_to_next_version(pushed, folder)
        model = artifact_utils.get_single_instance(output_dict[keys.PUSHED_MODEL_KEY])
        self._MarkPushed(model, pushed_destination=str(version), pushed_version=version.name)


class Pusher(tfx.components.Pusher):
    """Pushes a blessed model to a folder of this machine, as a version that is larger than all that are there.

    TFX's own takes the time for a version: once the clock was set back, a new model would never be served. A version
    appears in one step, so that no reader finds half of one.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)


def rename_to_next_version(model: Path, folder: Path) -> Path:
    """Moves a SavedModel to the next version of a model.

    Args:
      model: Folder of the SavedModel, on the file system of `folder`.
      folder: Folder of the versions.

    Returns:
      The folder of the version: the seconds since 1970, or one more than the largest that is there, whole or not.
    """
    while True:
        names = [path.name for path in folder.iterdir()]
        there = [int(name) for name in names if name.isascii() and name.isdigit()]
        newest = max((number for number in there if number < LARGEST_VERSION), default=0)
        version = folder / str(max(int(time.time()), newest + 1))
        try:
            os.rename(model, version)
        except OSError:
            if not version.exists():
                raise
            continue  # another Pusher was faster
        return version
