"""TFX's own command line with the runner files of both engines."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.songs import write_songs
from tests.tiny_profile import LSTM, write_profile

ROOT = Path(__file__).parent.parent.parent
NODES = ("MidiExampleGen", "StatisticsGen", "Transform", "Trainer.lstm", "Evaluator.lstm", "Pusher.lstm", "Report")


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    return write_songs(tmp_path_factory.mktemp("songs"), 30)


@pytest.fixture
def tfx(songs, tmp_path):
    """Calls `tfx` as a shell would whose environment is active, the run described by DRUMLINE_*."""
    variables = {
        "HOME": str(tmp_path),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "DRUMLINE_MIDI": str(songs),
        "DRUMLINE_PROFILE": write_profile(tmp_path, LSTM),
        "DRUMLINE_MODELS": "lstm",
        "DRUMLINE_RUNS": str(tmp_path / "runs"),
    }
    # Which importing drumline has set here: the runner files must do without.
    inherited = {name: value for name, value in os.environ.items() if "KERAS" not in name}

    def tfx(*arguments: str, **changed: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["tfx", *arguments],
            cwd=tmp_path,
            env=inherited | variables | changed,
            capture_output=True,
            text=True,
            check=False,
        )

    return tfx


@pytest.mark.parametrize("engine", ["beam", "local"])
def test_tfx_creates_and_runs_the_pipeline(tfx, tmp_path, engine):
    runner = ROOT / "pipeline" / f"{engine}_runner.py"
    created = tfx("pipeline", "create", "--engine", engine, "--pipeline_path", str(runner))
    assert created.returncode == 0, created.stderr
    assert 'Pipeline "drums-2bar" created successfully.' in created.stdout
    assert (tmp_path / "tfx" / engine / "drums-2bar").is_dir()
    assert not (tmp_path / "runs" / "metadata.sqlite").exists()

    ran = tfx("run", "create", "--engine", engine, "--pipeline_name", "drums-2bar")
    assert ran.returncode == 0, ran.stderr
    shown = [line.split()[0] for line in ran.stdout.splitlines() if line.startswith("  ") and line.endswith(" s")]
    assert set(NODES) <= set(shown)
    (version,) = (tmp_path / "runs" / "serving" / "lstm-2bar").iterdir()
    assert (version / "saved_model.pb").exists()


def test_a_runner_file_says_in_one_sentence_what_is_wrong():
    refused = subprocess.run(
        [sys.executable, ROOT / "pipeline" / "local_runner.py"],
        env={name: value for name, value in os.environ.items() if name != "DRUMLINE_MIDI"} | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("Error: DRUMLINE_MIDI is not set; set it to a folder")
    assert "Traceback" not in refused.stderr
