import itertools
import random
from collections import Counter

import pytest
from drumline.components.midi_example_gen import SPLITS
from drumline.components.midi_example_gen.splits import fill_splits, merge_ends, split_of
from drumline.components.midi_example_gen.transforms import choose_owners, choose_split


def ids(count: int, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    return [f"{chance.getrandbits(64):016x}" for _ in range(count)]


def splits_of(songs: list[str], groups: dict[str, str] | None = None) -> dict[str, str]:
    """The split of each song, as the transforms find it."""
    groups = groups or {}
    ends = {}
    for song in songs:
        for kind, owner in (("groups", groups.get(song, song)), ("songs", song)):
            key = (kind, split_of(owner, SPLITS))
            ends[key] = merge_ends([ends.get(key, ()), (owner,)], len(SPLITS))
    borrowed = choose_owners(ends, SPLITS)
    return {song: choose_split(song, groups, borrowed, SPLITS) for song in songs}


@pytest.mark.parametrize("count", [3, 4, 5, 8, 12, 20])
def test_any_three_songs_or_more_fill_every_split(count):
    for seed in range(300):
        assert set(splits_of(ids(count, seed)).values()) == set(SPLITS)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_songs_than_splits_leave_one_empty(count):
    assert len(set(splits_of(ids(count)).values())) <= count


def test_many_songs_are_split_by_their_hash_alone():
    songs = ids(5000)
    assert splits_of(songs) == {song: split_of(song, SPLITS) for song in songs}
    shares = {split: count / len(songs) for split, count in Counter(splits_of(songs).values()).items()}
    assert shares == pytest.approx({"train": 0.8, "eval": 0.1, "test": 0.1}, abs=0.02)


def test_a_song_changes_its_split_only_to_or_from_one_that_would_be_empty():
    changed, added = 0, 0
    for seed in range(50):
        songs = ids(40, seed)
        for count in range(3, len(songs)):
            before, after = splits_of(songs[:count]), splits_of(songs[: count + 1])
            moved = [song for song in before if before[song] != after[song]]
            for song in moved:
                assert split_of(song, SPLITS) in (before[song], after[song])
            changed, added = changed + len(moved), added + 1
    assert changed / added < 0.1


def test_the_order_in_which_songs_come_does_not_matter():
    songs = ids(6, 3)
    for order in itertools.islice(itertools.permutations(songs), 50):
        assert splits_of(list(order)) == splits_of(songs)


def test_near_copies_share_the_split_of_the_least_id():
    songs = sorted(ids(200))
    groups = {song: songs[number - number % 5] for number, song in enumerate(songs)}
    found = splits_of(songs, groups)
    assert all(found[song] == found[groups[song]] for song in songs)
    assert set(found.values()) == set(SPLITS)


def test_fewer_groups_than_splits_are_split_by_song():
    songs = sorted(ids(5))
    assert set(splits_of(songs, dict.fromkeys(songs, songs[0])).values()) == set(SPLITS)


def test_an_empty_split_takes_from_the_one_that_has_most():
    assert fill_splits({"train": ("a", "b", "c"), "test": ("d",)}, SPLITS) == {"c": "eval"}
    assert fill_splits({"eval": ("a", "b", "c")}, SPLITS) == {"a": "train", "b": "test"}
    assert fill_splits({"train": ("a",), "eval": ("b",), "test": ("c",)}, SPLITS) == {}
