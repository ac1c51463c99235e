import numpy as np
import pytest
from drumline.drums.kit import COMBINATIONS, DRUM_OF_PITCH, DRUMS, NOT_IN_KIT, PITCH_OF_DRUM, combinations_of, hits_of
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from note_seq.drums_encoder_decoder import DEFAULT_DRUM_TYPE_PITCHES

shapes = arrays.array_shapes(min_dims=0, max_dims=3, max_side=5)


@given(shapes.flatmap(lambda shape: arrays.arrays(np.int64, (*shape, 9), elements=st.integers(0, 1))))
def test_hits_survive_the_way_to_combinations_and_back(hits):
    np.testing.assert_array_equal(hits_of(combinations_of(hits)), hits)


def test_every_combination_is_one_id_and_back():
    every = np.arange(COMBINATIONS)
    assert combinations_of(hits_of(every)).tolist() == every.tolist()
    assert len(np.unique(hits_of(every), axis=0)) == COMBINATIONS == 512


@given(arrays.arrays(np.uint8, (16, 9), elements=st.integers(0, 127)))
def test_only_whether_a_drum_is_hit_counts_for_a_combination(velocities):
    expected = [sum(1 << drum for drum in range(9) if step[drum] > 0) for step in velocities.tolist()]
    assert combinations_of(velocities).tolist() == expected


def test_silence_is_0_and_the_kick_alone_1():
    assert combinations_of(np.eye(9, dtype=int)).tolist() == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert combinations_of(np.zeros(9)) == 0


def test_the_kit_is_note_seqs_in_its_order():
    assert len(DRUMS) == len(DEFAULT_DRUM_TYPE_PITCHES) == 9
    expected = {pitch: drum for drum, pitches in enumerate(DEFAULT_DRUM_TYPE_PITCHES) for pitch in pitches}
    assert DRUM_OF_PITCH.tolist() == [expected.get(pitch, NOT_IN_KIT) for pitch in range(128)]


def test_each_drum_sounds_as_its_plain_general_midi_pitch():
    assert dict(zip(DRUMS, PITCH_OF_DRUM, strict=True)) == {
        "kick": 36,
        "snare": 38,
        "closed hi-hat": 42,
        "open hi-hat": 46,
        "low tom": 45,
        "mid tom": 48,
        "high tom": 50,
        "crash": 49,
        "ride": 51,
    }


def test_the_table_of_pitches_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        DRUM_OF_PITCH[0] = 1


@pytest.mark.parametrize("ids", [-1, 512, [[0, 511], [3, 600]], np.array([-5])])
def test_an_id_outside_0_to_511_is_refused(ids):
    with pytest.raises(ValueError, match=r"0\.\.511"):
        hits_of(ids)


def test_no_id_gives_no_hits():
    assert hits_of(np.zeros((0, 16), np.int64)).shape == (0, 16, 9)
