"""The page of a report: one run, or several side by side, as one HTML file that needs nothing else."""

import base64
import hashlib
import string
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.results import pictures
from drumline.results.baselines import EXPLANATION
from drumline.results.report_facts import WORST_SONGS, Grid, LatentMap, ModelFacts, ReportFacts
from plotly.offline import get_plotlyjs

from drumline.naming import SONG_ID

FOLDER = Path(__file__).parent
COLOURS = FOLDER / "colours.css"  # of every page, in light and dark
QPM = 120  # of what the page plays
WAYS = ("teacher_forced", "sampled")
# Column by metric: what the accuracies leave open.
BEYOND = {
    "kl": "KL (nats)",
    "active_units": "active units",
    "shuffled_z_accuracy": "from another's z",
    "sample_self_similarity": "self-similarity",
    "data_self_similarity": "that of the data",
    "histogram_distance": "histogram distance",
}


def render_report(runs: Sequence[ReportFacts], sounds: dict[str, bytes] | str) -> str:
    """HTML that opens from disk without a network; of two or more runs, each in its own column.

    runs: The facts of each. The page holds them as JSON, a list in the element `facts`.
    sounds: MP3 of one hit by drum, as `drums.audio.render_one_shots` gives; or why there are none, in a sentence.

    Raises ValueError for NaN and infinities, which JSON does not have.
    """
    silent_because = sounds if isinstance(sounds, str) else ""
    letters = string.ascii_uppercase[: len(runs)]
    names = [f"{letter}:\N{NO-BREAK SPACE}" for letter in letters] if len(runs) > 1 else [""]
    scripts = get_plotlyjs(), (FOLDER / "page.js").read_text()
    template = _make_environment().get_template("page.html.jinja")
    return template.render(
        runs=[_prepare_view(run, name, pictures.assign_colours(runs)) for run, name in zip(runs, names, strict=True)],
        facts=[asdict(run) for run in runs],
        curves=pictures.draw_learning_curves(runs, names),
        accuracies=[row for run, name in zip(runs, names, strict=True) for row in _list_accuracies(run, name)],
        explanation=EXPLANATION,
        beyond=[row for run, name in zip(runs, names, strict=True) for row in _list_beyond(run, name)],
        beyond_columns=["model", *BEYOND.values()],
        settings={
            "drums": DRUMS,
            "stepsPerBar": STEPS_PER_BAR,
            "secondsPerStep": 60 / QPM / (STEPS_PER_BAR / 4),
            "templates": {theme: template.to_plotly_json() for theme, template in pictures.TEMPLATES.items()},
            "sounds": {}
            if isinstance(sounds, str)
            else {drum: base64.b64encode(mp3).decode() for drum, mp3 in sounds.items()},
        },
        heard=not silent_because,
        silent_because=silent_because,
        qpm=QPM,
        style=COLOURS.read_text() + (FOLDER / "page.css").read_text(),
        scripts=scripts,
        hashes=[_hash(script) for script in scripts],
    ).lstrip()


def _hash(script: str) -> str:
    """How a content security policy names a script that may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _make_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}
    environment.filters |= {"shown": format_value, "day": _format_day, "words": to_words}
    return environment


def format_value(value: object) -> str:
    """How a value stands in a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def to_words(name: str) -> str:
    return name.replace("_", " ")


def _format_day(date: str) -> str:
    return f"{datetime.fromisoformat(date):%-d %B %Y, %H:%M}"


def _prepare_view(run: ReportFacts, name: str, colour_of: dict[str, str]) -> dict[str, Any]:
    """The run and what is shown of it."""
    return vars(run) | {
        "name": name,
        "onsets": pictures.draw_onsets(run, colour_of),
        "slices": pictures.draw_slices(run, colour_of),
        "drum_histogram": pictures.draw_drum_histogram(run),
        "combination_histogram": pictures.draw_combination_histogram(run),
        "models": [
            vars(model)
            | {
                "at": at,
                "groups": _group_examples(model),
                "map": _draw_map(model.latent),
                "worst": _list_worst_songs(model),
            }
            for at, model in enumerate(run.models)
        ],
        "all_metrics": _list_all_metrics(run),
        "counters": [[to_words(name), count] for name, count in run.data.counts.items()],
        "blessings": [_list_blessing(model) for model in run.models],
        "lineage_rows": [[row.what, row.name, row.detail] for row in run.lineage],
    }


def _list_accuracies(run: ReportFacts, name: str) -> list[list]:
    """Rows: model; accuracy, interval, paper, non-silent of each way; onset F1; baselines exceeded; gate."""
    baselines = [[name + key, *_list_figures(metrics, {}, None), "", ""] for key, metrics in run.baselines.items()]
    return baselines + [
        [
            name + model.model,
            *_list_figures(model.metrics, model.intervals, model.paper),
            " and ".join(model.beats) or "neither",
            _describe_verdict(model),
        ]
        for model in run.models
    ]


def _describe_verdict(model: ModelFacts) -> str:
    return "blessed" if model.blessed else "not blessed"


def _list_blessing(model: ModelFacts) -> list:
    """Row: model, gate, what it was compared with, where it was pushed to."""
    return [
        model.model,
        _describe_verdict(model),
        model.blessed_against or "no model before",
        model.pushed or "not pushed",
    ]


def _list_figures(metrics: dict, intervals: dict, paper: dict | None) -> list:
    figures = []
    for way in WAYS:
        accuracy = f"{way}_accuracy"
        interval = " to ".join(format_value(bound) for bound in intervals.get(accuracy, ()))
        figures += [metrics.get(accuracy), interval, (paper or {}).get(accuracy)]
        figures.append(metrics.get(f"{way}_nonsilent_accuracy"))
    return [*figures, metrics.get("onset_f1")]


def _list_beyond(run: ReportFacts, name: str) -> list[list]:
    return [[name + model.model, *(model.metrics.get(metric) for metric in BEYOND)] for model in run.models]


def _list_all_metrics(run: ReportFacts) -> list[list]:
    """Rows: metric, its value in each model."""
    metrics = dict.fromkeys(metric for model in run.models for metric in model.metrics)
    return [[metric, *(model.metrics.get(metric) for model in run.models)] for metric in metrics]


def _list_worst_songs(model: ModelFacts) -> list[list]:
    """Rows: song, windows, its accuracies; those of the least sampled accuracy."""
    songs = [part for part in model.slices if part.feature == SONG_ID]
    rows = [[song.value, song.windows, *(song.metrics.get(f"{way}_accuracy") for way in WAYS)] for song in songs]
    return sorted((row for row in rows if row[-1] is not None), key=itemgetter(-1))[:WORST_SONGS]


def _group_examples(model: ModelFacts) -> list[tuple[str, list[tuple[int, Grid]]]]:
    """By group, the examples with their places in the facts."""
    grouped = groupby(enumerate(model.examples), key=lambda example: example[1].group)
    return [(group, list(examples)) for group, examples in grouped]


def _draw_map(latent: LatentMap | None) -> go.Figure | None:
    return pictures.draw_latent_space(latent.points) if latent and latent.points else None
