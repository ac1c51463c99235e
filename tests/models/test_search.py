import itertools
from dataclasses import asdict, replace

import pytest
from drumline.models.kinds import find_kind
from drumline.models.search import Search, box_of, list_points
from drumline.models.sizes import ConvSizes, LstmSizes, Training
from drumline.pipeline.profiles import Profile, list_profiles

SIZES = {
    f"{profile.name}-{name}-{bars}": (model.kind, model.sizes)
    for profile in map(Profile.read, list_profiles())
    for bars in profile.lengths
    for name, model in profile.models(bars).items()
    if model.kind.search_space
}
SIZES["odd-conv"] = (find_kind("conv"), ConvSizes(history=13, filters=5, kernel=11, pool=3))


@pytest.mark.parametrize("case", SIZES)
def test_every_point_of_a_box_is_valid_and_comes_once_the_profile_s_own_first(case):
    kind, sizes = SIZES[case]
    tried = list_points(kind, sizes, seed=3)
    assert kind.resize(sizes, tried[0]) == sizes
    box = box_of(kind, sizes)
    assert all(set(kind.search_space[name]) <= set(values) for name, values in box.items())
    everything = {tuple(zip(box, values, strict=True)) for values in itertools.product(*box.values())}
    assert len(tried) == len(everything)
    assert {tuple(point.items()) for point in tried} == everything
    for point in tried:
        of_point = asdict(kind.resize(sizes, point))  # ConvSizes refuses a history that kernel and pool do not divide
        assert of_point.items() >= point.items()
        others = set(of_point) - set(point) - {"history"}
        assert all(of_point[name] == getattr(sizes, name) for name in others)


@pytest.mark.parametrize(("kernel", "pool"), itertools.product(range(1, 20), range(1, 6)))
def test_the_history_grows_no_further_than_it_must(kernel, pool):
    sizes = ConvSizes(history=11, kernel=4, pool=2)
    history = find_kind("conv").resize(sizes, {"kernel": kernel, "pool": pool}).history

    def fits(steps: int) -> bool:
        try:
            replace(sizes, history=steps, kernel=kernel, pool=pool)
        except ValueError:
            return False
        return True

    assert history == next(steps for steps in itertools.count(11) if fits(steps))


def test_the_order_depends_on_the_seed_alone():
    sizes = LstmSizes()
    lstm = find_kind("lstm")
    assert list_points(lstm, sizes, 1) == list_points(lstm, sizes, 1) != list_points(lstm, sizes, 2)


@pytest.mark.parametrize(
    ("whole", "steps", "minutes"),
    [
        (Training(batch_size=8, steps=5000, evaluate_every=100), 500, None),
        (Training(batch_size=8, steps=5000, evaluate_every=1000), 1000, None),
        (Training(batch_size=8, steps=4, evaluate_every=100), 4, None),
        (Training(batch_size=8, steps=5000, evaluate_every=100, minutes=36.0), 500, 3.6),
    ],
)
def test_a_trial_is_a_share_of_the_training_but_an_epoch_or_more(whole, steps, minutes):
    trial = Search(share=0.1).shorten(whole)
    assert trial.minutes == pytest.approx(minutes)
    assert replace(trial, minutes=None) == replace(whole, steps=steps, minutes=None)


@pytest.mark.parametrize("nonsense", [{"trials": 0}, {"share": 0.0}, {"share": 1.5}])
def test_a_search_refuses_nonsense(nonsense):
    with pytest.raises(ValueError, match=next(iter(nonsense))):
        Search(**nonsense)
