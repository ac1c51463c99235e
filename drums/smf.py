"""The drum notes and the meters in the bytes of a standard MIDI file.

Only what windows need is decoded, by compiled loops, so that a corpus is read at the speed of the disk. Each read is
checked against the end of its track: no file, however broken, can crash or hang the process that reads it.
"""

import sys
from dataclasses import dataclass

import numba
import numpy as np
from drumline.drums.rhythm_parts import (
    BANK,
    CHANNELS,
    DRUM_CHANNEL,
    GENERAL_MIDI,
    GM2_KIT,
    GM2_MELODY,
    GS,
    PART_MODE,
    PROGRAM,
    RESET,
    XG_KIT,
    drum_part_notes,
)
from drumline.drums.smf_chunks import EXPORT_AGAIN, SmfError, find_tracks, read_header

_ENDED, _NO_END, _CUT_OFF, _LONG_NUMBER, _NO_STATUS = range(5)
_NOTES, _METERS, _SETUPS = range(3)
_FAULTS = {
    _CUT_OFF: "an event is cut off by the end of its track",
    _LONG_NUMBER: "a number of variable length has no end",
    _NO_STATUS: "a data byte stands where an event should begin",
}


class TooManyEventsError(SmfError):
    """More drum notes, time signatures or changes of bank and program than the caller wants to see."""


@dataclass(frozen=True)
class DrumEvents:
    """What `read_drum_events` finds.

    Attributes:
      ticks, pitches, velocities: int64 [notes], the onsets of the drum notes of all tracks, in the file's order.
      meters: int64 [changes, 3], (tick, numerator, denominator) as they stand in the file; never a numerator of 0.
      ticks_per_quarter: The file's resolution.
      counts: int64 [16, 128], all note onsets of the file, by channel and pitch.
    """

    ticks: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray
    meters: np.ndarray
    ticks_per_quarter: int
    counts: np.ndarray


def read_drum_events(midi: bytes, most_events: int = sys.maxsize, channel: int = 0) -> DrumEvents:
    """Decodes a file of format 0 or 1, also inside RIFF (.rmi).

    Each onset counts as a note, whether or not a note-off follows: players sound it.

    Args:
      midi: The bytes of the file.
      most_events: How many notes, time signatures and changes of bank and program it may have.
      channel: The MIDI channel of the drums, 1 to 16; 0 for what the file says itself: channel 10, and those that XG,
        GS or GM2 messages make rhythm parts (see `rhythm_parts`).

    Returns:
      The drum notes and meters.

    Raises:
      SmfError: The bytes cannot be read.
      TooManyEventsError: There are more events than `most_events`; no memory was taken for them.
    """
    end_of_header, division = read_header(midi)
    bounds = find_tracks(midi, end_of_header)
    data = np.frombuffer(midi, np.uint8)
    found, special = np.zeros((CHANNELS, 128), np.int64), np.zeros(CHANNELS, np.bool_)
    counts = np.zeros(3, np.int64)
    nothing = np.zeros((4, 0), np.int64)
    for track in bounds:
        fault, at = _scan(data, track.begin, track.end, False, counts, found, special, nothing, nothing, nothing)
        if track.damaged and fault != _ENDED:
            raise SmfError(f"it is cut off or damaged in a track (byte {at}); copy or download it again")
        if fault in _FAULTS:
            raise SmfError(f"{_FAULTS[fault]} (byte {at}); {EXPORT_AGAIN}")
    read = np.zeros(CHANNELS, np.bool_) if channel else special.copy()
    read[channel - 1 if channel else DRUM_CHANNEL] = True
    counts[_NOTES] = found[read].sum()
    if channel or not special.any():
        counts[_SETUPS] = 0
    kinds = ("drum notes", "time signatures", "changes of bank and program")
    for events, kind in zip(counts.tolist(), kinds, strict=True):
        if events > most_events:
            raise TooManyEventsError(
                f"{events:,} {kind}, of {most_events:,} that a song may have; cut it into shorter files"
            )
    notes, meters, setups = (np.empty((4, count), np.int64) for count in counts)
    counts[:] = 0
    for track in bounds:
        _scan(data, track.begin, track.end, True, counts, found, read, notes, meters, setups)
    if setups.shape[1]:
        notes = notes[:, drum_part_notes(notes, setups)]
    return DrumEvents(notes[0], notes[2], notes[3], meters[:3].T, division, found)


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
def _store(events, count, tick, part, first, second):
    events[0, count], events[1, count], events[2, count], events[3, count] = tick, part, first, second


