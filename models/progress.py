"""What a training run leaves on disk after each epoch, and how the next process goes on from there."""

import os
from collections.abc import Callable
from pathlib import Path

import keras
from drumline.models.model_run import EPOCHS, Epoch, read_epochs, write_epochs
from drumline.models.sizes import Training

from drumline.errors import InputError


class Progress:
    """The epochs of a run so far, in a folder.

    epochs.csv: a row an epoch.  best.weights.h5: the network at the least held-out loss.  last.weights.h5: the network,
    the optimizer's state and its step. Each file is replaced in one go and the last one last, so that a process killed
    at any moment leaves the end of one epoch or of the other. What was written for an epoch that last.weights.h5 does
    not know yet is written again.
    """

    def __init__(self, name: str, trainee: keras.Model, training: Training, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.name, self.trainee, self.training, self.folder = name, trainee, training, folder
        self.epochs: list[Epoch] = []

    @property
    def over(self) -> bool:
        """Whether all steps are done, the patience is at an end or the minutes have passed."""
        if not self.epochs:
            return False
        last, settings = self.epochs[-1], self.training
        return (
            last["step"] >= settings.steps
            or (settings.patience is not None and last["epoch"] - self.best["epoch"] >= settings.patience)
            or (settings.minutes is not None and last["minutes"] >= settings.minutes)
        )

    @property
    def best(self) -> Epoch:
        return min(self.epochs, key=lambda epoch: epoch["val_loss"])

    def resume(self) -> None:
        """Puts the last checkpoint's state, if any, into the trainee. Raises InputError if it is unusable."""
        path = self.folder / "last.weights.h5"
        if not path.exists():
            return
        try:
            keras.saving.load_weights(self.trainee, path, objects_to_skip=self.trainee.metrics)
            step = self.trainee.steps_done
            self.epochs = [epoch for epoch in read_epochs(self.folder / EPOCHS) if epoch["step"] <= step]
            if not self.epochs or self.epochs[-1]["step"] != step:
                raise ValueError(f"epochs.csv has no row of step {step}")
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{self.name}: the checkpoint in {self.folder} is damaged or another network's; "
                f"delete the folder to begin anew ({str(error).splitlines()[0]})"
            ) from error

    def add(self, epoch: Epoch) -> None:
        """Keeps one more epoch, which the trainee has just ended."""
        self.epochs.append(epoch)
        replace(self.folder / EPOCHS, lambda path: write_epochs(path, self.epochs))
        if self.best is epoch:
            replace(self.folder / "best.weights.h5", self.trainee.network.save_weights)
        replace(self.folder / "last.weights.h5", self._save)

    def restore_best(self) -> None:
        self.trainee.network.load_weights(self.folder / "best.weights.h5")

    def _save(self, path: Path) -> None:
        keras.saving.save_weights(self.trainee, path, objects_to_skip=self.trainee.metrics)


def replace(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file anew: whoever looks, and whenever the process dies, it is the old one or the new one, whole."""
    new = path.with_name(f"new-{path.name}")
    write(new)
    with open(new, "rb") as file:
        os.fsync(file.fileno())
    os.replace(new, path)
