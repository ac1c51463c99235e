"""Free corpora that are one archive on the web each. The archive stays as it is: `sources.midi_in` reads it."""

import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pooch
import requests
import urllib3
from drumline.corpora.reading import DRUM_MAP_FILE
from drumline.drums.kit import ROLAND, DrumMap
from requests.adapters import HTTPAdapter
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from drumline.errors import InputError

_CHUNK = 1 << 18
_TIMEOUT = (20, 60)  # seconds to connect, and between two bytes
_RETRIES = 4  # of a request that fails, and of an answer that breaks off without having brought anything new
_PAUSE = 1.0  # seconds before the first retry; longer before the next ones
_BUSY = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Download:
    """sha256: of the archive, in hexadecimal. license: one sentence, with what to cite. drum_map: of its kit."""

    address: str
    sha256: str
    license: str
    drum_map: DrumMap | None = None

    @property
    def file_name(self) -> str:
        """The archive's name, the last part of its address."""
        return self.address.rsplit("/", 1)[-1]


# The checksums are those that muspy (Lakh) and TensorFlow Datasets (Groove) hold their downloads to.
DOWNLOADS = {
    "groove": Download(
        "https://storage.googleapis.com/magentadata/datasets/groove/groove-v1.0.0-midionly.zip",
        "651cbc524ffb891be1a3e46d89dc82a1cecb09a57c748c7b45b844c4841dcc1e",
        "The Groove MIDI Dataset by Google LLC (https://magenta.tensorflow.org/datasets/groove) is licensed under "
        "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/); cite J. Gillick, A. Roberts, J. Engel, D. Eck, "
        "D. Bamman: Learning to Groove with Inverse Sequence Transformations, ICML 2019.",
        ROLAND,
    ),
    "lakh": Download(
        "http://hog.ee.columbia.edu/craffel/lmd/lmd_full.tar.gz",
        "6fcfe2ac49ca08f3f214cec86ab138d4fc4dabcd7f27f491a838dae6db45a12b",
        "The Lakh MIDI Dataset by Colin Raffel (https://colinraffel.com/projects/lmd/) is licensed under CC BY 4.0 "
        "(https://creativecommons.org/licenses/by/4.0/); cite C. Raffel: Learning-Based Methods for Comparing "
        "Sequences, with Applications to Audio-to-MIDI Alignment and Matching, PhD thesis, Columbia University, 2016.",
    ),
}


def fetch_download(name: str, into: Path) -> Path:
    """A corpus of DOWNLOADS: its archive, its licence and its drum map in `into`/`name`, which is returned.

    The archive stands there only when its checksum is right; until then it is NAME.partial, which a later call goes on
    with. An archive that is there and right is not downloaded again. Raises InputError.
    """
    download = DOWNLOADS[name]
    corpus = into / name
    pooch.get_logger().setLevel("WARNING")

    def got(address: str, target: str, _) -> None:
        partial = corpus / f"{download.file_name}.partial"
        with open(partial, "ab") as file:
            _download(address, file)
        os.replace(partial, target)

    try:
        corpus.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(download.address, f"sha256:{download.sha256}", download.file_name, corpus, downloader=got)
        (corpus / "LICENSE").write_text(download.license + "\n")
        if download.drum_map:
            (corpus / DRUM_MAP_FILE).write_text(download.drum_map.to_toml())
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{corpus}: cannot write there ({error.strerror or error})") from error
    except ValueError as error:
        raise InputError(
            f"{download.address}: what came has another checksum than the corpus should have and was deleted; call "
            "again, and if that does not help, the corpus there is another one"
        ) from error
    return corpus


def _download(address: str, file: BinaryIO) -> None:
    """Appends to a file what it lacks. Raises InputError; the file keeps what came until then."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(f"{file.name}: another call is downloading this just now; wait for it") from error
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with _session() as session, progress:
        task = progress.add_task(f"downloading {address.rsplit('/', 1)[-1]}", total=None)
        furthest, breaks = file.tell(), 0
        while not _complete(session, address, file, lambda at, total: progress.update(task, completed=at, total=total)):
            breaks = 0 if file.tell() > furthest else breaks + 1
            furthest = max(furthest, file.tell())
            if breaks > _RETRIES:
                raise InputError(
                    f"{address}: the download breaks off again and again, now after {file.tell():,} bytes; those are "
                    "kept, and the next call goes on from there"
                )
            time.sleep(_PAUSE * 2**breaks)


def _complete(session: requests.Session, address: str, file: BinaryIO, show: Callable[[int, int | None], None]) -> bool:
    """One request for what a file lacks, appended to it. Returns whether all came. Raises InputError."""
    begun = file.tell()
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
    try:
        with session.get(address, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if begun and response.status_code == requests.codes.requested_range_not_satisfiable:
                if response.headers.get("Content-Range") == f"bytes */{begun}":
                    return True
                _empty(file)
                return False
            response.raise_for_status()
            if begun and not response.headers.get("Content-Range", "").startswith(f"bytes {begun}-"):
                _empty(file)  # the server sends all of it again
            length = response.headers.get("Content-Length", "")
            total = file.tell() + int(length) if length.isdigit() else None
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                file.write(chunk)
                show(file.tell(), total)
            return True  # urllib3 has held the answer to its length
    except urllib3.exceptions.HTTPError:
        return False
    except requests.HTTPError as error:
        raise InputError(f"{address}: the server answers {response.status_code} {response.reason}") from error
    except requests.RequestException as error:
        reason = str(getattr(error.args[0] if error.args else None, "reason", error)).rsplit(": ", 1)[-1]
        raise InputError(f"{address}: cannot be reached ({reason})") from error


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _session() -> requests.Session:
    retries = urllib3.Retry(_RETRIES, backoff_factor=_PAUSE, status_forcelist=_BUSY, raise_on_status=False)
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    return session
