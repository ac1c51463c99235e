"""The versions of a model while they come and go."""

import threading

from drumline.serving.versions import Versions
from tensorflow_serving.config.file_system_storage_path_source_pb2 import FileSystemStoragePathSourceConfig


class Model:
    def __init__(self, closed: threading.Event):
        self.closed = closed

    def close(self) -> None:
        self.closed.set()


def test_a_request_keeps_the_model_of_a_version_that_is_being_unloaded(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    closed = threading.Event()
    versions = Versions("lstm", lambda folder: Model(closed))
    versions.refresh(tmp_path, FileSystemStoragePathSourceConfig.ServableVersionPolicy())
    version, model = versions.acquire()
    unloading = threading.Thread(target=versions.clear)
    unloading.start()
    unloading.join(0.2)
    assert unloading.is_alive()
    assert isinstance(model, Model)
    assert not closed.is_set()
    versions.release(version)
    unloading.join()
    assert closed.is_set()
    assert not versions.available()
