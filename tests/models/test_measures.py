import numpy as np
import pytest
import tensorflow as tf
from drumline.drums.kit import hits_of
from drumline.models import measures

PREDICTED = tf.constant([[0b11, 0b01, 0, 4], [0, 7, 7, 0]], tf.int64)
TRUTH = tf.constant([[0b11, 0b11, 0, 0], [1, 7, 6, 0]], tf.int64)


def bars_of(*bars) -> tf.Tensor:
    return tf.constant(np.concatenate(bars)[None])


def test_silent_steps_count_neither_as_right_nor_as_steps():
    assert measures.nonsilent_steps(PREDICTED, TRUTH).numpy().tolist() == [[1, 2], [1, 3]]


def test_a_window_of_silence_has_no_step_to_get_right():
    silence = tf.zeros([1, 32], tf.int64)
    assert measures.nonsilent_steps(silence, silence).numpy().tolist() == [[0, 0]]


def test_an_onset_is_right_at_its_step_and_on_its_drum():
    right, extra, missing = np.moveaxis(measures.onsets(PREDICTED, TRUTH).numpy(), 1, 0)
    assert right[:, :3].tolist() == [[2, 1, 0], [1, 2, 2]]
    assert extra[:, :3].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert missing[:, :3].tolist() == [[0, 1, 0], [1, 0, 0]]
    assert not (right + extra + missing)[:, 3:].any()


def test_onsets_are_those_that_numpy_counts():
    predicted, truth = np.random.default_rng(0).integers(0, 512, (2, 5, 32))
    p, t = hits_of(predicted), hits_of(truth)
    expected = [(p * t).sum(1), (p * (1 - t)).sum(1), ((1 - p) * t).sum(1)]
    np.testing.assert_array_equal(
        measures.onsets(tf.constant(predicted), tf.constant(truth)), np.stack(expected, axis=1)
    )


def test_self_similarity_is_over_all_pairs_of_different_bars():
    a, b = np.arange(16), np.where(np.arange(16) < 4, np.arange(16), 500)
    assert measures.self_similarity(bars_of(a, a, a)).numpy() == pytest.approx([1.0])
    assert measures.self_similarity(bars_of(a, a + 16)).numpy() == pytest.approx([0.0])
    # a and b agree in a quarter of their steps: pairs of 1, 1/4 and 1/4.
    assert measures.self_similarity(bars_of(a, a, b)).numpy() == pytest.approx([0.5])


def test_the_histogram_counts_every_step():
    counts = measures.histogram(tf.constant([[0, 5, 5, 511], [0, 0, 0, 0]], tf.int64)).numpy()
    assert counts.shape == (2, 512)
    assert counts.sum(axis=1).tolist() == [4, 4]
    assert counts[0, [0, 5, 511]].tolist() == [1, 2, 1]
    assert counts[1, 0] == 4
