"""The settings of a network and of its training, as frozen dataclasses of JSON values that refuse nonsense."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

SETTINGS = ConfigDict(extra="forbid", strict=True)

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=SETTINGS)
class LstmSizes:
    """The paper's simple model: stacked LSTM layers over the steps.

    Attributes:
      layers: LSTM layers.
      units: Units of each.
      activation: Of the cell; cuDNN runs tanh alone.
      lookback: Bars: inputs also hold what was played 1, 2 ... bars before the step that is predicted.
    """

    layers: Count = 3
    units: Count = 32
    activation: Literal["tanh", "relu", "sigmoid"] = "tanh"
    lookback: Natural = 0


@dataclass(frozen=True, config=SETTINGS)
class ConvSizes:
    """The convolution over the `history` steps before the one that is predicted.

    Attributes:
      history: Steps.
      filters: Filters of the convolution.
      kernel: Steps that a filter spans.
      pool: Steps that max pooling joins; it divides history - kernel + 1.
    """

    history: Count = 47
    filters: Count = 32
    kernel: Count = 32
    pool: Count = 2

    def __post_init__(self):
        positions = self.history - self.kernel + 1
        if positions < 1 or positions % self.pool:
            raise ValueError(
                f"a kernel of {self.kernel} steps has {max(positions, 0)} positions in a history of {self.history}; "
                f"that must be a positive multiple of pool ({self.pool})"
            )


@dataclass(frozen=True, config=SETTINGS)
class VaeSizes:
    """Both autoencoders. The flat one has no conductor and ignores `conductor_*` and `embedding`.

    Attributes:
      latent: Dimensions of the latent code z.
      encoder_units: Units of each direction of the encoder's LSTM layers.
      encoder_layers: LSTM layers, of each level of a `two_level` encoder.
      encoder: `sequence` reads all steps in one sequence (the paper), `two_level` the steps of each bar, then the bars.
      conductor_units: Units of the conductor's LSTM layers.
      conductor_layers: The conductor's LSTM layers.
      embedding: Length of the embedding that the conductor gives to each bar.
      decoder_units: Units of the decoder's LSTM layers.
      decoder_layers: The decoder's LSTM layers.
      skips: Linear paths past the LSTMs: from each step and bar to z, from z to each bar and step.
      beta: Weight of the KL term.
      free_bits: KL per window that is not penalised, bits.
      input_dropout: Share of the decoder's previous steps that are blanked in training.
    """

    latent: Count = 32
    encoder_units: Count = 64
    encoder_layers: Count = 1
    encoder: Literal["two_level", "sequence"] = "two_level"
    conductor_units: Count = 64
    conductor_layers: Count = 2
    embedding: Count = 64
    decoder_units: Count = 128
    decoder_layers: Count = 2
    skips: bool = False
    beta: NonNegative = 0.2
    free_bits: NonNegative = 48.0
    input_dropout: Share = 0.0

    def __post_init__(self):
        if self.skips and self.encoder != "two_level":
            raise ValueError(f"skips start at the bars of a two_level encoder; the encoder is {self.encoder}")

    @property
    def free_nats(self) -> float:
        """The free bits in nats, as MusicVAE's code counts them."""
        return self.free_bits * math.log(2)


@dataclass(frozen=True, config=SETTINGS)
class BarVaeSizes:
    """The autoencoder with a latent code for each bar.

    Attributes:
      bar_latent: Dimensions of the latent code of each bar.
      encoder_units: Units of each direction of the encoder's LSTM layer.
      conductor_units: Units of the conductor's LSTM layer.
      context: Length of what the conductor tells the decoder of each bar.
      decoder_units: Units of the decoder's LSTM layer.
      dropout: Share of the activations that are dropped in training.
      input_dropout: Share of the earlier steps that are hidden from the decoder in training.
      permute_drums: Augmentation: share of the training windows whose drum classes are permuted, of which the network
        is told (Karras et al. 2022, "Elucidating the design space of diffusion-based generative models", section 5).
      beta: Weight of the KL term in training.
      free_bits: KL per window that is not penalised in training, bits.
    """

    bar_latent: Count = 6
    encoder_units: Count = 96
    conductor_units: Count = 96
    context: Count = 96
    decoder_units: Count = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    input_dropout: Share = 0.0
    permute_drums: Share = 0.5
    beta: NonNegative = 1.0
    free_bits: NonNegative = 48.0

    @property
    def free_nats(self) -> float:
        """The free bits in nats."""
        return self.free_bits * math.log(2)


@dataclass(frozen=True, config=SETTINGS)
class Training:
    """How a network is trained, and for how long. An epoch is `evaluate_every` steps.

    Attributes:
      batch_size: Windows of a step, on all devices together.
      steps: Training steps, at most.
      learning_rate: Learning rate of Adam in the first step.
      final_learning_rate: The rate to which it decays.
      decay: Factor of the learning rate per step (0.9999 in the paper).
      evaluate_every: Steps of an epoch, after which held-out windows are evaluated and a checkpoint is written.
      seed: Random seed of the first weights, the order of the windows and all else that is drawn at random.
      clip_norm: Largest norm of all gradients together.
      mixed_bfloat16: Compute in bfloat16, with float32 weights.
      patience: Epochs without a lower held-out loss after which training stops early; null for never.
      minutes: Time after which the epoch in progress is the last; null for no limit.
      strategy: `` trains on one device, `mirrored` on all of this machine, `multi_worker` on all that TF_CONFIG names.
      beta_warmup_steps: Steps over which an autoencoder's beta rises from 0.
      scheduled_sampling: Rate of the inverse sigmoid by which an autoencoder's decoder reads its own steps instead of
        the true ones (MusicVAE: 1000 for 2 bars); 0 for never.
      drop_drums: Augmentation: share of the windows that lose one drum class.
      permute_drums: Augmentation: share of the windows whose drum classes are permuted.
      mix_bars: Augmentation: share of the windows each of whose bars comes from another window of the batch.
    """

    batch_size: Count
    steps: Count
    learning_rate: Positive = 1e-3
    final_learning_rate: Positive = 1e-5
    decay: Annotated[float, Field(gt=0, le=1)] = 0.9999
    evaluate_every: Count = 100
    seed: Natural = 0
    clip_norm: Positive = 1.0
    mixed_bfloat16: bool = False
    patience: Count | None = None
    minutes: Positive | None = None
    strategy: Literal["", "mirrored", "multi_worker"] = ""
    beta_warmup_steps: Natural = 0
    scheduled_sampling: NonNegative = 0.0
    drop_drums: Share = 0.0
    permute_drums: Share = 0.0
    mix_bars: Share = 0.0

    def __post_init__(self):
        if self.final_learning_rate > self.learning_rate:
            raise ValueError(
                f"final_learning_rate ({self.final_learning_rate}) must not exceed learning_rate ({self.learning_rate})"
            )
