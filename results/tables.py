"""Tables of results for the terminal."""

import math
from dataclasses import asdict
from typing import Any

from drumline.results.examples import to_json
from drumline.results.paper import paper_of
from drumline.results.store import BASELINES, Result
from rich.table import Table


def accuracies(results: list[Result]) -> Table:
    """The table of accuracies, beside the paper's."""
    table = Table(
        title="Accuracy on held-out songs, beside the paper's on other data",
        caption="majority: always the commonest combination. repeat_bar: the bar before, again. A model that beats "
        "neither has learned nothing.",
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
        for name, metrics in BASELINES.items():
            forced, sampled = (f"{latest.metrics[metric]:.3f}" for metric in metrics)
            table.add_row(name, str(bars), forced, "", sampled, "", "", "", "", latest.corpus)
        for result in of_length:
            table.add_row(*_accuracies_row(result))
        table.add_section()
    return table


def _accuracies_row(result: Result) -> list[str]:
    paper = paper_of(result.model, result.bars)
    forced, sampled = (f"{value:.3f}" for value in paper) if paper else ("", "")
    return [
        result.model,
        str(result.bars),
        f"{result.metrics['teacher_forced_accuracy']:.3f}",
        forced,
        f"{result.metrics['sampled_accuracy']:.3f}",
        sampled,
        " and ".join(result.beats) or "neither",
        "blessed" if result.blessed else "not blessed",
        result.profile,
        result.corpus,
    ]


def runs(results: list[Result]) -> Table:
    """A row an evaluated model of every run, the latest last."""
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
            *(f"{result.metrics.get(f'{way}_accuracy', math.nan):.3f}" for way in ("teacher_forced", "sampled")),
            "blessed" if result.blessed else "not blessed",
            result.pushed or "",
        )
    return table


def as_json(results: list[Result]) -> list[dict[str, Any]]:
    """The results as JSON values, all that is known of each."""
    return [to_json(asdict(result) | {"date": result.date.isoformat(), "corpus": result.corpus}) for result in results]
