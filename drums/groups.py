"""Groups of windows that are alike, to measure models on each: by density of hits and by how much is repeated.

A group is named by the range of its numbers, such as "4-7"; the names are part of what Evaluator writes.
"""

import numpy as np
from drumline.drums.kit import DRUMS, STEPS_PER_BAR, combinations_of

_FEWEST_HITS = (0, 4, 8, 12, 16, 24)  # a bar; the last group has no end
_FEWEST_BARS = (1, 2, 3, 5, 9)


def hits_per_bar(velocities: np.ndarray) -> str:
    """The group of a window's mean number of hits in a bar, rounded down. velocities: [steps, 9] or as one row."""
    bars = velocities.size // (STEPS_PER_BAR * len(DRUMS))
    return _range(int(np.count_nonzero(velocities)) // bars, _FEWEST_HITS)


def distinct_bars(velocities: np.ndarray) -> str:
    """The group of how many different bars a window has, where velocities do not count. velocities: as above."""
    bars = combinations_of(velocities.reshape(-1, STEPS_PER_BAR, len(DRUMS)))
    return _range(len(np.unique(bars, axis=0)), _FEWEST_BARS)


def _range(number: int, starts: tuple[int, ...]) -> str:
    """The range that a number lies in, each from one start to before the next."""
    group = int(np.searchsorted(starts, number, side="right")) - 1
    first, after = starts[group], starts[group + 1 : group + 2]
    if not after:
        return f"{first}+"
    return str(first) if after[0] == first + 1 else f"{first}-{after[0] - 1}"
