"""Beats as MIDI files: new ones, those that continue a song, lie between two songs, or reconstruct one.

The model is a pushed one, loaded here, or one behind a server: the files are the same.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from drumline.corpora.midi_sources import midi_in, printable
from drumline.drums.audio import encode_mp3, render, why_unavailable
from drumline.drums.continuation import SongFile
from drumline.drums.kit import STEPS_PER_BAR
from drumline.drums.midi import Reason, RejectedError
from drumline.drums.notes import write_midi
from drumline.drums.windows import Song, read_song, read_windows
from drumline.play.chaining import Player, beats, seeds_of
from drumline.play.pushed_models import pushed_model, pushed_models
from drumline.serving.client import Client
from drumline.serving.client_tls import ClientTls
from drumline.serving.errors import UnknownModelError
from drumline.serving.rest_client import RestClient

from drumline.errors import InputError
from drumline.folders import ensure_writable, explain_write_errors
from drumline.naming import model_folder

_BARS_AT_ONCE = 1024  # so neither memory nor a message grows with the number of beats


class Beat(NamedTuple):
    """A MIDI file that was written, and the drums that are new in it, int64 [steps, 9]."""

    path: Path
    hits: np.ndarray


@dataclass(frozen=True)
class BeatMaker:
    """What every command is told. Each raises InputError for what it cannot play.

    models: names, of which the first that is there plays.  bars: the model's window.
    server: HOST:PORT (gRPC) or http://HOST:PORT (REST), with its tls; without one the models of `serving` play.
    out: the folder of the files.  audio: whether each MIDI file has an MP3 beside it.
    """

    serving: Path
    models: tuple[str, ...]
    bars: int
    out: Path
    temperature: float = 1.0
    seed: int = 0
    server: str = ""
    tls: ClientTls | None = None
    audio: bool = False

    def generate(self, count: int, length: int | None = None, qpm: float = 120.0) -> Iterator[Beat]:
        """New beats. length: of each in bars, by default a window."""
        length = length or self.bars
        longer = "" if length == self.bars else f"-length{length}"
        at_once = max(_BARS_AT_ONCE // length, 1)
        with self._player("draw", "continue") as (model, player):
            for first in range(0, count, at_once):
                seeds = seeds_of(self.seed, range(first, min(first + at_once, count)))
                for beat, hits in enumerate(beats(player, length, self.temperature, seeds), first):
                    yield self._write(f"{model_folder(model, self.bars)}{longer}-seed{self.seed}-{beat:03d}", hits, qpm)

    def continue_song(self, path: Path) -> Iterator[Beat]:
        """A song with a window of drums appended. They go on from the last bars that its drums play in 4/4."""
        midi = _read_midi(path)
        with _explain_rejection(path):
            song, whole = read_song(midi), SongFile.read(midi, printable(str(path)))
        heard = min(self.bars, int(song.segments[-1]))
        primer = song.velocities[-heard:].reshape(1, -1, song.velocities.shape[-1]).astype(np.int64)
        with self._player("continue") as (model, player):
            hits = player.call("continue", velocities=primer, **self._noise(1))["hits"][0]
        name = f"{path.stem}-continued-{model_folder(model, self.bars)}-seed{self.seed}.mid"
        with explain_write_errors(self.out / name):
            whole.continued(hits, self.out / name)
        self._sound(self.out / name, np.concatenate([primer[0] > 0, hits]), whole.qpm(whole.end))
        yield Beat(self.out / name, hits)

    def interpolate(self, a: Path, b: Path, count: int) -> Iterator[Beat]:
        """Beats on the way from the first window of a song to that of another; so goes their tempo."""
        (of_a, qpm_of_a), (of_b, qpm_of_b) = (self._first_window(path) for path in (a, b))
        fractions = np.linspace(0, 1, count, dtype=np.float32)
        ends = {name: np.repeat(window[None], count, axis=0) for name, window in (("a", of_a), ("b", of_b))}
        with self._player("interpolate") as (model, player):
            hits = player.call("interpolate", **ends, fraction=fractions, **self._noise(count))["hits"]
        for number, (beat, fraction) in enumerate(zip(hits, fractions.tolist(), strict=True)):
            name = f"{a.stem}-to-{b.stem}-{model_folder(model, self.bars)}-seed{self.seed}-{number:03d}"
            yield self._write(name, beat, qpm_of_a + fraction * (qpm_of_b - qpm_of_a))

    def reconstruct(self, path: Path) -> Iterator[Beat]:
        """What the model makes of a song: of as many windows as fit into each segment, one behind the other."""
        midi = _read_midi(path)
        with _explain_rejection(path):
            song, _ = read_windows(midi, self.bars)
            qpm = SongFile.read(midi, printable(str(path))).qpm()
        velocities = _windows_in_a_row(song, self.bars).astype(np.int64)
        at_once = _BARS_AT_ONCE // self.bars
        with self._player("decode") as (model, player):
            hits = [
                self._reconstruct(player, velocities[first : first + at_once])
                for first in range(0, len(velocities), at_once)
            ]
        name = f"{path.stem}-reconstructed-{model_folder(model, self.bars)}-seed{self.seed}"
        yield self._write(name, np.concatenate(hits).reshape(-1, velocities.shape[-1]), qpm)

    def _reconstruct(self, player: Player, velocities: np.ndarray) -> np.ndarray:
        z = player.call("encode", velocities=velocities)["z"]
        return player.call("decode", z=z, **self._noise(len(z)))["hits"]

    def _first_window(self, path: Path) -> tuple[np.ndarray, float]:
        """Velocities int64 [steps, 9], and the tempo in quarter notes a minute."""
        midi = _read_midi(path)
        with _explain_rejection(path):
            window = read_windows(midi, self.bars)[1][0]
            return window.astype(np.int64), SongFile.read(midi, printable(str(path))).qpm()

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
                model, player = self._find_served(stack)
            else:
                model, player = self._pushed()
            ensure_writable(self.out)
            if not set(signatures) & set(player.signatures):
                raise InputError(
                    f"{model_folder(model, self.bars)}: this model cannot do that: it has none of the signatures "
                    f"{', '.join(signatures)}; name another model, or push this one anew by `./run drumline train`"
                )
            yield model, player

    def _pushed(self) -> tuple[str, Player]:
        there = {model.name for model in pushed_models(self.serving) if model.bars == self.bars}
        name = next((name for name in self.models if name in there), self.models[0])
        return name, pushed_model(self.serving, name, self.bars)

    def _find_served(self, stack: contextlib.ExitStack) -> tuple[str, Player]:
        """At one version: several calls make a beat."""
        connect = RestClient if "://" in self.server else Client
        client = stack.enter_context(connect(self.server, tls=self.tls))
        for name in self.models:
            try:
                return name, client.model(model_folder(name, self.bars)).pinned()
            except UnknownModelError as error:
                unknown = error
        raise unknown

    def _write(self, name: str, hits: np.ndarray, qpm: float) -> Beat:
        path = self.out / f"{name}.mid"
        with explain_write_errors(path):
            write_midi(hits, path, qpm)
        self._sound(path, hits, qpm)
        return Beat(path, hits)

    def _sound(self, path: Path, hits: np.ndarray, qpm: float) -> None:
        if self.audio:
            with explain_write_errors(path.with_suffix(".mp3")):
                path.with_suffix(".mp3").write_bytes(encode_mp3(render(hits, qpm)))


def _read_midi(path: Path) -> bytes:
    _, midi = next(midi_in(str(path)))
    if isinstance(midi, RejectedError):
        with _explain_rejection(path):
            raise midi
    return midi


@contextlib.contextmanager
def _explain_rejection(path: Path) -> Iterator[None]:
    try:
        yield
    except RejectedError as error:
        fewer = " or fewer --bars" if error.reason is Reason.TOO_SHORT else ""
        raise InputError(f"{printable(str(path))}: {error}; name another MIDI file{fewer}") from error


def _windows_in_a_row(song: Song, bars: int) -> np.ndarray:
    """The windows of each segment that do not overlap, uint8 [windows, steps, 9]."""
    ends = np.cumsum(song.segments)
    starts = [
        start
        for end, length in zip(ends, song.segments, strict=True)
        for start in range(end - length, end - bars + 1, bars)
    ]
    windows = song.velocities[np.array(starts)[:, None] + np.arange(bars)]
    return windows.reshape(len(starts), bars * STEPS_PER_BAR, -1)
