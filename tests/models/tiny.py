"""Sizes at which every network is built in a moment."""

from typing import Any

from drumline.models.kinds import find_kind
from drumline.models.network import DrumModel, build_model
from drumline.models.sizes import BarVaeSizes, ConvSizes, LstmSizes, VaeSizes

BARS = 2
TINY = {
    "lstm": LstmSizes(layers=2, units=16, lookback=2),
    "conv": ConvSizes(history=11, filters=8, kernel=4, pool=2),
    "flat_vae": VaeSizes(
        latent=8,
        encoder_units=12,
        encoder_layers=2,
        encoder="sequence",
        decoder_units=24,
        decoder_layers=1,
        free_bits=11.5,
    ),
    "hierarchical_vae": VaeSizes(
        latent=8,
        encoder_units=12,
        conductor_units=10,
        conductor_layers=1,
        embedding=6,
        decoder_units=24,
        free_bits=11.5,
    ),
    "bar_vae": BarVaeSizes(
        bar_latent=4,
        encoder_units=8,
        conductor_units=6,
        context=5,
        decoder_units=12,
        free_bits=11.5,
    ),
}


def build(name: str, bars: int, sizes: Any, *, seed: int = 0, mixed_bfloat16: bool = False) -> DrumModel:
    """An untrained network of a kind that comes with Drumline."""
    return build_model(find_kind(name), bars, sizes, seed=seed, mixed_bfloat16=mixed_bfloat16)
