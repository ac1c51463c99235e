"""The drum notes of a MIDI file, in ticks."""

import enum
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from drumline.drums.kit import DRUM_OF_PITCH, NOT_IN_KIT
from drumline.drums.smf import SmfError, TooManyEventsError, read_drum_events

MOST_EVENTS = 2_000_000  # drum notes; a hit on every drum at every step of the longest song that is read is fewer
_COMMON_TIME = np.array([[0, 4, 4]])


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
    """All channel-10 notes of a song, merged, and where its meter changes.

    ticks, pitches, velocities: int64 [notes], in no order.  meters: int64 [changes, 3], (tick, numerator,
    denominator), by tick; the first is at tick 0.
    """

    ticks: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray
    ticks_per_quarter: int
    meters: np.ndarray

    @cached_property
    def drums(self) -> np.ndarray:
        """The drum class of each note, int64 [notes]; NOT_IN_KIT for pitches outside the kit."""
        return DRUM_OF_PITCH[self.pitches]


def read_drum_notes(midi: bytes) -> DrumNotes:
    """The drum notes in the bytes of a MIDI file. Raises RejectedError (unreadable, no drums, too long)."""
    try:
        events = read_drum_events(midi, most_events=MOST_EVENTS)
    except TooManyEventsError as error:
        raise RejectedError(Reason.TOO_LONG, str(error)) from error
    except SmfError as error:
        raise RejectedError(Reason.UNREADABLE, str(error)) from error
    notes = DrumNotes(
        events.ticks, events.pitches, events.velocities, events.ticks_per_quarter, _changes_of(events.meters)
    )
    if not len(notes.ticks):
        unended = f"none of {events.unended} notes on channel 10 lasts a tick" if events.unended else ""
        raise RejectedError(Reason.NO_DRUMS, unended or "no note on channel 10")
    if not (notes.drums != NOT_IN_KIT).any():
        raise RejectedError(Reason.NO_DRUMS, "no note on channel 10 that is in the kit")
    return notes


def _changes_of(meters: np.ndarray) -> np.ndarray:
    """The changes of time signature; 4/4 until the first, the last one of a tick counts, repetitions do not."""
    meters = np.concatenate([_COMMON_TIME, meters[np.argsort(meters[:, 0], kind="stable")]])
    meters = meters[np.append(meters[1:, 0] > meters[:-1, 0], True)]
    return meters[np.append(True, (meters[1:, 1:] != meters[:-1, 1:]).any(axis=1))]
