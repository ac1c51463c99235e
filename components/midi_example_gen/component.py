"""The interface of MidiExampleGen."""

from drumline.components.midi_example_gen.driver import Driver
from drumline.components.midi_example_gen.executor import BARS, CHANNEL, DRUM_MAP, LOOPS, REJECTIONS, Executor
from drumline.drums.kit import DRUM_MAPS, read_drum_map
from tfx import v1 as tfx
from tfx.components.example_gen import component
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs as specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.experimental.simple_artifacts import File

FINGERPRINT = "fingerprint"
SPLITS = {"train": 8, "eval": 1, "test": 1}


class MidiExampleGenSpec(specs.FileBasedExampleGenSpec):
    """A file-based ExampleGen that knows the length of its windows, how to read drums, and what it rejected."""

    PARAMETERS = specs.FileBasedExampleGenSpec.PARAMETERS | {
        BARS: ExecutionParameter(type=int),
        DRUM_MAP: ExecutionParameter(type=str, optional=True),
        CHANNEL: ExecutionParameter(type=int, optional=True),
        LOOPS: ExecutionParameter(type=int, optional=True),
        FINGERPRINT: ExecutionParameter(type=str, optional=True),
    }
    OUTPUTS = specs.FileBasedExampleGenSpec.OUTPUTS | {REJECTIONS: ChannelParameter(type=File)}


class MidiExampleGen(component.FileBasedExampleGen):
    """Reads MIDI files into windows of drum velocities.

        MidiExampleGen(input_base="lakh", bars=2).outputs["examples"]

    Outputs:
      examples: tf.Examples with `velocities`, int64 [steps * 9], and `song_id`. A song and its near copies lie in one
        split (see `splits` and `near_copies`), and a window is in the corpus once. The artifact's custom properties
        tell how many files, songs and windows there were, how many windows are in another split than their song alone
        would be because of its near copies, and how many files were rejected for each reason.
      rejections: rejections.jsonl, with path, reason and detail of each rejected file.

    Three songs with windows of their own are enough; with fewer the node fails.

    Each match of `pattern` in `input_base` is a MIDI file, an archive of them, or a folder that is searched to any
    depth. The pattern may hold {SPAN} and {VERSION}, as for every file-based ExampleGen: the latest span is read.
    `fingerprint` is that of a CorpusFingerprint, where a cache is to know it without asking this node's driver.

    `drum_map` (a name, a file or its text), `channel` and `loops` are those of `drumline.corpora.reading.Reading`. A
    drum map in a file of this machine becomes part of the pipeline.
    """

    SPEC_CLASS = MidiExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self,
        input_base: str,
        bars: int,
        pattern: str = "*",
        fingerprint=None,
        drum_map: str = "",
        channel: int = 0,
        loops: bool = False,
    ):
        if isinstance(drum_map, str) and drum_map and drum_map not in DRUM_MAPS:
            drum_map = read_drum_map(drum_map).to_json()
        splits = [tfx.proto.SplitConfig.Split(name=name, hash_buckets=buckets) for name, buckets in SPLITS.items()]
        spec = MidiExampleGenSpec(
            input_base=input_base,
            input_config=example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="midi", pattern=pattern)]),
            output_config=tfx.proto.Output(split_config=tfx.proto.SplitConfig(splits=splits)),
            output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
            output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
            bars=bars,
            drum_map=drum_map,
            channel=channel,
            loops=int(loops) if isinstance(loops, bool) else loops,
            fingerprint=fingerprint,
            examples=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Examples),
            rejections=tfx.dsl.Channel(type=File),
        )
        # Past FileBasedExampleGen's own, which makes a spec without bars and rejections.
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
