from collections import Counter

import numpy as np
import pytest
from drumline.components.midi_example_gen.near_copies import HASHES, find_near_copies, minhash
from drumline.drums.midi import RejectedError
from drumline.drums.windows import Song, read_song


@pytest.fixture(scope="module")
def songs(freedoom) -> list[Song]:
    """Real songs that differ."""
    found = {}
    for path in sorted(freedoom.glob("*.mid")):
        try:
            song = read_song(path.read_bytes())
        except RejectedError:
            continue
        if song.bars >= 16:
            found.setdefault(song.id, song)
    return list(found.values())


def estimate(one: Song, other: Song) -> float:
    first, second = (np.frombuffer(minhash(song), "<u4") for song in (one, other))
    return float((first == second).mean())


def half_bars(song: Song) -> Counter[tuple[int, bytes]]:
    halves = song.combinations.reshape(-1, 2, 8)
    return Counter((half, bar[half].tobytes()) for bar in halves for half in (0, 1) if bar[half].any())


def with_changes(song: Song, share: float) -> Song:
    """The song with one drum of a share of its steps struck, or no longer struck."""
    generator = np.random.default_rng(0)
    velocities = song.velocities.copy()
    bars, steps = np.nonzero(generator.random(velocities.shape[:2]) < share)
    drums = generator.integers(0, 9, len(bars))
    velocities[bars, steps, drums] = np.where(velocities[bars, steps, drums] > 0, 0, 100)
    return Song(velocities, song.segments)


def test_minhashes_estimate_the_share_of_half_bars_in_common(songs):
    generator = np.random.default_rng(1)
    for _ in range(40):
        one, other = (songs[number] for number in generator.integers(0, len(songs), 2))
        both = Song(np.concatenate([one.velocities, other.velocities]), np.array([one.bars, other.bars]))
        exact = (half_bars(one) & half_bars(both)).total() / (half_bars(one) | half_bars(both)).total()
        assert estimate(one, both) == pytest.approx(exact, abs=5 * np.sqrt(0.25 / HASHES))


def test_real_songs_that_differ_are_no_near_copies(songs):
    names = [f"{number:03d}" for number in range(len(songs))]
    assert find_near_copies(names, list(map(minhash, songs))) == {}


@pytest.mark.parametrize(
    ("vary", "least"),
    [
        (lambda song: Song(song.velocities[: song.bars * 7 // 10], song.segments), 0.95),
        (lambda song: Song(np.roll(song.velocities, 5, axis=0), song.segments), 1),
        (lambda song: with_changes(song, 0.005), 0.95),
        (lambda song: with_changes(song, 0.02), 0.85),
    ],
    ids=["cut", "turned", "few changes", "some changes"],
)
def test_a_song_and_its_near_copy_are_one_group(songs, vary, least):
    originals = [f"{number:03d}a" for number in range(len(songs))]
    copies = [name.replace("a", "b") for name in originals]
    found = find_near_copies(originals + copies, [minhash(song) for song in songs + list(map(vary, songs))])
    together = [found.get(copy) == original for original, copy in zip(originals, copies, strict=True)]
    assert sum(together) / len(together) >= least
    assert all(group in (original, None) for original, group in zip(originals, map(found.get, originals), strict=True))


def test_a_group_is_named_by_its_least_id_and_holds_near_copies_of_near_copies(songs):
    chain = [songs[0]]
    for start in (10, 20, 30):
        velocities = chain[-1].velocities.copy()
        velocities[start : start + 8] = songs[1].velocities[start : start + 8]
        chain.append(Song(velocities, songs[0].segments))
    names = ["d", "b", "c", "a"]
    assert set(find_near_copies(names, list(map(minhash, chain))).values()) == {"a"}


def test_the_order_of_the_songs_does_not_matter(songs):
    names = [f"{number:03d}" for number in range(20)] + [f"{number:03d}x" for number in range(20)]
    hashes = [minhash(song) for song in songs[:20]] * 2
    assert find_near_copies(names, hashes) == find_near_copies(names[::-1], hashes[::-1])
