import numpy as np
import pytest
import tensorflow as tf
from drumline.models import accuracy
from drumline.models.autoencoder import AutoencoderModel
from drumline.models.evaluation import evaluate_baselines
from drumline.models.measures import self_similarity

from tests.models.tiny import BARS

BAR = np.arange(16)


def window(*bars) -> tf.Tensor:
    return tf.constant(np.concatenate(bars)[None])


def test_a_step_is_right_when_its_whole_combination_is():
    truth = tf.constant([[0b11, 0b11, 0, 4], [1, 1, 1, 1]], tf.int64)
    predicted = tf.constant([[0b11, 0b01, 0, 4], [0, 0, 0, 1]], tf.int64)
    assert accuracy.share_right(predicted, truth).numpy().tolist() == [0.75, 0.25]


def baseline_accuracy(name: str, combinations: tf.Tensor, majority: int = 5) -> list[float]:
    return evaluate_baselines(combinations, majority)[f"{name}_accuracy"].numpy().tolist()


def test_majority_is_the_share_of_that_combination_in_all_steps():
    windows = tf.constant([[0, 5, 5, 5], [5, 0, 0, 0]], tf.int64)
    assert baseline_accuracy("majority", windows) == [0.75, 0.25]


def test_repeat_bar_counts_after_the_first_bar_and_knows_the_true_bar_before():
    half = np.where(BAR < 8, BAR, 500)
    assert baseline_accuracy("repeat_bar", window(BAR, half, half)) == pytest.approx([0.75])
    assert baseline_accuracy("repeat_bar", window(BAR, BAR + 1, BAR)) == pytest.approx([0.0])


def test_repeat_bar_sampled_knows_the_first_bar_alone():
    half = np.where(BAR < 8, BAR, 500)
    assert baseline_accuracy("repeat_bar_sampled", window(BAR, half, half)) == pytest.approx([0.5])
    assert baseline_accuracy("repeat_bar_sampled", window(BAR, BAR + 1, BAR)) == pytest.approx([0.5])


def test_in_a_window_of_one_bar_the_first_half_is_repeated():
    half = np.tile(BAR[:8], 2)
    assert baseline_accuracy("repeat_bar", window(half)) == [1.0]
    assert baseline_accuracy("repeat_bar_sampled", window(BAR)) == [0.0]
    assert self_similarity(window(half)).numpy() == [1.0]


def test_a_forecasters_primer_is_not_counted(forecaster):
    beat = forecaster.predict_greedily(tf.zeros([1, 32], tf.int64))
    assert beat.shape == (1, 32 - 16)
    own = tf.concat([tf.zeros([1, 16], tf.int64), beat], axis=1)
    assert accuracy.sampled_accuracy(forecaster, own).numpy() == [1.0]
    wrong = tf.concat([own[:, :16], own[:, 16:24], own[:, 24:] ^ 1], axis=1)
    assert accuracy.sampled_accuracy(forecaster, wrong).numpy() == [0.5]


def test_there_is_one_accuracy_for_each_window_whatever_its_batch(network, windows):
    for score in (accuracy.teacher_forced_accuracy, accuracy.sampled_accuracy):
        together = score(network, windows)
        assert together.shape == (5,)
        assert together.dtype == tf.float32
        np.testing.assert_allclose(score(network, windows[2:3]), together[2:3])


def test_accuracies_are_repeatable(network, windows):
    for score in (accuracy.teacher_forced_accuracy, accuracy.sampled_accuracy):
        np.testing.assert_array_equal(score(network, windows), score(network, windows))


def test_teacher_forced_accuracy_compares_with_the_likeliest_combination(network, windows):
    if isinstance(network, AutoencoderModel):
        mu = network.posterior(windows).mean()
        likeliest = tf.argmax(network.teacher_forced_logits(mu, windows), -1).numpy()
    else:
        likeliest = (network(windows).numpy() > 0) @ (1 << np.arange(9))
    expected = (likeliest == windows.numpy()).mean(axis=1)
    np.testing.assert_allclose(accuracy.teacher_forced_accuracy(network, windows), expected)
    assert windows.shape[1] == BARS * 16
