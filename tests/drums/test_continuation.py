"""Songs of tests/cases with new drums behind or in them: read by mido, or byte by byte where mido reads less."""

import io
import struct
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from drumline.drums.continuation import SongFile
from drumline.drums.dynamics import GROOVE, apply_dynamics
from drumline.drums.midi import read_drum_notes

from tests.midi_files import BAR, HAT, KICK, SNARE, STEP, midi_bytes, steps

CASES = Path(__file__).parent.parent / "cases"
SONGS = sorted(path.name for path in CASES.glob("31*"))
BEAT = steps(*range(0, 64, 4)) + steps(*range(4, 64, 8), pitch=SNARE)  # four bars


@pytest.fixture
def hits() -> np.ndarray:
    """Two bars of kick, snare and closed hi-hat."""
    hits = np.zeros((32, 9), np.int64)
    hits[::8, 0] = hits[4::8, 1] = hits[::2, 2] = 1
    return hits


def read_case(name: str) -> SongFile:
    return SongFile.read((CASES / name).read_bytes())


def extend(song: SongFile, hits: np.ndarray, first: int | None = None, bpm: float | None = None) -> bytes:
    """The song with new drums at a bar, by default behind its last one."""
    start = round(song.bars.starts[len(song.bars) if first is None else first])
    return song.insert(apply_dynamics(hits, song.dynamics), np.zeros(hits.shape), start, bpm)


def events(midi: bytes, track: int | None = None) -> list[tuple[int, str]]:
    """All events but the ends of tracks with their ticks, in order; of all tracks, or of one."""
    found = []
    tracks = mido.MidiFile(file=io.BytesIO(midi)).tracks
    for events_of_track in tracks if track is None else tracks[track : track + 1 or None]:
        tick = 0
        for event in events_of_track:
            tick += event.time
            if event.type != "end_of_track":
                found.append((tick, str(event.copy(time=0))))
    return sorted(found)


def chunks(midi: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(midi):
        kind, size = struct.unpack_from(">4sI", midi, at)
        found.append((kind, midi[at + 8 : at + 8 + size]))
        at += 8 + size
    return found


@pytest.mark.parametrize("name", [*SONGS, "00-good.mid", "24-karaoke.kar", "28-tempo-0.mid", "28b-tempo-1us.mid"])
def test_a_continued_song_keeps_every_event_at_its_tick(name, hits):
    song = read_case(name)
    before, after = events((CASES / name).read_bytes()), events(extend(song, hits))
    end = song.bars.starts[-1]
    new = [event for event in after if event not in before]
    assert [event for event in after if event in before] == before
    assert all(tick >= end or "continued" in event for tick, event in new)
    assert sum("note_on" in event for _, event in new) == hits.sum()


@pytest.mark.parametrize("name", ["31c-bends-lyrics.mid", "24-karaoke.kar", "12d-unknown-chunk.mid"])
def test_the_chunks_of_a_song_stay_byte_by_byte(name, hits):
    before, after = chunks((CASES / name).read_bytes()), chunks(extend(read_case(name), hits))
    tracks = [index for index, (kind, _) in enumerate(before) if kind == b"MTrk"]
    assert struct.unpack(">HHH", after[0][1])[:2] == (1, len(tracks) + 1)
    del after[tracks[-1] + 1], after[0], before[0]
    assert after == before


def test_system_exclusive_packets_and_chunks_of_other_kinds_stay(hits):
    """Yamaha's XF files have both; what is inserted lies between their events."""
    packets = b"\xf0\x02\x43\x10\x30\xf7\x02\x4c\xf7\x00\xff\x7f\x03\x43\x7b\x01"
    drums = b"".join(b"\x00\x99\x24\x64" + (b"\x60\x24\x00" if at else b"\x60\x89\x24\x40") for at in (0, 1, 2, 3))
    running = b"\x83\x00\x99\x24\x50\x60\x24\x00"
    track = b"\x00" + packets + drums + running + b"\x90\x00\xff\x2f\x00"
    midi = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(track)) + track
    midi += b"XFIH" + struct.pack(">I", 4) + b"\x00\xff\x01\x00" + b"\r\n"
    song = SongFile.read(midi)
    after = extend(song, hits, bpm=150.0)
    head = after[: after.index(b"MTrk")]
    assert struct.unpack(">HHH", head[8:]) == (1, 2, 96)
    assert packets + drums + running in after
    assert after.endswith(midi[midi.index(b"XFIH") :])
    tempos = [event for event in events(after[: after.index(b"XFIH")], 0) if "set_tempo" in event[1]]
    assert tempos == [(round(song.bars.starts[-1]), "MetaMessage('set_tempo', tempo=400000, time=0)")]


