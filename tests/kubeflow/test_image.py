"""The container image: made of what `run` is made of, and fit for any user without rights."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from drumline.pipeline.infra_validation import docker_answers

from tests.kubeflow import pods
from tests.test_run import Project, small_lock

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "kubeflow" / "Dockerfile").read_text()
RUN = (ROOT / "run").read_text()
HOMES = (pods.IMAGE["HOME"], "/")
START = ["/drumline/run", "python", "-m", "drumline.kubeflow.entrypoint", "--help"]


def instructions(name: str) -> list[str]:
    """What follows a word of the Dockerfile, in its order; lines that a backslash continues as one."""
    lines = re.sub(r"\\\n\s*", "", DOCKERFILE).splitlines()
    return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


def variables() -> dict[str, str]:
    return dict(word.split("=", 1) for line in instructions("ENV") for word in line.split())


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


# Its record


def test_it_is_the_debian_of_run():
    (release,) = re.findall(r"^release=(\w+)", RUN, re.MULTILINE)
    assert instructions("FROM") == [f"debian:{release}-slim"]


def test_its_packages_are_the_list_of_run_and_no_other():
    (installing,) = (line for line in instructions("RUN") if "apt-get" in line)
    assert "grep -v '^#' /tmp/packages.txt | xargs apt-get install --yes --no-install-recommends &&" in installing
    assert """--include="$(cat "$root"/packages*.txt | grep -v '^#' | paste -sd,)" """ in RUN
    assert installing.count("install ") == 1
    assert not re.search(r"\b(pip|uv) install", DOCKERFILE)


def test_run_makes_its_environment_before_the_code_is_there():
    steps = [line for line in DOCKERFILE.splitlines() if line.startswith(("COPY", "RUN"))]
    made = next(number for number, line in enumerate(steps) if "/drumline/run true" in line)
    *_, files = (line.split()[1:-1] for line in steps[:made] if line.startswith("COPY"))
    assert set(files) == {"run", "packages.txt", "requirements.lock", "requirements-gpu.lock"}
    assert "COPY . /drumline" in steps[made:]


def test_its_user_is_a_number_and_not_root():
    assert int(instructions("USER")[-1]) > 0


def test_the_pods_of_the_tests_have_its_variables():
    elsewhere = {"PATH", "DRUMLINE_CODE"}  # of Docker itself, and told when it is built
    assert {name: value for name, value in pods.IMAGE.items() if name not in elsewhere}.items() <= variables().items()


def test_the_version_of_the_code_and_the_gpu_are_told_when_it_is_built():
    assert instructions("ARG") == ["DRUMLINE_GPU=", "DRUMLINE_CODE=unknown"]
    assert variables()["DRUMLINE_CODE"] == "$DRUMLINE_CODE"
    assert variables()["DRUMLINE_GPU"] == "$DRUMLINE_GPU"


def test_no_run_and_no_history_gets_into_it():
    assert {".git", "runs"} <= set((ROOT / ".dockerignore").read_text().split())


# For GPUs


def test_the_lock_for_gpus_is_the_other_and_nvidias_libraries():
    without, with_gpus = pins("requirements.lock"), pins("requirements-gpu.lock")
    assert without.items() <= with_gpus.items()
    more = with_gpus.keys() - without.keys()
    assert "nvidia-cudnn-cu12" in more
    assert all(name.startswith("nvidia-") for name in more)
    assert "://" not in (ROOT / "requirements-gpu.lock").read_text()


def test_an_environment_for_gpus_is_one_of_its_own(tmp_path):
    project = Project(tmp_path)
    lock = small_lock()
    (project.root / "requirements.lock").write_text("not asked for\n")
    (project.root / "requirements-gpu.lock").write_text(lock)
    done = project.call("python", "-c", "import packaging", DRUMLINE_GPU="1")
    assert done.returncode == 0, done.stderr
    (with_gpus,) = project.venvs()
    (project.root / "requirements.lock").write_text(lock + "\n")
    project.start("true").communicate()
    assert len(set(project.venvs()) - {with_gpus}) == 1


# What it starts


@pytest.mark.skipif(bool(pods.unavailable()), reason=f"no pods on this machine: {pods.unavailable()}")
@pytest.mark.parametrize("home", HOMES)
def test_a_step_starts_as_any_user_without_a_network_and_writes_nowhere_else(tmp_path, home):
    for folder in ("home/drumline", "tmp"):
        (tmp_path / "pod" / folder).mkdir(parents=True)
        (tmp_path / "pod" / folder).chmod(0o1777)
    anybody = ["unshare", "--net", "setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    if os.geteuid() != 0:
        anybody = ["unshare", "--net"]
    log = tmp_path / "log"
    assert pods.Pod(tmp_path / "pod", {}).run([*anybody, "env", f"HOME={home}", *START], log) == 0, log.read_text()
    assert "--executor_class_path" in log.read_text()


@pytest.mark.slow
@pytest.mark.skipif(not docker_answers(), reason="no Docker on this machine")
def test_docker_builds_it_and_a_step_starts_as_any_user():
    code = ["--build-arg", "DRUMLINE_CODE=test"]
    build = ["docker", "build", "--quiet", "-f", "kubeflow/Dockerfile", *code, "."]
    image = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    for home in HOMES:
        start = ["docker", "run", "--rm", "--network=none", "--user=12345", f"--env=HOME={home}"]
        start += ["--entrypoint", START[0], image, *START[1:]]
        done = subprocess.run(start, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
