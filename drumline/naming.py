"""Names that several folders of the package must agree on."""

from pathlib import Path

SONG_ID = "song_id"  # the feature of an example, and the slice, that names a song
INPUT_BASE = "input_base"  # the property of examples that names their corpus


def property_name(counter: str) -> str:
    """The name of an artifact's property that holds a counter, such as `rejected_no_drums` of `rejected no drums`."""
    return counter.replace(" ", "_").replace("/", "_")


def is_counter(name: str) -> bool:
    """Whether a property of examples holds a counter of MidiExampleGen: see `property_name`."""
    return name.startswith(("files", "songs", "windows", "rejected", "hits"))


def drum_metric(metric: str, drum: str) -> str:
    """The name of a metric of one drum class, such as `onset_f1_closed_hi_hat` of `onset_f1` and `closed hi-hat`."""
    return f"{metric}_{drum.replace(' ', '_').replace('-', '_')}"


def model_folder(model: str, bars: int) -> str:
    """The name of a pushed model's folder, which TensorFlow Serving takes for the model's name: `lstm-2bar`."""
    return f"{model}-{bars}bar"


def parse_model_folder(name: str) -> tuple[str, int] | None:
    """Model and bars of a pushed model's folder.

    Args:
      name: Name of a folder, such as `lstm-2bar`.

    Returns:
      `("lstm", 2)`; None for the name of another folder.
    """
    model, _, length = Path(name).name.rpartition("-")
    bars = length.removesuffix("bar")
    return (model, int(bars)) if model and length.endswith("bar") and bars.isdigit() else None
