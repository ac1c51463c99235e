import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from drumline.commands.main import drumline
from drumline.corpora import debian, downloads
from drumline.corpora.find import midi_files
from drumline.corpora.inspection import inspect
from drumline.drums.windows import WINDOW_BARS

from tests.fuzz_corpus import riff, tar_of, zip_of
from tests.midi_files import BAR, HAT, STEP, midi_bytes, steps
from tests.results.store import METRICS, Runs

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def call(tmp_path):
    """Calls `./run drumline` with its runs in a folder of the test."""

    def call(*arguments, runs=tmp_path / "runs"):
        return CliRunner().invoke(drumline, ["--runs", str(runs), *map(str, arguments)])

    return call


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a song, a text and a song that is left out."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.mid").write_bytes(midi_bytes(steps(*range(0, 18 * 16, 5))))
    (folder / "b.mid").write_bytes(midi_bytes(steps(0), meters=[(0, 3, 4)]))
    (folder / "notes.txt").touch()
    return folder


@pytest.fixture
def pushed(tmp_path) -> None:
    """The folder of a pushed model, empty: whoever loads it fails."""
    version = tmp_path / "runs" / "serving" / "lstm-2bar" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()


def sentence_of(result) -> str:
    """What a user who gave something unusable reads: one line, no stack, and the exit code says that it failed."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code != 0
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert "Traceback" not in result.output
    return line


# the command line itself


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_demo_shows_help_and_starts_nothing(call, option, tmp_path):
    result = call("demo", option)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: drumline demo [OPTIONS]")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", [["table"], ["generate", "--out", "beats"]], ids=lambda command: command[0])
def test_the_folder_of_runs_is_named_before_or_after_the_command(tmp_path, command):
    runs, elsewhere = str(tmp_path / "runs"), str(tmp_path / "elsewhere")
    before, after, overridden = (
        CliRunner().invoke(drumline, arguments)
        for arguments in (
            ["--runs", runs, *command],
            [*command, "--runs", runs],
            ["--runs", elsewhere, *command, "--runs", runs],
        )
    )
    assert sentence_of(before) == sentence_of(after) == sentence_of(overridden)
    assert (tmp_path / "runs").is_dir()
    assert not (tmp_path / "elsewhere").exists()


# fetch


def test_fetch_copies_a_folder_and_says_where(call, folder, tmp_path):
    result = call("fetch", folder)
    corpus = tmp_path / "runs" / "corpora" / "mine"
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"2 MIDI files in {corpus}"
    assert sorted(path.name for path in corpus.iterdir()) == ["a.mid", "b.mid"]


def test_fetch_freedoom_finds_the_corpus_that_is_there(call, freedoom, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "corpora").symlink_to(freedoom.parent)
    result = call("fetch", "freedoom")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "The soundtrack of Freedoom (https://freedoom.github.io): BSD-3-Clause.",
        f"75 MIDI files in {tmp_path}/runs/corpora/freedoom",
    ]


def test_fetching_a_folder_counts_its_archives(call, folder, tmp_path):
    (folder / "more.zip").write_bytes(zip_of({"c.mid": (folder / "a.mid").read_bytes()}))
    corpus = tmp_path / "runs" / "corpora" / "mine"
    assert call("fetch", folder).stdout.splitlines()[-1] == f"2 MIDI files and 1 archive in {corpus}"
    assert (corpus / "more.zip").exists()


@pytest.mark.parametrize("name", ["groove", "lakh"])
def test_fetching_a_corpus_from_the_web_tells_its_licence(call, tmp_path, monkeypatch, name):
    def fetch(fetched, into):
        (into / fetched).mkdir(parents=True)
        (into / fetched / downloads.DOWNLOADS[fetched].file_name).write_bytes(zip_of({}))
        return into / fetched

    monkeypatch.setattr(downloads, "fetch_download", fetch)
    result = call("fetch", name)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        downloads.DOWNLOADS[name].license,
        f"1 archive in {tmp_path}/runs/corpora/{name}",
    ]


def test_a_download_that_fails_is_one_sentence(call, monkeypatch):
    monkeypatch.setattr(downloads, "_PAUSE", 0)
    address = "http://127.0.0.1:9/lmd_full.tar.gz"
    monkeypatch.setitem(downloads.DOWNLOADS, "lakh", downloads.Download(address, "0" * 64, ""))
    sentence = sentence_of(call("fetch", "lakh"))
    assert f"{address}: cannot be reached" in sentence


def test_several_corpora_in_one_call_are_one_corpus_to_train_on(call, folder, tmp_path, monkeypatch):
    def fetch(fetched, into):
        (into / fetched).mkdir(parents=True)
        (into / fetched / "theme.mid").write_bytes((folder / "a.mid").read_bytes())
        return into / fetched

    monkeypatch.setattr(debian, "fetch_debian", fetch)
    result = call("fetch", "simutrans", folder, "mma")
    corpora = tmp_path / "runs" / "corpora"
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "The songs of Debian's package simutrans-data: Artistic-1.0.",
        f"1 MIDI file in {corpora}/simutrans",
        f"2 MIDI files in {corpora}/mine",
        "The songs of Debian's package mma: GPL-2+.",
        f"1 MIDI file in {corpora}/mma",
    ]
    names = ["mine/a.mid", "mine/b.mid", "mma/theme.mid", "simutrans/theme.mid"]
    assert midi_files(corpora) == [f"{corpora}/{name}" for name in names]


def test_what_is_neither_a_folder_nor_known_names_what_is(call, tmp_path):
    assert sentence_of(call("fetch", tmp_path / "nowhere")).endswith(
        "nor a corpus that Drumline knows (freedoom, groove, lakh, simutrans, mma, openttd, planetblupi)"
    )


@pytest.mark.parametrize("name", ["nowhere", "mine/a.mid"])
def test_fetching_what_is_no_folder_is_one_sentence(call, folder, name):
    assert f"{folder.parent / name}: not a folder" in sentence_of(call("fetch", folder.parent / name))


def test_fetching_into_a_place_that_cannot_be_written_is_one_sentence(call, folder):
    runs = folder / "notes.txt" / "runs"
    for corpus in (folder, "freedoom"):
        assert str(runs) in sentence_of(call("fetch", corpus, runs=runs))


# inspect


def test_inspect_shows_each_file_and_why_one_is_left_out(call, folder):
    result = call("inspect", folder)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == list(map(str, inspect(midi_files(folder))))
    assert "left out: no drums in 4/4" in lines[1]


def test_inspect_of_a_folder_ends_with_totals_and_of_a_file_does_not(call, folder):
    (folder / "copy.mid").write_bytes((folder / "a.mid").read_bytes())
    assert call("inspect", folder).stdout.splitlines()[3:] == [
        "",
        "3 files: 2 songs, 1 of them different",
        "18 bars in these; windows: 5 of 1 bar, 5 of 2 bars, 5 of 4 bars, 5 of 8 bars, 3 of 16 bars",
        "1 file left out: 1 no drums in 4/4",
    ]
    assert len(call("inspect", folder / "a.mid").stdout.splitlines()) == 1


def test_inspect_draws_the_grid_of_a_file_and_says_what_was_dropped(call, tmp_path):
    meters = [(0, 4, 4), (2 * BAR, 3, 4), (2 * BAR + 12 * STEP, 4, 4)]
    beat = [*steps(0, 18), *steps(32, 36), *steps(45, 50)]
    path = tmp_path / "song.mid"
    path.write_bytes(midi_bytes(beat, steps(0, 3, pitch=HAT), steps(0, pitch=35), steps(1, pitch=24), meters=meters))
    lines = call("inspect", path, "--grid").stdout.splitlines()
    assert lines[0] == next(map(str, inspect([str(path)])))
    assert lines.index("bars 1-2:") < lines.index("bar 4:")
    kicks, hats = ([line.split("│")[1:-1] for line in lines if line.startswith(drum)] for drum in ("kick", "closed"))
    assert kicks == [["●···············", "··●·············"], ["·●····●·········"]]
    assert hats == [["●··●············", "················"], ["················"]]
    assert lines[-1] == (
        "dropped: 1 note of pitches that the drum map does not have: 24 (1); 2 hits in 3/4 from bar 3, as only 4/4, "
        "2/2 and 8/8 are read; 1 hit on a step that already has the same drum"
    )


def test_inspect_draws_no_grid_of_a_folder(call, folder):
    result = call("inspect", folder, "--grid")
    assert f"{folder}: --grid draws a single file, and this holds more; name one of them" in result.stderr
    assert result.exit_code == 1


def test_inspect_reads_by_the_map_the_channel_and_the_loops_that_it_is_told(call, tmp_path):
    path = tmp_path / "song.mid"
    path.write_bytes(midi_bytes(melody=steps(0, pitch=58)))
    assert "pass `--channel 1`" in call("inspect", path).stdout
    assert "never play the 2 bars on end" in call("inspect", path, "--channel", 1).stdout
    options = ["--channel", "1", "--loops", "--json", "--windows"]
    crash, low_tom = (
        json.loads(call("inspect", path, *options, "--map", name).stdout)["combinations"]["2"]
        for name in ("gm", "roland")
    )
    assert (crash, low_tom) == ([[1 << 7, *[0] * 15] * 2], [[1 << 4, *[0] * 15] * 2])


def test_an_unknown_map_is_one_sentence_that_names_the_known(call, folder):
    assert "tabla: there is no drum map or readable file of this name; the maps are gm, roland" in sentence_of(
        call("inspect", folder, "--map", "tabla")
    )


def test_inspect_in_json_is_one_object_a_line(call, folder):
    plain, full = call("inspect", folder, "--json"), call("inspect", folder, "--json", "--windows")
    found = list(inspect(midi_files(folder)))
    assert [json.loads(line) for line in plain.stdout.splitlines()] == [f.as_dict(with_windows=False) for f in found]
    assert [json.loads(line) for line in full.stdout.splitlines()] == [f.as_dict(with_windows=True) for f in found]


def test_inspect_with_windows_lists_the_combinations_of_each(call, folder):
    lines = call("inspect", folder / "a.mid", "--windows").stdout.splitlines()
    (found,) = inspect([str(folder / "a.mid")])
    windows = [f"  {bars} bars: {' '.join(map(str, w))}" for bars in WINDOW_BARS for w in found.windows(bars)]
    assert lines == [str(found), *windows]


def test_inspect_reads_archives_riff_and_karaoke_as_they_are(call, tmp_path):
    beat = midi_bytes(steps(*range(0, 64, 5)))
    files = {"a.mid": beat, "b/c.kar": beat, "b/d.RMI": riff(beat), "read.me": b"free"}
    whole = {}
    for name, data in {"a.zip": zip_of(files), "b.tgz": tar_of(files, "w:gz"), "c.tar": tar_of(files)}.items():
        (tmp_path / name).write_bytes(data)
        found = [json.loads(line) for line in call("inspect", "--json", tmp_path / name).stdout.splitlines()]
        assert [song.pop("path") for song in found] == [f"{tmp_path / name}/{file}" for file in list(files)[:3]]
        whole[name] = found
        assert found == found[:1] * 3
    assert whole["a.zip"] == whole["b.tgz"] == whole["c.tar"]
    (tmp_path / "c.tar").write_bytes(tar_of(files)[:2000])
    lines, _, totals = call("inspect", tmp_path).stdout.partition("\n\n")
    lines = lines.splitlines()
    assert len(lines) == 6 + 2 + 1
    assert totals.startswith("9 files: 8 songs, 1 of them different")
    assert lines[-1] == f"{tmp_path / 'c.tar'}: left out: unreadable (the archive is cut off)"


@pytest.mark.parametrize("options", [[], ["--json"], ["--json", "--windows"]])
def test_inspect_writes_utf_8_whatever_the_names(tmp_path, options):
    beat = midi_bytes(steps(*range(0, 64, 5)))
    for name in (b"odd \xff\n.mid", "d\u00e9j\u00e0.mid".encode()):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(beat)
    done = subprocess.run(
        [sys.executable, "-m", "drumline", "inspect", *options, tmp_path], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()[:2]
    names = [json.loads(line)["path"] if options else line.partition(":")[0] for line in lines]
    assert names == [f"{tmp_path}/d\u00e9j\u00e0.mid", f"{tmp_path}/odd \\xff\\x0a.mid"]


def test_inspecting_a_pipe_says_that_it_is_one(call, tmp_path):
    os.mkfifo(tmp_path / "pipe.mid")
    assert "left out: unreadable (a pipe" in call("inspect", tmp_path / "pipe.mid").stdout


def test_inspecting_a_path_that_is_not_there_is_one_sentence(call, tmp_path):
    assert f"{tmp_path / 'nowhere'}: there is no such file" in sentence_of(call("inspect", tmp_path / "nowhere"))


def test_inspecting_a_folder_without_midi_is_one_sentence(call, tmp_path):
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'empty'}: the folder holds no MIDI file" in sentence_of(call("inspect", tmp_path / "empty"))


def slow_imports(*arguments) -> set[str]:
    """Which libraries that are slow to import a command imports, whether it succeeds or fails."""
    program = (
        "import sys; from drumline.commands.main import drumline\n"
        "try: drumline(sys.argv[1:])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    imported = set(done.stderr.decode().splitlines()[-1].split())
    assert "drumline.commands" in imported
    return imported & {"apache_beam", "keras", "tensorflow", "tensorflow_model_analysis", "tfx"}


def test_inspect_starts_without_tensorflow(folder):
    assert slow_imports("inspect", folder) == set()


# train


def test_training_on_a_path_that_is_not_there_is_one_sentence(call, tmp_path):
    sentence = sentence_of(call("train", "--midi", tmp_path / "nowhere"))
    assert f"{tmp_path / 'nowhere'}: there is no such file or folder" in sentence


def test_training_on_a_folder_without_midi_is_one_sentence(call, tmp_path):
    (tmp_path / "empty").mkdir()
    sentence = sentence_of(call("train", "--midi", tmp_path / "empty"))
    assert f"{tmp_path / 'empty'}: the folder holds no MIDI file" in sentence


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--profile", "enormous", "there is no profile 'enormous'; there are cpu, demo"),
        ("--models", "lstm,gpt", "the profile demo has no model 'gpt' for 2 bars; it has lstm, conv, "),
        ("--bars", "3", "no windows of 3 bars; its lengths are 2, 16"),
        ("--bars", "0", "no windows of 0 bars; its lengths are 2, 16"),
    ],
)
def test_training_what_does_not_exist_is_one_sentence_that_names_what_does(call, folder, option, value, sentence):
    assert sentence in sentence_of(call("train", "--midi", folder, option, value))


def test_training_into_a_place_that_cannot_be_written_is_one_sentence(call, folder):
    runs = folder / "notes.txt" / "runs"
    sentence = sentence_of(call("train", "--midi", folder, runs=runs))
    assert str(runs) in sentence
    assert "cannot write there" in sentence


def test_what_is_refused_leaves_no_trace_of_a_run(call, folder, tmp_path):
    for arguments in (["--profile", "enormous"], ["--bars", "3"]):
        call("train", "--midi", folder, *arguments)
    call("train", "--midi", tmp_path / "nowhere")
    assert not (tmp_path / "runs" / "metadata.sqlite").exists()
    assert not (tmp_path / "runs" / "pipelines").exists()


# generate, table


def test_generating_without_a_pushed_model_is_one_sentence(call, tmp_path):
    sentence = sentence_of(call("generate", "--out", tmp_path / "beats"))
    assert "no pushed model bar_vae for 2 bars (there: none)" in sentence
    assert not (tmp_path / "beats").exists()


def test_generating_from_a_model_that_was_not_pushed_names_those_that_were(call, pushed, tmp_path):
    for arguments in (["--model", "conv"], ["--model", "lstm", "--bars", "16"]):
        assert "(there: lstm-2bar)" in sentence_of(call("generate", *arguments, "--out", tmp_path / "beats"))


def test_generating_into_a_place_that_cannot_be_written_is_one_sentence(call, pushed, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "beats"):
        sentence = sentence_of(call("generate", "--model", "lstm", "--out", out))
        assert f"{out}: cannot write there" in sentence


@pytest.mark.parametrize(
    "arguments", [["--count", "0"], ["--temperature", "-1"], ["--bpm", "0"], ["--qpm", "0"], ["--bars", "two"]]
)
def test_a_number_outside_its_range_is_refused_by_name(call, tmp_path, arguments):
    result = call("generate", "--out", tmp_path / "beats", *arguments)
    assert result.exit_code == 2
    assert f"Invalid value for '{arguments[0]}'" in result.stderr


def test_a_table_without_a_run_is_one_sentence(call):
    assert "no run yet; `./run demo` or `./run drumline train` makes one" in sentence_of(call("table"))


def test_the_table_lists_what_was_evaluated(call, tmp_path):
    (tmp_path / "runs").mkdir()
    runs = Runs(tmp_path / "runs")
    runs.write("conv", bars=16, seed=3, pushed="17")
    runs.write("lstm")
    narrow = call("table").stdout.splitlines()
    assert max(map(len, narrow)) <= 80
    assert narrow[-1].split()[2:] == ["lstm", "2", "0.700", "0.600", "not", "blessed"]
    *_, header, conv, lstm = call("table", "--wide").stdout.splitlines()
    assert header.split()[:5] == ["run", "date", "model", "bars", "teacher-forced"]
    assert conv.split()[2:] == ["conv", "16", "0.700", "0.600", "blessed", "demo", "mine", "3", "17"]
    assert lstm.split()[2:] == ["lstm", "2", "0.700", "0.600", "not", "blessed", "demo", "mine", "0"]
    one, _ = json.loads(call("table", "--json").stdout)
    expected = {"model": "conv", "metrics": METRICS, "beats": ["majority"], "steps": 40, "sizes": {"units": 8}}
    assert {name: one[name] for name in expected} == expected


def test_the_table_starts_without_tensorflow(tmp_path):
    (tmp_path / "runs").mkdir()
    Runs(tmp_path / "runs").write("conv")
    assert slow_imports("--runs", tmp_path / "runs", "table") == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["table"],
        ["report"],
        ["report", "--help"],
        ["results", "--out", "results.md"],
        ["train", "--midi", "nowhere"],
        ["train", "--midi", ".", "--bars", "3"],
    ],
)
def test_what_is_refused_is_refused_without_tensorflow(tmp_path, arguments):
    assert slow_imports("--runs", tmp_path / "runs", *arguments) == set()


def test_an_unknown_command_is_refused_by_name(call):
    result = call("transmogrify")
    assert result.exit_code == 2
    assert "No such command 'transmogrify'" in result.stderr


def test_the_help_of_no_command_is_cut_off_at_80_columns(call):
    lines = call("--help").stdout.splitlines()
    assert not [line for line in lines[1:] if line.endswith("...")]
    assert max(map(len, lines)) <= 80


def test_the_runs_folder_is_taken_before_and_after_the_command(tmp_path):
    answers = [
        CliRunner().invoke(drumline, arguments).stderr
        for arguments in (["--runs", str(tmp_path), "table"], ["table", "--runs", str(tmp_path)])
    ]
    assert answers[0] == answers[1]
    assert str(tmp_path / "metadata.sqlite") in answers[0]
