"""What the pipeline sees in a file: its bars, segments and windows, or why it was left out."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from drumline.corpora.midi_sources import midi_in, printable
from drumline.corpora.reading import Reading
from drumline.drums.kit import NOT_IN_KIT, combinations_of
from drumline.drums.midi import DrumNotes, Reason, RejectedError
from drumline.drums.windows import (
    WINDOW_BARS,
    Song,
    has_sixteen_sixteenths,
    name_meters,
    off_grid_share,
    sections_and_steps,
    song_of,
)

_SHORTEST = 2  # bars of the shortest window that a run uses unless it is told otherwise
_OFF_GRID = 0.2  # share of hits from which a song is counted as off the grid


@dataclass(frozen=True)
class Inspection:
    """What is in one file; `reason` and `detail` are empty where it gives windows, the rest where it does not.

    Attributes:
      path: Of the file, behind that of its archive.
      song: Its drums.
      notes: What they were made of.
      reason, detail: Why it was left out.
      loops: Whether windows may repeat the file.
    """

    path: str
    song: Song | None = None
    notes: DrumNotes | None = None
    reason: str = ""
    detail: str = ""
    loops: bool = False

    def windows(self, bars: int) -> list[list[int]]:
        """The combinations of each distinct window, in order of appearance."""
        if self.song is None:
            return []
        song = self.song.looped(bars) if self.loops else self.song
        return combinations_of(song.windows(bars)).tolist()

    @property
    def off_grid(self) -> float:
        """The share of hits a quarter of a step or more from the nearest step."""
        return off_grid_share(self.notes) if self.notes else 0.0

    def as_dict(self, *, with_windows: bool) -> dict:
        """For JSON: path (see `printable`), then song, bars, segments (bars of each), off_grid (share of the hits) and
        windows, or reason and detail.
        """
        if self.song is None:
            return {"path": printable(self.path), "reason": self.reason, "detail": printable(self.detail)}
        windows = {str(bars): self.windows(bars) for bars in WINDOW_BARS}
        counts = {bars: len(combinations) for bars, combinations in windows.items()}
        return {
            "path": printable(self.path),
            "song": self.song.id,
            "bars": self.song.bars,
            "segments": self.song.segments.tolist(),
            "off_grid": round(self.off_grid, 4),
            "windows": counts,
            **({"combinations": windows} if with_windows else {}),
        }

    def __str__(self) -> str:
        if self.song is None:
            return f"{printable(self.path)}: left out: {self.reason} ({printable(self.detail)})"
        windows = ", ".join(f"{len(self.windows(bars))} of {_many(bars, 'bar')}" for bars in WINDOW_BARS)
        segments = _many(len(self.song.segments), "segment")
        off_grid = (
            f"; {self.off_grid:.0%} of the hits lie off the grid, as triplets and swing do"
            if self.off_grid >= 0.005
            else ""
        )
        return f"{printable(self.path)}: {_many(self.song.bars, 'bar')} in {segments}; windows: {windows}{off_grid}"

    def describe_segments(self) -> list[str]:
        """The bars of the file that each segment covers, such as `bars 5-12`."""
        assert self.song is not None
        assert self.notes is not None
        assert self.song.starts is not None
        firsts = [_bar_number(self.notes, tick) for tick in self.song.starts.tolist()]
        return [
            f"bar {first}" if bars == 1 else f"bars {first}-{first + bars - 1}"
            for first, bars in zip(firsts, self.song.segments.tolist(), strict=True)
        ]

    def describe_dropped(self) -> list[str]:
        """What is in the file's drums but not in its grid, and why; a sentence each."""
        assert self.notes is not None
        notes, (section, step) = self.notes, sections_and_steps(self.notes)
        outside = notes.drums == NOT_IN_KIT
        sentences = []
        if outside.any():
            pitches = ", ".join(f"{pitch} ({count})" for pitch, count in _count(notes.pitches[outside]))
            sentences.append(
                f"{_many(int(outside.sum()), 'note')} of pitches that the drum map does not have: {pitches}"
            )
        for number, meter in enumerate(notes.meters):
            hits = int(((section == number) & ~outside).sum())
            if hits and not has_sixteen_sixteenths(notes.meters)[number]:
                first = _bar_number(notes, int(meter[0]))
                (name,) = name_meters(meter[None])
                sentences.append(f"{_many(hits, 'hit')} in {name} from bar {first}, as only 4/4, 2/2 and 8/8 are read")
        read = has_sixteen_sixteenths(notes.meters)[section] & ~outside
        cells = np.stack([section[read], step[read], notes.drums[read]])
        doubled = int(read.sum()) - np.unique(cells, axis=1).shape[1]
        if doubled:
            sentences.append(f"{_many(doubled, 'hit')} on a step that already has the same drum")
        return sentences


