import csv
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import accuracy
from models.registry import MODELS, build
from models.sizes import Training, VaeSizes
from models.training import DecayToFloor, fit
from tests.models.tiny import BARS, TINY

QUICK = Training(batch_size=32, steps=80, learning_rate=2e-2, evaluate_every=40)


def batches(windows: np.ndarray, size: int = 32) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(windows).batch(size)


@pytest.mark.parametrize("name", MODELS)
def test_training_beats_the_majority(name, pattern):
    model, lines = build(name, BARS, TINY[name]), []
    history = fit(model, name, batches(pattern), batches(pattern[:48]), QUICK, report=lines.append)
    assert history["loss"][1] < history["loss"][0]
    assert history["val_loss"][1] < history["val_loss"][0]
    majority = max(np.mean(pattern == combination) for combination in np.unique(pattern))
    assert history["val_teacher_forced_accuracy"][-1] > majority + 0.1
    assert history["val_sampled_accuracy"][-1] > majority + 0.1
    assert [line.split(",")[0] for line in lines] == [f"{name}: epoch 1/2", f"{name}: epoch 2/2"]
    assert f"sampled accuracy {history['val_sampled_accuracy'][-1]:.3f}" in lines[-1]


def test_held_out_figures_are_means_over_windows_though_batches_differ_in_size(pattern):
    """Also of a dataset that does not know its length, of which Keras once counted a batch too many."""
    model = build("conv", BARS, TINY["conv"])
    held_out = batches(pattern[:40], 32).filter(lambda _: True)
    history = fit(model, "conv", batches(pattern), held_out, dataclasses.replace(QUICK, steps=2), report=str)
    windows = tf.constant(pattern[:40])
    assert history["val_loss"] == pytest.approx([np.mean(model.outcome(windows)["loss"])], rel=1e-4)
    assert history["val_teacher_forced_accuracy"] == pytest.approx(
        [np.mean(accuracy.teacher_forced_accuracy(model, windows))]
    )
    assert history["val_sampled_accuracy"] == pytest.approx([np.mean(accuracy.sampled_accuracy(model, windows))])


def test_the_best_epoch_is_kept_and_patience_ends(pattern):
    model = build("conv", BARS, TINY["conv"])
    # Trained on one thing and judged by another, the held-out loss soon rises.
    other = batches(511 - pattern[:32])
    training = dataclasses.replace(QUICK, steps=200, evaluate_every=5, patience=2)
    history = fit(model, "conv", batches(pattern), other, training, report=str)
    best = int(np.argmin(history["val_loss"]))
    assert len(history["val_loss"]) == best + 3 < 40
    kept = np.mean(model.outcome(tf.constant(511 - pattern[:32]))["loss"])
    assert kept == pytest.approx(history["val_loss"][best], rel=1e-4)


def test_the_same_seed_trains_the_same_weights(pattern):
    sizes = VaeSizes(latent=2, encoder="sequence", encoder_units=4, decoder_units=4, decoder_layers=1)

    def weights():
        model = build("flat_vae", BARS, sizes)
        training = dataclasses.replace(QUICK, steps=2)
        fit(model, "flat_vae", batches(pattern), batches(pattern[:8]), training, report=str)
        return np.concatenate([weight.ravel() for weight in model.get_weights()])

    np.testing.assert_allclose(weights(), weights(), atol=1e-6)


def test_the_log_folder_holds_each_epoch_and_the_best_weights(pattern, tmp_path):
    model, folder = build("conv", BARS, TINY["conv"]), tmp_path / "log"
    history = fit(model, "conv", batches(pattern), batches(pattern[:8]), QUICK, log_dir=folder, report=str)
    with open(folder / "epochs.csv") as file:
        assert [float(row["val_loss"]) for row in csv.DictReader(file)] == pytest.approx(history["val_loss"])
    assert (folder / "best.weights.h5").stat().st_size > 0


def test_the_learning_rate_falls_by_the_decay_down_to_its_floor():
    rate = DecayToFloor(1e-3, 1e-5, 0.9999)
    assert float(rate(0)) == pytest.approx(1e-3)
    assert float(rate(1000)) == pytest.approx(1e-3 * 0.9999**1000, rel=1e-4)
    assert float(rate(100_000)) == pytest.approx(1e-5)


def test_fewer_examples_than_a_batch_are_refused(pattern):
    model = build("conv", BARS, TINY["conv"])
    with pytest.raises(ValueError, match=r"conv: fewer examples \(31\) than one batch \(32\); add MIDI"):
        fit(model, "conv", batches(pattern[:31], 7), batches(pattern), QUICK)
    with pytest.raises(ValueError, match="no held-out example"):
        fit(model, "conv", batches(pattern), batches(pattern[:0]), QUICK)


def test_a_loss_that_is_no_number_is_refused_with_its_step(pattern):
    model = build("conv", BARS, TINY["conv"])
    model.convolution.bias.assign(keras.ops.full_like(model.convolution.bias, np.nan))
    with pytest.raises(RuntimeError, match="conv: the loss is nan at step 1; lower learning_rate"):
        fit(model, "conv", batches(pattern), batches(pattern), QUICK)
