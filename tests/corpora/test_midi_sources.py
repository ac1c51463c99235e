import gzip
import io
import os
import pickle
import socket
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from drumline.corpora import bounded_reading as bounded
from drumline.corpora import tar_archive
from drumline.corpora.find import find_midi
from drumline.corpora.midi_sources import midi_in, printable
from drumline.drums.midi import Reason, RejectedError

from tests.fuzz_corpus import flipped, riff, tar_of, zip_of
from tests.midi_files import midi_bytes, steps

SONGS = [midi_bytes(steps(0, step), name="x" * 600) for step in range(1, 7)]
FILES = {"a.mid": SONGS[0], "b/c.MIDI": SONGS[1], "b/d.kar": SONGS[2], "b/e.rmi": riff(SONGS[3])}
ARCHIVES = {
    "songs.tar": lambda files: tar_of(files),
    "songs.tar.gz": lambda files: tar_of(files, "w:gz"),
    "SONGS.TGZ": lambda files: tar_of(files, "w:gz"),
    "songs.zip": zip_of,
}


@pytest.fixture(params=ARCHIVES)
def archive(request, tmp_path):
    """Writes an archive of each kind of some files; gives its path."""

    def write(files: dict[str, bytes]) -> str:
        path = tmp_path / request.param
        path.write_bytes(ARCHIVES[request.param](files))
        return str(path)

    return write


@pytest.fixture
def small(monkeypatch):
    """A MIDI file may have only as many bytes as the longest song here."""
    most = max(map(len, FILES.values()))
    for module in (bounded, tar_archive):
        monkeypatch.setattr(module, "MOST_BYTES", most)
    monkeypatch.setattr("drumline.corpora.midi_sources.MOST_BYTES", most)
    monkeypatch.setattr("drumline.corpora.zip_archive.MOST_BYTES", most)
    return most


def written(tmp_path: Path, name: str, data: bytes) -> str:
    (tmp_path / name).write_bytes(data)
    return str(tmp_path / name)


def outcome(path: str, **options) -> dict[str, bytes | str]:
    """Bytes, or the detail of the rejection as unreadable, by name below the path."""
    found = {}
    for name, midi in midi_in(path, **options):
        assert name not in found
        assert name == path or name.startswith(f"{path}/")
        if isinstance(midi, RejectedError):
            assert midi.reason is Reason.UNREADABLE
            assert midi.detail
            midi = midi.detail
        found[name.removeprefix(path).removeprefix("/")] = midi
    return found


def good(found: dict[str, bytes | str]) -> dict[str, bytes]:
    return {name: midi for name, midi in found.items() if isinstance(midi, bytes)}


class Stream:
    """A file as one gets it over a network: it can be read, and nothing else; never more than 1,000 bytes at once."""

    def __init__(self, path: str):
        self._file = open(path, "rb")  # noqa: SIM115

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, 1000) if size >= 0 else 1000)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


# Files


@pytest.mark.parametrize("name", ["song.mid", "song.kar", "song without a suffix", "odd \udcff\n.mid"])
def test_a_file_comes_by_its_path_with_its_bytes(tmp_path, name):
    path = written(tmp_path, name, SONGS[0])
    assert list(midi_in(path)) == [(path, SONGS[0])]
    assert list(midi_in(path, Stream)) == [(path, SONGS[0])]


def test_a_file_that_is_not_there_says_so(tmp_path):
    assert outcome(str(tmp_path / "gone.mid")) == {"": "No such file or directory"}
    assert outcome(str(tmp_path / "gone.tar.gz")) == {"": "No such file or directory"}


def test_a_pipe_a_socket_a_device_and_a_folder_are_never_opened(tmp_path):
    def never(path):
        pytest.fail(f"{path} was opened")

    for name in ("pipe.mid", "pipe.zip", "pipe.tar"):
        os.mkfifo(tmp_path / name)
        assert outcome(str(tmp_path / name), open_file=never) == {"": "a pipe, a socket or a device, not a file"}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.mid"))
    (tmp_path / "zero.mid").symlink_to("/dev/zero")
    for name in ("s.mid", "zero.mid"):
        assert outcome(str(tmp_path / name), open_file=never) == {"": "a pipe, a socket or a device, not a file"}
    assert outcome(str(tmp_path), open_file=never) == {"": "a folder, not a file"}


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_file_that_cannot_be_read_says_why(tmp_path, error):
    class Broken(io.BytesIO):
        def read(self, *_):
            raise error

    for name in ("song.mid", "songs.tar", "songs.tar.gz", "songs.zip"):
        path = written(tmp_path, name, SONGS[0])
        assert outcome(path, open_file=lambda _: Broken(SONGS[0]))[""] == error.strerror


