import io

import mido
import numpy as np
import pytest
import symusic
from drumline.drums.kit import DRUM_OF_PITCH, PITCH_OF_DRUM, hits_of
from drumline.drums.notes import encode_midi, write_midi
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from note_seq import midi_io


@pytest.fixture
def grid() -> np.ndarray:
    """Two bars of velocities in which every drum plays."""
    grid = np.zeros((32, 9), np.int64)
    steps = np.arange(0, 27, 3)
    grid[steps, np.arange(9)] = 2 + 14 * np.arange(9)
    grid[28, [0, 1, 2]] = 127
    return grid


def test_symusic_reads_the_drums_back(grid, tmp_path):
    write_midi(grid, tmp_path / "beat.mid", bpm=90)
    score = symusic.Score(tmp_path / "beat.mid")
    (track,) = score.tracks
    assert track.is_drum
    assert [tempo.qpm for tempo in score.tempos] == pytest.approx([90], rel=1e-4)
    assert [(meter.time, meter.numerator, meter.denominator) for meter in score.time_signatures] == [(0, 4, 4)]
    read = np.zeros_like(grid)
    for note in track.notes:
        step, rest = divmod(note.time, score.tpq // 4)
        assert rest == 0
        assert note.duration == score.tpq // 4
        read[step, PITCH_OF_DRUM.index(note.pitch)] = note.velocity
    np.testing.assert_array_equal(read, grid)


def test_note_seq_reads_the_drums_back(grid, tmp_path):
    write_midi(grid, tmp_path / "beat.mid", bpm=90)
    sequence = midi_io.midi_file_to_note_sequence(str(tmp_path / "beat.mid"))
    assert len(sequence.notes) == np.count_nonzero(grid)
    assert all(note.is_drum for note in sequence.notes)
    read = np.zeros_like(grid)
    for note in sequence.notes:
        read[round(note.start_time * 90 / 60 * 4), DRUM_OF_PITCH[note.pitch]] = note.velocity
    np.testing.assert_array_equal(read, grid)


def test_the_drums_lie_on_channel_10(grid, tmp_path):
    write_midi(grid, tmp_path / "beat.mid")
    channels = {
        message.channel
        for track in mido.MidiFile(tmp_path / "beat.mid").tracks
        for message in track
        if message.type == "note_on"
    }
    assert channels == {9}  # counted from 0


def read(midi: bytes) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(midi))


def events_of(track: mido.MidiTrack) -> list[tuple[int, mido.Message]]:
    """Its events with their ticks."""
    ticks = np.cumsum([event.time for event in track]).tolist()
    return list(zip(ticks, track, strict=True))


def notes_of(file: mido.MidiFile, kind: str = "note_on") -> list[tuple[int, mido.Message]]:
    return [(tick, event) for track in file.tracks for tick, event in events_of(track) if event.type == kind]


@settings(deadline=None)
@given(st.integers(1, 511))
def test_hits_sound_at_velocity_100(combination):
    notes = notes_of(read(encode_midi(hits_of([combination, 0]))))
    assert {note.velocity for _, note in notes} == {100}
    assert len(notes) == combination.bit_count()


@settings(deadline=None, max_examples=25)
@given(arrays.arrays(np.uint8, (64, 9), elements=st.integers(0, 127)), st.integers(0, 1), st.floats(20, 400))
def test_every_track_ends_on_the_bar_line(grid, midi_type, bpm):
    file = read(encode_midi(grid, bpm, midi_type=midi_type))
    for track in file.tracks:
        end, event = events_of(track)[-1]
        assert event.type == "end_of_track"
        assert end == 4 * 4 * file.ticks_per_beat
    assert file.length == pytest.approx(4 * 4 * 60 / bpm, rel=1e-4)
    assert len(notes_of(file)) == len(notes_of(file, "note_off")) == np.count_nonzero(grid)


def test_tempo_and_meter_are_in_the_first_track_and_all_drums_in_the_only_other_one(grid):
    file = read(encode_midi(grid, 90))
    timing, drums = file.tracks
    assert file.type == 1
    assert [event.type for event in timing] == ["set_tempo", "time_signature", "end_of_track"]
    assert {event.type for event in drums} == {"track_name", "note_on", "note_off", "end_of_track"}


def test_a_file_of_type_0_has_all_in_one_track(grid):
    file = read(encode_midi(grid, 90, midi_type=0))
    (track,) = file.tracks
    assert file.type == 0
    assert {"set_tempo", "time_signature", "note_on"} <= {event.type for event in track}


@settings(deadline=None, max_examples=25)
@given(arrays.arrays(np.float64, (32, 9), elements=st.floats(-0.45, 0.45)))
def test_notes_that_are_early_or_late_stay_within_the_bars_and_do_not_overlap(delays):
    file = read(encode_midi(np.full((32, 9), 100), delays=delays))
    end, sounding = 2 * 4 * file.ticks_per_beat, set()
    for tick, event in events_of(file.tracks[1]):
        assert 0 <= tick <= end
        if event.type == "note_on":
            assert event.note not in sounding
            sounding.add(event.note)
        elif event.type == "note_off":
            sounding.remove(event.note)
    assert not sounding


def test_a_silent_grid_is_a_file_of_its_length_without_notes(tmp_path):
    write_midi(np.zeros((32, 9), np.int64), tmp_path / "silence.mid")
    assert symusic.Score(tmp_path / "silence.mid").note_num() == 0
    assert mido.MidiFile(tmp_path / "silence.mid").length == pytest.approx(4)


@pytest.mark.parametrize("shape", [(9,), (32, 8), (32, 10), (1, 32, 9), ()])
def test_a_grid_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\[steps, 9\], not \["):
        encode_midi(np.zeros(shape, np.int64))


@pytest.mark.parametrize("velocity", [-1, 128, 1000])
def test_a_velocity_outside_0_to_127_is_refused(grid, velocity):
    grid[5, 5] = velocity
    with pytest.raises(ValueError, match=r"0\.\.127"):
        encode_midi(grid)
