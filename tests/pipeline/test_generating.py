import numpy as np
import pytest
from click.testing import CliRunner

from drums.inspection import inspect
from models.pushed import pushed_model
from pipeline import generating
from pipeline.__main__ import drums
from pipeline.generating import generate_midi
from tests.models.saved import push


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """Pushed models: two kinds, tiny and untrained, of two bars."""
    serving = tmp_path_factory.mktemp("runs") / "serving"
    for name in ("hierarchical_vae", "lstm"):
        push(name, serving)
    return serving


def generate(serving, out, model="lstm", count=2, length=None):
    return list(generate_midi(serving, model, 2, count, 1.0, 0, 120.0, out, length))


@pytest.mark.parametrize("model", ["hierarchical_vae", "lstm"])
@pytest.mark.parametrize("length", [2, 7])
def test_each_file_is_a_beat_of_the_length_that_was_asked_for(serving, tmp_path, model, length):
    paths = generate(serving, tmp_path, model, 2, length)
    assert sorted(tmp_path.iterdir()) == paths
    for path, hits in zip(paths, pushed_model(serving, model, 2).generate(2, 1.0, 0, length), strict=True):
        (found,) = inspect([str(path)])
        windows = {tuple(window) for window in found.windows(2)}
        combinations = hits @ (1 << np.arange(9))
        assert windows == {tuple(combinations[start : start + 32]) for start in range(0, 16 * (length - 1), 16)}


def test_a_beat_of_another_length_does_not_take_the_place_of_one_of_a_window(serving, tmp_path):
    names = [path.name for length in (None, 2, 3) for path in generate(serving, tmp_path, count=1, length=length)]
    assert names == ["lstm-2bar-seed0-000.mid"] * 2 + ["lstm-2bar-length3-seed0-000.mid"]


def test_many_beats_come_in_parts_and_are_the_same(serving, tmp_path, monkeypatch):
    whole = [path.read_bytes() for path in generate(serving, tmp_path / "whole", count=5, length=3)]
    monkeypatch.setattr(generating, "_BARS_AT_ONCE", 6)
    parts = generate(serving, tmp_path / "parts", count=5, length=3)
    assert [path.name[-7:-4] for path in parts] == ["000", "001", "002", "003", "004"]
    assert [path.read_bytes() for path in parts] == whole
    assert len(set(whole)) == 5


def test_the_command_prints_the_files_it_wrote(serving, tmp_path):
    command = ["--runs", str(serving.parent), "generate", "--out", str(tmp_path), "--length", "5", "--count", "2"]
    result = CliRunner().invoke(drums, command)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [str(path) for path in sorted(tmp_path.iterdir())]
    assert len(result.stdout.splitlines()) == 2
