"""Box search: which sizes of the simple models a search tries, and for how long each."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from drumline.models.sizes import ConvSizes, LstmSizes, Training

# What the paper searched, of the simple models only. It does not give the values: these lie around what it found.
BOXES = {
    "lstm": {"layers": (1, 2, 3, 4), "units": (16, 32, 64, 128), "activation": ("tanh", "relu", "sigmoid")},
    "conv": {"filters": (16, 32, 64), "kernel": (8, 16, 32), "pool": (1, 2, 4)},
}

Values = dict[str, int | str]  # one of a box for each of its names


@dataclass(frozen=True)
class Search:
    """How many points of a box are tried, and what share of the model's own training each gets."""

    trials: int = 8
    share: float = 0.1

    def __post_init__(self):
        if self.trials < 1:
            raise ValueError(f"Search: trials must be at least 1, not {self.trials}")
        if not 0 < self.share <= 1:
            raise ValueError(f"Search: share must lie in (0, 1], not {self.share}")

    def training(self, whole: Training) -> Training:
        """That of a trial: the share of the whole one's steps and minutes, but an epoch or more."""
        return replace(
            whole,
            steps=max(round(self.share * whole.steps), min(whole.evaluate_every, whole.steps)),
            minutes=whole.minutes and self.share * whole.minutes,
        )


def box_of(model: str, sizes: LstmSizes | ConvSizes) -> dict[str, tuple[int | str, ...]]:
    """The values of each name, those of `sizes` first."""
    return {
        name: (getattr(sizes, name), *(value for value in values if value != getattr(sizes, name)))
        for name, values in BOXES[model].items()
    }


def points(model: str, sizes: LstmSizes | ConvSizes, seed: int) -> list[Values]:
    """Every point of a box once: that of `sizes`, then the others in an order that hangs on the seed."""
    box = box_of(model, sizes)
    first, *others = (dict(zip(box, values, strict=True)) for values in itertools.product(*box.values()))
    return [first, *(others[index] for index in np.random.default_rng(seed).permutation(len(others)))]


def resize(sizes: LstmSizes | ConvSizes, values: Mapping[str, int | str]) -> LstmSizes | ConvSizes:
    """`sizes` with other values. A convolution's history grows to the next one that its kernel and pool divide."""
    if isinstance(sizes, ConvSizes):
        kernel, pool = values.get("kernel", sizes.kernel), values.get("pool", sizes.pool)
        pooled = max(-(-(sizes.history - kernel + 1) // pool), 1)
        values = {**values, "history": pooled * pool + kernel - 1}
    return replace(sizes, **values)


def read_search_result(sizes: LstmSizes | ConvSizes, folder: str) -> LstmSizes | ConvSizes:
    """`sizes` with what a search chose: the values in the one file of the folder of TFX's best_hyperparameters."""
    (path,) = Path(folder).iterdir()
    return resize(sizes, json.loads(path.read_text())["values"])


def describe_values(values: Mapping[str, int | str]) -> str:
    """Such as `filters 32, kernel 8, pool 2`."""
    return ", ".join(f"{name} {value}" for name, value in values.items())
