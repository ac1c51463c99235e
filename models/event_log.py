"""Event files of a training for TensorBoard."""

from pathlib import Path

import tensorflow as tf
from drumline.models.encoding import hits_of_combinations
from drumline.models.model_run import Epoch

FOLDER = "tensorboard"  # below that of the checkpoints while a model is trained, then of the artifact `model_run`
_HEIGHT, _WIDTH = 12, 8  # pixels of a drum and of a step in a picture


class EventLog:
    """Writes what each epoch measured, and pictures of a few beats that the model plays."""

    def __init__(self, folder: Path):
        self._writer = tf.summary.create_file_writer(str(folder / FOLDER))

    def add(self, epoch: Epoch, beats: tf.Tensor) -> None:
        """Adds an epoch.

        Args:
          epoch: What it measured, by name.
          beats: Combinations that the model plays for some held-out windows, int64 [B, steps].
        """
        with self._writer.as_default(step=int(epoch["step"])):
            for name, value in epoch.items():
                if name not in ("epoch", "step"):
                    tf.summary.scalar(name, value)
            tf.summary.image("beats", draw_beats(beats), max_outputs=len(beats))
        self._writer.flush()


def draw_beats(beats: tf.Tensor) -> tf.Tensor:
    """Draws beats as pictures, the kick lowest and time to the right.

    Args:
      beats: Combinations, int64 [B, steps].

    Returns:
      float32 [B, height, width, 1], 1 where a drum is hit.
    """
    hits = tf.reverse(tf.transpose(hits_of_combinations(beats), [0, 2, 1]), axis=[1])
    return tf.repeat(tf.repeat(hits, _HEIGHT, axis=1), _WIDTH, axis=2)[..., None]
