import dataclasses
import io
import re
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from drumline.commands.main import drumline
from drumline.corpora.inspection import inspect
from drumline.drums.audio import SAMPLE_RATE
from drumline.drums.dynamics import GROOVE, Feel, apply_dynamics
from drumline.drums.windows import read_song
from drumline.play import beats as playing
from drumline.play.beats import BeatMaker
from drumline.play.pushed_models import PushedModel, pushed_model
from drumline.play.temperature import DEFAULT_TEMPERATURE
from drumline.serving.server import ModelServer
from drumline.serving.tls import ServerTls

from drumline.errors import InputError
from tests.fuzz_corpus import zip_of
from tests.midi_files import BAR, HAT, KICK, SNARE, STEP, midi_bytes, steps
from tests.models.saved import push
from tests.serving.certificates import Authority

FIELDS = dataclasses.fields(BeatMaker)[4:]
CASES = Path(__file__).parent.parent / "cases"
BEAT = steps(*range(0, 64, 4)) + steps(*range(4, 64, 8), pitch=SNARE)  # four bars


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """Pushed models: two kinds, tiny and untrained, of two bars."""
    serving = tmp_path_factory.mktemp("runs") / "serving"
    for name in ("hierarchical_vae", "lstm"):
        push(name, serving)
    return serving


@pytest.fixture(scope="module", params=["gRPC", "REST"])
def server(request, serving):
    """The address of a server, as --server takes it."""
    with ModelServer(serving) as server:
        yield f"localhost:{server.port}" if request.param == "gRPC" else f"http://localhost:{server.rest_port}"


@pytest.fixture
def song(tmp_path) -> Path:
    """Four bars of drums in two tempos, and a melody that plays half a bar longer."""
    path = tmp_path / "song.mid"
    melody = [(STEP * step, 60, 80) for step in range(0, 72, 8)]
    path.write_bytes(midi_bytes(BEAT, tempos=[(0, 90.0), (2 * BAR, 180.0)], melody=melody, name="A song"))
    return path


@pytest.fixture
def play(serving, tmp_path):
    """play(method, *arguments, **options of Playing and of the method), as a list of beats."""

    def play(method, *arguments, models=("lstm",), out="out", **options):
        told = {field.name: options.pop(field.name) for field in FIELDS if field.name in options}
        return list(getattr(BeatMaker(serving, models, 2, tmp_path / out, **told), method)(*arguments, **options))

    return play


def combinations(hits: np.ndarray) -> list[int]:
    return (hits @ (1 << np.arange(9))).tolist()


# generate


@pytest.mark.parametrize("model", ["hierarchical_vae", "lstm"])
@pytest.mark.parametrize("length", [2, 7])
def test_each_file_is_a_beat_of_the_length_that_was_asked_for(serving, play, tmp_path, model, length):
    beats = play("generate", 2, length, models=(model,))
    assert sorted((tmp_path / "out").iterdir()) == [beat.path for beat in beats]
    for beat, hits in zip(
        beats, pushed_model(serving, model, 2).generate(2, DEFAULT_TEMPERATURE, 0, length), strict=True
    ):
        np.testing.assert_array_equal(beat.hits, hits)
        (found,) = inspect([str(beat.path)])
        windows = {tuple(window) for window in found.windows(2)}
        whole = combinations(hits)
        assert windows == {tuple(whole[start : start + 32]) for start in range(0, 16 * (length - 1), 16)}


def test_a_beat_of_another_length_does_not_take_the_place_of_one_of_a_window(play):
    names = [beat.path.name for length in (None, 2, 3) for beat in play("generate", 1, length)]
    assert names == ["lstm-2bar-seed0-000.mid"] * 2 + ["lstm-2bar-length3-seed0-000.mid"]


def test_many_beats_come_in_parts_and_are_the_same(play, monkeypatch):
    whole = [beat.path.read_bytes() for beat in play("generate", 5, 3, out="whole")]
    monkeypatch.setattr(playing, "_BARS_AT_ONCE", 6)
    parts = [beat.path for beat in play("generate", 5, 3, out="parts")]
    assert [path.name[-7:-4] for path in parts] == ["000", "001", "002", "003", "004"]
    assert [path.read_bytes() for path in parts] == whole
    assert len(set(whole)) == 5


