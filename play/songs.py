"""The song that a path names: a MIDI file, the only one of an archive, or one in an archive."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from drumline.corpora.midi_sources import is_archive, midi_in, printable
from drumline.drums.continuation import SongFile
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.drums.midi import Reason, RejectedError

from drumline.errors import InputError

_MOST_NAMES = 3  # of an archive's songs, in an error


@dataclass(frozen=True)
class Song:
    """A song that was asked for.

    Attributes:
      name: Its path; in an archive, "songs.zip/folder/song.mid".
      file: What is in it.
    """

    name: str
    file: SongFile

    @classmethod
    def read(cls, path: Path) -> "Song":
        """The song at a path. Raises InputError where there is none whose drums can be read, or more than one."""
        name, midi = _find(path)
        with explain_rejection(name):
            if isinstance(midi, RejectedError):
                raise midi
            song = cls(name, SongFile.read(midi))
            _ = song.file.bars  # so that what is wrong with them is told now
            return song

    @property
    def stem(self) -> str:
        """Its name without folders and ending."""
        return Path(self.name).stem

    def excerpt(self, bars: int, first: int | None = None) -> tuple[np.ndarray, int]:
        """Bars of the drums that follow each other.

        Args:
          bars: How many.
          first: The number of the first, counted from 1; by default where so many bars first have drums, and a song
            that has not so many in a row is repeated.

        Returns:
          Velocities, int64 [16 * bars, 9], and the number of the first bar, counted from 0.

        Raises:
          InputError: The song has no drums in 4/4 there.
        """
        if first is None:
            runs = self.file.bars.runs()
            run = next((run for run in runs if len(run) >= bars), max(runs, key=len))
            return repeat_bars(self.file.bars.velocities[run.start : run.stop], bars), run.start
        chosen = slice(first - 1, first - 1 + bars)
        if first - 1 + bars > len(self.file.bars) or not self.file.bars.whole[chosen].all():
            raise InputError(
                f"{printable(self.name)}: there are no {bars} bars of 4/4 from bar {first} on; the song has "
                f"{len(self.file.bars)} bars: name another bar, or use fewer --bars"
            )
        velocities = self.file.bars.velocities[chosen]
        if not velocities.any():
            raise InputError(
                f"{printable(self.name)}: bars {first} to {first - 1 + bars} have no drums; name another bar"
            )
        return repeat_bars(velocities, bars), first - 1


def repeat_bars(velocities: np.ndarray, bars: int) -> np.ndarray:
    """The first of these bars, repeated from the first on where they are fewer.

    velocities: [bars, 16, 9]. Returns int64 [16 * bars, 9].
    """
    chosen = velocities[np.arange(bars) % len(velocities)]
    return chosen.reshape(bars * STEPS_PER_BAR, len(DRUMS)).astype(np.int64)


@contextlib.contextmanager
def explain_rejection(name: str) -> Iterator[None]:
    """Raises InputError with the name of a file where the block raises RejectedError."""
    try:
        yield
    except RejectedError as error:
        raise InputError(f"{printable(name)}: {error}; name another MIDI file") from error


def _find(path: Path) -> tuple[str, bytes | RejectedError]:
    archive = next((folder for folder in [path, *path.parents] if is_archive(str(folder)) and folder.is_file()), None)
    if archive is None:
        return next(midi_in(str(path)))
    names = []
    for name, midi in midi_in(str(archive)):
        if name == str(path) or (path == archive and isinstance(midi, RejectedError) and not names):
            return name, midi
        names.append(name)
        if len(names) == 1:
            first = name, midi
    if path == archive and len(names) == 1:
        return first
    listed = ", ".join(printable(name) for name in names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    wrong = f"the archive holds {len(names)} MIDI files" if path == archive else "there is no such file in the archive"
    raise InputError(f"{printable(str(path))}: {wrong}; name one of them: {listed}")
