import math

import numpy as np
import pytest
from drumline.models.figures import ratio
from drumline.models.intervals import song_interval
from scipy import stats


def mean(windows, total) -> float:
    return total / windows


def songs_of_windows(rng: np.random.Generator, songs: int, windows: int) -> np.ndarray:
    """Figures of windows that are alike within a song, around 0.5; float [songs, windows]."""
    return 0.5 + rng.normal(0, 0.1, (songs, 1)) + rng.normal(0, 0.05, (songs, windows))


def test_the_interval_of_a_mean_over_equal_songs_is_that_of_students_t():
    values = np.array([0.2, 0.4, 0.5, 0.9])
    expected = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert song_interval(mean, [np.full(4, 7), values * 7]) == pytest.approx(expected)


def test_songs_of_correlated_windows_give_a_wider_interval_than_their_windows_would():
    values = songs_of_windows(np.random.default_rng(0), 20, 30)
    low, high = song_interval(mean, [np.full(20, 30), values.sum(axis=1)])
    naive_low, naive_high = song_interval(mean, [np.ones(600), values.ravel()])
    assert high - low > 3 * (naive_high - naive_low)


def test_19_of_20_intervals_hold_the_truth():
    rng = np.random.default_rng(1)
    holds = []
    for _ in range(400):
        windows = rng.integers(5, 40, 15)  # songs differ in length
        totals = np.array([songs_of_windows(rng, 1, count).sum() for count in windows])
        low, high = song_interval(mean, [windows, totals])
        holds.append(low <= 0.5 <= high)
    assert 0.91 <= np.mean(holds) <= 0.98


def test_of_a_ratio_the_sums_are_left_out_together():
    steps = np.array([[2.0, 4.0], [10.0, 20.0], [1.0, 2.0]])  # a half in every song
    assert song_interval(lambda windows, total: ratio(*total), [np.ones(3), steps]) == pytest.approx((0.5, 0.5))


def test_a_figure_that_hangs_on_one_song_has_no_interval():
    steps = np.array([[1.0, 2.0], [0.0, 0.0]])
    assert all(map(math.isnan, song_interval(lambda windows, total: ratio(*total), [np.ones(2), steps])))
