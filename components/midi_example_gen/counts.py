"""What MidiExampleGen counts, from Beam's workers to the artifact and to the sentence of a refusal."""

from dataclasses import dataclass
from typing import Any, Self

from apache_beam.metrics import Metrics, MetricsFilter
from drumline.drums.kit import DRUMS
from drumline.drums.midi import Reason

from drumline.errors import InputError
from drumline.naming import property_name

_NAMESPACE = "MidiExampleGen"
_COUNTERS = (
    *("files", "songs", "songs with near copies"),
    *("windows in songs", "windows", "windows moved to near copies"),
    *(f"rejected {reason}" for reason in Reason),
    *(f"hits of {drum}" for drum in DRUMS),
)


def count(element: Any, name: str, by: int = 1) -> Any:
    """Increments a counter of this worker. Returns the element, so that it serves in a beam.Map."""
    Metrics.counter(_NAMESPACE, name).inc(by)
    return element


@dataclass(frozen=True)
class Counts:
    """Counters by name: files, songs, windows in songs (before equal ones were dropped), windows (after),
    `windows in <split>`, `hits of <drum>` in all songs, and `rejected <reason>` files; songs with near copies, and the
    windows of these that are in another split than their song alone would be.
    """

    by_name: dict[str, int]

    @classmethod
    def of(cls, result) -> Self:
        """The counters of a finished Beam pipeline; those that nothing was counted by are 0."""
        counters = result.metrics().query(MetricsFilter().with_namespace(_NAMESPACE))["counters"]
        counted = {counter.key.metric.name: counter.result for counter in counters}
        return cls(dict.fromkeys(_COUNTERS, 0) | counted)

    def as_properties(self) -> dict[str, int]:
        """By names with underscores for spaces, as properties of an artifact have them."""
        return {property_name(name): value for name, value in self.by_name.items()}

    def refuse_empty_splits(self, input_base: str, splits: list[str]) -> None:
        """Raises InputError where a split holds nothing, which later nodes would only stumble over."""
        empty = [split for split in splits if not self.by_name.get(f"windows in {split}")]
        if not empty:
            return
        files = self.by_name["files"]
        rejected = ", ".join(f"{self.by_name[f'rejected {reason}']} {reason}" for reason in Reason)
        if not self.by_name["windows"]:
            raise InputError(
                f"{input_base}: no drum window in its {files} MIDI files ({rejected}); "
                f"`./run drumline inspect {input_base}` tells why for each"
            )
        raise InputError(
            f"{input_base}: too few songs: its {files} MIDI files ({rejected}) hold {self.by_name['songs']} with drum "
            f"windows of their own, and it takes {len(splits)}, one each for {', '.join(splits)}; add more songs"
        )
