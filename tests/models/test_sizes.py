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
        Training(8, 9, clip_norm=None, patience=2),
        Training(8, 9, minutes=0.5, strategy="mirrored", beta_steps=3, own_steps=0.5, rotate_bars=True, mix_bars=0.1),
    ],
)
def test_sizes_come_back_from_json(sizes):
    assert type(sizes)(**json.loads(json.dumps(dataclasses.asdict(sizes)))) == sizes


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LstmSizes(layers=0), "layers must be at least 1, not 0"),
        (lambda: LstmSizes(activation="tahn"), "tahn"),
        (lambda: ConvSizes(history=16, kernel=32), "has 0 places"),
        (lambda: ConvSizes(history=48, kernel=32, pool=2), "17 places"),
        (lambda: VaeSizes(encoder="bars"), "one of sequence, two_level"),
        (lambda: VaeSizes(input_dropout=20), "a share"),
        (lambda: VaeSizes(free_nats=-1), "free_nats"),
        (lambda: Training(0, 1), "batch_size"),
        (lambda: Training(1, 1, learning_rate=1e-6), "falls from"),
        (lambda: Training(1, 1, decay=1.1), "decay"),
        (lambda: Training(1, 1, clip_norm=0.0), "clip_norm"),
        (lambda: Training(1, 1, patience=0), "patience"),
        (lambda: Training(1, 1, minutes=0), "minutes must be above 0, or None, not 0"),
        (lambda: Training(1, 1, strategy="mirror"), "one of , mirrored, multi_worker"),
        (lambda: Training(1, 1, beta_steps=-1), "beta_steps"),
        (lambda: Training(1, 1, own_steps=1.5), "own_steps is a share"),
        (lambda: Training(1, 1, own_steps_ramp=-1), "own_steps_ramp"),
        (lambda: Training(1, 1, drop_drums=2), "drop_drums is a share"),
        (lambda: Training(1, 1, mix_bars=-0.1), "mix_bars is a share"),
    ],
)
def test_nonsense_is_refused_by_name(make, said):
    with pytest.raises(ValueError, match=said):
        make()
