"""Apache Flink on this machine, and what a cluster anywhere says of itself."""

import contextlib
import http.client
import json
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drumline.pipeline.flink.programs import CONF, programs

from drumline.errors import InputError

_VERSION = "1.19"  # of pom.xml
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"


@dataclass(frozen=True)
class FlinkCluster:
    """A Flink cluster. address: host:port of its REST API."""

    address: str

    def get(self, path: str) -> dict:
        """What the REST API answers. Raises OSError."""
        with _WITHOUT_PROXY.open(f"http://{self.address}{path}", timeout=10) as answer:
            return json.load(answer)

    def overview(self) -> dict:
        """Counts of task managers, slots and jobs. Raises InputError where the cluster cannot be used."""
        try:
            overview = self.get("/overview")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise InputError(
                f"--flink-master {self.address}: no Flink answers there ({getattr(error, 'reason', error)})"
            ) from error
        if not overview["flink-version"].startswith(f"{_VERSION}."):
            raise InputError(
                f"--flink-master {self.address}: that is Flink {overview['flink-version']}, not {_VERSION}; see "
                "docs/CLUSTER.md for a job server of your own"
            )
        if not overview["slots-total"]:
            raise InputError(f"--flink-master {self.address}: the cluster has no task slot; start a task manager")
        return overview

    def has_beam(self) -> bool:
        """Whether the cluster's own class path holds Beam."""
        return any("beam-runners-flink" in path for path in self.get("/jobmanager/environment")["classpath"])


@contextlib.contextmanager
def local_cluster(jars: Path, logs: Path, task_managers: int = 2) -> Iterator[FlinkCluster]:
    """A job manager, and task managers of one slot. Raises InputError where they do not come up."""
    rest, rpc = free_ports(2)
    cluster = FlinkCluster(f"localhost:{rest}")
    # The folder is removed after the programs have ended.
    with tempfile.TemporaryDirectory(prefix="drumline-flink-") as folder, programs(logs) as started:
        settings = {"rest.port": rest, "jobmanager.rpc.port": rpc, "io.tmp.dirs": folder}
        arguments: list[str | Path] = ["--configDir", CONF, *(f"-D{name}={value}" for name, value in settings.items())]
        java: list[str | Path] = ["-Xmx512m", f"-Djava.io.tmpdir={folder}", "-cp", f"{jars}/*"]
        started.start_java("job-manager", *java, _JOB_MANAGER, *arguments)
        for number in range(task_managers):
            identity = f"-Dtaskmanager.resource-id=task-manager-{number}"
            started.start_java(f"task-manager-{number}", *java, _TASK_MANAGER, *arguments, identity)
        started.wait_until(lambda: cluster.get("/overview")["slots-total"] == task_managers)
        yield cluster


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]
