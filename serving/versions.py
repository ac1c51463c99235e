"""The versions of one model: which are loaded, and in which state each one is."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from drumline.serving import logs
from drumline.serving.request_error import RequestError
from drumline.serving.servable import Servable
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.config.file_system_storage_path_source_pb2 import FileSystemStoragePathSourceConfig

type Policy = FileSystemStoragePathSourceConfig.ServableVersionPolicy

LARGEST_VERSION = (1 << 63) - 1


@dataclass
class Version:
    """state: of ModelVersionStatus.State.  failure: why it could not be loaded from `files`."""

    number: int
    state: int = ModelVersionStatus.START
    loaded: Servable | None = None
    failure: RequestError | None = None
    files: frozenset = frozenset()
    requests: int = 0


class Versions:
    """One thread calls `refresh`; any may call the others.

    load: makes a version from its folder, or raises.
    """

    def __init__(self, name: str, load: Callable[[Path], Servable]):
        self.name = name
        self._load = load
        self._versions: dict[int, Version] = {}
        self._changed = threading.Condition()

    def refresh(self, folder: Path, policy: Policy) -> None:
        """Loads the versions that the folder and the policy ask for, then drains and drops the others.

        A version that cannot be loaded is tried again once its files change. Until then the latest that can be loaded
        stands for it; where a policy names versions and none of them can be, those loaded before stay.
        """
        there = folders_of_versions(folder)
        while missing := [number for number in self._select_versions(there, policy) if number not in self.available()]:
            self._load_version(missing[0], there[missing[0]])
        wanted = self._select_versions(there, policy)
        if wanted or not any(self._broken(number, path) for number, path in there.items()):
            for number in self.available() - set(wanted):
                self._unload_version(number)

    def clear(self) -> None:
        """Drains and drops all."""
        for number in self.available():
            self._unload_version(number)

    def available(self) -> set[int]:
        """The numbers of the versions that answer."""
        with self._changed:
            return {number for number, version in self._versions.items() if version.loaded}

    def acquire(self, number: int | None = None) -> tuple[Version, Servable]:
        """A version, by default the latest, and its loaded model, which stays open until the version is released.

        Raises RefusalError (NOT_FOUND) where it is not available.
        """
        with self._changed:
            latest = max((version.number for version in self._versions.values() if version.loaded), default=0)
            version = self._versions.get(latest if number is None else number)
            if not version or not version.loaded:
                asked = f"Latest({self.name})" if number is None else f"Specific({self.name}, {number})"
                raise RequestError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {asked}")
            version.requests += 1
            return version, version.loaded

    def release(self, version: Version) -> None:
        with self._changed:
            version.requests -= 1
            self._changed.notify_all()

    def status(self) -> list[Version]:
        """All versions that were ever seen, the latest first, as TensorFlow Serving orders them."""
        with self._changed:
            return [self._versions[number] for number in sorted(self._versions, reverse=True)]

    def failures(self) -> list[str]:
        """The versions that could not be loaded, and why, a line each."""
        failed = [version for version in self.status() if version.failure]
        return [f"{self.name}, version {one.number}: {' '.join(str(one.failure).split())[:200]}" for one in failed]

    def _select_versions(self, there: dict[int, Path], policy: Policy) -> list[int]:
        """What ought to be loaded of what is there, the latest first."""
        sound = [number for number in sorted(there, reverse=True) if not self._broken(number, there[number])]
        choice = policy.WhichOneof("policy_choice")
        if choice == "all":
            return sound
        if choice == "specific":
            return [number for number in sound if number in policy.specific.versions]
        return sound[: policy.latest.num_versions or 1]

    def _broken(self, number: int, folder: Path) -> bool:
        version = self._versions.get(number)
        return bool(version and version.failure and version.files == _files(folder))

    def _load_version(self, number: int, folder: Path) -> None:
        version = Version(number, ModelVersionStatus.LOADING, files=_files(folder))
        with self._changed:
            self._versions[number] = version
        logs.event("loading", model=self.name, version=number)
        try:
            loaded = self._load(folder)
        except Exception as error:  # A file can be broken in any way; the server must live.
            version.failure = error if isinstance(error, RequestError) else RequestError(_code(error), str(error))
            version.state = ModelVersionStatus.END
            logs.problem("broken", model=self.name, version=number, why=str(error))
            return
        with self._changed:
            version.loaded, version.state = loaded, ModelVersionStatus.AVAILABLE
        logs.event("available", model=self.name, version=number)

    def _unload_version(self, number: int) -> None:
        with self._changed:
            version = self._versions[number]
            loaded, version.loaded, version.state = version.loaded, None, ModelVersionStatus.UNLOADING
            logs.event("unloading", model=self.name, version=number, requests=version.requests)
            self._changed.wait_for(lambda: not version.requests)
        if loaded is not None:
            loaded.close()
        version.state = ModelVersionStatus.END
        logs.event("unloaded", model=self.name, version=number)


def folders_of_versions(folder: Path) -> dict[int, Path]:
    """The folders of SavedModels that are named by a number."""
    if not folder.is_dir():
        return {}
    names = [path for path in folder.iterdir() if path.name.isascii() and path.name.isdigit()]
    return {
        int(path.name): path
        for path in names
        if int(path.name) <= LARGEST_VERSION and (path / "saved_model.pb").is_file()
    }


def _files(folder: Path) -> frozenset:
    """What tells whether any file below a folder has changed."""
    found = set()
    for path in folder.rglob("*"):
        try:
            about = path.stat()
        except OSError:  # It is being moved away.
            continue
        found.add((str(path), about.st_size, about.st_mtime_ns))
    return frozenset(found)


def _code(error: Exception) -> grpc.StatusCode:
    return grpc.StatusCode.NOT_FOUND if isinstance(error, OSError) else grpc.StatusCode.INTERNAL
