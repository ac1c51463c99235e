"""The driver of MidiExampleGen: finds the span, and the fingerprint by which a run knows what it has read before."""

import copy
import hashlib
import os
from pathlib import Path

from drumline.components.midi_example_gen.finding import files_matching
from drumline.corpora.midi_sources import printable
from drumline.corpora.reading import find_drum_map_file
from drumline.drums.kit import read_drum_map
from tfx.components.example_gen import driver, input_processor, utils
from tfx.dsl.components.base import base_driver
from tfx.types.standard_component_specs import EXAMPLES_KEY

from drumline.errors import InputError


class Driver(driver.FileBasedDriver):
    """TFX's own, with a fingerprint of all files below each match instead of the matches alone."""

    def get_input_processor(self, splits, range_config=None, input_base_uri=None):
        return InputProcessor(input_base_uri, splits, range_config)

    def _prepare_output_artifacts(
        self, input_artifacts, output_dict, exec_properties, execution_id, pipeline_info, component_info
    ):
        """TFX's own makes `examples` alone; an InteractiveContext asks it for all outputs."""
        others = {name: channel for name, channel in output_dict.items() if name != EXAMPLES_KEY}
        rest = (exec_properties, execution_id, pipeline_info, component_info)
        made = super()._prepare_output_artifacts(input_artifacts, output_dict, *rest)
        return made | base_driver.BaseDriver._prepare_output_artifacts(self, input_artifacts, others, *rest)


class InputProcessor(input_processor.FileBasedInputProcessor):
    """Knows the span of a pattern, and the fingerprint of its files."""

    def resolve_span_and_version(self):
        """TFX's own, but for its look at every file, which dies of a dangling link and of a name that is not UTF-8.

        Raises InputError where no span is there, or TFX cannot read the names of spans.
        """
        (split,) = copy.deepcopy(list(self._splits))
        try:
            span, version = utils._get_target_span_version(self._input_base_uri, split)
            return span or 0, version
        except UnicodeDecodeError as error:
            odd = printable(os.fsdecode(error.object))
            raise InputError(f"{odd}: its name is not UTF-8, so no span can be told from it; rename it") from error
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
