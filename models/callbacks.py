"""What Keras calls while a network is trained: stops, refusals, and the end of each epoch."""

import math
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from drumline.models.accuracy import share_right
from drumline.models.batches import pick_evenly
from drumline.models.event_log import EventLog
from drumline.models.progress import Progress

from drumline.errors import InputError

DRAWN_BEATS = 4  # of each epoch, for TensorBoard
SAMPLED_WINDOWS = 256  # held-out windows of which an epoch computes the sampled accuracy


class StopAtStep(keras.callbacks.Callback):
    """Ends the last epoch early where the steps are no multiple of its length."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.model.steps_done >= self.steps:
            self.model.stop_training = True


class RefuseNan(keras.callbacks.Callback):
    def __init__(self, name: str):
        super().__init__()
        self.name = name

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        self._refuse("loss", float(logs["loss"]))

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        self._refuse("held-out loss", logs["val_loss"])

    def _refuse(self, which: str, loss: float) -> None:
        if not math.isfinite(loss):
            step = self.model.steps_done
            raise InputError(
                f"{self.name}: the {which} is {loss} at step {step}; lower the learning rate "
                "(`--set training.learning_rate=...`) or clip_norm"
            )


class EndOfEpoch(keras.callbacks.Callback):
    """Adds the sampled accuracy to what was measured, keeps and reports the epoch, and ends the run if it is over."""

    def __init__(self, progress: Progress, held_out: np.ndarray, report: Callable[[str], None]):
        super().__init__()
        self.progress, self.report = progress, report
        network = progress.trainee.network
        self.windows = pick_evenly(held_out, SAMPLED_WINDOWS)
        self.predict = tf.function(network.predict_greedily)
        self.truth = self.windows[:, network.primer_steps :]
        self.events = EventLog(progress.folder)
        before = progress.epochs[-1]["minutes"] if progress.epochs else 0.0
        self.started = time.monotonic() - 60 * before

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        beats = self.predict(self.windows)
        measured = logs | {"val_sampled_accuracy": float(tf.reduce_mean(share_right(beats, self.truth)))}
        step = self.model.steps_done
        self.progress.add({"epoch": epoch + 1, "step": step, "minutes": self._minutes(), **measured})
        self.events.add(self.progress.epochs[-1], beats[:DRAWN_BEATS])
        self.report(_line(self.progress.name, epoch + 1, self.params["epochs"], measured))
        if self.progress.over:
            self.model.stop_training = True

    def _minutes(self) -> float:
        """The same on all machines, so that they stop together."""
        minutes, strategy = tf.constant((time.monotonic() - self.started) / 60), self.model.distribute_strategy
        mean = tf.function(lambda: strategy.reduce("MEAN", strategy.run(lambda: minutes), axis=None), autograph=False)
        return round(float(mean()), 3)


def _line(name: str, epoch: int, epochs: int, measured: dict[str, float]) -> str:
    kl = f"held-out KL {measured['val_kl']:.1f}, " if "val_kl" in measured else ""
    return (
        f"{name}: epoch {epoch}/{epochs}, loss {measured['loss']:.1f}, held-out loss {measured['val_loss']:.1f}, {kl}"
        f"teacher-forced accuracy {measured['val_teacher_forced_accuracy']:.3f}, "
        f"sampled accuracy {measured['val_sampled_accuracy']:.3f}"
    )
