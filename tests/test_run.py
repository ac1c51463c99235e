"""The script `run`, on a copy of it whose lock names two small packages and whose cache is a folder of its own.

Where this machine's own Python is too old, the same tests pass through the Debian 13 userland that `run` makes then:
`python3 -m pytest tests/test_run.py`, as root and outside the environment.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import drumline

ROOT = Path(__file__).parent.parent
PACKAGES = ("uv", "packaging")
GLIBC = tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")))
NEEDS_USERLAND = not ((3, 12) <= sys.version_info[:2] <= (3, 13) and GLIBC >= (2, 39))
# What `run` itself sets for the programs that it runs, this one among them.
OF_RUN = ("DRUMLINE_USERLAND", "DRUMLINE_CACHE", "PYTHONPATH")


def small_lock() -> str:
    """The blocks of PACKAGES in the real lock: from a line that names one to the last that a backslash continues."""
    lines, kept, keeping = (ROOT / "requirements.lock").read_text().splitlines(), [], False
    for line in lines:
        keeping = keeping or line.startswith(tuple(f"{package}==" for package in PACKAGES))
        if keeping:
            kept.append(line)
            keeping = line.endswith("\\")
    return "\n".join(kept) + "\n"


class Project:
    """A copy of `run` and what it reads, in a folder whose name has a space."""

    def __init__(self, folder: Path):
        self.root, self.cache = folder / "a project", folder / "cache"
        self.root.mkdir(parents=True)
        shutil.copy(ROOT / "run", self.root)
        shutil.copy(ROOT / "packages.txt", self.root)
        (self.root / "drumline").mkdir()
        shutil.copy(ROOT / "drumline" / "__init__.py", self.root / "drumline")
        (self.root / "requirements.lock").write_text(small_lock())

    def start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen:
        inherited = {name: value for name, value in os.environ.items() if name not in OF_RUN}
        return subprocess.Popen(
            [self.root / "run", *arguments],
            cwd=cwd,
            env={**inherited, "DRUMLINE_CACHE": str(self.cache), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A background job of a shell ignores Ctrl-C, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def call(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
        return finished(self.start(*arguments, cwd=cwd, **environment))

    def venvs(self) -> list[Path]:
        return sorted(self.cache.glob("venv-*"))


def finished(process: subprocess.Popen) -> subprocess.CompletedProcess:
    output, errors = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def wait_until(there, process: subprocess.Popen) -> None:
    for _ in range(30000):
        if there():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    pytest.fail("waited in vain")


def kill_all(process: subprocess.Popen) -> None:
    """As when the machine goes down: the whole process group, at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Project:
    """A project that is set up."""
    project = Project(tmp_path_factory.mktemp("run"))
    done = project.call("true")
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def new_project(tmp_path) -> Project:
    """A project that was never set up."""
    return Project(tmp_path)


