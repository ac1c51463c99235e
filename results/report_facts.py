"""What the report of a run tells, as typed values. The page is a view of them, and report.json is their JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from drumline.models.model_run import Epoch
from drumline.results.evaluation import Slice
from pydantic import TypeAdapter

from drumline.errors import InputError

WORST_SONGS = 10  # how many songs a report lists, those of the least sampled accuracy
REPORT, PAGE, REPORT_FACTS = "report", "index.html", "report.json"  # the output of the node Report, and its files


@dataclass(frozen=True)
class Grid:
    """A beat of a model.

    group, title: What it stands under, such as "Samples", and its own name.
    combinations: One a step, 0..511.
    song: The test song that it comes from, if any.
    primer_steps: How many steps at the beginning the model was given.
    """

    group: str
    title: str
    combinations: list[int]
    song: str | None = None
    primer_steps: int = 0


@dataclass(frozen=True)
class Point:
    """A window on the map of the latent space, with its song and its combinations."""

    x: float
    y: float
    song: str
    combinations: list[int]


@dataclass(frozen=True)
class LatentMap:
    """The latent space in two dimensions. method: how the points were placed."""

    method: str
    points: list[Point]


@dataclass(frozen=True)
class ModelFacts:
    """A model.

    kind: "autoencoder" or "forecaster".
    paper: The paper's accuracies by metric; None where it has none.
    metrics, intervals: Over all test windows: see `results.evaluation.Slice`.
    beats: The baselines that it beats.
    failures: Why it was not blessed, in sentences.
    blessed_against: The node that made the model that it was compared with; None for the first model.
    pushed: The folder of the version, below that of the runs; None where it was not pushed.
    parameters: How many numbers were trained.
    slices: By one feature each; of the songs, those of the least sampled accuracy.
    """

    model: str
    kind: str
    paper: dict[str, float] | None
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    beats: list[str]
    blessed: bool
    failures: list[str]
    blessed_against: str | None
    pushed: str | None
    sizes: dict[str, Any]
    training: dict[str, Any]
    parameters: int
    epochs: list[Epoch] = field(default_factory=list)
    slices: list[Slice] = field(default_factory=list)
    examples: list[Grid] = field(default_factory=list)
    latent: LatentMap | None = None


@dataclass(frozen=True)
class DataFacts:
    """The data of a run.

    midi: The corpus, below the folder of the runs as `runs/...`.
    counts, rejections: How many files, songs and windows were read, and files left out, by reason.
    drums: By "songs as read" and "training windows": hits by drum.
    combinations: Combinations of the training windows and how often each is played, the commonest first.
    """

    midi: str
    counts: dict[str, int]
    rejections: dict[str, int]
    drums: dict[str, dict[str, int]]
    combinations: list[tuple[int, int]]


@dataclass(frozen=True)
class LineageRow:
    """Something that the run was made of. name: which it is, such as the node and execution that made it."""

    what: str
    name: str
    detail: str = ""


@dataclass(frozen=True)
class ReportFacts:
    """A run.

    code, date: What git calls the code that wrote the report, and when it was written, in ISO 8601.
    baselines: The figures of each baseline by its name: see `results.baselines`.
    """

    pipeline: str
    bars: int
    profile: str
    corpus: str
    seed: int
    code: str
    date: str
    baselines: dict[str, dict[str, float]]
    models: list[ModelFacts]
    data: DataFacts
    lineage: list[LineageRow]

    def save(self, folder: Path) -> None:
        """Writes report.json. Raises ValueError for NaN and infinities, which JSON does not have."""
        (folder / REPORT_FACTS).write_text(json.dumps(asdict(self), allow_nan=False))

    @classmethod
    def load(cls, folder: Path) -> "ReportFacts":
        """Reads report.json. Raises InputError where it is damaged or of another version of Drumline."""
        path = folder / REPORT_FACTS
        try:
            return _JSON.validate_json(path.read_bytes())
        except ValueError as error:
            problem = str(error).splitlines()[0]
            raise InputError(
                f"{path}: not the facts of a report of this version ({problem}); train again with --force"
            ) from error


_JSON = TypeAdapter(ReportFacts)
