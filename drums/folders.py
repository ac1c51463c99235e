"""Folders to write into."""

from pathlib import Path

from drums.errors import InputError


def writable(folder: Path) -> None:
    """Makes a folder. Raises InputError where that, or writing there, is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{folder}: cannot write there ({error.strerror}); name another folder") from error
