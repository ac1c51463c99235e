"""A song with drums appended, by mido: all that was in it stays."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
from drumline.drums.kit import PITCH_OF_DRUM, STEPS_PER_BAR
from drumline.drums.midi import DrumNotes, read_drum_notes

from drumline.errors import InputError

_CHANNEL = 9  # MIDI's channel 10, counted from 0
_LOUDNESS = (7, 11)  # the controllers volume and expression
_VELOCITY = 100
_DEFAULT_QPM = 120.0


@dataclass(frozen=True)
class SongFile:
    """A MIDI file with all that is in it, and its drum notes."""

    file: mido.MidiFile
    notes: DrumNotes

    @classmethod
    def read(cls, midi: bytes, name: str) -> "SongFile":
        """The file of these bytes. Raises RejectedError, and InputError with the name where mido cannot read it."""
        notes = read_drum_notes(midi)
        try:
            file = mido.MidiFile(file=io.BytesIO(midi[midi.find(b"MThd") :]), clip=True)
        except Exception as error:  # mido raises errors of any type
            raise InputError(
                f"{name}: its drums can be read, but not all else in it ({error}); save it anew by a sequencer"
            ) from error
        return cls(file, notes)

    def qpm(self, tick: int = 0) -> float:
        """The tempo at a tick, in quarter notes a minute."""
        tempos = [(at, event.tempo) for at, event in self._events() if event.type == "set_tempo" and at <= tick]
        return mido.tempo2bpm(max(tempos, key=lambda tempo: tempo[0])[1]) if tempos else _DEFAULT_QPM

    @property
    def end(self) -> int:
        """The tick at which the last bar with a note of any channel ends, a note at its nearest step."""
        step = self.notes.ticks_per_quarter * 4 / STEPS_PER_BAR
        played = [(at, event) for at, event in self._events() if event.type in ("note_on", "note_off")]
        ends = [round(at / step) + (event.type == "note_on" and event.velocity > 0) for at, event in played]
        last = max(ends) * step
        start, above, below = max(meter for meter in self.notes.meters.tolist() if meter[0] < last)
        bar = self.notes.ticks_per_quarter * 4 * above / below
        return round(start + np.ceil((last - start) / bar) * bar)

    def continued(self, hits: np.ndarray, path: Path) -> None:
        """Writes the song with drums behind its end, in a track of their own. hits: [steps, 9].

        They are in 4/4 and in the tempo that the song ends in, and a fade-out of its drums does not silence them.
        """
        file = mido.MidiFile(type=1, ticks_per_beat=self.file.ticks_per_beat, tracks=[*self.file.tracks])
        track, now = file.add_track("continued"), 0
        for tick, event in sorted(self._new(hits), key=lambda new: (new[0], new[1].type == "note_on")):
            track.append(event.copy(time=tick - now))
            now = tick
        file.save(path)

    def _new(self, hits: np.ndarray) -> Iterator[tuple[int, mido.Message | mido.MetaMessage]]:
        end, step = self.end, self.notes.ticks_per_quarter * 4 / STEPS_PER_BAR
        if (self.notes.meters[self.notes.meters[:, 0] <= end][-1, 1:] != 4).any():
            yield end, mido.MetaMessage("time_signature", numerator=4, denominator=4)
        for control, value in self._loudest().items():
            yield end, mido.Message("control_change", channel=_CHANNEL, control=control, value=value)
        for at, drum in np.argwhere(hits):
            note = {"channel": _CHANNEL, "note": PITCH_OF_DRUM[drum]}
            yield end + round(at * step), mido.Message("note_on", velocity=_VELOCITY, **note)
            yield end + round((at + 1) * step), mido.Message("note_off", **note)

    def _loudest(self) -> dict[int, int]:
        """The largest value of each controller of loudness that the drums have."""
        values: dict[int, int] = {}
        for _, event in self._events():
            if event.type == "control_change" and event.channel == _CHANNEL and event.control in _LOUDNESS:
                values[event.control] = max(values.get(event.control, 0), event.value)
        return values

    def _events(self) -> Iterator[tuple[int, mido.Message | mido.MetaMessage]]:
        """All events of all tracks, each with its tick."""
        for track in self.file.tracks:
            tick = 0
            for event in track:
                tick += event.time
                yield tick, event
