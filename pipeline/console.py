"""What a run shows: one line a node and an epoch; everything else goes to a log file."""

import contextlib
import logging
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import absl.logging
from drumline.results.evaluation import Evaluation
from ml_metadata.proto import metadata_store_pb2
from rich.console import Console
from tfx.orchestration.portable import launcher
from tfx.types.standard_component_specs import EVALUATION_KEY

from drumline.errors import InputError
from drumline.log_files import open_log, redirect


class NodeError(RuntimeError):
    """A node failed. The message names it, the cause in one sentence, and the log."""


@contextlib.contextmanager
def node_lines(log: Path) -> Iterator[None]:
    """While it is open: a line a node with its time, and the lines of the logger `drumline`, go to standard output.

    Whatever TFX, Beam and TensorFlow write, to standard output or error or by logging, goes to the file `log`.
    Raises NodeError where a node fails, and InputError where the log cannot be written.
    """
    with open_log(log) as log_file, redirect(log_file, 1, 2) as (terminal, _):
        console = Console(file=terminal, highlight=False, soft_wrap=True)
        failures: list[NodeError] = []
        with _logging_to(log_file, console), _launch_with_lines(console, failures, log):
            try:
                yield
            except Exception as error:
                # Beam hands an exception on as text only; the one that the node raised says more.
                if failures:
                    raise failures[0] from None
                if KeyboardInterrupt.__name__ in str(error):
                    raise KeyboardInterrupt from None
                raise


@contextlib.contextmanager
def _launch_with_lines(console: Console, failures: list[NodeError], log: Path) -> Iterator[None]:
    # Launcher.launch is where TFX's Beam and local runners meet, and they have no other hook in common.
    launch = launcher.Launcher.launch
    console.print(f"log: {log}")

    def launch_with_line(self):
        node = self._pipeline_node.node_info.id
        start = time.monotonic()
        try:
            result = launch(self)
        except Exception as error:
            logging.exception("node %s failed", node)
            failures.append(NodeError(f"{node} failed: {sentence_of(error)} (log: {log})"))
            raise
        took = "cached" if _was_cached(self, result) else f"{time.monotonic() - start:.1f} s"
        console.print(f"  {node:<28} {took:>8}")
        for evaluation in _evaluations(self, result):
            for line in Evaluation.load(evaluation).describe_verdict():
                console.print(f"    {line}")
        return result

    launcher.Launcher.launch = launch_with_line
    try:
        yield
    finally:
        launcher.Launcher.launch = launch


def _was_cached(node_launcher: launcher.Launcher, result) -> bool:
    with node_launcher._mlmd_connection as metadata:
        executions = metadata.store.get_executions_by_id([result.execution_id])
    return any(execution.last_known_state == metadata_store_pb2.Execution.CACHED for execution in executions)


def _evaluations(node_launcher: launcher.Launcher, result) -> list[str]:
    """The folder of the evaluation, if the node is an Evaluator. The result does not tell it where it was cached."""
    with node_launcher._mlmd_connection as metadata:
        events = metadata.store.get_events_by_execution_ids([result.execution_id])
        ids = [
            event.artifact_id
            for event in events
            if event.type == metadata_store_pb2.Event.OUTPUT and event.path.steps[0].key == EVALUATION_KEY
        ]
        return [artifact.uri for artifact in metadata.store.get_artifacts_by_id(ids)]


def sentence_of(error: BaseException) -> str:
    """The message of the InputError that caused an error, or else the last line of its traceback."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    text = "".join(traceback.format_exception_only(error)).strip()
    marker = f"{InputError.__module__}.{InputError.__qualname__}: "
    last_line = text.splitlines()[-1]
    return last_line.partition(marker)[2] or last_line


@contextlib.contextmanager
def _logging_to(log_file, console: Console) -> Iterator[None]:
    class Lines(logging.Handler):
        def emit(self, record):
            console.print(f"    {record.getMessage()}")

    everything = logging.StreamHandler(log_file)
    everything.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root, drumline, lines = logging.getLogger(), logging.getLogger("drumline"), Lines()
    before = root.handlers[:], root.level, drumline.level, absl.logging.get_verbosity()
    root.handlers = [everything]
    root.setLevel(logging.INFO)
    absl.logging.set_verbosity(absl.logging.INFO)
    drumline.addHandler(lines)
    drumline.setLevel(logging.INFO)
    try:
        yield
    finally:
        drumline.removeHandler(lines)
        root.handlers, root.level, drumline.level, verbosity = before
        absl.logging.set_verbosity(verbosity)
