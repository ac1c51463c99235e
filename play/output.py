"""The files of beats: none takes the place of another one."""

import itertools
from pathlib import Path

from drumline.folders import explain_write_errors


def write_files(folder: Path, stem: str, files: dict[str, bytes]) -> Path:
    """Writes files that belong together. What is there stays: "beat-2.mid" is written beside another "beat.mid".

    Args:
      folder: The folder of the files.
      stem: Their name without ending.
      files: The bytes of each, by ending.

    Returns:
      The path of the first. Where the same bytes are there already, it is theirs.

    Raises:
      InputError: They cannot be written.
    """
    for number in itertools.count(1):
        name = stem if number == 1 else f"{stem}-{number}"
        paths = {folder / f"{name}{ending}": data for ending, data in files.items()}
        first = next(iter(paths))
        with explain_write_errors(first):
            if all(_is_free(path, data) for path, data in paths.items()):
                for path, data in paths.items():
                    path.write_bytes(data)
                return first
    raise AssertionError  # the count has no end


def _is_free(path: Path, data: bytes) -> bool:
    """Whether a path has no file, or one of these bytes. Raises OSError where it can have none."""
    try:
        return (path.is_file() and path.read_bytes() == data) or not path.lstat()
    except FileNotFoundError:
        return True
