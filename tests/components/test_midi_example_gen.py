"""MidiExampleGen alone, through TFX's own launcher of a component's executor."""

import json
import os
import shutil
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from apache_beam.io.filesystem import FileMetadata, MatchResult
from apache_beam.io.localfilesystem import LocalFileSystem
from drumline.components.midi_example_gen import SPLITS, MidiExampleGen, executor
from drumline.components.midi_example_gen.driver import InputProcessor
from drumline.components.midi_example_gen.executor import Executor
from drumline.components.midi_example_gen.finding import files_matching
from drumline.components.midi_example_gen.splits import split_of
from drumline.corpora.find import midi_files
from drumline.corpora.inspection import inspect
from drumline.corpora.reading import DRUM_MAP_FILE
from drumline.drums.kit import ROLAND, combinations_of
from drumline.drums.midi import RejectedError
from drumline.drums.notes import write_midi
from drumline.drums.windows import read_windows
from google.protobuf import json_format
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.types.experimental.simple_artifacts import File

from drumline.errors import InputError
from tests.end_to_end.songs import write_songs
from tests.midi_files import STEP, midi_bytes

CASES = Path(__file__).parent.parent / "cases"


def generate(folder, out, bars=2, **reading):
    """Runs the executor as the component configures it. Returns the artifact, and (song, velocities) by split."""
    component = MidiExampleGen(str(folder), bars, **reading)
    exec_properties = {
        name: json_format.MessageToJson(value) if hasattr(value, "DESCRIPTOR") else value
        for name, value in component.exec_properties.items()
    }
    artifact = standard_artifacts.Examples()
    artifact.uri = str(out)
    rejections = File()
    rejections.uri = str(out / "rejections")
    Executor().Do({}, {"examples": [artifact], "rejections": [rejections]}, exec_properties)
    return artifact, {split: list(read(out / f"Split-{split}")) for split in json.loads(artifact.split_names)}


def read(folder):
    files = sorted(map(str, folder.glob("*.gz")))
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        velocities = np.array(features["velocities"].int64_list.value).reshape(-1, 9)
        yield features["song_id"].bytes_list.value[0].decode(), velocities


