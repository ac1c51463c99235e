"""What temperature does to beats: `./run python benchmarks/temperature.py --midi FOLDER [--runs runs] [--bars 16]`.

For each pushed model and temperature, of new beats and, of forecasters, of continuations of the first windows of songs:
- self-similarity: the share of steps that two bars of a beat have in common, over all pairs;
- hits in a bar;
- silent: the share of beats without a hit;
- alike: the share of steps in which one beat is as the next one, without the steps in which both are silent.

The last row has the windows of the songs themselves.
"""

import argparse
from pathlib import Path

import numpy as np
from drumline.corpora.find import midi_files
from drumline.corpora.midi_sources import midi_in
from drumline.drums.kit import STEPS_PER_BAR, combinations_of
from drumline.drums.midi import RejectedError
from drumline.drums.windows import read_windows
from drumline.models.measures import self_similarity
from drumline.play.chaining import seeds_of
from drumline.play.pushed_models import pushed_models
from rich.console import Console
from rich.table import Table

TEMPERATURES = (0.0, 0.3, 0.5, 0.7, 0.85, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--midi", required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--bars", type=int, default=16)
    parser.add_argument("--beats", type=int, default=128)
    arguments = parser.parse_args()
    bars, beats = arguments.bars, arguments.beats
    windows = np.concatenate(list(first_windows(arguments.midi, bars)))
    table = Table("model", "temperature", "self-similarity", "hits a bar", "silent", "alike", title=f"{bars} bars")
    for model in pushed_models(arguments.runs / "serving"):
        if model.bars != bars:
            continue
        for temperature in TEMPERATURES:
            table.add_row(model.name, f"{temperature}", *measure(model.generate(beats, temperature, 0), bars))
        for temperature in TEMPERATURES if "continue" in model.signatures else ():
            noise = np.full(len(windows), temperature, np.float32), seeds_of(0, range(len(windows)))
            inputs = {"velocities": windows, "temperature": noise[0], "seed": noise[1]}
            hits = model.call("continue", **inputs)["hits"]
            table.add_row(f"{model.name}, continues", f"{temperature}", *measure(hits, bars))
    table.add_row("the songs", "", *measure(windows, bars))
    console = Console(width=120)
    console.print(table)


def first_windows(midi: str, bars: int):
    """The first window of each song, int64 [1, steps, 9]."""
    for path in midi_files(midi):
        for _, song in midi_in(path):
            try:
                if not isinstance(song, RejectedError):
                    yield read_windows(song, bars)[1][:1].astype(np.int64)
            except RejectedError:
                continue


def measure(hits: np.ndarray, bars: int) -> list[str]:
    """hits: [beats, steps, 9]."""
    combinations = combinations_of(hits)
    following = np.roll(combinations, 1, axis=0)
    sounding = (combinations > 0) | (following > 0)
    return [
        f"{self_similarity(combinations).numpy().mean():.2f}",
        f"{(hits > 0).sum() / len(hits) / (combinations.shape[1] / STEPS_PER_BAR):.1f}",
        f"{(combinations == 0).all(axis=1).mean():.2f}",
        f"{((combinations == following) & sounding).sum() / max(sounding.sum(), 1):.2f}",
    ]


if __name__ == "__main__":
    main()
