"""Beats as MIDI files: new ones, those that continue a song, lie between two songs, or reconstruct one.

The model is a pushed one, loaded here, or one behind a server: the files are the same.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import mido
import numpy as np
from drumline.corpora.midi_sources import printable
from drumline.drums.audio import encode_wav, render_midi, why_unavailable
from drumline.drums.dynamics import GROOVE, Feel, play
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.drums.notes import encode_midi
from drumline.play.chaining import Player, beats, seeds_of
from drumline.play.output import write_files
from drumline.play.pushed_models import pushed_model, pushed_models
from drumline.play.songs import Song, repeat_bars
from drumline.play.temperature import DEFAULT_TEMPERATURE
from drumline.serving.client import Client
from drumline.serving.client_requests import ClientTls
from drumline.serving.errors import UnknownModelError

from drumline.errors import InputError
from drumline.folders import ensure_writable

_BARS_AT_ONCE = 1024  # so neither memory nor a message grows with the number of beats
_DRAWS = 8  # of a beat, before one that is silent is given up
_SLOWEST, _FASTEST = 4.0, 1000.0  # BPM: a song's tempo, where new files get it


class Beat(NamedTuple):
    """A MIDI file that was written, and the drums that are new in it, int64 [steps, 9]."""

    path: Path
    hits: np.ndarray


@dataclass(frozen=True)
class BeatMaker:
    """What every command is told. Each raises InputError for what it cannot play.

    Attributes:
      serving: The folder of the pushed models, which play unless there is a server.
      models: Names, of which the first that is there plays.
      bars: The model's window.
      out: The folder of the files.
      temperature: 0 for the likeliest drums.
      seed: The same seed gives the same beats.
      server: HOST:PORT.
      tls: How to speak with the server.
      audio: Whether each MIDI file has a WAV file beside it, which loops.
      tail: Whether that sounds on behind its bars instead.
      feel: Velocities, swing and random deviations.
      midi_format: Of files that are new as a whole: 1, or 0 for a single track.
      tell: Is called with a sentence for each thing that one should know.
    """

    serving: Path
    models: tuple[str, ...]
    bars: int
    out: Path
    temperature: float = DEFAULT_TEMPERATURE
    seed: int = 0
    server: str = ""
    tls: ClientTls | None = None
    audio: bool = False
    tail: bool = False
    feel: Feel = Feel()
    midi_format: int = 1
    tell: Callable[[str], object] = print

    def generate(self, count: int, length: int | None = None, bpm: float = 120.0) -> Iterator[Beat]:
        """New beats. length: of each in bars, by default a window."""
        length = length or self.bars
        longer = "" if length == self.bars else f"-length{length}"
        with self._player("draw", "continue") as (model, player):
            for number, hits in self._draw(player, model, count, length):
                name = f"{model}-{self.bars}bar{longer}-seed{self.seed}-{number:03d}"
                yield self._write_beat(name, hits, bpm, GROOVE, number)

    def continue_song(
        self,
        path: Path,
        count: int = 1,
        length: int | None = None,
        bpm: float | None = None,
        from_bar: int | None = None,
    ) -> Iterator[Beat]:
        """A song with new drums behind its last bar, or in it from a bar on. They go on from the drums before.

        Args:
          path: The song.
          count: How many songs, each with other drums.
          length: Bars of the new drums, by default a window.
          bpm: Their tempo, by default the song's.
          from_bar: The bar, counted from 1, at which they begin.
        """
        song, length = Song.read(path), length or self.bars
        first = len(song.file.bars) if from_bar is None else from_bar - 1
        heard = self._heard(song, first, length)
        start = round(song.file.bars.starts[first])
        tempo = _bound(bpm or song.file.steady_bpm(start))
        if bpm is None and abs(tempo - song.file.bpm(start)) > 1e-3:
            bpm = tempo
        longer = "" if length == self.bars else f"-length{length}"
        with self._player("continue") as (model, player):
            for number, hits in self._draw(player, model, count, length, heard):
                velocities, delays = play(hits, song.file.dynamics, self.feel, (self.seed, number))
                midi = song.file.insert(velocities, delays, start, bpm)
                name = f"{song.stem}-continued-{model}-{self.bars}bar{longer}-seed{self.seed}"
                name += f"-{number:03d}" if count > 1 else ""
                sound = encode_midi(
                    np.concatenate([heard, velocities]),
                    tempo,
                    delays=np.concatenate([np.zeros(heard.shape), delays]),
                    pitches=song.file.pitches,
                )
                yield self._write(name, hits, midi, sound)

    def interpolate(
        self,
        a: Path,
        b: Path,
        count: int,
        bar_a: int | None = None,
        bar_b: int | None = None,
        bpm: float | None = None,
    ) -> Iterator[Beat]:
        """Beats on the way from the drums of a song to those of another; so go their tempo and their dynamics.

        Args:
          a, b: The songs.
          count: How many beats, with both ends.
          bar_a, bar_b: The bar, counted from 1, at which the drums of each begin; by default the first with drums.
          bpm: The tempo of all.
        """
        songs = Song.read(a), Song.read(b)
        (of_a, first_a), (of_b, first_b) = (
            song.excerpt(self.bars, bar) for song, bar in zip(songs, (bar_a, bar_b), strict=True)
        )
        tempos = [
            song.file.bpm(song.file.bars.starts[bar]) for song, bar in zip(songs, (first_a, first_b), strict=True)
        ]
        fractions = np.linspace(0, 1, count, dtype=np.float32)
        ends = {name: np.repeat(window[None], count, axis=0) for name, window in (("a", of_a), ("b", of_b))}
        with self._player("interpolate") as (model, player):
            hits = player.call("interpolate", **ends, fraction=fractions, **self._noise(count))["hits"]
            self._refuse_silence(model, hits)
        for number, (beat, part) in enumerate(zip(hits, fractions.tolist(), strict=True)):
            if not beat.any():
                self.tell(f"beat {number} is silent and not written")
                continue
            name = f"{songs[0].stem}-to-{songs[1].stem}-{model}-{self.bars}bar-seed{self.seed}-{number:03d}"
            tempo = bpm or _bound(tempos[0] + part * (tempos[1] - tempos[0]))
            table = songs[0].file.dynamics * (1 - part) + songs[1].file.dynamics * part
            yield self._write_beat(name, beat, tempo, table, number)

    def reconstruct(self, path: Path) -> Iterator[Beat]:
        """What the model makes of a song, bar by bar: silent where the drums are silent for a bar or not in 4/4."""
        song = Song.read(path)
        windows, places = _windows(song, self.bars)
        at_once = max(_BARS_AT_ONCE // self.bars, 1)
        with self._player("decode") as (model, player):
            hits = [
                self._reconstruct(player, windows[first : first + at_once]) for first in range(0, len(windows), at_once)
            ]
        bars = np.zeros([len(song.file.bars), STEPS_PER_BAR, len(DRUMS)], np.int64)
        for window, (first, count) in zip(np.concatenate(hits), places, strict=True):
            bars[first : first + count] = window.reshape(self.bars, STEPS_PER_BAR, -1)[-count:]
        beat = bars.reshape(-1, len(DRUMS))
        self._refuse_silence(model, beat)
        velocities, delays = play(beat, song.file.dynamics, self.feel, (self.seed, 0))
        midi = song.file.accompany(velocities, delays, midi_format=self.midi_format)
        name = f"{song.stem}-reconstructed-{model}-{self.bars}bar-seed{self.seed}"
        yield self._write(name, beat, midi, midi)

    def _draw(
        self, player: Player, model: str, count: int, length: int, heard: np.ndarray | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Beats with their numbers, none of them silent: such a one is drawn again, with a seed of its own."""
        at_once = max(_BARS_AT_ONCE // length, 1)
        for first in range(0, count, at_once):
            seeds = seeds_of(self.seed, range(first, min(first + at_once, count)))
            hits = np.array(beats(player, length, self.temperature, seeds, heard))
            for draw in range(1, _DRAWS if self.temperature > 0 else 1):
                silent = np.flatnonzero(~hits.any(axis=(1, 2)))
                if not len(silent):
                    break
                for number in silent + first:
                    self.tell(f"beat {number} was silent and is drawn again")
                again = seeds[silent] + np.array([0, draw << 16])
                hits[silent] = beats(player, length, self.temperature, again, heard)
            for beat in hits:
                self._refuse_silence(model, beat)
            yield from enumerate(hits, first)

    def _refuse_silence(self, model: str, hits: np.ndarray) -> None:
        if not hits.any():
            raise InputError(
                f"{model}-{self.bars}bar: at temperature {self.temperature:g} it plays silence, so nothing was written; "
                f"use another --temperature (such as {0.7 if self.temperature < 0.7 else 1:g}), or another --model"
            )

    def _heard(self, song: Song, first: int, length: int) -> np.ndarray:
        """The last bars of the drums before a bar, as many as the model hears, int64 [steps, 9]."""
        bars = song.file.bars
        if not 0 < first <= len(bars):
            raise InputError(
                f"{printable(song.name)}: no drums can begin at bar {first + 1}: the song has {len(bars)} bars, and some "
                f"must be before; name one of 2 to {len(bars) + 1}"
            )
        if not bars.whole[first : first + length].all():
            raise InputError(
                f"{printable(song.name)}: bars {first + 1} to {first + length} are not all in 4/4; name another bar, or "
                "fewer bars by --length"
            )
        runs = bars.runs(first)
        if not runs:
            raise InputError(
                f"{printable(song.name)}: there are no drums in 4/4 before bar {first + 1}; name a later bar"
            )
        heard = bars.velocities[max(runs[-1].start, runs[-1].stop - self.bars) : runs[-1].stop]
        return repeat_bars(heard, len(heard))

    def _reconstruct(self, player: Player, velocities: np.ndarray) -> np.ndarray:
        z = player.call("encode", velocities=velocities)["z"]
        return player.call("decode", z=z, **self._noise(len(z)))["hits"]

    def _noise(self, count: int) -> dict[str, np.ndarray]:
        """The same for all rows, so that they differ by what they are made from alone."""
        temperature = np.full(count, self.temperature, np.float32)
        return {"temperature": temperature, "seed": seeds_of(self.seed, range(1)).repeat(count, axis=0)}

    @contextlib.contextmanager
    def _player(self, *signatures: str) -> Iterator[tuple[str, Player]]:
        """A model that has one of the signatures, and its name."""
        if self.audio and (why := why_unavailable()):
            raise InputError(why)
        with contextlib.ExitStack() as stack:
            if self.server:
                model, player = self._find_served(stack.enter_context(Client(self.server, tls=self.tls)))
            else:
                model, player = self._pushed()
            ensure_writable(self.out)
            if not set(signatures) & set(player.signatures):
                raise InputError(
                    f"{model}-{self.bars}bar: this model cannot do that: it has none of the signatures "
                    f"{', '.join(signatures)}; name another model, or push this one anew by `./run drumline train`"
                )
            yield model, player

    def _pushed(self) -> tuple[str, Player]:
        there = {model.name for model in pushed_models(self.serving) if model.bars == self.bars}
        name = next((name for name in self.models if name in there), self.models[0])
        return name, pushed_model(self.serving, name, self.bars)

    def _find_served(self, client: Client) -> tuple[str, Player]:
        """At one version: several calls make a beat."""
        for name in self.models:
            try:
                return name, client.model(f"{name}-{self.bars}bar").pinned()
            except UnknownModelError as error:
                unknown = error
        raise unknown

    def _write_beat(self, name: str, hits: np.ndarray, bpm: float, table: np.ndarray, number: int) -> Beat:
        """A beat in a file of its own. table: float [9, 16], its dynamics."""
        velocities, delays = play(hits, table, self.feel, (self.seed, number))
        midi = encode_midi(velocities, bpm, delays=delays, midi_format=self.midi_format)
        return self._write(name, hits, midi, midi)

    def _write(self, name: str, hits: np.ndarray, midi: bytes, sound: bytes) -> Beat:
        """Writes a MIDI file, and a WAV file of what another one sounds like."""
        files = {".mid": midi}
        if self.audio:
            seconds = mido.MidiFile(file=io.BytesIO(sound)).length
            files[".wav"] = encode_wav(render_midi(sound, seconds, loop=not self.tail))
        return Beat(write_files(self.out, name, files), hits)


def _bound(bpm: float) -> float:
    """A song's tempo as players and files can take it."""
    return min(max(bpm, _SLOWEST), _FASTEST)


def _windows(song: Song, bars: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The windows that together have all bars in which a song's drums play.

    Returns:
      int64 [windows, 16 * bars, 9], and of each the first bar of the song that it is for and how many there are: its
      last ones. One that fits in no more lies over the one before; drums for fewer bars are repeated to fill one.
    """
    windows, places = [], []
    for run in song.file.bars.runs():
        for first in range(run.start, run.stop, bars):
            count = min(bars, run.stop - first)
            start = max(first + count - bars, run.start)
            played = song.file.bars.velocities[start : first + count]
            # Repeated to the left, as the last bars count.
            windows.append(played[np.arange(-bars, 0) % len(played)].reshape(-1, len(DRUMS)).astype(np.int64))
            places.append((first, count))
    return np.stack(windows), places
