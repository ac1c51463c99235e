"""Beats of made-up sources."""

import numpy as np
from drumline.play.listening.clips import REAL, Source

BARS = 1
STEPS = 16


def source(name: str, count: int = 3, version: int = 1, seed: int = 0) -> Source:
    generator = np.random.default_rng([seed, version, *name.encode()])
    beats = (generator.random([count, STEPS, 9]) < 0.2) * generator.integers(1, 128, [count, STEPS, 9])
    return Source(name, version, list(beats))


SOURCES = [source(REAL), source("lstm"), source("hierarchical_vae")]
NAMES = [source.name for source in SOURCES]