def test_a_folder_that_cannot_be_listed_is_found_and_says_why(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    written(tmp_path, "song.mid", SONGS[0])
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find_midi(str(tmp_path))
    assert found == [str(tmp_path / "closed"), str(tmp_path / "song.mid")]
    assert outcome(found[0]) == {"": "Permission denied"}


def test_a_file_of_too_many_bytes_is_not_even_opened(tmp_path, small):
    path = written(tmp_path, "song.mid", bytes(small + 1))
    (detail,) = outcome(path, open_file=lambda _: pytest.fail("it was opened")).values()
    assert f"{small + 1:,} bytes, more than the {small:,}" in detail
    assert list(midi_in(written(tmp_path, "song.mid", bytes(small)))) == [(path, bytes(small))]


def test_a_file_elsewhere_is_read_up_to_the_limit_and_no_further(small):
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size=-1):
            assert 0 <= size <= small + 1
            self.given += size
            return bytes(size)

    endless = Endless()
    (detail,) = outcome("gs://bucket/song.mid", open_file=lambda _: endless).values()
    assert "more than" in detail
    assert endless.given == small + 1


# Archives


def test_an_archive_gives_its_midi_files_and_nothing_else(archive):
    others = {"info.csv": b"1,2", "LICENSE": b"free", "b/picture.png": b"\x89PNG", "inner.zip": zip_of(FILES)}
    path = archive(FILES | others)
    assert outcome(path) == FILES
    assert outcome(path, open_file=Stream) == FILES


def test_an_archive_without_midi_says_so(archive):
    assert outcome(archive({"info.csv": b"1,2"})) == {"": "the archive holds no MIDI file"}


def test_an_archive_of_real_songs_gives_what_the_folder_gives(freedoom, archive):
    songs = {path.name: path.read_bytes() for path in freedoom.glob("*.mid")}
    assert outcome(archive(songs)) == songs


def test_an_archive_that_was_unpacked_on_the_way_is_read_too(tmp_path):
    path = written(tmp_path, "songs.tar.gz", tar_of(FILES, "w:gz"))
    assert outcome(path, open_file=gzip.open) == FILES


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_keeps_long_and_odd_names_in_all_its_forms(tmp_path, form):
    long = "/".join(["folder"] * 20) if form == tarfile.USTAR_FORMAT else "/".join(["a folder of a long name"] * 30)
    names = [f"{long}/song.mid", "d\u00e9j\u00e0 \u97f3\u697d.mid", "not UTF-8 \udcff.mid", "a.mid"]
    (tmp_path / "song").write_bytes(SONGS[0])
    with tarfile.open(tmp_path / "songs.tar", "w", format=form) as archive:
        for name in names:
            archive.add(tmp_path / "song", name)
    assert outcome(str(tmp_path / "songs.tar")) == dict.fromkeys(names, SONGS[0])


def test_a_pax_size_counts_before_the_headers(tmp_path):
    with tarfile.open(tmp_path / "songs.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.mid")
        member.size, member.pax_headers = len(SONGS[0]), {"size": str(len(SONGS[0]))}
        archive.addfile(member, io.BytesIO(SONGS[0]))
    data = (tmp_path / "songs.tar").read_bytes()
    header = tarfile.TarInfo("a.mid")
    header.size = len(SONGS[0])
    plain = header.tobuf(tarfile.USTAR_FORMAT)
    header.size = 0
    assert plain in data
    path = written(tmp_path, "songs.tar", data.replace(plain, header.tobuf(tarfile.USTAR_FORMAT)))
    assert outcome(path) == {"a.mid": SONGS[0]}


