"""The bytes of a MIDI file as chunks, and those of a track as events, so that what is not changed stays as it is."""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import mido
from drumline.drums.smf_chunks import find_tracks, read_header

END_OF_TRACK, SET_TEMPO = 0x2F, 0x51  # types of meta events
_META, _SYSEX, _ESCAPE = 0xFF, 0xF0, 0xF7
_LONGEST_DELTA = (1 << 28) - 1  # ticks, in four bytes
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # bytes; these do not belong in files but occur

type Message = mido.Message | mido.MetaMessage


class Chunk(NamedTuple):
    """Four letters that say what it is, and its bytes; without letters, bytes that stay as they are."""

    kind: bytes
    data: bytes


def split_chunks(midi: bytes) -> list[Chunk]:
    """The header and the tracks of a MIDI file, and between and behind them chunks without letters for all other bytes.

    A track whose length is wrong has all bytes up to the next one, so that its length is right when it is written.

    Args:
      midi: The bytes of a file from MThd on.

    Raises:
      SmfError: It has no header or no track.
    """
    at, _ = read_header(midi)
    chunks = [Chunk(b"MThd", midi[8:at])]
    for track in find_tracks(midi, at):
        chunks += [Chunk(b"", midi[at : track.begin - 8]), Chunk(b"MTrk", midi[track.begin : track.end])]
        at = track.end
    return [*chunks, Chunk(b"", midi[at:])]


def join_chunks(chunks: Iterable[Chunk]) -> bytes:
    """The bytes of a MIDI file of these chunks."""
    return b"".join(
        (struct.pack(">4sI", chunk.kind, len(chunk.data)) if chunk.kind else b"") + chunk.data for chunk in chunks
    )


def encode_header(midi_type: int, tracks: int, ticks_per_quarter: int) -> Chunk:
    """The first chunk of a MIDI file."""
    return Chunk(b"MThd", struct.pack(">HHH", midi_type, tracks, ticks_per_quarter))


class Event(NamedTuple):
    """An event of a track.

    Attributes:
      tick: When it happens.
      start, begin, end: The places of its delta time, of its status byte (under running status, its first data byte),
        and behind it.
      status: Its status byte, also where it is left out.
      data: What follows the status byte; of a meta event its type and what it holds, without the length.
    """

    tick: int
    start: int
    begin: int
    end: int
    status: int
    data: bytes


def read_events(track: bytes) -> list[Event]:
    """The events of a track's bytes, up to its End of Track or to the first byte that begins none."""
    events: list[Event] = []
    start = tick = running = 0
    while start < len(track):
        try:
            event = _read_event(track, start, tick, running)
        except IndexError:  # cut off by the end of the track
            break
        if event is None:
            break
        events.append(event)
        start, tick = event.end, event.tick
        if event.status < _SYSEX:
            running = event.status
        if event.status == _META and event.data[0] == END_OF_TRACK:
            break
    return events


def _read_event(track: bytes, start: int, tick: int, running: int) -> Event | None:
    delta, begin = _read_number(track, start)
    status, at, prefix = track[begin], begin + 1, b""
    if status < 0x80:
        status, at = running, begin
    if status == 0:
        return None
    if status == _META:
        prefix, at = track[at : at + 1], at + 1
    if status in (_META, _SYSEX, _ESCAPE):
        size, at = _read_number(track, at)
    elif status > _SYSEX:
        size = _SYSTEM_DATA.get(status, 0)
    else:
        size = 1 if 0xC0 <= status < 0xE0 else 2
    if at + size > len(track):
        return None
    return Event(tick + delta, start, begin, at + size, status, prefix + track[at : at + size])


def _read_number(track: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and the place behind it."""
    value = 0
    for _ in range(4):
        byte = track[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    raise IndexError(at)


def insert_events(track: bytes, new: Sequence[tuple[int, Message]]) -> bytes:
    """A track with more events, each behind those of its tick. All other bytes stay, but the delta times beside them.

    Args:
      track: The bytes of a track.
      new: The events with their ticks, by tick.

    Returns:
      The bytes of the track, with an End of Track.
    """
    events, waiting, out, now = read_events(track), list(new), [], 0
    rest = track[events[-1].end :] if events else track
    if not events or events[-1].data[:1] != bytes([END_OF_TRACK]) or events[-1].status != _META:
        last = events[-1].tick if events else 0
        events.append(Event(last, 0, 0, 0, _META, bytes([END_OF_TRACK])))
    for event in events:
        is_end = event.status == _META and event.data[0] == END_OF_TRACK
        inserted = False
        while waiting and (waiting[0][0] < event.tick or is_end):
            tick, message = waiting.pop(0)
            out.append(_encode_delta(tick - now) + bytes(message.bytes()))
            now, inserted = tick, True
        tick = max(event.tick, now)
        if event.end == 0:
            out.append(_encode_delta(tick - now) + bytes([_META, END_OF_TRACK, 0]))
        elif not inserted:
            out.append(track[event.start : event.end])
        else:
            status = bytes([event.status]) if track[event.begin] < 0x80 else b""  # a meta event ends running status
            out.append(_encode_delta(tick - now) + status + track[event.begin : event.end])
        now = tick
    return b"".join(out) + rest


def encode_track(events: Iterable[tuple[int, Message]], end: int) -> Chunk:
    """A track of these events, with its End of Track at a tick. Of one tick, notes begin after all else.

    Args:
      events: The events with their ticks, in any order.
      end: The tick of the End of Track.
    """
    now, out = 0, []
    ordered = sorted(events, key=lambda event: (event[0], event[1].type == "note_on"))
    for tick, message in [*ordered, (end, mido.MetaMessage("end_of_track"))]:
        out.append(_encode_delta(tick - now) + bytes(message.bytes()))
        now = tick
    return Chunk(b"MTrk", b"".join(out))


def _encode_delta(ticks: int) -> bytes:
    """A delta time; one too long for four bytes goes on behind events that hold nothing."""
    steps = b""
    while ticks > _LONGEST_DELTA:
        steps += b"\xff\xff\xff\x7f" + bytes([_META, 0x01, 0])
        ticks -= _LONGEST_DELTA
    digits = [ticks & 0x7F]
    while ticks := ticks >> 7:
        digits.append(ticks & 0x7F | 0x80)
    return steps + bytes(reversed(digits))
