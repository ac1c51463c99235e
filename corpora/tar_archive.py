"""The files in a tar archive, read as a stream in constant memory.

tarfile alone would stop at the first damaged header, keep all headers in memory, and take as much of it for a name as
an archive asks for; so it only decodes the headers here.
"""

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

from drumline.corpora.bounded_reading import MOST_BYTES, too_large, unreadable
from drumline.drums.midi import RejectedError

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20
_LONGEST_NAME = 1 << 16
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_OF_NO_USE = (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE)
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_WITHOUT_DATA = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)


def tar_members(file: BinaryIO, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | RejectedError]]:
    """The name of each wanted file in an archive, plain or packed by gzip, and its bytes or why it has none.

    Damaged headers are passed over. At the end raises RejectedError where there were any, EOFError where the archive
    is cut off; OSError and zlib.error at the place where gzip finds a fault.
    """
    stream = io.BufferedReader(_Raw(file), _CHUNK)
    if stream.peek(2)[:2] == b"\x1f\x8b":
        stream = gzip.GzipFile(fileobj=stream)
    headers = damaged = 0
    name = size = None
    while len(block := stream.read(_BLOCK)) == _BLOCK:
        if not any(block):
            if not damaged:
                break
            continue  # it may lie in the file behind a damaged header
        header = _header(block)
        if header is None:
            damaged += 1
            name = size = None
            continue
        headers += 1
        if header.type == tarfile.GNUTYPE_LONGNAME:
            name = _decode(_read_padded(stream, header.size).rstrip(b"\0"))
            continue
        if header.type in _PAX:
            name, size = _name_and_size(_read_padded(stream, header.size))
            continue
        if header.type in _OF_NO_USE:
            _skip_padded(stream, header.size)
            continue
        if header.type == tarfile.GNUTYPE_SPARSE:
            _skip_map(stream, block)
        member = header.name if name is None else name
        held = 0 if header.type in _WITHOUT_DATA else header.size if size is None else size
        name = size = None
        if header.isdir() or not wanted(member):
            _skip_padded(stream, held)
        elif header.type not in _PLAIN:
            _skip_padded(stream, held)
            yield member, unreadable("a link, a device or a sparse file in its archive")
        elif held > MOST_BYTES:
            _skip_padded(stream, held)
            yield member, too_large(held)
        else:
            yield member, _read_padded(stream, held)
    if not headers:
        raise unreadable("it is not a tar archive" if damaged else "the archive is empty")
    if damaged:
        raise unreadable(f"the archive is damaged: {damaged} blocks were passed over in search of a header")
    if len(block) < _BLOCK:
        raise EOFError("the archive is cut off")
    stream.read(_CHUNK)  # up to the end, where gzip keeps its checksum


class _Raw(io.RawIOBase):
    """Any file that can be read, for io.BufferedReader: Beam's do not all have readinto."""

    def __init__(self, file: BinaryIO):
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _header(block: bytes) -> tarfile.TarInfo | None:
    """None where it is damaged, or would claim memory that no honest archive needs."""
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return None
    if header.size < 0 or (header.type in (tarfile.GNUTYPE_LONGNAME, *_PAX) and header.size > _LONGEST_NAME):
        return None
    return header


def _name_and_size(records: bytes) -> tuple[str | None, int | None]:
    """What a pax header says of the member behind it; None where it does not.

    records: each b"<length> <key>=<value>\\n", the length that of the whole record.
    """
    values = {}
    while records:
        length, _, rest = records.partition(b" ")
        if not (length.isdigit() and len(length) < 8 and int(length) > len(length)):
            break
        key, _, value = rest[: int(length) - len(length) - 2].partition(b"=")
        values[key] = value
        records = records[int(length) :]
    name, size = values.get(b"path"), values.get(b"size", b"")
    return name and _decode(name), int(size) if size.isdigit() and len(size) < 20 else None


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _read_padded(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the archive is cut off")
    _skip(stream, -size % _BLOCK)
    return data


def _skip_padded(stream: BinaryIO, size: int) -> None:
    _skip(stream, size + -size % _BLOCK)


def _skip_map(stream: BinaryIO, header: bytes) -> None:
    """Skips the blocks that tell, behind the header of a GNU sparse file, where its holes are."""
    more = header[482:483]
    while more.strip(b"\0"):
        more = stream.read(_BLOCK)[504:505]


def _skip(stream: BinaryIO, size: int) -> None:
    while size and (skipped := len(stream.read(min(size, _CHUNK)))):
        size -= skipped
