"""A training run with everything random switched on, as a process that a test may kill: FOLDER as its argument."""

import sys
from pathlib import Path

import numpy as np
from drumline.models.sizes import Training, VaeSizes
from drumline.models.training import fit

from tests.models.tiny import build

SIZES = VaeSizes(
    latent=4,
    encoder_units=6,
    encoder="sequence",
    conductor_units=5,
    conductor_layers=1,
    embedding=4,
    decoder_units=8,
    decoder_layers=1,
    free_bits=1.5,
    input_dropout=0.2,
)
RECIPE = Training(
    batch_size=16,
    steps=110,
    learning_rate=1e-2,
    evaluate_every=20,
    seed=5,
    beta_warmup_steps=50,
    scheduled_sampling=30.0,
    drop_drums=0.3,
    mix_bars=0.3,
)


def train(folder: Path) -> None:
    """Leaves the run's checkpoints in `folder` and the final weights in `folder`.npz."""
    windows = np.random.default_rng(1).integers(0, 512, (50, 32)).astype(np.uint16)
    model = build("hierarchical_vae", 2, SIZES, seed=RECIPE.seed)
    fit(model, "vae", windows[:40], windows[40:], RECIPE, folder, report=lambda line: print(line, flush=True))
    np.savez(folder.with_suffix(".npz"), *model.get_weights())


if __name__ == "__main__":
    train(Path(sys.argv[1]))
