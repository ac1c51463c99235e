"""Box search: which sizes a search tries, and for how long each."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from drumline.models.kinds import ModelKind
from drumline.models.sizes import SETTINGS, Count, Training
from pydantic import Field
from pydantic.dataclasses import dataclass

Values = dict[str, int | str]  # one of the box for each of its names


@dataclass(frozen=True, config=SETTINGS)
class Search:
    """How many points of the box are tried, and which share of the model's own training each gets."""

    trials: Count = 8
    share: Annotated[float, Field(gt=0, le=1)] = 0.1

    def shorten(self, training: Training) -> Training:
        """Returns the training of a trial: the share of the whole one's steps and minutes, but an epoch or more."""
        return replace(
            training,
            steps=max(round(self.share * training.steps), min(training.evaluate_every, training.steps)),
            minutes=training.minutes and self.share * training.minutes,
        )


def box_of(kind: ModelKind, sizes: Any) -> dict[str, tuple[int | str, ...]]:
    """Returns the values of each name, those of `sizes` first."""
    return {
        name: (getattr(sizes, name), *(value for value in values if value != getattr(sizes, name)))
        for name, values in kind.search_space.items()
    }


def list_points(kind: ModelKind, sizes: Any, seed: int) -> list[Values]:
    """Returns every point of a box once: that of `sizes`, then the others in an order that depends on the seed."""
    box = box_of(kind, sizes)
    first, *others = (dict(zip(box, values, strict=True)) for values in itertools.product(*box.values()))
    return [first, *(others[index] for index in np.random.default_rng(seed).permutation(len(others)))]


def read_search_result(folder: str) -> Values:
    """Reads the values that a search chose from the one file of the folder of TFX's best_hyperparameters."""
    (path,) = Path(folder).iterdir()
    return json.loads(path.read_text())["values"]


def describe_values(values: Mapping[str, int | str]) -> str:
    """Returns such as `filters 32, kernel 8, pool 2`."""
    return ", ".join(f"{name} {value}" for name, value in values.items())
