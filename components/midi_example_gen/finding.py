"""Which files a pattern means, on this machine or on a file system that Beam knows (gs://, s3://, hdfs://)."""

import glob
import os

from apache_beam.io.filesystems import FileSystems
from drumline.corpora.find import find_midi
from drumline.corpora.midi_sources import is_archive, is_midi


def files_matching(pattern: str) -> dict[str, str]:
    """The MIDI files and archives that match a pattern, or lie at any depth below a folder that does.

    By path, in order; each with its size and time, by which a changed file is known.
    """
    if FileSystems.get_scheme(pattern):
        matches = FileSystems.match([pattern, f"{pattern.rstrip('/')}/**"])
        found = {
            file.path: f"{file.size_in_bytes} {file.last_updated_in_seconds}"
            for m in matches
            for file in m.metadata_list
        }
        return {path: found[path] for path in sorted(found) if is_midi(path) or is_archive(path)}
    # Python's glob, for TensorFlow's refuses names that are not UTF-8.
    paths = {path for match in glob.glob(pattern) for path in find_midi(match)}
    return {path: _state(path) for path in sorted(paths)}


def _state(path: str) -> str:
    state = os.lstat(path)
    return f"{state.st_size} {state.st_mtime_ns}"
