"""The temperature at which beats are played unless another one is asked for."""

# Chosen by measure (docs/TRIALS.md, `benchmarks/temperature.py`).
DEFAULT_TEMPERATURE = 0.5
