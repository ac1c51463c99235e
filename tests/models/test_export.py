import functools
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from drumline.drums.kit import hits_of
from drumline.models import export
from drumline.models.autoencoder import AutoencoderModel
from drumline.models.encoding import combinations_of_velocities
from drumline.models.evaluation import evaluate_baselines

from tests.models.tiny import BARS, TINY, build

STEPS = BARS * 16
MAJORITY = 5
OTHER_WINDOWS = tf.constant(np.random.default_rng(8).integers(0, 512, (7, STEPS)))
SEEDS = tf.constant([[1, 2], [3, 4], [5, 6]], tf.int64)
OTHER_SEEDS = tf.constant([[1, 3], [3, 5], [5, 7]], tf.int64)
WARM = tf.constant([1.0, 0.7, 2.0])
VAE_OUTPUTS = {
    "serving_default": {"hits"},
    "encode": {"z", "sigma"},
    "decode": {"hits"},
    "draw": {"z"},
    "sample": {"hits"},
    "interpolate": {"hits"},
}
FORECASTER_OUTPUTS = {"serving_default": {"probabilities"}, "continue": {"hits"}}


class Encoder(tf.Module):
    """A stand-in for the Transform layer: it holds a resource, and takes whole windows only."""

    def __init__(self):
        super().__init__()
        initializer = tf.lookup.KeyValueTensorInitializer(tf.range(512, dtype=tf.int64), tf.range(512, dtype=tf.int64))
        self.table = tf.lookup.StaticHashTable(initializer, -1)

    def __call__(self, velocities):
        assert velocities.shape[1:] == (STEPS, 9)
        return self.table.lookup(combinations_of_velocities(velocities))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    @functools.cache
    def save(name):
        """The network, its folder and what is loaded from there."""
        model, folder, encode = build(name, BARS, TINY[name]), tmp_path_factory.mktemp(name), Encoder()
        if isinstance(model, AutoencoderModel):
            model.other_z = model.posterior(OTHER_WINDOWS).mean()
        export.save(model, folder, encode, MAJORITY, track=[encode])
        return model, folder, tf.saved_model.load(str(folder))

    return save


@pytest.fixture(scope="module", params=["lstm", "conv"])
def forecaster(request, saved):
    return saved(request.param)


@pytest.fixture(scope="module", params=["flat_vae", "hierarchical_vae", "bar_vae"])
def vae(request, saved):
    return saved(request.param)


@pytest.fixture
def velocities() -> tf.Tensor:
    generator = np.random.default_rng(6)
    return tf.constant(hits_of(generator.integers(0, 512, (3, STEPS))) * 90)


def ask(loaded, signature, **inputs):
    return {name: value.numpy() for name, value in loaded.signatures[signature](**inputs).items()}


def agree_alone_and_together(loaded, signature, **inputs):
    together = ask(loaded, signature, **inputs)
    for index in range(3):
        alone = ask(loaded, signature, **{name: value[index : index + 1] for name, value in inputs.items()})
        for name, value in alone.items():
            np.testing.assert_allclose(value[0], together[name][index], atol=1e-5)
    return together


def test_an_autoencoder_has_its_signatures_and_no_others(vae):
    outputs = {name: set(function.structured_outputs) for name, function in vae[2].signatures.items()}
    assert outputs.pop("evaluate") >= {"kl", "sampled_accuracy"}
    assert outputs == VAE_OUTPUTS


def test_a_forecaster_has_its_signatures_and_no_others(forecaster):
    outputs = {name: set(function.structured_outputs) for name, function in forecaster[2].signatures.items()}
    assert "kl" not in outputs.pop("evaluate")
    assert outputs == FORECASTER_OUTPUTS


def test_reconstruction_encodes_and_decodes_greedily(vae, velocities):
    model, _, loaded = vae
    hits = agree_alone_and_together(loaded, "serving_default", velocities=velocities)["hits"]
    assert hits.dtype == np.int64
    assert hits.shape == (3, STEPS, 9)
    assert set(np.unique(hits)) <= {0, 1}
    posterior = agree_alone_and_together(loaded, "encode", velocities=velocities)
    np.testing.assert_allclose(
        posterior["z"], model.posterior(combinations_of_velocities(velocities)).mean(), atol=1e-5
    )
    assert (posterior["sigma"] > 0).all()
    decoded = ask(loaded, "decode", z=posterior["z"], temperature=tf.zeros([3]), seed=SEEDS)
    np.testing.assert_array_equal(decoded["hits"], hits)


def test_the_same_seed_is_the_same_beat_and_another_is_another(vae):
    loaded = vae[2]
    beats = agree_alone_and_together(loaded, "sample", temperature=WARM, seed=SEEDS)["hits"]
    np.testing.assert_array_equal(ask(loaded, "sample", temperature=WARM, seed=SEEDS)["hits"], beats)
    other = ask(loaded, "sample", temperature=WARM, seed=OTHER_SEEDS)["hits"]
    assert (other != beats).any(axis=(1, 2)).all()


