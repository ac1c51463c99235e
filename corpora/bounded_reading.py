"""Reading that takes no more memory than a MIDI file can need, and the rejection of what cannot be read."""

from typing import BinaryIO

from drumline.drums.midi import Reason, RejectedError

MOST_BYTES = 32 << 20  # of one MIDI file
_CHUNK = 1 << 20


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


def read_bounded(file: BinaryIO) -> bytes:
    """All that is left of a file. Raises RejectedError where that is more than MOST_BYTES."""
    chunks, room = [], MOST_BYTES + 1
    while room and (chunk := file.read(min(room, _CHUNK))):
        chunks.append(chunk)
        room -= len(chunk)
    if not room:
        raise too_large()
    return b"".join(chunks)