def ends(path: Path) -> list[float]:
    """Where each track of a file ends, in bars of 4/4."""
    file = mido.MidiFile(path)
    return [sum(event.time for event in track) / file.ticks_per_beat / 4 for track in file.tracks]


def velocities(path: Path) -> list[int]:
    return [event.velocity for event in mido.MidiFile(path) if event.type == "note_on"]


@pytest.mark.parametrize("midi_type", [0, 1])
def test_every_beat_is_exactly_as_long_as_its_bars(play, midi_type):
    beats = play("generate", 5, 3, models=("hierarchical_vae",), midi_type=midi_type, feel=Feel(None, 1, 1))
    assert [ends(beat.path) for beat in beats] == [[3.0] * (1 + midi_type)] * 5


def test_beats_have_the_dynamics_of_drummers_or_one_velocity(play):
    (drummers,), (fixed,) = (
        play("generate", 1, models=("hierarchical_vae",), feel=feel) for feel in (Feel(), Feel(velocity=64))
    )
    expected = apply_dynamics(drummers.hits, GROOVE)
    assert sorted(velocities(drummers.path)) == sorted(expected[expected > 0].tolist())
    assert set(velocities(fixed.path)) == {64}


def test_nothing_that_is_there_is_overwritten(play):
    first, second, third = (play("generate", 1, bpm=bpm)[0].path for bpm in (120.0, 90.0, 120.0))
    assert first == third
    assert second.name == f"{first.stem}-2.mid"
    assert round(mido.MidiFile(first).length, 2) == 4


@pytest.fixture
def silenced(monkeypatch):
    """silenced(model): its answers are silent for the given number of calls of a signature."""

    def silenced(signature: str, calls: int) -> None:
        answer, left = PushedModel.call, [calls]

        def call(player, called, **inputs):
            found = answer(player, called, **inputs)
            if called == signature and left[0]:
                left[0] -= 1
                found["hits"] = np.zeros_like(found["hits"])
            return found

        monkeypatch.setattr(PushedModel, "call", call)

    return silenced


def test_a_silent_beat_is_drawn_again(play, silenced):
    silenced("continue", 2)
    (beat,) = play("generate", 1)
    assert beat.hits.any()


def test_silence_is_never_written_but_told(play, silenced, tmp_path):
    silenced("continue", 1000)
    with pytest.raises(InputError, match=r"lstm-2bar: at temperature 0 this model plays silence.*--temperature 0\.7"):
        play("generate", 3, temperature=0.0)
    with pytest.raises(InputError, match=r"at temperature 0\.5 this model plays silence"):
        play("generate", 3)
    assert not list((tmp_path / "out").iterdir())


def test_a_silent_beat_on_the_way_is_left_out_and_told(play, song, other, monkeypatch):
    answer, said = PushedModel.call, []

    def call(player, signature, **inputs):
        found = answer(player, signature, **inputs)
        found["hits"] = found["hits"] * (np.arange(3) != 1)[:, None, None]
        return found

    monkeypatch.setattr(PushedModel, "call", call)
    beats = play("interpolate", song, other, models=("hierarchical_vae",), count=3, temperature=0.9, tell=said.append)
    assert [beat.path.stem[-3:] for beat in beats] == ["000", "002"]
    assert said == ["Beat 1 is silent and was not written."]


# continue


def events(midi: bytes) -> list[tuple[int, mido.Message]]:
    """All events but the ends of tracks, by tick."""
    file, found = mido.MidiFile(file=io.BytesIO(midi)), []
    for track in file.tracks:
        tick = 0
        for event in track:
            tick += event.time
            if event.type not in ("end_of_track", "track_name"):
                found.append((tick, str(event.copy(time=0))))
    return sorted(found)