def as_set(splits):
    return {(split, song, v.tobytes()) for split, windows in splits.items() for song, v in windows}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Songs, a copy of one under another name, and files to be rejected, in nested folders."""
    folder = tmp_path_factory.mktemp("corpus")
    write_songs(folder / "a" / "b", 40)
    (folder / "COPY.MID").write_bytes((folder / "a" / "b" / "song007.mid").read_bytes())
    (folder / "broken.mid").write_bytes(b"MThd")
    (folder / "README").write_text("not MIDI")
    (folder / os.fsdecode(b"not utf-8 \xff.mid")).write_bytes((folder / "a" / "b" / "song003.mid").read_bytes())
    return folder


@pytest.fixture(scope="module")
def generated(corpus, tmp_path_factory):
    return generate(corpus, tmp_path_factory.mktemp("examples"))


def test_the_examples_are_the_distinct_windows_of_all_songs(corpus, generated):
    expected = set()
    for path in midi_files(corpus):
        try:
            with open(path, "rb") as file:
                expected |= {window.tobytes() for window in read_windows(file.read(), 2)[1].astype(np.int64)}
        except RejectedError:
            continue
    found = [velocities.tobytes() for windows in generated[1].values() for _, velocities in windows]
    assert set(found) <= expected
    as_combinations = {combinations_of(np.frombuffer(w, np.int64).reshape(-1, 9)).tobytes() for w in expected}
    assert len(found) == len(set(found)) == len(as_combinations)


def test_a_song_lies_in_one_split(generated):
    splits = defaultdict(set)
    for split, windows in generated[1].items():
        for song, _ in windows:
            splits[song].add(split)
    assert set(generated[1]) == set(SPLITS)
    assert all(len(of_song) == 1 for of_song in splits.values())


def test_the_artifact_tells_what_was_read_and_rejected(generated):
    artifact, windows = generated
    counts = {
        name: artifact.get_int_custom_property(name)
        for name in ("files", "songs", "windows", "rejected_unreadable", "rejected_no_drums")
    }
    total = sum(map(len, windows.values()))
    assert counts == {"files": 43, "songs": 40, "windows": total, "rejected_unreadable": 1, "rejected_no_drums": 0}
    assert artifact.get_int_custom_property("windows_in_test") == len(windows["test"]) > 0


def test_the_rejected_files_are_an_artifact_of_the_node(corpus, generated):
    lines = Path(generated[0].uri, "rejections", "rejections.jsonl").read_text().splitlines()
    (rejection,) = map(json.loads, lines)
    (inspected,) = inspect([str(corpus / "broken.mid")])
    assert rejection == {"path": inspected.path, "reason": inspected.reason, "detail": inspected.detail}
    assert rejection["reason"] == "unreadable"


def test_an_archive_gives_what_its_files_give(corpus, generated, tmp_path):
    (tmp_path / "midi").mkdir()
    with tarfile.open(tmp_path / "midi" / "songs.tar.gz", "w:gz") as archive:
        archive.add(corpus / "a")
    shutil.make_archive(str(tmp_path / "midi" / "again"), "zip", corpus / "a")
    artifact, windows = generate(tmp_path / "midi", tmp_path / "out")
    assert artifact.get_int_custom_property("files") == 80
    assert artifact.get_int_custom_property("songs") == 40
    assert as_set(windows) == as_set(generated[1])


def test_two_runs_give_the_same_examples(corpus, generated, tmp_path):
    assert as_set(generate(corpus, tmp_path)[1]) == as_set(generated[1])


@pytest.mark.parametrize("songs", [1, 2])
def test_fewer_than_three_songs_are_refused_with_the_number_that_it_takes(tmp_path, songs):
    write_songs(tmp_path / "midi", songs)
    with pytest.raises(InputError, match=f"hold {songs} with drum windows of their own, and it takes 3, one each for"):
        generate(tmp_path / "midi", tmp_path / "out")


@pytest.mark.parametrize("songs", [3, 5])
def test_few_songs_fill_every_split(tmp_path, songs):
    write_songs(tmp_path / "midi", songs)
    splits = generate(tmp_path / "midi", tmp_path / "out")[1]
    assert set(splits) == set(SPLITS)
    assert all(splits.values())


def test_twelve_songs_make_windows_of_sixteen_bars_in_every_split(tmp_path):
    splits = generate(CASES / "40-twelve-songs", tmp_path, bars=16)[1]
    assert all(len(splits[split]) >= 33 for split in SPLITS)


def test_songs_with_near_copies_share_their_split_and_the_windows_that_moved_are_counted(tmp_path):
    for song in range(12):
        rng = np.random.default_rng(song)
        grid = (rng.random((24 * 16, 9)) < 0.2).astype(np.int64)
        grid[::16, 0] = 1
        for copy in range(3):
            grid[[37 * copy, 301], 3 + copy] ^= 1
            write_midi(grid, tmp_path / f"{song} {copy}.mid")
    artifact, splits = generate(tmp_path, tmp_path / "out")
    where = defaultdict(set)
    for split, windows in splits.items():
        for song, _ in windows:
            where[song].add(split)
    groups = defaultdict(set)
    for found in inspect(midi_files(tmp_path)):
        groups[Path(found.path).name.split()[0]] |= where[found.song.id]
    assert {len(of_group) for of_group in groups.values()} == {1}
    assert len(groups) == 12
    assert artifact.get_int_custom_property("songs_with_near_copies") == 36
    moved = artifact.get_int_custom_property("windows_moved_to_near_copies")
    assert 0 < moved < artifact.get_int_custom_property("windows")
    alone = {song: split_of(song, SPLITS) for song in where}
    assert moved >= sum(alone[song] != split for split, windows in splits.items() for song, _ in windows) > 0


def test_drum_map_channel_and_loops_are_those_of_the_component(tmp_path):
    folder = tmp_path / "midi"
    folder.mkdir()
    for song in range(3):
        notes = [(step * STEP, 58, 100) for step in (0, song + 1)]
        (folder / f"{song}.mid").write_bytes(midi_bytes(melody=notes))
    with pytest.raises(InputError, match="3 no drums"):
        generate(folder, tmp_path / "none")
    (tmp_path / "kit.json").write_text(ROLAND.to_json())
    options = {"drum_map": str(tmp_path / "kit.json"), "channel": 1, "loops": True}
    component = MidiExampleGen(str(folder), 2, **options)
    assert component.exec_properties["drum_map"] == ROLAND.to_json()
    splits = generate(folder, tmp_path / "out", **options)[1]
    windows = [velocities for windows in splits.values() for _, velocities in windows]
    assert [np.flatnonzero(window.any(axis=0)).tolist() for window in windows] == [[4]] * 3


def test_a_drum_map_that_changes_is_read_anew(corpus, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "song.mid").write_bytes((corpus / "COPY.MID").read_bytes())
    splits = [example_gen_pb2.Input.Split(name="midi", pattern="*")]
    before, again = (InputProcessor(str(tmp_path), splits).get_input_fingerprint(None, None) for _ in range(2))
    (tmp_path / DRUM_MAP_FILE).write_text(ROLAND.to_toml())
    assert before == again != InputProcessor(str(tmp_path), splits).get_input_fingerprint(None, None)
    (tmp_path / DRUM_MAP_FILE).write_text("kick = 36")
    with pytest.raises(InputError, match=f"{DRUM_MAP_FILE}: not a drum map"):
        InputProcessor(str(tmp_path), splits).get_input_fingerprint(None, None)


def test_only_midi_files_match_a_pattern_but_folders_are_searched(corpus):
    found = files_matching(str(corpus / "*"))
    assert len(found) == 43
    assert not any(path.endswith("README") for path in found)


class RemoteFileSystem(LocalFileSystem):
    """A stand-in for a bucket: far://bucket/... are the files below ROOT, and nothing else can open them."""

    ROOT = ""

    @classmethod
    def scheme(cls):
        return "far"

    def _match(self, pattern):
        local = self.ROOT + pattern.removeprefix("far://bucket")
        (result,) = super().match([local])
        return [
            FileMetadata("far://bucket" + file.path.removeprefix(self.ROOT), file.size_in_bytes, 0)
            for file in result.metadata_list
        ]

    def match(self, patterns, limits=None):
        return [MatchResult(pattern, self._match(pattern)) for pattern in patterns]

    def open(self, path, mime_type="application/octet-stream", compression_type="auto"):
        return super().open(self.ROOT + path.removeprefix("far://bucket"), mime_type, compression_type)


def test_a_bucket_is_read_through_beams_file_systems(generated, tmp_path, monkeypatch):
    write_songs(tmp_path / "bucket" / "a" / "b", 40)
    (tmp_path / "bucket" / "a" / "README").write_text("not MIDI")
    monkeypatch.setattr(RemoteFileSystem, "ROOT", str(tmp_path / "bucket"))
    assert list(files_matching("far://bucket/*")) == [f"far://bucket/a/b/song{n:03d}.mid" for n in range(40)]
    assert as_set(generate("far://bucket", tmp_path / "out")[1]) == as_set(generated[1])


def test_many_files_are_read_by_several_processes_with_the_same_result(corpus, generated, tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "MANY_FILES", 10)
    processes = []
    monkeypatch.setattr(
        executor.beam, "Pipeline", lambda argv, make=executor.beam.Pipeline: processes.append(argv) or make(argv=argv)
    )
    artifact, windows = generate(corpus, tmp_path)
    assert processes == [executor.ONE_PROCESS_A_CORE]
    assert as_set(windows) == as_set(generated[1])
    assert artifact.get_int_custom_property("files") == 43
