"""The files in a zip archive, also where it is cut off or its directory is damaged."""

import contextlib
import io
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from drumline.corpora.bounded_reading import MOST_BYTES, read_bounded, too_large, unreadable
from drumline.drums.midi import RejectedError

_CHUNK = 1 << 16
_MOST_FAULTS = 1000  # members that cannot be unpacked, before an archive without a directory is given up
_LOCAL_FILE, _DESCRIPTOR, _END = b"PK\3\4", b"PK\7\10", b"PK\5\6"
_LONGEST_END = 22 + (1 << 16)
_MANY = 0xFFFF  # stands for any number of members too large for its field
_LOCAL_HEADER = struct.Struct("<4s2x2H4x3I2H")  # signature, flags, method, CRC, sizes (packed, whole), lengths
_ENCRYPTED, _STREAMED, _UTF8 = 1 << 0, 1 << 3, 1 << 11

Member = tuple[str, bytes | RejectedError]


def zip_members(file: BinaryIO, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """The name of each wanted file in an archive, and its bytes or why it has none.

    Where the directory at the archive's end is damaged, gives also the files that are found without it, and at the end
    raises what was wrong.
    """
    seekable = hasattr(file, "seekable") and file.seekable()
    with contextlib.nullcontext(file) if seekable else _spool(file) as file:
        done, broken, fault = set(), {}, None
        try:
            for name, midi in _members_of_directory(file, wanted):
                if isinstance(midi, _Broken):
                    broken[name] = unreadable(str(midi))
                else:
                    done.add(name)
                    yield name, midi
        except Exception as error:  # zipfile raises whatever a damaged directory leads it to
            fault = error
        if broken or fault:
            for name, midi in _members_without_directory(file, wanted):
                if name in done:
                    continue
                if isinstance(midi, RejectedError):
                    broken.setdefault(name, midi)
                else:
                    broken.pop(name, None)
                    yield name, midi
        yield from broken.items()
        if fault:
            raise fault


class _Broken(str):
    """Why a member cannot be read where the directory says that it lies."""


def _spool(file: BinaryIO) -> BinaryIO:
    spool = tempfile.TemporaryFile()  # noqa: SIM115
    shutil.copyfileobj(file, spool)
    return spool


def _members_of_directory(
    file: BinaryIO, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes | RejectedError | _Broken]]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            if not member.is_dir() and wanted(member.filename):
                yield member.filename, _member(archive, member)
    file.seek(0, io.SEEK_END)
    file.seek(-min(file.tell(), _LONGEST_END), io.SEEK_END)
    end = file.read()
    promised = int.from_bytes(end[end.rfind(_END) + 10 :][:2], "little")
    if promised not in (_MANY, len(members) & _MANY):
        raise unreadable(f"the directory of the archive is damaged: it names {len(members)} of {promised} files")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | RejectedError | _Broken:
    if stat.S_ISLNK(member.external_attr >> 16):
        return unreadable("a link in its archive")
    if member.flag_bits & _ENCRYPTED:
        return unreadable("encrypted")
    if member.file_size > MOST_BYTES:
        return too_large(member.file_size)
    try:
        with archive.open(member) as file:
            return read_bounded(file)
    except RejectedError as rejection:
        return unreadable(rejection)
    except Exception as error:
        return _Broken(unreadable(error).detail)


def _members_without_directory(file: BinaryIO, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """Each file that begins with a header of its own, as all do in an archive that was written in one go."""
    at = faults = 0
    while faults < _MOST_FAULTS and (at := _find(file, _LOCAL_FILE, at)) >= 0:
        file.seek(at)
        header = file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size:
            return
        _, flags, method, crc, packed, whole, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        name = file.read(name_length).decode("utf-8" if flags & _UTF8 else "cp437", "surrogateescape")
        at += _LOCAL_HEADER.size + name_length + extra_length
        if not wanted(name):
            continue
        file.seek(at)
        try:
            if flags & _ENCRYPTED or whole > MOST_BYTES:
                raise unreadable("encrypted" if flags & _ENCRYPTED else too_large(whole))
            if method == zipfile.ZIP_DEFLATED:
                data, end = _inflate(file, at)
            elif method == zipfile.ZIP_STORED and not flags & _STREAMED:
                data, end = _read_stored(file, packed), at + packed
            else:
                raise unreadable(f"it cannot be unpacked without the directory of its archive (method {method})")
            if flags & _STREAMED:
                file.seek(end)
                crc = int.from_bytes(file.read(8).removeprefix(_DESCRIPTOR)[:4], "little")
            if zlib.crc32(data) != crc:
                raise unreadable("its checksum is wrong")
        except (EOFError, zlib.error, RejectedError) as error:
            faults += 1
            yield name, unreadable(error)
        else:
            at = end
            yield name, data


def _read_stored(file: BinaryIO, size: int) -> bytes:
    data = file.read(min(size, MOST_BYTES))
    if len(data) < size:
        raise EOFError("the archive is cut off inside it")
    return data


def _inflate(file: BinaryIO, at: int) -> tuple[bytes, int]:
    """The bytes of the deflated member that begins at `at`, where the file stands, and where it ends."""
    inflate, data = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    while not inflate.eof:
        chunk = inflate.unconsumed_tail
        if not chunk:
            chunk = file.read(_CHUNK)
            at += len(chunk)
        if not chunk:
            raise EOFError("the archive is cut off inside it")
        data += inflate.decompress(chunk, MOST_BYTES + 1 - len(data))
        if len(data) > MOST_BYTES:
            raise too_large()
    return bytes(data), at - len(inflate.unused_data)


def _find(file: BinaryIO, what: bytes, at: int) -> int:
    """Where `what` stands in a file, from `at` on; -1 where it does not."""
    file.seek(at)
    seen = b""
    while chunk := file.read(_CHUNK):
        at += len(chunk)
        seen = seen[-len(what) + 1 :] + chunk
        if (found := seen.find(what)) >= 0:
            return at - len(seen) + found
    return -1