def test_a_continued_song_has_all_that_it_had_and_the_new_drums_after_its_last_bar(play, song):
    (beat,) = play("continue_song", song)
    before, after = events(song.read_bytes()), events(beat.path.read_bytes())
    assert [event for event in after if event[0] < 5 * BAR] == before
    assert ends(beat.path)[-1] == 7
    struck = {(tick, event) for tick, event in after if tick >= 5 * BAR and "note_on" in event}
    assert all("channel=9" in event for _, event in struck)
    assert {tick for tick, _ in struck} == {5 * BAR + step * STEP for step in np.flatnonzero(beat.hits.any(axis=1))}
    assert len(struck) == beat.hits.sum() > 0


def test_the_model_hears_the_last_bars_of_the_song(play, serving, song):
    (beat,) = play("continue_song", song, temperature=0.7, seed=3)
    primer = read_song(song.read_bytes()).velocities[-2:].reshape(1, 32, 9).astype(np.int64)
    inputs = {"velocities": primer, "temperature": np.float32([0.7]), "seed": np.array([[3, 0]])}
    np.testing.assert_array_equal(beat.hits, pushed_model(serving, "lstm", 2).call("continue", **inputs)["hits"][0])


def test_drums_after_a_waltz_are_in_four_four(play, tmp_path):
    path = tmp_path / "waltz.mid"
    waltz = [(4 * BAR + tick, HAT, 90) for tick in range(0, 18 * STEP, STEP)]  # one bar and a half of 3/4
    path.write_bytes(midi_bytes(BEAT + waltz, meters=[(0, 4, 4), (4 * BAR, 3, 4)]))
    (beat,) = play("continue_song", path)
    end = 4 * BAR + 2 * 12 * STEP
    after = [(tick, event) for tick, event in events(beat.path.read_bytes()) if tick >= end]
    assert any(tick == end and "time_signature" in event and "numerator=4" in event for tick, event in after)
    bars = read_song(beat.path.read_bytes()).velocities[-2:].reshape(32, 9)
    np.testing.assert_array_equal((bars > 0)[: len(beat.hits)], beat.hits)


def test_a_song_that_fades_out_is_continued_as_loud_as_it_was(play, song):
    file = mido.MidiFile(song)
    for volume in (110, 0):
        file.tracks[1].append(mido.Message("control_change", channel=9, control=7, value=volume))
    file.save(song)
    (beat,) = play("continue_song", song)
    volumes = [event for event in events(beat.path.read_bytes()) if "control=7" in event[1]]
    assert volumes[-1] == (5 * BAR, "control_change channel=9 control=7 value=110 time=0")


def test_several_songs_with_other_drums_of_any_length_and_tempo(play, song):
    beats = play("continue_song", song, count=3, length=5, bpm=60.0)
    assert [beat.path.stem for beat in beats] == [f"song-continued-lstm-2bar-length5-seed0-00{i}" for i in range(3)]
    assert len({beat.hits.tobytes() for beat in beats}) == 3
    for beat in beats:
        assert beat.hits.shape == (80, 9)
        assert ends(beat.path)[-1] == 10
        tempos = [event for event in events(beat.path.read_bytes()) if "set_tempo" in event[1]]
        assert tempos[-1] == (5 * BAR, "MetaMessage('set_tempo', tempo=1000000, time=0)")


def test_from_a_bar_of_the_song_drums_go_on_from_those_before(play, serving, song):
    (beat,) = play("continue_song", song, from_bar=3, length=2)
    heard = read_song(song.read_bytes()).velocities[:2].reshape(1, 32, 9).astype(np.int64)
    inputs = {"velocities": heard, "temperature": np.float32([DEFAULT_TEMPERATURE]), "seed": np.array([[0, 0]])}
    np.testing.assert_array_equal(beat.hits, pushed_model(serving, "lstm", 2).call("continue", **inputs)["hits"][0])
    bars = read_song(beat.path.read_bytes()).velocities > 0
    np.testing.assert_array_equal(bars[2:4].reshape(32, 9), beat.hits)


@pytest.mark.parametrize(("bar", "said"), [(7, "the song has 5 bars"), (1, "name one of 2 to 6")])
def test_a_bar_that_the_song_does_not_have_is_a_sentence(play, song, bar, said):
    with pytest.raises(InputError, match=f"song.mid: no drums can begin at bar {bar}.*{said}"):
        play("continue_song", song, from_bar=bar)


