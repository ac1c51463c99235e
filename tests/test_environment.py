"""Drumline where `run` has set nothing: installed, or in an environment that is merely active."""

import os
import subprocess
import sys
from pathlib import Path

import drumline
from drumline import machine

ROOT = Path(__file__).parent.parent


def test_where_only_the_client_is_installed_the_command_line_says_what_it_needs():
    program = "import sys; sys.modules['click'] = None; from drumline.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert line == 'Error: click is not installed; the command line needs `pip install "drumline[pipeline]"`'


def test_the_code_of_an_installed_package_is_its_version_whatever_repository_is_around(tmp_path, monkeypatch):
    monkeypatch.delenv("DRUMLINE_CODE", raising=False)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    author = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    commit = ["git", "-C", tmp_path, *author, "commit", "--quiet", "--allow-empty", "--message", "Another project"]
    subprocess.run(commit, check=True)
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    assert machine.code_version() == drumline.__version__


def test_programs_that_tests_start_find_the_package(tmp_path):
    subprocess.run([sys.executable, "-m", "drumline", "--version"], cwd=tmp_path, check=True)


def test_tests_whose_programs_start_elsewhere_run_without_the_script_run(tmp_path):
    of_run = ("PYTHONPATH", "TF_USE_LEGACY_KERAS", "KERAS_BACKEND")
    environment = {name: value for name, value in os.environ.items() if name not in of_run}
    test = f"{__file__}::{test_programs_that_tests_start_find_the_package.__name__}"
    command = ["pytest", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT, test]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
