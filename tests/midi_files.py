"""MIDI files to order, by mido: another library than the ones that read them."""

import io
from collections.abc import Iterable, Sequence

import mido

TICKS_PER_QUARTER = 96
STEP = TICKS_PER_QUARTER // 4
BAR = 16 * STEP
KICK, SNARE, HAT = 36, 38, 42
NOT_IN_THE_KIT = 24  # of General MIDI's drums

Note = tuple[int, int, int]  # tick, pitch, velocity


def midi_bytes(
    *drum_tracks: Iterable[Note],
    ticks_per_quarter: int = TICKS_PER_QUARTER,
    tempos: Iterable[tuple[int, float]] = (),
    meters: Iterable[tuple[int, int, int]] = (),
    name: str = "",
    melody: Sequence[Note] = (),
    lasting: int = 1,
) -> bytes:
    """A MIDI file of drum tracks on channel 10 and a melody on channel 1.

    tempos: (tick, quarter notes a minute).  meters: (tick, numerator, denominator).  lasting: ticks of each drum note.
    """
    conductor = [(tick, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(qpm))) for tick, qpm in tempos]
    conductor += [
        (tick, mido.MetaMessage("time_signature", numerator=above, denominator=below)) for tick, above, below in meters
    ]
    tracks = [_track([(0, mido.MetaMessage("track_name", name=name)), *conductor])]
    tracks += [_track(_on_and_off(notes, 9, lasting)) for notes in drum_tracks]
    if melody:
        tracks.append(_track(_on_and_off(melody, 0, 1)))
    file = mido.MidiFile(type=1, ticks_per_beat=ticks_per_quarter, tracks=tracks)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def steps(*at: int, pitch: int = KICK, velocity: int = 100) -> list[Note]:
    """One drum at steps counted from the beginning."""
    return [(step * STEP, pitch, velocity) for step in at]


def _on_and_off(notes: Iterable[Note], channel: int, lasting: int) -> list[tuple[int, mido.Message]]:
    return [
        event
        for tick, pitch, velocity in notes
        for event in (
            (tick, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)),
            (tick + lasting, mido.Message("note_off", channel=channel, note=pitch)),
        )
    ]


def _track(events: Iterable[tuple[int, mido.Message]]) -> mido.MidiTrack:
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        track.append(message.copy(time=tick - now))
        now = tick
    return track
