"""Which channels play drums, by the messages of GM2, Roland's GS and Yamaha's XG."""

import numba
import numpy as np

CHANNELS = 16
PORTS = 16
# What a setup is: a change of bank or of program, a part that a message makes rhythm or melody, a reset.
BANK, PROGRAM, PART_MODE, RESET = range(4)
# The most significant byte of a bank: GM2's rhythm and melody channels, XG's drum kits.
GM2_KIT, GM2_MELODY, XG_KIT = 120, 121, 127
DRUM_CHANNEL = 9  # MIDI's channel 10, counted from 0
GENERAL_MIDI, GS = 0, 1  # what a reset sets up


def drum_part_notes(notes: np.ndarray, setups: np.ndarray) -> np.ndarray:
    """Which notes sound on a rhythm part.

    The bank of a kit makes its channel one with the next change of program, until another bank follows; 127 does not
    after a GS reset, as Roland's bank 127 holds the melodic sounds of the MT-32. GM2's bank 121 makes channel 10
    melodic. The messages of GS ("use for rhythm part") and XG ("part mode") settle it whatever the bank.

    Args:
      notes: int64 [4, notes], of which the first two are tick and part (port * 16 + channel).
      setups: int64 [4, setups]: tick, part, kind and value.

    Returns:
      bool [notes].
    """
    by_tick = np.argsort(notes[0], kind="stable")
    keep = np.zeros(notes.shape[1], np.bool_)
    _follow(notes, by_tick, setups[:, np.argsort(setups[0], kind="stable")], keep)
    return keep


@numba.njit(cache=True)
def _follow(notes, by_tick, setups, keep):
    """Plays the setups, and marks in `keep` the notes on rhythm parts. Setups go before notes of the same tick."""
    bank = np.full(PORTS * CHANNELS, -1, np.int64)
    rhythm = np.zeros(PORTS * CHANNELS, np.bool_)
    fixed = np.zeros(PORTS * CHANNELS, np.bool_)
    rhythm[DRUM_CHANNEL::CHANNELS] = True
    system, at = GENERAL_MIDI, 0
    for note in by_tick:
        while at < setups.shape[1] and setups[0, at] <= notes[0, note]:
            part, kind, value = setups[1, at], setups[2, at], setups[3, at]
            is_ten = part % CHANNELS == DRUM_CHANNEL
            if kind == RESET:
                system = value
                bank[:], rhythm[:], fixed[:] = -1, False, False
                rhythm[DRUM_CHANNEL::CHANNELS] = True
            elif kind == PART_MODE:
                rhythm[part], fixed[part] = value > 0, True
            elif kind == BANK:
                bank[part] = value
            elif not fixed[part]:
                is_kit = bank[part] == GM2_KIT or (bank[part] == XG_KIT and system != GS)
                rhythm[part] = is_kit or (is_ten and bank[part] != GM2_MELODY)
            at += 1
        keep[note] = rhythm[notes[1, note]]
