import re
import signal
import socket
import subprocess
import sys

import pytest
import requests
from click.testing import CliRunner
from drumline.commands.main import drumline

from tests.serving.running import FLAT


def sentence_of(*arguments) -> str:
    """What the command says of what it cannot use: one line."""
    result = CliRunner().invoke(drumline, list(map(str, arguments)))
    assert isinstance(result.exception, SystemExit), result.exception
    (line,) = result.stderr.splitlines()
    return line


def test_it_says_where_it_serves_and_ends_well_when_told(own, tmp_path):
    command = [sys.executable, "-m", "drumline", "--runs", tmp_path, "serve", "--port", "0", "--rest-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            found = re.fullmatch(r"gRPC 127\.0\.0\.1:\d+, REST (http://127\.0\.0\.1:\d+/v1/models)/NAME\n", line)
            assert found, line
            assert requests.get(f"{found.group(1)}/{FLAT}", timeout=20).ok
            assert process.stdout.readline() == f"models: {FLAT}\n"
        finally:
            process.send_signal(signal.SIGTERM)
            rest_of_it = process.communicate(timeout=60)
    assert (process.returncode, rest_of_it) == (0, ("", ""))
    log = (tmp_path / "logs" / "serve.log").read_text().splitlines()
    assert [re.search('"event": "(.*?)"', line).group(1) for line in log] == [
        "loading",
        "available",
        "started",
        "unloading",
        "unloaded",
        "stopped",
    ]


def test_what_is_broken_is_told_when_it_starts(own, tmp_path):
    (own / "lstm-2bar" / "7").mkdir(parents=True)
    (own / "lstm-2bar" / "7" / "saved_model.pb").write_text("nothing")
    (own / "conv-2bar").mkdir()
    command = [sys.executable, "-m", "drumline", "--runs", tmp_path, "serve", "--port", "0", "--rest-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            _, models, *problems = (process.stdout.readline() for _ in range(4))
        finally:
            process.send_signal(signal.SIGTERM)
    assert models == f"models: {FLAT}\n"
    assert problems[0] == "not served: conv-2bar: its folder has no version\n"
    assert problems[1].startswith("not served: lstm-2bar, version 7: ")


def test_what_it_cannot_use_is_told_in_a_sentence(tmp_path):
    empty = ("--runs", tmp_path, "serve", "--port", 0, "--rest-port", 0)
    assert "serving: no model that can be loaded; `./run drumline train`" in sentence_of(*empty)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}: cannot listen there" in sentence_of(*empty, "--port", port)
    (tmp_path / "models.config").write_text('model_config_list { config { name: "a" base_path: "gone" } }')
    told = sentence_of(*empty, "--config", tmp_path / "models.config")
    assert "models.config: no model that can be loaded; a: its folder has no version" in told
    assert "no ModelServerConfig" in sentence_of(*empty, "--config", tmp_path / "none")
    assert "no certificate with its key" in sentence_of(*empty, "--tls-cert", tmp_path, "--tls-key", tmp_path)
    assert "belong together" in sentence_of(*empty, "--tls-cert", tmp_path)


@pytest.mark.parametrize("option", [("--batch-size", 0), ("--queue", 0), ("--port", 70000), ("--batch-timeout-ms", -1)])
def test_numbers_out_of_range_are_refused(tmp_path, option):
    result = CliRunner().invoke(drumline, ["--runs", str(tmp_path), "serve", *map(str, option)])
    assert result.exit_code == 2
