import json

import numpy as np
import pytest
from drumline.corpora.inspection import Inspection, Totals, inspect
from drumline.corpora.reading import Reading
from drumline.drums.kit import combinations_of
from drumline.drums.midi import Reason
from drumline.drums.windows import WINDOW_BARS, read_windows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz_corpus import riff, tar_of, zip_of
from tests.midi_files import KICK, NOT_IN_THE_KIT, STEP, midi_bytes, steps

BEAT = midi_bytes(steps(*range(0, 18 * 16, 5)))
MELODY = [(step * STEP, KICK, 90) for step in range(64)]

LEFT_OUT = {
    "empty": (b"", Reason.UNREADABLE),
    "text": (b"These are the words of a song, not its notes.\n", Reason.UNREADABLE),
    "cut short": (BEAT[:40], Reason.UNREADABLE),
    "melody": (midi_bytes(melody=MELODY), Reason.NO_DRUMS),
    "no notes": (midi_bytes(), Reason.NO_DRUMS),
    "other percussion": (midi_bytes(steps(0, 4, pitch=NOT_IN_THE_KIT)), Reason.NO_DRUMS),
    "waltz": (midi_bytes(steps(*range(0, 96, 4)), meters=[(0, 3, 4)]), Reason.NO_COMMON_TIME),
    "one bar": (midi_bytes(steps(0, 4, 8, 12)), Reason.TOO_SHORT),
    "single bars": (midi_bytes(steps(0, 4, 32, 36, 64, 68)), Reason.TOO_SHORT),
}


def inspect_file(path: str) -> Inspection:
    (found,) = inspect([path])
    return found


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_file_that_is_left_out_says_why(tmp_path, name):
    data, reason = LEFT_OUT[name]
    path = tmp_path / f"{name}.mid"
    path.write_bytes(data)
    found = inspect_file(str(path))
    assert found.reason == reason
    assert str(found).startswith(f"{path}: left out: {reason} (")
    assert "\n" not in str(found)
    assert found.windows(2) == []
    as_dict = json.loads(json.dumps(found.as_dict(with_windows=True)))
    assert as_dict == {"path": str(path), "reason": reason.value, "detail": found.detail}
    assert found.detail


def test_a_file_that_cannot_be_opened_says_why(tmp_path):
    (tmp_path / "gone.mid").symlink_to("nowhere")
    found = inspect_file(str(tmp_path / "gone.mid"))
    assert (found.reason, found.detail) == (Reason.UNREADABLE, "No such file or directory")


def test_a_song_shows_the_windows_that_the_pipeline_reads(tmp_path):
    path = tmp_path / "beat.mid"
    path.write_bytes(BEAT)
    as_dict = json.loads(json.dumps(inspect_file(str(path)).as_dict(with_windows=True)))
    assert list(as_dict) == ["path", "song", "bars", "segments", "off_grid", "windows", "combinations"]
    assert (as_dict["path"], as_dict["bars"], as_dict["segments"]) == (str(path), 18, [18])
    for bars in WINDOW_BARS:
        song, windows = read_windows(BEAT, bars)
        assert as_dict["song"] == song.id
        assert as_dict["windows"][str(bars)] == len(windows) > 0
        assert as_dict["combinations"][str(bars)] == combinations_of(windows).tolist()


def test_the_combinations_come_only_when_asked_for(tmp_path):
    path = tmp_path / "beat.mid"
    path.write_bytes(BEAT)
    assert "combinations" not in inspect_file(str(path)).as_dict(with_windows=False)


def test_a_song_of_eight_bars_counts_no_window_of_sixteen(tmp_path):
    path = tmp_path / "short.mid"
    path.write_bytes(midi_bytes(steps(*range(0, 8 * 16, 5))))
    found = inspect_file(str(path))
    assert found.as_dict(with_windows=False)["windows"] == {"1": 5, "2": 5, "4": 5, "8": 1, "16": 0}
    assert "windows: 5 of 1 bar, 5 of 2 bars, 5 of 4 bars, 1 of 8 bars, 0 of 16 bars" in str(found)


