"""Profiles of tiny models for tests of whole pipelines, as files."""

from pathlib import Path

NO_GATE = "gate = { accuracy = 0.0, gain_over_majority = -1.0, allowed_loss = 1.0 }\n"
TRAINING = "training = { batch_size = 16, steps = 4, evaluate_every = 2 }\n"
LSTM = "lstm.sizes = { layers = 1, units = 8 }\n"
VAE = (
    "hierarchical_vae.sizes = "
    "{ latent = 4, encoder_units = 8, conductor_units = 8, embedding = 8, decoder_units = 8 }\n"
)


def write_profile(folder: Path, text: str = LSTM + VAE, lengths: tuple[int, ...] = (2,), name: str = "tiny") -> str:
    """Writes a profile and returns its path, as Config and the command line take it.

    text: tables of the models, before which the lengths stand; `gate` and `training` unless the text has its own.
    """
    common = [part for part in (NO_GATE, TRAINING) if f"\n{part.split()[0]} =" not in f"\n{text}"]
    path = folder / f"{name}.toml"
    path.write_text(f"lengths = {list(lengths)}\n" + "".join(common) + text)
    return str(path)
