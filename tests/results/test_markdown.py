import itertools
import math
from datetime import date, datetime

import pytest
from drumline.results.aggregates import Aggregate, group_by_model
from drumline.results.claims import check_claims
from drumline.results.evaluation import Evaluation, Slice
from drumline.results.markdown import Setting, render_markdown
from drumline.results.run import ModelResult, select_results

from drumline.errors import InputError

SETTING = Setting("2 cores of a test", "Python 3", "v1-3-gabc", date(2026, 1, 2))
BASELINES = {
    "majority_accuracy": 0.4,
    "repeat_bar_accuracy": 0.6,
    "repeat_bar_sampled_accuracy": 0.6,
    "repeat_bar_nonsilent_accuracy": 0.5,
    "data_self_similarity": 0.77,
}
SAMPLED = {"conv": 0.55, "lstm": 0.5, "flat_vae": 0.7, "hierarchical_vae": 0.8}


def result(model, bars=16, seed=0, corpus="freedoom", profile="cpu", **metrics) -> ModelResult:
    own = {"teacher_forced_accuracy": 0.85, "sampled_accuracy": SAMPLED[model], "onset_f1_kick": 0.9}
    if model.endswith("vae"):
        own |= {"kl": 40.0, "active_units": 12.0, "shuffled_z_accuracy": 0.3}
    return ModelResult(
        model=model,
        bars=bars,
        profile=profile,
        midi=f"runs/corpora/{corpus}",
        date=datetime(2026, 1, 1, 12, seed),
        evaluation=Evaluation((Slice((), BASELINES | own | metrics),)),
        blessed=True,
        sizes={"latent": 128},
        training={"seed": seed, "batch_size": 64},
        counts={"songs": 3000, "windows_in_train": 12345, "windows_in_eval": 10, "windows_in_test": 20},
        steps=900,
        minutes=30.0,
        paper_model={"hierarchical_vae": "hierarchical", "flat_vae": ""}.get(model, "simple"),
    )


def all_models(bars=16, **changed) -> list[ModelResult]:
    return [result(model, bars, **changed.get(model, {})) for model in SAMPLED]


def answers(results) -> dict[str, bool | None]:
    return {claim.text: claim.holds for claim in check_claims(group_by_model(results))}


def rows(text: str, model: str) -> list[list[str]]:
    """The cells of each table's row of a model, without the two that name model and bars."""
    lines = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith(f"| {model} | "))
    return [[cell.strip() for cell in cells[2:]] for cells in lines]


def test_three_seeds_are_a_mean_and_a_spread():
    aggregate = Aggregate.of([0.5, 0.6, 0.7])
    assert (aggregate.mean, aggregate.spread, aggregate.n) == (pytest.approx(0.6), pytest.approx(0.1), 3)
    assert aggregate.format() == "0.600 ± 0.100"
    assert Aggregate.of([0.25]).format() == "0.250"
    assert Aggregate.of([]).format() == Aggregate.of([math.nan]).format() == "-"


def test_the_page_sets_each_model_beside_the_paper():
    results = [result("hierarchical_vae", seed=seed, sampled_accuracy=0.7 + seed / 10) for seed in range(3)]
    text = render_markdown([*results, result("conv")], SETTING)
    assert rows(text, "hierarchical_vae")[0] == ["0.850 ± 0.000", "0.943", "0.800 ± 0.100", "0.893", "3"]
    assert rows(text, "conv")[0] == ["0.850", "0.812", "0.550", "0.392", "1"]
    assert rows(render_markdown(results, SETTING), "repeat_bar")[0][:3] == ["0.600", "", "0.600"]
    assert rows(text, "repeat_bar")[0][:3] == ["0.600", "", "0.600"]
    assert rows(text, "majority")[0][:3] == ["0.400", "", "0.400"]


def test_the_page_tells_how_it_was_made():
    text = render_markdown([result("conv", seed=seed) for seed in (0, 2)], SETTING)
    for seed in (0, 2):
        assert f"    ./run drumline train --profile cpu --bars 16 --midi runs/corpora/freedoom --seed {seed}\n" in text
    for told in ("12,345", "3,000", "seeds 0, 2", "2 cores of a test", "v1-3-gabc", "2026-01-02", "latent 128"):
        assert told in text
    assert rows(text, "conv")[-1] == ["latent 128", "64", "900 ± 0", "30.0 ± 0.0"]


def test_every_table_has_as_many_cells_as_columns():
    lines = render_markdown(all_models(2) + all_models(16), SETTING).splitlines()
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|"), line


def test_a_figure_that_was_not_taken_is_a_dash():
    old = result("conv")
    old.metrics.pop("onset_f1_kick")
    assert rows(render_markdown([old], SETTING), "conv")[2] == ["-"] * 9


def test_claims_hold_where_the_figures_say_so():
    told = answers(all_models(16) + all_models(2, flat_vae={"sampled_accuracy": 0.76}))
    assert told.pop("2 bars: hierarchical_vae, sampled, lies within 0.1 of teacher-forced")
    assert told.pop("2 bars: flat_vae, sampled, lies within 0.1 of teacher-forced")
    assert len(told) == 10
    assert all(told.values())


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"lstm": {"teacher_forced_accuracy": 0.59}}, "every trained model beats"),
        ({"flat_vae": {"sampled_accuracy": 0.81}}, "hierarchical_vae is ahead of flat_vae"),
        ({"conv": {"sampled_accuracy": 0.71}}, "flat_vae is ahead of the forecasters"),
        ({"hierarchical_vae": {"sampled_accuracy": 0.64}}, "ahead of the forecasters by 0.1"),
        ({"hierarchical_vae": {"sampled_accuracy": 0.59}}, "ahead of repeat_bar"),
        ({"flat_vae": {"kl": 0.2}}, "flat_vae has not collapsed"),
        ({"flat_vae": {"active_units": 1.0}}, "flat_vae has not collapsed"),
        ({"hierarchical_vae": {"shuffled_z_accuracy": 0.75}}, "hierarchical_vae has not collapsed"),
    ],
)
def test_a_claim_that_fails_is_told_as_failing(changed, text):
    results = all_models(16, **changed)
    (failing,) = [holds for claim, holds in answers(results).items() if text in claim]
    assert failing is False
    assert "| **no** |" in render_markdown(results, SETTING)


def test_a_claim_about_a_model_that_was_not_measured_is_open():
    told = answers([result("hierarchical_vae"), result("lstm"), result("conv")])
    assert told["16 bars, sampled: hierarchical_vae is ahead of flat_vae"] is None
    assert told["16 bars, sampled: hierarchical_vae is ahead of the forecasters by 0.1"]
    assert "| not measured |" in render_markdown([result("lstm")], SETTING)


def test_a_page_is_of_one_profile_on_one_corpus():
    results = [result("conv"), result("conv", corpus="lakh", seed=5), result("conv", profile="demo", seed=3)]
    assert select_results(results) == [results[1]]
    assert select_results(results, "demo") == [results[2]]
    assert select_results(results, "cpu", "freedoom") == [results[0]]
    with pytest.raises(InputError, match="there are cpu on freedoom, cpu on lakh, demo on freedoom"):
        select_results(results, "paper")
