"""docs/RESULTS.md: what the runs of one profile on one corpus reached, as `./run drumline results` writes it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import jinja2
from drumline.drums.kit import DRUMS
from drumline.results.aggregates import Seeds, group_by_model
from drumline.results.baselines import BASELINES, EXPLANATION
from drumline.results.claims import check_claims
from drumline.results.paper import find_in_paper
from drumline.results.run import ModelResult

from drumline import machine
from drumline.naming import drum_metric

TEMPLATE = "results.md.jinja"
SPLITS = ("train", "eval", "test")


@dataclass(frozen=True)
class Setting:
    """Where and when a page is written."""

    hardware: str
    software: str
    code: str
    date: date

    @classmethod
    def here(cls) -> "Setting":
        return cls(machine.hardware(), machine.software(), machine.code_version(), date.today())


def render_markdown(results: list[ModelResult], setting: Setting) -> str:
    """The page, in Markdown. results: of one profile on one corpus, one a model, length and seed."""
    measured = group_by_model(results)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    lengths = [next(seeds for seeds in measured if seeds.bars == bars) for bars in sorted({s.bars for s in measured})]
    return environment.get_template(TEMPLATE).render(
        setting=setting,
        profile=results[0].profile,
        corpus=results[0].corpus,
        seeds=", ".join(map(str, sorted({result.seed for result in results}))),
        commands=_commands(results),
        corpora=format_table(["bars", "songs", *(f"windows, {split}" for split in SPLITS)], _corpus_rows(lengths)),
        explanation=EXPLANATION,
        accuracies=format_table(
            ["model", "bars", "teacher-forced", "paper", "sampled", "paper", "seeds"], _accuracy_rows(measured)
        ),
        measures=format_table(
            [
                "model",
                "bars",
                "non-silent, teacher-forced",
                "non-silent, sampled",
                "onset F1",
                "self-similarity",
                "histogram distance",
            ],
            _measure_rows(measured),
        ),
        collapse=format_table(
            ["model", "bars", "KL (nats)", "active units", "of", "from its own z", "from another's"],
            _collapse_rows(measured),
        ),
        drums=format_table(["model", "bars", *DRUMS], _drum_rows(measured)),
        claims=format_table(
            ["expected", "holds", "figures"], [[c.text, c.answer, c.figures] for c in check_claims(measured)]
        ),
        networks=format_table(
            ["model", "bars", "sizes", "batch", "steps", "minutes of training"], _network_rows(measured)
        ),
    )


def format_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; all but the first column stand to the right where they hold numbers."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _commands(results: list[ModelResult]) -> list[str]:
    """What made these results: one run a length and seed."""
    every = {bars: {result.model for result in results if result.bars == bars} for bars in {r.bars for r in results}}
    commands = []
    for bars, seed, profile, midi in sorted({(r.bars, r.seed, r.profile, r.midi) for r in results}):
        of_run = [result for result in results if (result.bars, result.seed) == (bars, seed)]
        models = {result.model for result in of_run}
        commands.append(
            f"./run drumline train --profile {profile} --bars {bars} --midi {shlex.quote(midi)} --seed {seed}"
            + (f" --models {','.join(sorted(models))}" if models != every[bars] else "")
            + (" --tune" if any(result.tuned for result in of_run) else "")
        )
    return commands


def _corpus_rows(lengths: list[Seeds]) -> list[list[object]]:
    rows = []
    for seeds in lengths:
        counts = seeds.results[-1].counts
        names = ("songs", *(f"windows_in_{split}" for split in SPLITS))
        rows.append([seeds.bars, *(f"{counts[name]:,}" if name in counts else "-" for name in names)])
    return rows


def _accuracy_rows(measured: list[Seeds]) -> list[list[object]]:
    rows, baselines_of = [], set()
    for seeds in measured:
        if seeds.bars not in baselines_of:
            baselines_of.add(seeds.bars)
            for baseline in BASELINES:
                names = (baseline.teacher_forced, baseline.sampled)
                forced, sampled = _shown(seeds.one, *(f"{name}_accuracy" for name in names))
                rows.append([baseline.name, seeds.bars, forced, "", sampled, "", ""])
        paper = find_in_paper(seeds.results[0].paper_model, seeds.bars)
        forced, sampled = (f"{value:.3f}" for value in paper) if paper else ("", "")
        own = [seeds[f"{way}_accuracy"].format() for way in ("teacher_forced", "sampled")]
        rows.append([seeds.model, seeds.bars, own[0], forced, own[1], sampled, len(seeds.results)])
    return rows


def _measure_rows(measured: list[Seeds]) -> list[list[object]]:
    rows, baselines_of = [], set()
    for seeds in measured:
        if seeds.bars not in baselines_of:
            baselines_of.add(seeds.bars)
            (of_data,) = _shown(seeds.one, "data_self_similarity")
            rows.append(["the data", seeds.bars, "", "", "", of_data, ""])
            for baseline in BASELINES:
                names = (f"{baseline.teacher_forced}_nonsilent_accuracy", f"{baseline.sampled}_nonsilent_accuracy")
                figures = _shown(seeds.one, *names, f"{baseline.name}_onset_f1")
                rows.append([baseline.name, seeds.bars, *figures, "", ""])
        own = _shown(
            seeds,
            "teacher_forced_nonsilent_accuracy",
            "sampled_nonsilent_accuracy",
            "onset_f1",
            "sample_self_similarity",
            "histogram_distance",
        )
        rows.append([seeds.model, seeds.bars, *own])
    return rows


def _collapse_rows(measured: list[Seeds]) -> list[list[object]]:
    return [
        [
            seeds.model,
            seeds.bars,
            seeds["kl"].format(1),
            seeds["active_units"].format(1),
            seeds.results[-1].sizes.get("latent", "-"),
            *_shown(seeds, "sampled_accuracy", "shuffled_z_accuracy"),
        ]
        for seeds in measured
        if seeds.is_autoencoder
    ]


def _drum_rows(measured: list[Seeds]) -> list[list[object]]:
    return [
        [seeds.model, seeds.bars, *_shown(seeds, *(drum_metric("onset_f1", drum) for drum in DRUMS))]
        for seeds in measured
    ]


def _network_rows(measured: list[Seeds]) -> list[list[object]]:
    rows = []
    for seeds in measured:
        result = seeds.results[-1]
        sizes = ", ".join(f"{name} {value}" for name, value in result.sizes.items())
        batch = result.training.get("batch_size", "-")
        rows.append([seeds.model, seeds.bars, sizes, batch, seeds.steps.format(0), seeds.minutes.format(1)])
    return rows


def _shown(seeds: Seeds, *metrics: str) -> list[str]:
    return [seeds[metric].format() for metric in metrics]
