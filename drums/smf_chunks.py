"""The chunks of a standard MIDI file: its header and its tracks."""

import struct
from typing import NamedTuple

_MOST_TRACKS = 0xFFFF  # the header counts them in two bytes
_CHUNK_HEADER = 8  # bytes
EXPORT_AGAIN = "open it in a sequencer and export it again"


class SmfError(ValueError):
    """The bytes are not a standard MIDI file, or not one with time in ticks; the message says what and where."""


def read_header(midi: bytes) -> tuple[int, int]:
    """Reads the header of a MIDI file, also inside RIFF (.rmi).

    Args:
      midi: The bytes of the file.

    Returns:
      The place behind the header, and the ticks per quarter note.

    Raises:
      SmfError: There is no header, or it describes a file that is not one song in ticks per quarter note.
    """
    start = 0
    if midi[:4] == b"RIFF" and midi[8:12] == b"RMID":
        start = max(midi.find(b"MThd", 12), 0)
    if midi[start : start + 4] != b"MThd":
        raise SmfError("it does not begin with MThd: this is not a MIDI file" if midi else "the file is empty")
    if len(midi) < start + 14:
        raise SmfError(f"the file ends inside its header, after {len(midi)} bytes; copy or download it again")
    size, form, _, division = struct.unpack_from(">IHHH", midi, start + 4)
    if form == 2:
        raise SmfError("format 2, whose tracks are separate patterns; export it as format 0 or 1")
    if form > 1:
        raise SmfError(f"format {form}, of which MIDI knows 0 to 2; {EXPORT_AGAIN}")
    if division & 0x8000:
        raise SmfError("its time is in SMPTE frames, not in beats; export it with ticks per quarter note")
    if division == 0:
        raise SmfError(f"its header says 0 ticks per quarter note; {EXPORT_AGAIN}")
    return start + 8 + size, division


class Track(NamedTuple):
    """Where the events of a track lie; where its length is wrong (`damaged`), up to its End of Track."""

    begin: int
    end: int
    damaged: bool


def find_tracks(midi: bytes, at: int) -> list[Track]:
    """The tracks, more or fewer than the header says. Chunks of other kinds are passed over.

    A chunk whose length leads neither to another chunk nor to the end of the file goes on to the next MTrk.
    """
    tracks: list[Track] = []
    while len(tracks) < _MOST_TRACKS and at + _CHUNK_HEADER <= len(midi):
        kind, size = struct.unpack_from(">4sI", midi, at)
        begin, end = at + _CHUNK_HEADER, at + _CHUNK_HEADER + size
        damaged = not (end <= len(midi) and _begins_chunk(midi[end : end + _CHUNK_HEADER]))
        if damaged:
            found = midi.find(b"MTrk", begin if kind == b"MTrk" else at + 1)
            end = found if found >= 0 else len(midi)
        if kind == b"MTrk":
            tracks.append(Track(begin, end, damaged))
        at = end
    if not tracks:
        raise SmfError(f"it has no track; {EXPORT_AGAIN}")
    return tracks


def _begins_chunk(following: bytes) -> bool:
    """Whether these bytes begin a chunk, which four characters do, or are too few for one."""
    return len(following) < _CHUNK_HEADER or all(0x20 <= byte < 0x7F for byte in following[:4])
