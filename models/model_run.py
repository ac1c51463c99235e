"""What Trainer leaves in its artifact `model_run`: the recipe of the model, and what each epoch measured.

Without Keras and TensorFlow, so that results are read fast.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EPOCHS = "epochs.csv"
RECIPE = "recipe.json"

Epoch = dict[str, float]  # `epoch` and `step`, both from 1, `minutes` of training so far, then what was measured


@dataclass(frozen=True)
class Recipe:
    """What was trained, and by which code.

    sizes, training: the fields of the dataclasses in `models.sizes`; of a tuned model, the sizes that the search chose.
    """

    profile: str
    model: str
    bars: int
    sizes: dict[str, Any]
    training: dict[str, Any]
    code: str


def read_recipe(folder: Path) -> Recipe:
    """The recipe of a model, from the folder of its artifact `model_run`."""
    return Recipe(**json.loads((folder / RECIPE).read_text()))


def read_epochs(path: Path) -> list[Epoch]:
    """The rows of an epochs.csv."""
    with open(path, newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def write_epochs(path: Path, epochs: list[Epoch]) -> None:
    """Writes an epochs.csv, one row an epoch. All epochs have the keys of the first."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(epochs[0]))
        writer.writeheader()
        writer.writerows(epochs)
