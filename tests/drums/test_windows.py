import io

import mido
import numpy as np
import pytest
import symusic
from drumline.drums.kit import combinations_of
from drumline.drums.midi import Reason, RejectedError
from drumline.drums.notes import write_midi
from drumline.drums.windows import Song, read_song, read_windows
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from note_seq import midi_io
from note_seq.drums_encoder_decoder import DEFAULT_DRUM_TYPE_PITCHES
from note_seq.drums_lib import DrumTrack
from note_seq.sequences_lib import MultipleTempoError, MultipleTimeSignatureError, quantize_note_sequence

from tests.midi_files import BAR, HAT, KICK, NOT_IN_THE_KIT, SNARE, STEP, TICKS_PER_QUARTER, Note, midi_bytes, steps

TIE = STEP // 2  # ticks from a step to half-way to the next


def hit_steps(song: Song) -> list[int]:
    """The steps with a hit, counted over all bars of a song."""
    return np.flatnonzero(song.combinations.ravel()).tolist()


def as_lists(song: Song) -> tuple[list, list]:
    return song.segments.tolist(), song.velocities.tolist()


# Segments


def test_without_a_time_signature_a_song_is_in_common_time():
    song = read_song(midi_bytes(steps(0, 16, 20)))
    assert song.segments.tolist() == [2]
    assert hit_steps(song) == [0, 16, 20]


def test_a_change_of_time_signature_starts_a_new_segment():
    # Twelve silent steps of 3/4 lie between, which alone would cut nothing.
    meters = [(0, 4, 4), (16 * STEP, 3, 4), (28 * STEP, 4, 4)]
    midi = steps(*range(0, 16, 4), *range(28, 44, 4))
    assert read_song(midi_bytes(midi)).segments.tolist() == [3]
    assert read_song(midi_bytes(midi, meters=meters)).segments.tolist() == [1, 1]


def test_a_three_four_part_between_leaves_both_others_their_own_bar_lines():
    meters = [(0, 4, 4), (32 * STEP, 3, 4), (44 * STEP, 4, 4)]
    hats = steps(*range(0, 76, 2), pitch=HAT)
    kicks = steps(0, 16, 32, 44, 60)
    song = read_song(midi_bytes(hats, kicks, meters=meters))
    assert song.segments.tolist() == [2, 2]
    assert np.flatnonzero(song.velocities[..., 0].ravel()).tolist() == [0, 16, 32, 48]
    assert hit_steps(song) == list(range(0, 64, 2))


def test_a_meter_that_changes_inside_a_bar_pads_that_bar():
    song = read_song(midi_bytes(steps(*range(0, 24, 4)), meters=[(0, 4, 4), (24 * STEP, 7, 8)]))
    assert song.segments.tolist() == [2]
    assert hit_steps(song) == list(range(0, 24, 4))


@pytest.mark.parametrize("repetition", [16, 24, 27])
def test_a_repeated_time_signature_starts_nothing(repetition):
    notes = steps(*range(0, 48, 3))
    once = read_song(midi_bytes(notes, meters=[(0, 4, 4)]))
    again = read_song(midi_bytes(notes, meters=[(0, 4, 4), (repetition * STEP, 4, 4)]))
    assert as_lists(again) == as_lists(once)
    assert again.segments.tolist() == [3]


@pytest.mark.parametrize("meter", [(3, 4), (2, 4), (6, 8), (12, 8), (4, 2)])
def test_only_bars_of_sixteen_sixteenths_count(meter):
    with pytest.raises(RejectedError, match="its drums play in {}/{}, and only".format(*meter)) as rejection:
        read_song(midi_bytes(steps(*range(0, 64, 4)), meters=[(0, *meter)]))
    assert rejection.value.reason is Reason.NO_COMMON_TIME


