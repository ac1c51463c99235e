"""What is heard: the beats of each source, and their sound."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from drumline.drums.audio import encode_mp3, render

REAL = "real"  # the name of the source that is no model: beats of held-out songs


@dataclass(frozen=True)
class Source:
    """Where beats come from: `real`, or a model.

    version: rises with each new state of the source. Answers about an older one do not count for a newer.
    beats: hits or velocities [steps, 9], all of one length. Only whether a drum is hit is kept: velocities are
    flattened, for models have none and dynamics would give the real beats away.
    """

    name: str
    version: int
    beats: Sequence[np.ndarray]


def sound_of(hits: np.ndarray, folder: Path) -> Path:
    """The MP3 file of a beat, rendered when it is first asked for. hits: [steps, 9], 0 or 1.

    Its name and its date tell nothing of where the beat comes from. Raises InputError without a synthesizer.
    """
    path = folder / f"{hashlib.sha256(hits.tobytes()).hexdigest()}.mp3"
    if not path.exists():
        sound = encode_mp3(render(hits))
        handle, unfinished = tempfile.mkstemp(dir=folder)
        with open(handle, "wb") as file:
            file.write(sound)
        os.utime(unfinished, (0, 0))
        os.replace(unfinished, path)
    return path
