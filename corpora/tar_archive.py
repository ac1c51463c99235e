"""The files in a tar archive, read as a stream in bounded memory and time."""

# tarfile's hooks for subclasses have no type stubs.
# mypy: disable-error-code="attr-defined, call-overload, misc, override, union-attr"

import tarfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

from drumline.corpora.bounded_reading import MOST_BYTES, UnpackedStream, too_large, unreadable
from drumline.drums.midi import RejectedError

_LONGEST_EXTENSION = 1 << 16  # bytes of a long name or a pax header
_MOST_EXTENSIONS = 8  # of one file
_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
_UNKNOWN = b"?"


def tar_members(file: BinaryIO, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | RejectedError]]:
    """The name of each wanted file in an archive, plain or packed by gzip, and its bytes or why it has none.

    Damaged headers are passed over. At the end raises RejectedError where there were any, EOFError where the archive
    is cut off; RejectedError, EOFError or OSError at the place where gzip finds a fault or the archive unpacks to too
    much (see `check_unpacked`).
    """
    stream = UnpackedStream(file)
    archive = _Archive.open(
        fileobj=stream,
        mode="r|",
        bufsize=1 << 16,
        stream=stream,
        tarinfo=_Header,
        ignore_zeros=True,
        encoding="utf-8",
        errors="surrogateescape",
    )
    while (member := archive.next()) is not None:
        if member.isdir() or not wanted(member.name):
            continue
        if not member.isreg() or member.issparse():
            yield member.name, unreadable("a link, a device or a sparse file in its archive")
        elif member.size > MOST_BYTES:
            yield member.name, too_large(member.size)
        else:
            yield member.name, archive.read_member(member)
    if not archive.whole:
        raise unreadable("it is not a tar archive" if archive.damaged else "the archive is empty")
    if archive.damaged:
        raise unreadable(f"the archive is damaged: {archive.damaged} blocks were passed over in search of a header")
    if not archive.ended:
        raise EOFError("the archive is cut off")


class _Archive(tarfile.TarFile):
    """Goes on where TarFile gives up, and keeps no headers.

    whole: headers read.  damaged: headers that are none.  ended: whether the last one marks the end of the archive.
    """

    whole = damaged = depth = 0
    ended = False

    def __init__(self, *arguments, stream: UnpackedStream, **options):
        self.unpacked = stream
        super().__init__(*arguments, **options)

    def next(self) -> tarfile.TarInfo | None:
        while True:
            place = self.fileobj.tell()
            try:
                member = super().next()
            except RejectedError:
                raise
            except (tarfile.TarError, ValueError, OverflowError):
                if self.fileobj.tell() == place:
                    return None
                self.offset = self.fileobj.tell()
            else:
                self.members.clear()
                self.pax_headers.clear()
                return member

    def read_member(self, member: tarfile.TarInfo) -> bytes:
        try:
            return self.extractfile(member).read()
        except tarfile.ReadError as error:
            raise EOFError("the archive is cut off") from error


class _Header(tarfile.TarInfo):
    """A header that takes no more memory than an honest one; reading it updates its archive."""

    @classmethod
    def fromtarfile(cls, archive: _Archive) -> tarfile.TarInfo:
        archive.unpacked.count_entry()
        try:
            header = super().fromtarfile(archive)
        except tarfile.EOFHeaderError:
            archive.ended = True
            raise
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError, RejectedError):
            raise
        except (tarfile.HeaderError, ValueError, OverflowError):
            archive.damaged, archive.ended = archive.damaged + 1, False
            raise
        archive.whole, archive.ended = archive.whole + 1, False
        return header

    def _proc_member(self, archive: _Archive) -> tarfile.TarInfo:
        """TarInfo's hook for subclasses, called with each header that has a right checksum."""
        if self.type == tarfile.GNUTYPE_SPARSE:
            self.type = _UNKNOWN  # its map could be as long as the archive; as data it is skipped
        long = self.type in _EXTENSIONS and self.size > _LONGEST_EXTENSION
        archive.depth += 1
        try:
            if self.size < 0 or long or archive.depth > _MOST_EXTENSIONS:
                raise tarfile.InvalidHeaderError("no honest header is like this")
            return super()._proc_member(archive)
        finally:
            archive.depth -= 1

    def _proc_gnusparse_10(self, *_) -> None:
        raise tarfile.InvalidHeaderError("the map of a sparse file could be as long as the archive")
