"""Profiles: files with every setting of the models, their training and their gates.

A profile is a TOML file. Its tables `training`, `gate` and `search` hold for all models; a table with the name of a
model has that model's `kind` (by default, its name), `sizes`, and what differs in `training`, `gate` and `search`.
`[bars.16]` has the same tables again for what differs at a length of 16 bars. Any value is overridden by its name, such
as `training.learning_rate=1e-3` for all models or `lstm.sizes.units=64`.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from drumline.models.gate import Gate
from drumline.models.kinds import ModelKind, find_kind
from drumline.models.search import Search
from drumline.models.sizes import Training
from pydantic import ValidationError

from drumline.errors import InputError

FOLDER = Path(__file__).with_name("profile_files")
COMMON = {"training": Training, "gate": Gate, "search": Search}  # tables that hold for all models
_RESERVED = ("bars", "lengths", *COMMON)
_TABLES = ("sizes", *COMMON)
_MODEL_NAME = re.compile(r"[a-z][a-z0-9_]*")

Table = dict[str, Any]


@dataclass(frozen=True)
class _Override:
    """bars, model: Of which alone; None for all."""

    bars: str | None
    model: str | None
    table: str
    key: str
    value: Any


@dataclass(frozen=True)
class ModelProfile:
    """All settings of one model at one length."""

    kind_name: str
    sizes: Any
    training: Training
    gate: Gate
    search: Search

    @property
    def kind(self) -> ModelKind:
        """The kind of the model."""
        return find_kind(self.kind_name)


def list_profiles() -> list[str]:
    """Returns the names of the profiles that come with Drumline."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def locate_profile(profile: str) -> Path:
    """Returns the file of a profile.

    Args:
      profile: Name of a profile that comes with Drumline, or path of a TOML file.

    Raises:
      InputError: There is no such profile.
    """
    if profile in list_profiles():
        return FOLDER / f"{profile}.toml"
    if profile.endswith(".toml") and Path(profile).is_file():
        return Path(profile)
    raise InputError(
        f"there is no profile '{profile}'; there are {', '.join(list_profiles())}, and the path of a TOML file of your "
        "own (`drumline profiles demo` prints one to start from)"
    )


