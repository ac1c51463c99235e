import subprocess
import sys
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from drumline.models import progress
from drumline.models.model_run import read_epochs
from drumline.models.sizes import ConvSizes, Training
from drumline.models.training import fit

from drumline.errors import InputError
from tests.models import resumable
from tests.models.tiny import BARS, TINY, build

SHORT = Training(batch_size=32, steps=6, learning_rate=1e-2, evaluate_every=2)


def conv():
    return build("conv", BARS, TINY["conv"])


def weights_in(path: Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def started(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", resumable.__name__, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def killed_in_epoch(number: int, folder: Path) -> str:
    """Starts the resumable run and kills it some time after it has ended that epoch. Returns what it had said."""
    with started(folder) as process:
        table, last = folder / "epochs.csv", folder / "last.weights.h5"
        while process.poll() is None and not (last.exists() and len(read_epochs(table)) >= number):
            time.sleep(0.01)
        time.sleep(0.1 * number)
        process.kill()
        return process.communicate()[0]


def test_a_run_killed_twice_ends_with_the_weights_of_an_unbroken_one(tmp_path):
    killed, unbroken = tmp_path / "killed", tmp_path / "unbroken"
    with started(unbroken) as whole:
        assert "resumed" not in killed_in_epoch(1, killed)
        assert "vae: resumed at step " in killed_in_epoch(3, killed)
        assert len(read_epochs(killed / "epochs.csv")) < 6
        resumable.train(killed)
        whole.communicate()
        assert whole.returncode == 0

    figures = [
        [{**epoch, "minutes": 0.0} for epoch in read_epochs(folder / "epochs.csv")] for folder in (killed, unbroken)
    ]
    assert figures[0] == figures[1]
    assert [epoch["step"] for epoch in figures[0]] == [20, 40, 60, 80, 100, 110]
    for name in ("best.weights.h5", "last.weights.h5"):
        broken, whole = weights_in(killed / name), weights_in(unbroken / name)
        assert broken.keys() == whole.keys()
        assert len(whole) > 10
        for key in whole:
            np.testing.assert_array_equal(broken[key], whole[key], err_msg=f"{name} {key}")
    with np.load(killed.with_suffix(".npz")) as broken, np.load(unbroken.with_suffix(".npz")) as whole:
        for key in whole:
            np.testing.assert_array_equal(broken[key], whole[key])


@pytest.mark.parametrize("file", ["epochs.csv", "best.weights.h5", "last.weights.h5"])
def test_a_kill_in_the_middle_of_a_write_loses_no_more_than_that_epoch(file, pattern, tmp_path, monkeypatch):
    fit(conv(), "conv", pattern, pattern[:8], SHORT, tmp_path / "unbroken", report=str)

    replace, writes = progress.replace, []

    def dying(path, write):
        writes.append(path.name)
        if path.name == file and writes.count(file) == 2:
            path.with_name(f"new-{file}").write_bytes(b"\x89HDF half a file")
            raise KeyboardInterrupt
        replace(path, write)

    monkeypatch.setattr(progress, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        fit(conv(), "conv", pattern, pattern[:8], SHORT, tmp_path / "killed", report=str)
    monkeypatch.undo()
    lines = []
    fit(conv(), "conv", pattern, pattern[:8], SHORT, tmp_path / "killed", report=lines.append)
    assert lines[0] == "conv: resumed at step 2 of 6"
    assert [line.split(",")[0] for line in lines[1:]] == ["conv: epoch 2/3", "conv: epoch 3/3"]
    for name in ("best.weights.h5", "last.weights.h5"):
        killed, whole = weights_in(tmp_path / "killed" / name), weights_in(tmp_path / "unbroken" / name)
        for key in whole:
            np.testing.assert_array_equal(killed[key], whole[key], err_msg=f"{name} {key}")


def test_the_optimizers_state_and_step_are_in_the_checkpoint(pattern, tmp_path):
    fit(conv(), "conv", pattern, pattern[:8], SHORT, tmp_path, report=str)
    kept = weights_in(tmp_path / "last.weights.h5")
    optimizer = {name: value for name, value in kept.items() if name.startswith("optimizer")}
    assert 6 in [int(value) for value in optimizer.values() if value.shape == ()]
    # Adam keeps two moments of every weight.
    assert sum(value.size for value in optimizer.values()) > 2 * conv().count_params()


def test_a_run_that_is_over_is_not_trained_again(pattern, tmp_path):
    first, second, lines = conv(), conv(), []
    history = fit(first, "conv", pattern, pattern[:8], SHORT, tmp_path, report=str)
    assert fit(second, "conv", pattern, pattern[:8], SHORT, tmp_path, report=lines.append) == history
    assert lines == ["conv: resumed at step 6 of 6"]
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_patience_counts_the_epochs_before_the_kill(pattern, tmp_path):
    recipe = Training(batch_size=32, steps=400, learning_rate=2e-2, evaluate_every=5, patience=2)
    unlike = 511 - pattern[:32]
    unbroken = fit(conv(), "conv", pattern, unlike, recipe, tmp_path / "unbroken", report=str)
    dies = len(unbroken["epoch"]) - 1  # one epoch after the best

    def report(line):
        if line.startswith(f"conv: epoch {dies}/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(conv(), "conv", pattern, unlike, recipe, tmp_path / "killed", report=report)
    resumed = fit(conv(), "conv", pattern, unlike, recipe, tmp_path / "killed", report=str)
    assert resumed["val_loss"] == unbroken["val_loss"]


def test_the_minutes_of_all_parts_count(pattern, tmp_path, monkeypatch):
    """A clock by which each look takes a minute: an epoch takes one, so that a limit of three is three epochs."""
    ticks = iter(range(0, 6000, 60))
    monkeypatch.setattr("drumline.models.callbacks.time.monotonic", lambda: float(next(ticks)))
    recipe = Training(batch_size=32, steps=20, evaluate_every=2, minutes=3)

    def report(line):
        if "epoch 2/" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(conv(), "conv", pattern, pattern[:8], recipe, tmp_path, report=report)
    assert fit(conv(), "conv", pattern, pattern[:8], recipe, tmp_path, report=str)["minutes"] == [1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n cut off"])
def test_a_damaged_checkpoint_is_refused_by_its_folder(content, pattern, tmp_path):
    (tmp_path / "last.weights.h5").write_bytes(content)
    with pytest.raises(InputError, match=f"conv: the checkpoint in {tmp_path} is damaged .*delete the folder"):
        fit(conv(), "conv", pattern, pattern[:8], SHORT, tmp_path, report=str)


def test_the_checkpoint_of_another_network_is_refused(pattern, tmp_path):
    other = build("conv", BARS, ConvSizes(history=11, filters=9, kernel=4, pool=2))
    fit(other, "conv", pattern, pattern[:8], SHORT, tmp_path, report=str)
    with pytest.raises(InputError, match="another network's"):
        fit(conv(), "conv", pattern, pattern[:8], SHORT, tmp_path, report=str)


def test_the_best_weights_open_in_a_network_of_their_own(pattern, tmp_path):
    trained, fresh = conv(), conv()
    fit(trained, "conv", pattern, pattern[:8], SHORT, tmp_path, report=str)
    keras.saving.load_weights(fresh, tmp_path / "best.weights.h5")
    for one, other in zip(trained.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
