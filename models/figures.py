"""Figures of many windows, from the sums over them of what `models.evaluation` gives of each.

Without TensorFlow: sums are float64 arrays. NaN stands for a share of nothing.
"""

import numpy as np

ACTIVE = 0.01  # the least variance of mu of an active unit (Burda et al. 2016, appendix C)


def ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def f1_precision_recall(onsets: np.ndarray) -> tuple[float, float, float]:
    """onsets: [3], how many are right, too many, missing: `models.measures.onsets`."""
    right, extra, missing = onsets
    return ratio(right, right + (extra + missing) / 2), ratio(right, right + extra), ratio(right, right + missing)


def active_units(mu: np.ndarray, mu_squared: np.ndarray, windows: int) -> int:
    """Dimensions of z whose mu varies over the windows. mu, mu_squared: [Z], the sums of mu and of its square."""
    return int(np.sum(mu_squared / windows - (mu / windows) ** 2 > ACTIVE))


def total_variation(counts: np.ndarray, other: np.ndarray) -> float:
    """The total variation distance of two distributions, 0 to 1: the share of one that would have to move.

    counts, other: how often each class occurs, [n].
    """
    if not (counts.any() and other.any()):
        return float("nan")
    return float(np.abs(counts / counts.sum() - other / other.sum()).sum() / 2)
