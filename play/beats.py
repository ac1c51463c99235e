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
from drumline.drums.audio import encode_wav, render_midi, why_unavailable
from drumline.drums.dynamics import GROOVE, PLAIN, Feel, play
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.drums.notes import encode_midi
from drumline.play.chaining import Player, beats, seeds_of
from drumline.play.output import write_files
from drumline.play.pushed_models import pushed_model, pushed_models
from drumline.play.songs import Song
from drumline.play.temperature import DEFAULT_TEMPERATURE
from drumline.serving.client import Client
from drumline.serving.client_requests import ClientTls
from drumline.serving.errors import UnknownModelError

from drumline.errors import InputError
from drumline.folders import ensure_writable

_BARS_AT_ONCE = 1024  # so neither memory nor a message grows with the number of beats
_DRAWS = 8  # of a beat, before one that is silent is given up
_SKIPPED = "Beat {} is silent and was not written."
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
      midi_type: Of files that are new as a whole: 1, or 0 for a single track.
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
    feel: Feel = PLAIN
    midi_type: int = 1
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
        heard = song.heard_before(first, length, self.bars)
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
            if not hits.any():
                raise self._silence(model)
        for number, (beat, part) in enumerate(zip(hits, fractions.tolist(), strict=True)):
            if not beat.any():
                self.tell(_SKIPPED.format(number))
                continue
            name = f"{songs[0].stem}-to-{songs[1].stem}-{model}-{self.bars}bar{self._seed_if_any()}-{number:03d}"
            tempo = bpm or _bound(tempos[0] + part * (tempos[1] - tempos[0]))
            table = songs[0].file.dynamics * (1 - part) + songs[1].file.dynamics * part
            yield self._write_beat(name, beat, tempo, table, number)

    def reconstruct(self, path: Path) -> Iterator[Beat]:
        """What the model makes of a song, bar by bar: silent where the drums are silent for a bar or not in 4/4."""
        song = Song.read(path)
        windows, places = song.cover(self.bars)
        at_once = max(_BARS_AT_ONCE // self.bars, 1)
        with self._player("decode") as (model, player):
            hits = [
                self._reconstruct(player, windows[first : first + at_once]) for first in range(0, len(windows), at_once)
            ]
        bars = np.zeros([len(song.file.bars), STEPS_PER_BAR, len(DRUMS)], np.int64)
        for window, place in zip(np.concatenate(hits), places, strict=True):
            bars[place.start : place.stop] = window.reshape(self.bars, STEPS_PER_BAR, -1)[: len(place)]
        beat = bars.reshape(-1, len(DRUMS))
        if not beat.any():
            raise self._silence(model)
        velocities, delays = play(beat, song.file.dynamics, self.feel, (self.seed, 0))
        midi = song.file.accompany(velocities, delays, midi_type=self.midi_type)
        name = f"{song.stem}-reconstructed-{model}-{self.bars}bar{self._seed_if_any()}"
        yield self._write(name, beat, midi, midi)

    def _draw(
        self, player: Player, model: str, count: int, length: int, heard: np.ndarray | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Beats with their numbers, none of them silent: such a one is drawn again, with a seed of its own."""
        at_once, written = max(_BARS_AT_ONCE // length, 1), False
        draws = _DRAWS if self.temperature or "draw" in player.signatures else 1
        for first in range(0, count, at_once):
            seeds = seeds_of(self.seed, range(first, min(first + at_once, count)))
            hits = np.array(beats(player, length, self.temperature, seeds, heard))
            for draw in range(1, draws):
                silent = np.flatnonzero(~hits.any(axis=(1, 2)))
                if not len(silent):
                    break
                again = seeds[silent] + np.array([0, draw << 16])  # far from the seeds of other beats
                hits[silent] = beats(player, length, self.temperature, again, heard)
            if not (hits.any() or written):
                continue  # the error says it
            for number, beat in enumerate(hits, first):
                if beat.any():
                    written = True
                    yield number, beat
                else:
                    self.tell(_SKIPPED.format(number))
        if not written:
            raise self._silence(model)

    def _silence(self, model: str) -> InputError:
        return InputError(
            f"{model}-{self.bars}bar: at temperature {self.temperature:g} this model plays silence, so no file was "
            f"written; pass --temperature {0.7 if self.temperature < 0.7 else 1:g}, or another --model"
        )

    def _reconstruct(self, player: Player, velocities: np.ndarray) -> np.ndarray:
        z = player.call("encode", velocities=velocities)["z"]
        return player.call("decode", z=z, **self._noise(len(z)))["hits"]

    def _seed_if_any(self) -> str:
        """For the name of a file that a song decides, unless something is random."""
        return f"-seed{self.seed}" if self.temperature or self.feel.humanize else ""

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
        """A beat in a file of its own. table: float [16, 9], its dynamics."""
        velocities, delays = play(hits, table, self.feel, (self.seed, number))
        midi = encode_midi(velocities, bpm, delays=delays, midi_type=self.midi_type)
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
