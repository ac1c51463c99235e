"""Results as tables for the terminal, and as JSON."""

import math
from dataclasses import asdict
from typing import Any

from drumline.results.baselines import EXPLANATION, SAMPLED, TEACHER_FORCED, read_baselines
from drumline.results.paper import find_in_paper
from drumline.results.run import ModelResult
from rich.table import Table


def tabulate_accuracies(results: list[ModelResult]) -> Table:
    """A table of the accuracies of models and baselines, beside the paper's."""
    table = Table(
        title="Accuracy on held-out songs, beside the paper's on other data",
        caption=EXPLANATION,
        box=None,
        padding=(0, 2, 0, 0),
    )
    for column in (
        "model",
        "bars",
        "teacher-forced",
        "paper",
        "sampled",
        "paper",
        "beats",
        "gate",
        "profile",
        "corpus",
    ):
        table.add_column(column, justify="left" if column in ("model", "beats", "gate") else "right", no_wrap=True)
    for bars in sorted({result.bars for result in results}):
        of_length = [result for result in results if result.bars == bars]
        latest = max(of_length, key=lambda result: result.date)
        for name, figures in read_baselines(latest.metrics).items():
            forced, sampled = (f"{figures[metric]:.3f}" for metric in (TEACHER_FORCED, SAMPLED))
            table.add_row(name, str(bars), forced, "", sampled, "", "", "", "", latest.corpus)
        for result in of_length:
            table.add_row(*_list_accuracies(result))
        table.add_section()
    return table


def _list_accuracies(result: ModelResult) -> list[str]:
    paper = find_in_paper(result.paper_model, result.bars)
    forced, sampled = (f"{value:.3f}" for value in paper) if paper else ("", "")
    return [
        result.model,
        str(result.bars),
        f"{result.metrics[TEACHER_FORCED]:.3f}",
        forced,
        f"{result.metrics[SAMPLED]:.3f}",
        sampled,
        " and ".join(result.beaten) or "neither",
        "blessed" if result.blessed else "not blessed",
        result.profile,
        result.corpus,
    ]


def tabulate_runs(results: list[ModelResult]) -> Table:
    """A table with one row for each evaluated model of every run, the latest last."""
    table = Table(title="All runs", box=None, padding=(0, 2, 0, 0))
    numbers = ("run", "bars", "seed", "teacher-forced", "sampled")
    for column in ("run", "date", "model", "bars", "profile", "corpus", "seed", *numbers[3:], "gate", "pushed as"):
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    for result in results:
        table.add_row(
            str(result.run),
            f"{result.date:%Y-%m-%d %H:%M}",
            result.model,
            str(result.bars),
            result.profile,
            result.corpus,
            str(result.seed),
            *(f"{result.metrics.get(metric, math.nan):.3f}" for metric in (TEACHER_FORCED, SAMPLED)),
            "blessed" if result.blessed else "not blessed",
            result.pushed or "",
        )
    return table


def to_json(results: list[ModelResult]) -> list[dict[str, Any]]:
    """The results as JSON values: all that is known of each, but the slices of its evaluation."""
    return [_to_json(result) for result in results]


def _to_json(result: ModelResult) -> dict[str, Any]:
    known = asdict(result)
    del known["evaluation"]
    return known | {
        "date": result.date.isoformat(),
        "corpus": result.corpus,
        "steps": _finite(result.steps),
        "minutes": _finite(result.minutes),
        "metrics": result.metrics,
        "intervals": result.evaluation.intervals,
        "beats": result.beaten,
        "failures": [str(failure) for failure in result.evaluation.failures],
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
