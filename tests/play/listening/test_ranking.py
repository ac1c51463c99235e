from itertools import combinations

import numpy as np
import pytest
from drumline.play.listening.ranking import Tally, ranking, wilson
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binomtest

STRENGTHS = {"real": 1.2, "hierarchical_vae": 0.4, "lstm": -0.3, "conv": -1.3}


def tallies(answers: int, seed: int = 0) -> list[Tally]:
    """Answers of listeners to whom the sources have those strengths, so many of every two."""
    generator = np.random.default_rng(seed)
    found = []
    for a, b in combinations(STRENGTHS, 2):
        wins = int(generator.binomial(answers, expit(STRENGTHS[a] - STRENGTHS[b])))
        found.append(Tally(a, b, wins, answers - wins, 0))
    return found


def width(standings) -> float:
    return float(np.mean([row.strength_high - row.strength_low for row in standings]))


def test_known_strengths_are_found_again():
    for row in ranking(tallies(4000)):
        assert row.strength == pytest.approx(STRENGTHS[row.source], abs=0.08)
        assert row.strength_low < row.strength < row.strength_high


def test_the_intervals_hold_the_truth_19_times_in_20():
    inside = [
        row.strength_low < STRENGTHS[row.source] < row.strength_high
        for seed in range(150)
        for row in ranking(tallies(40, seed))
    ]
    assert 0.92 < np.mean(inside) < 0.99


def test_the_strongest_comes_first():
    assert [row.source for row in ranking(tallies(500))] == list(STRENGTHS)


def test_more_answers_give_narrower_intervals():
    few, many = ranking(tallies(10)), ranking(tallies(1000))
    assert width(many) == pytest.approx(width(few) / 10, rel=0.2)
    for row in many:
        assert row.win_rate_high - row.win_rate_low < 0.05


def test_the_order_of_sources_and_of_sides_does_not_matter():
    straight = tallies(30)
    turned = [Tally(tally.b, tally.a, tally.b_wins, tally.a_wins, tally.same) for tally in reversed(straight)]
    for one, other in zip(ranking(straight), ranking(turned), strict=True):
        assert one.source == other.source
        assert one.strength == pytest.approx(other.strength, abs=1e-6)
        assert (one.wins, one.win_rate_low) == (other.wins, other.win_rate_low)


def test_who_cannot_say_gives_half_a_win_to_each():
    first, second = ranking([Tally("lstm", "real", 1, 3, 4)])
    assert (first.source, first.wins, first.win_rate) == ("real", 5, 0.625)
    assert (second.source, second.wins, second.win_rate) == ("lstm", 3, 0.375)


def test_who_cannot_be_told_apart_is_as_strong():
    for row in ranking([Tally("lstm", "real", 0, 0, 200)]):
        assert row.strength == pytest.approx(0)
        assert row.strength_high < 0.3


def test_winning_always_is_finite_and_stays_uncertain_while_answers_are_few():
    few, many = (ranking([Tally("lstm", "real", 0, wins, 0)])[0] for wins in (3, 300))
    assert few.source == many.source == "real"
    assert few.win_rate == many.win_rate == 1
    assert few.strength_low < 0 < many.strength_low
    assert np.isfinite(many.strength_high)


def test_who_was_never_compared_stands_in_the_middle_with_the_widest_interval():
    found = {row.source: row for row in ranking([*tallies(100), *(Tally("new", name, 0, 0, 0) for name in STRENGTHS)])}
    new = found.pop("new")
    assert new.win_rate is new.win_rate_low is new.win_rate_high is None
    assert new.strength_low < -1
    assert new.strength_high > 1
    assert all(new.strength_high - new.strength_low > row.strength_high - row.strength_low for row in found.values())


def test_without_sources_there_is_no_ranking():
    assert ranking([]) == []


@given(st.lists(st.tuples(*[st.integers(0, 3000)] * 3), min_size=6, max_size=6))
@example([(0, 0, 0)] * 5 + [(0, 857, 0)])
@example([(0, 0, 0)] * 5 + [(100_000, 0, 0)])
def test_any_answers_give_finite_strengths_around_zero(counts):
    found = ranking([Tally(a, b, *some) for (a, b), some in zip(combinations("wxyz", 2), counts, strict=True)])
    numbers = [(row.strength_low, row.strength, row.strength_high) for row in found]
    assert np.isfinite(numbers).all()
    assert sum(row.strength for row in found) == pytest.approx(0, abs=1e-6)


@given(st.integers(1, 1000).flatmap(lambda answers: st.tuples(st.integers(0, answers), st.just(answers))))
def test_the_interval_of_a_win_rate_is_scipys(counted):
    wins, answers = counted
    expected = binomtest(wins, answers).proportion_ci(0.95, method="wilson")
    assert wilson(wins, answers) == pytest.approx((expected.low, expected.high), abs=1e-9)