def test_an_event_under_running_status_is_whole_where_something_is_inserted_before_it(hits):
    track = b"\x00\x99\x24\x64" + b"".join(b"\x60\x24\x00\x00\x24\x64" for _ in range(16)) + b"\x60\x24\x00"
    track += b"\x00\xff\x2f\x00"
    song = SongFile.read(b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(track)) + track)
    before = events(b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(track)) + track)
    after = events(extend(song, hits, 2, bpm=90.0), 0)
    assert [tick for tick, event in after if "note" in event] == [tick for tick, event in before if "note" in event]
    assert [tick for tick, event in after if "set_tempo" in event] == [8 * 96, 16 * 96]


@pytest.mark.parametrize("name", SONGS)
def test_new_drums_begin_on_the_bar_line_and_end_with_their_bars(name, hits):
    song = read_case(name)
    track = mido.MidiFile(file=io.BytesIO(extend(song, hits))).tracks[-1]
    ticks = np.cumsum([event.time for event in track])
    first = next(tick for tick, event in zip(ticks, track, strict=True) if event.type == "note_on")
    assert first == song.bars.starts[-1]
    assert track[-1].type == "end_of_track"
    assert ticks[-1] == first + 2 * 4 * song.notes.ticks_per_quarter


def test_the_meter_and_the_tempo_of_new_drums_are_in_the_first_track(hits, recwarn):
    song = read_case("31e-ends-in-34.mid")
    midi = extend(song, hits, bpm=90.0)
    end = round(song.bars.starts[-1])
    timing = [event for event in events(midi, 0) if event[0] == end]
    assert ["set_tempo" in event or "numerator=4" in event for _, event in timing] == [True, True]
    others = [event for track in (1, -1) for _, event in events(midi, track)]
    assert not any("set_tempo" in event or "time_signature" in event for event in others)
    pretty_midi.PrettyMIDI(io.BytesIO(midi))
    assert not [warning for warning in recwarn if "Tempo, Key or Time signature" in str(warning.message)]


def test_new_drums_are_on_the_pitches_and_at_the_velocities_of_the_song(hits):
    song = read_case("32-kick35-snare40-soft.mid")
    new = [event for event in mido.MidiFile(file=io.BytesIO(extend(song, hits))).tracks[-1] if event.type == "note_on"]
    used = song.notes.pitches.tolist()
    assert {35, 40} < {event.note for event in new} <= set(used)
    assert {35, 40} < set(used)
    velocities = song.notes.velocities
    assert all(velocities.min() <= event.velocity <= velocities.max() for event in new)
    assert max(event.velocity for event in new) < GROOVE[4, 1]


def test_new_drums_are_in_the_tempo_of_the_song_and_not_in_that_of_its_ritardando(hits):
    song = read_case("31g-ritardando.mid")
    end = song.bars.starts[-1]
    assert song.bpm(end) < song.steady_bpm(end) == pytest.approx(song.bpm(0))


@pytest.mark.parametrize(("name", "bpm"), [("28-tempo-0.mid", 120), ("28b-tempo-1us.mid", 6e7)])
def test_a_tempo_of_nothing_is_none_and_the_shortest_is_one(name, bpm):
    assert read_case(name).bpm() == pytest.approx(bpm)


def test_new_drums_are_as_loud_as_a_song_that_fades_out_was(hits):
    song = read_case("31i-fade-pan-program.mid")
    end = song.bars.starts[-1]
    volumes = [event for event in events(extend(song, hits)) if event[0] == end and "control=7 " in event[1]]
    loudest = [event for event in events((CASES / "31i-fade-pan-program.mid").read_bytes()) if "control=7 " in event[1]]
    assert [event.split("value=")[1] for _, event in volumes] == [
        max((event.split("value=")[1] for _, event in loudest), key=lambda value: int(value.split()[0]))
    ]


def test_in_a_song_new_drums_take_the_place_of_its_own_and_the_tempo_comes_back(hits):
    midi = midi_bytes(BEAT, tempos=[(0, 120.0)], melody=[(STEP * step, 60, 80) for step in range(64)])
    after = extend(SongFile.read(midi), hits, 1, bpm=90.0)
    own, new = (
        [tick for tick, event in events(after, track) if "note_on" in event and "velocity=0" not in event]
        for track in (1, -1)
    )
    assert own == sorted(tick for tick, _, _ in BEAT if not BAR <= tick < 3 * BAR)
    assert len(new) == hits.sum()
    assert all(BAR <= tick < 3 * BAR for tick in new)
    assert events(after, 2) == events(midi, 2)
    tempos = [(tick, event) for tick, event in events(after, 0) if "set_tempo" in event]
    assert [tick for tick, _ in tempos] == [0, BAR, 3 * BAR]
    assert tempos[0][1] == tempos[2][1] != tempos[1][1]


