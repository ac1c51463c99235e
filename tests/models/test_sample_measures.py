import numpy as np
import pytest
from drumline.models import sample_measures
from drumline.models.measures import self_similarity
from sklearn.decomposition import PCA


@pytest.fixture
def beats() -> np.ndarray:
    """200 windows of four bars: a random bar of few hits, three times, and a fourth that differs. int64 [200, 64]."""
    generator = np.random.default_rng(0)
    bar = generator.choice([0, 1, 2, 5], (200, 16), p=[0.5, 0.2, 0.2, 0.1])
    other = np.where(generator.random((200, 16)) < 0.2, 4, bar)
    return np.concatenate([bar, bar, bar, other], axis=1)


def test_summaries_are_those_of_the_windows_bars():
    bar, other = [1] + [0] * 15, [1] + [0] * 14 + [3]
    summary = sample_measures.summarize(np.array([bar + bar + other]))
    assert summary["density"] == pytest.approx(5 / 3)
    assert summary["bar_change"] == pytest.approx(1 / 2)
    assert summary["self_similarity"] == pytest.approx((1 + 15 / 16 + 15 / 16) / 3)


def test_self_similarity_is_that_of_the_networks_evaluation(beats):
    assert sample_measures.summarize(beats)["self_similarity"] == pytest.approx(self_similarity(beats).numpy().mean())


def test_the_histogram_distance_is_the_share_that_would_have_to_move():
    assert sample_measures.histogram_distance(np.array([[0, 0, 1, 1]]), np.array([[0, 0, 0, 1]])) == 0.25


def test_a_copy_may_differ_in_a_twentieth_of_the_steps(beats):
    near, far = beats[:2].copy(), beats[2:4].copy()
    near[:, :3] ^= 7
    far[:, :4] ^= 7
    assert sample_measures.copied_share(np.concatenate([near, far]), beats) == 0.5


def test_songs_cannot_be_told_from_songs_and_noise_can(beats):
    halves = sample_measures.two_sample_accuracy(beats[::2], beats[1::2])
    assert halves == pytest.approx(0.5, abs=0.15)
    noise = np.random.default_rng(1).permuted(beats, axis=1)
    assert sample_measures.two_sample_accuracy(beats, noise) > 0.95


def test_a_classifier_that_knows_a_song_by_heart_gains_nothing(beats):
    """Two songs of a hundred equal windows each: in other folds than their own they teach nothing."""
    songs = np.repeat(beats[:2], 100, axis=0)
    song_ids = np.repeat(["a", "b"], 100)
    known = sample_measures.two_sample_accuracy(songs, beats)
    unknown = sample_measures.two_sample_accuracy(songs, beats, song_ids)
    assert known > 0.95
    assert unknown < known - 0.2


def test_as_many_components_as_a_window_has_hits_reconstruct_it(beats):
    assert sample_measures.pca_accuracy(beats, beats, 64 * 9) == 1.0


def test_a_pca_reconstructs_by_its_components_alone(beats):
    few, more = (sample_measures.pca_accuracy(beats[:150], beats[150:], count) for count in (1, 30))
    assert few < more < 1
    hits = ((beats[..., None] >> np.arange(9)) & 1).reshape(200, -1)
    pca = PCA(1).fit(hits[:150])
    rebuilt = pca.inverse_transform(pca.transform(hits[150:])) >= 0.5
    expected = (rebuilt == hits[150:]).reshape(50, 64, 9).all(axis=2).mean()
    assert few == pytest.approx(expected, abs=0.01)
