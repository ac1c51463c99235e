"""Flink's parts that need neither Java nor a cluster; tests/end_to_end/test_flink.py has the rest."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from drumline.pipeline.flink.cluster import FlinkCluster
from drumline.pipeline.flink.jars import cached_jars

from drumline.errors import InputError

# Stands for Maven: notes the call, leaves half a jar if it is killed, and takes a moment.
MVN = """#!/bin/sh
for word; do case $word in -DoutputDirectory=*) folder=${word#*=} ;; esac; done
echo call >>"$CALLS"
mkdir -p "$folder" && [ ! -e "$folder/a.jar" ] || exit 1
echo half >"$folder/a.jar"
sleep "$SECONDS_OF_MAVEN"
echo whole >"$folder/a.jar"
exit "$CODE_OF_MAVEN"
"""
FETCH = [sys.executable, "-c", "from pipeline.flink.jars import cached_jars; print(cached_jars())"]


@pytest.fixture
def maven(tmp_path, monkeypatch):
    """A machine with `java`, and a stand-in for `mvn` whose calls are lines of the file that is returned."""
    (tmp_path / "bin").mkdir()
    for name, program in {"java": "#!/bin/sh\n", "mvn": MVN}.items():
        (tmp_path / "bin" / name).write_text(program)
        (tmp_path / "bin" / name).chmod(0o755)
    calls = tmp_path / "calls"
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "DRUMLINE_CACHE": tmp_path / "cache", "CALLS": calls}
    for name, value in (environment | {"SECONDS_OF_MAVEN": "0", "CODE_OF_MAVEN": "0"}).items():
        monkeypatch.setenv(name, str(value))
    return calls


def contents(jars) -> dict[str, str]:
    return {path.name: path.read_text() for path in jars.iterdir()}


def test_jars_are_fetched_once(maven):
    assert contents(cached_jars()) == contents(cached_jars()) == {"a.jar": "whole\n"}
    assert maven.read_text() == "call\n"


def test_two_at_once_fetch_once(maven, monkeypatch):
    monkeypatch.setenv("SECONDS_OF_MAVEN", "0.5")
    both = [subprocess.Popen(FETCH, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert len({process.communicate()[0] for process in both}) == 1
    assert maven.read_text() == "call\n"


def test_a_fetch_that_was_killed_is_made_up_for(maven, monkeypatch):
    monkeypatch.setenv("SECONDS_OF_MAVEN", "60")
    process = subprocess.Popen(FETCH, start_new_session=True)
    while not maven.exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    monkeypatch.setenv("SECONDS_OF_MAVEN", "0")
    assert contents(cached_jars()) == {"a.jar": "whole\n"}


def test_a_fetch_that_fails_is_one_sentence_and_leaves_no_jars(maven, monkeypatch):
    monkeypatch.setenv("CODE_OF_MAVEN", "1")
    for _ in range(2):
        with pytest.raises(InputError, match="is Maven Central reachable"):
            cached_jars()


@pytest.mark.parametrize("program", ["java", "mvn"])
def test_a_machine_without_java_or_maven_is_told_so(maven, program, monkeypatch):
    (maven.parent / "bin" / program).unlink()
    monkeypatch.setenv("PATH", str(maven.parent / "bin"))
    with pytest.raises(InputError, match=f"Flink needs the program '{program}'"):
        cached_jars()


@pytest.fixture
def flink():
    """What a cluster would say of itself. Returns the address of a server, and the answer to fill in."""
    answer = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("localhost", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield FlinkCluster(f"localhost:{server.server_port}"), answer
        server.shutdown()


@pytest.mark.parametrize(
    ("version", "slots", "sentence"),
    [("1.20.1", 2, "that is Flink 1.20.1, not 1.19"), ("1.19.3", 0, "no task slot; start a task manager")],
)
def test_a_cluster_that_cannot_be_used_is_refused_in_one_sentence(flink, version, slots, sentence):
    cluster, answer = flink
    answer |= {"flink-version": version, "slots-total": slots, "taskmanagers": slots}
    with pytest.raises(InputError, match=f"--flink-master {cluster.address}: .*{sentence}"):
        cluster.overview()


def test_an_address_where_no_cluster_is_is_refused_in_one_sentence():
    for address in ("localhost:1", "no.such.host.invalid:8081", "localhost", "localhost:port"):
        with pytest.raises(InputError, match=f"--flink-master {address}: no Flink answers there"):
            FlinkCluster(address).overview()
