"""An HTTP server that answers as the API server of Kubeflow Pipelines 2.16.1 does, of what `submit` asks.

Read off backend/src/apiserver: paths and forms of the gateway (snake_case, empty fields left out, int64 as text,
unknown fields refused), of the multipart uploads, the error bodies of both, the checks of a run's parameters, and the
tasks of a run (each node's driver and executor too, and never a message).
"""

import contextlib
import email
import email.policy
import json
import re
import ssl
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

EPOCH = "1970-01-01T00:00:00Z"
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13, 503: 14}
_KINDS = {
    "STRING": str,
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": bool,
    "LIST": list,
    "STRUCT": dict,
}


class RefusalError(Exception):
    """status: of HTTP.  text: what the API says to the outside."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text

    def body(self, upload: bool) -> dict[str, Any]:
        if upload:
            return {"error_message": self.text, "error_details": f"{self.text}\ngithub.com/kubeflow/pipelines/..."}
        code = _CODES[self.status]
        inner = {"@type": "type.googleapis.com/google.rpc.Status", "code": code, "message": self.text}
        if self.status >= 500:
            inner["message"] = "Internal Server Error"
        return {"code": code, "message": f"Failed to do it: {self.text}", "details": [inner]}


@dataclass
class Fault:
    """What happens to requests instead of, or (done) after they are done.  status None: the connection is cut."""

    request: str
    status: int | None
    times: int
    body: str
    done: bool


@dataclass
class State:
    """States of a run, one a look at it; the last one stays.  tasks: of nodes and others, by display name."""

    run: str
    tasks: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)


class KfpApi:
    def __init__(self, *, multi_user: bool = False, token: str | None = None) -> None:
        self.multi_user, self.token = multi_user, token
        self.pipelines, self.versions, self.experiments = {}, {}, {}
        self.runs, self.recurring_runs = {}, {}
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.states = [State("SUCCEEDED")]
        self.lock = threading.Lock()

    def fail(self, request: str, status: int | None, times: int = 1, body: str = "", *, done: bool = False) -> None:
        """request: "METHOD path" as a regular expression."""
        self.faults.append(Fault(request, status, times, body, done))

    def asked(self, request: str) -> int:
        """How many requests there were of this kind."""
        return sum(bool(re.search(request, one)) for one in self.requests)

    def fault(self, request: str, done: bool) -> Fault | None:
        for fault in self.faults:
            if fault.done == done and fault.times and re.search(fault.request, request):
                fault.times -= 1
                return fault
        return None

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        for pattern, handler in _ROUTES:
            if found := re.fullmatch(pattern, f"{method} {path}"):
                return handler(self, *found.groups(), query=query, body=body)
        raise RefusalError(404, "Not Found")

    def healthz(self, query, body):
        return {"commit_sha": "0", "tag_name": "2.16.1", "multi_user": self.multi_user, "pipeline_store": "database"}

    def _in_namespace(self, given: dict[str, str]) -> str:
        if self.multi_user and not given.get("namespace"):
            raise RefusalError(400, "Namespace cannot be empty in multi-user mode")
        return given.get("namespace", "") if self.multi_user else ""

    def get_pipeline_by_name(self, name, query, body):
        namespace = self._in_namespace(query)
        for pipeline in self.pipelines.values():
            if (pipeline["name"], pipeline.get("namespace", "")) == (name, namespace):
                return pipeline
        raise RefusalError(404, f"Namespace/Pipeline {namespace}/{name} not found")

    def create_pipeline(self, query, body):
        _only(body, {"name", "display_name", "description", "namespace", "tags"})
        namespace, name = self._in_namespace(body), body.get("name") or body.get("display_name")
        if any((one["name"], one.get("namespace", "")) == (name, namespace) for one in self.pipelines.values()):
            raise RefusalError(409, f"Failed to create a new pipeline. The name {name} already exist.")
        return _put(self.pipelines, "pipeline_id", {"name": name, "display_name": name, "namespace": namespace})

    def list_versions(self, pipeline, query, body):
        found = [one for one in self.versions.values() if one["pipeline_id"] == pipeline and _matches(one, query)]
        return {"pipeline_versions": found, "total_size": len(found)} if found else {}

    def upload_version(self, query, body):
        name, pipeline = query.get("name") or body["filename"], query.get("pipelineid")
        if not re.search(r"\.(ya?ml|json)$", body["filename"]) or pipeline not in self.pipelines:
            raise RefusalError(400, "Failed to create a pipeline version")
        if any(one["name"] == name and one["pipeline_id"] == pipeline for one in self.versions.values()):
            raise RefusalError(409, "Failed to create a pipeline version")
        documents = list(yaml.safe_load_all(body["content"]))
        specs = [one for one in documents if "pipelineInfo" in one]
        if len(specs) != 1 or specs[0].get("schemaVersion") != "2.1.0":
            raise RefusalError(500, "Failed to create a pipeline version")
        version = {"pipeline_id": pipeline, "name": name, "display_name": name, "pipeline_spec": specs[0]}
        return _put(self.versions, "pipeline_version_id", version)

    def list_experiments(self, query, body):
        namespace = self._in_namespace(query)
        every = [one for one in self.experiments.values() if one.get("namespace", "") == namespace]
        found = [one for one in every if _matches(one, query)]
        return {"experiments": found, "total_size": len(found)} if found else {}

    def create_experiment(self, query, body):
        _only(body, {"display_name", "description", "namespace"})
        if any(one["display_name"] == body["display_name"] for one in self.experiments.values()):
            raise RefusalError(
                409, f"Failed to create a new experiment. The name {body['display_name']} already exists."
            )
        new = {"display_name": body["display_name"], "namespace": self._in_namespace(body)}
        return _put(self.experiments, "experiment_id", new)

    def _check_run(self, body: dict[str, Any]) -> None:
        reference, config = body["pipeline_version_reference"], body.get("runtime_config", {})
        _only(reference, {"pipeline_id", "pipeline_version_id"})
        _only(config, {"parameters", "pipeline_root"})
        version = self.versions.get(reference["pipeline_version_id"])
        if not version or version["pipeline_id"] != reference["pipeline_id"]:
            raise RefusalError(500, "Failed to create a run due to error fetching manifest")
        if body.get("experiment_id") not in self.experiments:
            raise RefusalError(404, f"Experiment {body.get('experiment_id')} not found")
        declared = version["pipeline_spec"]["root"].get("inputDefinitions", {}).get("parameters", {})
        given = config.get("parameters", {})
        for name, one in declared.items():
            if name not in given and not one.get("isOptional") and "defaultValue" not in one:
                raise RefusalError(
                    400, f"parameter {name} is not optional, yet has neither default value nor user's value"
                )
            if name in given and not isinstance(given[name], _KINDS[one["parameterType"]]):
                raise RefusalError(400, f"input parameter {name} requires type {one['parameterType']}")
        if extra := set(given) - set(declared):
            raise RefusalError(400, f"parameter(s) provided are not required by pipeline: {', '.join(sorted(extra))}")

    def create_run(self, query, body):
        _only(
            body, {"experiment_id", "display_name", "pipeline_version_reference", "runtime_config", "service_account"}
        )
        self._check_run(body)
        return _put(self.runs, "run_id", body | {"state": "PENDING", "finished_at": EPOCH, "looks": 0})

    def get_run(self, run, query, body):
        if run not in self.runs:
            raise RefusalError(404, f"Run {run} not found")
        found = self.runs[run]
        state = self.states[min(found["looks"], len(self.states) - 1)]
        found["looks"] += 1
        tasks = [_task(run, name, of, state.messages.get(name)) for name, of in state.tasks.items()]
        shown = {key: value for key, value in found.items() if key != "looks"}
        return shown | {"state": state.run} | ({"run_details": {"task_details": tasks}} if tasks else {})

    def list_recurring_runs(self, query, body):
        of = query.get("experiment_id")
        every = [one for one in self.recurring_runs.values() if not of or one["experiment_id"] == of]
        found = [one for one in every if _matches(one, query)]
        return {"recurringRuns": found, "total_size": len(found)} if found else {}

    def create_recurring_run(self, query, body):
        known = {"experiment_id", "display_name", "pipeline_version_reference", "runtime_config", "trigger", "mode"}
        _only(body, known | {"max_concurrency", "no_catchup", "service_account"})
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise RefusalError(400, "Max concurrency of a recurring run must be at least 1 and at most 10")
        fields = body["trigger"]["cron_schedule"]["cron"].split()
        # As robfig/cron 1.2 has it: the weekday may be left out, so five fields begin with seconds too.
        if not 5 <= len(fields) <= 6 or any(field.isdigit() and int(field) > 59 for field in fields):
            raise RefusalError(
                400, "Schedule cron is not a supported format(https://godoc.org/github.com/robfig/cron)."
            )
        self._check_run(body)
        # As 2.16.1 does, whatever was asked for.
        made = body | {"status": "ENABLED", "service_account": "pipeline-runner"}
        return _put(self.recurring_runs, "recurring_run_id", made)

    def delete_recurring_run(self, number, query, body):
        if not self.recurring_runs.pop(number, None):
            raise RefusalError(404, f"Job {number} not found")
        return {}


_API = "/apis/v2beta1"
_ROUTES = [
    (f"GET {_API}/healthz", KfpApi.healthz),
    (f"GET {_API}/pipelines/names/([^/]+)", KfpApi.get_pipeline_by_name),
    (f"POST {_API}/pipelines", KfpApi.create_pipeline),
    (f"GET {_API}/pipelines/([^/]+)/versions", KfpApi.list_versions),
    (f"POST {_API}/pipelines/upload_version", KfpApi.upload_version),
    (f"GET {_API}/experiments", KfpApi.list_experiments),
    (f"POST {_API}/experiments", KfpApi.create_experiment),
    (f"POST {_API}/runs", KfpApi.create_run),
    (f"GET {_API}/runs/([^/]+)", KfpApi.get_run),
    (f"GET {_API}/recurringruns", KfpApi.list_recurring_runs),
    (f"POST {_API}/recurringruns", KfpApi.create_recurring_run),
    (f"DELETE {_API}/recurringruns/([^/]+)", KfpApi.delete_recurring_run),
]


def _put(shelf: dict[str, Any], key: str, new: dict[str, Any]) -> dict[str, Any]:
    number = str(uuid.uuid4())
    shelf[number] = {name: value for name, value in new.items() if value != ""} | {
        key: number,
        "created_at": "2026-11-22T21:00:00Z",
    }
    return shelf[number]


def _only(body: dict[str, Any], known: set[str]) -> None:
    if unknown := set(body) - known:
        raise RefusalError(400, f'proto: unknown field "{sorted(unknown)[0]}"')


def _matches(one: dict[str, Any], query: dict[str, str]) -> bool:
    predicates = json.loads(query["filter"])["predicates"] if query.get("filter") else []
    for predicate in predicates:
        _only(predicate, {"key", "operation", "string_value"})
        assert predicate["operation"] == "EQUALS"
        if one[predicate["key"]] != predicate["string_value"]:
            return False
    return True


def _task(run: str, name: str, state: str, message: str | None) -> dict[str, Any]:
    begin, end = "2026-11-22T21:00:00Z", "2026-11-22T21:00:12Z"
    task = {
        "run_id": run,
        "task_id": str(uuid.uuid4()),
        "display_name": name,
        "create_time": begin,
        "start_time": begin,
    }
    task |= {"end_time": EPOCH if state == "RUNNING" else end, "state": state, "child_tasks": [{"pod_name": "drums-1"}]}
    return task | ({"error": {"code": 2, "message": message}} if message else {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._do()

    def do_POST(self) -> None:
        self._do()

    def do_DELETE(self) -> None:
        self._do()

    def _do(self) -> None:
        address, api = urlsplit(self.path), self.server.api
        request = f"{self.command} {address.path}"
        body = self._body()
        with api.lock:
            api.requests.append(request)
            if fault := api.fault(request, done=False):
                return self._fail(fault)
            upload = address.path.endswith("/upload_version")
            try:
                if api.token and self.headers["Authorization"] != f"Bearer {api.token}":
                    raise RefusalError(401, "Request header error: there is no user identity header.")
                query = {key: values[0] for key, values in parse_qs(address.query).items()}
                status, answer = 200, api.answer(self.command, address.path, query, body)
            except RefusalError as error:
                status, answer = error.status, error.body(upload)
            if fault := api.fault(request, done=True):
                return self._fail(fault)
        return self._send(status, json.dumps(answer), "application/json")

    def _body(self) -> Any:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            return json.loads(data) if data else None
        message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + data, policy=email.policy.HTTP)
        (part,) = message.iter_parts()
        assert part.get_param("name", header="Content-Disposition") == "uploadfile"
        return {"filename": part.get_filename(), "content": part.get_payload(decode=True).decode()}

    def _fail(self, fault: Fault) -> None:
        if fault.status is None:
            self.close_connection = True
            return None
        return self._send(fault.status, fault.body, "text/html" if "<" in fault.body else "application/json")

    def _send(self, status: int, text: str, kind: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Quiet about a client that hangs up: it does not trust the certificate."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(api: KfpApi, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address at which it answers while it is open."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.api = api
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
