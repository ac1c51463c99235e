"""Figures over several seeds: mean and spread."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Self

from drumline.results.run import ModelResult


@dataclass(frozen=True)
class Aggregate:
    """The mean of a figure and its sample standard deviation over n seeds: 0 of one seed, NaN of none."""

    mean: float
    spread: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """NaN, a figure that could not be told, does not count."""
        values = [value for value in values if not math.isnan(value)]
        return cls(fmean(values) if values else math.nan, stdev(values) if len(values) > 1 else 0.0, len(values))

    def format(self, digits: int = 3) -> str:
        """0.612 ± 0.004; of one seed 0.612; of none a dash."""
        if not self.n:
            return "-"
        spread = f" ± {self.spread:.{digits}f}" if self.n > 1 else ""
        return f"{self.mean:.{digits}f}{spread}"


@dataclass(frozen=True)
class Seeds:
    """The results of one model at one length, one a seed."""

    results: tuple[ModelResult, ...]

    @property
    def model(self) -> str:
        return self.results[0].model

    @property
    def bars(self) -> int:
        return self.results[0].bars

    @property
    def one(self) -> "Seeds":
        """One of the seeds: what a baseline reached, and what the data hold, does not depend on them."""
        return Seeds(self.results[-1:])

    def __getitem__(self, metric: str) -> Aggregate:
        return Aggregate.of(result.metrics.get(metric, math.nan) for result in self.results)

    @property
    def is_autoencoder(self) -> bool:
        """Whether the KL of a latent space was measured, which only autoencoders have."""
        return bool(self["kl"].n)

    @property
    def steps(self) -> Aggregate:
        return Aggregate.of(result.steps for result in self.results)

    @property
    def minutes(self) -> Aggregate:
        return Aggregate.of(result.minutes for result in self.results)


def group_by_model(results: Iterable[ModelResult]) -> list[Seeds]:
    """Results of the same model and length together, by length and model."""
    groups: dict[tuple[int, str], list[ModelResult]] = {}
    for result in results:
        groups.setdefault((result.bars, result.model), []).append(result)
    return [Seeds(tuple(groups[key])) for key in sorted(groups)]
