"""The command of each step's container: TFX's own, after the repairs that it needs under Kubeflow's launcher."""

import argparse
import json
import logging
import os
import shutil
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import StandardOptions
from drumline.kubeflow.repairs import REPAIRS, Step, local, local_addresses, remote
from drumline.results.evaluation import Evaluation
from drumline.results.report_facts import PAGE, REPORT
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentInputsSpec, ExecutorInput
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.types import standard_component_specs as keys

from drumline.errors import InputError
from drumline.machine import code_version, hardware

_LOGGER = logging.getLogger("drumline")
_LONGEST = 1000  # characters of a value in the log
_OF_NO_USE = "tfx_version"  # in the metadata of every artifact


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
    _tell_inputs(step)
    given.json_serialized_invocation_args = json_format.MessageToJson(step.executor_input)
    # Beam's default would download a binary.
    StandardOptions.DEFAULT_RUNNER = "FnApiRunner"
    kubeflow_v2_run_executor.main((given, beam_arguments))
    if step.page:
        _copy_page(step.executor_input, step.page)
    output_file = Path(step.executor_input.outputs.output_file)
    local_addresses(output_file)
    _tell_outputs(json.loads(output_file.read_text()))


def _copy_page(executor_input: ExecutorInput, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(executor_input.outputs.artifacts[REPORT].artifacts[0].uri) / PAGE, to)


def _tell_inputs(step: Step) -> None:
    # Only what computes for long looks for a GPU: TensorFlow is loud about one that it does not find.
    machine = f", on {hardware()}" if keys.TRAIN_ARGS_KEY in step.properties else ""
    _LOGGER.info(f"{step.executor_class}, code {code_version()}{machine}")
    for name, artifacts in sorted(step.executor_input.inputs.artifacts.items()):
        for artifact in artifacts.artifacts:
            _LOGGER.info(f"input {name}: {remote(artifact.uri)}")
    for name, value in sorted(step.properties.items()):
        _LOGGER.info(f"property {name}: {_line(value)}")


def _tell_outputs(told: dict[str, Any]) -> None:
    for name, artifacts in sorted(told.get("artifacts", {}).items()):
        for artifact in artifacts["artifacts"]:
            metadata = {key: value for key, value in artifact.get("metadata", {}).items() if key != _OF_NO_USE}
            _LOGGER.info(f"output {name}: {artifact['uri']} {_line(metadata)}")
            if name == keys.EVALUATION_KEY:
                for sentence in Evaluation.load(local(artifact["uri"])).describe_verdict():
                    _LOGGER.info(sentence)
    for name, value in sorted(told.get("parameterValues", {}).items()):
        _LOGGER.info(f"output {name}: {_line(value)}")


def _line(value: Any) -> str:
    line = " ".join((value if isinstance(value, str) else json.dumps(value, sort_keys=True)).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _log() -> None:
    """The lines of the logger `drumline`, and other libraries' warnings, but for those that TFX and TensorFlow give
    of each other in any run.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger().handlers[0].addFilter(_worth_reading)
    warnings.filterwarnings("ignore", category=UserWarning)
    # It has a handler of its own, and would say all twice.
    logging.getLogger("tensorflow").handlers.clear()


def _worth_reading(record: logging.LogRecord) -> bool:
    least = logging.ERROR if record.name in ("absl", "tensorflow") else logging.WARNING
    return record.name.startswith(_LOGGER.name) or record.levelno >= least


def main() -> None:
    """Runs the step that the command line describes, and ends the process; an InputError as its one sentence."""
    _log()
    code, start = 1, time.monotonic()
    try:
        run(sys.argv[1:])
        _LOGGER.info(f"done after {time.monotonic() - start:.1f} s")
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
