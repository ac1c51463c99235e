"""The Beam transforms of MidiExampleGen, with as little logic as possible: see `drums.windows`.

Songs travel, not windows: a song packs into a kilobyte or two, while its windows overlap and take a hundred times
that. For the search of equal windows only their digests travel.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from drumline.components.midi_example_gen.counts import count
from drumline.components.midi_example_gen.examples import serialize_examples
from drumline.components.midi_example_gen.near_copies import find_near_copies, minhash
from drumline.components.midi_example_gen.packing import pack, unpack
from drumline.components.midi_example_gen.splits import Ends, fill_splits, merge_ends, split_of
from drumline.corpora.midi_sources import midi_in, printable
from drumline.corpora.reading import Reading
from drumline.drums.kit import DRUMS, combinations_of
from drumline.drums.midi import RejectedError

REJECTED = "rejected"
MINHASHES = "minhashes"
_GROUPS, _SONGS = "groups", "songs"
_BUCKETS = 32  # parts in which equal windows are searched for, side by side
_DIGEST_BYTES = 16

PackedSong = tuple[str, bytes]  # id and packed song
Places = tuple[str, bytes]  # id of a song and uint32 places among its windows


@dataclass
class ReadSongs(beam.PTransform):
    """Paths (as bytes: names need not be UTF-8) -> the songs that differ in their drums; tagged, the rejected files."""

    bars: int
    reading: Reading

    def expand(self, paths):
        read = paths | "Read" >> (
            beam.FlatMap(songs_at, self.bars, self.reading)
            .with_output_types(PackedSong)
            .with_outputs(REJECTED, main="songs")
        )
        songs = read.songs | "OneOfEach" >> beam.CombinePerKey(min) | "Count" >> beam.Map(count, "songs")
        return {"songs": songs, REJECTED: read[REJECTED]}


class DistinctWindows(beam.PTransform):
    """Songs -> the places of their windows that no song of a lesser id has; and the MinHash of each song."""

    def __init__(self, bars: int):
        super().__init__()
        self.bars = bars

    def expand(self, songs):
        digested = songs | "Digest" >> (
            beam.FlatMap(digests_of_song, self.bars)
            .with_output_types(tuple[int, tuple[str, bytes, bytes]])
            .with_outputs(MINHASHES, main="digests")
        )
        places = (
            digested.digests
            | "Together" >> beam.GroupByKey()
            | "First" >> beam.FlatMapTuple(lambda _, digests: first_places(digests)).with_output_types(Places)
        )
        return {"places": places, MINHASHES: digested[MINHASHES]}


class NearCopies(beam.PTransform):
    """(Song id, MinHash) -> one dict, the group of each song that has near copies."""

    def expand(self, minhashes):
        return (
            minhashes
            | "OneKey" >> beam.Map(lambda hashed: (None, hashed)).with_output_types(tuple[None, tuple[str, bytes]])
            | "Together" >> beam.GroupByKey()
            | "Group" >> beam.MapTuple(lambda _, hashed: find_near_copies(*zip(*hashed, strict=True)))
        )


@dataclass
class BorrowedIds(beam.PTransform):
    """Places of windows and the groups of near copies -> for groups, and for songs, the ids that move (`fill_splits`).

    One dict: by "groups" and "songs", how many splits there are ids for, and the moved ids.
    """

    splits: dict[str, int]

    def expand(self, places_and_groups):
        places, groups = places_and_groups
        most = len(self.splits)
        return (
            places
            | "Split" >> beam.FlatMap(self._split, beam.pvalue.AsSingleton(groups, default_value={}))
            | "Ends" >> beam.CombinePerKey(lambda several: merge_ends(several, most))
            | "OneKey" >> beam.Map(lambda ends: (None, ends))
            | "Together" >> beam.GroupByKey()
            | "Fill" >> beam.MapTuple(lambda _, ends: choose_owners(dict(ends), self.splits))
        )

    def _split(self, places: Places, groups: dict[str, str]) -> Iterator[tuple[tuple[str, str], Ends]]:
        song_id, _ = places
        for kind, owner in ((_GROUPS, groups.get(song_id, song_id)), (_SONGS, song_id)):
            yield (kind, split_of(owner, self.splits)), (owner,)


@dataclass
class ExamplesBySplit(beam.PTransform):
    """Songs, the places of their windows, groups of near copies and borrowed ids -> serialized tf.Examples by split.

    splits: hash buckets by name of split.
    """

    bars: int
    splits: dict[str, int]

    def expand(self, read):
        sides = [beam.pvalue.AsSingleton(read[name], default_value={}) for name in ("groups", "borrowed")]
        return (
            {name: read[name] for name in ("songs", "places")}
            | "Join" >> beam.CoGroupByKey()
            | "Expand" >> beam.FlatMap(self._examples, *sides).with_output_types(bytes).with_outputs(*self.splits)
        )

    def _examples(self, song, groups, borrowed):
        song_id, joined = song
        split = choose_split(song_id, groups, borrowed, self.splits)
        alone = split_of(song_id, self.splits)
        windows = 0
        for example in examples_of_song(song_id, joined["songs"], joined["places"], self.bars):
            windows += 1
            yield beam.pvalue.TaggedOutput(split, example)
        if windows and song_id in groups:
            count(None, "songs with near copies")
            count(None, "windows moved to near copies", windows * (split != alone))


Borrowed = dict[str, dict[str, str]]  # ids that move, by the kind of id that decides


def choose_owners(ends: dict[tuple[str, str], Ends], splits: dict[str, int]) -> Borrowed:
    """Whether groups of near copies decide, or, where there are fewer than splits, songs; and which of them move.

    ends: the lowest and highest ids by kind (groups, songs) and split.
    """
    for kind in (_GROUPS, _SONGS):
        of_kind = {split: ends.get((kind, split), ()) for split in splits}
        if sum(map(len, of_kind.values())) >= len(splits):
            break
    return {kind: fill_splits(of_kind, splits)}


def choose_split(song_id: str, groups: dict[str, str], borrowed: Borrowed, splits: dict[str, int]) -> str:
    """The split of a song, given what `find_near_copies` and `choose_owners` found."""
    ((kind, moved),) = borrowed.items()
    owner = groups.get(song_id, song_id) if kind == _GROUPS else song_id
    return moved.get(owner) or split_of(owner, splits)


def songs_at(path: bytes, bars: int, reading: Reading) -> Iterator:
    """The songs in a MIDI file or archive, as (id, packed song); what is rejected, as tagged lines of JSON."""
    place = os.fsdecode(path)
    for name, midi in midi_in(place, _open_packed):
        count(None, "files")
        try:
            if isinstance(midi, RejectedError):
                raise midi
            song = reading.read_song(place, midi, bars)
        except RejectedError as rejection:
            count(None, f"rejected {rejection.reason}")
            line = {"path": printable(name), "reason": rejection.reason, "detail": rejection.detail}
            yield beam.pvalue.TaggedOutput(REJECTED, json.dumps(line))
        else:
            yield song.id, pack(song)


def _open_packed(path: str) -> BinaryIO:
    """Opens a path as it is: what unpacks it must know its size."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def digests_of_song(song: PackedSong, bars: int) -> Iterator:
    """(bucket, (song, places, digests)): the windows of a song whose digests fall in each bucket.

    Tagged, the MinHash of the song.
    """
    song_id, packed = song
    unpacked = unpack(packed)
    for drum, hits in zip(DRUMS, (unpacked.velocities > 0).sum(axis=(0, 1)).tolist(), strict=True):
        count(None, f"hits of {drum}", hits)
    combinations = combinations_of(unpacked.windows(bars)).astype("<u2")
    count(None, "windows in songs", len(combinations))
    digests = np.frombuffer(
        b"".join(hashlib.blake2b(window, digest_size=_DIGEST_BYTES).digest() for window in combinations), np.uint8
    ).reshape(-1, _DIGEST_BYTES)
    buckets = digests[:, 0] % _BUCKETS
    yield beam.pvalue.TaggedOutput(MINHASHES, (song_id, minhash(unpacked)))
    for bucket in np.unique(buckets).tolist():
        (places,) = np.nonzero(buckets == bucket)
        yield bucket, (song_id, places.astype("<u4").tobytes(), digests[places].tobytes())


def first_places(digested: Iterable[tuple[str, bytes, bytes]]) -> Iterator[Places]:
    """Of windows with the same digest, the one of the least song id and place. All of one bucket."""
    songs, places, digests = zip(*sorted(digested), strict=True)
    counts = [len(of_song) // 4 for of_song in places]
    keys = np.frombuffer(b"".join(digests), np.dtype((np.void, _DIGEST_BYTES)))
    kept = np.zeros(len(keys), bool)
    kept[np.unique(keys, return_index=True)[1]] = True
    ends = np.cumsum(counts)
    for song, of_song, end, length in zip(songs, places, ends, counts, strict=True):
        chosen = np.frombuffer(of_song, "<u4")[kept[end - length : end]]
        if len(chosen):
            yield song, chosen.tobytes()


def examples_of_song(song_id: str, songs: Iterable[bytes], places: Iterable[bytes], bars: int) -> Iterator[bytes]:
    """The tf.Examples of a song's windows at some places."""
    (packed,) = songs
    chosen = np.sort(np.frombuffer(b"".join(places), "<u4"))
    if len(chosen):
        count(None, "windows", len(chosen))
        yield from serialize_examples(song_id, unpack(packed).windows(bars)[chosen])
