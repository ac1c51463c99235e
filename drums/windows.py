"""From drum notes to the windows that the models learn from.

The rules are those of note_seq's `drums_lib` (gap_bars=1, pad_end=True) and of MusicVAE's sliding windows, with time
in ticks instead of seconds. What counts as a drum note is decided before, in `midi`, which takes in more than note_seq.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from drumline.drums.kit import DRUMS, GM, NOT_IN_KIT, STEPS_PER_BAR, DrumMap, combinations_of
from drumline.drums.midi import DrumNotes, Reason, RejectedError, enumerate_some, read_drum_notes

WINDOW_BARS = (1, 2, 4, 8, 16)  # the lengths of windows
MOST_BARS = 10_000  # five and a half hours at 120 quarter notes a minute
_STEPS_PER_QUARTER = STEPS_PER_BAR // 4
_METERS_SHOWN = 8


@dataclass(frozen=True)
class Song:
    """The drum bars of a song.

    Attributes:
      velocities: uint8 [bars, 16, 9], mean MIDI velocity of each hit, 0 = not hit.
      segments: int64 [segments], how many of the bars each segment holds, in order.
      starts: int64 [segments], the tick at which each segment's first bar begins; None where no file tells.
    """

    velocities: np.ndarray
    segments: np.ndarray
    starts: np.ndarray | None = None

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

    def looped(self, bars: int) -> "Song":
        """A song of one segment that is shorter than so many bars, repeated whole until it is not; others as they are.

        A loop of 3 bars is 6 bars for windows of 4.
        """
        if len(self.segments) > 1 or self.bars >= bars:
            return self
        times = -(-bars // self.bars)
        return Song(np.tile(self.velocities, (times, 1, 1)), self.segments * times)

    def windows(self, bars: int) -> np.ndarray:
        """The distinct windows in order of appearance, uint8 [windows, steps, 9]."""
        steps = bars * STEPS_PER_BAR
        rows = self.window_starts(bars)[:, None] + np.arange(bars)
        # Each window as one opaque value of two bytes a step, so that whole windows are compared.
        windows = self.combinations[rows].reshape(-1, steps).view(np.dtype((np.void, 2 * steps))).ravel()
        first = np.sort(np.unique(windows, return_index=True)[1])
        return self.velocities[rows[first]].reshape(-1, steps, len(DRUMS))


def read_song(midi: bytes, drum_map: DrumMap = GM, channel: int = 0) -> Song:
    """The song in the bytes of a MIDI file. Raises RejectedError (unreadable, no drums, no drums in 4/4, too long).

    drum_map, channel: as `read_drum_notes` takes them.
    """
    return song_of(read_drum_notes(midi, drum_map, channel))


def read_windows(midi: bytes, bars: int) -> tuple[Song, np.ndarray]:
    """The song in the bytes of a MIDI file, and its distinct windows, uint8 [windows, steps, 9]; at least one.

    Raises RejectedError, also where no segment is long enough.
    """
    song = read_song(midi)
    require_windows(song, bars)
    return song, song.windows(bars)


def require_windows(song: Song, bars: int) -> None:
    """Raises RejectedError (too short) where a song has no window of so many bars."""
    longest = int(song.segments.max())
    if longest < bars:
        raise RejectedError(
            Reason.TOO_SHORT,
            f"its drums play at most {longest} of the {bars} bars of a window without a silent bar or a change of "
            f"meter: use shorter windows (`--bars`){', or repeat it (`--loops`)' if len(song.segments) == 1 else ''}",
        )


def song_of(notes: DrumNotes) -> Song:
    """Quantizes drum notes and cuts them into segments.

    Raises RejectedError (no drums in 4/4, too long).
    """
    section, step = sections_and_steps(notes)
    common = has_sixteen_sixteenths(notes.meters)[section]
    in_kit = notes.drums != NOT_IN_KIT
    if not (common & in_kit).any():
        played = enumerate_some(name_meters(notes.meters[np.unique(section[in_kit])]), _METERS_SHOWN)
        raise RejectedError(
            Reason.NO_COMMON_TIME,
            f"its drums play in {played}, and only bars of 4/4, 2/2 and 8/8 are read: if that is not the meter, set it "
            "to 4/4 and export again",
        )
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
        raise RejectedError(
            Reason.TOO_LONG,
            f"{segments.sum():,} bars, of {MOST_BARS:,} that a song may have; cut it into shorter files",
        )

    segment = np.repeat(np.arange(len(first)), last - first + 1)
    offset = (np.cumsum(segments) - segments - first_bar) * STEPS_PER_BAR
    cell = (step + offset[segment]) * len(DRUMS) + drums
    in_kit = drums != NOT_IN_KIT
    size = int(segments.sum()) * STEPS_PER_BAR * len(DRUMS)
    count = np.bincount(cell[in_kit], minlength=size)
    total = np.bincount(cell[in_kit], velocities[in_kit], minlength=size)
    mean = np.floor(total / np.maximum(count, 1) + 0.5).astype(np.uint8)
    starts = notes.meters[section[first], 0] + first_bar * 4 * notes.ticks_per_quarter
    return Song(mean.reshape(-1, STEPS_PER_BAR, len(DRUMS)), segments, starts)


def has_sixteen_sixteenths(meters: np.ndarray) -> np.ndarray:
    """Whether a bar of each meter has the sixteen steps of 4/4, bool [meters]. meters: int64 [meters, 3]."""
    return meters[:, 1] == meters[:, 2]


def name_meters(meters: np.ndarray) -> list[str]:
    """The distinct meters in words, such as 3/4. meters: int64 [meters, 3]."""
    return [f"{above}/{below}" for above, below in np.unique(meters[:, 1:], axis=0).tolist()]


def off_grid_share(notes: DrumNotes) -> float:
    """The share of a song's hits that lie a quarter of a step or more from the nearest step, as triplets do."""
    section, step = sections_and_steps(notes)
    off = (notes.ticks - notes.meters[section, 0]) * _STEPS_PER_QUARTER - step * notes.ticks_per_quarter
    return float((4 * np.abs(off) >= notes.ticks_per_quarter)[notes.drums != NOT_IN_KIT].mean())


def sections_and_steps(notes: DrumNotes) -> tuple[np.ndarray, np.ndarray]:
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