@pytest.mark.parametrize("meter", [(2, 2), (8, 8)])
def test_other_names_of_sixteen_sixteenths_are_read_as_four_four(meter):
    notes = steps(*range(0, 64, 3))
    assert as_lists(read_song(midi_bytes(notes, meters=[(0, *meter)]))) == as_lists(read_song(midi_bytes(notes)))


def test_only_the_meters_that_the_drums_play_in_are_told():
    with pytest.raises(RejectedError, match="its drums play in 3/4, and only"):
        read_song(midi_bytes(steps(*range(16, 64, 4)), meters=[(0, 4, 4), (BAR, 3, 4)]))


def test_a_meter_of_no_beats_is_ignored():
    notes, meters = steps(*range(0, 64, 3)), [(0, 4, 4), (2 * BAR, 3, 4)]
    midi = midi_bytes(notes, meters=meters)
    meter = bytes([0xFF, 0x58, 4, 3])
    assert midi.count(meter) == 1
    assert as_lists(read_song(midi.replace(meter, meter[:3] + b"\0"))) == as_lists(read_song(midi_bytes(notes)))


def test_the_last_of_two_time_signatures_at_one_tick_counts():
    song = read_song(midi_bytes(steps(0, 12), meters=[(0, 3, 4), (0, 4, 4)]))
    assert song.segments.tolist() == [1]


def test_a_note_just_before_a_change_of_meter_belongs_to_the_new_bar():
    change = 4 * 12 * STEP
    meters = [(0, 3, 4), (change, 4, 4)]
    for early in (0, 1, TIE):
        notes = [(change - early, KICK, 100), (change + 5 * STEP, KICK, 100)]
        assert hit_steps(read_song(midi_bytes(notes, meters=meters))) == [0, 5]
    notes[0] = (change - TIE - 1, KICK, 100)
    assert hit_steps(read_song(midi_bytes(notes, meters=meters))) == [5]


def test_a_note_goes_to_the_nearest_step_and_a_tie_up():
    for tick, step in [(TIE - 1, 0), (TIE, 1), (STEP, 1), (STEP + TIE - 1, 1), (STEP + TIE, 2)]:
        assert hit_steps(read_song(midi_bytes([(tick, KICK, 100)]))) == [step]


def test_ticks_that_no_step_divides_round_exactly():
    # Five ticks a quarter: the steps lie at 0, 1.25, 2.5, 3.75 and 5 ticks.
    nearest = [0, 1, 2, 2, 3, 4]
    for tick, step in enumerate(nearest):
        assert hit_steps(read_song(midi_bytes([(tick, KICK, 100)], ticks_per_quarter=5))) == [step]


def test_a_note_late_in_a_bar_may_open_the_next():
    assert read_song(midi_bytes([*steps(0), (BAR - TIE, KICK, 100)])).segments.tolist() == [2]
    assert read_song(midi_bytes([*steps(0), (BAR - TIE - 1, KICK, 100)])).segments.tolist() == [1]


@pytest.mark.parametrize("first", [0, 5, 15])
def test_a_bar_of_silence_cuts_and_fifteen_silent_steps_do_not(first):
    def segments(silent):
        return len(read_song(midi_bytes(steps(first, first + silent + 1))).segments)

    assert [segments(15), segments(16), segments(17)] == [1, 2, 2]


def test_a_cut_keeps_the_bar_lines():
    song = read_song(midi_bytes(steps(3, 41)))
    assert song.segments.tolist() == [1, 1]
    assert hit_steps(song) == [3, 16 + 9]


def test_silent_bars_before_the_first_hit_are_left_out():
    song = read_song(midi_bytes(steps(5 * 16 + 3, 6 * 16)))
    assert song.segments.tolist() == [2]
    assert hit_steps(song) == [3, 16]


def test_the_last_bar_is_padded_with_silence():
    song = read_song(midi_bytes(steps(0, 16)))
    assert song.velocities.shape == (2, 16, 9)
    assert hit_steps(song) == [0, 16]


