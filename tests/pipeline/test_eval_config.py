"""Models of known faults through Evaluator and Pusher. Their weights are written by hand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from drumline.components.evaluator import EvaluatorExecutor
from drumline.drums.kit import COMBINATIONS, DRUMS, SILENCE, hits_of
from drumline.models import export
from drumline.models import tfma_slices as slices
from drumline.models.autoencoder import AutoencoderModel
from drumline.models.encoding import combinations_of_velocities
from drumline.models.gate import Gate
from drumline.models.search import Search
from drumline.models.sizes import ConvSizes, Training, VaeSizes
from drumline.pipeline.eval_config import make_eval_config
from drumline.pipeline.profiles import ModelProfile, Profile
from drumline.results.evaluation import Evaluation
from google.protobuf import json_format
from tfx import v1 as tfx
from tfx.components.pusher.executor import Executor as Pusher
from tfx.types import standard_artifacts

from tests.models.tiny import build

BARS, STEPS, KICK, SNARE, RIDE = 2, 32, 1, 2, 256
GATE = Profile.read("demo").models(BARS)["conv"].gate
CONV = ConvSizes(history=16, filters=len(DRUMS), kernel=1, pool=1)
FLAT = VaeSizes(
    latent=STEPS * len(DRUMS), encoder_units=2, encoder_layers=1, decoder_units=2,
    decoder_layers=1, skips=True,
)  # fmt: skip


def songs() -> dict[bytes, np.ndarray]:
    """Combinations of 12 sparse songs and 6 dense ones, by name: int64 [windows, steps] each."""
    rng, found = np.random.default_rng(0), {}
    for song in range(18):
        bar = np.full(16, SILENCE)
        bar[[0, 8]], bar[[4, 12]] = KICK, SNARE
        windows = np.tile(bar + (RIDE + 4 if song >= 12 else 0), (3, BARS))
        windows[np.arange(3), rng.integers(16, STEPS, 3)] ^= 8
        found[b"song %d" % song] = windows
    return found


@dataclass(frozen=True)
class Bench:
    """An Evaluator and a Pusher on one set of examples, below a folder."""

    folder: Path
    examples: tfx.types.standard_artifacts.Examples

    def saved(self, network) -> tfx.types.standard_artifacts.Model:
        model = standard_artifacts.Model()
        model.uri = str(self.folder / f"model{len(list(self.folder.glob('model*')))}")
        if isinstance(network, AutoencoderModel):
            other = tf.constant(np.random.default_rng(1).integers(0, COMBINATIONS, (8, STEPS)))
            network.other_z = network.posterior(other).mean()
        export.save(network, Path(model.uri, "Format-Serving"), combinations_of_velocities, SILENCE)
        return model

    def judged(self, network, asked: Gate = GATE, last_blessed=None) -> tuple[bool, list[str], Evaluation]:
        """Whether it was pushed, the sentences of its failures, and its evaluation."""
        model, kind = self.saved(network), "flat_vae" if isinstance(network, AutoencoderModel) else "conv"
        profile = ModelProfile(kind, None, Training(batch_size=1, steps=1), asked, Search())
        folder = Path(model.uri, "judged")
        evaluation, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
        evaluation.uri, blessing.uri = str(folder / "evaluation"), str(folder / "blessing")
        inputs = {"examples": [self.examples], "model": [model]}
        if last_blessed:
            inputs["baseline_model"] = [self.saved(last_blessed)]
        properties = {
            "eval_config": json_format.MessageToJson(make_eval_config(profile), preserving_proto_field_name=True),
            "example_splits": '["test"]',
            "module_path": slices.__name__,
        }
        beam = EvaluatorExecutor.Context(beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(folder))
        EvaluatorExecutor(beam).Do(inputs, {"evaluation": [evaluation], "blessing": [blessing]}, properties)
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(folder / "pushed")
        destination = tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "serving"))
        )
        Pusher(Pusher.Context(tmp_dir=str(folder))).Do(
            {"model": [model], "model_blessing": [blessing]},
            {"pushed_model": [pushed]},
            {"push_destination": json_format.MessageToJson(destination, preserving_proto_field_name=True)},
        )
        blessed = bool(blessing.get_int_custom_property("blessed"))
        assert blessed == bool(list(folder.glob("serving/*")))
        found = Evaluation.load(evaluation.uri)
        assert blessed == (found.describe_verdict() == ["blessed"])
        return blessed, [str(failure) for failure in found.failures], found


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    split = folder / "examples" / "Split-test"
    split.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(split / "data.gz"), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for name, windows in songs().items():
            for window in windows:
                feature = {
                    "song_id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name])),
                    "velocities": tf.train.Feature(int64_list=tf.train.Int64List(value=hits_of(window).ravel() * 100)),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = str(folder / "examples"), '["test"]'
    return Bench(folder, examples)


def repeating(without: int = SILENCE):
    """A forecaster that plays the bar before again, but never the drums of the combination `without`."""
    network = build("conv", BARS, CONV)
    network.convolution.set_weights([np.eye(9)[None], np.zeros(9)])
    kernel = np.zeros((16, 9, 9))
    kernel[0] = 20 * np.eye(9)  # the oldest step it hears
    network.dense.set_weights([kernel, -10.0 - 100 * hits_of(without)])
    return network


def constant(combination: int):
    network = repeating()
    network.dense.set_weights([np.zeros((16, 9, 9)), 20.0 * hits_of(combination) - 10])
    return network


def autoencoder(*, hears_z: bool):
    """One whose z holds each hit and whose decoder reads it there; or reads nothing of it."""
    network, hits = build("flat_vae", BARS, FLAT), FLAT.latent
    for weight in network.trainable_variables:
        weight.assign(tf.zeros_like(weight))
    mu, readings, drums, combination = (
        layer.get_weights()
        for layer in (network.encoder.mu, network.readings, network.decoder.hits, network.decoder.combination)
    )
    mu[0][-hits:] = 3 * np.eye(hits)
    steps, drum = np.divmod(np.arange(hits), 9)
    readings[0][np.arange(hits), steps * (readings[0].shape[1] // STEPS) + drum] = hears_z
    drums[0][2 : 2 + 9] = 20 * np.eye(9)  # after the two outputs of its LSTM
    combination[1][:] = -10.0 * hits_of(np.arange(COMBINATIONS)).sum(axis=1)
    network.encoder.sigma.bias.assign(tf.fill([hits], np.log(np.e - 1)))  # whose softplus is 1, as in the prior
    network.encoder.mu.set_weights(mu if hears_z else [0 * mu[0], mu[1]])
    network.readings.set_weights(readings)
    network.decoder.hits.set_weights(drums)
    network.decoder.combination.set_weights(combination)
    return network


def test_a_good_model_is_blessed_and_pushed_and_its_figures_have_intervals_over_songs(bench):
    blessed, sentences, evaluation = bench.judged(repeating(), last_blessed=repeating())
    assert blessed, sentences
    figures, intervals = evaluation.metrics, evaluation.intervals
    assert figures["gain_over_repeat_bar"] == pytest.approx(0)
    for name in ("teacher_forced_accuracy", "sampled_nonsilent_accuracy", "onset_f1", "gain_over_majority"):
        low, high = intervals[name]
        assert low < figures[name] + 1e-9 < high + 2e-9
    found = {part.key: part.metrics for part in evaluation.slices}
    assert len([key for key in found if key and key[0][0] == "song_id"]) == 18
    groups = {(("hits_per_bar", "4-7"),), (("hits_per_bar", "24+"),), (("distinct_bars", "2"),)}
    assert {key for key in found if not key or key[0][0] != "song_id"} == {(), *groups}
    of_song = found[(("song_id", "song 3"),)]
    assert "teacher_forced_accuracy" in of_song
    assert "onset_f1" not in of_song
    assert not any(name.endswith(("_low", "_high")) or "judged" in name for name in figures)


def test_a_model_worse_than_the_last_blessed_is_not_blessed(bench):
    lenient = Gate(accuracy=0.4, gain_over_majority=0.02)
    blessed, sentences, evaluation = bench.judged(repeating(without=KICK), lenient, last_blessed=repeating())
    assert not blessed
    figures = evaluation.metrics
    value, last = figures["teacher_forced_accuracy"], figures["repeat_bar_accuracy"]
    assert sentences == [
        f"its teacher-forced accuracy is {value:.3f} on all windows; the last blessed model has {last:.3f}, "
        f"and at most 0.020 less is allowed"
    ]


@pytest.mark.parametrize("combination", [SILENCE, KICK])
def test_a_constant_model_is_not_blessed(bench, combination):
    blessed, sentences, evaluation = bench.judged(constant(combination))
    gain = evaluation.metrics["gain_over_majority"]
    assert not blessed
    assert (
        f"it is {100 * abs(gain):.3g} points {'less' if gain < 0 else 'more'} accurate than always playing the "
        "commonest combination (majority) on all windows; at least 2 points more is required (gain_over_majority)"
        in sentences
    )


def test_random_weights_are_not_blessed(bench):
    blessed, sentences, _ = bench.judged(build("conv", BARS, CONV))
    assert not blessed
    assert any(sentence.startswith("its teacher-forced accuracy is 0.") for sentence in sentences)


def test_an_autoencoder_is_blessed_that_uses_z_and_a_collapsed_one_is_not(bench):
    blessed, sentences, _ = bench.judged(autoencoder(hears_z=True))
    assert blessed, sentences
    only_z = Gate(accuracy=0.0, gain_over_majority=-1.0, kl=5.0, gain_from_z=0.1)
    blessed, sentences, _ = bench.judged(autoencoder(hears_z=False), only_z)
    assert not blessed
    assert sorted(sentences) == [
        "it is 0 points more accurate than with the latent vector of another window on all windows; "
        "at least 10 points more is required (gain_from_z)",
        "its KL (nats per window) is 0.000 on all windows; at least 5.000 is required",
    ]


def test_a_slice_stops_a_model_that_passes_over_all_windows(bench):
    """It never plays the ride, which only the dense songs have."""
    blessed, sentences, _ = bench.judged(
        repeating(without=RIDE), Gate(accuracy=0.4, gain_over_majority=0.02, slice_accuracy=0.15)
    )
    assert not blessed
    assert sentences == [
        "its teacher-forced accuracy is 0.000 on windows of 24+ hits a bar; at least 0.150 is required"
    ]


def test_a_slice_of_few_songs_stops_no_model(bench):
    asked = Gate(accuracy=0.4, gain_over_majority=0.02, slice_accuracy=0.15, slice_songs=7)
    blessed, sentences, _ = bench.judged(repeating(without=RIDE), asked)
    assert blessed, sentences
