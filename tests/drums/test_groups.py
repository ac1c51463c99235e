import numpy as np
import pytest
from drumline.drums.groups import distinct_bars, hits_per_bar


def window(bars: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(bars)


def bar(hits: int, first: int = 0) -> np.ndarray:
    """A bar of so many hits, from a place on; int64 [16, 9]."""
    places = np.zeros(144, np.int64)
    places[first : first + hits] = 100
    return places.reshape(16, 9)


@pytest.mark.parametrize(
    ("hits", "group"), [(0, "0-3"), (3, "0-3"), (4, "4-7"), (12, "12-15"), (23, "16-23"), (24, "24+"), (144, "24+")]
)
def test_density_is_the_mean_over_the_bars(hits, group):
    assert hits_per_bar(window([bar(hits), bar(hits)])) == group


def test_half_a_hit_is_rounded_down():
    assert hits_per_bar(window([bar(3), bar(4)])) == "0-3"


@pytest.mark.parametrize(("number", "group"), [(1, "1"), (2, "2"), (3, "3-4"), (4, "3-4"), (5, "5-8"), (16, "9+")])
def test_bars_are_distinct_that_differ_in_a_hit(number, group):
    assert distinct_bars(window([bar(3, first=place % number) for place in range(16)])) == group


def test_louder_is_not_another_bar():
    assert distinct_bars(window([bar(5), bar(5) // 2])) == "1"


def test_a_window_may_come_as_one_row():
    of_two = window([bar(9), bar(9, first=1)])
    assert hits_per_bar(of_two.ravel()) == hits_per_bar(of_two)
    assert distinct_bars(of_two.ravel()) == "2"
