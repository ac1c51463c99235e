import functools

import numpy as np
import pytest
import tensorflow as tf
from drumline.models.density import Density
from drumline.play.chaining import PARTS, beats, path, seeds_of, windows
from drumline.play.pushed_models import PushedModel

from tests.models.saved import push
from tests.models.tiny import BARS

STEPS = 16 * BARS
SEEDS = seeds_of(7, range(3))
LATENT = 64


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """A tiny model by its name."""
    serving = tmp_path_factory.mktemp("serving")
    return functools.cache(lambda name: push(name, serving))


@pytest.fixture(scope="module", params=["flat_vae", "hierarchical_vae", "lstm", "conv"])
def player(request, pushed) -> PushedModel:
    return pushed(request.param)


def first(player, count: int) -> list[np.ndarray]:
    return [window for window, _ in zip(windows(player, 1.0, SEEDS), range(count), strict=False)]


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The share of hits that differ."""
    return (a != b).mean(axis=(-1, -2))


# All models


@pytest.mark.parametrize("bars", [1, BARS, BARS + 1, 5 * BARS])
def test_a_beat_has_the_length_that_was_asked_for(player, bars):
    beat = beats(player, bars, 1.0, SEEDS)
    assert beat.shape == (3, 16 * bars, 9)
    assert set(np.unique(beat)) <= {0, 1}


def test_the_first_window_is_what_the_model_plays_for_the_seed_anyway(player):
    ones = np.ones(3, np.float32)
    if "sample" in player.signatures:
        plain = player.call("sample", temperature=ones, seed=SEEDS)
    else:
        silence = np.zeros([3, 1, 9], np.int64)
        plain = player.call("continue", velocities=silence, temperature=ones, seed=SEEDS)
    np.testing.assert_array_equal(beats(player, 2 * BARS, 1.0, SEEDS)[:, :STEPS], plain["hits"])


def test_a_shorter_beat_is_how_a_longer_one_begins(player):
    longer = beats(player, 3 * BARS, 1.0, SEEDS)
    np.testing.assert_array_equal(beats(player, 2 * BARS + 1, 1.0, SEEDS), longer[:, : 2 * STEPS + 16])


def test_the_same_seed_gives_the_same_long_beat_and_another_another(player):
    beat = beats(player, 2 * BARS, 1.0, SEEDS)
    np.testing.assert_array_equal(beats(player, 2 * BARS, 1.0, SEEDS), beat)
    other = beats(player, 2 * BARS, 1.0, seeds_of(8, range(3)))
    assert (other != beat).any(axis=(1, 2)).all()
    assert (beat[0] != beat[1]).any()


def test_a_long_beat_is_the_same_whatever_the_count(player):
    together = beats(player, 3 * BARS, 1.0, SEEDS)
    for beat in range(3):
        np.testing.assert_array_equal(beats(player, 3 * BARS, 1.0, SEEDS[beat : beat + 1])[0], together[beat])


def test_the_windows_of_a_beat_are_not_all_the_same(player):
    windows_of_it = first(player, 2 * PARTS)
    assert all((windows_of_it[0] != window).any() for window in windows_of_it[1:])


@pytest.mark.parametrize("seed", [-(2**63), 2**63 - 1])
def test_the_smallest_and_the_largest_seed_can_be_used(player, seed):
    assert beats(player, 2 * BARS, 1.0, seeds_of(seed, range(1))).shape == (1, 2 * STEPS, 9)


# Forecasters


def test_a_forecaster_goes_on_from_all_of_the_window_before(pushed):
    forecaster = pushed("lstm")
    one, two, _ = first(forecaster, 3)
    seeds = SEEDS + np.array([0, 1 << 32])
    after = forecaster.call("continue", velocities=one, temperature=np.ones(3, np.float32), seed=seeds)
    np.testing.assert_array_equal(after["hits"], two)


def test_a_forecaster_goes_on_from_what_it_was_given(pushed):
    forecaster = pushed("lstm")
    heard = np.eye(9, dtype=np.int64)[np.arange(16) % 9] * 100
    ones = np.ones(3, np.float32)
    plain = forecaster.call("continue", velocities=np.repeat(heard[None], 3, axis=0), temperature=ones, seed=SEEDS)
    np.testing.assert_array_equal(beats(forecaster, 2 * BARS, 1.0, SEEDS, heard)[:, :STEPS], plain["hits"])


# Autoencoders: the way through z


class Prior:
    """Answers `draw` with standard normal codes."""

    signatures = ("draw",)

    def call(self, signature: str, seed: np.ndarray) -> dict[str, np.ndarray]:
        return {"z": Density.standard(LATENT).draw(tf.constant(seed)).numpy()}


def test_every_draw_is_on_the_way_and_the_first_is_the_seeds_own(pushed):
    player = pushed("flat_vae")
    for draw in range(3):
        z = player.call("draw", seed=SEEDS + np.array([0, draw << 32]))["z"]
        np.testing.assert_allclose(path(player, SEEDS, draw * PARTS), z, rtol=1e-5)


def test_the_way_goes_in_equal_angles_through_z_of_the_priors_length():
    way = np.stack([path(Prior(), SEEDS, window) for window in range(2 * PARTS + 1)])
    norms = np.linalg.norm(way, axis=-1)
    assert (abs(norms / LATENT**0.5 - 1) < 0.4).all()
    way /= norms[..., None]
    angles = np.arccos((way[:-1] * way[1:]).sum(-1))
    for start in (0, PARTS):
        leg = angles[start : start + PARTS]
        assert abs(leg.mean(axis=0) - np.pi / 2 / PARTS).max() < 0.1
        assert (leg < 0.65).all()


def test_neighbouring_windows_are_closer_than_those_of_other_beats(pushed):
    seeds = seeds_of(0, range(64))
    chain = beats(pushed("hierarchical_vae"), 2 * PARTS * BARS, 1.0, seeds).reshape(64, 2 * PARTS, STEPS, 9)
    near = apart(chain[:, :-1], chain[:, 1:]).mean()
    unrelated = apart(chain[:, :-1], np.roll(chain[:, 1:], 1, axis=0)).mean()
    assert near < 0.8 * unrelated
