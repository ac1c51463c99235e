import csv
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from drumline.models import accuracy
from drumline.models.conv import ConvForecaster
from drumline.models.kinds import KINDS
from drumline.models.schedules import DecayToFloor, inverse_sigmoid_ramp, linear_ramp
from drumline.models.sizes import Training, VaeSizes
from drumline.models.training import fit
from drumline.models.vae import Vae

from drumline.errors import InputError
from tests.models.tiny import BARS, TINY, build

QUICK = Training(batch_size=32, steps=80, learning_rate=2e-2, evaluate_every=40)


@pytest.mark.parametrize("name", KINDS)
def test_training_beats_the_majority(name, pattern):
    model, lines = build(name, BARS, TINY[name]), []
    history = fit(model, name, pattern, pattern[:48], QUICK, report=lines.append)
    assert history["loss"][1] < history["loss"][0]
    assert history["val_loss"][1] < history["val_loss"][0]
    majority = max(np.mean(pattern == combination) for combination in np.unique(pattern))
    assert history["val_teacher_forced_accuracy"][-1] > majority + 0.1
    assert history["val_sampled_accuracy"][-1] > majority + 0.1
    assert [line.split(",")[0] for line in lines] == [f"{name}: epoch 1/2", f"{name}: epoch 2/2"]
    assert f"sampled accuracy {history['val_sampled_accuracy'][-1]:.3f}" in lines[-1]


def test_held_out_figures_are_means_over_windows_though_batches_differ_in_size(pattern):
    model = build("conv", BARS, TINY["conv"])
    history = fit(model, "conv", pattern, pattern[:40], dataclasses.replace(QUICK, steps=2), report=str)
    windows = tf.constant(pattern[:40])
    assert history["val_loss"] == pytest.approx([np.mean(model.outcome(windows)["loss"])], rel=1e-4)
    assert history["val_teacher_forced_accuracy"] == pytest.approx(
        [np.mean(accuracy.teacher_forced_accuracy(model, windows))]
    )
    assert history["val_sampled_accuracy"] == pytest.approx([np.mean(accuracy.sampled_accuracy(model, windows))])


def test_the_best_epoch_is_kept_and_patience_ends(pattern):
    model = build("conv", BARS, TINY["conv"])
    # Trained on one thing and judged by another, the held-out loss soon rises.
    training = dataclasses.replace(QUICK, steps=200, evaluate_every=5, patience=2)
    history = fit(model, "conv", pattern, 511 - pattern[:32], training, report=str)
    best = int(np.argmin(history["val_loss"]))
    assert len(history["val_loss"]) == best + 3 < 40
    kept = np.mean(model.outcome(tf.constant(511 - pattern[:32]))["loss"])
    assert kept == pytest.approx(history["val_loss"][best], rel=1e-4)


def test_the_same_seed_trains_the_same_weights(pattern):
    sizes = VaeSizes(latent=2, encoder="sequence", encoder_units=4, decoder_units=4, decoder_layers=1)

    def weights():
        model = build("flat_vae", BARS, sizes)
        training = dataclasses.replace(QUICK, steps=2)
        fit(model, "flat_vae", pattern, pattern[:8], training, report=str)
        return np.concatenate([weight.ravel() for weight in model.get_weights()])

    np.testing.assert_allclose(weights(), weights(), atol=1e-6)


def test_the_log_folder_holds_each_epoch_and_the_best_weights(pattern, tmp_path):
    model, folder = build("conv", BARS, TINY["conv"]), tmp_path / "log"
    history = fit(model, "conv", pattern, pattern[:8], QUICK, log_dir=folder, report=str)
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
    with pytest.raises(InputError, match=r"conv: fewer examples \(31\) than one batch \(32\); add MIDI"):
        fit(model, "conv", pattern[:31], pattern, QUICK)
    with pytest.raises(InputError, match="no held-out example"):
        fit(model, "conv", pattern, pattern[:0], QUICK)


def test_a_loss_that_is_no_number_is_refused_with_its_step(pattern):
    model = build("conv", BARS, TINY["conv"])
    model.convolution.bias.assign(keras.ops.full_like(model.convolution.bias, np.nan))
    with pytest.raises(InputError, match="conv: the loss is nan at step 1; lower the learning rate"):
        fit(model, "conv", pattern, pattern, QUICK)


