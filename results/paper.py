"""The accuracies of J. Ortiz, "6.882 Final Project" (2020), which measured on other data."""

from typing import NamedTuple


class Accuracies(NamedTuple):
    """Shares of steps whose whole combination is right."""

    teacher_forced: float
    sampled: float


_OF_KIND = {
    ("simple", 2): Accuracies(0.982, 0.834),
    ("simple", 16): Accuracies(0.812, 0.392),
    ("hierarchical", 2): Accuracies(0.963, 0.924),
    ("hierarchical", 16): Accuracies(0.943, 0.893),
}


def find_in_paper(paper_model: str, bars: int) -> Accuracies | None:
    """Returns the paper's accuracies of its model "simple" or "hierarchical"; None where it has none."""
    return _OF_KIND.get((paper_model, bars))
