"""New beats as MIDI files."""

from collections.abc import Iterator
from pathlib import Path

from drums.notes import write_midi
from models.pushed import pushed_model
from pipeline.running import writable

_BARS_AT_ONCE = 1024  # so memory does not grow with the number of beats


def generate_midi(
    serving: Path,
    model: str,
    bars: int,
    count: int,
    temperature: float,
    seed: int,
    qpm: float,
    out: Path,
    length: int | None = None,
) -> Iterator[Path]:
    """Writes `count` beats of a pushed model to `out`, and gives the path of each. Raises InputError.

    bars: the model's window.  length: of a beat, in bars, by default the window's.
    """
    pushed = pushed_model(serving, model, bars)
    writable(out)
    length = length or bars
    longer = "" if length == bars else f"-length{length}"
    at_once = max(_BARS_AT_ONCE // length, 1)
    for first in range(0, count, at_once):
        some = pushed.generate(min(at_once, count - first), temperature, seed, length, first)
        for beat, hits in enumerate(some, first):
            path = out / f"{model}-{bars}bar{longer}-seed{seed}-{beat:03d}.mid"
            write_midi(hits, path, qpm)
            yield path
