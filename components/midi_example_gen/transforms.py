"""The Beam transforms of MidiExampleGen, with as little logic as possible: see `drums.windows`."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import tensorflow as tf

from components.midi_example_gen.counts import Counts
from drums.kit import combinations_of
from drums.midi import Reason, RejectedError
from drums.windows import read_windows

# A window on its way: its key, and (song, place in the song, serialized tf.Example).
Window = tuple[bytes, tuple[str, int, bytes]]


@dataclass
class ReadWindows(beam.PTransform):
    """Paths -> the windows of each file; what is rejected is counted by reason."""

    bars: int

    def expand(self, paths):
        return paths | beam.FlatMap(windows_of_file, self.bars).with_output_types(Window)


class DistinctWindows(beam.PTransform):
    """Windows -> tf.Examples, each combination of steps once: of equal windows the one of the least song id."""

    def expand(self, windows):
        return (
            windows
            | "OneOfEach" >> beam.CombinePerKey(min)
            | "Count" >> beam.Map(Counts.count_window)
            | "Parse" >> beam.MapTuple(lambda _, window: tf.train.Example.FromString(window[2]))
        )


class CountSongs(beam.PTransform):
    """Counts the songs that differ in their drums."""

    def expand(self, windows):
        return (
            windows
            | "SongIds" >> beam.MapTuple(lambda _, window: window[0])
            | beam.Distinct()
            | beam.Map(Counts.count_song)
        )


def windows_of_file(path: str, bars: int) -> Iterator[Window]:
    """The windows of a file, or none where it is rejected."""
    Counts.count_file(path)
    try:
        with open(path, "rb") as file:
            song, windows = read_windows(file.read(), bars)
    except RejectedError as rejection:
        Counts.count_rejected(rejection.reason)
        return
    except OSError:
        Counts.count_rejected(Reason.UNREADABLE)
        return
    combinations = combinations_of(windows).astype("<u2")
    for place, (window, key) in enumerate(zip(windows, combinations, strict=True)):
        yield hashlib.sha256(key.tobytes()).digest(), (song.id, place, serialized_example(song.id, window))


def serialized_example(song_id: str, velocities) -> bytes:
    """The tf.Example of one window. velocities: integers [steps, 9]."""
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "song_id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[song_id.encode()])),
                "velocities": tf.train.Feature(int64_list=tf.train.Int64List(value=velocities.ravel().tolist())),
            }
        )
    ).SerializeToString(deterministic=True)
