"""Songs that are near copies of each other, found by MinHash, so that they can share a split."""

from collections.abc import Sequence

import numpy as np
from drumline.drums.kit import STEPS_PER_BAR
from drumline.drums.windows import Song

ALIKE = 0.4  # the least Jaccard similarity of the half bars of two near copies
HASHES = 64
_KEYS = HASHES // 2  # of two hashes each
_GENERATOR = np.random.Generator(np.random.PCG64(0))
_FACTORS = _GENERATOR.integers(0, 1 << 63, HASHES, np.uint64) * 2 + 1
_OFFSETS = _GENERATOR.integers(0, 1 << 63, HASHES, np.uint64)
_MIX = _GENERATOR.integers(0, 1 << 63, STEPS_PER_BAR // 2 // 4 + 1, np.uint64) * 2 + 1


def minhash(song: Song) -> bytes:
    """The MinHash of the half bars of a song, in which copies that differ in some bars still agree.

    Half bars, so that a bar with one other hit is not altogether another one. Each counts as often as it is played: in
    a song of few different bars a few changes would weigh too much otherwise.

    Returns:
      uint32 [64] as bytes. The share of places in which two of them agree estimates the Jaccard similarity.
    """
    # Eight steps of two bytes are two words of eight.
    words = np.ascontiguousarray(song.combinations).view(np.uint64).reshape(-1, 2, 2)
    mixed = words[..., 0] * _MIX[0] ^ (words[..., 1] * _MIX[1] >> np.uint64(7))
    mixed = (mixed + np.arange(2, dtype=np.uint64)) * _MIX[2]
    played = np.sort((mixed ^ mixed >> np.uint64(32))[words.any(axis=-1)])
    first = np.append(True, played[1:] != played[:-1])
    places = np.arange(len(played), dtype=np.uint64)
    times = places - np.maximum.accumulate(places * first)
    played = (played + times * _MIX[0]) * _MIX[1]
    return ((played[:, None] * _FACTORS + _OFFSETS) >> np.uint64(32)).min(axis=0).astype("<u4").tobytes()


def find_near_copies(songs: Sequence[str], minhashes: Sequence[bytes]) -> dict[str, str]:
    """The group of each song that has near copies, named by the least song id in it; near copies of near copies too.

    Songs are sorted by each pair of their hashes, and neighbours compared, so the cost grows as that of sorting.

    Args:
      songs: Song ids.
      minhashes: What `minhash` returns for each.

    Returns:
      Ids of groups by song id; songs without a near copy are left out.
    """
    by_id = np.argsort(np.array(songs))
    hashes = np.frombuffer(b"".join(minhashes), "<u4").reshape(len(songs), HASHES)[by_id]
    keys = hashes.view("<u8")
    groups = np.arange(len(songs))
    ones, others = [], []
    for key in range(_KEYS):
        order = np.lexsort([keys[:, (key + later) % _KEYS] for later in (2, 1, 0)])
        alike = (hashes[order[1:]] == hashes[order[:-1]]).mean(axis=1) >= ALIKE
        ones.append(order[1:][alike])
        others.append(order[:-1][alike])
    groups = _connect(len(songs), np.concatenate(ones), np.concatenate(others))
    sizes = np.bincount(groups, minlength=len(songs))
    names = [songs[place] for place in by_id]
    return {names[place]: names[groups[place]] for place in np.flatnonzero(sizes[groups] > 1).tolist()}


def _connect(count: int, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The least place that each of `count` places is connected to, over any number of links."""
    least = np.arange(count)
    while True:
        lesser = least.copy()
        np.minimum.at(lesser, ones, least[others])
        np.minimum.at(lesser, others, least[ones])
        lesser = lesser[lesser]
        if (lesser == least).all():
            return least
        least = lesser
