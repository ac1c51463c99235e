"""The models that a server serves, kept in step with their folders."""

import functools
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
from drumline.serving import logs
from drumline.serving.request_error import RequestError, invalid_argument
from drumline.serving.servable import Servable
from drumline.serving.versions import Version, Versions
from google.protobuf import text_format
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from drumline.errors import InputError
from drumline.naming import parse_model_folder

Load = Callable[[str, Path], Servable]


class ModelManager:
    """All models of a configuration, or of a folder where there is none.

    folder: that of the pushed models, `<model>-<bars>bar` each; new ones are picked up.
    load: makes a version of the model of that name from its folder.
    poll: seconds between two looks at the folders.
    """

    def __init__(self, folder: Path, config: ModelServerConfig | None, load: Load, poll: float):
        self._folder, self._config, self._load, self._poll = folder, config, load, poll
        # What arrives by the network may name these folders and what lies in them, no others.
        self._roots = [folder.resolve()]
        self._models: dict[str, Versions] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._refreshing = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Loads what is there, and follows the folders from then on. Raises RefusalError for a bad configuration."""
        if self._config is not None:
            check(self._config)
            self._roots += [self._path(model).resolve() for model in self._config.model_config_list.config]
        with self._refreshing:
            self._refresh()
            self._labels = self._labels_of(self._configs())
        self._thread.start()

    def stop(self) -> None:
        """Unloads every version, after its last request."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._refreshing:
            for versions in self._models.values():
                versions.clear()

    def names(self) -> list[str]:
        """The models that have a version to answer with."""
        return sorted(name for name, versions in self._models.items() if versions.available())

    def problems(self) -> list[str]:
        """What is asked for and does not answer, and why, a line each."""
        silent = [name for name, versions in sorted(self._models.items()) if not versions.status()]
        broken = [line for _, versions in sorted(self._models.items()) for line in versions.failures()]
        return [f"{name}: its folder has no version" for name in silent] + broken

    def known(self, name: str) -> str:
        """The name, or "" where there is no such model."""
        return name if name in self._models else ""

    def versions(self, spec: ModelSpec) -> Versions:
        """Raises RefusalError: INVALID_ARGUMENT without a name, NOT_FOUND for a model that there is not."""
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        return self._models.get(spec.name) or Versions(spec.name, lambda folder: self._load(spec.name, folder))

    def number(self, spec: ModelSpec) -> int | None:
        """The version that is meant, None for the latest. Raises RefusalError (INVALID_ARGUMENT) for no label of it."""
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            labels = self._labels.get(spec.name, {})
            if spec.version_label not in labels:
                raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
            return labels[spec.version_label]
        return spec.version.value if choice == "version" else None

    def acquire(self, spec: ModelSpec) -> tuple[Version, Servable]:
        """The version that is meant and its model, kept until it is released. Raises RefusalError."""
        return self.versions(spec).acquire(self.number(spec))

    def status(self, spec: ModelSpec) -> list[Version]:
        """The versions that are meant, in whatever state. Raises RefusalError (NOT_FOUND) where there are none."""
        seen, number = self.versions(spec).status(), self.number(spec)
        found = [version for version in seen if number in (None, version.number)]
        if found:
            return found
        what = "any versions" if number is None else f"version {number}"
        raise RequestError(grpc.StatusCode.NOT_FOUND, f"Could not find {what} of model {spec.name}")

    def reload(self, config: ModelServerConfig) -> None:
        """Serves another configuration; returns once its models answer.

        Raises RefusalError, and changes nothing: INVALID_ARGUMENT for a bad configuration, or a folder outside those
        that the server was started with. Raises RefusalError after the change: UNKNOWN where no version of a model can
        be loaded, FAILED_PRECONDITION for a label of a version that is not available (labels stay as they were).
        """
        check(config)
        for model in config.model_config_list.config:
            self._check_path(model)
        with self._refreshing:
            self._config = config
            self._refresh()
            missing = [model.name for model in self._configs() if model.name not in self.names()]
            if missing:
                message = f"Some models did not become available: {{{', '.join(missing)}}}"
                raise RequestError(grpc.StatusCode.UNKNOWN, message)
            self._labels = self._labels_of(self._configs())

    def _follow(self) -> None:
        while not self._stopped.wait(self._poll):
            try:
                with self._refreshing:
                    self._refresh()
            except Exception as error:  # A folder may vanish while it is read; the next look finds what is there.
                logs.problem("poll failed", why=str(error))

    def _configs(self) -> list[ModelConfig]:
        if self._config is not None:
            return list(self._config.model_config_list.config)
        folders = sorted(path for path in self._folder.glob("*") if parse_model_folder(path.name))
        return [ModelConfig(name=path.name, base_path=str(path)) for path in folders]

    def _refresh(self) -> None:
        configs = {model.name: model for model in self._configs()}
        for name, model in configs.items():
            versions = self._models.get(name)
            if versions is None:
                versions = Versions(name, functools.partial(self._load, name))
                self._models = self._models | {name: versions}
            versions.refresh(self._path(model), model.model_version_policy)
        for name in self._models.keys() - configs.keys():
            self._models[name].clear()

    def _path(self, model: ModelConfig) -> Path:
        return Path(self._folder, model.base_path)

    def _check_path(self, model: ModelConfig) -> None:
        path = self._path(model).resolve()
        if not any(path == root or root in path.parents for root in self._roots):
            raise invalid_argument(
                f"model {model.name}: {model.base_path} is outside the folders that this server was given"
            )
        if not path.is_dir():
            raise invalid_argument(f"model {model.name}: there is no folder {model.base_path}")

    def _labels_of(self, configs: list[ModelConfig]) -> dict[str, dict[str, int]]:
        for model in configs:
            for version in model.version_labels.values():
                if version not in self._models[model.name].available():
                    message = (
                        f"Request to assign label to version {version} of model {model.name}, "
                        "which is not currently available for inference"
                    )
                    raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, message)
        return {model.name: dict(model.version_labels) for model in configs}


def check(config: ModelServerConfig) -> None:
    """Refuses (INVALID_ARGUMENT) what cannot be a server's configuration."""
    if config.WhichOneof("config") != "model_config_list":
        raise invalid_argument("ServerModelConfig type not supported. Only ModelConfigList is currently supported")
    names = [model.name for model in config.model_config_list.config]
    for model in config.model_config_list.config:
        if not model.name or not set("/:").isdisjoint(model.name) or names.count(model.name) > 1:
            raise invalid_argument(f'"{model.name}" is no name of a model: one of its own, without / and :')
        if model.model_platform not in ("", "tensorflow"):
            raise invalid_argument(f"model {model.name}: the platform {model.model_platform} is not tensorflow")
        if not model.base_path or "\0" in model.base_path:
            raise invalid_argument(f"model {model.name} has no base_path")


def read_config(file: Path) -> ModelServerConfig:
    """A ModelServerConfig in protobuf's text format, as TensorFlow Serving's --model_config_file.

    Raises InputError where it is none.
    """
    try:
        config = text_format.Parse(file.read_text(), ModelServerConfig())
        check(config)
    except (OSError, UnicodeDecodeError, text_format.ParseError, RequestError) as error:
        raise InputError(
            f"{file}: no ModelServerConfig ({error}); see TensorFlow Serving's --model_config_file"
        ) from error
    return config