# Hits


def test_velocities_are_means_rounded_half_up():
    step = [(0, 36, 100), (1, 35, 101), (0, 38, 1), (1, 40, 2), (2, 37, 2)]
    (bar,) = read_song(midi_bytes(step)).velocities
    assert bar[0].tolist() == [101, 2, 0, 0, 0, 0, 0, 0, 0]


def test_pitches_outside_the_kit_are_dropped():
    outside = steps(0, 3, pitch=NOT_IN_THE_KIT)
    assert as_lists(read_song(midi_bytes(steps(0, 4), outside))) == as_lists(read_song(midi_bytes(steps(0, 4))))


def test_pitches_outside_the_kit_break_a_silence_as_in_note_seq():
    song = read_song(midi_bytes(steps(0, 32), steps(16, pitch=NOT_IN_THE_KIT)))
    assert song.segments.tolist() == [3]
    assert hit_steps(song) == [0, 32]


def test_all_drum_tracks_are_merged():
    kicks, snares, hats = steps(0, 8), steps(4, 12, pitch=SNARE), steps(*range(0, 16, 2), pitch=HAT)
    assert as_lists(read_song(midi_bytes(kicks, snares, hats))) == as_lists(
        read_song(midi_bytes(kicks + snares + hats))
    )


def test_only_channel_10_counts():
    melody = [(step * STEP, KICK, 100) for step in range(0, 64, 3)]
    assert as_lists(read_song(midi_bytes(steps(0, 4), melody=melody))) == as_lists(read_song(midi_bytes(steps(0, 4))))


@pytest.mark.parametrize("lasting", [0, 1, STEP, None], ids=["no tick", "a tick", "a step", "for ever"])
def test_a_hit_is_an_onset_however_long_its_note_lasts(lasting):
    midi = midi_bytes(steps(0, 4, 4, 9), lasting=1 if lasting is None else lasting)
    if lasting is None:
        midi = midi.replace(bytes([0x89, KICK, 64]), bytes([0xA9, KICK, 64]))  # aftertouch instead of the note-offs
    assert hit_steps(read_song(midi)) == [0, 4, 9]


def test_a_data_byte_above_127_counts_as_127():
    midi, note_on = midi_bytes(steps(0, 4, velocity=100)), bytes([0x99, KICK, 100])
    assert note_on in midi
    song = read_song(midi.replace(note_on, bytes([0x99, KICK, 200]), 1))
    assert song.velocities[0, [0, 4], 0].tolist() == [127, 100]
    song = read_song(midi.replace(bytes([KICK, 100]), bytes([200, 100]), 1))  # 127 is a pitch outside the kit
    assert hit_steps(song) == [4]


@pytest.mark.parametrize("division", [b"\0\0", b"\xe7\x28", b"\x80\x00"], ids=["zero", "25 frames", "no frames"])
def test_a_file_whose_time_is_not_in_ticks_of_a_quarter_is_refused(division):
    midi = midi_bytes(steps(0, 4))
    with pytest.raises(RejectedError) as rejection:
        read_song(midi[:12] + division + midi[14:])
    assert rejection.value.reason is Reason.UNREADABLE


# Windows


def bars_of(*marks: int, first: int = 0) -> list[Note]:
    """A bar a mark: a kick on its first step, a snare on the step of the mark."""
    starts = [16 * (first + bar) for bar in range(len(marks))]
    snares = [start + mark for start, mark in zip(starts, marks, strict=True)]
    return steps(*starts) + steps(*snares, pitch=SNARE)


def marks_of(windows: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(step % 16 for step in np.flatnonzero(window[:, 1]).tolist()) for window in windows]


