"""The temperatures at which beats are drawn unless another one is asked for.

Chosen by measure, so that the bars of a beat agree about as much as those of songs: docs/TRIALS.md,
benchmarks/temperature.py.
"""

DEFAULT_TEMPERATURE = 0.5  # of new beats
CONTINUE_TEMPERATURE = 0.85  # of drums that continue a song
