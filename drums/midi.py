"""The drum notes of a MIDI file, in ticks."""

import enum
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from drumline.drums.kit import GM, NOT_IN_KIT, DrumMap
from drumline.drums.rhythm_parts import DRUM_CHANNEL
from drumline.drums.smf import TooManyEventsError, read_drum_events
from drumline.drums.smf_chunks import SmfError

MOST_EVENTS = 2_000_000  # drum notes; a hit on every drum at every step of the longest song that is read is fewer
_COMMON_TIME = np.array([[0, 4, 4]])
_KIT_RANGE = slice(35, 60)  # General MIDI's kick to its second ride cymbal
_PITCHES_SHOWN = 8


class Reason(enum.StrEnum):
    """Why a file gives no windows."""

    UNREADABLE = "unreadable"
    NO_DRUMS = "no drums"
    NO_COMMON_TIME = "no drums in 4/4"
    TOO_SHORT = "too short"
    TOO_LONG = "too long"


class RejectedError(ValueError):
    """A file that gives no windows: the reason, and what exactly was found."""

    def __init__(self, reason: Reason, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail

    def __reduce__(self):
        return type(self), (self.reason, self.detail)


@dataclass(frozen=True)
class DrumNotes:
    """All drum notes of a song, merged, and where its meter changes.

    Attributes:
      ticks, pitches, velocities: int64 [notes], in no order.
      ticks_per_quarter: The file's resolution.
      meters: int64 [changes, 3], (tick, numerator, denominator), by tick; the first is at tick 0.
      drum_map: Which pitches sound which drum.
    """

    ticks: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray
    ticks_per_quarter: int
    meters: np.ndarray
    drum_map: DrumMap = GM

    @cached_property
    def drums(self) -> np.ndarray:
        """The drum class of each note, int64 [notes]; NOT_IN_KIT for pitches outside the kit."""
        return self.drum_map.drum_of_pitch[self.pitches]


def read_drum_notes(midi: bytes, drum_map: DrumMap = GM, channel: int = 0) -> DrumNotes:
    """Reads the drum notes of a MIDI file.

    Args:
      midi: The bytes of the file.
      drum_map: Which pitches sound which drum.
      channel: The MIDI channel of the drums, 1 to 16; 0 for channel 10 and what else the file makes a rhythm part.

    Returns:
      The notes, at least one of them in the kit.

    Raises:
      RejectedError: The file is unreadable, has no drums or too many events.
    """
    try:
        events = read_drum_events(midi, MOST_EVENTS, channel)
    except TooManyEventsError as error:
        raise RejectedError(Reason.TOO_LONG, str(error)) from error
    except SmfError as error:
        raise RejectedError(Reason.UNREADABLE, str(error)) from error
    if not len(events.ticks):
        raise RejectedError(Reason.NO_DRUMS, _explain_silence(events.counts, channel))
    notes = DrumNotes(
        events.ticks,
        events.pitches,
        events.velocities,
        events.ticks_per_quarter,
        _changes_of(events.meters),
        drum_map,
    )
    if not (notes.drums != NOT_IN_KIT).any():
        pitches = enumerate_some(np.unique(notes.pitches).tolist(), _PITCHES_SHOWN)
        raise RejectedError(
            Reason.NO_DRUMS,
            f"its drum notes have the pitches {pitches}, and the drum map has none of them: pass another with `--map`",
        )
    return notes


def enumerate_some(items: list, most: int) -> str:
    """The first items of a list in words."""
    return ", ".join(map(str, items[:most])) + (", ..." if len(items) > most else "")


def _explain_silence(counts: np.ndarray, channel: int) -> str:
    """Where the notes of a file are that has none for the drums. counts: int64 [16, 128], by channel and pitch."""
    if not counts.any():
        return "the file holds no note"
    if counts[DRUM_CHANNEL].any() and not channel:
        return (
            "the file makes its channel 10 a melodic part (GS, XG or GM2): pass `--channel 10` if drums are on it, or "
            "`--channel` with the channel of the drums"
        )
    used = (np.flatnonzero(counts.any(axis=1)) + 1).tolist()
    # The channel with most notes in the range of a kit, less those outside it.
    excess = 2 * counts[:, _KIT_RANGE].sum(axis=1) - counts.sum(axis=1)
    likeliest = max(used, key=lambda number: excess[number - 1])
    where = f"its {counts.sum():,} notes are on MIDI channel{'s' * (len(used) > 1)} {', '.join(map(str, used))}"
    expected = f"channel {channel}" if channel else "channel 10"
    if len(used) == 1:
        return (
            f"{where}; drums are expected on {expected}: pass `--channel {likeliest}`, or set the track's channel to "
            "10 and export again"
        )
    return (
        f"{where}; drums are expected on {expected}: if they are on channel {likeliest}, pass `--channel {likeliest}`, "
        "or set the track's channel to 10 and export again"
    )


def _changes_of(meters: np.ndarray) -> np.ndarray:
    """The changes of time signature; 4/4 until the first, the last one of a tick counts, repetitions do not."""
    meters = np.concatenate([_COMMON_TIME, meters[np.argsort(meters[:, 0], kind="stable")]])
    meters = meters[np.append(meters[1:, 0] > meters[:-1, 0], True)]
    return meters[np.append(True, (meters[1:, 1:] != meters[:-1, 1:]).any(axis=1))]
