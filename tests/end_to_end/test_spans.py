"""Deliveries of files, one after the other."""

import json
from collections import Counter

import tensorflow as tf
from drumline.pipeline.config import Config
from drumline.pipeline.run_pipeline import run

from tests.end_to_end.songs import write_songs
from tests.tiny_profile import LSTM, write_profile


def windows_per_file_set(config, node, key):
    """How many train examples each artifact of a node's output holds, the newest execution's, as a multiset."""
    (newest,) = sorted((config.pipeline_root / node / key).iterdir(), key=lambda folder: int(folder.name))[-1:]
    folders = sorted(newest.glob("**/Split-train"))
    return Counter(
        sum(1 for _ in tf.data.TFRecordDataset(sorted(map(str, folder.glob("*.gz"))), "GZIP")) for folder in folders
    )


def test_a_second_delivery_trains_alone_or_with_the_first(tmp_path):
    tiny = write_profile(tmp_path, LSTM)
    midi = tmp_path / "midi"
    write_songs(midi / "span-1", 30)

    def deliver(spans):
        config = Config(str(midi), 2, tiny, runs=tmp_path / "runs", pattern="span-{SPAN}", spans=spans)
        run(config)
        return config

    config = deliver(spans=1)
    first = windows_per_file_set(config, "MidiExampleGen", "examples")
    assert windows_per_file_set(config, "Transform", "transformed_examples") == first

    write_songs(midi / "span-2", 45, bars=24)
    deliver(spans=1)
    second = windows_per_file_set(config, "MidiExampleGen", "examples")
    assert second != first
    assert windows_per_file_set(config, "Transform", "transformed_examples") == second

    deliver(spans=2)
    total = sum(count for counts in (first, second) for count in counts)
    read = windows_per_file_set(config, "Transform", "transformed_examples")
    assert sum(windows * artifacts for windows, artifacts in read.items()) == total, json.dumps(read)
