"""From grids back to notes and MIDI files, by note_seq."""

from pathlib import Path

import note_seq
import numpy as np
from drumline.drums.kit import PITCH_OF_DRUM, STEPS_PER_BAR
from note_seq.protobuf import music_pb2

_STEPS_PER_MINUTE_PER_QPM = STEPS_PER_BAR // 4
_VELOCITY_OF_HITS = 100


def note_sequence_of(grid: np.ndarray, qpm: float = 120.0) -> music_pb2.NoteSequence:
    """A drum NoteSequence of a grid, one sixteenth a note, each drum class on its General MIDI pitch.

    grid: integers [steps, 9], MIDI velocities 0..127; a grid of only 0 and 1 is read as hits.  qpm: quarter notes a
    minute.  Raises ValueError for other shapes and values.
    """
    grid = np.asarray(grid)
    if grid.ndim != 2 or grid.shape[1] != len(PITCH_OF_DRUM):
        raise ValueError(f"a grid is [steps, {len(PITCH_OF_DRUM)}], not {list(grid.shape)}")
    if grid.size and not (0 <= grid.min() and grid.max() <= 127):
        raise ValueError("velocities must lie in 0..127")
    velocities = grid * _VELOCITY_OF_HITS if grid.size and grid.max() <= 1 else grid
    seconds_per_step = 60 / qpm / _STEPS_PER_MINUTE_PER_QPM
    sequence = music_pb2.NoteSequence(ticks_per_quarter=note_seq.STANDARD_PPQ)
    sequence.tempos.add(qpm=qpm)
    sequence.time_signatures.add(numerator=4, denominator=4)
    for step, drum in np.argwhere(velocities):
        sequence.notes.add(
            pitch=PITCH_OF_DRUM[drum],
            velocity=int(velocities[step, drum]),
            start_time=step * seconds_per_step,
            end_time=(step + 1) * seconds_per_step,
            instrument=9,
            is_drum=True,
        )
    sequence.total_time = len(grid) * seconds_per_step
    return sequence


def write_midi(grid: np.ndarray, path: Path, qpm: float = 120.0) -> None:
    """Writes a grid (as note_sequence_of takes it) as a MIDI file with its drums on channel 10."""
    note_seq.sequence_proto_to_midi_file(note_sequence_of(grid, qpm), str(path))
