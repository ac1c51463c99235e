"""The executor of MidiExampleGen: the Beam pipeline around `drums.windows`."""

import os

import apache_beam as beam
from drumline.components.midi_example_gen import transforms
from drumline.components.midi_example_gen.counts import Counts, count
from drumline.components.midi_example_gen.finding import files_matching
from drumline.corpora.reading import Reading
from tfx.components.example_gen import base_example_gen_executor, write_split
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as keys
from tfx.utils import proto_utils

from drumline.naming import INPUT_BASE

BARS = "bars"
DRUM_MAP, CHANNEL, LOOPS = "drum_map", "channel", "loops"
# Found by measuring (docs/SCALE.md): workers take some ten seconds to start, and below this that is not won back.
MANY_FILES = 30_000
ONE_PROCESS_A_CORE = [
    "--runner=FnApiRunner",
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=0",
]
REJECTIONS = "rejections"


class Executor(base_example_gen_executor.BaseExampleGenExecutor):
    """Writes the examples of each split, and the rejected files; stores the counters on the examples.

    TFX's own writes windows through a shuffle, each on its own; here songs are shuffled and windows are not.
    """

    def GetInputSourceToExamplePTransform(self):
        raise NotImplementedError("songs are split before they are made into examples: see GenerateExamplesByBeam")

    def GenerateExamplesByBeam(self, pipeline, exec_properties):
        """Serialized tf.Examples by split, and under REJECTIONS a line of JSON a rejected file."""
        bars, splits = exec_properties[BARS], _splits(exec_properties)
        read = (
            pipeline
            | "Pattern" >> beam.Create([_pattern(exec_properties)])
            | "FindFiles" >> beam.FlatMap(lambda pattern: map(os.fsencode, files_matching(pattern)))
            | "SpreadFiles" >> beam.Reshuffle()
            | "ReadSongs" >> transforms.ReadSongs(bars, _reading(exec_properties))
        )
        windows = read["songs"] | "DistinctWindows" >> transforms.DistinctWindows(bars)
        groups = windows[transforms.MINHASHES] | "NearCopies" >> transforms.NearCopies()
        borrowed = (windows["places"], groups) | "BorrowedIds" >> transforms.BorrowedIds(splits)
        examples = {
            "songs": read["songs"],
            "places": windows["places"],
            "groups": groups,
            "borrowed": borrowed,
        } | "Examples" >> transforms.ExamplesBySplit(bars, splits)
        return {split: examples[split] for split in splits} | {REJECTIONS: read[transforms.REJECTED]}

    def Do(self, input_dict, output_dict, exec_properties):
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(output_dict[keys.EXAMPLES_KEY])
        rejections = artifact_utils.get_single_instance(output_dict[REJECTIONS])
        splits = list(_splits(exec_properties))
        examples.split_names = artifact_utils.encode_split_names(splits)
        examples_utils.set_payload_format(examples, exec_properties[keys.OUTPUT_DATA_FORMAT_KEY])
        examples_utils.set_file_format(
            examples, write_split.to_file_format_str(exec_properties[keys.OUTPUT_FILE_FORMAT_KEY])
        )
        with self._pipeline_for(_pattern(exec_properties)) as pipeline:
            outputs = self.GenerateExamplesByBeam(pipeline, exec_properties)
            for split in splits:
                _ = (
                    outputs[split]
                    | f"Count[{split}]" >> beam.Map(count, f"windows in {split}")
                    | f"Write[{split}]"
                    >> beam.io.WriteToTFRecord(
                        os.path.join(artifact_utils.get_split_uri([examples], split), "data_tfrecord"),
                        file_name_suffix=".gz",
                    )
                )
            _ = outputs[REJECTIONS] | "WriteRejections" >> beam.io.WriteToText(
                os.path.join(rejections.uri, "rejections"), file_name_suffix=".jsonl", shard_name_template=""
            )
        counts = Counts.of(pipeline.result)
        examples.set_string_custom_property(INPUT_BASE, exec_properties[keys.INPUT_BASE_KEY])
        for name, value in counts.as_properties().items():
            examples.set_int_custom_property(name, value)
        counts.refuse_empty_splits(exec_properties[keys.INPUT_BASE_KEY], splits)

    def _pipeline_for(self, pattern: str) -> beam.Pipeline:
        """The Beam pipeline that TFX was told to use; where told nothing, one process or, for many files, more."""
        if self._beam_pipeline_args or len(files_matching(pattern)) < MANY_FILES:
            return self._make_beam_pipeline()
        return beam.Pipeline(argv=ONE_PROCESS_A_CORE)


def _pattern(exec_properties) -> str:
    config = proto_utils.json_to_proto(exec_properties[keys.INPUT_CONFIG_KEY], example_gen_pb2.Input())
    return os.path.join(exec_properties[keys.INPUT_BASE_KEY], config.splits[0].pattern)


def _reading(exec_properties) -> Reading:
    return Reading(
        exec_properties.get(DRUM_MAP) or "", exec_properties.get(CHANNEL) or 0, bool(exec_properties.get(LOOPS))
    )


def _splits(exec_properties) -> dict[str, int]:
    """Hash buckets by name of split."""
    config = proto_utils.json_to_proto(exec_properties[keys.OUTPUT_CONFIG_KEY], example_gen_pb2.Output())
    return {split.name: split.hash_buckets for split in config.split_config.splits}
