"""How hard drums are hit and how far off the grid: beats get the dynamics of a corpus or of a song.

A table of dynamics is a float array [16, 9]: on each step of a bar of 4/4 the mean MIDI velocity of each drum, in the
order of DRUMS.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from drumline.drums.kit import STEPS_PER_BAR

# Means over 388,612 hits of the 1,008 performances in 4/4 of the Groove MIDI Dataset's training and validation splits
# (Gillick et al. 2019, Google LLC, CC BY 4.0, https://magenta.tensorflow.org/datasets/groove), each hit on its nearest
# sixteenth, with the dataset's own table of Roland's pitches.
GROOVE = np.array(
    [
        (69, 28, 67, 50, 64, 50, 47, 50, 65, 44, 65, 50, 65, 52, 50, 46),  # kick
        (59, 45, 62, 64, 93, 50, 71, 55, 66, 59, 65, 66, 97, 60, 76, 56),  # snare
        (72, 44, 67, 61, 76, 51, 68, 58, 69, 56, 69, 58, 76, 52, 67, 56),  # closed hi-hat
        (85, 50, 91, 71, 97, 51, 76, 67, 90, 62, 90, 67, 95, 62, 99, 68),  # open hi-hat
        (93, 82, 73, 82, 92, 80, 83, 88, 87, 88, 86, 92, 101, 90, 96, 92),  # low tom
        (101, 68, 88, 84, 97, 93, 89, 88, 104, 78, 95, 93, 106, 88, 90, 88),  # mid tom
        (79, 73, 70, 85, 98, 76, 94, 72, 87, 93, 90, 93, 100, 87, 90, 74),  # high tom
        (92, 83, 59, 81, 94, 70, 72, 55, 79, 55, 70, 56, 84, 46, 89, 87),  # crash
        (82, 58, 65, 66, 86, 62, 69, 64, 76, 66, 72, 59, 85, 60, 70, 60),  # ride
    ],
    np.float64,
).T
GROOVE.flags.writeable = False

_SWING = 1 / 3  # steps: at full swing an off-beat sixteenth is where the third of three triplets is
_TIME_DEVIATION = 0.06  # steps, the standard deviation at full `humanize`: 7.5 ms at 120 BPM
_VELOCITY_DEVIATION = 0.1  # of the velocity, likewise
_MOST_DEVIATIONS = 2.0  # so no note comes nearer to another step, however it swings


@dataclass(frozen=True)
class Feel:
    """How beats are played.

    Attributes:
      velocity: The velocity of all hits, 1 to 127; None for the dynamics of the table.
      swing: How late every other sixteenth is: 0 for straight, 1 for triplets.
      humanize: The size of random deviations of time and velocity, 0 to 1.
    """

    velocity: int | None = None
    swing: float = 0.0
    humanize: float = 0.0

    def __post_init__(self):
        if self.velocity is not None and not 1 <= self.velocity <= 127:
            raise ValueError("a velocity lies in 1..127")
        if not (0 <= self.swing <= 1 and 0 <= self.humanize <= 1):
            raise ValueError("swing and humanize lie in 0..1")


PLAIN = Feel()  # the velocities of the table, on the grid


def measure_dynamics(velocities: np.ndarray, otherwise: np.ndarray | None = None) -> np.ndarray:
    """The table of dynamics of some bars.

    Args:
      velocities: Integers [bars, 16, 9], MIDI velocities, 0 = no hit.
      otherwise: The table for what is not hit, by default GROOVE; it is made as loud as what is hit, each drum for
        itself where it is hit at all.

    Returns:
      Float [16, 9].
    """
    otherwise = GROOVE if otherwise is None else otherwise
    total = velocities.sum(axis=0, dtype=np.float64)
    count = (velocities > 0).sum(axis=0)
    expected = otherwise * count
    if not count.any():
        return otherwise
    louder = np.where(count.any(axis=0), total.sum(axis=0) / np.maximum(expected.sum(axis=0), 1), 0)
    louder = np.where(louder > 0, louder, total.sum() / expected.sum())
    return np.where(count > 0, total / np.maximum(count, 1), np.clip(otherwise * louder, 1, 127))


def apply_dynamics(hits: np.ndarray, table: np.ndarray, velocity: int | None = None) -> np.ndarray:
    """The velocities of a beat.

    Args:
      hits: [steps, 9], anything above 0 is a hit; its first step is the first of a bar.
      table: Float [16, 9], mean velocities.
      velocity: The velocity of all hits, 1 to 127, in place of the table's.

    Returns:
      Int64 [steps, 9], 1..127 where there is a hit, 0 elsewhere.
    """
    levels = table[np.arange(len(hits)) % STEPS_PER_BAR] if velocity is None else float(velocity)
    return np.where(hits > 0, np.clip(np.floor(levels + 0.5), 1, 127), 0).astype(np.int64)


def play(hits: np.ndarray, table: np.ndarray, feel: Feel, seed: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """A beat as it is played.

    Args:
      hits: [steps, 9], as `apply_dynamics` takes them.
      table: Float [16, 9], mean velocities.
      feel: How it is played.
      seed: The same seed gives the same deviations.

    Returns:
      Its velocities, int64 [steps, 9], and its delays, float [steps, 9]: how many steps each hit is late.
    """
    velocities = apply_dynamics(hits, table, feel.velocity)
    delays = np.zeros(hits.shape)
    delays[1::2] = feel.swing * _SWING
    if feel.humanize:
        generator = np.random.default_rng([number % 2**64 for number in seed])
        time, loudness = generator.standard_normal((2, *hits.shape)).clip(-_MOST_DEVIATIONS, _MOST_DEVIATIONS)
        delays += feel.humanize * _TIME_DEVIATION * time
        louder = velocities * (1 + feel.humanize * _VELOCITY_DEVIATION * loudness)
        velocities = np.where(hits > 0, np.clip(np.floor(louder + 0.5), 1, 127), 0).astype(np.int64)
    return velocities, delays
