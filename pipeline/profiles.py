"""The profiles: every size of a run, as values."""

from dataclasses import dataclass, field, replace

from drumline.models.search import Search
from drumline.models.sizes import ConvSizes, LstmSizes, Training, VaeSizes

from drumline.errors import InputError

LENGTHS = (2, 16)  # bars of a window


@dataclass(frozen=True)
class Gate:
    """What Evaluator asks of a model on held-out songs before Pusher may have it; what has a default, it need not ask.

    Over all windows:
    accuracy: the least teacher-forced accuracy.
    gain, gain_over_repeat_bar: by how much that must exceed always playing the commonest combination, and the bar
        before. An autoencoder's sampled accuracy must exceed the first bar over and over by as much as the latter.
    loss: by how much the teacher-forced accuracy may fall below the last blessed model's.
    kl, gain_from_z: an autoencoder's least KL in nats, and by how much its sampled accuracy must exceed that from
        the z of another song. Below either, it has collapsed.

    Over each slice by hits a bar and by distinct bars, of `slice_songs` songs or more:
    slice_accuracy, slice_loss: as `accuracy` and `loss`, but looser: slices are smaller, and some are hard.
    """

    accuracy: float
    gain: float
    loss: float = 0.02
    gain_over_repeat_bar: float = -1.0
    kl: float = 0.0
    gain_from_z: float = -1.0
    slice_accuracy: float = 0.0
    slice_loss: float = 1.0
    slice_songs: int = 5


@dataclass(frozen=True)
class ModelProfile:
    """One model at one length."""

    sizes: LstmSizes | ConvSizes | VaeSizes
    training: Training
    gate: Gate
    search: Search = field(default_factory=Search)  # of its sizes, where a run is to tune them


Profile = dict[tuple[str, int], ModelProfile]  # by model and bars

# Sizes and rates found by trial: a corpus of 75 songs and some minutes on two cores allow no more.
# So little that not every model beats repeat_bar: at 2 bars it may fall short of it by 0.02, at 16 by 0.1.
_DEMO_GATE = Gate(
    accuracy=0.4,
    gain=0.02,
    gain_over_repeat_bar=-0.02,
    kl=5.0,
    gain_from_z=0.1,
    slice_accuracy=0.15,
    slice_loss=0.15,
)
_DEMO_LONG_GATE = replace(_DEMO_GATE, gain_over_repeat_bar=-0.1)
_DEMO_VAE = VaeSizes(
    latent=64,
    encoder_units=64,
    conductor_units=64,
    embedding=64,
    decoder_units=64,
    skips=True,
    input_dropout=0.2,
)
_DEMO_LONG_VAE = replace(_DEMO_VAE, latent=256, free_nats=192.0)


