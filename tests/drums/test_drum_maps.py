import json

import numpy as np
import pytest
from drumline.drums.kit import DRUM_MAPS, DRUMS, GM, NOT_IN_KIT, ROLAND, DrumMap, read_drum_map
from drumline.drums.windows import read_song

from drumline.errors import InputError
from tests.midi_files import midi_bytes, steps

# "Roland mapping" and "paper mapping" of the Groove MIDI Dataset's page: the pitch of each pad, and what the paper
# takes it for.
GROOVE = {
    **dict.fromkeys([36], "kick"),
    **dict.fromkeys([38, 40, 37], "snare"),
    **dict.fromkeys([48, 50], "high tom"),
    **dict.fromkeys([45, 47], "mid tom"),
    **dict.fromkeys([43, 58], "low tom"),
    **dict.fromkeys([46, 26], "open hi-hat"),
    **dict.fromkeys([42, 22, 44], "closed hi-hat"),
    **dict.fromkeys([49, 55, 57, 52], "crash"),
    **dict.fromkeys([51, 59, 53], "ride"),
}


def test_the_map_of_roland_is_the_table_of_groove():
    for pitch in range(128):
        drum = ROLAND.drum_of_pitch[pitch]
        assert (None if drum == NOT_IN_KIT else DRUMS[drum]) == GROOVE.get(pitch)


@pytest.mark.parametrize("name", DRUM_MAPS)
def test_what_a_map_writes_it_reads_as_the_same_drum(name):
    drum_map = DRUM_MAPS[name]
    assert drum_map.drum_of_pitch[list(drum_map.pitch_of_drum)].tolist() == list(range(len(DRUMS)))
    hits = [steps(4 * drum, pitch=pitch) for drum, pitch in enumerate(drum_map.pitch_of_drum)]
    song = read_song(midi_bytes(*hits), drum_map)
    found, drums = np.nonzero(song.velocities.reshape(-1, len(DRUMS)))
    assert (found.tolist(), drums.tolist()) == ([4 * drum for drum in range(len(DRUMS))], list(range(len(DRUMS))))


@pytest.mark.parametrize("suffix", ["toml", "json", "JSON"])
def test_a_map_in_a_file_is_the_same_map(tmp_path, suffix):
    file = tmp_path / f"kit.{suffix}"
    file.write_text(ROLAND.to_toml() if suffix == "toml" else ROLAND.to_json())
    assert read_drum_map(str(file)) == ROLAND == read_drum_map("roland")
    assert read_drum_map(ROLAND.to_json()) == ROLAND != GM


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kick = [36", "not a drum map"),
        ("kick = 36", "each drum has a list of pitches"),
        ("kick = [36]", "missing or unknown: closed hi-hat, crash"),
        (GM.to_toml() + "gong = [1]", "missing or unknown: gong"),
        (GM.to_toml().replace("[36, 35]", "[]"), "at least one pitch for each"),
        (GM.to_toml().replace("[36, 35]", "[36, 128]"), "from 0 to 127"),
        (GM.to_toml().replace("[36, 35]", "[true]"), "from 0 to 127"),
        (GM.to_toml().replace("[36, 35]", "[36, 38]"), "pitch 38 twice"),
    ],
)
def test_a_file_that_is_no_map_is_one_sentence(tmp_path, text, words):
    (tmp_path / "kit.toml").write_text(text)
    with pytest.raises(InputError, match=words) as error:
        read_drum_map(str(tmp_path / "kit.toml"))
    assert str(error.value).startswith(f"{tmp_path}/kit.toml: not a drum map (")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["kit.toml", "rolland", "", "\0", json.dumps({"kick": [36]})])
def test_a_map_that_is_not_there_is_one_sentence(name):
    with pytest.raises(InputError, match=r"no drum map or readable file|not a drum map"):
        read_drum_map(name)


def test_a_map_has_all_drums():
    with pytest.raises(ValueError, match="at least one pitch for each"):
        DrumMap(GM.pitches[:8])