def test_windows_slide_by_one_bar_and_stay_inside_a_segment():
    song, windows = read_windows(midi_bytes(bars_of(1, 2, 3, 4) + bars_of(5, 6, first=6)), 2)
    assert song.segments.tolist() == [4, 2]
    assert song.window_starts(2).tolist() == [0, 1, 2, 4]
    assert windows.shape == (4, 32, 9)
    assert marks_of(windows) == [(1, 2), (2, 3), (3, 4), (5, 6)]


def test_identical_windows_count_once_in_order_of_appearance():
    _, windows = read_windows(midi_bytes(bars_of(9, 4, 9, 4, 2)), 2)
    assert marks_of(windows) == [(9, 4), (4, 9), (4, 2)]


def test_windows_of_sixteen_bars_slide_by_one_bar_too():
    _, windows = read_windows(midi_bytes(bars_of(*range(1, 16), 1, 2)), 16)
    assert marks_of(windows) == [(*range(1, 16), 1), (*range(2, 16), 1, 2)]


def test_windows_that_differ_only_in_velocity_are_identical_and_the_first_stays():
    notes = [(bar * BAR, KICK, velocity) for bar, velocity in enumerate([50, 60, 70])]
    _, (window,) = read_windows(midi_bytes(notes), 2)
    assert window[[0, 16], 0].tolist() == [50, 60]


def test_a_song_with_no_segment_of_a_windows_length_is_refused():
    midi = midi_bytes(steps(*range(0, 16 * 15, 8)))
    assert len(read_windows(midi, 2)[1])
    with pytest.raises(RejectedError, match="at most 15 of the 16 bars") as rejection:
        read_windows(midi, 16)
    assert rejection.value.reason is Reason.TOO_SHORT


# Songs


def test_a_copy_in_another_tempo_key_and_name_is_the_same_song():
    drums = steps(*range(0, 64, 3))
    melody = [(step * STEP, 60 + step % 12, 90) for step in range(64)]
    transposed = [(tick, pitch + 5, velocity) for tick, pitch, velocity in melody]
    song = read_song(midi_bytes(drums, melody=melody, tempos=[(0, 120)], name="one"))
    copy = read_song(midi_bytes(drums, melody=transposed, tempos=[(0, 97), (BAR, 140)], name="two"))
    assert song.id == copy.id
    assert len(song.id) == 16


def test_the_same_hits_at_other_velocities_are_the_same_song():
    loud, soft = (read_song(midi_bytes(steps(0, 16, 24, velocity=velocity))) for velocity in (100, 60))
    assert loud.id == soft.id


def test_other_drums_are_another_song():
    songs = [
        midi_bytes(steps(0, 16, 24)),
        midi_bytes(steps(0, 16, 25)),
        midi_bytes(steps(0, 16, 24, pitch=SNARE)),
        midi_bytes(steps(0, 16, 24, 32)),
        midi_bytes(steps(0, 32, 40)),  # the bars of the first, cut in two segments
    ]
    assert len({read_song(song).id for song in songs}) == len(songs)


# Properties

notes = st.tuples(
    st.integers(0, 12 * BAR),
    st.sampled_from([KICK, 35, SNARE, HAT, 46, 45, 48, 50, 49, 51, NOT_IN_THE_KIT]),
    st.integers(1, 127),
)
# A kick at the start, before any change of meter, so that there is a song whatever else is drawn.
tracks = st.lists(notes, min_size=1, max_size=40, unique_by=lambda note: note[:2]).map(
    lambda drawn: [(0, KICK, 100)] + [note for note in drawn if note[:2] != (0, KICK)]
)
meters = st.lists(
    st.tuples(st.integers(STEP, 12 * BAR), st.sampled_from([2, 3, 4, 6]), st.sampled_from([4, 8])),
    max_size=3,
    unique_by=lambda meter: meter[0],
)


@given(tracks, meters, st.lists(st.tuples(st.integers(0, 12 * BAR), st.floats(10, 500)), max_size=6))
def test_a_tempo_map_leaves_the_windows_alone(track, meters, tempos):
    plain = read_song(midi_bytes(track, meters=meters))
    assert as_lists(read_song(midi_bytes(track, meters=meters, tempos=tempos))) == as_lists(plain)


