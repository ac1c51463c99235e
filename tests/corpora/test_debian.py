import os
import shutil
import subprocess
from pathlib import Path

import pytest
from drumline.corpora import debian
from drumline.corpora.debian import PACKAGES, Package, fetch_debian, songs_below
from drumline.corpora.find import midi_files
from drumline.corpora.inspection import inspect

from drumline.errors import InputError
from tests.midi_files import midi_bytes, steps

SONGS = [midi_bytes(steps(0, step)) for step in range(1, 5)]
FILES = {
    "usr/share/game/music/theme.mid": SONGS[0],
    "usr/share/game/music/solo.mid": SONGS[1],
    "usr/share/game/more/solo.mid": SONGS[2],
    "usr/share/game/readme.txt": b"have fun",
    "usr/share/doc/game-music/copyright": b"It is free.\n",
}
WHOLE = {"theme.mid": SONGS[0], "solo.mid": SONGS[2], "solo-2.mid": SONGS[1], "LICENSE": b"It is free.\n"}

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb, so Debian or Ubuntu")

APT_GET = """\
#!/bin/sh
# In the place of apt-get: `update` does nothing, `download` leaves the package of the test where it is called.
echo "$*" >>"{calls}"
case "$*" in
    *update) {update} ;;
    *) {download} ;;
esac
"""


