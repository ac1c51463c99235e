import io
from pathlib import Path

import mido
import numpy as np
import pytest
from click.testing import CliRunner
from drumline.commands.main import drumline
from drumline.corpora.inspection import inspect
from drumline.drums.windows import read_song
from drumline.play import beats as playing
from drumline.play.beats import BeatMaker
from drumline.play.pushed_models import pushed_model
from drumline.serving.server import ModelServer
from drumline.serving.tls import ServerTls

from drumline.errors import InputError
from tests.midi_files import BAR, HAT, KICK, SNARE, STEP, midi_bytes, steps
from tests.models.saved import push
from tests.serving.certificates import Authority

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
        told = {name: options.pop(name) for name in ("temperature", "seed", "server", "audio") if name in options}
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
    for beat, hits in zip(beats, pushed_model(serving, model, 2).generate(2, 1.0, 0, length), strict=True):
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


def test_a_song_is_reconstructed_window_by_window(play, serving, tmp_path, monkeypatch):
    path = tmp_path / "two.mid"
    late = [(tick + 8 * BAR, KICK, 90) for tick, _, _ in steps(*range(0, 32, 3))]
    path.write_bytes(midi_bytes(steps(*range(0, 80, 3)) + late))  # segments of five bars and of two
    monkeypatch.setattr(playing, "_BARS_AT_ONCE", 4)
    (beat,) = play("reconstruct", path, models=("hierarchical_vae",), temperature=0.0)
    bars = read_song(path.read_bytes()).velocities.astype(np.int64)
    windows = np.stack([bars[[0, 1]], bars[[2, 3]], bars[[5, 6]]]).reshape(3, 32, 9)
    hits = pushed_model(serving, "hierarchical_vae", 2).call("serving_default", velocities=windows)["hits"]
    np.testing.assert_array_equal(beat.hits, hits.reshape(96, 9))


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
    """Calls `./run drumline`, with an --out of the test."""

    def call(*arguments):
        command = ["--runs", serving.parent, *arguments, "--out", tmp_path / "out"]
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
        (None, "there.mid: unreadable: No such file or directory; name another MIDI file"),
        (b"no music", "there.mid: unreadable: it does not begin with MThd; name another MIDI file"),
        (midi_bytes(melody=[(0, 60, 80)]), "there.mid: no drums: no note on channel 10; name another MIDI file"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(call, tmp_path, song, command, midi, said):
    if midi is not None:
        (tmp_path / "there.mid").write_bytes(midi)
    files = [song, tmp_path / "there.mid"] if command == "interpolate" else [tmp_path / "there.mid"]
    assert sentence_of(call(command, *files)).endswith(said)
    assert not (tmp_path / "out").exists()


def test_a_file_shorter_than_the_window_is_one_sentence_but_can_be_continued(call, tmp_path):
    (tmp_path / "short.mid").write_bytes(midi_bytes(steps(0, 4)))
    sentence = sentence_of(call("reconstruct", tmp_path / "short.mid"))
    assert "too short: the longest segment has 1 of 2 bars; name another MIDI file or fewer --bars" in sentence
    assert call("continue", tmp_path / "short.mid").exit_code == 0


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
    (tmp_path / "out" / "hierarchical_vae-2bar-seed0-000.mid").mkdir(parents=True)
    assert "seed0-000.mid: cannot be written (Is a directory)" in sentence_of(call("generate"))
    long = tmp_path / f"{'x' * 240}.mid"
    long.write_bytes(song.read_bytes())
    assert ".mid: cannot be written (File name too long)" in sentence_of(call("continue", long))


@pytest.mark.parametrize(
    "options", [("--temperature", "nan"), ("--temperature", "inf"), ("--qpm", "nan"), ("--bars", "0")]
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


def test_with_audio_each_file_has_its_sound_beside_it(play, monkeypatch):
    heard = []
    monkeypatch.setattr(playing, "why_unavailable", lambda: None)
    monkeypatch.setattr(playing, "render", lambda hits, qpm: heard.append((hits, qpm)))
    monkeypatch.setattr(playing, "encode_mp3", lambda samples: b"sound")
    beats = play("generate", 2, audio=True, qpm=90.0)
    for beat, (hits, qpm) in zip(beats, heard, strict=True):
        assert beat.path.with_suffix(".mp3").read_bytes() == b"sound"
        np.testing.assert_array_equal(hits, beat.hits)
        assert qpm == 90.0


def test_of_a_continued_song_the_last_bars_and_the_new_ones_are_heard_in_its_tempo(play, song, monkeypatch):
    heard = []
    monkeypatch.setattr(playing, "why_unavailable", lambda: None)
    monkeypatch.setattr(playing, "render", lambda hits, qpm: heard.append((hits, qpm)))
    monkeypatch.setattr(playing, "encode_mp3", lambda samples: b"sound")
    (beat,) = play("continue_song", song, audio=True)
    ((hits, qpm),) = heard
    np.testing.assert_array_equal(hits[32:], beat.hits)
    assert (hits[:32].sum(), round(qpm)) == (12, 180)


def test_audio_where_there_is_no_synthesizer_is_one_sentence(play, monkeypatch, tmp_path):
    monkeypatch.setattr(playing, "why_unavailable", lambda: "no sound: install fluidsynth")
    with pytest.raises(InputError, match="no sound: install fluidsynth"):
        play("generate", 1, audio=True)
    assert not (tmp_path / "out").exists()
