"""What every network is to training, evaluation and export, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from drumline.drums.kit import STEPS_PER_BAR
from drumline.models.kinds import ModelKind
from drumline.models.sizes import Training

Encode = Callable[[tf.Tensor], tf.Tensor]  # velocities int64 [B, steps, 9] -> combinations int64 [B, steps]
Signatures = dict[str, tf.types.experimental.GenericFunction]


class DrumModel(keras.Model):
    """A network over windows of combinations. A kind of model subclasses it and builds it (`drumline.models.kinds`).

    Attributes:
      bars: Length of a window.
      steps: The same in steps.
      outcome_names: The keys of what `outcome` returns.
      primer_steps: Steps at the start of a window that the model is given, so that accuracy does not count them.
    """

    outcome_names: ClassVar[tuple[str, ...]] = ("loss",)
    primer_steps: int = 0

    def __init__(self, bars: int):
        super().__init__()
        self.bars = bars
        self.steps = bars * STEPS_PER_BAR

    def outcome(
        self,
        combinations: tf.Tensor,
        training: bool = False,
        seed: tf.Tensor | tuple[int, int] = (0, 0),
        step: tf.Tensor | float = 0.0,
        settings: Training | None = None,
    ) -> dict[str, tf.Tensor]:
        """Computes what training minimizes.

        Args:
          combinations: int64 [B, steps].
          training: Whether this is a training step.
          seed: int32 [2], of all that is drawn at random.
          step: Training steps done, for schedules.
          settings: Settings of the training, for schedules; None outside training.

        Returns:
          float32 [B] for each of `outcome_names`, among them `loss`; nats per window.
        """
        raise NotImplementedError

    def teacher_forced(self, combinations: tf.Tensor) -> tf.Tensor:
        """Predicts each step from the true steps before it (an autoencoder: and from the latent code of the window).

        Args:
          combinations: int64 [B, steps].

        Returns:
          int64 [B, steps], the most probable combination of each step.
        """
        raise NotImplementedError

    def predict_greedily(self, combinations: tf.Tensor) -> tf.Tensor:
        """Predicts all steps after the primer from the model's own steps, the most probable combination at each.

        Args:
          combinations: int64 [B, steps]; an autoencoder encodes them, a forecaster is given the primer.

        Returns:
          int64 [B, steps - primer_steps].
        """
        raise NotImplementedError

    def evaluate_windows(self, combinations: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the figures of each window that Evaluator averages (`drumline.models.tfma_metrics`).

        A window's figures must not depend on the other windows of its batch.

        Args:
          combinations: int64 [B, steps].

        Returns:
          float32 [B, ...] by name: see `drumline.models.evaluation.compare`.
        """
        raise NotImplementedError

    def prepare_export(self, train: np.ndarray, held_out: np.ndarray, seed: int) -> None:
        """Fits what is not trained by gradients, once training is over.

        Args:
          train: Combinations of the training windows, uint16 [N, steps].
          held_out: Those of the held-out windows.
          seed: Random seed of the training.
        """

    def signatures(self, encode: Encode) -> Signatures:
        """Makes the signatures of the SavedModel beside `evaluate`.

        Args:
          encode: The preprocessing of the pipeline.
        """
        raise NotImplementedError

    def tracked(self) -> list[Any]:
        """Returns what the signatures use beside the network's own weights, to be kept in the SavedModel."""
        return []


def build_model(kind: ModelKind, bars: int, sizes: Any, *, seed: int = 0, mixed_bfloat16: bool = False) -> DrumModel:
    """Builds a network and makes all its variables. Sets Keras's and TensorFlow's random seed.

    Args:
      kind: The kind of model.
      bars: Length of a window.
      sizes: Instance of `kind.Sizes`.
      seed: Random seed of the initial weights.
      mixed_bfloat16: Whether it computes in bfloat16, with float32 weights.

    Raises:
      TypeError: The sizes are those of another kind.
    """
    if not isinstance(sizes, kind.Sizes):
        raise TypeError(f"{type(kind).__name__} takes {kind.Sizes.__name__}, not {type(sizes).__name__}")
    keras.utils.set_random_seed(seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed_bfloat16 else "float32")
    try:
        model = kind.build_network(bars, sizes)
        model(tf.zeros([1, model.steps], tf.int64))
    finally:
        keras.config.set_dtype_policy(policy)
    return model