def test_files_come_in_the_order_of_their_paths(freedoom):
    paths = sorted(map(str, freedoom.glob("*.mid")), reverse=True)
    found = list(inspect(paths))
    assert [inspection.path for inspection in found] == paths
    assert sum(inspection.song is not None for inspection in found) > 60
    assert {inspection.reason for inspection in found if inspection.song is None} <= set(Reason)


@pytest.mark.parametrize(("name", "wrapped"), [("song.rmi", riff(BEAT)), ("song.mid", riff(BEAT)), ("song.kar", BEAT)])
def test_riff_and_karaoke_are_read_like_any_song(tmp_path, name, wrapped):
    for file, data in ((name, wrapped), ("plain.mid", BEAT)):
        (tmp_path / file).write_bytes(data)
    found, plain = inspect([str(tmp_path / name), str(tmp_path / "plain.mid")])
    assert found.song.id == plain.song.id
    assert found.as_dict(with_windows=True) == plain.as_dict(with_windows=True) | {"path": str(tmp_path / name)}


@pytest.mark.parametrize(
    ("name", "archive"),
    [("a.tar", tar_of), ("a.tar.gz", lambda files: tar_of(files, "w:gz")), ("a.zip", zip_of)],
)
def test_an_archive_shows_what_its_files_show(tmp_path, name, archive):
    files = {"below/beat.mid": BEAT, "waltz.kar": LEFT_OUT["waltz"][0], "read.me": b"free", "text.rmi": b"words"}
    (tmp_path / name).write_bytes(archive(files))
    found = list(inspect([str(tmp_path / name)]))
    assert [inspection.path for inspection in found] == [
        f"{tmp_path / name}/{file}" for file in ("below/beat.mid", "waltz.kar", "text.rmi")
    ]
    assert [inspection.reason for inspection in found] == ["", Reason.NO_COMMON_TIME, Reason.UNREADABLE]


def test_names_are_shown_as_text_whatever_their_bytes(tmp_path):
    path = str(tmp_path / "odd \udcff\n\x1b.mid")
    for data, words in ((BEAT, "18 bars"), (b"words", "left out")):
        with open(path, "wb") as file:
            file.write(data)
        found = inspect_file(path)
        assert found.path == path
        name = f"{tmp_path}/odd \\xff\\x0a\\x1b.mid"
        assert found.as_dict(with_windows=False)["path"] == name
        assert str(found).startswith(f"{name}: {words}")
        str(found).encode()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 74), st.integers(0, 2**32 - 1), st.integers(1, 30), st.booleans(), st.integers(0, 16))
def test_a_mutated_real_file_is_shown_or_refused_in_a_sentence(freedoom, tmp_path, song, seed, damages, loops, channel):
    generator = np.random.default_rng(seed)
    midi = bytearray(sorted(freedoom.glob("*.mid"))[song].read_bytes())
    for _ in range(damages):
        place, kind = generator.integers(len(midi)), generator.integers(4)
        if kind == 0:
            midi[place] = generator.integers(256)
        elif kind == 1:
            midi[place] ^= 1 << generator.integers(8)
        elif kind == 2:
            del midi[place : place + generator.integers(1, 9)]
        else:
            midi[place:place] = generator.bytes(generator.integers(1, 9))
    (tmp_path / "song.mid").write_bytes(midi)
    (found,) = inspect([str(tmp_path / "song.mid")], Reading(channel=channel, loops=loops))
    totals = Totals()
    totals.add(found)
    assert "\n" not in str(found)
    assert str(totals).startswith("1 file: ")
    assert json.loads(json.dumps(found.as_dict(with_windows=True)))["path"] == str(tmp_path / "song.mid")
    if found.song:
        assert len(found.describe_segments()) == len(found.song.segments)
        assert 0 <= found.off_grid <= 1
        found.describe_dropped()
    else:
        assert found.detail
