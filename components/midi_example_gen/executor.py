"""The executor of MidiExampleGen: the Beam pipeline around `drums.windows`."""

import os

import apache_beam as beam
from google.protobuf import json_format, struct_pb2
from tfx.components.example_gen import base_example_gen_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from components.midi_example_gen.counts import Counts
from components.midi_example_gen.driver import files_matching
from components.midi_example_gen.transforms import CountSongs, DistinctWindows, ReadWindows


class Executor(base_example_gen_executor.BaseExampleGenExecutor):
    """TFX's own, which also stores Beam's counters on the examples and refuses an empty split."""

    def GetInputSourceToExamplePTransform(self):
        return MidiToExamples

    def GenerateExamplesByBeam(self, pipeline, exec_properties):
        splits = super().GenerateExamplesByBeam(pipeline, exec_properties)
        for name, examples in splits.items():
            _ = examples | f"Count[{name}]" >> beam.Map(Counts.count_split, name)
        return splits

    def _make_beam_pipeline(self):
        self._pipeline = super()._make_beam_pipeline()
        return self._pipeline

    def Do(self, input_dict, output_dict, exec_properties):
        super().Do(input_dict, output_dict, exec_properties)
        counts = Counts.of(self._pipeline.result)
        examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        for name, count in counts.as_properties().items():
            examples.set_int_custom_property(name, count)
        counts.refuse_empty_splits(
            exec_properties[standard_component_specs.INPUT_BASE_KEY],
            artifact_utils.decode_split_names(examples.split_names),
        )


@beam.ptransform_fn
@beam.typehints.with_input_types(beam.Pipeline)
def MidiToExamples(pipeline, exec_properties, split_pattern):
    """The distinct windows of all files that match, as tf.Examples."""
    pattern = os.path.join(exec_properties[standard_component_specs.INPUT_BASE_KEY], split_pattern)
    bars = unpack_bars(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
    windows = (
        pipeline
        | "Pattern" >> beam.Create([pattern])
        | "FindFiles" >> beam.FlatMap(files_matching)
        | "SpreadFiles" >> beam.Reshuffle()
        | "ReadWindows" >> ReadWindows(bars)
    )
    _ = windows | CountSongs()
    return windows | DistinctWindows()


def pack_bars(bars: int) -> example_gen_pb2.CustomConfig:
    """The custom config that tells the executor the length of a window."""
    settings = struct_pb2.Struct()
    settings["bars"] = bars
    config = example_gen_pb2.CustomConfig()
    config.custom_config.Pack(settings)
    return config


def unpack_bars(custom_config: str) -> int:
    """The length of a window in bars, from the JSON of a custom config."""
    config = json_format.Parse(custom_config, example_gen_pb2.CustomConfig())
    settings = struct_pb2.Struct()
    config.custom_config.Unpack(settings)
    return int(settings["bars"])
