"""The files of tests/cases: each is read as its README says, or refused in a sentence that says what to do."""

import gzip
import json
from pathlib import Path

import pytest
from drumline.corpora.inspection import Inspection, inspect
from drumline.corpora.reading import Reading
from drumline.drums.midi import Reason
from drumline.drums.smf import read_drum_events

CASES = Path(__file__).parent.parent / "cases"
THE_BEAT = [
    "02-gs-sysex-ch11.mid",
    "03-xg-kick10-rest4.mid",
    "05-mpc-ch16.mid",
    "06b-kick-snare-zero-length.mid",
    "07b-vel0.mid",
    "09-length-too-long.mid",
    "09b-length-too-long-last.mid",
    "09c-length-zero.mid",
    "09d-length-huge.mid",
    "10-no-eot.mid",
    "11-empty-sequence-number.mid",
    "12-garbage-after-eot.mid",
    "12b-garbage-between-chunks.mid",
    "12b2-garbage-before-drums.mid",
    "12c-newline-at-end.mid",
    "12d-unknown-chunk.mid",
    "13c-zero-numerator.mid",
    "15-riff.rmi",
    "15b-riff.mid",
    "17-tempo-map.mid",
    "19-meter-2-2.mid",
    "21b-pickup-1-4.mid",
    "22b-header-says-2-of-3.mid",
    "22d-format-0-two-tracks.mid",
    "22e-header-of-8-bytes.mid",
    "23-names/loops.smf",
    "23-names/no-extension",
    "23-names/song.Mid",
    "23-names/upper.MIDI",
    "24-karaoke.kar",
    "25-ppq-24.mid",
    "25-ppq-96.mid",
    "25-ppq-960.mid",
    "25-ppq-32767.mid",
    "27-human-40ticks.mid",
    "27b-late-by-10ms.mid",
    "28-tempo-0.mid",
    "28b-tempo-1us.mid",
    "29-track-per-drum.mid",
    "31c-bends-lyrics.mid",
    "31d-type0.mid",
    "31e-ends-in-34.mid",
    "31f-tempo-changes.mid",
    "31g-ritardando.mid",
    "31i-fade-pan-program.mid",
]
METERS = ("1/4", "2/4", "3/4", "4/2", "5/4", "6/8", "7/8", "12/8")
OTHER_METERS = {f"19-meter-{meter.replace('/', '-')}.mid": meter for meter in METERS} | {
    "18-meter-in-melody-track.mid": "3/4",
    "20b-blues-12-8.mid": "12/8",
    "38-setup-44-then-34.mid": "3/4",
}


def inspect_case(name: str, **reading) -> Inspection:
    (found,) = inspect([str(CASES / name)], Reading(**reading))
    return found


@pytest.fixture(scope="module")
def beat() -> Inspection:
    return inspect_case("00-good.mid")


def test_the_plain_beat_is_eight_bars(beat):
    assert (beat.song.segments.tolist(), int((beat.song.velocities > 0).sum())) == ([8], 106)


@pytest.mark.parametrize("name", THE_BEAT)
def test_a_damaged_or_unusual_file_has_all_hits_of_the_plain_beat(name, beat):
    found = inspect_case(name)
    assert found.song, found.detail
    assert found.song.id == beat.song.id


def test_names_in_any_alphabet_and_length_are_read(beat):
    (unicode,), (long,) = (list((CASES / "23-names").glob(f"*{end}")) for end in ("[бн].MID", "x.mid"))
    assert {found.song.id for found in inspect([str(unicode), str(long)])} == {beat.song.id}


@pytest.mark.parametrize("name", ["23-names/song.mid.gz", *(f"34-gz-only/song{number}.mid.gz" for number in range(3))])
def test_a_file_packed_by_gzip_is_read(name, tmp_path):
    (tmp_path / "plain.mid").write_bytes(gzip.decompress((CASES / name).read_bytes()))
    (plain,) = inspect([str(tmp_path / "plain.mid")])
    assert inspect_case(name).song.id == plain.song.id


