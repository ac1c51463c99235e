"""How fast beats are drawn: `./run python benchmarks/sample.py [--profile demo] [--bars 16] [--batch 64]`.

For each model at the sizes of a profile, from its SavedModel: seconds for one call of a batch (`sample` of the
autoencoders, `continue` after one bar of the forecasters), seconds for as many calls of one beat each, and the ratio of
the two, all in one run. Weights are as drawn, not trained: the time does not depend on them. The last column says how
many beats of the batch are those of the single calls, as the same seed plays the same beat.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.models import export
from drumline.models.encoding import combinations_of_velocities
from drumline.models.network import build_model
from drumline.pipeline.profiles import ModelProfile, Profile
from drumline.play.chaining import seeds_of
from drumline.play.pushed_models import PushedModel
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.ingest import cpu
from drumline.naming import model_folder

REPEATS = 5  # of the batch, of which the median counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--bars", type=int, default=16, help="a length of the profile")
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    models = Profile.read(arguments.profile).models(arguments.bars)
    title = f"{arguments.batch} beats of {arguments.bars} bars, profile {arguments.profile}; {cpu()}"
    table = Table("model", "signature", "batch, s", "singly, s", "ratio", "same, %", title=title)
    for name in track(models, description="measuring", transient=True):
        with tempfile.TemporaryDirectory() as folder:
            table.add_row(name, *row(pushed(name, arguments.bars, models[name], Path(folder)), arguments.batch))
    Console().print(table)


def pushed(name: str, bars: int, profile: ModelProfile, folder: Path) -> PushedModel:
    """A model with the weights it begins with, as a SavedModel."""
    model, place = build_model(profile.kind, bars, profile.sizes), folder / model_folder(name, bars)
    export.save(model, place / "1", combinations_of_velocities, majority=0)
    return PushedModel(place, name, bars)


def row(model: PushedModel, batch: int) -> list[str]:
    """What is measured of a model, as the cells of the table."""
    signature = "sample" if "sample" in model.signatures else "continue"
    inputs = {"temperature": np.ones(batch, np.float32), "seed": seeds_of(0, range(batch))}
    if signature == "continue":
        inputs["velocities"] = np.random.default_rng(0).integers(0, 2, (batch, STEPS_PER_BAR, len(DRUMS)))

    def play(first: int, last: int) -> np.ndarray:
        return model.call(signature, **{name: value[first:last] for name, value in inputs.items()})["hits"]

    def one_by_one() -> np.ndarray:
        return np.concatenate([play(beat, beat + 1) for beat in range(batch)])

    play(0, batch), play(0, 1)  # the first calls make ready
    timed = [seconds(lambda: play(0, batch)) for _ in range(REPEATS)]
    together, alone = sorted(took for took, _ in timed)[REPEATS // 2], seconds(one_by_one)
    same = (timed[0][1] == alone[1]).all(axis=(1, 2)).mean()
    return [signature, f"{together:.2f}", f"{alone[0]:.2f}", f"{alone[0] / together:.1f}", f"{100 * same:.0f}"]


def seconds(call: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """How long a call takes, and what it gives."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