@pytest.mark.parametrize("case", ["12d-unknown-chunk", "15b-riff", "28-tempo-0", "28b-tempo-1us", "31e-ends-in-34"])
def test_odd_songs_are_continued_reconstructed_and_interpolated(play, song, case):
    path = CASES / f"{case}.mid"
    vae = {"models": ("hierarchical_vae",), "temperature": 0.5}
    assert len(play("continue_song", path) + play("reconstruct", path, **vae)) == 2
    assert len(play("interpolate", path, song, 2, **vae)) == 2


def test_a_soft_song_stays_soft_on_its_own_pitches(play):
    (beat,) = play("continue_song", CASES / "32-kick35-snare40-soft.mid", temperature=1.0)
    new = [event for event in mido.MidiFile(beat.path).tracks[-1] if event.type == "note_on"]
    assert not {36, 38} & {event.note for event in new}
    assert max(event.velocity for event in new) < 100


# archives


def test_a_song_in_an_archive_is_named_like_a_file_in_a_folder(play, song, tmp_path):
    one = tmp_path / "one.zip"
    one.write_bytes(zip_of({"a/song.mid": song.read_bytes()}))
    several = tmp_path / "several.zip"
    several.write_bytes(zip_of({f"a/{name}.mid": song.read_bytes() for name in ("x", "y", "song", "z")}))
    written = [play("continue_song", path)[0].path for path in (song, one, several / "a" / "song.mid")]
    assert written == [written[0]] * 3


@pytest.mark.parametrize(
    ("inner", "said"),
    [("", "the archive holds more than one MIDI file; name one of them:"), ("w.mid", "there is no such file in")],
)
def test_an_archive_of_several_songs_says_that_it_needs_one(play, song, tmp_path, inner, said):
    archive = tmp_path / "several.zip"
    archive.write_bytes(zip_of({f"{name}.mid": song.read_bytes() for name in "abcde"}))
    with pytest.raises(InputError, match=said) as refused:
        play("continue_song", archive / inner)
    assert str(refused.value).endswith(f"name one of them: {archive}/a.mid, {archive}/b.mid, {archive}/c.mid, ...")


def test_the_first_model_that_is_there_continues(play, song):
    (beat,) = play("continue_song", song, models=("conv", "lstm"))
    assert beat.path.name == "song-continued-lstm-2bar-seed0.mid"
    with pytest.raises(InputError, match=r"no pushed model conv for 2 bars \(there: hierarchical_vae-2bar, lstm-2bar"):
        play("continue_song", song, models=("conv",))


# interpolate, reconstruct


@pytest.fixture
def other(tmp_path) -> Path:
    path = tmp_path / "other.mid"
    path.write_bytes(midi_bytes(steps(*range(0, 80, 3), pitch=HAT), tempos=[(0, 150.0)]))
    return path


def test_the_ends_of_an_interpolation_are_what_the_model_makes_of_the_songs(play, serving, song, other):
    first, _, last = play("interpolate", song, other, models=("hierarchical_vae",), count=3, temperature=0.0)
    model = pushed_model(serving, "hierarchical_vae", 2)
    for beat, path in ((first, song), (last, other)):
        window = read_song(path.read_bytes()).windows(2)[:1].astype(np.int64)
        np.testing.assert_array_equal(beat.hits, model.call("serving_default", velocities=window)["hits"][0])


def test_the_tempo_goes_from_one_song_to_the_other(play, song, other):
    beats = play("interpolate", song, other, models=("hierarchical_vae",), count=3)
    tempos = [
        next(event.tempo for event in mido.MidiFile(b.path).tracks[0] if event.type == "set_tempo") for b in beats
    ]
    np.testing.assert_allclose([mido.tempo2bpm(tempo) for tempo in tempos], [90, 120, 150], rtol=1e-4)