@numba.njit(cache=True)
def _system_exclusive(data, at, size):
    """(channel, kind, value) of the message of `size` bytes behind its F0; the kind -1 of one that sets up no part."""
    maker, message = data[at], data[at + 2]
    if maker == 0x7E and message == 0x09:  # General MIDI on (1), off (2), GM2 on (3)
        return 0, RESET, GENERAL_MIDI
    if maker == 0x41 and message == 0x42 and size >= 8 and data[at + 3] == 0x12 and data[at + 4] == 0x40:
        if data[at + 5] == 0x00 and data[at + 6] == 0x7F:
            return 0, RESET, GS
        if data[at + 5] >> 4 == 1 and data[at + 6] == 0x15:
            # GS numbers the parts of the channels 1 to 9 so, that of channel 10 by 0, and those above by 10 to 15.
            block = np.int64(data[at + 5] & 0x0F)
            channel = DRUM_CHANNEL if block == 0 else (block - 1 if block < 10 else block)
            return channel, PART_MODE, np.int64(data[at + 7])
    if maker == 0x43 and message == 0x4C and size >= 7:
        if data[at + 3] == 0x00 and data[at + 4] == 0x00 and data[at + 5] == 0x7E:
            return 0, RESET, GENERAL_MIDI
        if data[at + 3] == 0x08 and data[at + 4] < CHANNELS and data[at + 5] == 0x07:
            return np.int64(data[at + 4]), PART_MODE, np.int64(data[at + 6])
    return 0, -1, 0


@numba.njit(cache=True)
def _scan(data, at, end, store, counts, found, channels, notes, meters, setups):
    """Reads a track from `at` to `end`, in one of two passes over the file.

    The first counts: notes by channel and pitch into `found`, meters and setups into `counts`; it marks in `channels`
    those that a setup may make, or no longer leave, a rhythm part. The second (`store`) writes the notes of `channels`
    as (tick, part, pitch, velocity), the meters as (tick, numerator, denominator) and, where it has room, the setups as
    (tick, part, kind, value), each a column. A part is a channel of a port.  Returns (fault, place).
    """
    tick, status, port = np.int64(0), 0, np.int64(0)
    while at < end:
        delta, at = _number(data, at, end)
        if delta < 0:
            return (_CUT_OFF if delta == -1 else _LONG_NUMBER), at
        tick += delta
        if at >= end:
            return _CUT_OFF, at
        byte = np.int64(data[at])
        if byte >= 0xF0:
            at += 1
            kind = 0
            if byte == 0xFF:
                if at >= end:
                    return _CUT_OFF, at
                kind = np.int64(data[at])
                at += 1
            if byte == 0xFF or byte == 0xF0 or byte == 0xF7:
                size, at = _number(data, at, end)
                if size < 0:
                    return (_CUT_OFF if size == -1 else _LONG_NUMBER), at
            else:  # system common and real time, which do not belong in files but occur
                size = 2 if byte == 0xF2 else (1 if byte == 0xF1 or byte == 0xF3 else 0)
            if at + size > end:
                return _CUT_OFF, at
            if kind == 0x2F:
                return _ENDED, at
            if kind == 0x58 and size >= 2 and data[at] > 0:  # a bar of no beats is not a meter
                if store:
                    below = np.int64(1) << min(np.int64(data[at + 1]), 30)
                    _store(meters, counts[_METERS], tick, np.int64(data[at]), below, 0)
                counts[_METERS] += 1
            elif kind == 0x21 and size == 1:
                port = np.int64(data[at] & 0x0F)
            elif byte == 0xF0 and size >= 5:
                part, message, value = _system_exclusive(data, at, size)
                if message >= 0:
                    if store and counts[_SETUPS] < setups.shape[1]:
                        _store(setups, counts[_SETUPS], tick, port * CHANNELS + part, message, value)
                    elif not store and message == PART_MODE and (value > 0) != (part == DRUM_CHANNEL):
                        channels[part] = True
                    counts[_SETUPS] += 1
            at += size
            continue
        if byte >= 0x80:
            status = byte
            at += 1
        elif status == 0:
            return _NO_STATUS, at
        size = 1 if 0xC0 <= status < 0xE0 else 2
        if at + size > end:
            return _CUT_OFF, at
        channel, message = status & 0x0F, status >> 4
        if message == 9:
            # Data bytes above 127 are clamped: sequencers of the nineties wrote them, and players let them pass.
            pitch = min(np.int64(data[at]), 127)
            velocity = min(np.int64(data[at + 1]), 127)
            if velocity > 0:
                if not store:
                    found[channel, pitch] += 1
                elif channels[channel]:
                    _store(notes, counts[_NOTES], tick, port * CHANNELS + channel, pitch, velocity)
                    counts[_NOTES] += 1
        elif message == 12 or (message == 11 and data[at] == 0):
            kind = PROGRAM if message == 12 else BANK
            value = np.int64(data[at + size - 1])
            if store and counts[_SETUPS] < setups.shape[1]:
                _store(setups, counts[_SETUPS], tick, port * CHANNELS + channel, kind, value)
            elif not store and kind == BANK:
                changes = value == GM2_MELODY if channel == DRUM_CHANNEL else value in (GM2_KIT, XG_KIT)
                channels[channel] = channels[channel] or changes
            counts[_SETUPS] += 1
        at += size
    return _NO_END, at