def test_what_is_no_file_in_a_tar_is_rejected_and_its_neighbours_stay(tmp_path):
    path = str(tmp_path / "songs.tar.gz")
    kinds = {
        "link.mid": tarfile.SYMTYPE,
        "hard link.mid": tarfile.LNKTYPE,
        "pipe.mid": tarfile.FIFOTYPE,
        "device.mid": tarfile.CHRTYPE,
        "folder.mid": tarfile.DIRTYPE,
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, kind in kinds.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "a.mid" * 40
            archive.addfile(member)
        member = tarfile.TarInfo("a.mid")
        member.size = len(SONGS[0])
        archive.addfile(member, io.BytesIO(SONGS[0]))
    found = outcome(path)
    assert good(found) == {"a.mid": SONGS[0]}
    assert set(found) == {"a.mid", *kinds} - {"folder.mid"}


def test_a_sparse_file_in_a_tar_loses_no_neighbour(tmp_path):
    sparse = bytearray(512)
    member = tarfile.TarInfo("sparse.mid")
    member.size, member.type = 1024, tarfile.GNUTYPE_SPARSE
    sparse[:] = member.tobuf(tarfile.GNU_FORMAT)
    sparse[482] = 1
    sparse[148:156] = b"        "
    sparse[148:156] = b"%06o\0 " % sum(sparse)
    data = bytes(sparse) + b"\1" * 512 + bytes(512) + b"\1" * 1024 + tar_of({"a.mid": SONGS[0]})
    found = outcome(written(tmp_path, "songs.tar", data))
    assert found["sparse.mid"] == "a link, a device or a sparse file in its archive"
    assert good(found) == {"a.mid": SONGS[0]}


def test_a_link_or_an_encrypted_file_in_a_zip_loses_no_neighbour(tmp_path):
    link = zipfile.ZipInfo("link.mid")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "songs.zip", "w") as archive:
        archive.writestr("secret.mid", SONGS[0])
        archive.writestr(link, "a.mid")
        archive.writestr("a.mid", SONGS[1])
    data = bytearray((tmp_path / "songs.zip").read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    found = outcome(written(tmp_path, "songs.zip", bytes(data)))
    assert good(found) == {"a.mid": SONGS[1]}
    assert "encrypted" in found["secret.mid"]
    assert found["link.mid"] == "a link in its archive"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_file_in_a_zip_that_would_unpack_in_one_go_loses_no_neighbour(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "songs.zip", "w") as archive:
        archive.writestr("bomb.mid", bytes(1 << 20), method)
        archive.writestr("a.mid", SONGS[0])
    found = outcome(str(tmp_path / "songs.zip"))
    assert good(found) == {"a.mid": SONGS[0]}
    assert "deflate" in found["bomb.mid"]


def test_a_zip_whose_names_are_not_utf_8_is_read(tmp_path):
    data = zip_of({"a.mid": SONGS[0], "odd ~.mid": SONGS[1], "z.mid": SONGS[2]}).replace(b"odd ~", b"odd \xff")
    odd = b"odd \xff.mid".decode("cp437")
    assert outcome(written(tmp_path, "songs.zip", data)) == {"a.mid": SONGS[0], odd: SONGS[1], "z.mid": SONGS[2]}


# Broken archives


@pytest.mark.parametrize("victim", range(4))
def test_a_file_that_a_zip_does_not_have_where_it_should_is_rejected_with_what_it_overlaps(tmp_path, victim):
    data = zip_of(FILES)
    entry = data.index(list(FILES)[victim].encode(), data.index(b"PK\1\2")) - 46
    found = outcome(written(tmp_path, "songs.zip", flipped(data, entry + 42)))
    assert set(found) == set(FILES)
    assert len(good(found)) >= 2
    assert list(FILES)[victim] not in good(found)


def test_a_file_whose_bytes_are_damaged_in_a_zip_is_rejected_alone(tmp_path):
    data = zip_of(FILES)
    found = outcome(written(tmp_path, "songs.zip", flipped(data, data.index(b"b/c.MIDI") + 40)))
    assert set(found) == set(FILES)
    assert good(found) == {name: midi for name, midi in FILES.items() if name != "b/c.MIDI"}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_cut_archive_gives_what_lies_before_the_cut_and_one_rejection(tmp_path, kind):
    data = ARCHIVES[kind](FILES)
    whole = 0
    for cut in (*range(0, len(data), len(data) // 50), len(data) - 1):
        found = outcome(written(tmp_path, kind, data[:cut]))
        songs = good(found)
        if kind == "songs.zip":  # without the directory at its end nobody knows what is in it
            assert not songs
        assert songs.items() <= FILES.items()
        assert list(songs) == list(FILES)[: len(songs)]
        # Of a plain tar, only the padding of the end may be missing unnoticed.
        assert "" in found or (kind == "songs.tar" and songs == FILES and not any(data[cut:]))
        whole += songs == FILES
    assert whole or kind == "songs.zip"


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_bit_flipped_anywhere_in_an_archive_loses_at_most_one_file_or_says_so(tmp_path, kind):
    data = ARCHIVES[kind](FILES)
    for at in range(0, len(data), max(1, len(data) // 400)):
        found = outcome(written(tmp_path, kind, flipped(data, at)))
        missing = FILES.items() - good(found).items()
        if kind in ("songs.tar", "songs.zip"):  # tar has no checksum of the files, zip none of their names
            assert len(missing) <= 1 or "" in found or {name for name, _ in missing} <= set(found)
        else:
            assert not missing or "" in found


@pytest.mark.parametrize("at", [0, 5, 130, 151, 300])
@pytest.mark.parametrize("victim", range(3))
def test_a_damaged_header_in_a_tar_loses_only_its_own_file(tmp_path, victim, at):
    names = list(FILES)
    files = FILES | {names[victim]: bytes(2000) + SONGS[5]}
    data = tar_of(files)
    found = outcome(written(tmp_path, "songs.tar", flipped(data, data.index(names[victim].encode()) + at)))
    assert good(found) == {name: midi for name, midi in FILES.items() if name != names[victim]}
    assert "damaged" in found[""]


def test_a_gzip_with_a_wrong_checksum_or_garbage_behind_it_says_so(tmp_path):
    data = tar_of(FILES, "w:gz")
    for broken in (flipped(data, len(data) - 6), data + b"garbage"):
        found = outcome(written(tmp_path, "songs.tar.gz", broken))
        assert good(found) == FILES
        assert found[""]


def test_an_archive_that_grows_without_end_takes_no_memory(tmp_path):
    bombs = {
        "bomb.zip": zip_of({"a.mid": SONGS[0], "bomb.mid": bytes(300 << 20), "z.mid": SONGS[1]}),
        "bomb.tar.gz": tar_of({"a.mid": SONGS[0], "bomb.mid": bytes(300 << 20), "z.mid": SONGS[1]}, "w:gz"),
    }
    lying = bytearray(bombs["bomb.zip"])
    at = lying.index(b"bomb.mid", lying.index(b"PK\1\2")) - 22
    lying[at : at + 4] = struct.pack("<I", 9)
    bombs["lying.zip"] = bytes(lying)
    for name, data in bombs.items():
        path = written(tmp_path, name, data)
        tracemalloc.start()
        found = outcome(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert good(found) == {"a.mid": SONGS[0], "z.mid": SONGS[1]}, name
        assert "bomb.mid" in found, name
        assert peak < 120 << 20, name


def test_a_header_that_asks_for_memory_gets_none(tmp_path):
    greedy = []
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.REGTYPE):
        member = tarfile.TarInfo("greedy.mid")
        member.type, member.size = kind, 7 << 30
        greedy.append(member.tobuf(tarfile.GNU_FORMAT))
    negative = tarfile.TarInfo("negative.mid")
    negative.size = -512
    greedy.append(negative.tobuf(tarfile.GNU_FORMAT))
    for header in greedy:
        tracemalloc.start()
        found = outcome(written(tmp_path, "songs.tar", header + tar_of(FILES)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20
        assert found[""]
    assert good(found) == FILES


def test_a_sparse_file_whose_map_does_not_end_gets_no_memory(tmp_path):
    with tarfile.open(tmp_path / "songs.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        sparse = tarfile.TarInfo("sparse.mid")
        sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        numbers = b"9999999\n" + b"1\n" * (5 << 20)
        sparse.size = len(numbers)
        archive.addfile(sparse, io.BytesIO(numbers))
        song = tarfile.TarInfo("a.mid")
        song.size = len(SONGS[0])
        archive.addfile(song, io.BytesIO(SONGS[0]))
    tracemalloc.start()
    found = outcome(str(tmp_path / "songs.tar"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert good(found) == {"a.mid": SONGS[0]}
    assert peak < 8 << 20


def test_memory_does_not_grow_with_an_archive(tmp_path):
    def peak(files: Iterable[str]) -> int:
        path = written(tmp_path, "songs.tar.gz", tar_of(dict.fromkeys(files, SONGS[0]), "w:gz"))
        tracemalloc.start()
        for _ in midi_in(path):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = peak(f"{n}.mid" for n in range(100)), peak(f"{n}.mid" for n in range(5000))
    assert many < few + (256 << 10)


def test_thousands_of_long_names_in_a_row_do_not_overflow_the_stack(tmp_path):
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 4
    name = member.tobuf(tarfile.GNU_FORMAT) + b"song" + bytes(508)
    assert outcome(written(tmp_path, "songs.tar", name * 5000 + tar_of(FILES)))["b/c.MIDI"] == SONGS[1]


# Time


def test_of_files_that_lie_in_one_place_of_a_zip_one_is_unpacked(tmp_path):
    entries, data = 2000, zip_of({"a.mid": SONGS[0]})
    start, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    directory = data[start:end] * entries
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, entries, entries, len(directory), start, 0)
    found = [midi for _, midi in midi_in(written(tmp_path, "songs.zip", data[:start] + directory + tail))]
    assert [midi for midi in found if isinstance(midi, bytes)] == [SONGS[0]]
    assert {midi.detail for midi in found[:-1]} == {"it overlaps another file in its archive"}


def test_a_file_that_reaches_into_the_next_one_of_a_zip_is_rejected(tmp_path):
    data = bytearray(zip_of(FILES))
    size_of_first = data.index(b"PK\1\2") + 20
    data[size_of_first : size_of_first + 4] = struct.pack("<I", len(SONGS[0]))
    found = outcome(written(tmp_path, "songs.zip", bytes(data)))
    assert "Overlapped" in found["a.mid"]
    assert good(found) == {name: midi for name, midi in FILES.items() if name != "a.mid"}


@pytest.mark.parametrize("kind", ["songs.tar.gz", "songs.zip"])
def test_an_archive_that_unpacks_to_far_more_than_its_size_is_read_up_to_a_limit(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(bounded, "_FREE_BYTES", 1 << 20)
    bombs = {f"{number}.mid": bytes(200_000) for number in range(100)}
    found = outcome(written(tmp_path, kind, ARCHIVES[kind]({"a.mid": SONGS[0]} | bombs | {"z.mid": SONGS[1]})))
    assert "unpacks to more than" in found[""]
    assert found["a.mid"] == SONGS[0]
    assert 4 < len(good(found)) < 50


def test_a_tar_of_far_more_headers_than_bytes_is_read_up_to_a_limit(tmp_path):
    header = tarfile.TarInfo("note.txt").tobuf()
    for entry in (header, header.replace(b"note", b"nota")):  # a wrong checksum
        packed = gzip.compress(tar_of({"a.mid": SONGS[0]})[: -2 * tarfile.BLOCKSIZE] + entry * 60_000)
        found = outcome(written(tmp_path, "songs.tar.gz", packed))
        assert good(found) == {"a.mid": SONGS[0]}
        assert "entries that one of its size may have" in found[""]


# Files packed by gzip


@pytest.mark.parametrize("name", ["song.mid.gz", "SONG.MIDI.GZ", "song.kar.gz", "packed, and not said.mid"])
def test_a_song_packed_by_gzip_is_found_and_read(tmp_path, name):
    path = written(tmp_path, name, gzip.compress(SONGS[0]))
    assert find_midi(str(tmp_path)) == [path]
    assert list(midi_in(path)) == [(path, SONGS[0])]
    assert list(midi_in(path, Stream)) == [(path, SONGS[0])]


def test_a_song_packed_by_gzip_that_is_broken_or_too_large_says_so(tmp_path, small):
    packed = gzip.compress(SONGS[0])
    for broken in (packed[:-9], packed[:20], flipped(packed, 40), gzip.compress(bytes(small + 1))):
        (detail,) = outcome(written(tmp_path, "song.mid.gz", broken)).values()
        assert isinstance(detail, str)
    assert "more than" in detail


def test_a_song_packed_by_gzip_in_an_archive_is_told(archive):
    found = outcome(archive(FILES | {"packed.mid.gz": gzip.compress(SONGS[0])}))
    assert found == FILES | {"packed.mid.gz": "packed by gzip inside an archive; unpack it first"}


# Names and rejections


def test_odd_names_are_shown_as_text():
    assert printable("plain d\u00e9j\u00e0 \u97f3.mid") == "plain d\u00e9j\u00e0 \u97f3.mid"
    assert printable(os.fsdecode(b"a\xff\xfe\n\x1b[0m.mid")) == "a\\xff\\xfe\\x0a\\x1b[0m.mid"
    printable("\ud800").encode()


def test_a_rejection_survives_the_way_between_workers():
    rejection = pickle.loads(pickle.dumps(RejectedError(Reason.TOO_SHORT, "of 2 bars")))
    assert (rejection.reason, rejection.detail, str(rejection)) == (
        Reason.TOO_SHORT,
        "of 2 bars",
        "too short: of 2 bars",
    )
