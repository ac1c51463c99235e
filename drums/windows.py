"""From drum notes to the windows that the models learn from.

The rules are those of note_seq's `drums_lib` (gap_bars=1, pad_end=True) and of MusicVAE's sliding windows, with time
in ticks instead of seconds.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from drumline.drums.kit import DRUMS, NOT_IN_KIT, STEPS_PER_BAR, combinations_of
from drumline.drums.midi import DrumNotes, Reason, RejectedError, read_drum_notes

MOST_BARS = 10_000  # five and a half hours at 120 quarter notes a minute
_STEPS_PER_QUARTER = STEPS_PER_BAR // 4
_METERS_SHOWN = 8


@dataclass(frozen=True)
class Song:
    """The drum bars of a song.

    velocities: uint8 [bars, 16, 9], mean MIDI velocity of each hit, 0 = not hit.
    segments: int64 [segments], how many of the bars each segment holds, in order.
    """

    velocities: np.ndarray
    segments: np.ndarray

    @property
    def bars(self) -> int:
        """How many bars all segments hold."""
        return len(self.velocities)

    @cached_property
    def combinations(self) -> np.ndarray:
        """uint16 [bars, 16]."""
        return combinations_of(self.velocities).astype(np.uint16)

    @cached_property
    def id(self) -> str:
        """A name made of the drums themselves: copies of a song under other file names, keys or tempos share it."""
        digest = hashlib.sha256(self.combinations.astype("<u2").tobytes())
        digest.update(self.segments.astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    def window_starts(self, bars: int) -> np.ndarray:
        """int64 [windows]: the first bar of each window of so many bars; windows slide by one bar in a segment."""
        first = np.cumsum(self.segments) - self.segments
        counts = np.maximum(self.segments - bars + 1, 0)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(first, counts) + within

    def windows(self, bars: int) -> np.ndarray:
        """The distinct windows in order of appearance, uint8 [windows, steps, 9]."""
        steps = bars * STEPS_PER_BAR
        rows = self.window_starts(bars)[:, None] + np.arange(bars)
        # Each window as one opaque value of two bytes a step, so that whole windows are compared.
        windows = self.combinations[rows].reshape(-1, steps).view(np.dtype((np.void, 2 * steps))).ravel()
        first = np.sort(np.unique(windows, return_index=True)[1])
        return self.velocities[rows[first]].reshape(-1, steps, len(DRUMS))


def read_song(midi: bytes) -> Song:
    """The song in the bytes of a MIDI file. Raises RejectedError (unreadable, no drums, no drums in 4/4, too long)."""
    return song_of(read_drum_notes(midi))


def read_windows(midi: bytes, bars: int) -> tuple[Song, np.ndarray]:
    """The song in the bytes of a MIDI file, and its distinct windows, uint8 [windows, steps, 9]; at least one.

    Raises RejectedError, also where no segment is long enough.
    """
    song = read_song(midi)
    windows = song.windows(bars)
    if not len(windows):
        longest = song.segments.max()
        raise RejectedError(Reason.TOO_SHORT, f"the longest segment has {longest} of {bars} bars")
    return song, windows


def song_of(notes: DrumNotes) -> Song:
    """Quantizes drum notes and cuts them into segments.

    Raises RejectedError (no drums in 4/4, too long).
    """
    section, step = _sections_and_steps(notes)
    common = (notes.meters[:, 1:] == 4).all(axis=1)[section]
    if not (common & (notes.drums != NOT_IN_KIT)).any():
        raise RejectedError(Reason.NO_COMMON_TIME, f"its drums play in {_listed(notes.meters)}")
    section, step = section[common], step[common]
    drums, velocities = notes.drums[common], notes.velocities[common]

    order = np.lexsort((step, section))
    section, step, drums, velocities = section[order], step[order], drums[order], velocities[order]
    # Notes outside the kit sound, too: like drums_lib, they are dropped only after the segments are cut.
    cut = (np.diff(step) > STEPS_PER_BAR) | (np.diff(section) > 0)
    first = np.concatenate([[0], np.flatnonzero(cut) + 1])
    last = np.concatenate([first[1:], [len(step)]]) - 1
    first_bar = step[first] // STEPS_PER_BAR
    segments = step[last] // STEPS_PER_BAR - first_bar + 1
    if segments.sum() > MOST_BARS:
        raise RejectedError(Reason.TOO_LONG, f"{segments.sum():,} bars, of {MOST_BARS:,} that a song may have")

    segment = np.repeat(np.arange(len(first)), last - first + 1)
    offset = (np.cumsum(segments) - segments - first_bar) * STEPS_PER_BAR
    cell = (step + offset[segment]) * len(DRUMS) + drums
    in_kit = drums != NOT_IN_KIT
    size = int(segments.sum()) * STEPS_PER_BAR * len(DRUMS)
    count = np.bincount(cell[in_kit], minlength=size)
    total = np.bincount(cell[in_kit], velocities[in_kit], minlength=size)
    mean = np.floor(total / np.maximum(count, 1) + 0.5).astype(np.uint8)
    return Song(mean.reshape(-1, STEPS_PER_BAR, len(DRUMS)), segments)


def _listed(meters: np.ndarray) -> str:
    names = [f"{above}/{below}" for above, below in np.unique(meters[:, 1:], axis=0).tolist()]
    return ", ".join(names[:_METERS_SHOWN]) + (", ..." if len(names) > _METERS_SHOWN else "")


def _sections_and_steps(notes: DrumNotes) -> tuple[np.ndarray, np.ndarray]:
    """The section (between changes of meter) of each note, and its nearest step counted from the section's start.

    A note shortly before a change belongs to the section whose first step it is nearest to.
    """
    starts = notes.meters[:, 0]
    section = (
        np.searchsorted(
            starts * 2 * _STEPS_PER_QUARTER,
            notes.ticks * 2 * _STEPS_PER_QUARTER + notes.ticks_per_quarter,
            side="right",
        )
        - 1
    )
    ticks = notes.ticks - starts[section]
    # floor(steps + 1/2) in whole numbers
    step = (ticks * 2 * _STEPS_PER_QUARTER + notes.ticks_per_quarter) // (2 * notes.ticks_per_quarter)
    return section, step
