"""The profiles: every size of a run, as values."""

from dataclasses import dataclass, replace

from drums.errors import InputError
from models.sizes import ConvSizes, LstmSizes, Training, VaeSizes

LENGTHS = (2, 16)  # bars of a window


@dataclass(frozen=True)
class Gate:
    """What Evaluator asks of a model on held-out songs before Pusher may have it.

    accuracy: the least teacher-forced accuracy.  gain: by how much that must exceed always playing the commonest
    combination.  loss: by how much it may fall below the last blessed model's.
    """

    accuracy: float
    gain: float
    loss: float = 0.02


@dataclass(frozen=True)
class ModelProfile:
    """One model at one length."""

    sizes: LstmSizes | ConvSizes | VaeSizes
    training: Training
    gate: Gate


Profile = dict[tuple[str, int], ModelProfile]  # by model and bars

# Sizes and rates found by trial: a corpus of 75 songs and some minutes on two cores allow no more.
_DEMO_GATE = Gate(accuracy=0.4, gain=0.02)
_DEMO_VAE = VaeSizes(
    latent=32, encoder_units=64, conductor_units=64, embedding=64, decoder_units=128, input_dropout=0.2
)


def _demo_training(steps: int, learning_rate: float, decay: float) -> Training:
    return Training(
        batch_size=64, steps=steps, learning_rate=learning_rate, decay=decay, evaluate_every=max(steps // 4, 1)
    )


DEMO: Profile = {
    ("lstm", 2): ModelProfile(LstmSizes(), _demo_training(400, 3e-3, 0.997), _DEMO_GATE),
    ("conv", 2): ModelProfile(ConvSizes(history=47), _demo_training(600, 3e-3, 0.998), _DEMO_GATE),
    ("hierarchical_vae", 2): ModelProfile(_DEMO_VAE, _demo_training(600, 5e-3, 0.997), _DEMO_GATE),
    ("lstm", 16): ModelProfile(LstmSizes(), _demo_training(140, 1e-2, 0.99), _DEMO_GATE),
    ("conv", 16): ModelProfile(ConvSizes(history=63), _demo_training(320, 3e-3, 0.99), _DEMO_GATE),
    ("hierarchical_vae", 16): ModelProfile(
        replace(_DEMO_VAE, decoder_units=64, free_nats=64.0), _demo_training(280, 5e-3, 0.997), _DEMO_GATE
    ),
}

PROFILES: dict[str, Profile] = {"demo": DEMO}


def profile_of(name: str) -> Profile:
    """The profile of that name. Raises InputError."""
    if name not in PROFILES:
        raise InputError(f"there is no profile '{name}'; there are {', '.join(PROFILES)}")
    return PROFILES[name]