# What it says


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_without_a_command_it_prints_the_commands_and_makes_nothing(new_project, arguments):
    done = new_project.call(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("demo", "test", "drumline ...", "tfx ...", "lint", "lock"):
        assert f"\n  {command} " in done.stdout
    assert not new_project.cache.exists()


def test_the_version_is_that_of_the_package_and_needs_no_environment(new_project):
    done = new_project.call("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"drumline {drumline.__version__}\n"
    assert not new_project.cache.exists()


def test_an_unknown_command_is_one_sentence(project):
    done = project.call("no-such-command", "argument")
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr == "run: there is no command 'no-such-command' (./run lists the commands)\n"


def test_a_cache_that_cannot_be_written_is_one_sentence(new_project):
    (new_project.root / "file").touch()
    done = new_project.call("true", DRUMLINE_CACHE=str(new_project.root / "file" / "cache"))
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert "cannot write to the cache folder" in line
    assert "DRUMLINE_CACHE" in line


def test_without_a_home_it_asks_for_a_folder_in_one_sentence_and_helps_all_the_same(new_project):
    nowhere = {"HOME": "", "XDG_CACHE_HOME": "", "DRUMLINE_CACHE": ""}
    done = new_project.call("true", **nowhere)
    assert done.returncode != 0
    assert done.stderr == "run: HOME is not set; set it, or name a folder for the environment by DRUMLINE_CACHE\n"
    assert new_project.call("--help", **nowhere).returncode == 0


def machine(folder: Path, *, root: bool, apt: bool) -> str:
    """A PATH with an old Python and few other programs."""
    folder.mkdir()
    for name in ("bash", "cat", "cut", "dirname", "env", "grep", "mkdir", "paste", "readlink", "sha256sum"):
        (folder / name).symlink_to(shutil.which(name))
    stubs = {"python3": "exit 1  # as the real one says to what `run` asks", "id": f"echo {0 if root else 1000}"}
    stubs |= {"apt-get": "echo apt-get was called; exit 1"} if apt else {}
    for name, commands in stubs.items():
        (folder / name).write_text(f"#!/bin/sh\n{commands}\n")
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(("root", "apt"), [(False, True), (True, False)], ids=["not root", "no apt"])
def test_a_machine_that_is_too_old_is_told_of_docker_in_one_sentence(new_project, tmp_path, root, apt):
    done = new_project.call("true", PATH=machine(tmp_path / "bin", root=root, apt=apt))
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert "Python 3.12 or 3.13 with glibc 2.39" in line
    assert "docker build -f kubeflow/Dockerfile" in line
    assert not new_project.cache.exists()


def test_a_userland_without_its_python_is_not_entered_again(new_project, tmp_path):
    path = machine(tmp_path / "bin", root=True, apt=True)
    done = new_project.call("true", PATH=path, DRUMLINE_USERLAND="/some/userland")
    assert done.returncode != 0
    assert done.stderr == "run: the userland /some/userland is broken; delete it and call again\n"


# What it runs


def test_the_locked_packages_are_there_and_the_project_is_importable(project):
    (project.root / "here.py").write_text("import packaging; print(packaging.__file__)")
    done = project.call("python", "-m", "here", cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(project.venvs()[0])


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_of_the_command_is_passed_on(project, code):
    assert project.call("sh", "-c", f"exit {code}").returncode == code


def test_arguments_survive_as_they_are(project):
    arguments = ["two words", "", "*", "$HOME", 'a "quote"', "it's", "line\nbreak", "--help", "ü"]
    done = project.call("python", "-c", "import sys; print(sys.argv[1:])", *arguments)
    assert done.stdout.strip() == str(arguments)


def test_standard_input_reaches_the_command(project):
    environment = {**os.environ, "DRUMLINE_CACHE": str(project.cache)}
    done = subprocess.run([project.root / "run", "cat"], input="a\nb", capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "a\nb")


def test_the_working_directory_is_kept(project, tmp_path):
    there = tmp_path / "another folder"
    there.mkdir()
    assert project.call("pwd", cwd=there).stdout == f"{there}\n"


def test_it_runs_through_a_link_to_it(project, tmp_path):
    (tmp_path / "link").symlink_to(project.root / "run")
    environment = {**os.environ, "DRUMLINE_CACHE": str(project.cache)}
    done = subprocess.run(
        [tmp_path / "link", "sh", "-c", "echo $PYTHONPATH"], capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip().split(":")[0] == str(project.root)


def test_a_call_from_within_uses_the_same_environment_and_keeps_its_directory(project, tmp_path):
    inner = f"cd '{tmp_path}' && '{project.root}/run' python -c 'import os, sys; print(sys.prefix, os.getcwd())'"
    done = project.call("sh", "-c", inner)
    assert done.returncode == 0, done.stderr
    (venv,) = project.venvs()
    assert done.stdout == f"{venv} {tmp_path}\n"
    assert done.stderr == ""


def test_ctrl_c_reaches_the_command(project):
    child = """if True:
        import sys, time
        try:
            print("ready", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted")
            sys.exit(5)"""
    process = project.start("python", "-c", child)
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    done = finished(process)
    assert (done.returncode, done.stdout) == (5, "interrupted\n")


def test_the_exit_status_tells_of_ctrl_c(project):
    process = project.start("python", "-c", "import time; print('ready', flush=True); time.sleep(60)")
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    assert finished(process).returncode == -signal.SIGINT


def test_two_run_at_once(project, tmp_path):
    # Each waits for the other's file: neither ends unless both run.
    meet = "touch $0; until [ -e $1 ]; do sleep 0.05; done"
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    both = [project.start("sh", "-c", meet, one, two), project.start("sh", "-c", meet, two, one)]
    assert [finished(process).returncode for process in both] == [0, 0]


# What its own commands run


@pytest.fixture
def run_with(project):
    """Calls a command of `run` in whose stead a Python module prints its arguments, and returns these."""

    def run_with(module: str, *arguments: str, cwd: Path | None = None) -> list[str]:
        file = project.root / f"{module}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text("import sys\nprint(*sys.argv[1:], sep='\\n')\n")
        done = project.call(*arguments, cwd=cwd)
        file.unlink()
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run_with


@pytest.mark.parametrize("name", ["drumline", "drums"])
def test_the_command_line_has_a_name_and_its_former_one(run_with, name):
    assert run_with("drumline/__main__", name, "table", "--json") == ["table", "--json"]


def test_modules_in_the_working_folder_are_not_the_command_lines(run_with, tmp_path):
    (tmp_path / "drumline").mkdir()
    (tmp_path / "drumline" / "__init__.py").write_text("raise SystemExit('the package in the working folder')")
    assert run_with("drumline/__main__", "drumline", "table", cwd=tmp_path) == ["table"]


def test_the_demo_is_a_command_of_the_command_line(run_with):
    assert run_with("drumline/__main__", "demo", "--help") == ["demo", "--help"]


ALL_CORES = ["--numprocesses", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]


@pytest.mark.parametrize("arguments", [[], ["--quick"], ["-k", "a b"], ["-m", "slow"]], ids=" ".join)
def test_without_a_path_the_tests_run_on_all_cores(run_with, arguments):
    assert run_with("pytest", "test", *arguments) == [*ALL_CORES, *arguments]


@pytest.mark.parametrize("arguments", [["drumline"], ["-x", "packages.txt::test_a[b c]"]], ids=" ".join)
def test_with_a_path_the_tests_run_in_one_process(run_with, arguments):
    assert run_with("pytest", "test", *arguments) == arguments


# How it sets up


def test_a_set_up_is_made_once(project):
    (venv,) = project.venvs()
    before = (venv / ".complete").stat().st_mtime_ns
    done = project.call("true")
    assert (done.returncode, done.stderr) == (0, "")
    assert (venv / ".complete").stat().st_mtime_ns == before


def test_an_interrupted_set_up_is_repaired_by_the_next_call(new_project):
    process = new_project.start("true")
    wait_until(lambda: any((venv / "uv.txt").exists() for venv in new_project.venvs()), process)
    kill_all(process)
    (venv,) = new_project.venvs()
    assert not (venv / ".complete").exists()
    (venv / "bin" / "python").unlink()
    (venv / "half").touch()
    done = new_project.call("python", "-c", "import packaging")
    assert done.returncode == 0, done.stderr
    assert not (venv / "half").exists()


def test_two_first_calls_at_once_both_work(new_project):
    both = [new_project.start("python", "-c", "import packaging; print(1)") for _ in range(2)]
    done = [finished(process) for process in both]
    assert [(call.returncode, call.stdout) for call in done] == [(0, "1\n")] * 2, [call.stderr for call in done]
    errors = "".join(call.stderr for call in done)
    assert errors.count("installing the locked packages") == 1
    assert "another ./run is setting up; waiting for it" in errors


def test_a_changed_lock_makes_a_new_environment(project, tmp_path):
    # It is enough to see it begun.
    changed = Project(tmp_path)
    changed.cache = project.cache
    lock = changed.root / "requirements.lock"
    lock.write_text(lock.read_text() + "# A comment makes none.\n")
    assert changed.call("true").returncode == 0
    assert len(project.venvs()) == 1
    lock.write_text(lock.read_text() + "\n")
    process = changed.start("true")
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(lambda: [shutil.rmtree(venv) for venv in project.venvs() if not (venv / ".complete").exists()])
        cleanup.callback(kill_all, process)
        wait_until(lambda: len(project.venvs()) == 2, process)


# The Debian 13 userland, where this machine's own Python is too old

userland = pytest.mark.skipif(
    not NEEDS_USERLAND or os.geteuid() != 0,
    reason="this Python is new enough, so that `run` needs no userland (or this is not root)",
)


def mounts_below(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]


@userland
def test_a_userland_leaves_no_mount_on_the_machine(project):
    process = project.start("sh", "-c", "echo ready; sleep 60")
    assert process.stdout.readline() == "ready\n"
    assert mounts_below(project.cache) == []
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    assert mounts_below(project.cache) == []


@userland
def test_the_machines_folders_keep_their_paths_in_a_userland(project):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder, "song.mid").touch()
        assert project.call("sh", "-c", "pwd; ls", cwd=Path(folder)).stdout == f"{folder}\nsong.mid\n"


@userland
def test_a_folder_that_the_userland_hides_is_one_sentence(project):
    with tempfile.TemporaryDirectory(dir="/var/lib") as hidden:
        done = project.call("true", cwd=Path(hidden))
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("run: ")
    assert hidden in line


@userland
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_userland_is_repaired_by_the_next_call(new_project, end):
    process = new_project.start("true")
    wait_until(lambda: any(new_project.cache.glob("userland-*/usr/bin/apt-get")), process)
    os.killpg(process.pid, end)
    process.communicate()
    assert process.returncode != 0
    assert not any(new_project.cache.glob("userland-*/.complete"))
    assert mounts_below(new_project.cache) == []
    done = new_project.call("python", "-c", "import packaging")
    assert done.returncode == 0, done.stderr
    assert mounts_below(new_project.cache) == []
