"""`tuner_fn`, which TFX's Tuner calls: a box search of a model's sizes, each trial a short training.

The paper searched the simple models only, and so does this: the autoencoders have their sizes from MusicVAE.
"""

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import tensorflow_transform as tft
from drumline.models import training
from drumline.models.kinds import ModelKind, find_kind
from drumline.models.network import build_model
from drumline.models.search import Search, Values, box_of, describe_values, list_points
from drumline.models.sizes import Training
from drumline.models.trainer import read_windows
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus
from tfx import v1 as tfx

from drumline.errors import InputError

OBJECTIVE = "val_loss"  # nats a window, of the same held-out windows in all trials


def tuner_fn(fn_args: tfx.components.FnArgs) -> tfx.components.TunerFnResult:
    """The search that custom_config describes: `model`, `bars`, `sizes`, `training` as for Trainer; `search`."""
    config = fn_args.custom_config
    kind = find_kind(config["kind"])
    tuner = BoxSearch(
        config["model"],
        kind,
        config["bars"],
        kind.Sizes(**config["sizes"]),
        Training(**config["training"]),
        Search(**config["search"]),
        directory=Path(fn_args.working_dir),
        report=logging.getLogger("drumline").info,
    )
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    windows = {
        "train": read_windows(fn_args, fn_args.train_files, transform_output),
        "held_out": read_windows(fn_args, fn_args.eval_files, transform_output),
    }
    return tfx.components.TunerFnResult(tuner=tuner, fit_kwargs=windows)


class BoxOracle(keras_tuner.Oracle):
    """Tries points of a box in their order, and ends after the last."""

    def __init__(self, box: dict[str, tuple[int | str, ...]], points: list[Values]):
        space = keras_tuner.HyperParameters()
        for name, values in box.items():
            space.Choice(name, list(values), default=values[0])
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, "min"),
            max_trials=len(points),
            hyperparameters=space,
            max_consecutive_failed_trials=len(points),
        )
        self.points = points

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        return {"status": TrialStatus.RUNNING, "values": self.points[len(self.start_order)]}


class BoxSearch(BaseTuner):
    """A search around the sizes of a profile, which are the first trial; its seed is that of the training.

    A trial is the beginning of the training that Trainer would do, with the same seed, so that a search without a limit
    in minutes always ends the same. Each is reported in a line.
    A training that fails by an InputError is a bad point, unless it is the profile's own: that ends the search.
    """

    def __init__(
        self,
        model: str,
        kind: ModelKind,
        bars: int,
        sizes: Any,
        settings: Training,
        search: Search,
        *,
        directory: Path,
        report: Callable[[str], None],
    ):
        self.model, self.kind, self.bars, self.sizes, self.report = model, kind, bars, sizes, report
        self.settings = search.shorten(settings)
        self.strategy = training.strategy_of(self.settings)
        self.least = math.inf
        oracle = BoxOracle(box_of(kind, sizes), list_points(kind, sizes, settings.seed)[: search.trials])
        super().__init__(oracle, directory=str(directory), project_name=model, overwrite=True)

    def run_trial(self, trial: Trial, train: np.ndarray, held_out: np.ndarray) -> dict[str, float]:
        """Trains at the trial's point. train, held_out: combinations, uint16 [N, steps]."""
        number, values = len(self.oracle.start_order), trial.hyperparameters.values
        line = f"{self.model}: trial {number}/{self.oracle.max_trials}, {describe_values(values)}"
        try:
            loss = self._held_out_loss(self.kind.resize(self.sizes, values), train, held_out)
        except Exception as error:
            if isinstance(error, InputError) and number > 1:
                self.report(f"{line}: {error}")
                raise keras_tuner.errors.FailedTrialError(str(error)) from error
            # KerasTuner would take any other for a bad point, too, and go on.
            raise keras_tuner.errors.FatalError(str(error)) from error
        self.least = min(self.least, loss)
        self.report(f"{line}: held-out loss {loss:.1f}, least {self.least:.1f}")
        return {OBJECTIVE: loss}

    def _held_out_loss(self, sizes: Any, train: np.ndarray, held_out: np.ndarray) -> float:
        """Returns the least of all epochs, whose weights Trainer would keep."""
        settings = self.settings
        with self.strategy.scope():
            network = build_model(
                self.kind, self.bars, sizes, seed=settings.seed, mixed_bfloat16=settings.mixed_bfloat16
            )
        epochs = training.fit(network, self.model, train, held_out, settings, report=lambda _: None)
        return min(epochs[OBJECTIVE])