def _demo_training(steps: int, learning_rate: float, decay: float) -> Training:
    return Training(
        batch_size=64, steps=steps, learning_rate=learning_rate, decay=decay, evaluate_every=max(steps // 4, 1)
    )


def _demo_vae_training(steps: int, batch_size: int) -> Training:
    return replace(
        _demo_training(steps, 5e-3, 0.995), batch_size=batch_size, mixed_bfloat16=True, mix_bars=0.5, permute_drums=0.5
    )


DEMO: Profile = {
    ("lstm", 2): ModelProfile(LstmSizes(lookback=2), _demo_training(400, 3e-3, 0.997), _DEMO_GATE),
    ("conv", 2): ModelProfile(ConvSizes(history=47, pool=1), _demo_training(600, 3e-3, 0.998), _DEMO_GATE),
    ("flat_vae", 2): ModelProfile(_DEMO_VAE, _demo_vae_training(400, 64), _DEMO_GATE),
    ("hierarchical_vae", 2): ModelProfile(_DEMO_VAE, _demo_vae_training(400, 64), _DEMO_GATE),
    ("lstm", 16): ModelProfile(LstmSizes(lookback=2), _demo_training(140, 1e-2, 0.99), _DEMO_LONG_GATE),
    ("conv", 16): ModelProfile(ConvSizes(history=63, pool=1), _demo_training(320, 3e-3, 0.99), _DEMO_LONG_GATE),
    ("flat_vae", 16): ModelProfile(_DEMO_LONG_VAE, _demo_vae_training(240, 32), _DEMO_LONG_GATE),
    ("hierarchical_vae", 16): ModelProfile(_DEMO_LONG_VAE, _demo_vae_training(240, 32), _DEMO_LONG_GATE),
}

# Two cores and some hours, and free corpora of some hundred songs: so augmented. docs/TRIALS.md holds what was tried.
_CPU_GATE = Gate(
    accuracy=0.4,
    gain=0.05,
    gain_over_repeat_bar=0.01,
    kl=5.0,
    gain_from_z=0.1,
    slice_accuracy=0.2,
    slice_loss=0.1,
)
_CPU_VAE = VaeSizes(
    latent=128,
    encoder_units=128,
    conductor_units=128,
    embedding=128,
    decoder_units=128,
    skips=True,
    input_dropout=0.2,
    free_nats=48.0,
)
_CPU_LONG_VAE = replace(_CPU_VAE, latent=512, conductor_units=256, free_nats=384.0)


def _cpu_vae_training(batch_size: int, steps: int, decay: float, minutes: float | None = None) -> Training:
    return Training(
        batch_size=batch_size,
        steps=steps,
        minutes=minutes,
        learning_rate=2e-3,
        final_learning_rate=1e-4,
        decay=decay,
        evaluate_every=500,
        mixed_bfloat16=True,
        mix_bars=0.5,
        permute_drums=0.5,
    )


def _cpu_forecaster_training(batch_size: int, steps: int) -> Training:
    return Training(
        batch_size=batch_size,
        steps=steps,
        learning_rate=2e-3,
        final_learning_rate=1e-4,
        decay=1 - 3 / steps,
        evaluate_every=steps // 10,
        mixed_bfloat16=True,
        patience=4,
        drop_drums=0.3,
    )


CPU: Profile = {
    ("lstm", 2): ModelProfile(LstmSizes(units=64, lookback=2), _cpu_forecaster_training(64, 2000), _CPU_GATE),
    ("conv", 2): ModelProfile(ConvSizes(history=47, pool=1), _cpu_forecaster_training(64, 6000), _CPU_GATE),
    ("flat_vae", 2): ModelProfile(_CPU_VAE, _cpu_vae_training(64, 1500, 0.998), _CPU_GATE),
    ("hierarchical_vae", 2): ModelProfile(_CPU_VAE, _cpu_vae_training(64, 1500, 0.998), _CPU_GATE),
    ("lstm", 16): ModelProfile(LstmSizes(units=64, lookback=2), _cpu_forecaster_training(32, 1200), _CPU_GATE),
    ("conv", 16): ModelProfile(ConvSizes(history=63, pool=1), _cpu_forecaster_training(32, 3000), _CPU_GATE),
    ("flat_vae", 16): ModelProfile(_CPU_LONG_VAE, _cpu_vae_training(32, 20_000, 0.9995, minutes=33), _CPU_GATE),
    ("hierarchical_vae", 16): ModelProfile(_CPU_LONG_VAE, _cpu_vae_training(32, 20_000, 0.9995, minutes=33), _CPU_GATE),
}

# The sizes of J. Ortiz (2020) and, where that is silent, of MusicVAE (Roberts et al. 2018, section 4 and its released
# configurations: beta 0.2 from the first step, free bits 48 and 256).
_PAPER_GATE = Gate(
    accuracy=0.6,
    gain=0.1,
    gain_over_repeat_bar=0.02,
    kl=5.0,
    gain_from_z=0.1,
    slice_accuracy=0.3,
    slice_loss=0.1,
)
_PAPER_TRAINING = Training(
    batch_size=512,
    steps=50_000,
    learning_rate=1e-3,
    final_learning_rate=1e-5,
    decay=0.9999,
    evaluate_every=1000,
    patience=10,
    mixed_bfloat16=True,
    strategy="mirrored",
)
_PAPER_VAE = VaeSizes(
    latent=512,
    encoder_units=2048,
    encoder_layers=2,
    encoder="sequence",
    conductor_units=1024,
    conductor_layers=2,
    embedding=512,
    decoder_units=1024,
    decoder_layers=2,
    beta=0.2,
    free_nats=48.0,
)

PAPER: Profile = {
    (model, bars): ModelProfile(sizes, _PAPER_TRAINING, _PAPER_GATE)
    for bars, free_nats in ((2, 48.0), (16, 256.0))
    for model, sizes in {
        "lstm": LstmSizes(layers=3, units=32, activation="tanh"),
        "conv": ConvSizes(history=47, filters=32, kernel=32, pool=2),
        "flat_vae": replace(_PAPER_VAE, free_nats=free_nats),
        "hierarchical_vae": replace(_PAPER_VAE, free_nats=free_nats),
    }.items()
}

PROFILES: dict[str, Profile] = {"demo": DEMO, "cpu": CPU, "paper": PAPER}


def profile_of(name: str) -> Profile:
    """The profile of that name. Raises InputError."""
    if name not in PROFILES:
        raise InputError(f"there is no profile '{name}'; there are {', '.join(PROFILES)}")
    return PROFILES[name]
