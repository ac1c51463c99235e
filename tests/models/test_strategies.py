"""Several devices, or machines, against one: logical CPU devices and localhost, each run in processes of its own."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from drumline.models.sizes import Training
from drumline.models.training import fit, strategy_of

from drumline.errors import InputError
from tests.models import on_devices
from tests.models.tiny import BARS, TINY, build


def trained(tmp_path, model: str, devices: int, strategy: str = "-") -> dict[str, np.ndarray]:
    return finished(started(tmp_path / f"{model}-{devices}.npz", model, devices, strategy))


def started(out: Path, model: str, devices: int, strategy: str, **variables: str) -> tuple[Path, subprocess.Popen]:
    command = [sys.executable, "-m", on_devices.__name__, str(out), model, str(devices), strategy]
    return out, subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.PIPE, text=True)


def finished(run: tuple[Path, subprocess.Popen]) -> dict[str, np.ndarray]:
    out, process = run
    _, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    with np.load(out) as file:
        return dict(file)


def assert_alike(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    assert some.keys() == others.keys()
    for name in some:
        np.testing.assert_allclose(some[name], others[name], rtol=1e-4, atol=2e-5, err_msg=name)


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("localhost", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def test_two_devices_train_the_weights_and_the_moments_that_one_does(tmp_path):
    assert_alike(trained(tmp_path, "lstm", 2, "mirrored"), trained(tmp_path, "lstm", 1))


def test_two_machines_train_the_weights_and_the_moments_that_one_does(tmp_path):
    workers = [f"localhost:{port}" for port in free_ports(2)]
    runs = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        runs.append(started(tmp_path / f"{index}.npz", "lstm", 1, "multi_worker", TF_CONFIG=json.dumps(task)))
    chief, other = (finished(run) for run in runs)
    assert_alike(chief, other)
    assert_alike(chief, trained(tmp_path, "lstm", 1))


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
