"""The ranking, for a terminal."""

from pathlib import Path
from typing import Any

from drumline.play.listening.answers import Answers
from drumline.play.listening.server import results_of
from rich.table import Table

from drumline.errors import InputError


def table_of(path: Path, bars: int) -> Table:
    """What the answers of a file say about beats of that many bars, the best source first.

    Raises InputError where there is no such file, or no answer in it.
    """
    found: dict[str, Any] = results_of(Answers(path), bars) if path.exists() else {"answers": 0}
    if not found["answers"]:
        raise InputError(f"{path}: no answer about beats of {bars} bars yet; `./run drumline listen` asks for some")
    table = Table(
        title=f"Which is the better beat of {bars} bars? Answers: {found['answers']}, intervals: 95 %",
        caption="strength: Bradley-Terry, around the mean. preferred: share of its pairs that a source won.",
        box=None,
        padding=(0, 2, 0, 0),
    )
    table.add_column("source")
    for column in ("strength", "from", "to", "preferred", "from", "to", "answers"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in found["standings"]:
        strengths = (row.strength, row.strength_low, row.strength_high)
        rates = (row.win_rate, row.win_rate_low, row.win_rate_high)
        table.add_row(
            row.source,
            *(f"{value:+.2f}" for value in strengths),
            *("" if value is None else f"{value:.3f}" for value in rates),
            str(row.answers),
        )
    return table
