"""What is expected of the models, held against what was measured."""

from collections.abc import Iterator
from dataclasses import dataclass

from drumline.results.aggregates import Seeds
from drumline.results.baselines import BASELINES

FORECASTERS = ("conv", "lstm")
MARGIN = 0.1  # of accuracy: what counts as far, or as near
LEAST_KL = 5.0  # nats a window: what counts as well above zero


@dataclass(frozen=True)
class Claim:
    """holds: None where a model that it speaks of was not measured."""

    text: str
    holds: bool | None
    figures: str

    @property
    def answer(self) -> str:
        return {True: "yes", False: "**no**", None: "not measured"}[self.holds]


def check_claims(measured: list[Seeds]) -> list[Claim]:
    """Every claim about the lengths that were measured, by the means over seeds."""
    found = []
    for bars in sorted({seeds.bars for seeds in measured}):
        models = {seeds.model: seeds for seeds in measured if seeds.bars == bars}
        found += [_learned(bars, models)]
        found += list(_of_two_bars(models)) if bars == 2 else []
        found += list(_of_sixteen_bars(models)) if bars == 16 else []
        found += [_no_collapse(bars, model, seeds) for model, seeds in models.items() if seeds.is_autoencoder]
    return found


def _learned(bars: int, models: dict[str, Seeds]) -> Claim:
    forced = _means(models, models, "teacher_forced_accuracy")
    first = next(iter(models.values()))
    baselines = {baseline.name: first[f"{baseline.teacher_forced}_accuracy"].mean for baseline in BASELINES}
    return Claim(
        f"{bars} bars: every trained model beats {' and '.join(baselines)}, teacher-forced",
        min(forced.values()) > max(baselines.values()),
        _listed(forced | baselines),
    )


def _of_two_bars(models: dict[str, Seeds]) -> Iterator[Claim]:
    for model, seeds in models.items():
        if seeds.is_autoencoder:
            forced, sampled = (seeds[f"{way}_accuracy"].mean for way in ("teacher_forced", "sampled"))
            yield Claim(
                f"2 bars: {model}, sampled, lies within {MARGIN} of teacher-forced",
                abs(forced - sampled) <= MARGIN,
                f"sampled {sampled:.3f}, teacher-forced {forced:.3f}",
            )


def _of_sixteen_bars(models: dict[str, Seeds]) -> Iterator[Claim]:
    every = ("hierarchical_vae", "flat_vae", *FORECASTERS)
    sampled = _means(models, every, "sampled_accuracy")
    repeated = next(iter(models.values()))["repeat_bar_sampled_accuracy"].mean

    def claim(text: str, holds, *needed: str, **baseline: float) -> Claim:
        known = all(model in sampled for model in needed)
        figures = {model: sampled[model] for model in needed if model in sampled} | baseline
        return Claim(f"16 bars, sampled: {text}", holds() if known else None, _listed(figures))

    yield claim(
        "hierarchical_vae is ahead of flat_vae",
        lambda: sampled["hierarchical_vae"] > sampled["flat_vae"],
        "hierarchical_vae",
        "flat_vae",
    )
    yield claim(
        "flat_vae is ahead of the forecasters",
        lambda: sampled["flat_vae"] > max(sampled[model] for model in FORECASTERS),
        "flat_vae",
        *FORECASTERS,
    )
    yield claim(
        f"hierarchical_vae is ahead of the forecasters by {MARGIN}",
        lambda: sampled["hierarchical_vae"] >= max(sampled[model] for model in FORECASTERS) + MARGIN,
        "hierarchical_vae",
        *FORECASTERS,
    )
    yield claim(
        "hierarchical_vae is ahead of repeat_bar",
        lambda: sampled["hierarchical_vae"] > repeated,
        "hierarchical_vae",
        repeat_bar=repeated,
    )


def _no_collapse(bars: int, model: str, seeds: Seeds) -> Claim:
    kl, units, own, other = (seeds[name] for name in ("kl", "active_units", "sampled_accuracy", "shuffled_z_accuracy"))
    holds = kl.mean >= LEAST_KL and units.mean > 1 and own.mean >= other.mean + MARGIN
    return Claim(
        f"{bars} bars: {model} has not collapsed: KL at least {LEAST_KL:.0f} nats, several active units, and from "
        f"the z of another window at least {MARGIN} worse than from its own",
        holds if kl.n and units.n and other.n else None,
        f"KL {kl.format(1)}, {units.format(0)} active units, own z {own.format()}, another's {other.format()}",
    )


def _means(models: dict[str, Seeds], names, metric: str) -> dict[str, float]:
    return {name: models[name][metric].mean for name in names if name in models}


def _listed(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
