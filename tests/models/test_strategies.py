"""Several devices against one: logical CPU devices, each run in a process of its own."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from drums.errors import InputError
from models.registry import build
from models.sizes import Training
from models.training import fit, strategy_of
from tests.models import on_devices
from tests.models.tiny import BARS, TINY


def trained(tmp_path, model: str, devices: int, strategy: str = "-") -> dict[str, np.ndarray]:
    out = tmp_path / f"{model}-{devices}.npz"
    command = [sys.executable, "-m", on_devices.__name__, str(out), model, str(devices), strategy]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-3000:]
    with np.load(out) as file:
        return dict(file)


def test_two_devices_train_the_weights_and_the_moments_that_one_does(tmp_path):
    one, two = trained(tmp_path, "lstm", 1), trained(tmp_path, "lstm", 2, "mirrored")
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_two_devices_train_an_autoencoder_as_well_as_one_does(tmp_path):
    """Each draws noise of its own, so the weights differ."""
    one = trained(tmp_path, "hierarchical_vae", 1)["loss"]
    two = trained(tmp_path, "hierarchical_vae", 2, "mirrored")["loss"]
    assert two[1] < two[0]
    assert two == pytest.approx(one, rel=0.05)


def test_a_batch_that_cannot_be_shared_out_is_refused(pattern, monkeypatch):
    model = build("conv", BARS, TINY["conv"])
    monkeypatch.setattr(type(model.distribute_strategy), "num_replicas_in_sync", 2)
    with pytest.raises(InputError, match="conv: a batch of 7 windows cannot be shared out among 2 devices; make"):
        fit(model, "conv", pattern, pattern, Training(7, 1))


def test_the_recipe_names_the_strategy():
    recipe = Training(8, 1)
    assert strategy_of(recipe).num_replicas_in_sync == 1
    mirrored = strategy_of(dataclasses.replace(recipe, strategy="mirrored"))
    assert isinstance(mirrored, tf.distribute.MirroredStrategy)
