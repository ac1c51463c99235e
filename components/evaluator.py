"""Evaluator that also writes what it found as one JSON file, which is read without TensorFlow Model Analysis."""

from drumline.results.tfma_output import read_tfma_output
from tfx import v1 as tfx
from tfx.components.evaluator import executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import EVALUATION_KEY


class EvaluatorExecutor(executor.Executor):
    """TFX's own, which then writes evaluation.json beside TFMA's files: see `results.evaluation`."""

    def Do(self, input_dict, output_dict, exec_properties):
        super().Do(input_dict, output_dict, exec_properties)
        folder = artifact_utils.get_single_uri(output_dict[EVALUATION_KEY])
        read_tfma_output(folder).save(folder)


class Evaluator(tfx.components.Evaluator):
    """TFX's Evaluator, whose artifact `evaluation` also holds evaluation.json."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(EvaluatorExecutor)
