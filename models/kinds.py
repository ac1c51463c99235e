"""The kinds of models: one class each, with all that the rest of Drumline asks of a kind.

A new kind needs a subclass of `ModelKind` and a network (`drumline.models.network.DrumModel`). A profile names it, by
the path of its class (`kind = "my_package.bigram:Bigram"`) or by the entry point of its package in the group
`drumline.models`. Nothing else in Drumline changes.
"""

from __future__ import annotations

import abc
import functools
import importlib
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar

from drumline.models.gate import Gate, Threshold
from drumline.models.sizes import BarVaeSizes, ConvSizes, LstmSizes, VaeSizes

from drumline.errors import InputError

if TYPE_CHECKING:
    import tensorflow_model_analysis as tfma
    from drumline.models.network import DrumModel

ENTRY_POINTS = "drumline.models"


class ModelKind(abc.ABC):
    """What a kind of model is. This module and its subclasses import no TensorFlow before a network is built.

    Attributes:
      Sizes: The frozen dataclass of a network's sizes; a profile's table `sizes` is read into it.
      search_space: For each field of `Sizes` that `--tune` searches, the values that it tries; empty for none.
      paper_model: "simple" or "hierarchical" where the paper (J. Ortiz 2020) has results of such a model, else "".
    """

    Sizes: ClassVar[type]
    search_space: ClassVar[Mapping[str, tuple[int | str, ...]]] = {}
    paper_model: ClassVar[str] = ""

    @abc.abstractmethod
    def build_network(self, bars: int, sizes: Any) -> DrumModel:
        """Makes an untrained network.

        Args:
          bars: Length of its windows.
          sizes: An instance of `Sizes`.
        """

    def resize(self, sizes: Any, values: Mapping[str, int | str]) -> Any:
        """Returns `sizes` with values that a search chose. Raises ValueError where they do not fit."""
        return replace(sizes, **values)

    def metrics(self) -> list[tfma.metrics.Metric]:
        """Returns the TFMA metrics that Evaluator computes of this kind beside those of all kinds."""
        return []

    def thresholds(self, gate: Gate) -> dict[str, Threshold]:
        """Returns what the gate asks of this kind beside what it asks of all kinds, by metric, over all windows."""
        return {}


class Lstm(ModelKind):
    """The paper's simple model: stacked LSTM layers that forecast the next step."""

    Sizes = LstmSizes
    # The paper does not give the values that it searched: these lie around the best that it found.
    search_space = {"layers": (1, 2, 3, 4), "units": (16, 32, 64, 128), "activation": ("tanh", "relu", "sigmoid")}
    paper_model = "simple"

    def build_network(self, bars: int, sizes: LstmSizes) -> DrumModel:
        from drumline.models.lstm import LstmForecaster

        return LstmForecaster(bars, sizes)


class Conv(ModelKind):
    """The paper's other simple model: a convolution over the last steps that forecasts the next one."""

    Sizes = ConvSizes
    search_space = {"filters": (16, 32, 64), "kernel": (8, 16, 32), "pool": (1, 2, 4)}
    paper_model = "simple"

    def build_network(self, bars: int, sizes: ConvSizes) -> DrumModel:
        from drumline.models.conv import ConvForecaster

        return ConvForecaster(bars, sizes)

    def resize(self, sizes: ConvSizes, values: Mapping[str, int | str]) -> ConvSizes:
        """As ModelKind.resize; the history grows to the next length that kernel and pool divide."""
        kernel, pool = int(values.get("kernel", sizes.kernel)), int(values.get("pool", sizes.pool))
        pooled = max(-(-(sizes.history - kernel + 1) // pool), 1)
        changed: dict[str, Any] = {**values, "history": pooled * pool + kernel - 1}
        return replace(sizes, **changed)


class Autoencoder(ModelKind):
    """What the variational autoencoders share: a latent code z, which must carry something of the window."""

    Sizes: ClassVar[type] = VaeSizes

    def metrics(self) -> list[tfma.metrics.Metric]:
        from drumline.models.tfma_metrics import ActiveUnits, WindowMean

        return [
            *(WindowMean(name, of=name) for name in ("kl", "shuffled_z_accuracy")),
            WindowMean("gain_from_z", of="sampled_accuracy", minus="shuffled_z_accuracy"),
            ActiveUnits("active_units"),
        ]

    def thresholds(self, gate: Gate) -> dict[str, Threshold]:
        return {
            "sampled_gain_over_repeat_bar": Threshold(gate.gain_over_repeat_bar),
            "kl": Threshold(gate.kl),
            "gain_from_z": Threshold(gate.gain_from_z),
        }


class FlatVae(Autoencoder):
    """MusicVAE's flat baseline: one decoder plays all steps from z."""

    def build_network(self, bars: int, sizes: VaeSizes) -> DrumModel:
        from drumline.models.vae import Vae

        return Vae(bars, sizes, hierarchical=False)


class HierarchicalVae(Autoencoder):
    """MusicVAE: a conductor turns z into an embedding for each bar, from which the decoder plays that bar."""

    paper_model = "hierarchical"

    def build_network(self, bars: int, sizes: VaeSizes) -> DrumModel:
        from drumline.models.vae import Vae

        return Vae(bars, sizes, hierarchical=True)


class BarVae(Autoencoder):
    """A generative model: a latent code for each bar, a conductor and a decoder that read the bars before."""

    Sizes = BarVaeSizes

    def thresholds(self, gate: Gate) -> dict[str, Threshold]:
        """As ModelKind.thresholds; a code as short as this kind's need not reconstruct as well as a repeated bar."""
        thresholds = super().thresholds(gate)
        del thresholds["sampled_gain_over_repeat_bar"]
        return thresholds

    def build_network(self, bars: int, sizes: BarVaeSizes) -> DrumModel:
        from drumline.models.bar_vae import BarVae

        return BarVae(bars, sizes)


KINDS: dict[str, type[ModelKind]] = {
    "lstm": Lstm,
    "conv": Conv,
    "flat_vae": FlatVae,
    "hierarchical_vae": HierarchicalVae,
    "bar_vae": BarVae,
}


@functools.cache
def find_kind(name: str) -> ModelKind:
    """Finds a kind of model.

    Args:
      name: One of `KINDS`, the name of an entry point in the group `drumline.models`, or the path of a class, such as
        `my_package.bigram:Bigram`.

    Raises:
      InputError: There is no such kind, or what is there is not one.
    """
    if name in KINDS:
        return KINDS[name]()
    try:
        if ":" in name:
            module, _, attribute = name.partition(":")
            found = getattr(importlib.import_module(module), attribute)
        else:
            (entry_point,) = entry_points(group=ENTRY_POINTS, name=name)
            found = entry_point.load()
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"there is no kind of model '{name}'; there are {', '.join(KINDS)}, the entry points in the group "
            f"{ENTRY_POINTS} of installed packages, and classes by their path, such as my_package.bigram:Bigram"
        ) from error
    if not (isinstance(found, type) and issubclass(found, ModelKind)):
        raise InputError(f"the kind of model '{name}' is not a subclass of drumline.models.kinds.ModelKind")
    return found()
