"""The drum notes and the meters in the bytes of a standard MIDI file.

Only what windows need is decoded, by compiled loops, so that a corpus is read at the speed of the disk. Each read is
checked against the end of its track: no file, however broken, can crash or hang the process that reads it.
"""

import struct
import sys
from dataclasses import dataclass

import numba
import numpy as np

_DRUM_CHANNEL = 9  # MIDI's channel 10, counted from 0
_ENDED, _CUT_OFF, _LONG_NUMBER, _NO_STATUS = 0, 1, 2, 3
_FAULTS = {
    _CUT_OFF: "an event is cut off by the end of its track",
    _LONG_NUMBER: "a number of variable length has no end",
    _NO_STATUS: "a data byte stands where an event should begin",
}


class SmfError(ValueError):
    """The bytes are not a standard MIDI file, or not one with time in ticks; the message says what and where."""


class TooManyEventsError(SmfError):
    """More drum notes or time signatures than the caller wants to see."""


@dataclass(frozen=True)
class DrumEvents:
    """ticks, pitches, velocities: int64 [notes], of channel 10 in all tracks. meters: int64 [changes, 3], (tick,
    numerator, denominator) as they stand in the file. unended: notes left out because they last no tick or never end.
    """

    ticks: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray
    meters: np.ndarray
    ticks_per_quarter: int
    unended: int


def read_drum_events(midi: bytes, most_events: int = sys.maxsize) -> DrumEvents:
    """Decodes a file of format 0 or 1, also inside RIFF (.rmi). Raises SmfError; where it holds more notes or time
    signatures than `most_events`, TooManyEventsError, before any memory is taken for them.

    Notes pair as in pretty_midi, which note_seq reads by: a note-off ends all sounding notes of its pitch but those
    struck at its own tick, and those only while others end with it.
    """
    start = _start_of_midi(midi)
    if len(midi) < start + 14:
        raise SmfError(f"the file ends inside its header, after {len(midi)} bytes")
    size, form, tracks, division = struct.unpack_from(">IHHH", midi, start + 4)
    if form > 1:
        raise SmfError(f"format {form}: its tracks are no parts of one song" if form == 2 else f"format {form}")
    if division == 0 or division & 0x8000:
        raise SmfError("its time is in seconds (SMPTE), not in beats" if division else "a division of 0 ticks")
    data = np.frombuffer(midi, np.uint8)
    bounds = _track_bounds(midi, start + 8 + size, tracks)
    nothing, no_flags = np.zeros(0, np.int64), np.zeros(0, np.bool_)
    notes = meters = 0
    for at, end in bounds:
        fault, at, notes, meters = _scan(
            data, at, end, notes, nothing, nothing, nothing, no_flags, nothing, meters, nothing.reshape(0, 3)
        )
        if fault:
            raise SmfError(f"{_FAULTS[fault]} (byte {at})")
    for events, kind in ((notes, "drum notes"), (meters, "time signatures")):
        if events > most_events:
            raise TooManyEventsError(f"{events:,} {kind}, of {most_events:,} that a song may have")
    ticks, pitches, velocities, links = np.empty((4, notes), np.int64)
    ended, changes = np.zeros(notes, np.bool_), np.empty((meters, 3), np.int64)
    notes = meters = 0
    for at, end in bounds:
        _, _, notes, meters = _scan(data, at, end, notes, ticks, pitches, velocities, ended, links, meters, changes)
    return DrumEvents(ticks[ended], pitches[ended], velocities[ended], changes, division, int((~ended).sum()))


def _start_of_midi(midi: bytes) -> int:
    if midi[:4] == b"MThd":
        return 0
    if midi[:4] == b"RIFF" and midi[8:12] == b"RMID":
        found = midi.find(b"MThd", 12, 4096)
        if found >= 0:
            return found
    raise SmfError("it does not begin with MThd" if midi else "the file is empty")


