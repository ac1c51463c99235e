import numpy as np
from drumline.models import tfma_slices as slices


def window(**predictions) -> dict:
    velocities = np.zeros((32, 9), np.int64)
    velocities[::4, 0] = 90
    return {
        "features": {"velocities": velocities.ravel(), "song_id": np.array([b"a song"])},
        "predictions": predictions,
    }


def sliced(**predictions) -> dict:
    keys = np.empty(3, object)
    keys[:] = [(), (("song_id", "a song"),), (("distinct_bars", "1"),)]
    return window(**predictions) | {"_slice_key_types": keys}


def test_a_window_gets_its_groups_and_keeps_what_it_had():
    before = window(kl=np.ones(1))
    after = slices.add_groups(before)
    assert {name: after["features"][name].tolist() for name in slices.GROUPS} == {
        "hits_per_bar": ["4-7"],
        "distinct_bars": ["1"],
    }
    assert after["features"]["song_id"] == before["features"]["song_id"]
    assert set(before["features"]) == {"velocities", "song_id"}


def test_the_slice_of_a_song_gets_only_what_is_told_of_songs():
    all_but_song, of_song = slices.separate_songs(sliced(kl=np.ones(1), sample_histogram=np.ones(512)))
    assert all_but_song["_slice_key_types"].tolist() == [(), (("distinct_bars", "1"),)]
    assert set(all_but_song["predictions"]) == {"kl", "sample_histogram"}
    assert of_song["_slice_key_types"].tolist() == [(("song_id", "a song"),)]
    assert set(of_song["predictions"]) == {"kl"}


def test_so_it_does_of_each_of_several_models():
    several = {model: {"kl": np.ones(1), "mu": np.ones(4)} for model in ("candidate", "baseline")}
    _, of_song = slices.separate_songs(sliced(**several))
    assert {model: set(of_model) for model, of_model in of_song["predictions"].items()} == {
        "candidate": {"kl"},
        "baseline": {"kl"},
    }
