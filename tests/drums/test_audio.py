import io

import numpy as np
import pytest
import soundfile
from drumline.drums import audio
from drumline.drums.audio import (
    SAMPLE_RATE,
    encode_mp3,
    encode_wav,
    render,
    render_midi,
    render_one_shots,
    why_unavailable,
)
from drumline.drums.kit import DRUMS
from drumline.drums.notes import encode_midi

from drumline.errors import InputError

BPM = 105.0
STEP = 6300  # samples, at 105 BPM: a whole number


def grid(steps, *hits) -> np.ndarray:
    """Hits of (step, drum)."""
    grid = np.zeros([steps, len(DRUMS)], np.int64)
    for hit in hits:
        grid[hit] = 1
    return grid


def read(data: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == SAMPLE_RATE
    return samples


def onsets(samples) -> list[int]:
    """The steps in whose first quarter it is far louder than just before."""
    parts = len(samples) // (STEP // 4)
    loudness = np.square(samples[: parts * (STEP // 4)]).reshape(parts, -1).mean(1)
    rises = loudness > 1e-3 + 10 * np.concatenate([[0], loudness[:-1]])
    return [int(step) for step in np.flatnonzero(rises[::4])]


@pytest.mark.parametrize("steps", [[0, 4, 8, 12], [3, 10, 29], [31]])
def test_hits_sound_at_their_steps_and_nowhere_else(steps):
    assert onsets(render(grid(32, *((step, 1) for step in steps)), BPM)) == steps


def test_a_clip_lasts_as_long_as_its_steps_and_a_short_tail():
    tight, ringing = render(grid(32, (0, 0)), BPM), render(grid(32, (31, 7)), BPM)
    assert tight.dtype == np.float32
    assert tight.shape == (32 * STEP,)
    assert 32.2 * STEP < len(ringing) <= 32 * STEP + 1.5 * SAMPLE_RATE
    assert len(render(grid(32, (0, 0)), bpm=BPM / 2)) == 64 * STEP


def test_a_clip_does_not_end_in_a_click():
    assert np.abs(render(grid(16, (15, 7)), BPM)[-20:]).max() < 1e-3


SECONDS = 32 * STEP / SAMPLE_RATE


def test_a_loop_is_exactly_as_long_as_its_bars_and_so_is_its_file():
    loop = render_midi(encode_midi(grid(32, (31, 7)), BPM), SECONDS, loop=True)
    assert loop.shape == (32 * STEP,)
    np.testing.assert_allclose(read(encode_wav(loop)), loop, atol=1e-4)


def test_what_sounds_on_behind_a_loop_sounds_at_its_beginning():
    beat = encode_midi(grid(32, (31, 7)), BPM)
    loop, once = (render_midi(beat, SECONDS, loop=loop) for loop in (True, False))
    assert np.abs(once[:STEP]).max() == 0
    behind = once[32 * STEP : 33 * STEP]
    assert np.corrcoef(loop[:STEP], behind)[0, 1] > 0.999


def test_a_loop_that_is_repeated_does_not_click():
    loop = render_midi(encode_midi(grid(32, (31, 7), (16, 1)), BPM), SECONDS, loop=True)
    seam = np.abs(loop[0] - loop[-1])
    assert seam <= np.abs(np.diff(loop)).max() / 2


def test_clips_are_about_as_loud_as_each_other():
    for clip in (grid(16, (0, 2)), grid(16, (0, 0), (0, 1), (0, 7)), 30 * grid(16, (0, 1))):
        assert np.abs(render(clip, BPM)).max() == pytest.approx(0.89, abs=1e-3)


def test_a_harder_hit_is_louder():
    soft, hard = grid(16, (0, 0)) * 20 + grid(16, (8, 0)) * 120, grid(16, (0, 0), (8, 0))
    first = np.s_[: 4 * STEP]
    assert np.abs(render(soft, BPM)[first]).max() < 0.3 * np.abs(render(hard, BPM)[first]).max()


def test_a_grid_without_hits_is_silence_of_its_length():
    np.testing.assert_array_equal(render(grid(16), BPM), np.zeros(16 * STEP, np.float32))


def test_every_drum_sounds_different():
    clips = [render(grid(4, (0, drum)), BPM)[: 4 * STEP] for drum in range(len(DRUMS))]
    for drum, clip in enumerate(clips):
        for other in clips[:drum]:
            assert np.abs(np.corrcoef(clip, other)[0, 1]) < 0.9


def test_the_same_grid_sounds_the_same_again():
    beat = grid(16, (0, 0), (4, 1), (6, 2))
    np.testing.assert_array_equal(render(beat, BPM), render(beat, BPM))


def test_sixteen_bars_are_a_small_mp3_that_decodes_to_the_same_beat():
    generator = np.random.default_rng(0)
    samples = render((generator.random([256, len(DRUMS)]) < 0.2).astype(np.int64), 120)
    data = encode_mp3(samples)
    assert len(data) < 350_000
    decoded = read(data)
    assert abs(len(decoded) - len(samples)) < 0.1 * SAMPLE_RATE
    shared = min(len(decoded), len(samples))
    assert np.corrcoef(decoded[:shared], samples[:shared])[0, 1] > 0.9


def test_there_is_a_short_one_shot_of_every_drum_that_begins_at_once():
    shots = render_one_shots()
    assert tuple(shots) == DRUMS
    for data in shots.values():
        samples = read(data)
        assert len(samples) <= 1.6 * SAMPLE_RATE
        assert np.abs(samples[: STEP // 4]).max() > 0.1
        assert np.abs(samples[-20:]).max() < 1e-2


def test_without_a_synthesizer_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "fluidsynth is not on the PATH; install it" in why_unavailable()
    for sound in (render_one_shots, lambda: render(grid(16), BPM)):
        with pytest.raises(InputError, match="apt-get install fluidsynth") as refused:
            sound()
        assert str(refused.value) == why_unavailable()


def test_without_a_sound_font_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(audio, "_SOUNDFONTS", ())
    assert "no General MIDI sound font" in why_unavailable()
    assert "apt-get install timgm6mb-soundfont" in why_unavailable()


def test_a_file_that_is_no_sound_font_is_named(monkeypatch, tmp_path):
    for path in (tmp_path / "missing.sf2", tmp_path / "text.sf2"):
        monkeypatch.setenv("DRUMLINE_SOUNDFONT", str(path))
        (tmp_path / "text.sf2").write_text("not a sound font")
        assert f"{path}: this is no sound font" in why_unavailable()


def test_another_sound_font_can_be_named(monkeypatch):
    font = str(audio._SOUNDFONTS[0])
    monkeypatch.setattr(audio, "_SOUNDFONTS", ())
    monkeypatch.setenv("DRUMLINE_SOUNDFONT", font)
    assert why_unavailable() is None
    assert np.abs(render(grid(16, (0, 0)), BPM)).max() > 0.5
