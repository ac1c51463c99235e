"""From grids to notes and MIDI files that are exactly as long as their bars."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import mido
import numpy as np
from drumline.drums.kit import DRUMS, PITCH_OF_DRUM, STEPS_PER_BAR
from drumline.drums.tracks import encode_header, encode_track, join_chunks

TICKS_PER_QUARTER = 480
DRUM_CHANNEL = 9  # MIDI's channel 10, counted from 0
_VELOCITY_OF_HITS = 100
_STEPS_PER_QUARTER = STEPS_PER_BAR // 4


def write_midi(grid: np.ndarray, path: Path, bpm: float = 120.0) -> None:
    """Writes a grid as a MIDI file; `encode_midi` tells how."""
    path.write_bytes(encode_midi(grid, bpm))


def encode_midi(
    grid: np.ndarray,
    bpm: float = 120.0,
    *,
    delays: np.ndarray | None = None,
    pitches: Sequence[int] = PITCH_OF_DRUM,
    midi_type: int = 1,
) -> bytes:
    """A MIDI file of a grid, its End of Track where its last step ends.

    Args:
      grid: Integers [steps, 9], MIDI velocities 0..127; a grid of only 0 and 1 is read as hits, of velocity 100.
      bpm: Quarter notes a minute.
      delays: Float [steps, 9], how many steps each note is late.
      pitches: The MIDI pitch of each drum.
      midi_type: 1 for tempo and meter in a track of their own and the drums in the next one, 0 for all in one.

    Returns:
      The bytes of the file. Its drums are on channel 10.

    Raises:
      ValueError: The grid has another shape, or other values.
    """
    grid = check_grid(grid)
    step = TICKS_PER_QUARTER // _STEPS_PER_QUARTER
    onsets = np.arange(len(grid) + 1) * step
    notes = list(drum_messages(grid, onsets, step, delays=delays, pitches=pitches))
    conductor = [
        (0, mido.MetaMessage("track_name", name="drums")),
        (0, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))),
        (0, mido.MetaMessage("time_signature", numerator=4, denominator=4)),
    ]
    title, *timing = conductor
    tracks = [[*conductor, *notes]] if midi_type == 0 else [timing, [title, *notes]]
    chunks = [encode_track(track, int(onsets[-1])) for track in tracks]
    return join_chunks([encode_header(midi_type, len(chunks), TICKS_PER_QUARTER), *chunks])


def check_grid(grid: np.ndarray) -> np.ndarray:
    """A grid as MIDI velocities, int64 [steps, 9]. Raises ValueError for another shape or other values."""
    grid = np.asarray(grid).astype(np.int64)
    if grid.ndim != 2 or grid.shape[1] != len(DRUMS):
        raise ValueError(f"a grid is [steps, {len(DRUMS)}], not {list(grid.shape)}")
    if grid.size and not (0 <= grid.min() and grid.max() <= 127):
        raise ValueError("velocities must lie in 0..127")
    return grid * _VELOCITY_OF_HITS if grid.size and grid.max() <= 1 else grid


def drum_messages(
    velocities: np.ndarray,
    onsets: np.ndarray,
    step: float,
    *,
    delays: np.ndarray | None = None,
    pitches: Sequence[int] = PITCH_OF_DRUM,
) -> Iterator[tuple[int, mido.Message]]:
    """The notes of a grid with their ticks. Each lasts a step, or until its drum is hit again or the grid ends.

    Args:
      velocities: Integers [steps, 9], 0..127.
      onsets: Numbers [steps + 1], the tick of each step, and that of the end.
      step: Ticks of a step.
      delays: Float [steps, 9], how many steps each note is late. None begins before the grid.
      pitches: The MIDI pitch of each drum.
    """
    begin, end = round(onsets[0]), round(onsets[-1])
    delays = np.zeros(velocities.shape) if delays is None else delays
    for drum, pitch in enumerate(pitches):
        steps = np.flatnonzero(velocities[:, drum])
        ticks = np.floor(onsets[steps] + delays[steps, drum] * step + 0.5).astype(np.int64)
        ticks = np.clip(ticks, begin, max(end - 1, begin)).tolist()
        for hit, tick, following in zip(steps, ticks, [*ticks, end][1:], strict=True):
            note = {"channel": DRUM_CHANNEL, "note": pitch}
            off = max(min(tick + round(step), following), tick + 1)
            yield tick, mido.Message("note_on", velocity=int(velocities[hit, drum]), **note)
            yield off, mido.Message("note_off", **note)
