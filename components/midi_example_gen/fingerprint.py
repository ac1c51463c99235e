"""CorpusFingerprint: what MidiExampleGen's driver finds out, as a node of its own, for runners that call no driver."""

from drumline.components.midi_example_gen.component import FINGERPRINT
from drumline.components.midi_example_gen.driver import InputProcessor
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as keys
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import proto_utils


class CorpusFingerprintSpec(ComponentSpec):
    PARAMETERS = {
        keys.INPUT_BASE_KEY: ExecutionParameter(type=str),
        keys.INPUT_CONFIG_KEY: ExecutionParameter(type=example_gen_pb2.Input),
    }
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {FINGERPRINT: ChannelParameter(type=tfx.types.standard_artifacts.String)}


class Executor(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        self._log_startup(input_dict, output_dict, exec_properties)
        config = proto_utils.json_to_proto(exec_properties[keys.INPUT_CONFIG_KEY], example_gen_pb2.Input())
        processor = InputProcessor(exec_properties[keys.INPUT_BASE_KEY], config.splits)
        found = processor.get_input_fingerprint(*processor.resolve_span_and_version())
        artifact_utils.get_single_instance(output_dict[FINGERPRINT]).value = found


class CorpusFingerprint(base_component.BaseComponent):
    """A digest of the names, sizes and times of the files that MidiExampleGen would read, as a String.

    Runs each time; what depends on `fingerprint` can come from a cache until a file changes.
    """

    SPEC_CLASS = CorpusFingerprintSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, input_base: str, pattern: str = "*"):
        splits = [example_gen_pb2.Input.Split(name="midi", pattern=pattern)]
        super().__init__(
            spec=CorpusFingerprintSpec(
                input_base=input_base,
                input_config=example_gen_pb2.Input(splits=splits),
                fingerprint=tfx.dsl.Channel(type=tfx.types.standard_artifacts.String),
            )
        )

    @property
    def fingerprint(self):
        """The value that the node will have found, for an execution property of another."""
        return self.outputs[FINGERPRINT].future()[0].value
