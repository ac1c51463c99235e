"""This machine and this code, as a report names them."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from drumline import __version__

ROOT = Path(__file__).parent.parent
PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "tfx", "tensorflow-model-analysis", "apache-beam")


def hardware() -> str:
    """Processor, cores, memory and GPUs, as: 2 cores of AMD EPYC, 8 GB of memory, no GPU."""
    names = _values("/proc/cpuinfo", "model name")
    memory = int(_values("/proc/meminfo", "MemTotal")[0].split()[0]) / 2**20
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {names[0] if names else platform.machine()}, {memory:.0f} GB of memory, {_gpus()}"


def _values(path: str, key: str) -> list[str]:
    """The values of a key in a file of lines `key : value`."""
    lines = (line.partition(":") for line in Path(path).read_text().splitlines())
    return [value.strip() for name, _, value in lines if name.strip() == key]


def _gpus() -> str:
    import tensorflow as tf

    devices = [
        tf.config.experimental.get_device_details(device).get("device_name", device.name)
        for device in tf.config.list_physical_devices("GPU")
    ]
    return ", ".join(devices) or "no GPU"


def software() -> str:
    """The versions of Python and of what computes."""
    packages = (f"{package} {metadata.version(package)}" for package in PACKAGES)
    return ", ".join((f"Python {platform.python_version()}", *packages))


def code_version() -> str:
    """What git calls the code of this folder, -dirty where files were changed since; or DRUMLINE_CODE, in an image;
    or, installed, the version.
    """
    if name := os.environ.get("DRUMLINE_CODE"):
        return name
    if not (ROOT / "pyproject.toml").is_file():
        # Installed: a repository around the environment is not this code's.
        return __version__
    command = ["git", "-C", str(ROOT), "describe", "--always", "--tags", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
