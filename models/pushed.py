"""Beats from pushed models, without a server."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from drums.errors import InputError
from drums.kit import DRUMS


@dataclass(frozen=True)
class PushedModel:
    """A model at one length, in the folder above its versions: `runs/serving/lstm-2bar`."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name.rpartition("-")[0]

    @property
    def bars(self) -> int:
        return int(self.folder.name.rpartition("-")[2].removesuffix("bar"))

    @property
    def version(self) -> int:
        """The latest version, as TF Serving chooses it."""
        return max(int(version.name) for version in self.folder.iterdir() if version.name.isdigit())

    def generate(self, count: int, temperature: float, seed: int) -> np.ndarray:
        """Beats out of nothing, int64 [count, steps, 9]: from the prior, or continued from a step of silence.

        The same seed gives the same beats, and beat i is the same whatever the count.
        """
        signatures = tf.saved_model.load(str(self.folder / str(self.version))).signatures
        arguments = {
            "temperature": tf.fill([count], tf.constant(temperature, tf.float32)),
            "seed": tf.constant([[seed, beat] for beat in range(count)], tf.int64),
        }
        if "sample" in signatures:
            return signatures["sample"](**arguments)["hits"].numpy()
        silence = tf.zeros([count, 1, len(DRUMS)], tf.int64)
        return signatures["continue"](velocities=silence, **arguments)["hits"].numpy()


def pushed_models(serving: Path) -> list[PushedModel]:
    """All models that have a version in a serving folder, by name and length."""
    folders = [folder for folder in serving.glob("*-*bar") if any(v.name.isdigit() for v in folder.iterdir())]
    return sorted(map(PushedModel, folders), key=lambda model: (model.name, model.bars))


def pushed_model(serving: Path, name: str, bars: int) -> PushedModel:
    """The model of that name and length. Raises InputError where it was never pushed."""
    models = pushed_models(serving)
    for model in models:
        if (model.name, model.bars) == (name, bars):
            return model
    there = ", ".join(model.folder.name for model in models) or "none"
    raise InputError(
        f"{serving}: no pushed model {name} for {bars} bars (there: {there}); "
        f"`./run drums train` or `./run demo` trains and pushes models"
    )
