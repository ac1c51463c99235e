"""The Beam nodes of a pipeline on a real Flink cluster of this machine."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_transform as tft
from drumline.models.preprocessing import frequencies
from drumline.pipeline.beam_arguments import READY_WORKERS
from drumline.pipeline.config import Config
from drumline.pipeline.flink.cluster import FlinkCluster, local_cluster
from drumline.pipeline.flink.jars import cached_jars
from drumline.pipeline.flink.job_server import job_server
from drumline.pipeline.run_pipeline import run
from ml_metadata.metadata_store import metadata_store
from tfx import v1 as tfx
from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.orchestration.pipeline import RunOptions

from tests.end_to_end.songs import write_songs

pytestmark = pytest.mark.skipif(not shutil.which("java"), reason="Flink needs Java")


class UpToTransform:
    """MidiExampleGen, StatisticsGen, WindowSchema, StrictExampleValidator and Transform of a pipeline."""

    def run(self, pipeline):
        BeamDagRunner().run(pipeline, run_options=RunOptions(to_nodes=["Transform"]))


@dataclass
class Result:
    """The artifacts that a run left."""

    config: Config

    def artifacts(self, kind: str, node: str):
        connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(self.config.metadata))
        artifacts = metadata_store.MetadataStore(connection).get_artifacts_by_type(kind)
        return [artifact for artifact in artifacts if f"/{node}/" in artifact.uri]

    def examples(self, node: str) -> Counter:
        """How often the node wrote what, as (split, song, values by feature)."""
        (artifact,) = self.artifacts("Examples", node)
        files = sorted(Path(artifact.uri).glob("Split-*/*.gz"))
        return Counter(
            (file.parent.name, *content_of(record))
            for file in files
            for record in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()
        )

    def vocabulary(self) -> dict[int, int]:
        (artifact,) = self.artifacts("TransformGraph", "Transform")
        return frequencies(tft.TFTransformOutput(artifact.uri))

    def rejections(self) -> list[str]:
        (artifact,) = self.artifacts("File", "MidiExampleGen")
        return sorted(line for file in Path(artifact.uri).iterdir() for line in file.read_text().splitlines())

    def counters(self) -> dict[str, int]:
        (artifact,) = self.artifacts("Examples", "MidiExampleGen")
        properties = artifact.custom_properties.items()
        return {name: value.int_value for name, value in properties if value.HasField("int_value")}


def content_of(record: bytes) -> tuple:
    features = tf.train.Example.FromString(record).features.feature
    return tuple((name, features[name].SerializeToString(deterministic=True)) for name in sorted(features))


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = write_songs(tmp_path_factory.mktemp("songs"), 40)
    (folder / "broken.mid").write_bytes(b"MThd")
    return folder


@pytest.fixture(scope="module")
def in_memory(songs, tmp_path_factory):
    config = Config(str(songs), 2, runs=tmp_path_factory.mktemp("memory"))
    run(config, UpToTransform)
    return Result(config)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with local_cluster(cached_jars(), tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def on_flink(songs, cluster: FlinkCluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flink")
    with job_server(cached_jars(), cluster, folder / "logs") as arguments:
        config = Config(str(songs), 2, runs=folder, beam_pipeline_args=(*arguments, READY_WORKERS))
        run(config, UpToTransform)
    return Result(config)


@pytest.mark.parametrize("node", ["MidiExampleGen", "Transform"])
def test_flink_writes_the_examples_that_memory_writes(node, on_flink, in_memory):
    assert on_flink.examples(node) == in_memory.examples(node)
    assert len({split for split, *_ in in_memory.examples(node)}) == (3 if node == "MidiExampleGen" else 2)


def test_flink_finds_the_vocabulary_that_memory_finds(on_flink, in_memory):
    assert on_flink.vocabulary() == in_memory.vocabulary()
    assert len(in_memory.vocabulary()) > 10


def test_flink_counts_and_rejects_what_memory_does(on_flink, in_memory):
    assert on_flink.counters() == in_memory.counters()
    assert on_flink.rejections() == in_memory.rejections()
    assert len(on_flink.rejections()) == 1
    assert on_flink.counters()["files"] == 41


def test_the_jobs_finished_and_each_task_manager_worked(on_flink, cluster):
    jobs = cluster.get("/jobs/overview")["jobs"]
    assert [job["state"] for job in jobs] == ["FINISHED"] * 3
    finished = Counter()
    for job in jobs:
        for vertex in cluster.get(f"/jobs/{job['jid']}")["vertices"]:
            for manager in cluster.get(f"/jobs/{job['jid']}/vertices/{vertex['id']}/taskmanagers")["taskmanagers"]:
                finished[manager["taskmanager-id"]] += manager["status-counts"]["FINISHED"]
    assert set(finished) == {"task-manager-0", "task-manager-1"}
    assert all(finished.values())


def test_no_program_outlives_a_run_that_is_killed(tmp_path):
    program = (
        "import os, pathlib, signal, sys; from pipeline.flink.cluster import local_cluster; "
        "from pipeline.flink.jars import cached_jars\n"
        "with local_cluster(cached_jars(), pathlib.Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program, tmp_path], env={**os.environ, "TMPDIR": str(tmp_path)})
    assert killed.returncode == -signal.SIGKILL
    for _ in range(150):
        if not (left := programs_that_name(tmp_path)):
            break
        time.sleep(0.1)
    assert not left


def programs_that_name(folder: Path) -> list[str]:
    """The command lines of this machine's processes that name a folder."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_text().replace("\0", " "))
    return [line for line in lines if str(folder) in line]
