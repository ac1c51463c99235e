"""Reading in bounded memory and time, and the rejection of what cannot be read."""

import gzip
import io
import zlib
from typing import IO, Any, BinaryIO

from drumline.drums.midi import Reason, RejectedError

MOST_BYTES = 32 << 20  # of one MIDI file
GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20
# An archive may unpack to so many bytes and entries, and to so many more for each of its own bytes. Lakh's, the largest
# corpus in use, has 4 bytes for one, and an entry in 10,000.
_FREE_BYTES, _BYTES_PER_BYTE = 1 << 30, 32
_FREE_ENTRIES, _BYTES_PER_ENTRY = 20_000, 16


def unreadable(error: Exception | str) -> RejectedError:
    """The rejection that says what was wrong, in one sentence."""
    if isinstance(error, RejectedError):
        return error.with_traceback(None)
    detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return RejectedError(Reason.UNREADABLE, " ".join(detail.split()))


def too_large(size: int | None = None) -> RejectedError:
    """The rejection of a file of so many bytes, or of more than it was worth to count."""
    found = "more" if size is None else f"{size:,} bytes, more"
    return unreadable(f"it has {found} than the {MOST_BYTES:,} bytes that a MIDI file may have")


def read_bounded(file: IO[bytes] | gzip.GzipFile) -> bytes:
    """All that is left of a file. Raises RejectedError where that is more than MOST_BYTES."""
    chunks, room = [], MOST_BYTES + 1
    while room and (chunk := file.read(min(room, _CHUNK))):
        chunks.append(chunk)
        room -= len(chunk)
    if not room:
        raise too_large()
    return b"".join(chunks)


def check_unpacked(packed: int, unpacked: int, entries: int) -> None:
    """Refuses an archive that takes far more time to unpack than an honest one of its size.

    Args:
      packed: Bytes of the archive, as far as it was read.
      unpacked: Bytes that it has unpacked to.
      entries: Files and folders that were found in it.

    Raises:
      RejectedError: for more bytes or entries than an archive of this size may have.
    """
    most_bytes = _FREE_BYTES + _BYTES_PER_BYTE * packed
    if unpacked > most_bytes:
        raise unreadable(f"the archive unpacks to more than the {most_bytes:,} bytes that one of its size may have")
    most_entries = _FREE_ENTRIES + packed // _BYTES_PER_ENTRY
    if entries > most_entries:
        raise unreadable(f"the archive has more than the {most_entries:,} entries that one of its size may have")


class UnpackedStream:
    """What a file unpacks to if it is packed by gzip, else the file itself, read forward only.

    Raises RejectedError where that is more than `check_unpacked` allows, or gzip finds a fault.
    """

    def __init__(self, file: BinaryIO):
        self._counter = _Counter(file)
        stream = io.BufferedReader(self._counter, _CHUNK)
        is_packed = stream.peek(2)[:2] == GZIP_MAGIC
        self._stream: Any = gzip.GzipFile(fileobj=stream) if is_packed else stream
        self._unpacked = self._entries = 0

    def read(self, size: int) -> bytes:
        """Some bytes, `size` at most; none at the end."""
        try:
            data = self._stream.read1(size)  # not read, which would lose what comes before a fault
        except zlib.error as error:
            raise unreadable(f"the archive is damaged: {error}") from error
        self._unpacked += len(data)
        check_unpacked(self._counter.count, self._unpacked, self._entries)
        return data

    def count_entry(self) -> None:
        """Counts one more entry of the archive."""
        self._entries += 1
        check_unpacked(self._counter.count, self._unpacked, self._entries)


class _Counter(io.RawIOBase):
    """Any file that can be read, for io.BufferedReader: Beam's do not all have readinto. count: bytes read."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)
