import numpy as np
import pytest
import tensorflow as tf
from drumline.drums.kit import hits_of
from drumline.models import lookback

BARS = 6
LAGS = lookback.lags_of(BARS)
HISTORY = lookback.history_of(LAGS)
STEP_FEATURES = 9 * (1 + len(LAGS)) + len(LAGS) * (1 + len(lookback.SPANS))


@pytest.fixture
def window() -> tf.Tensor:
    """Six bars of two combinations, so that many steps agree by chance. int64 [1, 96]."""
    return tf.constant(np.random.default_rng(0).integers(0, 2, (1, 96)) * 5)


def read(window: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
    padded = lookback.pad_history(window, HISTORY)[:, :-1]
    features, earlier = lookback.read_steps(padded, HISTORY, LAGS, tf.float32)
    return features.numpy(), earlier.numpy()


@pytest.mark.parametrize(("bars", "lags"), [(1, (1,)), (2, (1,)), (3, (1, 2)), (16, (1, 2, 4, 8))])
def test_a_step_looks_no_further_back_than_its_window_is_long(bars, lags):
    assert lookback.lags_of(bars) == lags


def test_what_is_read_of_a_step_is_what_was_played_before_it(window):
    features, earlier = read(window)
    assert features.shape == (1, 96, STEP_FEATURES)
    step, played = 70, window.numpy()[0]
    assert LAGS == (1, 2, 4)
    assert earlier[0, step].tolist() == [played[54], played[38], played[6]]
    hits = np.concatenate([hits_of(played[each]) for each in (69, 54, 38, 6)])
    np.testing.assert_array_equal(features[0, step, :36], hits)
    np.testing.assert_array_equal(features[0, step, 36:39], [1, 1, 1])
    agreements = features[0, step, 39:].reshape(len(LAGS), len(lookback.SPANS))
    for lag, shares in zip(LAGS, agreements, strict=True):
        for span, share in zip(lookback.SPANS, shares, strict=True):
            agreeing = [played[s] == played[s - 16 * lag] for s in range(step - span, step) if s >= 16 * lag]
            assert share == pytest.approx(sum(agreeing) / span)


def test_before_the_first_step_there_is_nothing(window):
    features, earlier = read(window)
    assert not features[0, 0].any()
    assert (earlier[0, 0] == lookback.NOTHING).all()
    # Nothing agrees with nothing: silence that was played does, with itself.
    silence, _ = read(tf.zeros_like(window))
    assert silence[0, 33].any()


def test_one_step_is_read_as_it_is_among_all(window):
    features, earlier = read(window)
    padded = lookback.pad_history(window, HISTORY)
    for step in (0, 1, 40, 95):
        alone = lookback.read_steps(padded[:, step : step + HISTORY], HISTORY, LAGS, tf.float32)
        np.testing.assert_array_equal(alone[0][:, 0], features[:, step])
        np.testing.assert_array_equal(alone[1][:, 0], earlier[:, step])


def test_a_bar_is_compared_with_the_bars_before_it():
    first, second = [5] * 16, [5] * 12 + [0] * 4
    bars = np.full((1, lookback.BAR_HISTORY + 2, 16), lookback.NOTHING)
    bars[0, -3:] = [first, second, first]
    hits, agreements = lookback.read_bars(tf.constant(bars), tf.float32)
    assert hits.shape == (1, 3, 144)
    np.testing.assert_array_equal(hits[0, 1], hits_of(np.array(second)).ravel())
    # Of 1, 2, 3, 4 and 8 bars before, and whether there is a bar at all.
    np.testing.assert_allclose(agreements[0], [[0] * 5 + [1], [0.75, 0, 0, 0, 0, 1], [0.75, 1, 0, 0, 0, 1]])


def test_a_combination_gains_by_each_lag_at_which_it_was_played():
    logits = lookback.copy_logits(tf.constant([[1.0, 2.0, 4.0]]), tf.constant([[7, 9, 7]], tf.int64)).numpy()
    assert logits[0, [7, 9]].tolist() == [5, 2]
    assert logits.sum() == 7
    nothing = lookback.copy_logits(tf.constant([[1.0]]), tf.constant([[lookback.NOTHING]], tf.int64))
    assert not nothing.numpy().any()