@dataclass
class Totals:
    """What is in many files together; bars and windows of copies of a song count once."""

    files: int = 0
    songs: set[str] = field(default_factory=set)
    bars: int = 0
    windows: Counter[int] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    off_grid: int = 0

    def add(self, found: Inspection) -> None:
        """Counts a file in."""
        self.files += 1
        if found.song is None:
            self.rejected[found.reason] += 1
            return
        self.off_grid += found.off_grid > _OFF_GRID
        if found.song.id in self.songs:
            return
        self.songs.add(found.song.id)
        self.bars += found.song.bars
        for bars in WINDOW_BARS:
            self.windows[bars] += len(found.windows(bars))

    def __str__(self) -> str:
        windows = ", ".join(f"{self.windows[bars]:,} of {_many(bars, 'bar')}" for bars in WINDOW_BARS)
        read = self.files - self.rejected.total()
        lines = [f"{_many(self.files, 'file')}: {_many(read, 'song')}, {len(self.songs):,} of them different"]
        lines.append(f"{_many(self.bars, 'bar')} in these; windows: {windows}")
        if self.rejected:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.rejected.most_common())
            lines.append(f"{_many(self.rejected.total(), 'file')} left out: {reasons}")
        if self.off_grid:
            lines.append(f"{_many(self.off_grid, 'song')} with more than {_OFF_GRID:.0%} of the hits off the grid")
        return "\n".join(lines)


def inspect(paths: Iterable[str], reading: Reading | None = None) -> Iterator[Inspection]:
    """One Inspection a MIDI file, in the order of the paths and of the files in an archive."""
    reading = reading or Reading()
    for path in paths:
        for name, midi in midi_in(path):
            yield _inspect_file(path, name, midi, reading)


def _inspect_file(path: str, name: str, midi: bytes | RejectedError, reading: Reading) -> Inspection:
    try:
        if isinstance(midi, RejectedError):
            raise midi
        notes = reading.read_notes(path, midi)
        song = song_of(notes)
        if not reading.loops and song.segments.max() < _SHORTEST:
            loops = "repeat it (`--loops`), or " if len(song.segments) == 1 else ""
            raise RejectedError(
                Reason.TOO_SHORT,
                f"its drums never play the {_SHORTEST} bars on end that the shortest usual window has: {loops}use "
                "windows of 1 bar (`--bars 1`)",
            )
    except RejectedError as rejection:
        return Inspection(name, reason=rejection.reason, detail=rejection.detail)
    return Inspection(name, song, notes, loops=reading.loops)


def _bar_number(notes: DrumNotes, tick: int) -> int:
    """The number of the bar that begins at a tick, counted from 1 over all meters."""
    starts = notes.meters[:, 0]
    ends = np.minimum(np.append(starts[1:], tick), tick)
    lengths = 4 * notes.ticks_per_quarter * notes.meters[:, 1] / notes.meters[:, 2]
    return 1 + int(np.ceil(np.maximum(ends - starts, 0) / lengths).sum())


def _count(values: np.ndarray) -> list[tuple[int, int]]:
    found, counts = np.unique(values, return_counts=True)
    return list(zip(found.tolist(), counts.tolist(), strict=True))


def _many(count: int, name: str) -> str:
    return f"{count:,} {name}{'s' * (count != 1)}"
