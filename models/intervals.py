"""Confidence intervals of figures over songs.

Windows of one song overlap and are alike: whoever counts them as independent gets intervals far too narrow. What is
independent is the song, so the intervals come from leaving out one song at a time.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

LEVEL = 0.95


def song_interval(figure: Callable[..., float], songs: Sequence[np.ndarray]) -> tuple[float, float]:
    """The 95 % interval of a figure of sums, by the jackknife over songs with Student's t (Efron and Tibshirani 1993,
    An Introduction to the Bootstrap, chapter 11).

    figure: gives the figure from the sums over all songs, one argument each.
    songs: of each of these sums its parts, float [songs, ...], two songs or more.
    Returns low and high; NaN where the figure is not defined without one of the songs.
    """
    n, totals = len(songs[0]), [parts.sum(axis=0) for parts in songs]
    left = [total - parts for total, parts in zip(totals, songs, strict=True)]
    without = np.array([figure(*sums) for sums in zip(*left, strict=True)])
    error = np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
    value, reach = figure(*totals), stats.t.ppf((1 + LEVEL) / 2, n - 1) * error
    return float(value - reach), float(value + reach)
