"""The kit: nine drum classes, and the 512 combinations of hits that one step can hold."""

import numpy as np

STEPS_PER_BAR = 16  # of 4/4: a step is a sixteenth note
DRUMS = (
    "kick",
    "snare",
    "closed hi-hat",
    "open hi-hat",
    "low tom",
    "mid tom",
    "high tom",
    "crash",
    "ride",
)
COMBINATIONS = 1 << len(DRUMS)
SILENCE = 0

# note_seq's DEFAULT_DRUM_TYPE_PITCHES, whose import takes a second. The first of a class is its General MIDI pitch.
_PITCHES = (
    (36, 35),
    (38, 27, 28, 31, 32, 33, 34, 37, 39, 40, 56, 65, 66, 75, 85),
    (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 22),
    (46, 67, 72, 74, 79, 81, 26),
    (45, 29, 41, 43, 61, 64, 84),
    (48, 47, 60, 63, 77, 86, 87),
    (50, 30, 62, 76, 83),
    (49, 52, 55, 57, 58),
    (51, 53, 59, 82),
)
PITCH_OF_DRUM = tuple(pitches[0] for pitches in _PITCHES)
NOT_IN_KIT = -1
DRUM_OF_PITCH = np.full(128, NOT_IN_KIT, np.int64)
for _drum, _pitches in enumerate(_PITCHES):
    DRUM_OF_PITCH[list(_pitches)] = _drum
DRUM_OF_PITCH.flags.writeable = False

_BITS = 1 << np.arange(len(DRUMS))


def combinations_of(hits: np.ndarray) -> np.ndarray:
    """The id of each step's combination. hits: [..., 9], anything above 0 is a hit. Returns int64 [...], 0..511."""
    return (np.asarray(hits) > 0) @ _BITS


def hits_of(combinations: np.ndarray) -> np.ndarray:
    """The hits of each combination id. combinations: integers [...], 0..511. Returns int64 [..., 9], 0 or 1.

    Raises ValueError for an id outside 0..511.
    """
    combinations = np.asarray(combinations)
    if combinations.size and not (0 <= combinations.min() and combinations.max() < COMBINATIONS):
        raise ValueError(f"combinations must lie in 0..{COMBINATIONS - 1}")
    return (combinations[..., None] & _BITS > 0).astype(np.int64)
