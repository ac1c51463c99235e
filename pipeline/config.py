"""What one run of a pipeline is told."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from drumline.corpora.find import midi_files
from drumline.corpora.midi_sources import printable
from drumline.corpora.reading import Reading
from drumline.pipeline.profiles import ModelProfile, Profile

from drumline.errors import InputError
from drumline.folders import RUNS, ensure_writable
from drumline.metadata import check_store
from drumline.naming import model_folder

BEAM_RUNNERS = ("direct", "flink")


def absolute(midi: str) -> str:
    """Returns the whole path of a corpus; an address as it is."""
    return midi if "://" in midi else os.path.abspath(midi)


@dataclass(frozen=True)
class Config:
    """One run: which corpus, length of window, profile and models, and where everything goes.

    Attributes:
      midi: A folder, or an address such as gs://bucket/midi that Beam's file systems know.
      bars: Length of a window.
      profile: Name of a profile, or path of a TOML file.
      settings: Overrides of the profile's settings, as `training.steps=100`.
      drum_map, channel, loops: How the corpus is read: see `drumline.corpora.reading.Reading`.
      models: Names of models; () stands for all of the profile.
      runs: Folder of everything that a run writes.
      pattern: What to read in `midi`; with {SPAN} in it, the latest span is read.
      spans: How many of the latest spans that were ever read are trained on.
      cache: Whether nodes whose inputs have not changed are taken from the cache.
      seed: Random seed of the training; None for the profile's.
      tune: Whether the sizes of models that have a search space are searched first.
      beam_runner: One of BEAM_RUNNERS.
      flink_master: host:port; "" stands for a cluster on this machine for the length of the run.
      beam_pipeline_args: More of Beam's arguments, which take precedence.

    Raises:
      InputError: A profile, length, model or setting does not exist, or a value is not allowed.
    """

    midi: str
    bars: int
    profile: str = "demo"
    models: tuple[str, ...] = ()
    runs: Path = RUNS
    pattern: str = "*"
    spans: int = 1
    cache: bool = True
    seed: int | None = None
    tune: bool = False
    beam_runner: str = "direct"
    flink_master: str = ""
    beam_pipeline_args: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    drum_map: str = ""
    channel: int = 0
    loops: bool = False

    def __post_init__(self):
        Reading(self.drum_map, self.channel, self.loops)
        if self.seed is not None and self.seed < 0:
            raise InputError(f"a random seed is 0 or more, not {self.seed}")
        if self.spans < 1:
            raise InputError(f"a run trains on at least 1 span, not {self.spans}")
        if self.beam_runner not in BEAM_RUNNERS:
            raise InputError(f"there is no Beam runner '{self.beam_runner}'; there are {' and '.join(BEAM_RUNNERS)}")
        if self.flink_master and self.beam_runner != "flink":
            raise InputError(f"the Flink master {self.flink_master} is for the Beam runner flink; name that, too")
        models = self.model_profiles
        if self.tune and not any(model.kind.search_space for model in models.values()):
            raise InputError(f"there is nothing to tune: none of {', '.join(models)} has a search space")

    @cached_property
    def model_profiles(self) -> dict[str, ModelProfile]:
        """The settings of each model of this run, by name."""
        known = Profile.read(self.profile, self.settings).models(self.bars)
        if unknown := [model for model in self.models if model not in known]:
            raise InputError(
                f"the profile {self.profile} has no model '{unknown[0]}' for {self.bars} bars; "
                f"it has {', '.join(known)}"
            )
        chosen = {name: known[name] for name in self.models or known}
        if self.seed is None:
            return chosen
        return {
            name: replace(model, training=replace(model.training, seed=self.seed)) for name, model in chosen.items()
        }

    @property
    def pipeline_name(self) -> str:
        """The name of the pipeline in ML Metadata and on Kubeflow."""
        return f"drums-{self.bars}bar"

    @property
    def pipeline_root(self) -> Path:
        """Where the artifacts go."""
        return self.runs / "pipelines" / self.pipeline_name

    @property
    def metadata(self) -> Path:
        """The ML Metadata store of all pipelines: a SQLite file."""
        return self.runs / "metadata.sqlite"

    @property
    def serving(self) -> Path:
        """Where Pusher leaves models: a folder for each model and in it one for each version, as TF Serving expects."""
        return self.runs / "serving"

    def pushed(self, model: str) -> Path:
        """Returns the folder of a model's versions."""
        return self.serving / model_folder(model, self.bars)

    def check_paths(self) -> None:
        """Raises InputError where the corpus cannot be read, or the folder for runs cannot be used."""
        for folder in (self.midi, str(self.runs)):
            try:
                folder.encode()
            except UnicodeEncodeError as error:  # no message of protocol buffers could hold it
                raise InputError(f"{printable(folder)}: the name of this folder is not UTF-8; rename it") from error
        if "://" not in self.midi:
            midi_files(self.midi)
        ensure_writable(self.runs)
        check_store(self.metadata, to_write=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Config":
        """Returns the run that DRUMLINE_MIDI, _BARS, _PROFILE, _SET, _MODELS, _SEED, _TUNE and _RUNS describe.

        Raises:
          InputError: One of them is missing or cannot be used.
        """
        if "DRUMLINE_MIDI" not in environment:
            raise InputError("DRUMLINE_MIDI is not set; set it to a folder of MIDI files")
        bars, seed = environment.get("DRUMLINE_BARS", "2"), environment.get("DRUMLINE_SEED", "")
        if not bars.isdigit():
            raise InputError(f"DRUMLINE_BARS must be a number of bars, not '{bars}'")
        if seed and not seed.isdigit():
            raise InputError(f"DRUMLINE_SEED must be a number, 0 or more, not '{seed}'")
        tune = environment.get("DRUMLINE_TUNE", "0")
        if tune not in ("0", "1"):
            raise InputError(f"DRUMLINE_TUNE must be 0 or 1, not '{tune}'")
        try:
            settings = tuple(shlex.split(environment.get("DRUMLINE_SET", "")))
        except ValueError as error:
            raise InputError(f"DRUMLINE_SET: {error}; write settings as NAME=VALUE with spaces between") from error
        return cls(
            midi=absolute(environment["DRUMLINE_MIDI"]),
            bars=int(bars),
            profile=environment.get("DRUMLINE_PROFILE", "demo"),
            models=split_names(environment.get("DRUMLINE_MODELS", "")),
            seed=int(seed) if seed else None,
            tune=tune == "1",
            runs=Path(environment.get("DRUMLINE_RUNS", RUNS)).absolute(),
            settings=settings,
        )


def split_names(text: str) -> tuple[str, ...]:
    """Returns the names in a list with commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
