"""The bars of a song from its first one on, as a sequencer counts them: with silent ones and those of other meters."""

from dataclasses import dataclass

import numpy as np
from drumline.drums.kit import DRUMS, NOT_IN_KIT, STEPS_PER_BAR
from drumline.drums.midi import DrumNotes, Reason, RejectedError
from drumline.drums.windows import MOST_BARS, song_of

_STEPS_PER_QUARTER = STEPS_PER_BAR // 4


@dataclass(frozen=True)
class Bars:
    """The bars of a song.

    Attributes:
      velocities: uint8 [bars, 16, 9], mean MIDI velocity of each hit, 0 = not hit; nothing in bars that do not have
        sixteen sixteenths.
      starts: float [bars + 1], the tick at which each bar begins, and the one at which the last ends.
      whole: bool [bars], whether a bar has sixteen sixteenths, as those of 4/4 have.
    """

    velocities: np.ndarray
    starts: np.ndarray
    whole: np.ndarray

    def __len__(self) -> int:
        return len(self.velocities)

    def runs(self, stop: int | None = None) -> list[range]:
        """Where bars of sixteen sixteenths follow each other that all have a hit.

        Args:
          stop: The number of bars that count, by default all.
        """
        played = (self.whole & self.velocities.any(axis=(1, 2)))[:stop]
        edges = np.flatnonzero(np.diff(np.concatenate([[0], played, [0]]).astype(np.int64)))
        return [range(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def bars_of(notes: DrumNotes, end: float) -> Bars:
    """Quantizes drum notes in the bars of a song.

    Args:
      notes: The drum notes.
      end: The tick to which the bars go on; the last one contains it or ends there.

    Raises:
      RejectedError: The song has no drums in 4/4, or more bars than a song may have.
    """
    song_of(notes)
    starts, whole = _bar_lines(notes, end)
    # A note belongs to the bar whose steps it is nearest to; in eighths of a step, that is in whole numbers.
    shifted = 8 * notes.ticks + notes.ticks_per_quarter
    bar = np.searchsorted(8 * starts, shifted, side="right") - 1
    step = ((shifted - 8 * starts[bar]) // (2 * notes.ticks_per_quarter)).astype(np.int64)
    counts = (notes.drums != NOT_IN_KIT) & (bar < len(whole)) & (step < STEPS_PER_BAR)
    counts[counts] = whole[bar[counts]]
    cell = ((bar * STEPS_PER_BAR + step) * len(DRUMS) + notes.drums)[counts]
    size = len(whole) * STEPS_PER_BAR * len(DRUMS)
    hits = np.bincount(cell, minlength=size)
    mean = np.floor(np.bincount(cell, notes.velocities[counts], minlength=size) / np.maximum(hits, 1) + 0.5)
    return Bars(mean.astype(np.uint8).reshape(-1, STEPS_PER_BAR, len(DRUMS)), starts, whole)


def bar_ticks(notes: DrumNotes, above: int, below: int) -> float:
    """The ticks of a bar of a meter; of one with nothing above the line, those of a whole note."""
    return notes.ticks_per_quarter * 4 * (above or below) / below


def _bar_lines(notes: DrumNotes, end: float) -> tuple[np.ndarray, np.ndarray]:
    """float [bars + 1] and bool [bars]: the bar lines up to the first at or behind `end`, and which bars are whole."""
    lines: list[np.ndarray] = []
    whole: list[np.ndarray] = []
    line = 0.0
    stops = [*notes.meters[1:, 0].tolist(), np.inf]
    for (start, above, below), stop in zip(notes.meters.tolist(), stops, strict=True):
        if start >= end:
            break
        length = bar_ticks(notes, above, below)
        count = int(np.ceil((min(stop, end) - start) / length))
        if sum(map(len, lines)) + count > MOST_BARS:
            raise RejectedError(
                Reason.TOO_LONG,
                f"more than the {MOST_BARS:,} bars that a song may have (with silent ones); cut it into shorter files",
            )
        lines.append(start + np.arange(count) * length)
        whole.append(np.full(count, above == below))
        line = min(start + count * length, stop)  # a change of meter may cut a bar short
    return np.append(np.concatenate(lines), line), np.concatenate(whole)
