"""What all tests share. Importing drumline first sets up Keras and TensorFlow Probability."""

import os
from pathlib import Path

import pytest

import drumline  # noqa: F401

# What `--quick` leaves out: whole pipelines, servers, browsers, and trainings of more than some seconds.
NOT_QUICK = (
    "tests/end_to_end/",
    "tests/serving/",
    "tests/test_install.py",
    "tests/test_run.py",
    "tests/kubeflow/test_run_for_real.py",
    "tests/kubeflow/test_entrypoint.py",
    "tests/kubeflow/test_image.py",
    "tests/kubeflow/test_train_job.py",
    "tests/models/test_strategies.py",
    "tests/models/test_progress.py",
    "tests/models/test_density.py",
    "tests/models/test_training.py",
    "tests/models/test_tuner.py",
    "tests/play/listening/test_browser.py",
    "tests/play/listening/test_sources.py",
    "tests/pipeline/test_flink.py",
    "tests/pipeline/test_eval_config.py",
    "tests/pipeline/test_tfx_command.py",
    "tests/results/test_report_page_in_browser.py",
    "tests/drums/test_fuzz.py",
)


def pytest_addoption(parser):
    parser.addoption(
        "--quick", action="store_true", help="leave out pipelines, servers, browsers and long trainings (two minutes)"
    )


# Files that take minutes: they come first, so that no process begins one when the others are done.
SLOW = (
    "tests/kubeflow/test_run_for_real.py",
    "tests/end_to_end/test_pipeline.py",
    "tests/pipeline/test_tfx_command.py",
    "tests/end_to_end/",
    "tests/models/test_strategies.py",
    "tests/kubeflow/",
    "tests/play/",
)


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: next((at for at, slow in enumerate(SLOW) if item.nodeid.startswith(slow)), len(SLOW)))
    if not config.getoption("--quick"):
        return
    left_out = [item for item in items if item.nodeid.startswith(NOT_QUICK)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def kept_corpora() -> Path:
    """Where real corpora lie, in the user's cache, between test runs."""
    home = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(os.environ.get("DRUMLINE_CACHE", Path(home, "drumline"))) / "test-corpora"


@pytest.fixture(scope="session")
def freedoom() -> Path:
    """The corpus of real songs: 75 MIDI files."""
    from drumline.corpora.find import fetch_freedoom

    return fetch_freedoom(kept_corpora())


@pytest.fixture(scope="session")
def planetblupi() -> Path:
    """The smallest corpus of a Debian package: 10 MIDI files."""
    from drumline.corpora.debian import fetch_debian

    return fetch_debian("planetblupi", kept_corpora())


def pytest_configure():
    """Lets the programs that tests start find the package, too, where `./run` has not set PYTHONPATH."""
    root, others = str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{root}{os.pathsep}{others}" if others else root
