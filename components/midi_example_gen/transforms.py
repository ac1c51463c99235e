"""The Beam transforms of MidiExampleGen, with as little logic as possible: see `drums.windows`.

Songs travel, not windows: a song packs into a kilobyte or two, while its windows overlap and take a hundred times
that. For the search of equal windows only their digests travel.
"""

import bisect
import hashlib
import itertools
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
from drumline.components.midi_example_gen.packing import pack, unpack
from drumline.corpora.midi_sources import midi_in, printable
from drumline.drums.kit import DRUMS, combinations_of
from drumline.drums.midi import Reason, RejectedError
from drumline.drums.windows import read_song

REJECTED = "rejected"
_BUCKETS = 32  # parts in which equal windows are searched for, side by side
_DIGEST_BYTES = 16

PackedSong = tuple[str, bytes]  # id and packed song
Places = tuple[str, bytes]  # id of a song and uint32 places among its windows


@dataclass
class ReadSongs(beam.PTransform):
    """Paths (as bytes: names need not be UTF-8) -> the songs that differ in their drums; tagged, the rejected files."""

    bars: int

    def expand(self, paths):
        read = paths | "Read" >> (
            beam.FlatMap(songs_at, self.bars).with_output_types(PackedSong).with_outputs(REJECTED, main="songs")
        )
        songs = read.songs | "OneOfEach" >> beam.CombinePerKey(min) | "Count" >> beam.Map(count, "songs")
        return {"songs": songs, REJECTED: read[REJECTED]}


class DistinctWindows(beam.PTransform):
    """Songs -> the places of their windows that no song of a lesser id has."""

    def __init__(self, bars: int):
        super().__init__()
        self.bars = bars

    def expand(self, songs):
        return (
            songs
            | "Digest"
            >> beam.FlatMap(digests_of_song, self.bars).with_output_types(tuple[int, tuple[str, bytes, bytes]])
            | "Together" >> beam.GroupByKey()
            | "First" >> beam.FlatMapTuple(lambda _, digested: first_places(digested)).with_output_types(Places)
        )


@dataclass
class ExamplesBySplit(beam.PTransform):
    """Songs and the places of their windows -> serialized tf.Examples, tagged by split.

    splits: hash buckets by name of split.
    """

    bars: int
    splits: dict[str, int]

    def expand(self, songs_and_places):
        return (
            songs_and_places
            | "Join" >> beam.CoGroupByKey()
            | "Expand" >> beam.FlatMapTuple(self._examples).with_output_types(bytes).with_outputs(*self.splits)
        )

    def _examples(self, song_id, joined):
        split = split_of(song_id, self.splits)
        for example in examples_of_song(song_id, joined["songs"], joined["places"], self.bars):
            yield beam.pvalue.TaggedOutput(split, example)


def songs_at(path: bytes, bars: int) -> Iterator:
    """The songs in a MIDI file or archive, as (id, packed song); what is rejected, as tagged lines of JSON."""
    for name, midi in midi_in(os.fsdecode(path), _open_packed):
        count(None, "files")
        try:
            if isinstance(midi, RejectedError):
                raise midi
            song = read_song(midi)
            if song.segments.max() < bars:
                raise RejectedError(Reason.TOO_SHORT, f"the longest segment has {song.segments.max()} of {bars} bars")
        except RejectedError as rejection:
            count(None, f"rejected {rejection.reason}")
            line = {"path": printable(name), "reason": rejection.reason, "detail": rejection.detail}
            yield beam.pvalue.TaggedOutput(REJECTED, json.dumps(line))
        else:
            yield song.id, pack(song)


def _open_packed(path: str) -> BinaryIO:
    """Opens a path as it is: what unpacks it must know its size."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def digests_of_song(song: PackedSong, bars: int) -> Iterator[tuple[int, tuple[str, bytes, bytes]]]:
    """(bucket, (song, places, digests)): the windows of a song whose digests fall in each bucket."""
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


def split_of(song_id: str, splits: dict[str, int]) -> str:
    """The split of a song: its id, a hash, decides."""
    ends = list(itertools.accumulate(splits.values()))
    return list(splits)[bisect.bisect(ends, int(song_id, 16) % ends[-1])]
