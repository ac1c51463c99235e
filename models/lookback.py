"""What a step can know of the steps before it, besides what a network remembers.

Music repeats bars, and an LSTM takes long to learn to remember one. So a step reads the same step of some earlier bars,
and how far what was played lately agrees with these: whether the window is being repeated, and from where.
"""

import tensorflow as tf
from drumline.drums.kit import COMBINATIONS, DRUMS, STEPS_PER_BAR
from drumline.models.encoding import hits_of_combinations

NOTHING = COMBINATIONS  # stands before the first step: no combination, and of no hits
SPANS = (1, 4, 16, 64)  # steps over which agreement is averaged
_LAGS = (1, 2, 4, 8)  # bars
_BAR_LAGS = (1, 2, 3, 4, 8)
BAR_HISTORY = 1 + max(_BAR_LAGS)  # bars that `read_bars` needs before a bar


def lags_of(bars: int) -> tuple[int, ...]:
    """Chooses how many bars ago a step of a window of `bars` bars looks."""
    return tuple(lag for lag in _LAGS if lag < bars) or _LAGS[:1]


def history_of(lags: tuple[int, ...]) -> int:
    """Computes how many steps `read_steps` needs before a step, at least BAR_HISTORY bars."""
    return max(max(lags) * STEPS_PER_BAR + max(SPANS), BAR_HISTORY * STEPS_PER_BAR)


def pad_history(combinations: tf.Tensor, history: int) -> tf.Tensor:
    """Puts `history` steps of NOTHING before each window. int64 [B, steps] to [B, history + steps]."""
    return tf.pad(combinations, [[0, 0], [history, 0]], constant_values=NOTHING)


def read_steps(padded: tf.Tensor, history: int, lags: tuple[int, ...], dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads the history of each step that has `history` steps before it.

    Args:
      padded: Combinations, int64 [B, history - 1 + n]; the last one precedes the last step that is read for.
      history: `history_of(lags)`.
      lags: Bars.
      dtype: Of the features.

    Returns:
      features: [B, n, f]: the hits of the step before and of the same step `lags` bars ago, whether there was such a
        step, and the share of the last SPANS steps that agreed with what was played `lags` bars before them.
      earlier: The combinations `lags` bars ago, or NOTHING, int64 [B, n, lags].
    """
    count = tf.shape(padded)[1] - history + 1
    longest = max(SPANS)

    def before(steps: int, length: tf.Tensor) -> tf.Tensor:
        """The `length` combinations that start `steps` steps before the first step that is read for."""
        return padded[:, history - steps : history - steps + length]

    last = before(1, count)
    earlier = [before(lag * STEPS_PER_BAR, count) for lag in lags]
    agreements = []
    for lag in lags:
        recent = before(longest, longest - 1 + count)
        agrees = (recent == before(longest + lag * STEPS_PER_BAR, longest - 1 + count)) & (recent != NOTHING)
        total = tf.cumsum(tf.pad(tf.cast(agrees, tf.float32), [[0, 0], [1, 0]]), axis=1)
        end = total[:, longest : longest + count]
        agreements += [(end - total[:, longest - span : longest - span + count]) / span for span in SPANS]
    hits = hits_of_combinations(tf.stack([last, *earlier], axis=2), dtype)
    hits = tf.reshape(hits, [-1, count, (1 + len(lags)) * len(DRUMS)])
    earlier = tf.stack(earlier, axis=2)
    known = tf.cast(earlier != NOTHING, dtype)
    return tf.concat([hits, known, tf.cast(tf.stack(agreements, axis=2), dtype)], axis=2), earlier


def read_bars(bars: tf.Tensor, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads the history of each bar that has BAR_HISTORY bars before it.

    Args:
      bars: Combinations, int64 [B, BAR_HISTORY - 1 + n, 16]; the last one precedes the last bar that is read for.
      dtype: Of what is returned.

    Returns:
      hits: Of the bar before, [B, n, 144].
      agreements: Share of its steps that are as 1, 2, 3, 4 and 8 bars before it; and whether there is such a bar,
        [B, n, 6].
    """
    first = BAR_HISTORY - 1
    count = tf.shape(bars)[1] - first
    last = bars[:, first:]
    there = last != NOTHING
    agreements = [
        tf.reduce_mean(tf.cast((last == bars[:, first - lag : first - lag + count]) & there, tf.float32), axis=2)
        for lag in _BAR_LAGS
    ]
    agreements.append(tf.cast(there[:, :, 0], tf.float32))
    hits = tf.reshape(hits_of_combinations(last, dtype), [-1, count, STEPS_PER_BAR * len(DRUMS)])
    return hits, tf.cast(tf.stack(agreements, axis=2), dtype)


def copy_logits(weights: tf.Tensor, earlier: tf.Tensor) -> tf.Tensor:
    """Adds up, for each combination, the weights of the lags at which it was played.

    Args:
      weights: float [..., lags].
      earlier: Combinations at these lags, or NOTHING, which counts for none; int64 [..., lags].

    Returns:
      [..., 512].
    """
    lags = zip(tf.unstack(weights, axis=-1), tf.unstack(earlier, axis=-1), strict=True)
    return tf.add_n([weight[..., None] * tf.one_hot(each, COMBINATIONS, dtype=weight.dtype) for weight, each in lags])
