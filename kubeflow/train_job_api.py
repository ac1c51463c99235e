"""TrainJobs of a cluster, through the Kubernetes API: started, waited for, taken away."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from drumline.errors import InputError

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_KIND = {"group": "trainer.kubeflow.org", "version": "v1alpha1", "plural": "trainjobs"}
_OVERLOADED = 429
_HINTS = {
    401: "; the token of the service account is not accepted",
    403: "; kubeflow/manifests/train-job gives the right to drumline-runner: submit with that service account",
    404: "; is Kubeflow Trainer 2 installed, and kubeflow/manifests/train-job applied?",
}


class TrainJobs:
    """Those of a namespace.

    pause: seconds between two looks.  tries: how often the API may fail in a row.
    """

    def __init__(self, api: client.CustomObjectsApi, namespace: str, pause: float = 10.0, tries: int = 60):
        self._api, self._where = api, _KIND | {"namespace": namespace}
        self._pause, self._tries = pause, tries

    @classmethod
    def of_this_pod(cls) -> "TrainJobs":
        """Those of the namespace that this pod runs in, by the rights of its service account. Raises InputError."""
        try:
            config.load_incluster_config()
        except config.ConfigException as error:
            raise InputError(f"a TrainJob can be started from a pod of a cluster alone ({error})") from error
        return cls(client.CustomObjectsApi(), _NAMESPACE.read_text().strip())

    def run(self, job: dict[str, Any]) -> None:
        """Starts a job, in the place of one of its name, waits for its end and takes it away.

        A job that failed stays, for its log. Raises InputError for it, for one that is refused or taken away by others,
        and where the API does not answer for long.
        """
        name, failed = job["metadata"]["name"], False
        self._start(name, job)
        try:
            self._wait(name)
        except InputError:
            failed = True
            raise
        finally:
            if not failed:
                self._delete(name)

    def _start(self, name: str, job: dict[str, Any]) -> None:
        for _ in range(self._tries):
            try:
                self._retry(lambda: self._api.create_namespaced_custom_object(**self._where, body=job))
                return
            except client.ApiException as error:
                if error.status != 409:
                    hint = _HINTS.get(error.status, "")
                    raise InputError(f"the cluster refuses the TrainJob {name}: {_reason(error)}{hint}") from error
            # Left by an attempt that was killed; it is there until its pods are gone.
            self._delete(name)
            time.sleep(self._pause)
        raise InputError(f"an older TrainJob {name} does not go away; delete it and run the step again")

    def _wait(self, name: str) -> None:
        said = ""
        while True:
            try:
                job = self._retry(lambda: self._api.get_namespaced_custom_object(**self._where, name=name))
            except client.ApiException as error:
                raise InputError(f"the TrainJob {name} cannot be seen any more: {_reason(error)}") from error
            true = {one["type"]: one for one in job.get("status", {}).get("conditions", ()) if one["status"] == "True"}
            if "Failed" in true:
                raise InputError(
                    f"the TrainJob {name} failed: {true['Failed'].get('message', 'it does not say why')}; "
                    f"see kubectl logs -l jobset.sigs.k8s.io/jobset-name={name} --prefix"
                )
            state = ", ".join(true) or "Running"
            if state != said:
                logging.getLogger("drumline").info(f"TrainJob {name}: {state}")
            if "Complete" in true:
                return
            said = state
            time.sleep(self._pause)

    def _delete(self, name: str) -> None:
        try:
            self._retry(
                lambda: self._api.delete_namespaced_custom_object(
                    **self._where, name=name, propagation_policy="Foreground"
                )
            )
        except client.ApiException as error:
            if error.status != 404:
                logging.getLogger("drumline").warning(f"the TrainJob {name} stays: {_reason(error)}")

    def _retry(self, ask: Callable[[], Any]) -> Any:
        """The API's answer, though it may be away for a while. Raises ApiException for a refusal."""
        for _ in range(self._tries):
            try:
                return ask()
            except client.ApiException as error:
                if error.status and error.status < 500 and error.status != _OVERLOADED:
                    raise
                last = _reason(error)
            except HTTPError as error:
                last = str(error)
            time.sleep(self._pause)
        raise InputError(f"the API of the cluster did not answer {self._tries} times: {last}")


def _reason(error: client.ApiException) -> str:
    """What the API says."""
    try:
        said = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        said = error.reason or "no reason given"
    return f"{error.status} {said.rstrip('.')}"
