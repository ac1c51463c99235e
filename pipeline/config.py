"""What one run of a pipeline is told."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from drumline.models.search import BOXES
from drumline.pipeline.profiles import LENGTHS, ModelProfile, profile_of

from drumline.errors import InputError
from drumline.folders import RUNS
from drumline.naming import model_folder

BEAM_RUNNERS = ("direct", "flink")


def absolute(midi: str) -> str:
    """A corpus by its whole path, whatever folder a run is in; an address as it is."""
    return midi if "://" in midi else os.path.abspath(midi)


@dataclass(frozen=True)
class Config:
    """One run: which corpus, length of window, profile and models, and where everything goes.

    Raises InputError for a profile, length or model that does not exist.
    """

    midi: str  # a folder, or an address such as gs://bucket/midi that Beam's file systems know
    bars: int
    profile: str = "demo"
    models: tuple[str, ...] = ()  # () stands for all of the profile
    runs: Path = RUNS
    pattern: str = "*"  # of what to read in `midi`; with {SPAN} in it, the latest span is read
    spans: int = 1  # how many of the latest spans that were ever read are trained on
    cache: bool = True
    seed: int = 0  # of the first weights, the order of the windows and all else that training draws
    tune: bool = False  # whether the sizes of the simple models are searched before they are trained
    beam_runner: str = "direct"
    flink_master: str = ""  # host:port; "" stands for a cluster on this machine for the length of the run
    beam_pipeline_args: tuple[str, ...] = ()  # more of Beam's arguments; they have the last word

    def __post_init__(self):
        if self.bars not in LENGTHS:
            raise InputError(f"there are no windows of {self.bars} bars; there are {' and '.join(map(str, LENGTHS))}")
        if self.seed < 0:
            raise InputError(f"a seed is 0 or more, not {self.seed}")
        if self.spans < 1:
            raise InputError(f"a run trains on at least 1 span, not {self.spans}")
        if self.beam_runner not in BEAM_RUNNERS:
            raise InputError(f"there is no Beam runner '{self.beam_runner}'; there are {' and '.join(BEAM_RUNNERS)}")
        if self.flink_master and self.beam_runner != "flink":
            raise InputError(f"the Flink master {self.flink_master} is for the Beam runner flink; name that, too")
        known = [model for model, bars in profile_of(self.profile) if bars == self.bars]
        unknown = [model for model in self.models if model not in known]
        if unknown:
            raise InputError(
                f"the profile {self.profile} has no model '{unknown[0]}' for {self.bars} bars; "
                f"it has {', '.join(known)}"
            )
        if self.tune and not set(self.models or known) & set(BOXES):
            raise InputError(
                f"there is nothing to tune: the search is for {' and '.join(BOXES)}, "
                f"and this run trains {', '.join(self.models or known)}"
            )

    @cached_property
    def model_profiles(self) -> dict[str, ModelProfile]:
        """The sizes and training of each model of this run."""
        return {
            model: replace(profile, training=replace(profile.training, seed=self.seed))
            for (model, bars), profile in profile_of(self.profile).items()
            if bars == self.bars and (not self.models or model in self.models)
        }

    @property
    def pipeline_name(self) -> str:
        return f"drums-{self.bars}bar"

    @property
    def pipeline_root(self) -> Path:
        return self.runs / "pipelines" / self.pipeline_name

    @property
    def metadata(self) -> Path:
        """The ML Metadata store of all pipelines: a SQLite file."""
        return self.runs / "metadata.sqlite"

    @property
    def serving(self) -> Path:
        """Where Pusher leaves models, one folder a model and in it one a version: TF Serving's layout."""
        return self.runs / "serving"

    def pushed(self, model: str) -> Path:
        return self.serving / model_folder(model, self.bars)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Config":
        """The run that DRUMLINE_MIDI, _BARS, _PROFILE, _MODELS (with commas), _SEED, _TUNE (0 or 1) and _RUNS
        describe.

        Raises InputError.
        """
        if "DRUMLINE_MIDI" not in environment:
            raise InputError("DRUMLINE_MIDI is not set; set it to a folder of MIDI files")
        bars, seed = (environment.get(f"DRUMLINE_{name}", default) for name, default in (("BARS", "2"), ("SEED", "0")))
        if not bars.isdigit():
            raise InputError(f"DRUMLINE_BARS must be a number of bars, not '{bars}'")
        if not seed.isdigit():
            raise InputError(f"DRUMLINE_SEED must be a number, 0 or more, not '{seed}'")
        tune = environment.get("DRUMLINE_TUNE", "0")
        if tune not in ("0", "1"):
            raise InputError(f"DRUMLINE_TUNE must be 0 or 1, not '{tune}'")
        models = environment.get("DRUMLINE_MODELS", "")
        return cls(
            midi=absolute(environment["DRUMLINE_MIDI"]),
            bars=int(bars),
            profile=environment.get("DRUMLINE_PROFILE", "demo"),
            models=tuple(model.strip() for model in models.split(",") if model.strip()),
            seed=int(seed),
            tune=tune == "1",
            runs=Path(environment.get("DRUMLINE_RUNS", RUNS)).absolute(),
        )