def packed(folder: Path, files: dict[str, bytes]) -> Path:
    """A Debian package of these files."""
    control = "Package: game-music\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: songs\n"
    for name, data in (files | {"DEBIAN/control": control.encode()}).items():
        path = folder / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    deb = folder / "game-music_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", "-Znone", folder / "root", deb], check=True, stdout=subprocess.DEVNULL)
    return deb


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Makes `game` a corpus that an apt-get of this test has. Gives a function that sets it up; it returns the file
    to which that apt-get writes its calls."""
    monkeypatch.setitem(PACKAGES, "game", Package("game-music", "free"))
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def set_up(files=FILES, update="true", download=None) -> Path:
        shutil.rmtree(tmp_path / "packed", ignore_errors=True)
        deb = packed(tmp_path / "packed", files)
        script = programs / "apt-get"
        script.write_text(APT_GET.format(calls=tmp_path / "calls", update=update, download=download or f"cp '{deb}' ."))
        script.chmod(0o755)
        return tmp_path / "calls"

    return set_up


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(into: Path) -> str:
    """The one sentence of a fetch that fails, which leaves nothing."""
    with pytest.raises(InputError) as error:
        fetch_debian("game", into)
    assert "\n" not in str(error.value)
    assert list(into.iterdir() if into.is_dir() else ()) == []
    return str(error.value)


def test_the_songs_of_a_package_come_with_its_copyright_file_and_nothing_else(mirror, tmp_path):
    mirror()
    corpus = fetch_debian("game", tmp_path / "not" / "yet")
    assert corpus == tmp_path / "not" / "yet" / "game"
    assert {name: data for name, data in tree(corpus).items() if name != "SHA256"} == WHOLE
    assert [path.name for path in corpus.parent.iterdir()] == ["game"]


def test_songs_of_equal_names_are_kept_apart(tmp_path):
    for name in ("a/x.mid", "b/x.mid", "c/x.mid", "c/x-2.mid"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = songs_below(tmp_path)
    assert len(found) == len(set(found.values())) == 4


def test_links_in_a_package_are_not_followed(tmp_path):
    (tmp_path / "song.mid").touch()
    (tmp_path / "link.mid").symlink_to("/etc/passwd")
    assert list(songs_below(tmp_path)) == ["song.mid"]


def test_a_corpus_that_is_whole_is_not_fetched_again(mirror, tmp_path):
    calls = mirror()
    whole = tree(fetch_debian("game", tmp_path / "corpora"))
    asked = calls.read_text()
    assert tree(fetch_debian("game", tmp_path / "corpora")) == whole
    assert calls.read_text() == asked


def test_a_damaged_corpus_is_fetched_anew(mirror, tmp_path):
    mirror()
    corpus = fetch_debian("game", tmp_path / "corpora")
    whole = tree(corpus)
    (corpus / "theme.mid").unlink()
    assert tree(fetch_debian("game", tmp_path / "corpora")) == whole


def test_apt_gets_lists_and_caches_are_its_own(mirror, tmp_path):
    seen = tmp_path / "seen"
    mirror(update=f'echo "$PWD" >"{seen}"; cat apt.conf >>"{seen}"')
    fetch_debian("game", tmp_path / "corpora")
    scratch, *configuration = seen.read_text().splitlines()
    assert scratch.startswith(str(tmp_path / "corpora" / ".fetching-"))
    for name in ("State", "State::status", "Cache"):
        (setting,) = (line for line in configuration if line.startswith(f"Dir::{name} "))
        assert setting.split('"')[1].startswith(f"{scratch}/")


@pytest.mark.parametrize("place", ["_download", "_unpack", "songs_below"])
def test_an_interrupted_fetch_leaves_nothing_half(mirror, tmp_path, monkeypatch, place):
    def interrupt(*_):
        raise KeyboardInterrupt

    mirror()
    with monkeypatch.context() as interrupted:
        interrupted.setattr(debian, place, interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch_debian("game", tmp_path / "corpora")
    assert list((tmp_path / "corpora").iterdir()) == []
    assert len(midi_files(fetch_debian("game", tmp_path / "corpora"))) == 3


def test_without_a_network_what_apt_said_is_the_sentence(mirror, tmp_path):
    mirror(
        update="echo 'W: Failed to fetch http://there/InRelease  Unable to connect to there:80:' >&2; "
        "echo 'W: Some index files failed to download.' >&2",
        download="echo 'E: Unable to locate package game-music' >&2; exit 100",
    )
    assert refusal(tmp_path / "corpora") == (
        "game-music: apt-get could not download this Debian package, and said "
        "'Failed to fetch http://there/InRelease Unable to connect to there:80'"
    )


def test_a_package_that_is_no_more_is_one_sentence(mirror, tmp_path):
    mirror(download="echo 'E: Unable to locate package game-music' >&2; exit 100")
    assert "said 'Unable to locate package game-music'" in refusal(tmp_path / "corpora")


def test_a_package_that_cannot_be_unpacked_is_one_sentence(mirror, tmp_path):
    mirror(download="echo no package >game-music_1_all.deb")
    assert "dpkg-deb could not unpack it, and said '" in refusal(tmp_path / "corpora")


@pytest.mark.parametrize(
    ("without", "sentence"),
    [(".mid", "holds 0 MIDI files and a copyright file"), ("copyright", "holds 3 MIDI files and no copyright file")],
)
def test_a_package_without_songs_or_licence_is_refused(mirror, tmp_path, without, sentence):
    mirror({name: data for name, data in FILES.items() if not name.endswith(without)})
    assert sentence in refusal(tmp_path / "corpora")


@pytest.mark.parametrize("missing", ["apt-get", "dpkg-deb"])
def test_without_debians_programs_the_sentence_says_where_they_are(mirror, tmp_path, monkeypatch, missing):
    which = shutil.which
    monkeypatch.setattr(debian.shutil, "which", lambda name: None if name == missing else which(name))
    assert f"there is no {missing} here; fetch it on Debian or Ubuntu" in refusal(tmp_path / "corpora")


def test_a_place_that_cannot_be_written_is_named(mirror, tmp_path):
    mirror()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/below: cannot write there"):
        fetch_debian("game", tmp_path / "file" / "below")


@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, so Debian or Ubuntu")
def test_planet_blupi_is_ten_songs_with_drums_and_their_licence(planetblupi):
    assert [bool(found.windows(2)) for found in inspect(midi_files(planetblupi))] == [True] * 10
    assert "License: GPL-3+" in (planetblupi / "LICENSE").read_text()
