"""What the report of a run shows of a trained model: beats that it plays, and a map of its latent space."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from drumline.drums.kit import DRUMS, STEPS_PER_BAR, combinations_of, hits_of
from drumline.results.report_facts import Grid, LatentMap, Point
from sklearn.manifold import TSNE

from drumline.naming import SONG_ID

EXAMPLES = 3  # songs of the test split that are shown
_FRACTIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
_POINTS = 400  # windows on the map of z
_READ = 20_000  # test windows that are looked at: more make the map no better

Signatures = Mapping[str, Any]


class Windows:
    """Windows of the test songs.

    velocities: uint8 [N, steps, 9]; songs: the song of each, [N].
    """

    def __init__(self, velocities: np.ndarray, songs: list[str]):
        self.velocities, self.songs = velocities, songs

    @classmethod
    def of_examples(cls, serialized: Iterable[bytes], steps: int) -> "Windows":
        """From tf.Examples with `song_id` and `velocities`, the first 20,000."""
        velocities, songs = [], []
        for example, _ in zip(serialized, range(_READ), strict=False):
            feature = tf.train.Example.FromString(example).features.feature
            velocities.append(np.array(feature["velocities"].int64_list.value, np.uint8).reshape(steps, len(DRUMS)))
            songs.append(feature[SONG_ID].bytes_list.value[0].decode())
        return cls(np.array(velocities).reshape(-1, steps, len(DRUMS)), songs)

    def spread(self, count: int) -> "Windows":
        """At most `count` windows, as many songs as possible and of each its middle first."""
        of_song: dict[str, list[int]] = {}
        for place, song in enumerate(self.songs):
            of_song.setdefault(song, []).append(place)
        places = [_from_the_middle(of_one) for of_one in of_song.values()]
        rounds = (of_one[turn] for turn in range(max(map(len, places))) for of_one in places if turn < len(of_one))
        chosen = sorted(place for place, _ in zip(rounds, range(count), strict=False))
        return Windows(self.velocities[chosen], [self.songs[place] for place in chosen])


def _from_the_middle(places: list[int]) -> list[int]:
    middle = places[len(places) // 2]
    return sorted(places, key=lambda place: abs(place - middle))


def play_examples(signatures: Signatures, windows: Windows) -> list[Grid]:
    """The grids that show what a model does with some test windows: see the functions below."""
    few = windows.spread(EXAMPLES)
    if "sample" in signatures:
        return [
            *play_reconstructions(signatures, few),
            *play_samples(signatures),
            *play_interpolations(signatures, few),
        ]
    return play_continuations(signatures, few)


def play_reconstructions(signatures: Signatures, windows: Windows) -> list[Grid]:
    """Each window, and how an autoencoder plays it again from z alone."""
    played = signatures["serving_default"](velocities=_int64(windows.velocities))["hits"].numpy()
    return [
        _make_grid(f"Reconstruction {number}", title, hits, song=song)
        for number, (true, own, song) in enumerate(zip(windows.velocities, played, windows.songs, strict=True), 1)
        for title, hits in (("original", true), ("reconstruction", own))
    ]


def play_samples(signatures: Signatures) -> list[Grid]:
    """New beats, at temperature 1."""
    seeds = np.array([[0, number] for number in range(EXAMPLES)], np.int64)
    played = signatures["sample"](temperature=tf.ones([EXAMPLES]), seed=tf.constant(seeds))["hits"].numpy()
    return [_make_grid("Samples", f"sample, seed {number}", hits) for number, hits in enumerate(played)]


def play_interpolations(signatures: Signatures, windows: Windows) -> list[Grid]:
    """The way from the first window to the last."""
    steps = len(_FRACTIONS)
    a, b = (np.repeat(window[None], steps, 0) for window in (windows.velocities[0], windows.velocities[-1]))
    played = signatures["interpolate"](
        a=_int64(a),
        b=_int64(b),
        fraction=tf.constant(_FRACTIONS, tf.float32),
        temperature=tf.zeros([steps]),
        seed=tf.zeros([steps, 2], tf.int64),
    )["hits"].numpy()
    group = f"Interpolation from song {windows.songs[0][:8]} to song {windows.songs[-1][:8]}"
    return [
        _make_grid(group, f"{fraction:.0%} of the way", hits) for fraction, hits in zip(_FRACTIONS, played, strict=True)
    ]


def play_continuations(signatures: Signatures, windows: Windows) -> list[Grid]:
    """Each window, and how a forecaster goes on after its first bar: the likeliest way, and one that is drawn."""
    count, steps = windows.velocities.shape[:2]
    primer = windows.velocities[:, :STEPS_PER_BAR]
    played = signatures["continue"](
        velocities=_int64(np.tile(primer, (2, 1, 1))),
        temperature=tf.repeat([0.0, 1.0], count),
        seed=tf.constant([[0, number % count] for number in range(2 * count)], tf.int64),
    )["hits"].numpy()[:, : steps - STEPS_PER_BAR]
    beats = np.concatenate([np.tile(primer > 0, (2, 1, 1)), played], axis=1)
    return [
        _make_grid(f"Continuation {number + 1}", title, hits, song=windows.songs[number], primer_steps=primer_steps)
        for number in range(count)
        for title, hits, primer_steps in (
            ("original", windows.velocities[number], 0),
            ("after its first bar, the likeliest", beats[number], STEPS_PER_BAR),
            ("after its first bar, drawn at temperature 1", beats[count + number], STEPS_PER_BAR),
        )
    ]


def draw_latent_map(signatures: Signatures, windows: Windows) -> LatentMap | None:
    """z of some hundred test windows in two dimensions; None of a forecaster, or of fewer windows than a map needs."""
    few = windows.spread(_POINTS)
    if "encode" not in signatures or len(few.songs) < 4:
        return None
    z = np.concatenate(
        [signatures["encode"](velocities=_int64(batch))["z"].numpy() for batch in _batches(few.velocities)]
    )
    perplexity = min(30, (len(z) - 1) / 3)
    places = TSNE(2, perplexity=perplexity, init="random", random_state=0).fit_transform(z)
    points = [
        Point(float(x), float(y), song, combinations_of(window).tolist())
        for (x, y), song, window in zip(places, few.songs, few.velocities, strict=True)
    ]
    return LatentMap(f"t-SNE of z (mu), perplexity {perplexity:.0f}", points)


def _batches(windows: np.ndarray) -> Iterable[np.ndarray]:
    return (windows[first : first + 64] for first in range(0, len(windows), 64))


def _make_grid(group: str, title: str, hits: np.ndarray, *, song: str | None = None, primer_steps: int = 0) -> Grid:
    return Grid(group, title, combinations_of(hits).tolist(), song and song[:8], primer_steps)


def _int64(velocities: np.ndarray) -> tf.Tensor:
    return tf.constant(velocities, tf.int64)


def count_hits(frequencies: Mapping[int, int]) -> dict[str, int]:
    """How often each drum is hit, from how often each combination is played."""
    combinations, counts = (np.array(values, np.int64) for values in (list(frequencies), list(frequencies.values())))
    return dict(zip(DRUMS, (counts @ hits_of(combinations)).tolist(), strict=True))
