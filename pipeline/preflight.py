"""Checks before a run starts, without TFX, so that what cannot work is refused at once."""

from drumline.corpora.find import midi_files
from drumline.pipeline.config import Config

from drumline.folders import ensure_writable


def check_folders(config: Config) -> None:
    """Raises InputError where the corpus has nothing to read, or the folder of the runs cannot be written."""
    if "://" not in config.midi:
        midi_files(config.midi)
    ensure_writable(config.runs)
