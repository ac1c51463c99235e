"""How samples compare with songs: what both are like, whether a classifier tells them apart, and copies.

Without TensorFlow. Everywhere: windows are combinations, integers [N, steps].
"""

import numpy as np
from drumline.drums.kit import COMBINATIONS, DRUMS, SILENCE, STEPS_PER_BAR, hits_of
from drumline.models.figures import total_variation
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

COPY = 0.95  # share of equal steps from which on a window counts as a copy
_FOLDS = 5
_LAGS = (1, 2, 4, 8)  # bars


def summarize(windows: np.ndarray) -> dict[str, float]:
    """Computes what windows are like on average.

    Returns:
      `self_similarity`: share of steps that two bars of a window have in common, over all pairs of bars.
      `density`: hits per bar.
      `bar_change`: share of the bars after the first that differ from the bar before.
    """
    bars = _in_bars(windows)
    count = bars.shape[1]
    equal = np.mean([(bars[:, [one]] == bars).mean(axis=(1, 2)) for one in range(count)], axis=0)
    return {
        "self_similarity": float(np.mean((equal * count - 1) / (count - 1))) if count > 1 else float("nan"),
        "density": float(hits_of(windows).sum(axis=(1, 2)).mean() / count),
        "bar_change": float((bars[:, 1:] != bars[:, :-1]).any(axis=2).mean()) if count > 1 else float("nan"),
    }


def histogram_distance(windows: np.ndarray, others: np.ndarray) -> float:
    """Computes the total variation distance, 0 to 1, between the combinations of two sets of windows."""
    counts, other_counts = (np.bincount(each.ravel(), minlength=COMBINATIONS) for each in (windows, others))
    return total_variation(counts, other_counts)


def copied_share(windows: np.ndarray, train: np.ndarray, least: float = COPY) -> float:
    """Computes the share of windows that agree with some training window in at least a share `least` of the steps."""
    need = least * windows.shape[1]
    train = train.astype(np.uint16)
    return float(np.mean([(train == window).sum(axis=1).max() >= need for window in windows.astype(np.uint16)]))


def two_sample_accuracy(songs: np.ndarray, samples: np.ndarray, song_ids: np.ndarray | None = None) -> float:
    """Classifier two-sample test (Lopez-Paz & Oquab 2017): how well a classifier tells samples from songs.

    The classifier is fixed: 100 trees of depth 3 (scikit-learn's HistGradientBoostingClassifier, learning rate 0.1,
    random state 0) on the statistics that `describe_windows` gives. Of the larger set, windows at equal distances are
    taken, so that both count alike.

    Args:
      songs: Windows of held-out songs.
      samples: Windows of the model.
      song_ids: The song of each window of `songs`, [N]. The windows of a song are either trained on or tested, never
        both. Without it, each window is a song of its own.

    Returns:
      Accuracy of 5-fold cross-validation: 0.5 where samples cannot be told from songs, 1 where they always can.
    """
    count = min(len(songs), len(samples))
    kept, taken = (np.linspace(0, len(each) - 1, count).round().astype(int) for each in (songs, samples))
    features = describe_windows(np.concatenate([songs[kept], samples[taken]]))
    labels = np.repeat([0, 1], count)
    song_ids = np.arange(len(songs)) if song_ids is None else np.unique(song_ids, return_inverse=True)[1]
    groups = np.concatenate([song_ids[kept], song_ids.max() + 1 + np.arange(count)])
    classifier = HistGradientBoostingClassifier(max_iter=100, max_depth=3, early_stopping=False, random_state=0)
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    return float(cross_val_score(classifier, features, labels, groups=groups, cv=folds).mean())


def describe_windows(windows: np.ndarray) -> np.ndarray:
    """Computes statistics of each window: what drums play, where in the bar, and how bars follow one another.

    Returns:
      float64 [N, n]: hits per bar of each drum; share of windows' bars with a hit at each of the 16 steps; share of
      silent steps, distinct combinations, distinct bars, drums in use; and for 1, 2, 4 and 8 bars (if the window is so
      long) the mean share of steps that are as so many bars before, its standard deviation, and the share of bars that
      are exactly so.
    """
    bars, hits = _in_bars(windows), hits_of(windows)
    count = bars.shape[1]
    sounding = bars != SILENCE
    columns = [
        *(hits.sum(axis=1) / count).T,
        *sounding.mean(axis=1).T,
        1 - sounding.mean(axis=(1, 2)),
        [len(np.unique(window)) for window in windows],
        [len(np.unique(window, axis=0)) for window in bars],
        hits.any(axis=1).sum(axis=1),
    ]
    for lag in _LAGS:
        if lag < count:
            equal = (bars[:, lag:] == bars[:, :-lag]).mean(axis=2)
            columns += [equal.mean(axis=1), equal.std(axis=1), (equal == 1).mean(axis=1)]
    return np.stack([np.asarray(column, float) for column in columns], axis=1)


def pca_accuracy(train: np.ndarray, windows: np.ndarray, components: int) -> float:
    """Computes the reconstruction accuracy of a PCA of the hits, the baseline of an autoencoder of as many dimensions.

    Args:
      train: Windows that it is fitted to.
      windows: Windows that it reconstructs; a drum is hit where the reconstruction is at least a half.
      components: Principal components, at most as many as there are training windows, or hits in a window.

    Returns:
      The share of steps whose whole combination is right.
    """
    flat, unseen = (hits_of(each).reshape(len(each), -1).astype(np.float32) for each in (train, windows))
    components = min(components, *flat.shape)
    pca = PCA(components, svd_solver="auto", random_state=0).fit(flat)
    rebuilt = pca.inverse_transform(pca.transform(unseen)) >= 0.5
    right = (rebuilt == (unseen > 0)).reshape(-1, len(DRUMS)).all(axis=1)
    return float(right.mean())


def _in_bars(windows: np.ndarray) -> np.ndarray:
    return windows.reshape(len(windows), -1, STEPS_PER_BAR)
