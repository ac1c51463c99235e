"""What the pipeline sees in a file: its bars, segments and windows, or why it was left out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drumline.corpora.midi_sources import midi_in, printable
from drumline.drums.kit import combinations_of
from drumline.drums.midi import Reason, RejectedError
from drumline.drums.windows import Song, read_song

WINDOW_BARS = (2, 16)


@dataclass(frozen=True)
class Inspection:
    """What is in one file; `reason` and `detail` are empty where it gives windows, the rest where it does not."""

    path: str
    song: Song | None = None
    reason: str = ""
    detail: str = ""

    def windows(self, bars: int) -> list[list[int]]:
        """The combinations of each distinct window, in order of appearance."""
        return combinations_of(self.song.windows(bars)).tolist() if self.song else []

    def as_dict(self, *, with_windows: bool) -> dict:
        """For JSON: path (see `sources.shown`), then song, bars, segments (bars of each) and windows, or reason and
        detail.
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
            "windows": counts,
            **({"combinations": windows} if with_windows else {}),
        }

    def __str__(self) -> str:
        if self.song is None:
            return f"{printable(self.path)}: left out: {self.reason} ({printable(self.detail)})"
        windows = ", ".join(f"{_many(len(self.windows(bars)), 'window')} of {bars} bars" for bars in WINDOW_BARS)
        segments = _many(len(self.song.segments), "segment")
        return f"{printable(self.path)}: {_many(self.song.bars, 'bar')} in {segments}; {windows}"


def _many(count: int, name: str) -> str:
    return f"{count} {name}{'s' * (count != 1)}"


def inspect(paths: Iterable[str]) -> Iterator[Inspection]:
    """One Inspection a MIDI file, in the order of the paths and of the files in an archive."""
    for path in paths:
        for name, midi in midi_in(path):
            yield inspect_file(name, midi)


def inspect_file(path: str, midi: bytes | RejectedError) -> Inspection:
    """What the pipeline sees in a file, given its bytes or why it has none."""
    try:
        if isinstance(midi, RejectedError):
            raise midi
        song = read_song(midi)
        if song.segments.max() < min(WINDOW_BARS):
            raise RejectedError(Reason.TOO_SHORT, f"no segment has {min(WINDOW_BARS)} bars")
    except RejectedError as rejection:
        return Inspection(path, reason=rejection.reason, detail=rejection.detail)
    return Inspection(path, song)