def _track_bounds(midi: bytes, at: int, tracks: int) -> list[tuple[int, int]]:
    """Where the events of each track begin and end. Chunks of other kinds are passed over."""
    bounds = []
    while len(bounds) < tracks and at + 8 <= len(midi):
        kind, size = struct.unpack_from(">4sI", midi, at)
        at += 8
        if at + size > len(midi):
            raise SmfError(f"a chunk of {size} bytes is cut off by the end of the file after {len(midi) - at}")
        if kind == b"MTrk":
            bounds.append((at, at + size))
        at += size
    if not bounds:
        raise SmfError("it has no track")
    return bounds


@numba.njit(cache=True)
def _number(data, at, end):
    """(value, place behind it) of a number of variable length; the value -1 where it is cut off, -2 where too long."""
    value = 0
    for _ in range(4):
        if at >= end:
            return -1, at
        byte = np.int64(data[at])
        at += 1
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at
    return -2, at


@numba.njit(cache=True)
def _scan(data, at, end, notes, ticks, pitches, velocities, ended, links, meters, changes):
    """Reads a track from `at` to `end`: counts into `notes` and `meters`, and where the arrays have room, stores.

    links: int64 [notes], the sounding note of the same pitch before each note.  Returns (fault, place, notes, meters).
    """
    store = len(ticks) > 0 or len(changes) > 0
    sounding = np.full(128, -1, np.int64)  # the latest sounding note of each pitch
    tick, status = np.int64(0), 0
    while at < end:
        delta, at = _number(data, at, end)
        if delta < 0:
            return (_CUT_OFF if delta == -1 else _LONG_NUMBER), at, notes, meters
        tick += delta
        if at >= end:
            return _CUT_OFF, at, notes, meters
        byte = np.int64(data[at])
        if byte >= 0xF0:
            at += 1
            kind = 0
            if byte == 0xFF:
                if at >= end:
                    return _CUT_OFF, at, notes, meters
                kind = np.int64(data[at])
                at += 1
            if byte == 0xFF or byte == 0xF0 or byte == 0xF7:
                size, at = _number(data, at, end)
                if size < 0:
                    return (_CUT_OFF if size == -1 else _LONG_NUMBER), at, notes, meters
            else:  # system common and real time, which do not belong in files but occur
                size = 2 if byte == 0xF2 else (1 if byte == 0xF1 or byte == 0xF3 else 0)
            if at + size > end:
                return _CUT_OFF, at, notes, meters
            if kind == 0x58 and size >= 2:
                if store:
                    changes[meters, 0] = tick
                    changes[meters, 1] = data[at]
                    changes[meters, 2] = np.int64(1) << min(np.int64(data[at + 1]), 30)
                meters += 1
            at += size
            continue
        if byte >= 0x80:
            status = byte
            at += 1
        elif status == 0:
            return _NO_STATUS, at, notes, meters
        size = 1 if 0xC0 <= status < 0xE0 else 2
        if at + size > end:
            return _CUT_OFF, at, notes, meters
        if (status & 0x0F) == _DRUM_CHANNEL and status < 0xA0:
            # Data bytes above 127 are clamped: sequencers of the nineties wrote them, and players let them pass.
            pitch = min(np.int64(data[at]), 127)
            velocity = min(np.int64(data[at + 1]), 127)
            if status >= 0x90 and velocity > 0:
                if store:
                    ticks[notes], pitches[notes], velocities[notes] = tick, pitch, velocity
                    links[notes] = sounding[pitch]
                    sounding[pitch] = notes
                notes += 1
            elif store:
                sounding[pitch] = _end_notes(sounding[pitch], tick, ticks, ended, links)
        at += size
    return _ENDED, at, notes, meters


@numba.njit(cache=True)
def _end_notes(latest, tick, ticks, ended, links):
    """Ends the chain of sounding notes that `latest` heads, at a tick. Returns the head of what goes on sounding."""
    struck_now = -1
    note = latest
    while note >= 0 and ticks[note] == tick:
        struck_now = note
        note = links[note]
    if note < 0:
        return -1  # all of them were struck at this tick: they last no tick
    while note >= 0:
        ended[note] = True
        note = links[note]
    if struck_now < 0:
        return -1
    links[struck_now] = -1
    return latest
