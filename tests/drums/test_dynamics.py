import numpy as np
import pytest
from drumline.drums.dynamics import GROOVE, PLAIN, Feel, apply_dynamics, measure_dynamics, play
from drumline.drums.kit import DRUMS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

HITS = arrays.arrays(np.int64, (32, 9), elements=st.integers(0, 1))


def test_drummers_accent_the_backbeat_and_play_ghost_notes_between():
    snare = GROOVE[:, DRUMS.index("snare")]
    assert GROOVE.shape == (16, 9)
    assert (snare[[4, 12]].min() > np.delete(snare, [4, 12])).all()
    hat = GROOVE[:, DRUMS.index("closed hi-hat")]
    assert hat[::4].min() > hat[1::2].max()


@settings(deadline=None, max_examples=25)
@given(HITS)
def test_a_hit_has_the_mean_velocity_of_its_drum_and_step(hits):
    velocities = apply_dynamics(hits, GROOVE)
    np.testing.assert_array_equal(velocities, hits * np.concatenate([GROOVE, GROOVE]).astype(int))


@settings(deadline=None, max_examples=25)
@given(HITS, st.integers(1, 127))
def test_a_velocity_can_be_fixed(hits, velocity):
    np.testing.assert_array_equal(play(hits, GROOVE, Feel(velocity), (0,))[0], hits * velocity)


@settings(deadline=None, max_examples=25)
@given(HITS, st.floats(0, 1), st.floats(0, 1))
def test_the_same_hits_are_played_however_they_feel(hits, swing, humanize):
    velocities, delays = play(hits, GROOVE, Feel(None, swing, humanize), (1, 2))
    np.testing.assert_array_equal(velocities > 0, hits > 0)
    assert velocities.max() <= 127
    assert (np.abs(delays) < 0.5).all()


def test_full_swing_makes_triplets_of_sixteenths():
    _, delays = play(np.ones((16, 9)), GROOVE, Feel(swing=1), (0,))
    onsets = np.arange(16) + delays[:, 0]
    np.testing.assert_allclose(onsets[1::2] - onsets[::2], 4 / 3)
    np.testing.assert_allclose(onsets[::2], np.arange(0, 16, 2))


def test_humanized_beats_differ_by_seed_alone():
    hits = np.ones((32, 9), np.int64)
    first, again, other = (play(hits, GROOVE, Feel(humanize=0.5), (seed, 0)) for seed in (-1, -1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert (one != different).any()
    assert np.abs(first[0] - apply_dynamics(hits, GROOVE)).max() > 3
    assert (play(hits, GROOVE, PLAIN, (0,))[1] == 0).all()


def test_the_dynamics_of_a_song_are_its_means_and_as_loud_where_it_has_none():
    bars = np.zeros((2, 16, 9), np.int64)
    bars[:, 0, 0] = 30, 41
    bars[:, 4, 1] = 20
    table = measure_dynamics(bars)
    assert (table[0, 0], table[4, 1]) == (35.5, 20)
    np.testing.assert_allclose(table[1:, 0], GROOVE[1:, 0] * 35.5 / GROOVE[0, 0])
    assert table[:, 8].max() < 0.6 * GROOVE[:, 8].max()  # never played, but all of the song is soft


@pytest.mark.parametrize(
    "nonsense", [{"velocity": 0}, {"velocity": 128}, {"swing": -0.1}, {"swing": 2}, {"humanize": float("nan")}]
)
def test_a_feel_that_is_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError, match="lie"):
        Feel(**nonsense)
