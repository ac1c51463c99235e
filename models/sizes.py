"""Every size of a network and of its training, as frozen dataclasses of plain JSON values."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LstmSizes:
    """The paper's simple model: stacked LSTM layers over the steps."""

    layers: int = 3
    units: int = 32
    activation: str = "tanh"  # cuDNN runs no other
    lookback: int = 0  # bars: it also hears what was played 1, 2 ... bars before the step it forecasts

    def __post_init__(self):
        _refuse_below(self, 1, "layers", "units")
        _refuse_below(self, 0, "lookback")
        _refuse_unless_in(self, "activation", ("tanh", "relu", "sigmoid"))


@dataclass(frozen=True)
class ConvSizes:
    """The convolution over the `history` steps before the one that is forecast."""

    history: int = 47
    filters: int = 32
    kernel: int = 32
    pool: int = 2

    def __post_init__(self):
        _refuse_below(self, 1, "history", "filters", "kernel", "pool")
        positions = self.history - self.kernel + 1
        if positions < 1 or positions % self.pool:
            raise ValueError(
                f"ConvSizes: a kernel of {self.kernel} steps has {max(positions, 0)} places in a history of "
                f"{self.history}; that must be a positive multiple of pool ({self.pool})"
            )


@dataclass(frozen=True)
class VaeSizes:
    """Both autoencoders. The flat one has no conductor and ignores what is said of it and of `embedding`."""

    latent: int = 32
    encoder_units: int = 64
    encoder_layers: int = 1  # in each level of a `two_level` encoder
    encoder: str = "two_level"
    conductor_units: int = 64
    conductor_layers: int = 2
    embedding: int = 64
    decoder_units: int = 128
    decoder_layers: int = 2
    skips: bool = False  # linear paths past the LSTMs: from each step and bar to z, from z to each bar and step
    beta: float = 0.2
    free_nats: float = 48.0  # a window
    input_dropout: float = 0.0  # share of the decoder's previous steps blanked while training

    def __post_init__(self):
        _refuse_below(self, 1, "latent", "encoder_units", "encoder_layers", "conductor_units")
        _refuse_below(self, 1, "conductor_layers", "embedding", "decoder_units", "decoder_layers")
        _refuse_below(self, 0, "beta", "free_nats")
        _refuse_unless_in(self, "encoder", ("sequence", "two_level"))
        if self.skips and self.encoder != "two_level":
            raise ValueError(f"VaeSizes: skips start at the bars of a two_level encoder, which {self.encoder} has not")
        if not 0 <= self.input_dropout <= 1:
            raise ValueError(f"VaeSizes: input_dropout is a share, 0 to 1, not {self.input_dropout}")


@dataclass(frozen=True)
class Training:
    """How long, how fast and on how many devices.

    An epoch is `evaluate_every` steps; patience counts epochs, None never stops.
    """

    batch_size: int  # of all devices together
    steps: int
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    decay: float = 0.9999  # of the learning rate, a step (paper)
    evaluate_every: int = 100
    seed: int = 0
    clip_norm: float | None = 1.0  # of all gradients together; None does not clip
    mixed_bfloat16: bool = False
    patience: int | None = None
    minutes: float | None = None  # of training; the epoch in which they have passed is the last
    strategy: str = ""  # one device; or `mirrored`, all of this machine's; or `multi_worker`, all that TF_CONFIG names
    beta_steps: int = 0  # over which an autoencoder's beta rises from 0 to its sizes' beta
    own_steps: float = 0.0  # share of the steps before that the decoder takes from itself (scheduled sampling)
    own_steps_ramp: int = 0  # steps over which that share rises from 0
    rotate_bars: bool = False  # each window begins at a random bar of its own
    drop_drums: float = 0.0  # share of the windows that lose one drum class
    permute_drums: float = 0.0  # share of the windows whose drum classes change places
    mix_bars: float = 0.0  # share of the windows whose every bar is the same bar of some window of the batch

    def __post_init__(self):
        _refuse_below(self, 1, "batch_size", "steps", "evaluate_every")
        _refuse_below(self, 0, "seed", "beta_steps", "own_steps_ramp")
        _refuse_unless_in(self, "strategy", ("", "mirrored", "multi_worker"))
        _refuse_unless_share(self, "own_steps", "drop_drums", "permute_drums", "mix_bars")
        if not 0 < self.final_learning_rate <= self.learning_rate:
            raise ValueError(
                f"Training: the learning rate falls from learning_rate to final_learning_rate, so "
                f"0 < {self.final_learning_rate} <= {self.learning_rate} must hold"
            )
        if not 0 < self.decay <= 1:
            raise ValueError(f"Training: decay must lie in (0, 1], not {self.decay}")
        _refuse_unless_positive(self, "clip_norm", "minutes")
        if self.patience is not None:
            _refuse_below(self, 1, "patience")


def _refuse_below(sizes: Any, least: int, *names: str) -> None:
    for name in names:
        if getattr(sizes, name) < least:
            raise ValueError(f"{type(sizes).__name__}: {name} must be at least {least}, not {getattr(sizes, name)}")


def _refuse_unless_in(sizes: Any, name: str, allowed: Collection[str]) -> None:
    if getattr(sizes, name) not in allowed:
        raise ValueError(f"{type(sizes).__name__}: {name} is one of {', '.join(allowed)}, not {getattr(sizes, name)!r}")


def _refuse_unless_share(sizes: Any, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(sizes, name) <= 1:
            raise ValueError(f"{type(sizes).__name__}: {name} is a share, 0 to 1, not {getattr(sizes, name)}")


def _refuse_unless_positive(sizes: Any, *names: str) -> None:
    for name in names:
        value = getattr(sizes, name)
        if value is not None and value <= 0:
            raise ValueError(f"{type(sizes).__name__}: {name} must be above 0, or None, not {value}")
