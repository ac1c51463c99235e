"""Folders to write into, and how they are shown."""

import contextlib
from collections.abc import Iterator
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


@contextlib.contextmanager
def writing(file: Path) -> Iterator[None]:
    """Raises InputError where what is done in it cannot write the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{file}: cannot be written ({error.strerror})") from error


def shown_midi(midi: str, runs: Path) -> str:
    """A corpus without the path of this machine; below the folder of the runs as `runs/...`. Addresses as they are."""
    if "://" in midi:
        return midi
    return f"runs/{Path(midi).relative_to(runs)}" if Path(midi).is_relative_to(runs) else Path(midi).name