def test_the_bars_to_go_from_and_to_can_be_chosen(play, serving, song, other):
    first, last = play("interpolate", song, other, 2, bar_a=3, bar_b=2, models=("hierarchical_vae",), temperature=0.0)
    model = pushed_model(serving, "hierarchical_vae", 2)
    for beat, path, bar in ((first, song, 2), (last, other, 1)):
        window = read_song(path.read_bytes()).velocities[bar : bar + 2].reshape(1, 32, 9).astype(np.int64)
        np.testing.assert_array_equal(beat.hits, model.call("serving_default", velocities=window)["hits"][0])
    with pytest.raises(InputError, match=r"song\.mid: there are no 2 bars of 4/4 from bar 5 on; it has 5 bars"):
        play("interpolate", song, other, 2, bar_a=5, models=("hierarchical_vae",))


def test_a_song_is_reconstructed_bar_by_bar(play, serving, tmp_path, monkeypatch):
    path = tmp_path / "two.mid"
    late = [(tick + 8 * BAR, KICK, 90) for tick, _, _ in steps(*range(0, 32, 3))]
    path.write_bytes(midi_bytes(steps(*range(0, 80, 3)) + late))  # five bars, a break of three, and two
    monkeypatch.setattr(playing, "_BARS_AT_ONCE", 4)
    (beat,) = play("reconstruct", path, models=("hierarchical_vae",), temperature=0.0)
    bars = read_song(path.read_bytes()).velocities.astype(np.int64)
    windows = np.stack([bars[[0, 1]], bars[[2, 3]], bars[[3, 4]], bars[[5, 6]]]).reshape(4, 32, 9)
    hits = pushed_model(serving, "hierarchical_vae", 2).call("serving_default", velocities=windows)["hits"]
    one, two, three, four = hits.reshape(4, 2, 16, 9)
    whole = np.concatenate([one, two[:1], three, np.zeros([3, 16, 9]), four])
    np.testing.assert_array_equal(beat.hits, whole.reshape(160, 9))
    assert ends(beat.path) == [10, 10]


def test_twelve_bars_with_a_break_come_back_as_twelve(play):
    path = CASES / "33-break-in-the-middle.mid"
    (beat,) = play("reconstruct", path, models=("hierarchical_vae",), temperature=0.0)
    assert ends(beat.path) == [12, 12]
    assert not beat.hits[5 * 16 : 9 * 16].any()


# all


@pytest.mark.parametrize(
    ("method", "model"),
    [("generate", "lstm"), ("generate", "hierarchical_vae"), ("continue_song", "lstm")]
    + [(method, "hierarchical_vae") for method in ("interpolate", "reconstruct")],
)
def test_behind_a_server_the_same_files_come_about(play, server, song, other, method, model):
    arguments = {"generate": [2, 5], "interpolate": [song, other, 3]}.get(method, [song])
    here, there = (
        play(method, *arguments, models=(model,), out=out, server=s) for out, s in (("a", ""), ("b", server))
    )
    assert [beat.path.name for beat in here] == [beat.path.name for beat in there]
    assert [beat.path.read_bytes() for beat in here] == [beat.path.read_bytes() for beat in there]


def test_of_a_server_too_the_first_model_that_is_there_continues(play, server, song):
    (beat,) = play("continue_song", song, models=("conv", "lstm"), server=server)
    assert "-lstm-" in beat.path.name


@pytest.fixture
def call(serving, tmp_path):
    """Calls `./run drumline`, with an --out of the test and the seed 0."""

    def call(*arguments):
        command = ["--runs", serving.parent, *arguments, "--out", tmp_path / "out", "--seed", 0]
        return CliRunner().invoke(drumline, list(map(str, command)))

    return call


def sentence_of(result) -> str:
    assert result.exit_code == 1, result.exception
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def test_a_command_prints_each_beat_and_its_file(call, tmp_path):
    result = call("generate", "--length", "5", "--count", "1", "--model", "lstm")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[-1] == str(tmp_path / "out" / "lstm-2bar-length5-seed0-000.mid")
    assert [line.partition(" │")[0].strip() for line in lines[:9]] == [
        *("ride", "crash", "high tom", "mid tom", "low tom", "open hi-hat", "closed hi-hat", "snare", "kick")
    ]
    assert {len(line) for line in lines[:9]} == {len("closed hi-hat │") + 4 * 17}
    assert {len(line) for line in lines[10:19]} == {len("closed hi-hat │") + 17}
    (found,) = inspect([lines[-1]])
    kicks = [combination & 1 for combination in np.concatenate(found.song.combinations).tolist()]
    printed = [symbol == "●" for line in (lines[8], lines[18]) for symbol in line[15:].replace("│", "")]
    assert printed == list(map(bool, kicks))