def test_a_song_of_one_track_gets_a_second_one(hits):
    song = read_case("31d-type0.mid")
    file = mido.MidiFile(file=io.BytesIO(extend(song, hits)))
    assert (file.type, len(file.tracks)) == (1, 2)
    assert {event.type for event in file.tracks[1]} <= {"track_name", "note_on", "note_off", "end_of_track"}


# drums that lie under a song


def test_a_break_stays_a_break():
    song = read_case("33-break-in-the-middle.mid")
    assert len(song.bars) == 12
    played = song.bars.velocities.any(axis=(1, 2))
    assert [len(run) for run in song.bars.runs()] == [5, 3]
    midi = song.accompany(song.bars.velocities.reshape(-1, 9).astype(np.int64), np.zeros((12 * 16, 9)))
    again = SongFile.read(midi)
    np.testing.assert_array_equal(again.bars.velocities.any(axis=(1, 2)), played)
    np.testing.assert_array_equal(again.bars.velocities, song.bars.velocities)
    ends = [sum(event.time for event in track) for track in mido.MidiFile(file=io.BytesIO(midi)).tracks]
    assert ends == [12 * 4 * song.notes.ticks_per_quarter] * 2


@pytest.mark.parametrize("name", ["31e-ends-in-34.mid", "31f-tempo-changes.mid", "32-kick35-snare40-soft.mid"])
def test_drums_under_a_song_have_its_tempos_meters_and_pitches(name):
    song = read_case(name)
    velocities = song.bars.velocities.reshape(-1, 9).astype(np.int64)
    midi = song.accompany(velocities, np.zeros(velocities.shape))
    timing = {event for event in events((CASES / name).read_bytes()) if "tempo" in event[1] or "signature" in event[1]}
    assert {event for event in timing if "key" not in event[1]} <= set(events(midi, 0))
    assert set(SongFile.read(midi).notes.pitches.tolist()) <= set(song.notes.pitches.tolist())


def test_a_bar_of_another_meter_is_silent_and_as_long_as_it_is():
    waltz = [(BAR + tick, HAT, 90) for tick in range(0, 24 * STEP, STEP)]  # two bars of 3/4
    after = [(BAR + 24 * STEP + tick, KICK, 90) for tick in range(0, BAR, 4 * STEP)]
    meters = [(0, 4, 4), (BAR, 3, 4), (BAR + 24 * STEP, 4, 4)]
    song = SongFile.read(midi_bytes(BEAT[:4] + waltz + after, meters=meters))
    assert song.bars.whole.tolist() == [True, False, False, True]
    assert song.bars.starts.tolist() == [0, BAR, BAR + 12 * STEP, BAR + 24 * STEP, 2 * BAR + 24 * STEP]
    midi = song.accompany(np.full((64, 9), 100), np.zeros((64, 9)))
    assert {event.split("note=")[1][:2] for tick, event in events(midi, 1) if "note_on" in event} >= {"36", "42"}
    ends = [sum(event.time for event in track) for track in mido.MidiFile(file=io.BytesIO(midi)).tracks]
    assert ends == [2 * BAR + 24 * STEP] * 2


@pytest.mark.parametrize("name", ["09-", "09b-", "09c-", "09d-", "12-", "12b-", "12b2-", "12c-", "22b-"])
def test_a_damaged_song_keeps_all_its_drums(hits, name):
    (path,) = CASES.glob(f"{name}*.mid")
    song = SongFile.read(path.read_bytes())
    before, after = song.notes.ticks.tolist(), read_drum_notes(extend(song, hits)).ticks.tolist()
    assert len(after) == len(before) + hits.sum()
    assert set(before) <= set(after)


def test_drums_that_only_a_reader_of_damaged_files_finds_are_counted():
    """The length of a chunk before the tracks is wrong."""
    midi = midi_bytes(BEAT)
    broken = midi[:14] + b"XFIH" + struct.pack(">I", 3) + b"more than three" + midi[14:]
    song = SongFile.read(broken)
    assert len(song.bars) == 4
    assert b"more than three" in extend(song, np.ones([32, 9], np.int64))
