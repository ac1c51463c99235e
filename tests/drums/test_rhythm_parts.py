"""Which channels are read as drums, in files that XG, GS and GM2 set up."""

import io

import mido
import pytest
from drumline.drums.midi import RejectedError
from drumline.drums.windows import read_song

from tests.midi_files import BAR, HAT, KICK, STEP

GS_RESET = (0x41, 0x10, 0x42, 0x12, 0x40, 0x00, 0x7F, 0x00, 0x41)
XG_ON = (0x43, 0x10, 0x4C, 0x00, 0x00, 0x7E, 0x00)
GM_ON, GM2_ON = (0x7E, 0x7F, 0x09, 0x01), (0x7E, 0x7F, 0x09, 0x03)
KICKS, HATS = [0, 4, 8, 12], [2, 6, 10, 14]


def gs_rhythm_part(channel: int, value: int) -> tuple[int, ...]:
    block = 0 if channel == 10 else channel if channel < 10 else channel - 1
    return (0x41, 0x10, 0x42, 0x12, 0x40, 0x10 | block, 0x15, value, 0)


def xg_part_mode(channel: int, value: int) -> tuple[int, ...]:
    return (0x43, 0x10, 0x4C, 0x08, channel - 1, 0x07, value)


def bank(channel: int, number: int, at: int = 0) -> list[tuple[int, mido.Message]]:
    """The change of bank and program that a sequencer writes."""
    return [
        (at, mido.Message("control_change", channel=channel - 1, control=0, value=number)),
        (at, mido.Message("program_change", channel=channel - 1, program=0)),
    ]


def notes(channel: int, pitch: int, steps: list[int]) -> list[tuple[int, mido.Message]]:
    return [(step * STEP, mido.Message("note_on", channel=channel - 1, note=pitch, velocity=100)) for step in steps]


def song(*tracks: list[tuple[int, mido.Message]], system: tuple[int, ...] = ()) -> bytes:
    """A file of tracks of (tick, message), behind one with a system exclusive message."""
    file = mido.MidiFile(type=1, ticks_per_beat=96)
    first = [(0, mido.Message("sysex", data=system))] if system else []
    for events in (first, *tracks):
        track, now = file.add_track(), 0
        for tick, message in sorted(events, key=lambda event: event[0]):
            track.append(message.copy(time=tick - now))
            now = tick
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def hits(midi: bytes, drum: int = 2) -> list[int]:
    """The steps of the closed hi-hat, or of another drum."""
    return read_song(midi).velocities[..., drum].ravel().nonzero()[0].tolist()


@pytest.mark.parametrize("number", [120, 127])
@pytest.mark.parametrize("system", [(), XG_ON, GM_ON, GM2_ON], ids=["plain", "XG", "GM", "GM2"])
def test_a_channel_with_the_bank_of_a_kit_is_read_as_drums(number, system):
    kit = song(notes(10, KICK, KICKS), bank(4, number) + notes(4, HAT, HATS), system=system)
    assert (hits(kit), hits(kit, 0)) == (HATS, KICKS)


@pytest.mark.parametrize("number", [0, 1, 8, 64, 121, 126])
def test_a_channel_with_another_bank_is_not(number):
    assert hits(song(notes(10, KICK, KICKS), bank(4, number) + notes(4, HAT, HATS))) == []


def test_rolands_bank_127_holds_the_sounds_of_the_mt_32():
    midi = song(notes(10, KICK, KICKS), bank(4, 127) + notes(4, HAT, HATS), system=GS_RESET)
    assert (hits(midi), hits(midi, 0)) == ([], KICKS)


def test_a_bank_counts_from_the_next_program_on_and_until_another():
    changes = [*bank(4, 127, BAR)[:1], *bank(4, 127, 2 * BAR)[1:], *bank(4, 0, 3 * BAR)]
    hats = notes(4, HAT, [step + 16 * bar for bar in range(4) for step in HATS])
    midi = song(notes(10, KICK, [16 * bar for bar in range(4)]), changes + hats)
    assert hits(midi) == [32 + step for step in HATS]


@pytest.mark.parametrize("message", [gs_rhythm_part, xg_part_mode])
@pytest.mark.parametrize("channel", [1, 9, 11, 16])
def test_a_part_that_a_message_makes_rhythm_is_read_as_drums(message, channel):
    assert hits(song(notes(channel, HAT, HATS), system=message(channel, 1))) == HATS
    assert hits(song(notes(10, KICK, KICKS), notes(channel, HAT, HATS), system=message(channel, 0))) == []


@pytest.mark.parametrize("message", [gs_rhythm_part, xg_part_mode])
def test_channel_10_is_not_read_where_a_message_makes_it_melodic(message):
    with pytest.raises(RejectedError, match=r"channel 10 a melodic part .* pass `--channel 10` if drums are on it"):
        read_song(song(notes(10, HAT, HATS), system=message(10, 0)))


def test_channel_10_is_not_read_with_gm2s_bank_of_melodies_but_with_any_other():
    with pytest.raises(RejectedError, match="melodic part"):
        read_song(song(bank(10, 121) + notes(10, HAT, HATS)))
    for number in (0, 1, 8, 120, 127):
        assert hits(song(bank(10, number) + notes(10, HAT, HATS))) == HATS


def test_a_reset_ends_what_was_set_up():
    reset = [(BAR, mido.Message("sysex", data=GS_RESET))]
    hats = notes(11, HAT, HATS + [16 + step for step in HATS])
    assert hits(song(reset, notes(10, KICK, [0, 16]), hats, system=gs_rhythm_part(11, 1))) == HATS


def test_a_channel_that_is_named_is_read_alone_whatever_the_file_says():
    midi = song(notes(10, KICK, KICKS), bank(4, 127) + notes(4, HAT, HATS))
    assert read_song(midi, channel=4).velocities[..., 0].any() == 0
    assert read_song(midi, channel=10).velocities[..., 2].any() == 0
    assert read_song(song(notes(10, HAT, HATS), system=gs_rhythm_part(10, 0)), channel=10).bars == 1


def test_a_kit_on_one_port_says_nothing_of_the_same_channel_on_another():
    port = [(0, mido.MetaMessage("midi_port", port=1))]
    midi = song(notes(10, KICK, KICKS), port + bank(4, 127) + notes(4, HAT, HATS[:2]), notes(4, HAT, HATS[2:]))
    assert hits(midi) == HATS[:2]


def test_of_several_channels_without_drums_the_likeliest_is_named():
    bass = notes(2, 30, list(range(8)))
    with pytest.raises(RejectedError, match=r"channels 2, 5; .* if they are on channel 5, pass `--channel 5`"):
        read_song(song(bass, notes(5, HAT, HATS)))
