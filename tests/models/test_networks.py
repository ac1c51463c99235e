from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from drumline.drums.kit import STEPS_PER_BAR
from drumline.models.autoencoder import AutoencoderModel
from drumline.models.encoding import hits_of_combinations
from drumline.models.sizes import ConvSizes, LstmSizes, Training, VaeSizes

from drumline.errors import InputError
from tests.models.tiny import BARS, TINY, build

STEPS = BARS * STEPS_PER_BAR
SCHEDULED = Training(batch_size=5, steps=1, scheduled_sampling=1000.0)


def logits_of(network, windows):
    if isinstance(network, AutoencoderModel):
        z = tf.random.stateless_normal([len(windows), network.latent], [1, 2])
        return network.teacher_forced_logits(z, windows).numpy()
    return network(windows).numpy()


def test_every_step_has_its_logits(network, windows):
    assert logits_of(network, windows).shape == (5, STEPS, 512 if isinstance(network, AutoencoderModel) else 9)


def test_gradients_reach_every_variable(network, windows):
    weights = [variable.value for variable in network.trainable_variables]
    with tf.GradientTape() as tape:
        # Without beta's budget, so that the KL counts too.
        outcome = network.outcome(windows, training=True)
        loss = tf.reduce_sum(outcome["loss"] + outcome.get("kl", 0.0))
    for variable, gradient in zip(network.trainable_variables, tape.gradient(loss, weights), strict=True):
        assert gradient is not None, variable.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.path


@pytest.mark.parametrize("step", [0, 9, STEPS_PER_BAR - 1, STEPS_PER_BAR, STEPS - 1])
def test_a_step_is_forecast_from_the_steps_before_it_only(network, windows, step):
    changed = windows.numpy()
    changed[:, step] ^= 0b101
    before, after = logits_of(network, windows), logits_of(network, tf.constant(changed))
    np.testing.assert_array_equal(before[:, : step + 1], after[:, : step + 1])
    if step + 1 < STEPS:
        assert (before[:, step + 1] != after[:, step + 1]).any()


def test_a_window_starts_from_silence(forecaster, windows):
    primer = hits_of_combinations(windows)[:, :0]
    np.testing.assert_allclose(forecaster.prime(primer)[0], forecaster(windows)[:, 0], atol=1e-5)


def test_a_bar_hears_the_bar_before_through_its_last_step_alone(windows):
    """With the embedding known, the hierarchical decoder's bars are independent but for that one step."""
    vae = build("hierarchical_vae", BARS, TINY["hierarchical_vae"])
    changed = windows.numpy()
    changed[:, : STEPS_PER_BAR - 1] ^= 0b101
    before, after = logits_of(vae, windows), logits_of(vae, tf.constant(changed))
    np.testing.assert_array_equal(before[:, STEPS_PER_BAR:], after[:, STEPS_PER_BAR:])


def test_a_flat_decoder_hears_every_step_before(windows):
    vae = build("flat_vae", BARS, TINY["flat_vae"])
    changed = windows.numpy()
    changed[:, : STEPS_PER_BAR - 1] ^= 0b101
    before, after = logits_of(vae, windows), logits_of(vae, tf.constant(changed))
    assert (before[:, STEPS_PER_BAR:] != after[:, STEPS_PER_BAR:]).any()


@pytest.mark.parametrize("encoder", ["sequence", "two_level"])
def test_z_depends_on_the_first_step_and_on_the_last(encoder, windows):
    vae = build("flat_vae", BARS, VaeSizes(latent=4, encoder_units=8, encoder=encoder, decoder_units=8))
    mu = vae.posterior(windows).mean().numpy()
    for step in (0, STEPS - 1):
        changed = windows.numpy()
        changed[:, step] ^= 0b101
        assert (np.abs(vae.posterior(tf.constant(changed)).mean() - mu).max(axis=1) > 1e-6).all()
    assert (vae.posterior(windows).stddev().numpy() > 0).all()


