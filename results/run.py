"""What runs reached, as typed values: `results.store` reads them, and tables, pages and JSON are views of them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from drumline.results.baselines import list_beaten
from drumline.results.evaluation import Evaluation

from drumline.errors import InputError


@dataclass(frozen=True)
class ModelResult:
    """An evaluation of a trained model.

    midi: The corpus, as the command line would have it; below the folder of the runs as `runs/...`.
    date: When the evaluation began.
    sizes, training: Fields of the dataclasses in `models.sizes`, those that were used: with what a search chose.
    tuned: Whether a search chose the sizes.
    counts: Counters of the examples: `files`, `songs`, `windows`, `windows_in_train` and so on.
    steps, minutes: How long it was trained, all resumptions together; NaN where no epoch was kept.
    run: The number of the pipeline's run, of those of all pipelines.
    pushed: The version that it was pushed as; None where it was not.
    paper_model: "simple" or "hierarchical" where the paper has results of such a model, else "".
    """

    model: str
    bars: int
    profile: str
    midi: str
    date: datetime
    evaluation: Evaluation
    blessed: bool
    sizes: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    steps: float = math.nan
    minutes: float = math.nan
    tuned: bool = False
    run: int = 0
    pushed: str | None = None
    paper_model: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics over all windows of the test songs."""
        return self.evaluation.metrics

    @property
    def corpus(self) -> str:
        """The name of the corpus' folder."""
        return Path(self.midi).name

    @property
    def seed(self) -> int:
        return self.training.get("seed", 0)

    @property
    def beaten(self) -> list[str]:
        """The baselines that its teacher-forced accuracy exceeds."""
        return list_beaten(self.metrics)


@dataclass(frozen=True)
class Run:
    """A run of a pipeline.

    number: Of the runs of all pipelines.
    models: The results of the models that it evaluated, in the order of their evaluations.
    report: The folder of its report; None where it has none.
    """

    number: int
    models: tuple[ModelResult, ...] = ()
    report: Path | None = None


def select_latest(results: Iterable[ModelResult], key: Callable[[ModelResult], tuple]) -> list[ModelResult]:
    """The last of the results that share a key, in the order of keys."""
    latest = {key(result): result for result in results}
    return [latest[key] for key in sorted(latest)]


def select_results(results: list[ModelResult], profile: str = "", corpus: str = "") -> list[ModelResult]:
    """The results of a profile on a corpus; "" stands for those of the latest result.

    Raises:
      InputError: There is no such result.
    """
    of_profile = [result for result in results if profile in ("", result.profile)]
    of_both = [result for result in of_profile if corpus in ("", result.corpus)]
    if not of_both:
        there = ", ".join(sorted({f"{result.profile} on {result.corpus}" for result in results}))
        raise InputError(f"no evaluation of the profile '{profile}' on the corpus '{corpus}'; there are {there}")
    latest = max(of_both, key=lambda result: result.date)
    return [result for result in of_both if (result.profile, result.corpus) == (latest.profile, latest.corpus)]
