import math

import numpy as np
import pytest
from drumline.models import figures


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    f1, precision, recall = figures.f1_precision_recall(np.array([6.0, 2.0, 4.0]))
    assert (precision, recall) == (0.75, 0.6)
    assert f1 == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))


def test_a_drum_that_nobody_hits_has_no_score():
    assert all(map(math.isnan, figures.f1_precision_recall(np.zeros(3))))
    f1, precision, recall = figures.f1_precision_recall(np.array([0.0, 0.0, 3.0]))
    assert (f1, recall) == (0.0, 0.0)
    assert math.isnan(precision)


def test_units_are_active_where_mu_varies_over_the_windows():
    mu = np.random.default_rng(0).normal([0, 5, 0, -3], [1.0, 0.01, 0.2, 0.0], (500, 4))
    assert figures.active_units(mu.sum(0), (mu**2).sum(0), 500) == 2


def test_total_variation_is_the_share_that_would_have_to_move():
    assert figures.total_variation(np.array([1, 1, 0]), np.array([2, 2, 0])) == 0
    assert figures.total_variation(np.array([1, 0, 0]), np.array([0, 7, 0])) == 1
    assert figures.total_variation(np.array([3, 1]), np.array([10, 10])) == pytest.approx(0.25)
    assert math.isnan(figures.total_variation(np.zeros(2), np.ones(2)))
