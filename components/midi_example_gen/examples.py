"""Windows as serialized tf.Examples, at the speed of copying bytes."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import tensorflow as tf
from drumline.drums.kit import DRUMS

from drumline.naming import SONG_ID


def serialize_examples(song_id: str, windows: np.ndarray) -> Iterator[bytes]:
    """The tf.Example of each window, with `song_id` and `velocities`. windows: uint8 [windows, steps, 9], 0..127."""
    before, after = _frame(song_id, windows.shape[1])
    # A velocity is below 128, so it is its own varint: the packed list of a window is the bytes of the window.
    for window in windows:
        yield before + window.tobytes() + after


@cache
def _frame(song_id: str, steps: int) -> tuple[bytes, bytes]:
    """What stands before and behind the velocities in the tf.Example of a window."""
    # A 1 would not do: the length before 144 of them ends in that byte, and the frame would lose it.
    velocities = bytes([127]) * (steps * len(DRUMS))
    empty = tf.train.Example(
        features=tf.train.Features(
            feature={
                SONG_ID: tf.train.Feature(bytes_list=tf.train.BytesList(value=[song_id.encode()])),
                "velocities": tf.train.Feature(int64_list=tf.train.Int64List(value=velocities)),
            }
        )
    ).SerializeToString(deterministic=True)
    before, _, after = empty.partition(velocities)
    return before, after
