"""What Trainer calls, without the nodes before it: `tests/end_to_end` has those."""

import csv
import json
import logging
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from drumline.models import progress
from drumline.models import trainer as training
from drumline.models.sizes import ConvSizes, Training

from drumline.errors import InputError

RECIPE = Training(batch_size=16, steps=6, evaluate_every=2)


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """What TFX hands to run_fn in its execution number n, as a function of n. The export is a file that says so."""
    rng = np.random.default_rng(0)
    windows = {split: rng.integers(0, 512, (count, 32)) for split, count in (("train", 40), ("eval", 10))}

    def read(files, options, schema):
        return tf.data.Dataset.from_tensor_slices({"combinations": windows[files[0]]}).batch(options.batch_size)

    def save(model, directory, **_):
        (tmp_path / directory).mkdir(parents=True)
        np.savez(tmp_path / directory / "weights.npz", *model.get_weights())

    transform = SimpleNamespace(
        transformed_metadata=SimpleNamespace(schema=None), transform_features_layer=lambda: None
    )
    monkeypatch.setattr(training.tft, "TFTransformOutput", lambda folder: transform)
    monkeypatch.setattr(training, "frequencies", lambda _: {0: 1})
    monkeypatch.setattr(training.export, "save", save)

    def of_execution(number: int, recipe: Training = RECIPE, **config) -> SimpleNamespace:
        sizes = ConvSizes(history=11, filters=4, kernel=4, pool=2)
        described = {"profile": "demo", "model": "conv", "kind": "conv", "bars": 2}
        config = described | {"sizes": asdict(sizes), "training": asdict(recipe)} | config
        return SimpleNamespace(
            custom_config=config,
            train_files=["train"],
            eval_files=["eval"],
            transform_output="transform/1",
            hyperparameters=None,
            model_run_dir=str(tmp_path / f"model_run/{number}"),
            serving_model_dir=str(tmp_path / f"model/{number}"),
            data_accessor=SimpleNamespace(tf_dataset_factory=read),
        )

    return of_execution


def dies_after(writes: int, monkeypatch) -> None:
    replace, done = progress.replace, []

    def dying(path, write):
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(path)
        replace(path, write)

    monkeypatch.setattr(progress, "replace", dying)


def weights(path) -> list[np.ndarray]:
    with np.load(path) as file:
        return list(file.values())


def test_the_next_execution_goes_on_where_a_killed_one_stopped(arguments, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "drumline")
    checkpoints = str(tmp_path / "checkpoints")
    with monkeypatch.context() as patched:
        dies_after(5, patched)
        with pytest.raises(KeyboardInterrupt):
            training.run_fn(arguments(1, checkpoints=checkpoints))
    training.run_fn(arguments(2, checkpoints=checkpoints))
    assert "conv: resumed at step 2 of 6" in caplog.messages

    training.run_fn(arguments(3))
    resumed, unbroken = (weights(tmp_path / f"model/{number}/weights.npz") for number in (2, 3))
    for one, other in zip(resumed, unbroken, strict=True):
        np.testing.assert_array_equal(one, other)


def test_after_the_export_only_the_epochs_and_the_recipe_are_left(arguments, tmp_path):
    training.run_fn(arguments(1, checkpoints=str(tmp_path / "checkpoints")))
    assert not [path for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()]
    with open(tmp_path / "model_run/1/epochs.csv") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4", "6"]
    recipe = json.loads((tmp_path / "model_run/1" / training.RECORD).read_text())
    assert (recipe["model"], recipe["training"]["steps"], recipe["sizes"]["filters"]) == ("conv", 6, 4)
    assert recipe["code"]


def test_another_recipe_or_other_data_have_checkpoints_of_their_own(arguments):
    one = training.checkpoints_of(arguments(1, checkpoints="here"))
    assert one == training.checkpoints_of(arguments(2, checkpoints="here"))
    assert str(one).startswith("here/conv-2bar/")
    assert one.name == training.checkpoints_of(arguments(1, checkpoints="there")).name
    assert one != training.checkpoints_of(arguments(1, Training(16, 8, learning_rate=0.1), checkpoints="here"))
    elsewhere = arguments(1, checkpoints="here")
    elsewhere.transform_output = "transform/2"
    assert one != training.checkpoints_of(elsewhere)


def test_a_longer_run_goes_on_from_a_shorter_one(arguments):
    folders = {
        training.checkpoints_of(arguments(1, Training(16, steps, minutes=minutes), checkpoints="here"))
        for steps, minutes in ((7, None), (8, None), (8, 1.0))
    }
    assert len(folders) == 1


def test_too_few_examples_are_refused_by_their_number(arguments):
    with pytest.raises(InputError, match=r"conv: fewer examples \(40\) than one batch \(64\)"):
        training.run_fn(arguments(1, Training(batch_size=64, steps=1)))


def best_hyperparameters(**values) -> dict:
    return {"space": [], "values": values}


def test_the_model_has_the_sizes_that_a_search_chose(arguments, tmp_path, caplog):
    caplog.set_level(logging.INFO, "drumline")
    tuned = arguments(1)
    tuned.hyperparameters = best_hyperparameters(filters=6, kernel=8, pool=1)
    training.run_fn(tuned)
    shapes = [weight.shape for weight in weights(tmp_path / "model/1/weights.npz")]
    assert shapes == [(8, 9, 6), (6,), (4, 6, 9), (9,)]  # a history of 11 has 4 places for a kernel of 8
    assert "conv: the search chose filters 6, kernel 8, pool 1" in caplog.messages


def test_other_sizes_of_a_search_have_checkpoints_of_their_own(arguments):
    folders = []
    for hyperparameters in (None, best_hyperparameters(filters=6), best_hyperparameters(filters=8)):
        tuned = arguments(1, checkpoints="here")
        tuned.hyperparameters = hyperparameters
        folders.append(training.checkpoints_of(tuned))
    assert len(set(folders)) == 3
