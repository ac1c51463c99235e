import numpy as np
import pytest
import tensorflow as tf
from drumline.drums.kit import STEPS_PER_BAR
from drumline.models.batches import batches, drop_drums, mix_bars, permute_drums, pick_evenly
from drumline.models.sizes import Training

WINDOWS = np.random.default_rng(0).integers(0, 512, (23, 64)).astype(np.uint16)
ALL = Training(batch_size=8, steps=1, seed=3, drop_drums=0.5, permute_drums=0.5, mix_bars=0.5)


def first(count: int, training: Training, windows: np.ndarray = WINDOWS, first_step: int = 0) -> list[np.ndarray]:
    return list(batches(windows, training, first_step).take(count).as_numpy_iterator())


def seed(number: int) -> tf.Tensor:
    return tf.constant([number, 0])


@pytest.mark.parametrize(("count", "size"), [(23, 8), (23, 23), (5, 1), (97, 32)])
def test_each_pass_is_every_window_once_in_an_order_of_its_own(count, size):
    windows = np.arange(count, dtype=np.uint16)[:, None]
    seen = np.concatenate(first(3 * count // size + 1, Training(size, 1), windows))[:, 0]
    passes = [list(seen[start : start + count]) for start in range(0, 3 * count, count)]
    assert all(sorted(one) == list(range(count)) for one in passes)
    assert len({tuple(one) for one in passes}) == 3
    assert list(range(count)) not in passes


def test_a_batch_is_a_function_of_the_seed_and_the_step():
    unbroken = first(9, ALL)
    np.testing.assert_array_equal(first(4, ALL, first_step=5), unbroken[5:])
    assert not np.array_equal(first(1, Training(8, 1, seed=1)), first(1, Training(8, 1, seed=2)))


def test_batches_have_a_fixed_shape():
    assert batches(WINDOWS, ALL).element_spec == tf.TensorSpec([8, 64], tf.int64)


def test_nothing_is_changed_unless_asked_for():
    known = {tuple(window) for window in WINDOWS}
    assert all(tuple(window) in known for batch in first(5, Training(8, 1)) for window in batch)
    assert not all(tuple(window) in known for batch in first(5, ALL) for window in batch)


def test_a_share_of_the_windows_loses_one_drum_throughout():
    windows = np.full((2000, 32), 511, np.int64)
    dropped = drop_drums(tf.constant(windows), 0.25, seed(2)).numpy()
    assert all(len(set(window)) == 1 for window in dropped)
    left = dropped[:, 0]
    assert set(left) == {511, *(511 - (1 << drum) for drum in range(9))}
    assert np.mean(left != 511) == pytest.approx(0.25, abs=0.05)
    np.testing.assert_array_equal(drop_drums(tf.constant(windows), 0.0, seed(2)), windows)


def test_a_mixed_window_takes_each_bar_from_a_window_at_that_bar():
    windows = np.broadcast_to(np.arange(400)[:, None], (400, 64)).copy()
    windows = windows + 1000 * np.repeat(np.arange(4), STEPS_PER_BAR)
    mixed = mix_bars(tf.constant(windows), 0.5, seed(4)).numpy()
    bars = mixed.reshape(400, 4, STEPS_PER_BAR)
    assert np.all(bars == bars[:, :, :1])
    np.testing.assert_array_equal(bars[:, :, 0] // 1000, np.broadcast_to(np.arange(4), (400, 4)))
    sources = bars[:, :, 0] % 1000
    changed = [len(set(row)) > 1 for row in sources]
    assert np.mean(changed) == pytest.approx(0.5, abs=0.1)
    assert all(row[0] == index for index, row in enumerate(sources) if not changed[index])


def test_spread_windows_lie_at_equal_distances():
    np.testing.assert_array_equal(pick_evenly(np.arange(9, dtype=np.uint16)[:, None], 3)[:, 0], [0, 4, 8])
    assert len(pick_evenly(WINDOWS, 100)) == 23


def test_a_share_of_the_windows_gets_its_drums_in_another_order_throughout():
    windows = np.tile([1, 2, 4, 8, 16, 32, 64, 128, 256, 1 + 2, 0], (2000, 1))
    permuted = permute_drums(tf.constant(windows), 0.25, seed(2)).numpy()
    assert (np.sort(permuted[:, :9]) == windows[:, :9]).all()
    assert (permuted[:, 9] == permuted[:, 0] | permuted[:, 1]).all()
    assert not permuted[:, 10].any()
    assert (permuted != windows).any(axis=1).mean() == pytest.approx(0.25, abs=0.04)
