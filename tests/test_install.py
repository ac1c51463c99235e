"""Drumline installed: a wheel, an editable install, a checkout beside Kubeflow's own SDK, and pytest without `run`."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from drumline.serving.server import ModelServer

import drumline
from tests.models.saved import push
from tests.serving.running import FLAT

ROOT = Path(__file__).parent.parent
FOLDERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
NOT_INSTALLED = {"kubeflow/Dockerfile", "kubeflow/README.md"}  # for those who have the checkout


def environment(**added: str) -> dict[str, str]:
    """The variables of this process without those that lead to the checkout, or that importing drumline has set."""
    ours = ("PYTHONPATH", "TF_USE_LEGACY_KERAS", "KERAS_BACKEND")
    return {name: value for name, value in os.environ.items() if name not in ours} | added


def call(*command, cwd=None, **added: str) -> str:
    """Runs a command and returns what it prints, with its errors."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment(**added),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of what is installed: the build leaves files of its own."""
    checkout = tmp_path_factory.mktemp("install") / "checkout"
    for folder in ("drumline", *FOLDERS.values()):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, checkout)
    return checkout


@pytest.fixture(scope="module")
def wheel(checkout) -> Path:
    """The wheel."""
    call("uv", "build", "--wheel", "--no-build-isolation", "--python", sys.executable, checkout)
    (wheel,) = (checkout / "dist").glob("*.whl")
    return wheel


def make_venv(folder: Path, *, with_packages: bool) -> Path:
    """Makes a virtual environment and returns its Python; behind its own packages those of this environment."""
    call("uv", "venv", "--python", sys._base_executable, folder)
    if with_packages:
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "behind.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


def install(python: Path, *what) -> None:
    """Installs without a look at the checkout."""
    call("uv", "pip", "install", "--python", python, *what, cwd=python.parent)


def test_the_wheel_holds_every_file_of_the_package_below_one_name(checkout, wheel):
    expected = {f"drumline/{path.name}" for path in (checkout / "drumline").iterdir() if path.is_file()}
    for package, folder in FOLDERS.items():
        files = {path.relative_to(checkout) for path in (checkout / folder).rglob("*") if path.is_file()}
        name = package.replace(".", "/")
        expected |= {f"{name}/{file.relative_to(folder)}" for file in files if str(file) not in NOT_INSTALLED}
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert found == expected
    assert {"drumline/schema/window.pbtxt", "drumline/pipeline/profile_files/demo.toml"} < found


@pytest.mark.parametrize("editable", [False, True], ids=["wheel", "editable"])
def test_what_is_installed_is_what_runs(checkout, request, tmp_path, editable):
    python = make_venv(tmp_path / "venv", with_packages=True)
    if editable:
        install(python, "--no-deps", "--no-build-isolation", "--editable", checkout)
        home = checkout
    else:
        install(python, "--no-deps", request.getfixturevalue("wheel"))
        home = next((tmp_path / "venv").glob("lib/python*/site-packages/drumline"))
    program = (
        "from drumline.pipeline.config import Config; import sys; "
        "print(sys.modules['drumline.pipeline.config'].__file__, Config('songs', 2, 'cpu').model_profiles.keys())"
    )
    where, models = call(python, "-c", program, cwd=tmp_path).split(maxsplit=1)
    assert where == str(home / "pipeline" / "config.py")
    assert "lstm" in models
    version = call(tmp_path / "venv" / "bin" / "drumline", "--version", cwd=tmp_path)
    assert version == f"drumline, version {drumline.__version__}\n"


def test_the_client_is_installed_and_asks_a_server_without_tensorflow(wheel, tmp_path):
    python = make_venv(tmp_path / "venv", with_packages=False)
    install(python, f"drumline[client] @ {wheel.as_uri()}")
    push("flat_vae", tmp_path / "serving")
    program = """if True:
        import importlib.util, json, sys
        from drumline.serving.rest_client import RestClient
        with RestClient(sys.argv[1]) as client:
            hits = client.model(sys.argv[2]).call("sample", temperature=[1.0], seed=[[0, 7]])["hits"]
        print(json.dumps([importlib.util.find_spec("tensorflow"), str(hits.dtype), hits.shape]))
    """
    with ModelServer(tmp_path / "serving") as server:
        answer = call(python, "-c", program, f"http://127.0.0.1:{server.rest_port}", FLAT, cwd=tmp_path)
    assert json.loads(answer) == [None, "int64", [1, 32, 9]]


@pytest.fixture
def beside_kubeflow(tmp_path):
    """Runs Python in the checkout and with it on PYTHONPATH, and a regular package `kubeflow` on the path, too."""
    sdk = tmp_path / "site" / "kubeflow" / "__init__.py"
    sdk.parent.mkdir(parents=True)
    sdk.write_text("NAME = 'the SDK of Kubeflow'\n")
    path = os.pathsep.join([str(ROOT), str(sdk.parent.parent)])
    return lambda *arguments: call(sys.executable, *arguments, cwd=ROOT, PYTHONPATH=path)


def test_kubeflows_sdk_and_the_folder_of_its_name_live_side_by_side(beside_kubeflow):
    program = "import drumline.kubeflow.compile as own, kubeflow; print(kubeflow.NAME, own.__file__, sep=chr(10))"
    assert beside_kubeflow("-c", program).splitlines()[-2:] == [
        "the SDK of Kubeflow",
        str(ROOT / "kubeflow" / "compile.py"),
    ]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["-m", "drumline.kubeflow.entrypoint", "--help"], "--executor_class_path"),
        (["-m", "drumline", "kubeflow", "compile", "--help"], "--image"),
    ],
    ids=["entrypoint", "compile"],
)
def test_commands_start_beside_kubeflows_sdk(beside_kubeflow, command, said):
    assert said in beside_kubeflow(*command)


@pytest.mark.parametrize("command", [["pytest"], [sys.executable, "-m", "pytest"]], ids=["pytest", "python -m pytest"])
def test_pytest_works_where_the_environment_is_active(command):
    passed = call(*command, "tests/drums/test_kit.py", "-p", "no:cacheprovider", cwd=ROOT)
    assert " passed" in passed
    assert "failed" not in passed
