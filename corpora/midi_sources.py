"""Where MIDI comes from: single files, and archives that are read as they are. All that reads MIDI reads it here."""

import gzip
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO

from drumline.corpora.bounded_reading import GZIP_MAGIC, MOST_BYTES, read_bounded, too_large, unreadable
from drumline.corpora.tar_archive import tar_members
from drumline.corpora.zip_archive import zip_members
from drumline.drums.midi import RejectedError

MIDI_SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
ARCHIVE_SUFFIXES = (*TAR_SUFFIXES, ".zip")
_GZIP_SUFFIX = ".gz"
_NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def open_binary(path: str) -> BinaryIO:
    """Opens a file of this machine."""
    return open(path, "rb")


def is_midi(name: str) -> bool:
    """Whether a name is that of a MIDI file, maybe packed by gzip ("song.mid.gz")."""
    return name.lower().removesuffix(_GZIP_SUFFIX).endswith(MIDI_SUFFIXES)


def is_archive(name: str) -> bool:
    """Whether a name is that of an archive."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def midi_in(
    path: str, open_file: Callable[[str], BinaryIO] = open_binary
) -> Iterator[tuple[str, bytes | RejectedError]]:
    """The MIDI files at a path: of an archive all that it holds, else the file itself, whatever its name; unpacked, if
    it is packed by gzip.

    Each comes by its name, "lakh.tar.gz/a/b.mid" in an archive, with its bytes or the rejection (unreadable) that says
    why it has none. An archive that is broken, or holds no MIDI file, has one more rejection under its own name, after
    what could be read. Nothing is raised. Memory and time are bounded, whatever the path holds.

    open_file: opens a path for reading bytes. What it opens need not be seekable, and may unpack gzip on the way.
    """
    try:
        size = _size_of_regular(path)
        if is_archive(path):
            with open_file(path) as file:
                yield from _members(path, file)
        elif size is not None and size > MOST_BYTES:
            yield path, too_large(size)
        else:
            with open_file(path) as file:
                midi = read_bounded(file)
            if midi.startswith(GZIP_MAGIC):
                midi = read_bounded(gzip.GzipFile(fileobj=io.BytesIO(midi)))
            yield path, midi
    except Exception as error:  # a damaged archive makes its readers raise anything
        yield path, unreadable(error)


def printable(name: str) -> str:
    """A name of a file as text that any terminal and any JSON reader takes.

    Bytes that are not UTF-8, and control characters, are shown as \\xNN.
    """
    return _NOT_SHOWN.sub(lambda odd: f"\\x{ord(odd[0]) & 0xFF:02x}", name)


def _members(path: str, file: BinaryIO) -> Iterator[tuple[str, bytes | RejectedError]]:
    members = tar_members if path.lower().endswith(TAR_SUFFIXES) else zip_members
    found = False
    for name, midi in members(file, is_midi):
        found = True
        if name.lower().endswith(_GZIP_SUFFIX):
            midi = unreadable("packed by gzip inside an archive; unpack it first")
        yield f"{path}/{name}", midi
    if not found:
        raise unreadable("the archive holds no MIDI file")


def _size_of_regular(path: str) -> int | None:
    """Its bytes; None where this machine has no such path. Raises where reading would hang, as from a pipe."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):
        os.scandir(path).close()
        raise unreadable("a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise unreadable("a pipe, a socket or a device, not a file")
    return found.st_size
