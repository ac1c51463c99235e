"""Beats as text, for a terminal."""

import numpy as np
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from rich.text import Text

_BARS_A_LINE = 4
_STEPS_A_BEAT = STEPS_PER_BAR // 4
_WIDTH = max(map(len, DRUMS))


def draw_grid(hits: np.ndarray) -> Text:
    """A beat as nine rows, the kick lowest, and sixteen columns a bar; four bars to the line. hits: [steps, 9]."""
    bars = hits.reshape(-1, STEPS_PER_BAR, len(DRUMS))
    lines = (bars[first : first + _BARS_A_LINE] for first in range(0, len(bars), _BARS_A_LINE))
    return Text("\n\n").join(map(_line, lines))


def _line(bars: np.ndarray) -> Text:
    """bars: [1..4, 16, 9]."""
    rows = []
    for drum in reversed(range(len(DRUMS))):
        row = Text(f"{DRUMS[drum]:<{_WIDTH}} │")
        for bar in bars[:, :, drum]:
            for step, hit in enumerate(bar):
                row.append("●" if hit else "·", style="bold" if hit else "" if step % _STEPS_A_BEAT == 0 else "dim")
            row.append("│")
        rows.append(row)
    return Text("\n").join(rows)
