"""The models by name."""

from dataclasses import asdict

import keras
import tensorflow as tf
from drumline.drums.kit import STEPS_PER_BAR
from drumline.models.forecasters import ConvForecaster, Forecaster, LstmForecaster
from drumline.models.sizes import ConvSizes, LstmSizes, VaeSizes
from drumline.models.vae import Vae

SIZES = {"lstm": LstmSizes, "conv": ConvSizes, "flat_vae": VaeSizes, "hierarchical_vae": VaeSizes}
MODELS = tuple(SIZES)

Sizes = LstmSizes | ConvSizes | VaeSizes


def build(name: str, bars: int, sizes: Sizes, *, seed: int = 0, mixed_bfloat16: bool = False) -> Forecaster | Vae:
    """A network with all its variables made, for windows of `bars` bars. Sets Keras' and TensorFlow's seed.

    Raises ValueError for an unknown name, sizes of another model, or fewer than 2 bars.
    """
    if name not in SIZES:
        raise ValueError(f"there is no model {name!r}; there are {', '.join(MODELS)}")
    if not isinstance(sizes, SIZES[name]):
        raise ValueError(f"{name} takes {SIZES[name].__name__}, not {type(sizes).__name__}: {asdict(sizes)}")
    if bars < 2:
        raise ValueError(f"a window has 2 bars or more, not {bars}: accuracy counts what follows the first")
    keras.utils.set_random_seed(seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed_bfloat16 else "float32")
    try:
        model = _network(name, bars, sizes)
        model(tf.zeros([1, bars * STEPS_PER_BAR], tf.int64))
    finally:
        keras.config.set_dtype_policy(policy)
    return model


def _network(name: str, bars: int, sizes: Sizes) -> Forecaster | Vae:
    if name == "lstm":
        return LstmForecaster(bars, sizes)
    if name == "conv":
        return ConvForecaster(bars, sizes)
    return Vae(bars, sizes, hierarchical=name == "hierarchical_vae")
