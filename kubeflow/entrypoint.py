"""The command of each step's container: TFX's own, after the repairs that it needs under Kubeflow's launcher."""

import argparse
import logging
import os
import sys
import traceback
from pathlib import Path

from apache_beam.options.pipeline_options import StandardOptions
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentInputsSpec, ExecutorInput
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

from drums.errors import InputError
from kubeflow.repairs import REPAIRS, Step, local_addresses


def run(arguments: list[str]) -> None:
    """Runs the executor of one step, and writes what it says of the outputs for the launcher.

    arguments: as TFX compiles them for `tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor`; those that
        it does not know are Beam's.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("executor_class_path", "json_serialized_invocation_args", "json_serialized_inputs_spec_args"):
        parser.add_argument(f"--{name}", required=True)
    given, beam_arguments = parser.parse_known_args(arguments)
    step = Step(
        given.executor_class_path,
        json_format.Parse(given.json_serialized_invocation_args, ExecutorInput(), ignore_unknown_fields=True),
        json_format.Parse(given.json_serialized_inputs_spec_args, ComponentInputsSpec(), ignore_unknown_fields=True),
    )
    for repair in REPAIRS:
        repair(step)
    given.json_serialized_invocation_args = json_format.MessageToJson(step.executor_input)
    # Beam's default would download a binary.
    StandardOptions.DEFAULT_RUNNER = "FnApiRunner"
    kubeflow_v2_run_executor.main((given, beam_arguments))
    local_addresses(Path(step.executor_input.outputs.output_file))


def main() -> None:
    """Runs the step that the command line describes, and ends the process; an InputError as its one sentence."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    code = 1
    try:
        run(sys.argv[1:])
        code = 0
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
    except Exception:
        traceback.print_exc()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of Beam and TensorFlow may keep Python from ending, and with it the pod.
    os._exit(code)


if __name__ == "__main__":
    main()
