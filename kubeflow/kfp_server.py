"""A server of Kubeflow Pipelines 2, and what is asked of it."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kfp_server_api as api
from drumline.kubeflow.kfp_connection import Connection, NoAnswerError
from drumline.kubeflow.package import Package

from drumline.errors import InputError


@dataclass(frozen=True)
class RunRequest:
    """What a run is to be: of which version of which pipeline, with which values, where its artifacts go, and who
    its pods are.
    """

    pipeline: str
    version: str
    experiment: str
    values: dict[str, Any] = field(default_factory=dict)
    pipeline_root: str | None = None
    service_account: str | None = None

    def body(self) -> dict[str, Any]:
        return {
            "experiment_id": self.experiment,
            "pipeline_version_reference": api.V2beta1PipelineVersionReference(self.pipeline, self.version),
            "runtime_config": api.V2beta1RuntimeConfig(self.values, self.pipeline_root),
            "service_account": self.service_account,
        }


class KubeflowClient:
    """namespace: of a server with many users.

    Every method raises InputError for what is refused, and its NoAnswerError where asking later may help.
    """

    def __init__(self, connection: Connection, namespace: str | None = None) -> None:
        self.host = connection.host
        self._to = connection.to
        self._namespace = {"namespace": namespace} if namespace else {}
        self._health = api.HealthzServiceApi(connection.named)
        self._pipelines = api.PipelineServiceApi(connection.named)
        self._uploads = api.PipelineUploadServiceApi(connection.named)
        self._experiments = api.ExperimentServiceApi(connection.named)
        self._runs = api.RunServiceApi(connection.once)
        self._recurring = api.RecurringRunServiceApi(connection.once)

    def check(self) -> None:
        """Whether Kubeflow Pipelines answers there, and knows whose namespace is meant."""
        with self._to("reach Kubeflow Pipelines"):
            health = self._health.healthz_service_get_healthz()
        if health.multi_user is None:
            # Its UI answers for itself until its API server is there.
            raise NoAnswerError(
                f"{self.host}: no Kubeflow Pipelines 2 answers there, or its API server is not ready; ask again later"
            )
        if health.multi_user and not self._namespace:
            raise InputError(f"{self.host}: serves many users; say in whose namespace by --namespace")

    def pipeline(self, name: str) -> str:
        """The id of the pipeline of a name, made where there is none."""

        def find():
            with _ignore_missing():
                return self._pipelines.pipeline_service_get_pipeline_by_name(name, **self._namespace)

        def make():
            new = api.V2beta1Pipeline(name=name, display_name=name, **self._namespace)
            return self._pipelines.pipeline_service_create_pipeline(new)

        with self._to("find or make the pipeline"):
            return _find_or_create(find, make)[0].pipeline_id

    def version(self, pipeline: str, package: Package) -> tuple[str, bool]:
        """The id of a pipeline's version that is this package; and whether it was uploaded now, or before."""

        def find():
            wanted = _name_filter(package.version)
            found = self._pipelines.pipeline_service_list_pipeline_versions(pipeline, filter=wanted)
            return (found.pipeline_versions or [None])[0]

        def make():
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "pipeline.yaml"
                file.write_text(package.text)
                return self._uploads.upload_pipeline_version(str(file), name=package.version, pipelineid=pipeline)

        with self._to("upload the pipeline"):
            version, made = _find_or_create(find, make)
        return version.pipeline_version_id, made

    def experiment(self, name: str) -> str:
        """The id of the experiment of a name, made where there is none."""

        def find():
            found = self._experiments.experiment_service_list_experiments(filter=_name_filter(name), **self._namespace)
            return (found.experiments or [None])[0]

        def make():
            new = api.V2beta1Experiment(display_name=name, **self._namespace)
            return self._experiments.experiment_service_create_experiment(new)

        with self._to("find or make the experiment"):
            return _find_or_create(find, make)[0].experiment_id

    def start(self, name: str, asked: RunRequest) -> str:
        """The id of a new run."""
        with self._to("start the run", repeatable=False):
            return self._runs.run_service_create_run(api.V2beta1Run(display_name=name, **asked.body())).run_id

    def run(self, run: str) -> api.V2beta1Run:
        with self._to(f"ask after the run {run}"):
            return self._runs.run_service_get_run(run)

    def schedule(self, name: str, cron: str, asked: RunRequest) -> tuple[api.V2beta1RecurringRun, int]:
        """A new recurring run, in place of those of its name in the experiment; and how many they were.

        cron: with six fields.  One run at a time; those that the cluster slept through are not made up for.
        """
        with self._to("look for recurring runs of that name"):
            found = self._recurring.recurring_run_service_list_recurring_runs(
                experiment_id=asked.experiment, filter=_name_filter(name), page_size=200
            )
        new = api.V2beta1RecurringRun(
            display_name=name,
            mode=api.RecurringRunMode.ENABLE,
            trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=cron)),
            max_concurrency="1",
            no_catchup=True,
            **asked.body(),
        )
        with self._to("make the recurring run", repeatable=False):
            made = self._recurring.recurring_run_service_create_recurring_run(new)
        replaced = found.recurring_runs or []
        with self._to("delete the recurring run that the new one replaces"):
            for old in replaced:
                with _ignore_missing():
                    self._recurring.recurring_run_service_delete_recurring_run(old.recurring_run_id)
        return made, len(replaced)

    def link(self, kind: str, number: str) -> str:
        """The address of the page of a run ("runs") or a recurring run ("recurringrun") in the UI."""
        return f"{self.host}/#/{kind}/details/{number}"


def _find_or_create(find: Callable[[], Any], make: Callable[[], Any]) -> tuple[Any, bool]:
    """What is there, or else is made; and whether it was made."""
    if found := find():
        return found, False
    try:
        return make(), True
    except api.ApiException as error:
        # Someone else was quicker; or it was made and the answer got lost.
        if error.status == 409 and (found := find()):
            return found, False
        raise


@contextlib.contextmanager
def _ignore_missing() -> Iterator[None]:
    try:
        yield
    except api.ApiException as error:
        if error.status != 404:
            raise


def _name_filter(name: str) -> str:
    predicate = {"key": "display_name", "operation": "EQUALS", "string_value": name}
    return json.dumps({"predicates": [predicate]})
