"""Corpora by name, wherever they come from."""

from dataclasses import dataclass
from pathlib import Path

from drumline.corpora import debian, downloads
from drumline.corpora import find as corpora

from drumline.errors import InputError

NAMES = ("freedoom", *downloads.DOWNLOADS, *debian.PACKAGES)


@dataclass(frozen=True)
class Fetched:
    """A corpus that is there. license: a sentence, or nothing of a folder of the user's own."""

    folder: Path
    license: str = ""


def fetch(corpus: str, into: Path) -> Fetched:
    """Gets one of NAMES, or a folder of MIDI files and archives, into `into`. Raises InputError."""
    if corpus == "freedoom":
        folder = corpora.fetch_freedoom(into)
        return Fetched(folder, "The soundtrack of Freedoom (https://freedoom.github.io): BSD-3-Clause.")
    if corpus in downloads.DOWNLOADS:
        return Fetched(downloads.fetch_download(corpus, into), downloads.DOWNLOADS[corpus].license)
    if corpus in debian.PACKAGES:
        package = debian.PACKAGES[corpus]
        folder = debian.fetch_debian(corpus, into)
        return Fetched(folder, f"The songs of Debian's package {package.name}: {package.license}.")
    if not Path(corpus).is_dir():
        raise InputError(f"{corpus}: not a folder, nor a corpus that Drumline knows ({', '.join(NAMES)})")
    return Fetched(corpora.fetch_folder(Path(corpus), into))
