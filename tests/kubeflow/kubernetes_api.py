"""A server that keeps TrainJobs as Kubernetes' API does, and lets them end as a test wants."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kubernetes import client

PATH = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/beats/trainjobs"


class Cluster:
    """jobs: by name, each with the conditions of `becomes`, one more at each look.

    refuses: (status, message) of the next answers, whatever is asked.  asked: the methods so far.
    """

    def __init__(self):
        self.jobs, self.looks = {}, {}
        self.becomes: list[dict] = [{"type": "Complete", "status": "True"}]
        self.refuses: list[tuple[int, str]] = []
        self.asked: list[str] = []

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict]:
        self.asked.append(method)
        if self.refuses:
            status, message = self.refuses.pop(0)
            return status, {"kind": "Status", "message": message}
        if not path.startswith(PATH):
            return 404, {"kind": "Status", "message": "the server could not find the requested resource"}
        name = json.loads(body)["metadata"]["name"] if method == "POST" else path.removeprefix(f"{PATH}/").split("?")[0]
        if (method == "POST") == (name in self.jobs):
            status, how = (409, "already exists") if method == "POST" else (404, "not found")
            return status, {"kind": "Status", "message": f'trainjobs.trainer.kubeflow.org "{name}" {how}'}
        if method == "DELETE":
            return 200, self.jobs.pop(name)
        if method == "POST":
            self.jobs[name], self.looks[name] = json.loads(body), 0
            return 201, self.jobs[name]
        self.looks[name] += 1
        return 200, self.jobs[name] | {"status": {"conditions": self.becomes[: self.looks[name] - 1]}}


@contextmanager
def served(cluster: Cluster):
    """The client of an API server before the cluster."""

    class Handler(BaseHTTPRequestHandler):
        def handle_all(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = cluster.answer(self.command, self.path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = handle_all  # noqa: N815 (http.server's names)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    configuration = client.Configuration(host=f"http://localhost:{server.server_port}")
    with client.ApiClient(configuration) as api:
        yield client.CustomObjectsApi(api)
    server.shutdown()
    server.server_close()
