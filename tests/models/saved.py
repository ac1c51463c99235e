"""Tiny untrained models, pushed."""

from pathlib import Path

from drumline.models import export
from drumline.models.encoding import combinations_of_velocities
from drumline.play.pushed_models import PushedModel

from tests.models.tiny import BARS, TINY, build


def push(name: str, serving: Path) -> PushedModel:
    """Saves a tiny model of that name as the first version of one in a serving folder."""
    folder, model = serving / f"{name}-{BARS}bar", build(name, BARS, TINY[name])
    export.save(model, folder / "1", combinations_of_velocities, 0)
    return PushedModel(folder, name, BARS)
