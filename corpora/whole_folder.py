"""Corpora of loose songs that are whole or not there at all: a file of each, the seal, holds its songs' digest."""

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from drumline.errors import InputError

_SEAL = "SHA256"


def is_whole(corpus: Path) -> bool:
    """Whether a corpus is there with all its songs as they were fetched."""
    seal = corpus / _SEAL
    return seal.exists() and seal.read_text().strip() == digest(corpus)


@contextlib.contextmanager
def replace_folder(corpus: Path) -> Iterator[tuple[Path, Path]]:
    """Two empty folders: one to fill with songs and their licence, and one for whatever that takes.

    At the end the first is sealed and takes the place of `corpus`; after an error or an interruption neither is left,
    and `corpus` is as it was. Raises InputError where the folder that holds it cannot be written.
    """
    with _staging(corpus.parent) as staging:
        songs, scratch = Path(staging, "songs"), Path(staging, "scratch")
        songs.mkdir()
        scratch.mkdir()
        yield songs, scratch
        (songs / _SEAL).write_text(digest(songs) + "\n")
        shutil.rmtree(corpus, ignore_errors=True)
        songs.rename(corpus)


def digest(corpus: Path) -> str:
    """SHA-256 of the names and bytes of a folder's .mid files."""
    sha256 = hashlib.sha256()
    for song in sorted(corpus.glob("*.mid")):
        sha256.update(song.name.encode() + b"\0" + song.read_bytes())
    return sha256.hexdigest()


def _staging(into: Path) -> tempfile.TemporaryDirectory:
    try:
        into.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=into, prefix=".fetching-")
    except OSError as error:
        raise InputError(f"{into}: cannot write there ({error.strerror}); name another folder") from error
