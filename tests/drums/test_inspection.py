import json

import pytest

from drums.inspection import WINDOW_BARS, inspect, inspect_file
from drums.kit import combinations_of
from drums.midi import Reason
from drums.windows import read_windows
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
    assert list(as_dict) == ["path", "song", "bars", "segments", "windows", "combinations"]
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
    assert found.as_dict(with_windows=False)["windows"] == {"2": 5, "16": 0}
    assert "5 windows of 2 bars, 0 windows of 16 bars" in str(found)


def test_files_come_in_the_order_of_their_paths(freedoom):
    paths = sorted(map(str, freedoom.glob("*.mid")), reverse=True)
    found = list(inspect(paths))
    assert [inspection.path for inspection in found] == paths
    assert sum(inspection.song is not None for inspection in found) > 60
    assert {inspection.reason for inspection in found if inspection.song is None} <= set(Reason)