class Profile:
    """The settings of a profile's file, with overrides."""

    def __init__(self, name: str, table: Table):
        """Raises InputError where the table is not a profile."""
        self.name = name
        self._table = table
        self._overrides: list[_Override] = []
        self.lengths: tuple[int, ...] = tuple(sorted(self._check_lengths(table.get("lengths"))))
        by_length = table.get("bars", {})
        if not isinstance(by_length, dict) or not all(str(bars) in map(str, self.lengths) for bars in by_length):
            raise InputError(f"profile {name}: `bars` has a table for each of the lengths {self.lengths}, no others")

    @classmethod
    def read(cls, profile: str, overrides: Iterable[str] = ()) -> "Profile":
        """Reads a profile.

        Args:
          profile: Its name, or the path of its file.
          overrides: Settings as `name=value`, such as `training.steps=100`; later ones win.

        Raises:
          InputError: There is no such profile or setting, or a value is not allowed.
        """
        path = locate_profile(profile)
        try:
            table = tomllib.loads(path.read_text())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"{path}: is not a profile: {error}") from error
        found = cls(path.stem, table)
        for override in overrides:
            found._override(override)
        return found

    def models(self, bars: int) -> dict[str, ModelProfile]:
        """Returns the settings of each model at a length, by name. Raises InputError for values not allowed."""
        if bars not in self.lengths:
            raise InputError(
                f"the profile {self.name} has no windows of {bars} bars; its lengths are "
                f"{', '.join(map(str, self.lengths))} (`lengths` in the profile's file)"
            )
        common, by_length = self._table, self._table.get("bars", {}).get(str(bars), {})
        names = [name for name in {**common, **by_length} if name not in _RESERVED]
        return {name: self._model(name, bars, [common, by_length]) for name in names}

    def _model(self, name: str, bars: int, layers: list[Table]) -> ModelProfile:
        where = f"profile {self.name}, {name} of {bars} bars"
        if not _MODEL_NAME.fullmatch(name):
            raise InputError(f"profile {self.name}: '{name}' is not a model's name (lower-case letters, digits and _)")
        own = [layer[name] for layer in layers if name in layer]
        if not all(isinstance(table, dict) for table in own):
            raise InputError(f"profile {self.name}: '{name}' must be a table")
        merged = _merge([{key: layer[key] for key in COMMON if key in layer} for layer in layers] + own)
        if unknown := set(merged) - {"kind", "sizes", *COMMON}:
            raise InputError(f"{where}: there is no table '{min(unknown)}'; there are kind, sizes, {', '.join(COMMON)}")
        for override in self._overrides:
            if override.bars in (None, str(bars)) and override.model in (None, name):
                merged.setdefault(override.table, {})[override.key] = override.value
        kind_name = str(merged.get("kind", name))
        kind = find_kind(kind_name)
        return ModelProfile(
            kind_name,
            _validate(kind.Sizes, merged.get("sizes", {}), where, "sizes"),
            **{key: _validate(type_, merged.get(key, {}), where, key) for key, type_ in COMMON.items()},
        )

    def _check_lengths(self, lengths: Any) -> list[int]:
        if not isinstance(lengths, list) or not lengths or not all(type(bars) is int and bars > 0 for bars in lengths):
            raise InputError(f"profile {self.name}: `lengths` must list lengths of windows in bars, such as [2, 16]")
        return lengths

    def _override(self, setting: str) -> None:
        """Keeps an override; `_model` applies it."""
        name, equals, text = setting.partition("=")
        path = name.strip().split(".")
        bars = path[1] if path[0] == "bars" and len(path) > 2 else None
        *model, table, key = path[2:] if bars else path if len(path) > 1 else ["", ""]
        if not equals:
            raise InputError(f"setting '{setting}': write it as NAME=VALUE, such as training.steps=100")
        if bars and bars not in map(str, self.lengths):
            raise InputError(f"setting '{setting}': the profile {self.name} has the lengths {self.lengths}")
        if not (model in ([], *([name] for name in self._names())) and table in (COMMON if not model else _TABLES)):
            raise InputError(f"setting '{setting}': {self._describe_settings()}")
        self._overrides.append(_Override(bars, model[0] if model else None, table, key, parse_value(text)))

    def _names(self) -> list[str]:
        """Returns the models of all lengths."""
        tables = [self._table, *self._table.get("bars", {}).values()]
        return list(dict.fromkeys(name for table in tables for name in table if name not in _RESERVED))

    def _describe_settings(self) -> str:
        return (
            f"there is no such setting; names are {', '.join(f'{table}.NAME' for table in COMMON)}, and for one model "
            f"alone MODEL.sizes.NAME, MODEL.training.NAME and so on (models: {', '.join(self._names())})"
        )


def _merge(tables: list[Table]) -> Table:
    """Returns one table of several; later values win, tables in tables are merged."""
    merged: Table = {}
    for table in tables:
        for key, value in table.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = _merge([merged[key], value]) if both else value
    return merged


def parse_value(text: str) -> Any:
    """Returns a value as TOML has it, or else the text itself; `null` is None, which TOML lacks."""
    try:
        return None if text.strip() == "null" else tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _validate(type_: type, values: Mapping[str, Any], where: str, table: str) -> Any:
    """Makes a dataclass of a table. Raises InputError, one sentence about the first fault."""
    known = [field.name for field in fields(type_)]
    if unknown := [name for name in values if name not in known]:
        raise InputError(f"{where}: there is no setting {table}.{unknown[0]}; {table} has {', '.join(known)}")
    try:
        return type_(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join([table, *map(str, first["loc"])])
        message = first["msg"].removeprefix("Value error, ")
        given = f", not {first['input']!r}" if first["loc"] and first["type"] != "missing" else ""
        raise InputError(f"{where}: {name}: {message[0].lower() + message[1:]}{given}") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {table}: {error}") from error
