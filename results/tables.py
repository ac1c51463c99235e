"""Results as tables for the terminal, and as JSON."""

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from drumline.results.baselines import EXPLANATION, SAMPLED, TEACHER_FORCED, read_baselines
from drumline.results.paper import find_in_paper
from drumline.results.run import ModelResult
from rich.table import Table


def tabulate_accuracies(results: list[ModelResult], *, wide: bool = False) -> Table:
    """Makes a table of the accuracies of models and baselines, beside the paper's.

    Args:
      results: The latest result of each model and length.
      wide: Whether it may be wider than 80 columns: with the baselines that each model beats, profile and corpus.
    """
    corpora = ", ".join(sorted({result.corpus for result in results}))
    columns = ["model", "bars", "teacher-forced", "sampled", "paper", "gate", *(_WIDE if wide else ())]
    table = _make_table(f"Accuracy on held-out songs of {corpora}; the paper's on other data", columns)
    table.caption = EXPLANATION
    for bars in sorted({result.bars for result in results}):
        of_length = [result for result in results if result.bars == bars]
        latest = max(of_length, key=lambda result: result.date)
        rows = [
            [name, str(bars), *(f"{figures[metric]:.3f}" for metric in (TEACHER_FORCED, SAMPLED)), "", ""]
            for name, figures in read_baselines(latest.metrics).items()
        ]
        for row in rows + [_list_accuracies(result, wide) for result in of_length]:
            table.add_row(*row)
        table.add_section()
    return table


_WIDE = ("beats", "profile", "corpus")
_NUMBERS = ("run", "bars", "seed", "teacher-forced", "sampled", "paper")


def _make_table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in _NUMBERS else "left", no_wrap=True)
    return table


def _list_accuracies(result: ModelResult, wide: bool) -> list[str]:
    paper = find_in_paper(result.paper_model, result.bars)
    more = [" and ".join(result.beaten) or "neither", result.profile, result.corpus] if wide else []
    return [
        result.model,
        str(result.bars),
        f"{result.metrics[TEACHER_FORCED]:.3f}",
        f"{result.metrics[SAMPLED]:.3f}",
        " / ".join(f"{value:.3f}" for value in paper) if paper else "",
        _name_blessing(result),
        *more,
    ]


def _name_blessing(result: ModelResult) -> str:
    return "blessed" if result.blessed else "not blessed"


def tabulate_runs(results: list[ModelResult], *, wide: bool = False) -> Table:
    """Makes a table with one row for each evaluated model of every run, the latest last.

    Args:
      results: All results.
      wide: Whether it may be wider than 80 columns: with profile, corpus, seed and the version that was pushed.
    """
    columns = ["run", "date", "model", "bars", "teacher-forced", "sampled", "gate"]
    table = _make_table("All runs", columns + (["profile", "corpus", "seed", "pushed as"] if wide else []))
    for result in results:
        more = [result.profile, result.corpus, str(result.seed), result.pushed or ""] if wide else []
        table.add_row(
            str(result.run),
            f"{result.date:%Y-%m-%d}",
            result.model,
            str(result.bars),
            *(f"{result.metrics.get(metric, math.nan):.3f}" for metric in (TEACHER_FORCED, SAMPLED)),
            _name_blessing(result),
            *more,
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
