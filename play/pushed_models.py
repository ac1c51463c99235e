"""Beats from pushed models, without a server."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from drumline.play.chaining import beats, seeds_of
from drumline.serving.versions import folders_of_versions

from drumline.errors import InputError
from drumline.naming import parse_model_folder


@dataclass(frozen=True)
class PushedModel:
    """A model at one length, in the folder above its versions: `runs/serving/lstm-2bar`."""

    folder: Path
    name: str
    bars: int

    @property
    def version(self) -> int:
        """The latest version that is whole, as TF Serving chooses it."""
        return max(folders_of_versions(self.folder))

    @functools.cached_property
    def signatures(self) -> Mapping[str, Any]:
        """The concrete functions of the latest version, by name."""
        # Slow to import: commands that are told of a model that is not there say so before.
        import tensorflow as tf

        return tf.saved_model.load(str(self.folder / str(self.version))).signatures

    def call(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """What a signature answers. inputs: of the signature's types, batch first."""
        import tensorflow as tf

        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        return {name: value.numpy() for name, value in self.signatures[signature](**tensors).items()}

    def generate(
        self, count: int, temperature: float, seed: int, bars: int | None = None, first: int = 0
    ) -> np.ndarray:
        """Beats out of nothing, int64 [count, 16 * bars, 9]: drawn, or continued from a step of silence.

        The same seed gives the same beats, and beat i is the same whatever the count.
        bars: their length, by default a window's; models/chaining.py tells how others come about.
        first: the number of the first beat, for whoever takes them in parts.
        Raises InputError for a model that an older Drumline pushed.
        """
        if not {"draw", "continue"} & set(self.signatures):
            raise InputError(
                f"{self.folder / str(self.version)}: an older Drumline pushed this model, without the signature draw; "
                "`./run drumline train` pushes it anew"
            )
        return beats(self, bars or self.bars, temperature, seeds_of(seed, range(first, first + count)))


def pushed_models(serving: Path) -> list[PushedModel]:
    """All models that have a version in a serving folder, by name and length."""
    models = [
        PushedModel(folder, *named)
        for folder in serving.glob("*")
        if (named := parse_model_folder(folder.name)) and folders_of_versions(folder)
    ]
    return sorted(models, key=lambda model: (model.name, model.bars))


def pushed_model(serving: Path, name: str, bars: int) -> PushedModel:
    """The model of that name and length. Raises InputError where it was never pushed."""
    models = pushed_models(serving)
    for model in models:
        if (model.name, model.bars) == (name, bars):
            return model
    there = ", ".join(model.folder.name for model in models) or "none"
    raise InputError(
        f"{serving}: no pushed model {name} for {bars} bars (there: {there}); "
        f"`./run drumline train` or `./run demo` trains and pushes models"
    )
