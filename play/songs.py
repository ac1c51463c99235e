"""The song that a path names: a MIDI file, the only one of an archive, or one in an archive."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from drumline.corpora.midi_sources import is_archive, midi_in, printable
from drumline.drums.continuation import SongFile
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.drums.midi import RejectedError

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
        song = self.file.bars
        if first is None:
            runs = song.runs()
            run = next((run for run in runs if len(run) >= bars), max(runs, key=len))
            return _fill_window(song.velocities[run.start : run.stop][:bars], bars), run.start
        chosen = slice(first - 1, first - 1 + bars)
        if first - 1 + bars > len(song) or not song.whole[chosen].all():
            raise self._error(
                f"there are no {bars} bars of 4/4 from bar {first} on; it has {len(song)} bars: name another bar, or "
                "use fewer --bars"
            )
        if not song.velocities[chosen].any():
            raise self._error(f"bars {first} to {first - 1 + bars} have no drums; name another bar")
        return _fill_window(song.velocities[chosen], bars), first - 1

    def heard_before(self, first: int, length: int, bars: int) -> np.ndarray:
        """The last bars of the drums before those that are to be new.

        Args:
          first: The number of the first new bar, counted from 0.
          length: How many bars are new.
          bars: How many bars to take at most.

        Returns:
          Velocities, int64 [steps, 9].

        Raises:
          InputError: There can be no new drums there, or there are no drums before.
        """
        song = self.file.bars
        if not 0 < first <= len(song):
            raise self._error(
                f"no drums can begin at bar {first + 1}: the song has {len(song)} bars, and some must be before; name "
                f"one of 2 to {len(song) + 1}"
            )
        if not song.whole[first : first + length].all():
            raise self._error(
                f"bars {first + 1} to {first + length} are not all in 4/4; name another bar, or fewer bars by --length"
            )
        runs = song.runs(first)
        if not runs:
            raise self._error(f"there are no drums in 4/4 before bar {first + 1}; name a later bar")
        heard = range(max(runs[-1].start, runs[-1].stop - bars), runs[-1].stop)
        return _fill_window(song.velocities[heard.start : heard.stop], len(heard))

    def cover(self, bars: int) -> tuple[np.ndarray, list[range]]:
        """The windows of so many bars that together have all bars in which the drums play.

        Returns:
          int64 [windows, 16 * bars, 9], and the bars that each is for, counted from 0. A window begins earlier where
          fewer bars are left; where fewer are in a row, they are repeated to fill it and it is for them alone.
        """
        places = [
            range(start := max(min(first, run.stop - bars), run.start), min(start + bars, run.stop))
            for run in self.file.bars.runs()
            for first in range(run.start, run.stop, bars)
        ]
        velocities = self.file.bars.velocities
        return np.stack([_fill_window(velocities[place.start : place.stop], bars) for place in places]), places

    def _error(self, what: str) -> InputError:
        return InputError(f"{printable(self.name)}: {what}")


def _fill_window(velocities: np.ndarray, bars: int) -> np.ndarray:
    """A window of these bars, repeated from the first on where they are fewer.

    velocities: [1..bars, 16, 9]. Returns int64 [16 * bars, 9].
    """
    chosen = velocities[np.arange(bars) % len(velocities)]
    return chosen.reshape(bars * STEPS_PER_BAR, len(DRUMS)).astype(np.int64)


@contextlib.contextmanager
def explain_rejection(name: str) -> Iterator[None]:
    """Raises InputError with the name of a file where the block raises RejectedError."""
    try:
        yield
    except RejectedError as error:
        # The commands that play read channel 10 alone.
        said = re.sub(r"pass `--channel \d+`, or ", "", str(error))
        raise InputError(f"{printable(name)}: {said}") from error


def _find(path: Path) -> tuple[str, bytes | RejectedError]:
    """The name and the bytes of the song at a path. Raises InputError where an archive leaves open which one it is."""
    archive = next((folder for folder in [path, *path.parents] if is_archive(str(folder)) and folder.is_file()), None)
    if archive is None:
        return next(midi_in(str(path)))
    names: list[str] = []
    for name, midi in midi_in(str(archive)):
        if name == str(path) or (path == archive and isinstance(midi, RejectedError) and not names):
            return name, midi
        names.append(name)
        if len(names) == 1:
            first = name, midi
        elif path == archive and len(names) > _MOST_NAMES:
            break  # an archive may hold 100,000 songs
    if path == archive and len(names) == 1:
        return first
    listed = ", ".join(map(printable, names[:_MOST_NAMES])) + (", ..." if len(names) > _MOST_NAMES else "")
    wrong = "the archive holds more than one MIDI file" if path == archive else "there is no such file in the archive"
    raise InputError(f"{printable(str(path))}: {wrong}; name one of them: {listed}")
