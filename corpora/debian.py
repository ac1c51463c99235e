"""Free corpora that lie inside Debian packages: apt-get downloads them from wherever it is set up to, nothing is
installed."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from drumline.corpora.whole_folder import is_whole, replace_folder
from rich.console import Console

from drumline.errors import InputError

# Lists and caches of its own, so that nothing of the system changes, nor anything that hooks on `apt-get update` runs.
# apt checks the lists' signature against the system's keys, and the package against the lists.
_APT_CONFIGURATION = """\
Dir::State "{scratch}/state";
Dir::State::status "{scratch}/status";
Dir::Cache "{scratch}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::GzipIndexes "true";
Acquire::Languages "none";
Acquire::AllowInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "root";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


@dataclass(frozen=True)
class Package:
    """A Debian package with songs. license: by its short name."""

    name: str
    license: str


PACKAGES = {
    "simutrans": Package("simutrans-data", "Artistic-1.0"),
    "mma": Package("mma", "GPL-2+"),
    "openttd": Package("openttd-openmsx", "GPL-2"),
    "planetblupi": Package("planetblupi-music-midi", "GPL-3+"),
}


def fetch_debian(corpus: str, into: Path) -> Path:
    """A corpus of PACKAGES: its songs, and the package's copyright file as LICENSE, in `into`/`corpus`, which is
    returned.

    A corpus that is whole is not fetched again; an incomplete fetch leaves nothing behind. Raises InputError.
    """
    target, package = into / corpus, PACKAGES[corpus].name
    if is_whole(target):
        return target
    for program in ("apt-get", "dpkg-deb"):
        if not shutil.which(program):
            raise InputError(
                f"{corpus}: comes in a Debian package, and there is no {program} here; fetch it on Debian or Ubuntu, "
                "or in the container image (kubeflow/Dockerfile)"
            )
    with replace_folder(target) as (songs, scratch):
        unpacked = scratch / "unpacked"
        with Console(stderr=True).status(f"downloading Debian's package {package}"):
            _unpack(_download(package, scratch), unpacked)
        copyright_file = unpacked / "usr/share/doc" / package / "copyright"
        found = songs_below(unpacked)
        if not found or not copyright_file.is_file() or copyright_file.is_symlink():
            raise InputError(
                f"{corpus}: Debian's package {package} holds {len(found)} MIDI files and "
                f"{'a' if copyright_file.exists() else 'no'} copyright file: not what it should be"
            )
        for name, path in found.items():
            shutil.copyfile(path, songs / name)
        shutil.copyfile(copyright_file, songs / "LICENSE")
    return target


def songs_below(folder: Path) -> dict[str, Path]:
    """The .mid files in a folder and those below it, each under a name of its own: of two `solo.mid`, the second is
    `solo-2.mid`. Links are left out: they may lead anywhere."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.mid")):
        if path.is_symlink() or not path.is_file():
            continue
        name, number = path.name, 1
        while name in found:
            number += 1
            name = f"{path.stem}-{number}.mid"
        found[name] = path
    return found


def _download(package: str, scratch: Path) -> Path:
    """The package's file, in `scratch`. Raises InputError with what apt-get said."""
    configuration = scratch / "apt.conf"
    configuration.write_text(_APT_CONFIGURATION.format(scratch=str(scratch.absolute()).replace('"', '\\"')))
    (scratch / "status").touch()
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    apt_get = ["apt-get", "-q", "-q", "--config-file", str(configuration.absolute())]
    updated = _run([*apt_get, "update"], scratch)  # succeeds, with a warning, without a network
    downloaded = _run([*apt_get, "download", package], scratch)
    files = list(scratch.glob("*.deb"))
    if downloaded.returncode or len(files) != 1:
        said = _reason([*downloaded.stderr.splitlines(), *updated.stderr.splitlines()])
        raise InputError(f"{package}: apt-get could not download this Debian package, and said '{said}'")
    return files[0]


def _unpack(deb: Path, into: Path) -> None:
    unpacked = _run(["dpkg-deb", "--extract", str(deb.absolute()), str(into.absolute())], deb.parent)
    if unpacked.returncode:
        raise InputError(
            f"{deb.name}: dpkg-deb could not unpack it, and said '{_reason(unpacked.stderr.splitlines())}'"
        )


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def _reason(lines: Iterable[str]) -> str:
    """The line that says why, of all that apt and dpkg said."""
    lines = [line.strip() for line in lines if line.strip()]
    failures = [line for line in lines if "Failed to fetch" in line or "GPG error" in line]
    errors = [line for line in lines if line.startswith("E: ")]
    reason = (failures + errors + lines[-1:] + ["nothing"])[0]
    return " ".join(reason.removeprefix("E: ").removeprefix("W: ").rstrip(":").split())
