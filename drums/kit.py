"""The kit: nine drum classes, the 512 combinations of hits that one step can hold, and the pitches of the drums."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from drumline.errors import InputError

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
NOT_IN_KIT = -1
_BITS = 1 << np.arange(len(DRUMS))


@dataclass(frozen=True)
class DrumMap:
    """Which pitches sound which drum.

    Attributes:
      pitches: The MIDI pitches of each drum, in the order of DRUMS. A drum is written as the first of its pitches.
    """

    pitches: tuple[tuple[int, ...], ...]

    def __post_init__(self):
        every = [pitch for pitches in self.pitches for pitch in pitches]
        if len(self.pitches) != len(DRUMS) or not all(self.pitches):
            raise ValueError(f"a drum map has at least one pitch for each of {', '.join(DRUMS)}")
        if not all(type(pitch) is int and 0 <= pitch <= 127 for pitch in every):
            raise ValueError("the pitches of a drum map are whole numbers from 0 to 127")
        if len(set(every)) < len(every):
            twice = next(pitch for pitch in every if every.count(pitch) > 1)
            raise ValueError(f"a drum map has pitch {twice} twice")

    @cached_property
    def drum_of_pitch(self) -> np.ndarray:
        """The drum class of each pitch, int64 [128], read-only; NOT_IN_KIT for pitches outside the kit."""
        table = np.full(128, NOT_IN_KIT, np.int64)
        for drum, pitches in enumerate(self.pitches):
            table[list(pitches)] = drum
        table.flags.writeable = False
        return table

    @property
    def pitch_of_drum(self) -> tuple[int, ...]:
        """The pitch that each drum is written as."""
        return tuple(pitches[0] for pitches in self.pitches)

    def to_json(self) -> str:
        """The map in one line, which `read_drum_map` reads."""
        return json.dumps(dict(zip(DRUMS, self.pitches, strict=True)))

    def to_toml(self) -> str:
        """The map as a file that `read_drum_map` reads."""
        rows = (f'"{drum}" = {list(pitches)}' for drum, pitches in zip(DRUMS, self.pitches, strict=True))
        return "\n".join(rows) + "\n"


# note_seq's DEFAULT_DRUM_TYPE_PITCHES, whose import takes a second. The first of a class is its General MIDI pitch.
GM = DrumMap(
    (
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
)
# Roland's V-Drums, as in the table of the Groove MIDI Dataset. Of the toms, 48, 45 and 43 are the heads and 50, 47 and
# 58 the rims; 22 and 26 are the edges of the hi-hat.
ROLAND = DrumMap(
    (
        (36,),
        (38, 40, 37),
        (42, 22, 44),
        (46, 26),
        (43, 58),
        (45, 47),
        (48, 50),
        (49, 55, 57, 52),
        (51, 59, 53),
    )
)
DRUM_MAPS = {"gm": GM, "roland": ROLAND}
PITCH_OF_DRUM = GM.pitch_of_drum
DRUM_OF_PITCH = GM.drum_of_pitch


def read_drum_map(name: str) -> DrumMap:
    """The drum map of a name, or of a TOML or JSON file that has the list of pitches of each drum.

    Args:
      name: One of DRUM_MAPS, or the path of a file with lines such as `"closed hi-hat" = [42, 44]`, or what stands in
        such a JSON file.

    Returns:
      The map.

    Raises:
      InputError: There is no such map or file, or the file is not a drum map.
    """
    if name in DRUM_MAPS:
        return DRUM_MAPS[name]
    text, is_json = name, name.startswith("{")
    if not is_json:
        is_json = name.lower().endswith(".json")
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise InputError(
                f"{name}: there is no drum map or readable file of this name; the maps are {', '.join(DRUM_MAPS)}"
            ) from error
    try:
        return _parse_drum_map(json.loads(text) if is_json else tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not a drum map ({' '.join(str(error).split())})") from error


def _parse_drum_map(table: Mapping[str, Sequence[int]]) -> DrumMap:
    if not isinstance(table, dict) or not all(isinstance(pitches, list) for pitches in table.values()):
        raise ValueError("each drum has a list of pitches")
    if set(table) != set(DRUMS):
        odd = ", ".join(sorted(set(table) ^ set(DRUMS)))
        raise ValueError(f"it must have the drums {', '.join(DRUMS)}; missing or unknown: {odd}")
    return DrumMap(tuple(tuple(table[drum]) for drum in DRUMS))


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
