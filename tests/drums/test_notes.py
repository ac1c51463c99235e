import mido
import numpy as np
import pytest
import symusic
from drumline.drums.kit import DRUM_OF_PITCH, PITCH_OF_DRUM, hits_of
from drumline.drums.notes import note_sequence_of, write_midi
from hypothesis import given
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
    write_midi(grid, tmp_path / "beat.mid", qpm=90)
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
    write_midi(grid, tmp_path / "beat.mid", qpm=90)
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


@given(st.integers(1, 511))
def test_hits_sound_at_velocity_100(combination):
    sequence = note_sequence_of(hits_of([combination, 0]))
    assert {note.velocity for note in sequence.notes} == {100}
    assert len(sequence.notes) == combination.bit_count()


@given(arrays.arrays(np.uint8, (16, 9), elements=st.integers(0, 127)), st.floats(20, 400))
def test_a_step_lasts_a_sixteenth_at_the_tempo(grid, qpm):
    sequence = note_sequence_of(grid, qpm)
    assert sequence.total_time == pytest.approx(4 * 60 / qpm)
    for note in sequence.notes:
        assert note.end_time - note.start_time == pytest.approx(15 / qpm)


def test_a_silent_grid_is_a_file_without_notes(tmp_path):
    write_midi(np.zeros((32, 9), np.int64), tmp_path / "silence.mid")
    assert symusic.Score(tmp_path / "silence.mid").note_num() == 0


@pytest.mark.parametrize("shape", [(9,), (32, 8), (32, 10), (1, 32, 9), ()])
def test_a_grid_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\[steps, 9\], not \["):
        note_sequence_of(np.zeros(shape, np.int64))


@pytest.mark.parametrize("velocity", [-1, 128, 1000])
def test_a_velocity_outside_0_to_127_is_refused(grid, velocity):
    grid[5, 5] = velocity
    with pytest.raises(ValueError, match=r"0\.\.127"):
        note_sequence_of(grid)