def test_a_sample_is_the_beat_of_the_z_that_is_drawn_for_its_seed(vae):
    z = agree_alone_and_together(vae[2], "draw", seed=SEEDS)["z"]
    beats = ask(vae[2], "sample", temperature=WARM, seed=SEEDS)["hits"]
    np.testing.assert_array_equal(ask(vae[2], "decode", z=z, temperature=WARM, seed=SEEDS)["hits"], beats)


def test_interpolation_starts_at_a_and_ends_at_b(vae, velocities):
    loaded = vae[2]
    a, b = velocities, velocities[::-1]
    greedy = tf.zeros([3])
    ends = {
        fraction: ask(loaded, "interpolate", a=a, b=b, fraction=tf.fill([3], fraction), temperature=greedy, seed=SEEDS)[
            "hits"
        ]
        for fraction in (0.0, 1.0)
    }
    np.testing.assert_array_equal(ends[0.0], ask(loaded, "serving_default", velocities=a)["hits"])
    np.testing.assert_array_equal(ends[1.0], ask(loaded, "serving_default", velocities=b)["hits"])
    agree_alone_and_together(
        loaded, "interpolate", a=a, b=b, fraction=tf.constant([0.2, 0.5, 0.9]), temperature=WARM, seed=SEEDS
    )


@pytest.mark.parametrize("length", [1, 16, STEPS])
def test_a_primer_of_any_length_is_continued(forecaster, velocities, length):
    model, _, loaded = forecaster
    primer = velocities[:, :length]
    probabilities = agree_alone_and_together(loaded, "serving_default", velocities=primer)["probabilities"]
    if length < STEPS:
        logits = model(combinations_of_velocities(velocities))[:, length]
        np.testing.assert_allclose(probabilities, tf.sigmoid(logits), atol=1e-5)
    beats = agree_alone_and_together(loaded, "continue", velocities=primer, temperature=WARM, seed=SEEDS)["hits"]
    assert beats.shape == (3, STEPS, 9)
    other = ask(loaded, "continue", velocities=primer, temperature=WARM, seed=OTHER_SEEDS)["hits"]
    assert (other != beats).any(axis=(1, 2)).all()
    greedy = ask(loaded, "continue", velocities=primer, temperature=tf.zeros([3]), seed=SEEDS)["hits"]
    again = ask(loaded, "continue", velocities=primer, temperature=tf.zeros([3]), seed=SEEDS + 1)["hits"]
    np.testing.assert_array_equal(greedy, again)
    np.testing.assert_array_equal(greedy[:, 0], probabilities > 0.5)


def test_of_a_long_primer_the_last_window_is_heard(forecaster, velocities):
    loaded = forecaster[2]
    long = tf.concat([velocities[::-1], velocities], axis=1)
    np.testing.assert_allclose(
        ask(loaded, "serving_default", velocities=long)["probabilities"],
        ask(loaded, "serving_default", velocities=velocities)["probabilities"],
    )


def serialized(velocities: tf.Tensor) -> tf.Tensor:
    def example(window):
        values = tf.train.Feature(int64_list=tf.train.Int64List(value=window.numpy().ravel()))
        return tf.train.Example(features=tf.train.Features(feature={"velocities": values})).SerializeToString()

    return tf.constant([example(window) for window in velocities])


def test_examples_are_evaluated_one_by_one(vae, forecaster, velocities):
    half = tf.concat([velocities[:, :16], velocities[:, :8], tf.zeros([3, 8, 9], tf.int64)], axis=1)
    windows = combinations_of_velocities(half)
    for model, _, loaded in (vae, forecaster):
        expected = model.evaluate_windows(windows) | evaluate_baselines(windows, MAJORITY)
        told = agree_alone_and_together(loaded, "evaluate", examples=serialized(half))
        assert set(told) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(told[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_it_loads_where_there_is_no_keras_and_no_code_of_ours(vae):
    script = (
        "import sys, tensorflow as tf\n"
        "loaded = tf.saved_model.load(sys.argv[1])\n"
        "ask = loaded.signatures['sample']\n"
        "hits = ask(temperature=tf.constant([1.0]), seed=tf.constant([[1, 2]], tf.int64))['hits']\n"
        "assert not any(name.split('.')[0] in ('drumline', 'keras') for name in sys.modules)\n"
        "print(hits.numpy().ravel().tolist())\n"
    )
    command = [sys.executable, "-c", script, str(vae[1])]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    beat = ask(vae[2], "sample", temperature=tf.constant([1.0]), seed=SEEDS[:1])["hits"]
    assert printed.strip() == str(beat.ravel().tolist())
