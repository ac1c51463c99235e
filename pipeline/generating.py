"""New beats as MIDI files."""

from collections.abc import Iterator
from pathlib import Path

from drums.notes import write_midi
from models.pushed import pushed_model
from pipeline.running import writable


def generate_midi(
    serving: Path, model: str, bars: int, count: int, temperature: float, seed: int, qpm: float, out: Path
) -> Iterator[Path]:
    """Writes `count` beats of a pushed model to `out`, and gives the path of each. Raises InputError."""
    pushed = pushed_model(serving, model, bars)
    writable(out)
    for beat, hits in enumerate(pushed.generate(count, temperature, seed)):
        path = out / f"{model}-{bars}bar-seed{seed}-{beat:03d}.mid"
        write_midi(hits, path, qpm)
        yield path
