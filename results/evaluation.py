"""The evaluation of a model: its metrics with their intervals, by slice, and the thresholds that it missed.

Evaluator writes it as one JSON file beside TFMA's own (`components.evaluator`); everything else reads that file.
"""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from drumline.errors import InputError
from drumline.naming import SONG_ID

EVALUATION = "evaluation.json"  # in the folder of Evaluator's artifact `evaluation`
ALL_WINDOWS = "all windows"

Key = tuple[tuple[str, str | int | float], ...]  # the features of a slice and their values; empty for all windows

_PHRASES = {
    "hits_per_bar": "windows of {} hits a bar",
    "distinct_bars": "windows of {} distinct bar(s)",
    SONG_ID: "song {}",
}


_LABELS = {"teacher_forced_accuracy": "teacher-forced accuracy", "kl": "KL (nats per window)"}
# Differences of accuracies, told as what the model is compared with.
_COMPARED = {
    "gain_over_majority": "always playing the commonest combination (majority)",
    "gain_over_repeat_bar": "repeating the previous bar (repeat_bar)",
    "sampled_gain_over_repeat_bar": "repeating the first bar (repeat_bar, sampled)",
    "gain_from_z": "with the latent vector of another window",
}


@dataclass(frozen=True)
class Slice:
    """The metrics of some of the test windows.

    metrics: finite figures by name. A figure that the slice does not have, such as a share of nothing, is missing.
    intervals: 95 % intervals over songs, low and high, of the metrics that have one (see `models.intervals`).
    """

    key: Key
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def feature(self) -> str:
        """What the windows of a slice by one feature have in common, such as `hits_per_bar`."""
        return self.key[0][0]

    @property
    def value(self) -> str:
        """The value of that feature, such as `4-7`."""
        return str(self.key[0][1])

    @property
    def windows(self) -> int:
        return int(self.metrics["example_count"])


@dataclass(frozen=True)
class Failure:
    """A threshold that a model missed.

    metric: its name.  slice: in words, such as "all windows".  value: the model's figure; None where there is none.
    bound: the least that passes.  last_blessed: the figure of the last blessed model, where the bound comes from it.
    """

    metric: str
    slice: str
    value: float | None
    bound: float
    last_blessed: float | None = None

    def __str__(self) -> str:
        label = _LABELS.get(self.metric, self.metric)
        if self.value is None:
            return f"its {label} is unknown on {self.slice}"
        if self.metric in _COMPARED:
            limit = "at least {} is required" if self.bound > 0 else "at most {} is allowed"
            return (
                f"it is {_points(self.value)} accurate than {_COMPARED[self.metric]} on {self.slice}; "
                f"{limit.format(_points(self.bound))} ({self.metric})"
            )
        required = f"at least {self.bound:.3f} is required"
        if self.last_blessed is not None:
            loss = self.last_blessed - self.bound
            required = f"the last blessed model has {self.last_blessed:.3f}, and at most {loss:.3f} less is allowed"
        return f"its {label} is {self.value:.3f} on {self.slice}; {required}"


def _points(difference: float) -> str:
    """A difference of accuracies, such as "10.3 points less"."""
    return f"{abs(100 * difference):.3g} points {'less' if difference < 0 else 'more'}"


@dataclass(frozen=True)
class Evaluation:
    """What Evaluator measured of a model, and why the model was not blessed.

    slices: all windows first.  failures: none of a model that was blessed; those over all windows first.
    """

    slices: tuple[Slice, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics over all windows."""
        return self[()].metrics

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The intervals over all windows."""
        return self[()].intervals

    def __getitem__(self, key: Key) -> Slice:
        """The slice of a key. Raises KeyError where there is none."""
        for each in self.slices:
            if each.key == key:
                return each
        raise KeyError(key)

    def describe_verdict(self) -> list[str]:
        """`blessed`, or a sentence for each threshold that was missed."""
        return [f"not blessed: {failure}" for failure in self.failures] or ["blessed"]

    def save(self, folder: str | Path) -> None:
        """Writes the evaluation into the folder of the artifact `evaluation`."""
        Path(folder, EVALUATION).write_bytes(_JSON.dump_json(self))

    @classmethod
    def load(cls, folder: str | Path) -> "Evaluation":
        """Reads the evaluation in the folder of an artifact `evaluation`.

        Raises:
          InputError: The file is missing or damaged.
        """
        path = Path(folder, EVALUATION)
        try:
            return _JSON.validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not an evaluation of this version of Drumline; train again") from error


_JSON = TypeAdapter(Evaluation)


def describe_slice(key: Key) -> str:
    """A slice in words, such as "windows of 0-3 hits a bar"."""
    return " and ".join(_PHRASES[feature].format(value) for feature, value in key) or ALL_WINDOWS
