"""A compiled pipeline brought to a server of Kubeflow Pipelines: uploaded, run once or by the clock, waited for."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drumline.kubeflow.kfp_connection import NoAnswerError
from drumline.kubeflow.kfp_server import KubeflowClient, RunRequest
from drumline.kubeflow.lint import OBJECT_STORAGE
from drumline.kubeflow.package import Package

from drumline.errors import InputError

POLL = 5.0  # seconds from a look at the run to the next
PATIENCE = 600.0  # seconds for which a server that was there may be silent
_ENDS = {"SUCCEEDED": "succeeded", "FAILED": "failed", "SKIPPED": "was skipped", "CANCELED": "was canceled"}
_SHOWN = {"RUNNING": "running", "FAILED": "failed", "SKIPPED": "skipped", "CANCELED": "canceled"}


class RunError(RuntimeError):
    """The run did not succeed. The message says how it ended, in which nodes, and where their logs are."""


@dataclass(frozen=True)
class Submission:
    """values: of parameters.  pipeline_root: where artifacts go, or None for where the file has it.

    service_account: of the pods, or None for the server's own.  Raises InputError.
    """

    package: Package
    values: dict[str, Any]
    experiment: str = "drumline"
    pipeline_root: str | None = None
    service_account: str | None = None

    def __post_init__(self) -> None:
        if not self.experiment:
            raise InputError("the experiment has no name; leave --experiment out, or name one")
        if self.pipeline_root and not OBJECT_STORAGE.fullmatch(self.pipeline_root):
            raise InputError(
                f"--pipeline-root {self.pipeline_root}: no object storage; it begins with minio://, s3:// or gs://"
            )

    def start(self, server: KubeflowClient, show: Callable[[str], None]) -> str:
        """The id of a run that begins now. Raises InputError."""
        name = f"{self.package.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        run = server.start(name, self._upload(server, show))
        show(f"run: {server.link('runs', run)}")
        return run

    def schedule(self, server: KubeflowClient, cron: str, show: Callable[[str], None]) -> str:
        """The id of a recurring run, named as the pipeline, in place of one of that name. Raises InputError."""
        six = six_fields(cron)
        made, replaced = server.schedule(self.package.name, six, self._upload(server, show))
        second, minute, hour, day, month, weekday = six.split()
        show(
            f"'{six}': runs at second {second}, minute {minute}, hour {hour}, day {day}, month {month}, "
            f"weekday {weekday} of the cluster's clock (UTC, unless its controller has CRON_SCHEDULE_TIMEZONE)"
        )
        place = "recurring run, in place of the one before" if replaced else "recurring run"
        show(f"{place}: {server.link('recurringrun', made.recurring_run_id)}")
        if self.service_account and made.service_account != self.service_account:
            show(
                f"Warning: its pods are {made.service_account}, not {self.service_account}: "
                "this server does not take one for recurring runs (kubeflow/pipelines, issue 13311)"
            )
        return made.recurring_run_id

    def _upload(self, server: KubeflowClient, show: Callable[[str], None]) -> RunRequest:
        server.check()
        pipeline = server.pipeline(self.package.name)
        version, uploaded = server.version(pipeline, self.package)
        show(f"pipeline {self.package.name}: {'uploaded as' if uploaded else 'is there as'} {self.package.version}")
        experiment = server.experiment(self.experiment)
        root = self.pipeline_root or self.package.spec.default_pipeline_root or None  # the server does not look there
        return RunRequest(pipeline, version, experiment, self.values, root, self.service_account)


def six_fields(cron: str) -> str:
    """KFP's form of a cron expression of five fields, which has seconds before the minutes; six stay as they are.

    KFP reads five fields as those from seconds to months: to it, "0 3 * * *" is the third minute of every hour.
    Raises InputError.
    """
    fields = cron.split()
    if len(fields) == 5:
        fields = ["0", *fields]
    if len(fields) != 6 or not all(re.fullmatch(r"[A-Za-z0-9*?/,-]+", one) for one in fields):
        raise InputError(
            f"--cron {cron!r}: no cron expression; it has five fields, minute hour day month weekday, such as "
            "'0 3 * * *' for every day at 3:00, or six with the seconds first"
        )
    return " ".join(fields)


def wait(
    server: KubeflowClient, run: str, nodes: list[str], show: Callable[[str], None], timeout: float | None = None
) -> None:
    """Shows a line for each change of a node's state until the run ends.

    timeout: seconds.  Raises RunError where it does not succeed, and InputError where that cannot be known: after
    the timeout, where the run is gone, or where the server is silent for too long. The run goes on then.
    """
    goes_on = f"the run goes on: {server.link('runs', run)}"
    begin = heard = time.monotonic()
    shown: dict[str, str] = {}
    silent = False
    while True:
        try:
            found = server.run(run)
            heard, silent = time.monotonic(), False
            for node, line in _lines(found, nodes).items():
                if shown.get(node) != line:
                    shown[node] = line
                    show(f"  {node:<28} {line:>8}")
            if found.state in _ENDS:
                return _end(server, found, nodes)
        except NoAnswerError as error:
            if time.monotonic() - heard > PATIENCE:
                raise InputError(f"{server.host}: silent for {PATIENCE / 60:g} minutes; {goes_on}") from error
            if not silent:
                show(f"  {error}; waiting on")
            silent = True
        if timeout is not None and time.monotonic() - begin > timeout:
            raise InputError(f"not done after {timeout / 60:g} minutes; {goes_on}")
        time.sleep(POLL)


def _tasks(run: Any) -> dict[str, Any]:
    details = run.run_details and run.run_details.task_details
    return {task.display_name: task for task in details or []}


def _task(tasks: dict[str, Any], node: str) -> Any:
    """What stands for a node: its driver, where that failed before the node began."""
    driver = tasks.get(f"{node}-driver")
    return driver if driver and driver.state == "FAILED" else tasks.get(node)


def _lines(run: Any, nodes: list[str]) -> dict[str, str]:
    """What there is to say of the nodes that have begun, in the order in which they did."""
    tasks = _tasks(run)
    begun = [(node, task) for node in nodes if (task := _task(tasks, node))]
    begun.sort(key=lambda pair: str(pair[1].start_time))
    lines = {node: _SHOWN.get(task.state) or _took(task) for node, task in begun}
    return {node: line for node, line in lines.items() if line}


def _took(task: Any) -> str:
    return f"{(task.end_time - task.start_time).total_seconds():.0f} s" if task.state == "SUCCEEDED" else ""


def _end(server: KubeflowClient, run: Any, nodes: list[str]) -> None:
    if run.state == "SUCCEEDED":
        return
    tasks = _tasks(run)
    failed = {node: task for node in nodes if (task := _task(tasks, node)) and task.state == "FAILED"}
    failed = failed or {name: task for name, task in tasks.items() if task.state == "FAILED"}
    said = [f"{node} ({message})" if (message := _message(task)) else node for node, task in failed.items()]
    if message := run.error and run.error.message:
        said.append(message)
    raise RunError(
        f"{run.display_name} {_ENDS[run.state]}{': ' if said else ''}{', '.join(said)}; "
        f"the logs are behind the nodes of {server.link('runs', run.run_id)}"
    )


def _message(task: Any) -> str:
    """Why a task failed, where the server says so (KFP 2.16 does not: kubeflow/pipelines, issue 14007)."""
    errors = [task.error, *(status.error for status in task.state_history or [])]
    return next((" ".join(error.message.split()) for error in reversed(errors) if error and error.message), "")