def test_blanked_steps_are_silence(windows):
    vae = build("flat_vae", BARS, replace(TINY["flat_vae"], input_dropout=1.0))
    assert (
        not vae.decoder_inputs(hits_of_combinations(windows), vae.embeddings(tf.zeros([5, 8])), (0, 1), 0.0)
        .numpy()
        .any()
    )


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_a_share_of_the_steps_heard_in_training_is_the_decoders_own(share, windows):
    vae = build("hierarchical_vae", BARS, replace(TINY["hierarchical_vae"], input_dropout=0.0))
    hits = hits_of_combinations(tf.repeat(windows, 40, axis=0))
    heard = vae.decoder_inputs(hits, vae.embeddings(tf.zeros([200, 8])), (0, 1), share)
    changed = (heard.numpy() != hits.numpy()).any(axis=-1).mean()
    # Untrained, the decoder plays any of 512 combinations: nearly each of its own steps differs.
    assert changed == pytest.approx(share, abs=0.02)


def test_what_training_draws_is_its_seeds(windows):
    vae = build("hierarchical_vae", BARS, replace(TINY["hierarchical_vae"], input_dropout=0.5))
    first, again, other = (
        vae.outcome(windows, True, (1, last), 1000.0, SCHEDULED)["loss"].numpy() for last in (2, 2, 3)
    )
    assert (first == again).all()
    assert (first != other).all()


def test_skips_give_each_bar_and_step_a_path_of_its_own(windows):
    plain = build("hierarchical_vae", BARS, TINY["hierarchical_vae"])
    skipping = build("hierarchical_vae", BARS, replace(TINY["hierarchical_vae"], skips=True))
    assert len(skipping.trainable_variables) == len(plain.trainable_variables) + 4  # two dense layers
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(skipping.outcome(windows, training=True)["loss"])
    assert all(
        tf.reduce_any(each != 0) for each in tape.gradient(loss, [v.value for v in skipping.trainable_variables])
    )


@pytest.mark.parametrize("name", ["flat_vae", "hierarchical_vae"])
def test_skips_do_not_need_to_know_how_many_windows_there_will_be(name, windows):
    vae = build(name, BARS, replace(TINY[name], skips=True, encoder="two_level"))
    logits = tf.function(lambda windows: vae(windows)[0], input_signature=[tf.TensorSpec([None, STEPS], tf.int64)])
    np.testing.assert_allclose(logits(windows), vae(windows)[0], atol=1e-5)


def test_the_convolution_sees_its_history_and_no_further():
    conv = build("conv", BARS, ConvSizes(history=5, filters=64, kernel=2, pool=2))
    silence = np.zeros((1, STEPS), np.int64)
    struck = silence.copy()
    struck[0, 10] = 511
    changed = (conv(tf.constant(silence)).numpy() != conv(tf.constant(struck)).numpy()).any(axis=(0, 2))
    assert np.flatnonzero(changed).tolist() == [11, 12, 13, 14, 15]


@pytest.mark.parametrize("name", ["conv", "hierarchical_vae"])
def test_the_same_seed_builds_the_same_weights(name):
    first, again, other = (build(name, BARS, TINY[name], seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", ["lstm", "hierarchical_vae"])
def test_bfloat16_computes_close_to_float32(name, windows):
    exact, mixed = (build(name, BARS, TINY[name], mixed_bfloat16=mixed) for mixed in (False, True))
    assert mixed.compute_dtype == "bfloat16"
    assert mixed.trainable_variables[0].dtype == "float32"
    np.testing.assert_allclose(logits_of(mixed, windows), logits_of(exact, windows), atol=0.1)


@pytest.mark.parametrize("name", TINY)
def test_a_window_of_one_bar_has_a_network_too(name):
    network = build(name, 1, TINY[name])
    window = tf.zeros([2, STEPS_PER_BAR], tf.int64)
    assert network.predict_greedily(window).shape == (2, STEPS_PER_BAR - network.primer_steps)
    assert np.isfinite(network.outcome(window)["loss"]).all()


def test_sizes_of_another_kind_are_refused():
    with pytest.raises(TypeError, match="Lstm takes LstmSizes, not ConvSizes"):
        build("lstm", 2, ConvSizes())


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(InputError, match="no kind of model 'gru'; there are lstm, conv"):
        build("gru", 2, LstmSizes())