@pytest.mark.parametrize("name", OTHER_METERS)
def test_another_meter_is_told_with_the_meters_of_the_drums_alone(name):
    found = inspect_case(name)
    assert found.reason == Reason.NO_COMMON_TIME
    assert f"its drums play in {OTHER_METERS[name]}, and only bars of 4/4, 2/2 and 8/8 are read" in found.detail


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("14-smpte-25-40.mid", Reason.UNREADABLE, "SMPTE frames, not in beats; export it with ticks per quarter note"),
        ("22-format-2.mid", Reason.UNREADABLE, "separate patterns; export it as format 0 or 1"),
        ("26b-bars-with-gaps.mid", Reason.TOO_SHORT, "never play the 2 bars on end"),
        ("34-one-bar-loops/loop0.mid", Reason.TOO_SHORT, "repeat it (`--loops`)"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_remedy(name, reason, words):
    found = inspect_case(name)
    assert (found.reason, "\n" in found.detail) == (reason, False)
    assert words in found.detail


@pytest.mark.parametrize("song", ["song1", "song2", "song3"])
def test_drums_exported_on_channel_1_are_refused_with_the_channel_and_the_option_that_reads_them(song, beat):
    name = f"01-logic-ch1/{song}.mid"
    found = inspect_case(name)
    assert found.reason == Reason.NO_DRUMS
    hits = int(read_drum_events((CASES / name).read_bytes()).counts.sum())
    assert f"its {hits} notes are on MIDI channel 1; drums are expected on channel 10" in found.detail
    assert "pass `--channel 1`" in found.detail
    read = inspect_case(name, channel=1)
    assert int((read.song.velocities > 0).sum()) == hits
    assert song != "song1" or read.song.id == beat.song.id


def test_a_roland_kit_is_read_by_its_map(beat):
    assert inspect_case("16-roland-td.mid", drum_map="roland").song.id == beat.song.id
    assert inspect_case("16-roland-td.mid").song.id != beat.song.id


@pytest.mark.parametrize(
    ("name", "share"),
    [("20-shuffle-triplets.mid", 1 / 3), ("27-human-40ticks.mid", 27 / 106), ("27c-late-by-70ticks.mid", 1)],
)
def test_the_share_of_hits_off_the_grid_is_told(name, share):
    found = inspect_case(name)
    assert found.off_grid == pytest.approx(share)
    assert f"{share:.0%} of the hits lie off the grid" in str(found)


@pytest.mark.parametrize(
    ("name", "segments", "hits"),
    [
        ("08b-off-before-on.mid", [8], 160),
        ("21-pickup-shifted.mid", [9], 108),
        ("25-ppq-1.mid", [8], 32),
        ("31-ends-mid-bar.mid", [8], 96),
        ("31b-no-drums-at-end.mid", [4], 53),
        ("32-kick35-snare40-soft.mid", [8], 106),
        ("33-break-in-the-middle.mid", [5, 3], 103),
    ],
)
def test_the_other_songs_have_their_segments_and_all_hits(name, segments, hits):
    song = inspect_case(name).song
    assert (song.segments.tolist(), int((song.velocities > 0).sum())) == (segments, hits)


def test_the_segments_around_a_break_say_which_bars_of_the_song_they_are():
    found = inspect_case("33-break-in-the-middle.mid")
    assert found.describe_segments() == ["bars 1-5", "bars 10-12"]
    assert found.song.starts.tolist() == [0, 9 * 4 * 480]


def test_loops_of_one_bar_fill_windows_of_any_length():
    for number in range(6):
        found = inspect_case(f"34-one-bar-loops/loop{number}.mid", loops=True)
        assert found.as_dict(with_windows=False)["windows"] == {"1": 1, "2": 1, "4": 1, "8": 1, "16": 1}
        (window,), (bar,) = found.windows(16), found.windows(1)
        assert window == bar * 16


@pytest.mark.parametrize("path", sorted(CASES.rglob("*.*")), ids=lambda path: str(path.relative_to(CASES)))
def test_every_case_can_be_shown_as_text_and_json(path):
    for found in inspect([str(path)]):
        assert "\n" not in str(found)
        json.dumps(found.as_dict(with_windows=True))
        if found.song:
            assert len(found.describe_segments()) == len(found.song.segments)
            found.describe_dropped()
