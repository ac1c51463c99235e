"""The drum notes of a MIDI file, in ticks."""

import enum
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import symusic

from drums.kit import DRUM_OF_PITCH, NOT_IN_KIT


class Reason(enum.StrEnum):
    """Why a file gives no windows."""

    UNREADABLE = "unreadable"
    NO_DRUMS = "no drums"
    NO_COMMON_TIME = "no drums in 4/4"
    TOO_SHORT = "too short"


class RejectedError(ValueError):
    """A file that gives no windows: the reason, and what exactly was found."""

    def __init__(self, reason: Reason, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class DrumNotes:
    """All channel-10 notes of a song, merged, and where its meter changes.

    ticks, pitches, velocities: int64 [notes], in no order.  meters: (tick, numerator, denominator), by tick; the
    first is at tick 0.
    """

    ticks: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray
    ticks_per_quarter: int
    meters: tuple[tuple[int, int, int], ...]

    @cached_property
    def drums(self) -> np.ndarray:
        """The drum class of each note, int64 [notes]; NOT_IN_KIT for pitches outside the kit."""
        return DRUM_OF_PITCH[self.pitches]


def read_drum_notes(midi: bytes) -> DrumNotes:
    """The drum notes in the bytes of a standard MIDI file. Raises RejectedError (unreadable, no drums)."""
    try:
        # Data bytes above 127 are clamped: sequencers of the nineties wrote them, and players let them pass.
        score = symusic.Score.from_midi(midi, sanitize_data=True)
    except (RuntimeError, ValueError) as error:
        raise RejectedError(Reason.UNREADABLE, " ".join(str(error).split())) from error
    if score.tpq <= 0:
        raise RejectedError(Reason.UNREADABLE, f"a division of {score.tpq} ticks per quarter note")
    tracks = [track.notes.numpy() for track in score.tracks if track.is_drum and len(track.notes)]
    if not tracks:
        raise RejectedError(Reason.NO_DRUMS, "no note on channel 10")
    ticks, durations, pitches, velocities = (
        np.concatenate([track[name] for track in tracks]).astype(np.int64)
        for name in ("time", "duration", "pitch", "velocity")
    )
    # As in note_seq, a note lasts one tick at least; and MIDI calls a note-on of velocity 0 a note-off.
    played = (durations > 0) & (velocities > 0)
    notes = DrumNotes(ticks[played], pitches[played], velocities[played], score.tpq, _meters(score))
    if not played.any():
        raise RejectedError(Reason.NO_DRUMS, f"none of {len(played)} notes on channel 10 lasts a tick")
    if not (notes.drums != NOT_IN_KIT).any():
        raise RejectedError(Reason.NO_DRUMS, "no note on channel 10 that is in the kit")
    return notes


def _meters(score: symusic.Score) -> tuple[tuple[int, int, int], ...]:
    """The changes of time signature; 4/4 until the first, the last one of a tick counts, repetitions do not."""
    at_tick = {0: (4, 4)}
    for signature in sorted(score.time_signatures, key=lambda signature: signature.time):
        at_tick[signature.time] = (signature.numerator, signature.denominator)
    meters = []
    for tick, meter in at_tick.items():
        if not meters or meters[-1][1:] != meter:
            meters.append((tick, *meter))
    return tuple(meters)
