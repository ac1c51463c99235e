import numpy as np
import pytest
import tensorflow as tf
from drumline.drums.kit import STEPS_PER_BAR

from tests.models.tiny import BARS, TINY, build


@pytest.fixture(scope="session", params=TINY)
def network(request):
    """Each model by turns, tiny and untrained, its weights as drawn: leave them alone."""
    return build(request.param, BARS, TINY[request.param])


@pytest.fixture(scope="session", params=["lstm", "conv"])
def forecaster(request):
    return build(request.param, BARS, TINY[request.param])


@pytest.fixture(scope="session", params=["flat_vae", "hierarchical_vae"])
def vae(request):
    return build(request.param, BARS, TINY[request.param])


@pytest.fixture
def windows() -> tf.Tensor:
    """Five windows of any combinations, int64 [5, 32]."""
    return tf.constant(np.random.default_rng(3).integers(0, 512, (5, BARS * STEPS_PER_BAR)))


@pytest.fixture(scope="session")
def pattern() -> np.ndarray:
    """A small corpus that can be learned: one of two bars, twice, with a few steps of the second changed."""
    generator = np.random.default_rng(4)
    rock, march = np.zeros((2, STEPS_PER_BAR), np.int64)
    rock[::2], rock[4::8], march[::4], march[3::4] = 5, 6, 3, 256
    corpus = np.stack([np.tile((rock, march)[index % 2], BARS) for index in range(96)])
    corpus[np.arange(96), generator.integers(STEPS_PER_BAR, BARS * STEPS_PER_BAR, 96)] = 0
    return corpus
