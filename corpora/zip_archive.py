"""The files in a zip archive, read in bounded memory and time."""

import contextlib
import io
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

from drumline.corpora.bounded_reading import MOST_BYTES, check_unpacked, read_bounded, too_large, unreadable
from drumline.drums.midi import RejectedError

_END = b"PK\5\6"
_LONGEST_END = 22 + (1 << 16)
_MANY = 0xFFFF  # stands for any number of members too large for its field
_ENCRYPTED = 1 << 0
# Of the other methods, zipfile unpacks 4 KB at a time to as many bytes as they give: gigabytes.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def zip_members(file: BinaryIO, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | RejectedError]]:
    """The name of each wanted file in an archive, and its bytes or why it has none.

    Raises RejectedError where the directory at the archive's end is missing or damaged, or the archive unpacks to too
    much (see `check_unpacked`).
    """
    seekable = hasattr(file, "seekable") and file.seekable()
    with contextlib.nullcontext(file) if seekable else _spool(file) as file:
        size = file.seek(0, io.SEEK_END)
        promised = _count_promised(file, size)
        with _open_zip(file) as archive:
            members = archive.infolist()
            last_at = {member.header_offset: member for member in members}
            unpacked = 0
            for number, member in enumerate(members, 1):
                if member.is_dir() or not wanted(member.filename):
                    continue
                if last_at[member.header_offset] is not member:  # zipfile itself refuses the others that overlap
                    yield member.filename, unreadable("it overlaps another file in its archive")
                    continue
                unpacked += min(member.file_size, MOST_BYTES)
                check_unpacked(size, unpacked, number)
                yield member.filename, _read_member(archive, member)
    if promised not in (_MANY, len(members) & _MANY):
        raise unreadable(f"the directory of the archive is damaged: it names {len(members)} of {promised} files")


def _spool(file: BinaryIO) -> BinaryIO:
    spool = tempfile.TemporaryFile()  # noqa: SIM115
    shutil.copyfileobj(file, spool)
    return spool


def _count_promised(file: BinaryIO, size: int) -> int:
    """How many files the end of the archive says that it has."""
    file.seek(max(0, size - _LONGEST_END))
    end = file.read()
    place = end.rfind(_END)
    if place < 0:
        raise unreadable("it has no directory at its end: it is cut off, or not a zip archive; copy it again")
    return int.from_bytes(end[place + 10 :][:2], "little")


def _open_zip(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except Exception as error:  # zipfile raises whatever a damaged directory leads it to
        raise unreadable(f"the directory of the archive is damaged ({error}); copy it again") from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | RejectedError:
    if stat.S_ISLNK(member.external_attr >> 16):
        return unreadable("a link in its archive")
    if member.flag_bits & _ENCRYPTED:
        return unreadable("encrypted")
    if member.compress_type not in _METHODS:
        return unreadable("packed in another way than by deflate; pack it again with any common program")
    if member.file_size > MOST_BYTES:
        return too_large(member.file_size)
    try:
        with archive.open(member) as file:
            return read_bounded(file)
    except Exception as error:
        return unreadable(error)
