import functools

import numpy as np
import pytest
import tensorflow as tf
from drumline.components.midi_example_gen.examples import serialize_examples
from drumline.drums.kit import combinations_of
from drumline.results.examples import EXAMPLES, Windows, count_hits, draw_latent_map, play_examples

from tests.models.saved import push
from tests.models.tiny import BARS

STEPS = 16 * BARS
SONGS = ["a" * 16, "b" * 16, "c" * 16, "d" * 16]


@pytest.fixture(scope="module")
def signatures(tmp_path_factory):
    """Those of a tiny model by its name."""
    serving = tmp_path_factory.mktemp("serving")
    return functools.cache(lambda name: push(name, serving).signatures)


def windows(of_each: int = 4) -> Windows:
    generator = np.random.default_rng(3)
    velocities = generator.integers(0, 128, [of_each * len(SONGS), STEPS, 9], np.uint8)
    velocities[generator.random(velocities.shape) < 0.7] = 0
    return Windows(velocities, [song for song in SONGS for _ in range(of_each)])


def test_windows_come_from_examples():
    there = windows()
    examples = [
        example
        for velocities, song in zip(there.velocities, there.songs, strict=True)
        for example in serialize_examples(song, velocities[None])
    ]
    read = Windows.of_examples(examples, STEPS)
    np.testing.assert_array_equal(read.velocities, there.velocities)
    assert read.songs == there.songs


@pytest.mark.parametrize("count", [1, 3, 4, 7, 16, 100])
def test_few_windows_are_of_many_songs(count):
    spread = windows().spread(count)
    assert len(spread.songs) == len(spread.velocities) == min(count, 16)
    assert len(set(spread.songs)) == min(count, len(SONGS))
    assert spread.songs == sorted(spread.songs)


def test_the_first_of_a_song_is_from_its_middle():
    there = windows(5)
    np.testing.assert_array_equal(there.spread(4).velocities, there.velocities[2::5])


@pytest.mark.parametrize("name", ["flat_vae", "hierarchical_vae"])
def test_an_autoencoder_is_shown_by_reconstructions_samples_and_a_way(signatures, name):
    there = windows()
    examples = play_examples(signatures(name), there)
    of_group = {group: [e for e in examples if e.group.startswith(group)] for group in ("Rec", "Sam", "Int")}
    assert [len(each) for each in of_group.values()] == [2 * EXAMPLES, EXAMPLES, 5]
    few = there.spread(EXAMPLES)
    originals = [e.combinations for e in of_group["Rec"] if e.title == "original"]
    assert originals == combinations_of(few.velocities).tolist()
    reconstructions = [e.combinations for e in of_group["Rec"] if e.title == "reconstruction"]
    played = signatures(name)["serving_default"](velocities=tf.constant(few.velocities, tf.int64))["hits"]
    assert reconstructions == combinations_of(played.numpy()).tolist()
    # The way begins and ends with what the autoencoder makes of the two songs.
    assert [of_group["Int"][end].combinations for end in (0, -1)] == [reconstructions[0], reconstructions[-1]]


@pytest.mark.parametrize("name", ["lstm", "conv"])
def test_a_forecaster_is_shown_by_what_follows_the_first_bar(signatures, name):
    there = windows()
    examples = play_examples(signatures(name), there)
    assert len(examples) == 3 * EXAMPLES
    for original, *continued in zip(*[iter(examples)] * 3, strict=True):
        for each in continued:
            assert each.primer_steps == 16
            assert len(each.combinations) == STEPS
            assert each.combinations[:16] == original.combinations[:16]
    assert draw_latent_map(signatures(name), there) is None


def test_the_map_has_a_point_a_window_and_its_grid(signatures):
    there = windows()
    points = draw_latent_map(signatures("flat_vae"), there).points
    assert [point.combinations for point in points] == combinations_of(there.velocities).tolist()
    assert [point.song for point in points] == there.songs
    assert len({(point.x, point.y) for point in points}) == len(points)


def test_three_windows_are_too_few_for_a_map(signatures):
    assert draw_latent_map(signatures("flat_vae"), windows().spread(3)) is None


def test_hits_of_each_drum_are_counted_from_combinations():
    hits = count_hits({0: 100, 1: 5, 0b101: 3, 511: 1})
    assert list(hits.values()) == [9, 1, 4, 1, 1, 1, 1, 1, 1]
