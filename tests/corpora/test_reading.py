import numpy as np
import pytest
from drumline.corpora.find import fetch_folder
from drumline.corpora.reading import DRUM_MAP_FILE, Reading
from drumline.drums.kit import DRUMS, GM, ROLAND
from drumline.drums.midi import RejectedError

from drumline.errors import InputError
from tests.midi_files import midi_bytes, steps

RIMS = midi_bytes(steps(0, 16, pitch=58))  # a crash in General MIDI, a low tom of a Roland kit
LOOP = midi_bytes(steps(0, 4, 20, 34))


def drum_in(reading: Reading, path: str) -> str:
    (drum,) = np.flatnonzero(reading.read_song(path, RIMS, 2).velocities.any(axis=(0, 1)))
    return DRUMS[drum]


def test_files_are_read_by_the_drum_map_of_their_folder_or_the_nearest_above(tmp_path):
    corpus = tmp_path / "groove"
    (corpus / "drummer1" / "own").mkdir(parents=True)
    (corpus / DRUM_MAP_FILE).write_text(ROLAND.to_toml())
    (corpus / "drummer1" / "own" / DRUM_MAP_FILE).write_text(GM.to_toml())
    assert drum_in(Reading(), f"{tmp_path}/song.mid") == "crash"
    for path in ("song.mid", "songs.zip", "drummer1/song.mid"):
        assert drum_in(Reading(), f"{corpus}/{path}") == "low tom"
    assert drum_in(Reading(), f"{corpus}/drummer1/own/song.mid") == "crash"
    assert drum_in(Reading("gm"), f"{corpus}/song.mid") == "crash"
    assert drum_in(Reading("roland"), f"{tmp_path}/song.mid") == "low tom"


def test_a_bucket_has_no_drum_map_of_its_own(tmp_path, monkeypatch):
    (tmp_path / DRUM_MAP_FILE).write_text(ROLAND.to_toml())
    monkeypatch.chdir(tmp_path)
    assert drum_in(Reading(), "gs://bucket/song.mid") == "crash"


def test_a_fetched_folder_keeps_its_drum_maps(tmp_path):
    (tmp_path / "mine" / "kit").mkdir(parents=True)
    (tmp_path / "mine" / "kit" / "song.mid").write_bytes(RIMS)
    (tmp_path / "mine" / "kit" / DRUM_MAP_FILE).write_text(ROLAND.to_toml())
    corpus = fetch_folder(tmp_path / "mine", tmp_path / "corpora")
    assert drum_in(Reading(), str(corpus / "kit" / "song.mid")) == "low tom"


@pytest.mark.parametrize(("bars", "filled"), [(1, 3), (2, 3), (4, 6), (8, 9), (16, 18)])
def test_a_loop_is_repeated_whole_until_it_fills_a_window(bars, filled):
    song = Reading(loops=True).read_song("loop.mid", LOOP, bars)
    assert song.segments.tolist() == [filled]
    np.testing.assert_array_equal(song.velocities, np.tile(song.velocities[:3], (filled // 3, 1, 1)))


def test_without_loops_a_short_file_is_refused_with_the_ways_out():
    with pytest.raises(RejectedError, match=r"at most 3 of the 16 bars .* \(`--bars`\), or repeat it \(`--loops`\)"):
        Reading().read_song("loop.mid", LOOP, 16)


def test_bars_that_lie_apart_are_no_loop():
    with pytest.raises(RejectedError, match=r"use shorter windows \(`--bars`\)$"):
        Reading(loops=True).read_song("loop.mid", midi_bytes(steps(0, 48)), 2)


@pytest.mark.parametrize(("options", "words"), [({"channel": 17}, "from 1 to 16"), ({"drum_map": "tabla"}, "tabla")])
def test_what_cannot_be_read_so_is_refused_at_once(options, words):
    with pytest.raises(InputError, match=words):
        Reading(**options)
