"""Corpora that a pipeline cannot run on: one sentence, and an exit code."""

import subprocess
import sys

import pytest
import symusic

from tests.end_to_end.songs import write_songs


def without_drums(folder):
    score = symusic.Score(480)
    piano = symusic.Track(program=0, is_drum=False)
    piano.notes.append(symusic.Note(0, 480, 60, 100))
    score.tracks.append(piano)
    score.dump_midi(str(folder / "piano.mid"))


def unreadable(folder):
    for name in ("a.mid", "b.mid"):
        (folder / name).write_bytes(b"this is no MIDI")


def too_few(folder):
    write_songs(folder, 1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (without_drums, "no drum window in its 1 MIDI files (0 unreadable, 1 no drums"),
        (unreadable, "no drum window in its 2 MIDI files (2 unreadable"),
        (too_few, "too few songs"),
    ],
)
def test_an_unusable_corpus_stops_the_run_with_one_sentence(make, sentence, tmp_path):
    midi = tmp_path / "midi"
    midi.mkdir()
    make(midi)
    command = [sys.executable, "-m", "drumline", "--runs", str(tmp_path / "runs"), "train", "--midi", str(midi)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    (line,) = finished.stderr.strip().splitlines()
    assert line.startswith(f"Error: MidiExampleGen failed: {midi}: ")
    assert sentence in line
