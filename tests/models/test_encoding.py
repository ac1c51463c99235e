import numpy as np
import tensorflow as tf
from drumline.drums.kit import COMBINATIONS, combinations_of, hits_of
from drumline.models.encoding import combinations_of_velocities, hits_of_combinations, shift_right

EVERY = np.arange(COMBINATIONS)


def test_the_graph_encodes_as_the_kit_does():
    velocities = hits_of(EVERY) * np.random.default_rng(0).integers(1, 128, (COMBINATIONS, 9))
    assert combinations_of_velocities(tf.constant(velocities)).numpy().tolist() == combinations_of(velocities).tolist()
    np.testing.assert_array_equal(hits_of_combinations(tf.constant(EVERY)), hits_of(EVERY))


def test_before_the_first_step_there_is_silence():
    hits = tf.random.uniform([2, 4, 9])
    np.testing.assert_array_equal(shift_right(hits)[:, 1:], hits[:, :-1])
    assert not shift_right(hits)[:, 0].numpy().any()
