"""The profiles: every size of a run, as values."""

from dataclasses import dataclass

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

_DEMO_GATE = Gate(accuracy=0.45, gain=0.02)

DEMO: Profile = {
    ("lstm", 2): ModelProfile(LstmSizes(), Training(batch_size=64, steps=200, evaluate_every=50), _DEMO_GATE),
    ("lstm", 16): ModelProfile(LstmSizes(), Training(batch_size=32, steps=100, evaluate_every=25), _DEMO_GATE),
    ("conv", 2): ModelProfile(ConvSizes(), Training(batch_size=64, steps=200, evaluate_every=50), _DEMO_GATE),
    ("conv", 16): ModelProfile(ConvSizes(), Training(batch_size=32, steps=100, evaluate_every=25), _DEMO_GATE),
    ("hierarchical_vae", 2): ModelProfile(
        VaeSizes(), Training(batch_size=64, steps=300, evaluate_every=100), _DEMO_GATE
    ),
    ("hierarchical_vae", 16): ModelProfile(
        VaeSizes(), Training(batch_size=32, steps=150, evaluate_every=50), _DEMO_GATE
    ),
}

PROFILES: dict[str, Profile] = {"demo": DEMO}


def profile_of(name: str) -> Profile:
    """The profile of that name. Raises InputError."""
    if name not in PROFILES:
        raise InputError(f"there is no profile '{name}'; there are {', '.join(PROFILES)}")
    return PROFILES[name]