def test_a_batch_that_does_not_fit_is_refused_as_such(pattern, monkeypatch):
    model, outcome = build("conv", BARS, TINY["conv"]), ConvForecaster.outcome

    def huge(self, combinations, **options):
        more = tf.reduce_sum(tf.random.uniform([2**22, 2**21]))  # 35 TB, which nothing folds into a constant
        return {"loss": outcome(self, combinations, **options)["loss"] + more}

    monkeypatch.setattr(ConvForecaster, "outcome", huge)
    said = "conv: a batch of 32 windows of 32 steps does not fit into memory; lower it \\(`--set training.batch_size"
    with pytest.raises(InputError, match=said):
        fit(model, "conv", pattern, pattern, QUICK)


def test_a_loss_that_is_no_number_leaves_the_last_good_checkpoint(pattern, tmp_path, monkeypatch):
    def run(steps):
        lines, training = [], dataclasses.replace(QUICK, steps=steps, evaluate_every=3)
        fit(build("conv", BARS, TINY["conv"]), "conv", pattern, pattern, training, tmp_path, lines.append)
        return lines

    def breaking(self, combinations, training=False, **options):
        return {"loss": outcome(self, combinations)["loss"] * (np.nan if training else 1.0)}

    outcome = ConvForecaster.outcome
    run(steps=6)
    with monkeypatch.context() as patched:
        patched.setattr(ConvForecaster, "outcome", breaking)
        with pytest.raises(InputError, match="conv: the loss is nan at step 7"):
            run(steps=9)
    assert run(steps=9)[0] == "conv: resumed at step 6 of 9"


def test_the_last_epoch_ends_with_the_steps(pattern):
    model = build("conv", BARS, TINY["conv"])
    training = dataclasses.replace(QUICK, steps=7, evaluate_every=3)
    assert fit(model, "conv", pattern, pattern[:8], training, report=str)["step"] == [3, 6, 7]


def test_what_is_annealed_rises_in_a_straight_line_and_stays():
    assert [float(linear_ramp(tf.constant(step), 40)) for step in (0.0, 10.0, 40.0, 90.0)] == [0.0, 0.25, 1.0, 1.0]


def test_scheduled_sampling_rises_by_an_inverse_sigmoid():
    shares = [float(inverse_sigmoid_ramp(tf.constant(float(step)), 1000.0)) for step in (0, 5000, 7000, 10_000, 1e6)]
    expected = [1 - 1000 / (1000 + np.exp(step / 1000)) for step in (0, 5000, 7000, 10_000)] + [1.0]
    assert shares == pytest.approx(expected, abs=1e-5)
    assert inverse_sigmoid_ramp(5.0, 0.0) == 0.0


def test_a_step_tells_the_network_its_number_its_settings_and_a_seed_of_its_own(pattern, monkeypatch):
    told, outcome = [], Vae.outcome

    def record(self, combinations, training=False, seed=(0, 0), step=0.0, settings=None):
        if training:
            assert settings.beta_warmup_steps == 4
            tf.py_function(lambda *values: told.append([value.numpy() for value in values]), [seed, step], [])
        return outcome(self, combinations, training, seed, step, settings)

    monkeypatch.setattr(Vae, "outcome", record)
    sizes = VaeSizes(latent=2, encoder="sequence", encoder_units=4, decoder_units=4, decoder_layers=1, beta=0.4)
    training = dataclasses.replace(QUICK, steps=5, evaluate_every=5, beta_warmup_steps=4)
    fit(build("flat_vae", BARS, sizes), "flat_vae", pattern, pattern[:8], training, report=str)
    assert [float(step) for _, step in told] == [0, 1, 2, 3, 4]
    assert len({tuple(seed) for seed, _ in told}) == 5


def test_beta_rises_while_it_is_warmed_up(pattern):
    sizes = VaeSizes(latent=2, encoder="sequence", encoder_units=4, decoder_units=4, beta=0.4, free_bits=0.0)
    vae, windows = build("flat_vae", BARS, sizes), tf.constant(pattern[:4])
    warmup = dataclasses.replace(QUICK, beta_warmup_steps=10)
    at_0, at_5, at_10 = (vae.outcome(windows, True, (0, 0), step, warmup) for step in (0.0, 5.0, 10.0))
    np.testing.assert_allclose(at_10["loss"] - at_0["loss"], 0.4 * at_0["kl"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(at_5["loss"] - at_0["loss"], 0.2 * at_0["kl"], rtol=1e-3, atol=1e-3)
