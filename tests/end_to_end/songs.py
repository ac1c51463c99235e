"""A small corpus that the tests make: songs of a bar pattern with variations, learnable by tiny models."""

from pathlib import Path

import numpy as np
from drumline.drums.kit import DRUMS
from drumline.drums.notes import write_midi


def write_songs(folder: Path, songs: int, bars: int = 20) -> Path:
    """Writes `songs` MIDI files that differ in their drums, and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for song in range(songs):
        rng = np.random.default_rng(song)
        bar = np.zeros((16, len(DRUMS)), np.int64)
        bar[[0, 8], 0] = bar[[4, 12], 1] = 1
        bar[:: int(rng.integers(1, 3)) * 2, 2] = 1
        grid = np.tile(bar, (bars, 1))
        grid[rng.integers(0, len(grid), bars), rng.integers(0, len(DRUMS), bars)] = 1
        write_midi(grid, folder / f"song{song:03d}.mid")
    return folder
