"""Beats longer than a model's window: window after window, from the signatures that every model of its kind has.

Everywhere: seeds int64 [B, 2], one a beat; hits int64 [B, steps, 9]. A beat depends on its own seed alone, and its
first window is what the model plays for that seed anyway.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from drumline.drums.kit import DRUMS, STEPS_PER_BAR

# Found by experiment (demo profile, 2 bars, temperature 1): windows differ from the next in 0.66 of their steps at a
# quarter, in 0.76 at a half, and unrelated ones in 0.90.
PARTS = 4  # windows from one draw to the next


class Player(Protocol):
    """A model wherever it runs: loaded here, or behind a server."""

    @property
    def signatures(self) -> Collection[str]:
        """The names of its signatures."""

    def call(self, signature: str, **inputs: Any) -> Mapping[str, np.ndarray]:
        """What a signature answers. inputs: arrays of the signature's types, batch first."""


def seeds_of(seed: int, beats: range) -> np.ndarray:
    """The seeds of these beats of all that belong to one seed, int64 [B, 2]."""
    return np.array([[seed, beat] for beat in beats], np.int64).reshape(-1, 2)


def beats(
    player: Player, bars: int, temperature: float, seeds: np.ndarray, heard: np.ndarray | None = None
) -> np.ndarray:
    """Beats of any length, cut where it is no multiple of the model's window.

    Args:
      player: The model.
      bars: The length of each beat.
      temperature: 0 for the likeliest drums.
      seeds: int64 [B, 2].
      heard: int64 [steps, 9], what a forecaster goes on from; without it, beats out of nothing.

    Returns:
      int64 [B, 16 * bars, 9].
    """
    steps, played, chain = bars * STEPS_PER_BAR, 0, []
    for window in windows(player, temperature, seeds, heard):
        chain.append(window[:, : steps - played])
        played += window.shape[1]
        if played >= steps:
            break
    return np.concatenate(chain, axis=1)


def windows(
    player: Player, temperature: float, seeds: np.ndarray, heard: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Windows that follow each other, without end. heard: as `beats` takes it."""
    temperatures = np.full(len(seeds), temperature, np.float32)
    if heard is None and "draw" in player.signatures:
        return _walked(player, temperatures, seeds)
    heard = np.zeros([1, len(DRUMS)], np.int64) if heard is None else heard
    return _continued(player, temperatures, seeds, heard)


def path(player: Player, seeds: np.ndarray, window: int) -> np.ndarray:
    """z of the window of that number: on the way from one draw to the next, a quarter further a window.

    The way is a great circle's (slerp), so that no z on it is much shorter than its ends are: each fourth window is a
    draw of its own, that of number 0 the one of signature `sample`. Returns float32 [B, Z].
    """
    draw, part = divmod(window, PARTS)
    a, b = (player.call("draw", seed=_nth(seeds, number))["z"] for number in (draw, draw + 1))
    # TensorFlow is slow to import: what cannot be played is refused before.
    from drumline.models.latent import slerp

    return slerp(a, b, np.full(len(seeds), part / PARTS, np.float32)).numpy()


def _walked(player: Player, temperature: np.ndarray, seeds: np.ndarray) -> Iterator[np.ndarray]:
    """Of an autoencoder. All windows of a beat are drawn with the same noise, so they differ only as their z do.

    Each window begins as every window of the model does: its decoder has not heard the one before.
    """
    yield player.call("sample", temperature=temperature, seed=seeds)["hits"]
    for window in itertools.count(1):
        z = path(player, seeds, window)
        yield player.call("decode", z=z, temperature=temperature, seed=seeds)["hits"]


def _continued(player: Player, temperature: np.ndarray, seeds: np.ndarray, heard: np.ndarray) -> Iterator[np.ndarray]:
    """Of a forecaster: first after what was heard, then each after all of the window before, with noise anew."""
    heard = np.repeat(heard[None], len(seeds), axis=0)
    for window in itertools.count():
        inputs = {"velocities": heard, "temperature": temperature, "seed": _nth(seeds, window)}
        heard = player.call("continue", **inputs)["hits"]
        yield heard


def _nth(seeds: np.ndarray, number: int) -> np.ndarray:
    """A seed's further seeds: far from those of any other beat, and number 0 is itself."""
    return seeds + np.array([0, number << 32], np.int64)
