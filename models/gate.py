"""The gate: what Evaluator asks of a model on held-out songs before Pusher may have it."""

from typing import Annotated

from drumline.models.sizes import SETTINGS
from pydantic import Field
from pydantic.dataclasses import dataclass

Figure = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, config=SETTINGS)
class Gate:
    """Thresholds; what has a default need not be asked.

    Over all windows of the test songs:

    Attributes:
      accuracy: The least teacher-forced accuracy.
      gain_over_majority: By how much that must exceed always playing the most frequent combination.
      gain_over_repeat_bar: By how much it must exceed repeating the bar before. An autoencoder's sampled accuracy must
        exceed repeating the first bar by as much.
      allowed_loss: By how much the teacher-forced accuracy may fall below that of the last blessed model.
      kl: The least KL of an autoencoder, nats per window. Below it, the posterior has collapsed.
      gain_from_z: By how much an autoencoder's sampled accuracy must exceed that from the latent code of another song.
      slice_accuracy: As `accuracy`, over each slice by hits per bar and by distinct bars. Slices are smaller than the
        whole, and some are hard: so it is lower.
      slice_allowed_loss: As `allowed_loss`, over each of these slices.
      slice_songs: Songs that a slice must have to be judged at all.
    """

    accuracy: Figure
    gain_over_majority: Figure
    gain_over_repeat_bar: Figure = -1.0
    allowed_loss: Figure = 0.02
    kl: Figure = 0.0
    gain_from_z: Figure = -1.0
    slice_accuracy: Figure = 0.0
    slice_allowed_loss: Figure = 1.0
    slice_songs: int = 5


@dataclass(frozen=True)
class Threshold:
    """A metric must be at least `least`, and at most `allowed_loss` below that of the last blessed model."""

    least: float
    allowed_loss: Figure | None = None
