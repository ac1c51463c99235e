"""The interface of MidiExampleGen."""

from tfx import v1 as tfx
from tfx.components.example_gen import component
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from components.midi_example_gen.driver import Driver
from components.midi_example_gen.executor import Executor, pack_bars

SPLITS = {"train": 8, "eval": 1, "test": 1}


class MidiExampleGen(component.FileBasedExampleGen):
    """Reads MIDI files into windows of drum velocities.

        MidiExampleGen(input_base="lakh", bars=2).outputs["examples"]

    Each tf.Example holds `velocities`, int64 [steps * 9], and `song_id`. A song lies in one split, and a window is in
    the corpus once. The examples artifact tells in its custom properties how many files, songs and windows there
    were, and how many files were rejected for each reason. The node fails where a split would be empty.

    Each match of `pattern` in `input_base` is a MIDI file or a folder that is searched to any depth. It may hold
    {SPAN} and {VERSION}, as for every file-based ExampleGen.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, input_base: str, bars: int, pattern: str = "*"):
        super().__init__(
            input_base=input_base,
            input_config=example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="midi", pattern=pattern)]),
            output_config=tfx.proto.Output(
                split_config=tfx.proto.SplitConfig(
                    splits=[
                        tfx.proto.SplitConfig.Split(name=name, hash_buckets=buckets) for name, buckets in SPLITS.items()
                    ],
                    partition_feature_name="song_id",
                )
            ),
            custom_config=pack_bars(bars),
        )
