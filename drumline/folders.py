"""Folders to write into, and how they are shown."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from drumline.errors import InputError

_ROOT = Path(__file__).resolve().parent.parent
# Beside the code in a checkout; of an installed package, in the working folder.
RUNS = (_ROOT if (_ROOT / "pyproject.toml").is_file() else Path.cwd()) / "runs"


def ensure_writable(folder: Path) -> None:
    """Makes a folder. Raises InputError where that, or writing there, is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{folder}: cannot write there ({error.strerror}); name another folder") from error


@contextlib.contextmanager
def explain_write_errors(file: Path) -> Iterator[None]:
    """Raises InputError where the block cannot write the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{file}: cannot be written ({error.strerror})") from error


def name_corpus(midi: str, runs: Path) -> str:
    """A corpus without the path of this machine; below the folder of the runs as `runs/...`. Addresses as they are."""
    if "://" in midi:
        return midi
    return f"runs/{Path(midi).relative_to(runs)}" if Path(midi).is_relative_to(runs) else Path(midi).name
