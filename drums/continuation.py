"""A song's MIDI file with drums that are new: behind or in the song, or in a file that lies under it.

The song's bytes are kept as they are. Only delta times change, beside events that are inserted.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import mido
import numpy as np
from drumline.drums.bars import Bars, bar_ticks, bars_of
from drumline.drums.dynamics import measure_dynamics
from drumline.drums.kit import DRUMS, NOT_IN_KIT, PITCH_OF_DRUM, STEPS_PER_BAR
from drumline.drums.midi import DrumNotes, Reason, RejectedError, read_drum_notes
from drumline.drums.notes import DRUM_CHANNEL, drum_messages
from drumline.drums.smf_chunks import SmfError
from drumline.drums.tracks import (
    SET_TEMPO,
    Chunk,
    Event,
    Message,
    encode_header,
    encode_track,
    insert_events,
    join_chunks,
    read_events,
    split_chunks,
)

_META = 0xFF
_NOTE_OFF, _NOTE_ON, _CONTROL = 0x80, 0x90, 0xB0
_LOUDNESS = (7, 11)  # the controllers volume and expression
_DEFAULT_TEMPO = 500_000  # microseconds a quarter note: 120 BPM
_TRACK = b"MTrk"


@dataclass(frozen=True)
class SongFile:
    """A MIDI file with all that is in it.

    Attributes:
      chunks: Its chunks; the first is the header.
      notes: Its drum notes.
    """

    chunks: list[Chunk]
    notes: DrumNotes

    @classmethod
    def read(cls, midi: bytes) -> "SongFile":
        """The file of these bytes. Raises RejectedError where it has no drums that can be read."""
        notes = read_drum_notes(midi)
        start = midi.find(b"MThd")
        if start and b"MTrk" not in midi[(end := start + int.from_bytes(midi[start - 4 : start], "little")) :]:
            midi = midi[:end]  # inside RIFF, whose chunk says how long it is
        try:
            return cls(split_chunks(midi[start:]), notes)
        except SmfError as error:
            raise RejectedError(Reason.UNREADABLE, str(error)) from error

    @cached_property
    def bars(self) -> Bars:
        """The bars up to the last one with a note of any channel, or to the last change of meter if that is later.

        Raises RejectedError (no drums in 4/4, too long).
        """
        step = self.notes.ticks_per_quarter * 4 / STEPS_PER_BAR
        ends = [
            np.floor(event.tick / step + 0.5) + (event.status & 0xF0 == _NOTE_ON and event.data[1] > 0)
            for event in self._channel_events(_NOTE_ON, _NOTE_OFF)
        ]
        last_drum = np.floor(self.notes.ticks.max() / step + 0.5) + 1
        return bars_of(self.notes, max(max([*ends, last_drum]) * step, int(self.notes.meters[-1, 0])))

    @cached_property
    def pitches(self) -> tuple[int, ...]:
        """The pitch that the song has most often for each drum, or General MIDI's."""
        used = [
            Counter(self.notes.pitches[self.notes.drums == drum].tolist()).most_common(1) for drum in range(len(DRUMS))
        ]
        return tuple(most[0][0] if most else pitch for most, pitch in zip(used, PITCH_OF_DRUM, strict=True))

    @cached_property
    def dynamics(self) -> np.ndarray:
        """The song's mean velocities by step of a bar and drum, float [16, 9]."""
        return measure_dynamics(self.bars.velocities)

    def bpm(self, tick: float = 0) -> float:
        """The tempo at a tick, in quarter notes a minute."""
        return mido.tempo2bpm(self._tempo(tick))

    def steady_bpm(self, tick: float) -> float:
        """The last tempo before a tick that lasted a bar or more (no ritardando does), or else the one at the tick."""
        above, below = self._meter(tick)
        bar = bar_ticks(self.notes, above, below)
        changes = [(at, tempo) for at, tempo in self._tempos if at < tick]
        steady = [
            tempo
            for (at, tempo), (until, _) in zip(changes, [*changes[1:], (tick, 0)], strict=True)
            if until - at >= bar
        ]
        return mido.tempo2bpm(steady[-1]) if steady else self.bpm(tick)

    def insert(
        self, velocities: np.ndarray, delays: np.ndarray, start: int, bpm: float | None = None, name: str = "continued"
    ) -> bytes:
        """The song with new drums in a track of their own.

        They are in 4/4, on the pitches of the song, and a fade-out of its drums does not silence them. The notes of the
        song's own drums at their time get velocity 0.

        Args:
          velocities: Int [steps, 9], MIDI velocities.
          delays: Float [steps, 9], how many steps each note is late.
          start: The tick at which they begin, a bar line.
          bpm: The tempo there, by default as it is.
          name: The name of the track.
        """
        step = self.notes.ticks_per_quarter * 4 / STEPS_PER_BAR
        onsets = start + np.arange(len(velocities) + 1) * step
        end = round(onsets[-1])
        tracks, chunks = self._tracks, list(self.chunks)
        for index in tracks:
            chunks[index] = Chunk(_TRACK, self._without_drums(chunks[index].data, start - step / 2, end - step / 2))
        if timing := list(self._timing(start, end, bpm)):
            chunks[tracks[0]] = Chunk(_TRACK, insert_events(chunks[tracks[0]].data, timing))
        notes = drum_messages(velocities, onsets, step, delays=delays, pitches=self.pitches)
        new = [(0, mido.MetaMessage("track_name", name=name)), *self._loudness(start), *notes]
        chunks.insert(tracks[-1] + 1, encode_track(new, end))
        header = encode_header(1, len(tracks) + 1, self.notes.ticks_per_quarter).data + self.chunks[0].data[6:]
        return join_chunks([Chunk(self.chunks[0].kind, header), *chunks[1:]])

    def accompany(self, velocities: np.ndarray, delays: np.ndarray, name: str = "drums", midi_type: int = 1) -> bytes:
        """A MIDI file that lies under the song bar by bar: its tempos, meters and length, and drums on its pitches.

        Args:
          velocities: Int [16 * bars, 9], MIDI velocities, 16 steps for each bar of the song; those that a shorter bar
            does not have are left out.
          delays: Float [16 * bars, 9], how many steps each note is late.
          name: The name of the track.
          midi_type: 1 for the drums in a track of their own, 0 for one track.
        """
        step = self.notes.ticks_per_quarter * 4 / STEPS_PER_BAR
        starts = self.bars.starts
        onsets = (starts[:-1, None] + np.arange(STEPS_PER_BAR) * step).reshape(-1)
        velocities = np.where((onsets < np.repeat(starts[1:], STEPS_PER_BAR))[:, None], velocities, 0)
        end = round(starts[-1])
        timing: list[tuple[int, Message]] = [
            (int(tick), mido.MetaMessage("time_signature", numerator=above or below, denominator=below))
            for tick, above, below in self.notes.meters.tolist()
            if tick < end
        ]
        timing += [(tick, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in self._tempos if tick < end]
        title = (0, mido.MetaMessage("track_name", name=name))
        notes = drum_messages(velocities, np.append(onsets, end), step, delays=delays, pitches=self.pitches)
        tracks = [[title, *timing, *notes]] if midi_type == 0 else [timing, [title, *notes]]
        chunks = [encode_track(track, end) for track in tracks]
        return join_chunks([encode_header(midi_type, len(chunks), self.notes.ticks_per_quarter), *chunks])

    @cached_property
    def _tracks(self) -> list[int]:
        """Which of the chunks are tracks."""
        return [index for index, chunk in enumerate(self.chunks) if chunk.kind == _TRACK]

    @cached_property
    def _events(self) -> list[list[Event]]:
        """The events of each track."""
        return [read_events(self.chunks[index].data) for index in self._tracks]

    def _channel_events(self, *kinds: int) -> Iterator[Event]:
        return (event for track in self._events for event in track if event.status & 0xF0 in kinds)

    @cached_property
    def _tempos(self) -> list[tuple[int, int]]:
        """Each tempo, in microseconds a quarter note, with its tick; the first is at tick 0."""
        tempos = sorted(
            (
                (event.tick, int.from_bytes(event.data[1:4]))
                for track in self._events
                for event in track
                if event.status == _META and event.data[0] == SET_TEMPO
            ),
            key=lambda tempo: tempo[0],
        )
        tempos = [(tick, tempo) for tick, tempo in tempos if tempo > 0]  # a quarter note that lasts no time is none
        return tempos if tempos and tempos[0][0] == 0 else [(0, _DEFAULT_TEMPO), *tempos]

    def _tempo(self, tick: float) -> int:
        return next(tempo for at, tempo in reversed(self._tempos) if at <= tick)

    def _meter(self, tick: float) -> tuple[int, int]:
        _, above, below = self.notes.meters[self.notes.meters[:, 0] <= tick][-1].tolist()
        return above, below

    def _timing(self, start: int, end: int, bpm: float | None) -> Iterator[tuple[int, Message]]:
        """What the first track needs for drums in 4/4 in that tempo; the song's own tempo comes back behind them."""
        above, below = self._meter(start)
        if above != below:
            yield start, mido.MetaMessage("time_signature", numerator=4, denominator=4)
        tempo = self._tempo(start) if bpm is None else mido.bpm2tempo(bpm)
        if tempo != self._tempo(start):
            yield start, mido.MetaMessage("set_tempo", tempo=tempo)
            if end < self.bars.starts[-1]:
                yield end, mido.MetaMessage("set_tempo", tempo=self._tempo(end))

    def _loudness(self, start: int) -> Iterator[tuple[int, Message]]:
        """The largest value that the drums have of each controller of loudness, where they have another at the tick."""
        largest: dict[int, int] = {}
        latest: dict[int, tuple[int, int]] = {}
        for event in self._channel_events(_CONTROL):
            control, value = event.data[0], min(event.data[1], 127)
            if event.status & 0x0F == DRUM_CHANNEL and control in _LOUDNESS:
                largest[control] = max(largest.get(control, 0), value)
                if event.tick <= start and event.tick >= latest.get(control, (0, 0))[0]:
                    latest[control] = event.tick, value
        for control, value in largest.items():
            if latest.get(control, (0, value))[1] != value:
                yield start, mido.Message("control_change", channel=DRUM_CHANNEL, control=control, value=value)

    def _without_drums(self, track: bytes, start: float, end: float) -> bytes:
        """A track in which the drum notes that begin in a stretch of ticks have velocity 0, which makes them silent."""
        silent = bytearray(track)
        for event in read_events(track):
            if event.status == _NOTE_ON | DRUM_CHANNEL and start <= event.tick < end and event.data[0] in self._in_kit:
                silent[event.end - 1] = 0
        return bytes(silent)

    @cached_property
    def _in_kit(self) -> set[int]:
        """The pitches of the song that are in the kit."""
        return set(self.notes.pitches[self.notes.drums != NOT_IN_KIT].tolist())
