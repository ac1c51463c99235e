"""The temperature at which beats are drawn unless another one is asked for."""

DEFAULT_TEMPERATURE = 0.5  # chosen by measure: docs/TRIALS.md, benchmarks/temperature.py
