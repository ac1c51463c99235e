"""What Trainer leaves in its artifact `model_run`: what was trained, and what each epoch measured.

Without Keras and TensorFlow, so that results are read fast.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EPOCHS = "epochs.csv"
RECORD = "training.json"

Epoch = dict[str, float]  # `epoch` and `step`, both from 1, `minutes` of training so far, then what was measured


@dataclass(frozen=True)
class TrainingRecord:
    """What was trained, and by which code.

    Attributes:
      profile: Name of the profile, or the path of its file.
      model: Name of the model in the profile.
      kind: Its kind, as `drumline.models.kinds.find_kind` takes it.
      bars: Length of a window.
      sizes: The fields of the kind's sizes; of a tuned model, those that the search chose.
      training: The fields of `drumline.models.sizes.Training`.
      paper_model: "simple" or "hierarchical" where the paper has results of such a model, else "".
      code: What git calls the code.
    """

    profile: str
    model: str
    kind: str
    bars: int
    sizes: dict[str, Any]
    training: dict[str, Any]
    paper_model: str
    code: str


def read_record(folder: Path) -> TrainingRecord:
    """What was trained, from the folder of its artifact `model_run`."""
    return TrainingRecord(**json.loads((folder / RECORD).read_text()))


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