@pytest.mark.parametrize("command", [["continue"], ["reconstruct"], ["interpolate", "--count", "2"]])
def test_every_command_plays_through_the_command_line(call, song, other, command):
    files = [song, other] if command[0] == "interpolate" else [song]
    result = call(*command, *files)
    assert result.exit_code == 0, result.stderr
    assert all(Path(line).exists() for line in result.stdout.splitlines() if line.endswith(".mid"))


@pytest.mark.parametrize("command", ["continue", "reconstruct", "interpolate"])
@pytest.mark.parametrize(
    ("midi", "said"),
    [
        (None, "there.mid: unreadable: No such file or directory"),
        (b"no music", "there.mid: unreadable: it does not begin with MThd: this is not a MIDI file"),
        (midi_bytes(melody=[(0, 60, 80)]), "set the track's channel to 10 and export again"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(call, tmp_path, song, command, midi, said):
    if midi is not None:
        (tmp_path / "there.mid").write_bytes(midi)
    files = [song, tmp_path / "there.mid"] if command == "interpolate" else [tmp_path / "there.mid"]
    assert sentence_of(call(command, *files)).endswith(said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("command", "bars"), [("continue", 3), ("reconstruct", 1)])
def test_a_song_shorter_than_what_the_model_plays_at_once_can_be_used(call, tmp_path, command, bars):
    (tmp_path / "short.mid").write_bytes(midi_bytes(steps(0, 4)))
    result = call(command, tmp_path / "short.mid")
    assert result.exit_code == 0, result.output
    assert ends(Path(result.stdout.splitlines()[-1]))[-1] == bars


def test_each_call_plays_another_seed_and_says_which(serving, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["--runs", str(serving.parent), "generate", "--model", "lstm", "--count", "1", "--temperature", "1"]
    files = []
    for _ in range(2):
        result = CliRunner().invoke(drumline, command)
        seed = result.stdout.splitlines()[0].removeprefix("Seed: ").partition(" ")[0]
        files.append(Path(result.stdout.splitlines()[-1]))
        assert files[-1] == Path("beats", f"lstm-2bar-seed{seed}-000.mid")
    assert files[0] != files[1]
    midi = files[1].read_bytes()
    files[1].unlink()
    again = CliRunner().invoke(drumline, [*command, "--seed", seed])
    assert "Seed: " not in again.stdout
    assert files[1].read_bytes() == midi


def test_what_songs_decide_has_no_seed_in_its_name(call, song):
    assert call("reconstruct", song).stdout.splitlines()[-1].endswith("song-reconstructed-hierarchical_vae-2bar.mid")
    wild = call("reconstruct", song, "--temperature", "1").stdout.splitlines()[-1]
    assert wild.endswith("-2bar-seed0.mid")


def test_bpm_and_qpm_are_the_same_and_help_names_one(call):
    lengths = []
    for option in ("--bpm", "--qpm"):
        result = call("generate", "--count", "1", option, "60")
        assert result.exit_code == 0, result.output
        lengths.append(round(mido.MidiFile(result.stdout.splitlines()[-1]).length, 3))
    assert lengths == [8, 8]
    assert "--qpm" not in call("generate", "--help").stdout


def test_velocity_swing_and_type_can_be_asked_for(call):
    options = ["--velocity", "77", "--swing", "1", "--type0", "--count", "1"]
    path = Path(call("generate", *options).stdout.splitlines()[-1])
    file = mido.MidiFile(path)
    assert (file.type, set(velocities(path))) == (0, {77})
    (track,) = file.tracks
    ticks = np.cumsum([event.time for event in track])
    struck = {int(tick) % 240 for tick, event in zip(ticks, track, strict=True) if event.type == "note_on"}
    assert struck <= {0, 160}  # of the 240 ticks of an eighth: straight, or where triplets are


@pytest.mark.parametrize("command", ["generate", "continue", "interpolate", "reconstruct"])
def test_help_is_in_the_words_of_musicians(call, command):
    words = set(re.findall(r"\w+", call(command, "--help").stdout.lower()))
    assert not words & {"z", "nats", "primer", "window", "windows", "latent", "qpm"}
    assert "daring" in words


def test_a_model_that_cannot_do_what_is_asked_says_so(call, song):
    assert "lstm-2bar: this model cannot do that" in sentence_of(call("reconstruct", song, "--model", "lstm"))
    assert "signatures continue" in sentence_of(call("continue", song, "--model", "hierarchical_vae"))


def test_without_a_server_at_the_address_it_is_one_sentence(call):
    assert "localhost:9: no server answers there" in sentence_of(call("generate", "--server", "localhost:9"))


@pytest.mark.parametrize(
    "address",
    ["localhost", "localhost:99999", "http://localhost:99999", ":8500", "localhost:8500/x", "ftp://localhost"],
)
def test_what_is_no_address_is_one_sentence(call, address):
    sentence = sentence_of(call("generate", "--server", address))
    assert f"{address}: no address of a server" in sentence
    assert "http://HOST:PORT" in sentence


def test_a_file_that_cannot_be_written_is_one_sentence(call, tmp_path, song):
    long = tmp_path / f"{'x' * 240}.mid"
    long.write_bytes(song.read_bytes())
    assert ".mid: cannot be written (File name too long)" in sentence_of(call("continue", long))


@pytest.mark.parametrize(
    "options",
    [
        ("--temperature", "nan"),
        ("--temperature", "inf"),
        ("--bpm", "nan"),
        ("--swing", "2"),
        ("--velocity", "0"),
        ("--bars", "0"),
    ],
)
def test_numbers_that_are_none_are_refused(call, options):
    result = call("generate", *options)
    assert result.exit_code == 2, result.output


def test_a_model_that_the_server_does_not_have_is_one_sentence(call, server):
    sentence = sentence_of(call("generate", "--server", server, "--model", "conv"))
    assert f"{server}: the server has no model conv-2bar" in sentence


def test_a_server_that_asks_for_certificates_is_shown_them(call, serving, tmp_path):
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.sign("client")
    trusting = ["--ca-file", authority.certificate]
    with ModelServer(serving, tls=ServerTls(*authority.sign("server"), authority.certificate)) as server:
        generate = ["generate", "--server", f"127.0.0.1:{server.port}", *trusting]
        assert call(*generate, "--tls-cert", certificate, "--tls-key", key).exit_code == 0
        assert "no server answers there" in sentence_of(call(*generate))
    assert "belong together" in sentence_of(call(*generate, "--tls-cert", certificate))
    assert "are for a --server" in sentence_of(call("generate", *trusting))


def test_a_tail_without_audio_is_one_sentence(call):
    assert "--tail is for the WAV file that --audio writes" in sentence_of(call("generate", "--tail"))


def test_with_audio_each_file_has_a_loop_beside_it(play):
    (loop,), (tail,) = (play("generate", 1, bpm=90.0, audio=True, tail=tail, out=str(tail)) for tail in (False, True))
    samples = round(2 * 4 * 60 / 90 * SAMPLE_RATE)
    assert soundfile.info(loop.path.with_suffix(".wav")).frames == samples
    assert soundfile.info(tail.path.with_suffix(".wav")).frames >= samples


def test_of_a_continued_song_the_last_bars_and_the_new_ones_are_heard_in_its_tempo(play, song):
    (beat,) = play("continue_song", song, audio=True)
    sound, rate = soundfile.read(beat.path.with_suffix(".wav"))
    step = rate * 60 / 180 / 4
    assert len(sound) == round(64 * step)
    assert np.abs(sound[: round(step)]).max() > 0.05  # the song's own kick


def test_audio_where_there_is_no_synthesizer_is_one_sentence(play, monkeypatch, tmp_path):
    monkeypatch.setattr(playing, "why_unavailable", lambda: "no sound: install fluidsynth")
    with pytest.raises(InputError, match="no sound: install fluidsynth"):
        play("generate", 1, audio=True)
    assert not (tmp_path / "out").exists()
