"""The baselines that need no training. Every evaluation measures them beside its model."""

from collections.abc import Mapping
from dataclasses import dataclass

TEACHER_FORCED, SAMPLED = "teacher_forced_accuracy", "sampled_accuracy"


@dataclass(frozen=True)
class Baseline:
    """A baseline, and the metrics of an evaluation that belong to it.

    teacher_forced, sampled: what the names of its metrics begin with, such as `repeat_bar` of `repeat_bar_accuracy`.
    """

    name: str
    teacher_forced: str
    sampled: str

    def read_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """The figures of the baseline under the names that a model's figures have.

        Args:
          metrics: Those of an evaluation over all windows.

        Returns:
          Accuracies and onset F1 by name; a figure that was not measured is missing.
        """
        names = {
            TEACHER_FORCED: f"{self.teacher_forced}_accuracy",
            "teacher_forced_nonsilent_accuracy": f"{self.teacher_forced}_nonsilent_accuracy",
            SAMPLED: f"{self.sampled}_accuracy",
            "sampled_nonsilent_accuracy": f"{self.sampled}_nonsilent_accuracy",
            "onset_f1": f"{self.name}_onset_f1",
        }
        return {name: metrics[own] for name, own in names.items() if own in metrics}


BASELINES = (
    Baseline("majority", teacher_forced="majority", sampled="majority"),
    Baseline("repeat_bar", teacher_forced="repeat_bar", sampled="repeat_bar_sampled"),
)
EXPLANATION = (
    "majority always plays the commonest combination of drums; repeat_bar repeats the previous bar. "
    "A model that beats neither has learned nothing."
)


def read_baselines(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The figures of each baseline by its name: see `Baseline.read_metrics`."""
    return {baseline.name: baseline.read_metrics(metrics) for baseline in BASELINES}


def list_beaten(metrics: Mapping[str, float]) -> list[str]:
    """The baselines whose teacher-forced accuracy a model exceeds.

    Args:
      metrics: Those of the model's evaluation over all windows.
    """
    own = metrics.get(TEACHER_FORCED)
    return [
        name
        for name, figures in read_baselines(metrics).items()
        if own is not None and TEACHER_FORCED in figures and own > figures[TEACHER_FORCED]
    ]