@given(tracks, meters, st.integers(2, 300))
def test_finer_ticks_leave_the_windows_alone(track, meters, factor):
    finer = midi_bytes(
        [(tick * factor, pitch, velocity) for tick, pitch, velocity in track],
        meters=[(tick * factor, above, below) for tick, above, below in meters],
        ticks_per_quarter=TICKS_PER_QUARTER * factor,
    )
    # mido's notes last one tick whatever the factor; only where they begin counts.
    assert as_lists(read_song(finer)) == as_lists(read_song(midi_bytes(track, meters=meters)))


@given(tracks, meters)
def test_every_segment_begins_and_ends_with_a_bar_that_sounds(track, meters):
    track = [note for note in track if note[1] != NOT_IN_THE_KIT]
    song = read_song(midi_bytes(track, meters=meters))
    assert song.segments.sum() == song.bars == len(song.velocities)
    ends = np.cumsum(song.segments)
    for first, last in zip(ends - song.segments, ends - 1, strict=True):
        assert song.combinations[first].any()
        assert song.combinations[last].any()


def sounding_bars(most: int) -> st.SearchStrategy[np.ndarray]:
    """Velocities [bars, 16, 9] with a kick on each first step, so that no silence cuts them."""
    values = st.one_of(st.just(0), st.integers(1, 127))
    grids = st.integers(1, most).flatmap(
        lambda bars: arrays.arrays(np.uint8, (bars, 16, 9), elements=values, fill=st.just(0))
    )

    def with_kicks(grid):
        grid = grid.copy()
        grid[:, 0, 0] = np.maximum(grid[:, 0, 0], 2)
        return grid

    return grids.map(with_kicks)


@given(
    parts=st.lists(st.tuples(st.integers(1, 3), sounding_bars(4)), min_size=1, max_size=3),
    qpm=st.floats(20, 400),
)
@settings(max_examples=50)
def test_a_grid_survives_the_way_to_midi_and_back(tmp_path_factory, parts, qpm):
    grid = np.concatenate([np.pad(bars, ((silent, 0), (0, 0), (0, 0))) for silent, bars in parts])
    path = tmp_path_factory.getbasetemp() / "grid.mid"
    write_midi(grid.reshape(-1, 9), path, qpm)
    song = read_song(path.read_bytes())
    assert song.segments.tolist() == [len(bars) for _, bars in parts]
    np.testing.assert_array_equal(song.velocities, np.concatenate([bars for _, bars in parts]))


