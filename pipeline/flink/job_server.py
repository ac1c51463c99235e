"""Beam's job server, which makes a Beam pipeline a job of a Flink cluster."""

import contextlib
import json
import math
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from drumline.pipeline.flink.cluster import FlinkCluster, free_ports
from drumline.pipeline.flink.programs import programs

WORKER = Path(__file__).with_name("worker")
_DRIVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
# What `run` sets, and a worker cannot do without.
_OF_WORKERS = ("PATH", "PYTHONPATH", "KERAS_BACKEND", "TF_USE_LEGACY_KERAS")
# What Java's boot class loader cannot load: 3 of 150 MB.
_UPLOADED = ("beam-runners-flink", "flink-clients", "flink-java", "flink-optimizer", "flink-streaming-java")


@contextlib.contextmanager
def job_server(jars: Path, cluster: FlinkCluster, logs: Path) -> Iterator[tuple[str, ...]]:
    """Beam's arguments for nodes that run on a cluster.

    Raises InputError where the cluster cannot be used, or the job server does not come up.
    """
    overview = cluster.overview()
    job, artifact = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="drumline-flink-") as folder, programs(logs) as started:
        ports = {"job-port": job, "artifact-port": artifact, "expansion-port": 0}
        started.start_java(
            "job-server",
            "-Xmx512m",
            *class_path(jars, cluster.has_beam()),
            _DRIVER,
            *(f"--{name}={port}" for name, port in ports.items()),
            "--job-host=localhost",
            f"--artifacts-dir={folder}",
            f"--flink-master={cluster.address}",
        )
        started.wait_until(lambda: all(map(_listens, (job, artifact))))
        yield beam_arguments(job, artifact, overview["slots-total"], overview["taskmanagers"])


def class_path(jars: Path, cluster_has_beam: bool) -> list[str]:
    """Java's arguments. Beam uploads with each job what -cp names."""
    if not cluster_has_beam:
        return ["-cp", f"{jars}/*"]
    names = sorted(path.name for path in jars.glob("*.jar"))
    uploaded = [str(jars / name) for name in names if name.startswith(_UPLOADED)]
    rest = [str(jars / name) for name in names if not name.startswith(_UPLOADED)]
    return [f"-Xbootclasspath/a:{':'.join(rest)}", "-cp", ":".join(uploaded)]


def beam_arguments(job: int, artifact: int, slots: int, task_managers: int) -> tuple[str, ...]:
    """Beam's arguments for a job server at two ports of this machine, and Python workers that Flink starts."""
    environment = {name: os.environ[name] for name in _OF_WORKERS if name in os.environ}
    return (
        "--runner=PortableRunner",
        f"--job_endpoint=localhost:{job}",
        f"--artifact_endpoint=localhost:{artifact}",
        "--environment_type=PROCESS",
        f"--environment_config={json.dumps({'command': str(WORKER), 'env': environment})}",
        "--environment_cache_millis=600000",
        f"--parallelism={slots}",
        # Python workers of one task manager: as many as it has slots.
        f"--sdk_worker_parallelism={math.ceil(slots / task_managers)}",
    )


def _listens(port: int) -> bool:
    socket.create_connection(("localhost", port), timeout=1).close()
    return True
