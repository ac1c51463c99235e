import dataclasses
import json

import pytest
from drumline.models.sizes import ConvSizes, LstmSizes, Training, VaeSizes


@pytest.mark.parametrize(
    "sizes",
    [
        LstmSizes(units=7),
        ConvSizes(history=63),
        VaeSizes(beta=0.3),
        Training(8, 9, clip_norm=0.5, patience=2),
        Training(8, 9, minutes=0.5, strategy="mirrored", beta_warmup_steps=3, scheduled_sampling=1000.0, mix_bars=0.1),
    ],
)
def test_sizes_come_back_from_json(sizes):
    assert type(sizes)(**json.loads(json.dumps(dataclasses.asdict(sizes)))) == sizes


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LstmSizes(layers=0), "layers"),
        (lambda: LstmSizes(activation="tahn"), "tahn"),
        (lambda: ConvSizes(history=16, kernel=32), "has 0 positions"),
        (lambda: ConvSizes(history=48, kernel=32, pool=2), "17 positions"),
        (lambda: VaeSizes(encoder="bars"), "encoder"),
        (lambda: VaeSizes(input_dropout=20), "input_dropout"),
        (lambda: VaeSizes(free_bits=-1), "free_bits"),
        (lambda: Training(batch_size=0, steps=1), "batch_size"),
        (lambda: Training(1, 1, learning_rate=1e-6), "must not exceed"),
        (lambda: Training(1, 1, decay=1.1), "decay"),
        (lambda: Training(1, 1, clip_norm=0.0), "clip_norm"),
        (lambda: Training(1, 1, patience=0), "patience"),
        (lambda: Training(1, 1, minutes=0), "minutes"),
        (lambda: Training(1, 1, strategy="mirror"), "strategy"),
        (lambda: Training(1, 1, beta_warmup_steps=-1), "beta_warmup_steps"),
        (lambda: Training(1, 1, scheduled_sampling=-1), "scheduled_sampling"),
        (lambda: Training(1, 1, steps="many"), "steps"),
        (lambda: Training(1, 1, sedd=1), "sedd"),
        (lambda: Training(1, 1, drop_drums=2), "drop_drums"),
        (lambda: Training(1, 1, mix_bars=-0.1), "mix_bars"),
    ],
)
def test_nonsense_is_refused_by_name(make, said):
    with pytest.raises(ValueError, match=said):
        make()
