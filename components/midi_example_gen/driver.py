"""The driver of MidiExampleGen: finds the span, and the fingerprint by which a run knows what it has read before."""

import hashlib
import os
from pathlib import Path

from drumline.components.midi_example_gen.finding import files_matching
from drumline.corpora.reading import find_drum_map_file
from drumline.drums.kit import read_drum_map
from tfx.components.example_gen import driver, input_processor

from drumline.errors import InputError


class Driver(driver.FileBasedDriver):
    """TFX's own, with a fingerprint of all files below each match instead of the matches alone."""

    def get_input_processor(self, splits, range_config=None, input_base_uri=None):
        return InputProcessor(input_base_uri, splits, range_config)


class InputProcessor(input_processor.FileBasedInputProcessor):
    """Knows the span of a pattern, and the fingerprint of its files."""

    def resolve_span_and_version(self):
        """Raises InputError where no span is there."""
        try:
            return super().resolve_span_and_version()
        except ValueError as error:
            raise InputError(
                f"{self._input_base_uri}: no span to read ({error}); name another folder or pattern"
            ) from error

    def get_input_fingerprint(self, span, version):
        digest, folders = hashlib.sha256(), set()
        for split in self._splits:
            pattern = self.get_pattern_for_span_version(split.pattern, span, version)
            for path, state in files_matching(os.path.join(self._input_base_uri, pattern)).items():
                digest.update(os.fsencode(path) + f"\0{state}\n".encode())
                folders.add(os.path.dirname(path))
        for file in sorted({find_drum_map_file(folder) for folder in folders} - {""}):
            read_drum_map(file)  # a broken one is told here, not by a worker
            digest.update(os.fsencode(file) + b"\0" + Path(file).read_bytes() + b"\n")
        return digest.hexdigest()
