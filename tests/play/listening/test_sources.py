import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
import tensorflow as tf
from click.testing import CliRunner
from drumline.commands.main import drumline
from drumline.components.midi_example_gen.examples import serialize_examples
from drumline.play.listening.answers import Answers
from drumline.play.listening.clips import REAL, Source
from drumline.play.listening.sources import real, sources
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from drumline.errors import InputError
from tests.models.saved import push

ROOT = Path(__file__).parent.parent.parent
SONGS, WINDOWS = 6, 5


def windows_of(song: int) -> np.ndarray:
    """The song's number is the velocity of all its hits."""
    hits = np.random.default_rng(song).random([WINDOWS, 32, 9]) < 0.2
    return (hits * (song + 1)).astype(np.uint8)


def ingested(runs: Path, version: int, songs: range) -> None:
    """What a run of MidiExampleGen leaves: a node of the metadata store, with an artifact of examples."""
    uri = runs / "examples" / str(version)
    (uri / "Split-test").mkdir(parents=True)
    with tf.io.TFRecordWriter(str(uri / "Split-test" / "part-0.gz"), "GZIP") as writer:
        for song in songs:
            for example in serialize_examples(f"song {song}", windows_of(song)):
                writer.write(example)
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(runs / "metadata.sqlite")
    store = metadata_store.MetadataStore(config)
    artifact_type = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Examples"))
    context_type = store.put_context_type(metadata_store_pb2.ContextType(name="node"))
    (artifact,) = store.put_artifacts([metadata_store_pb2.Artifact(type_id=artifact_type, uri=str(uri))])
    node = store.get_context_by_type_and_name("node", "drums-2bar.MidiExampleGen")
    context = (
        node.id
        if node
        else store.put_contexts([metadata_store_pb2.Context(type_id=context_type, name="drums-2bar.MidiExampleGen")])[0]
    )
    store.put_attributions_and_associations(
        [metadata_store_pb2.Attribution(artifact_id=artifact, context_id=context)], []
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Two tiny models of two bars, and examples of six songs."""
    runs = tmp_path_factory.mktemp("runs")
    ingested(runs, 1, range(SONGS))
    for name in ("hierarchical_vae", "lstm"):
        push(name, runs / "serving")
    return runs


def songs_in(source: Source) -> list[int]:
    return [int(beat.max()) - 1 for beat in source.beats]


def call(runs, *arguments):
    return CliRunner().invoke(drumline, ["--runs", str(runs), "listen", *map(str, arguments)])


def test_real_beats_are_windows_of_different_songs(runs):
    found = real(runs / "metadata.sqlite", 2, SONGS)
    assert found.name == REAL
    assert sorted(songs_in(found)) == list(range(SONGS))
    for beat, song in zip(found.beats, songs_in(found), strict=True):
        assert any(np.array_equal(beat, window) for window in windows_of(song))


def test_songs_give_more_windows_only_where_there_are_too_few_songs(runs):
    counts = np.bincount(songs_in(real(runs / "metadata.sqlite", 2, 2 * SONGS + 1)))
    assert sorted(counts) == [2] * (SONGS - 1) + [3]
    everything = real(runs / "metadata.sqlite", 2, 1000).beats
    assert len({beat.tobytes() for beat in everything}) == SONGS * WINDOWS


def test_the_real_beats_are_the_same_again(runs):
    one, other = (real(runs / "metadata.sqlite", 2, 4) for _ in range(2))
    np.testing.assert_array_equal(one.beats, other.beats)
    assert one.version == other.version


def test_real_beats_are_of_the_newest_run_whose_examples_are_there(tmp_path):
    ingested(tmp_path, 1, range(3))
    ingested(tmp_path, 2, range(3, 6))
    metadata = tmp_path / "metadata.sqlite"
    assert set(songs_in(real(metadata, 2, 3))) == {3, 4, 5}
    (tmp_path / "examples" / "2" / "Split-test").rename(tmp_path / "gone")
    assert set(songs_in(real(metadata, 2, 3))) == {0, 1, 2}


def test_the_sources_are_real_beats_and_every_pushed_model(runs):
    found = sources(runs, 2, (), 3)
    assert [source.name for source in found] == [REAL, "hierarchical_vae", "lstm"]
    for source in found:
        assert np.shape(source.beats) == (3, 32, 9)
    assert [source.name for source in sources(runs, 2, ("lstm",), 1)] == [REAL, "lstm"]


def test_what_is_not_there_is_named(runs, tmp_path):
    with pytest.raises(InputError, match="no pushed model conv for 2 bars"):
        sources(runs, 2, ("conv",), 1)
    with pytest.raises(InputError, match="no pushed model of 16 bars"):
        sources(runs, 16, (), 1)
    push("lstm", tmp_path / "serving")
    with pytest.raises(InputError, match="no run has read windows of 2 bars yet"):
        sources(tmp_path, 2, (), 1)
    ingested(tmp_path, 1, range(1))
    with pytest.raises(InputError, match="no run has read windows of 16 bars yet"):
        real(tmp_path / "metadata.sqlite", 16, 1)


def test_without_a_synthesizer_there_is_no_listening_test(runs, monkeypatch):
    monkeypatch.setenv("PATH", "")
    result = call(runs)
    assert result.exit_code == 1
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith(
        "Error: a listening test needs sound; no sound: the program fluidsynth is not on the PATH"
    )


def test_results_before_an_answer_are_one_sentence_and_leave_no_file(tmp_path):
    result = call(tmp_path, "--results")
    assert result.exit_code == 1
    assert "no answer about beats of 2 bars yet" in result.stderr
    assert not (tmp_path / "listening").exists()


def test_results_are_printed_in_the_order_of_strength(runs, tmp_path):
    answers = Answers(tmp_path / "answers.sqlite")
    clips = answers.keep([Source(REAL, 1, [np.ones([32, 9], int)]), Source("lstm", 1, [np.zeros([32, 9], int)])])
    for _ in range(8):
        token = answers.ask(clips)
        answers.answer(token, "a" if answers.beat(token, "b").any() else "b")
    result = call(runs, "--results", "--answers", answers.path)
    assert result.exit_code == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith(("real", "lstm"))]
    assert [line[0] for line in lines] == ["lstm", "real"]
    assert [line[4:] for line in lines] == [["1.000", "0.676", "1.000", "8"], ["0.000", "0.000", "0.324", "8"]]


def test_the_command_says_where_it_serves_and_ends_quietly(runs, tmp_path):
    command = [sys.executable, "-m", "drumline", "--runs", str(runs), "listen", "--port", "0", "--count", "2"]
    command += ["--answers", str(tmp_path / "answers.sqlite")]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as serving:
        try:
            assert (
                serving.stdout.readline().decode().startswith("2 beats each of real, hierarchical_vae, lstm; answers")
            )
            address = re.match(r"http://127\.0\.0\.1:\d+/", serving.stdout.readline().decode()).group()
            page = requests.get(address, timeout=60).text
            clip = requests.get(address + re.search(r'src="/(clip/[^"]+)"', page).group(1), timeout=60)
            assert clip.status_code == 200
            assert len(clip.content) > 5000
        finally:
            serving.send_signal(signal.SIGINT)
        assert serving.stderr.read() == b""
        serving.wait(60)