def test_a_file_cut_off_anywhere_is_refused():
    midi = midi_bytes(steps(*range(0, 64, 16)), meters=[(0, 4, 4)])
    for length in range(len(midi)):
        with pytest.raises(RejectedError):
            read_song(midi[:length])


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
@settings(max_examples=200)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(seed, damages):
    generator = np.random.default_rng(seed)
    midi = bytearray(midi_bytes(steps(*range(0, 64, 3)), meters=[(0, 4, 4)], tempos=[(0, 100)], melody=[(0, 60, 90)]))
    for _ in range(damages):
        midi[generator.integers(len(midi))] = generator.integers(256)
    try:
        song = read_song(bytes(midi[: generator.integers(len(midi) // 2, 2 * len(midi))]))
    except RejectedError:
        return
    assert song.bars == song.segments.sum() > 0


# note_seq


def note_seq_segments(midi: bytes) -> list[np.ndarray] | None:
    """The combinations of each segment that note_seq's drums_lib finds; None where the meter is neither 4/4 nor 2/2.

    Raises what note_seq raises where tempo or meter change.
    """
    sequence = midi_io.midi_to_note_sequence(midi)
    if any(meter.numerator != meter.denominator for meter in sequence.time_signatures[:1]):
        return None
    # A tie between two steps rounds up in both, but note_seq's times are floating-point seconds, in which a tie comes
    # out a hair below or above. A microsecond more settles every tie upwards, and is far less than a tick.
    for note in sequence.notes:
        note.start_time += 1e-6
        note.end_time += 1e-6
    quantized = quantize_note_sequence(sequence, steps_per_quarter=4)
    drum_of = {pitch: drum for drum, pitches in enumerate(DEFAULT_DRUM_TYPE_PITCHES) for pitch in pitches}
    segments, track = [], DrumTrack()
    while True:
        track.from_quantized_sequence(
            quantized, search_start_step=track.end_step if segments else 0, gap_bars=1, pad_end=True
        )
        if not len(track):
            return segments
        hits = [{drum_of[pitch] for pitch in step if pitch in drum_of} for step in track]
        segments.append(np.array([sum(1 << drum for drum in step) for step in hits]))


def distinct_windows(segments: list[np.ndarray], bars: int) -> list[tuple[int, ...]]:
    size = 16 * bars
    windows = (tuple(s[at : at + size].tolist()) for s in segments for at in range(0, len(s) - size + 1, 16))
    return list(dict.fromkeys(windows))


def with_lasting_drums(midi: bytes) -> bytes:
    """The file with each drum note one tick long: note_seq leaves out those that last no tick or have no end."""
    file = mido.MidiFile(file=io.BytesIO(midi), clip=True)
    for track in file.tracks:
        now, timed = 0, []
        for message in track:
            now += message.time
            if not (message.type in ("note_on", "note_off") and message.channel == 9):
                timed.append((now, 1, message))
            elif message.type == "note_on" and message.velocity:
                timed.append((now, 1, message))
                timed.append((now + 1, 0, mido.Message("note_off", channel=9, note=message.note)))
        timed.sort(key=lambda each: each[:2])
        ticks = [0, *(tick for tick, _, _ in timed)]
        track[:] = [message.copy(time=tick - before) for before, (tick, _, message) in zip(ticks, timed, strict=False)]
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def test_windows_equal_those_of_note_seq_on_real_songs_of_constant_tempo_and_meter(freedoom):
    compared, bars, left_out = 0, 0, []
    for path in sorted(freedoom.glob("*.mid")):
        midi = path.read_bytes()
        try:
            theirs = note_seq_segments(with_lasting_drums(midi))
        except (MultipleTempoError, MultipleTimeSignatureError):
            theirs = None
        if theirs is None:
            left_out.append(path.name)
            continue
        if not theirs:
            with pytest.raises(RejectedError, match=Reason.NO_DRUMS):
                read_song(midi)
            left_out.append(path.name)
            continue
        song = read_song(midi)
        ours = np.split(song.combinations.ravel(), 16 * np.cumsum(song.segments)[:-1])
        assert [segment.tolist() for segment in ours] == [segment.tolist() for segment in theirs], path.name
        for length in (2, 16):
            windows = [tuple(window) for window in combinations_of(song.windows(length)).tolist()]
            assert windows == distinct_windows(theirs, length), path.name
        compared += 1
        bars += song.bars
    assert compared + len(left_out) == 75
    assert compared >= 61, left_out
    assert bars > 3000


def test_a_song_of_many_tempos_has_the_windows_of_its_constant_copy(freedoom):
    def segments_and_velocities(midi):
        try:
            return as_lists(read_song(midi))
        except RejectedError as rejection:
            return rejection.reason

    changed = 0
    for path in sorted(freedoom.glob("*.mid")):
        score = symusic.Score(path)
        if len({tempo.qpm for tempo in score.tempos}) < 2:
            continue
        changed += 1
        score.tempos = score.tempos[:1]
        expected = segments_and_velocities(path.read_bytes())
        assert segments_and_velocities(score.dumps_midi()) == expected, path.name
    assert changed >= 2
