"""Who is the better drummer: win rates and a Bradley-Terry ranking of the answers.

An answer that cannot say counts as half a win for each: left out, a source that can hardly be told from another
would look far better or worse than it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import choix
import numpy as np
from scipy import stats
from scipy.special import expit

LEVEL = 0.95
# Wins of each source against each other before anything was heard: as if one answer could not say. It keeps the
# strength finite of who won or lost every time, and gives one to who was never compared.
PRIOR = 0.5


@dataclass(frozen=True)
class Tally:
    """The answers about two sources: who was chosen how often, and how often the listener could not say."""

    a: str
    b: str
    a_wins: int
    b_wins: int
    same: int

    @property
    def answers(self) -> int:
        return self.a_wins + self.b_wins + self.same


@dataclass(frozen=True)
class Standing:
    """A source among the others.

    win_rate: wins / answers, with a Wilson interval; all three None without an answer.
    strength: Bradley-Terry's, in logits around the mean of all sources: a source wins against one that is 1 weaker
    in 73 of 100 pairs. With an interval.
    """

    source: str
    answers: int
    wins: float
    win_rate: float | None
    win_rate_low: float | None
    win_rate_high: float | None
    strength: float
    strength_low: float
    strength_high: float


def ranking(tallies: Sequence[Tally]) -> list[Standing]:
    """The standing of every source that the tallies name, the strongest first. All intervals are of 95 %."""
    if not tallies:
        return []
    names = sorted({name for tally in tallies for name in (tally.a, tally.b)})
    standings = []
    for name, strength, reach in zip(names, *_strengths(names, tallies), strict=True):
        answers, wins = _record(name, tallies)
        rate, low, high = (wins / answers, *wilson(wins, answers)) if answers else (None, None, None)
        standings.append(Standing(name, answers, wins, rate, low, high, strength, strength - reach, strength + reach))
    return sorted(standings, key=lambda standing: -standing.strength)


def wilson(wins: float, answers: int) -> tuple[float, float]:
    """The score interval of a win rate (Wilson 1927, equation 6), also of halves of wins, for which it is too wide
    rather than too narrow."""
    z2 = float(stats.norm.ppf((1 + LEVEL) / 2)) ** 2
    middle = wins + z2 / 2
    reach = np.sqrt(z2 * (wins * (answers - wins) / answers + z2 / 4))
    return float((middle - reach) / (answers + z2)), float((middle + reach) / (answers + z2))


def _record(name: str, tallies: Sequence[Tally]) -> tuple[int, float]:
    """The answers and wins of a source against all others."""
    its_own = [tally for tally in tallies if name in (tally.a, tally.b)]
    wins = sum((tally.a_wins if name == tally.a else tally.b_wins) + tally.same / 2 for tally in its_own)
    return sum(tally.answers for tally in its_own), wins


def _strengths(names: list[str], tallies: Sequence[Tally]) -> tuple[list[float], list[float]]:
    """Bradley-Terry strengths (the likeliest, by choix) and the reach of their 95 % intervals to either side.

    The intervals are of Laplace's approximation, from the Hessian there. Not of a bootstrap: one would never doubt
    what all answers agree on, be they three or three hundred.
    """
    wins = PRIOR * (1 - np.eye(len(names)))
    for tally in tallies:
        a, b = names.index(tally.a), names.index(tally.b)
        wins[a, b] += tally.a_wins + tally.same / 2
        wins[b, a] += tally.b_wins + tally.same / 2
    # Its default of 100 is too few where hundreds of answers are about the same two of several sources.
    strengths = choix.ilsr_pairwise_dense(wins, max_iter=10_000)
    rates = expit(strengths[:, None] - strengths)
    information = (wins + wins.T) * rates * rates.T
    hessian = np.diag(information.sum(axis=1)) - information
    # Strengths are only known up to a constant, here by the mean being 0: hence the pseudo-inverse.
    variances = np.diag(np.linalg.pinv(hessian))
    return strengths.tolist(), (stats.norm.ppf((1 + LEVEL) / 2) * np.sqrt(variances)).tolist()
