import dataclasses
import hashlib
import http.server
import random
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from drumline.corpora import downloads
from drumline.corpora.downloads import Download, fetch_download
from drumline.corpora.find import find_midi
from drumline.corpora.midi_sources import midi_in
from drumline.corpora.reading import DRUM_MAP_FILE
from drumline.drums.kit import ROLAND, read_drum_map

from drumline.errors import InputError
from tests.fuzz_corpus import tar_of
from tests.midi_files import midi_bytes, steps

SONGS = {f"{step}.mid": midi_bytes(steps(0, step)) for step in range(1, 5)}
ARCHIVE = tar_of(SONGS | {"read.me": random.Random(0).randbytes(900_000)}, "w:gz")
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


@dataclass
class Server:
    """A web server of one file.

    serves: its bytes.  breaks: after how many bytes each of the next answers breaks off.  statuses: of the next
    answers.  ranges: whether it knows them.  requests: the Range of each request so far ("" without).
    """

    address: str = ""
    serves: bytes = ARCHIVE
    breaks: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    length: bool = True
    encoding: str = ""
    requests: list[str] = field(default_factory=list)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range", "")
        self.requests.append(asked)
        if self.statuses:
            status = self.statuses.pop(0)
            if status != 200:
                handler.send_error(status)
                return
        begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.ranges else 0
        body = self.serves[begin:]
        if begin and not body:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.serves)}")
            handler.end_headers()
            return
        handler.send_response(206 if begin else 200)
        if begin:
            handler.send_header("Content-Range", f"bytes {begin}-{len(self.serves) - 1}/{len(self.serves)}")
        if self.length:
            handler.send_header("Content-Length", str(len(body)))
        if self.encoding:
            handler.send_header("Content-Encoding", self.encoding)
        handler.end_headers()
        handler.wfile.write(body[: self.breaks.pop(0)] if self.breaks else body)


@pytest.fixture
def server(monkeypatch):
    serving = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            serving.answer(self)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        serving.address = f"http://127.0.0.1:{listening.server_port}/lmd_full.tar.gz"
        offer(monkeypatch, serving.address)
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        listening.shutdown()
        thread.join()


def offer(monkeypatch, address: str) -> None:
    """Makes `lakh` the archive of this test, at an address."""
    monkeypatch.setattr(downloads, "_PAUSE", 0)
    monkeypatch.setitem(downloads.DOWNLOADS, "lakh", Download(address, SHA256, "It is free; cite it."))


def songs_in(corpus: Path) -> dict[str, bytes]:
    return {name.rsplit("/", 1)[-1]: midi for path in find_midi(str(corpus)) for name, midi in midi_in(path)}


def assert_whole(corpus: Path) -> None:
    assert sorted(path.name for path in corpus.iterdir()) == ["LICENSE", "lmd_full.tar.gz"]
    assert (corpus / "lmd_full.tar.gz").read_bytes() == ARCHIVE
    assert songs_in(corpus) == SONGS


def refusal(into: Path) -> str:
    """The one sentence of a fetch that fails, which leaves nothing that could be taken for a corpus."""
    with pytest.raises(InputError) as error:
        fetch_download("lakh", into)
    assert "\n" not in str(error.value)
    assert find_midi(str(into)) == []
    return str(error.value)


def test_an_archive_is_fetched_whole_with_its_licence_and_stays_packed(server, tmp_path):
    corpus = fetch_download("lakh", tmp_path / "not" / "yet")
    assert corpus == tmp_path / "not" / "yet" / "lakh"
    assert_whole(corpus)
    assert (corpus / "LICENSE").read_text() == "It is free; cite it.\n"
    assert server.requests == [""]


def test_a_corpus_of_another_kit_is_fetched_with_its_drum_map(server, tmp_path, monkeypatch):
    assert downloads.DOWNLOADS["groove"].drum_map == ROLAND
    of_roland = dataclasses.replace(downloads.DOWNLOADS["lakh"], drum_map=ROLAND)
    monkeypatch.setitem(downloads.DOWNLOADS, "lakh", of_roland)
    corpus = fetch_download("lakh", tmp_path)
    assert read_drum_map(str(corpus / DRUM_MAP_FILE)) == ROLAND


def test_a_repeated_fetch_downloads_nothing(server, tmp_path):
    for _ in range(2):
        assert_whole(fetch_download("lakh", tmp_path))
    assert len(server.requests) == 1


def test_a_download_that_breaks_off_goes_on_where_it_was(server, tmp_path):
    server.breaks = [300_000, 1, 0, 200_000]
    assert_whole(fetch_download("lakh", tmp_path))
    assert server.requests == ["", "bytes=300000-", "bytes=300001-", "bytes=300001-", "bytes=500001-"]


def test_a_download_without_ranges_begins_again(server, tmp_path):
    server.ranges, server.breaks = False, [300_000, 200_000]
    assert_whole(fetch_download("lakh", tmp_path))
    assert len(server.requests) == 3


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_always_breaks_off_ends_in_a_sentence(server, tmp_path, ranges):
    server.ranges, server.breaks = ranges, [300_000] + [0] * 99
    assert "lmd_full.tar.gz: the download breaks off again and again" in refusal(tmp_path)
    assert 3 < len(server.requests) < 9


@pytest.mark.parametrize("ranges", [True, False])
def test_a_later_call_goes_on_with_what_an_earlier_one_got(server, tmp_path, ranges):
    server.breaks = [300_000] + [0] * 99
    assert "300,000 bytes; those are kept" in refusal(tmp_path)
    server.breaks, server.ranges = [], ranges
    server.requests.clear()
    assert_whole(fetch_download("lakh", tmp_path))
    assert server.requests == ["bytes=300000-"]


def test_an_interrupted_download_is_not_taken_for_whole(server, tmp_path, monkeypatch):
    with monkeypatch.context() as interrupted:

        def interrupt(*_):
            raise KeyboardInterrupt

        server.breaks = [300_000]
        interrupted.setattr(time, "sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch_download("lakh", tmp_path)
    assert find_midi(str(tmp_path)) == []
    assert_whole(fetch_download("lakh", tmp_path))
    assert server.requests == ["", "bytes=300000-"]


def test_what_was_all_there_but_its_name_is_not_downloaded_again(server, tmp_path):
    (tmp_path / "lakh").mkdir()
    (tmp_path / "lakh" / "lmd_full.tar.gz.partial").write_bytes(ARCHIVE)
    assert_whole(fetch_download("lakh", tmp_path))
    assert server.requests == [f"bytes={len(ARCHIVE)}-"]


@pytest.mark.parametrize("excess", [b"", b"and more"])
def test_a_beginning_of_other_bytes_is_deleted_and_then_fetched_anew(server, tmp_path, excess):
    partial = tmp_path / "lakh" / "lmd_full.tar.gz.partial"
    partial.parent.mkdir()
    partial.write_bytes(bytes(len(ARCHIVE)) + excess if excess else bytes(1000))
    if not excess:
        assert "another checksum" in refusal(tmp_path)
    assert_whole(fetch_download("lakh", tmp_path))


def test_wrong_bytes_end_in_a_sentence_and_are_deleted(server, tmp_path):
    server.serves = ARCHIVE[:-1] + b"?"
    assert f"{server.address}: what came has another checksum" in refusal(tmp_path)
    assert [path.name for path in (tmp_path / "lakh").iterdir()] == []
    server.serves = ARCHIVE
    assert_whole(fetch_download("lakh", tmp_path))


@pytest.mark.parametrize("damage", [b"", b"half", ARCHIVE + b"more"])
def test_a_damaged_archive_is_fetched_anew(server, tmp_path, damage):
    corpus = fetch_download("lakh", tmp_path)
    (corpus / "lmd_full.tar.gz").write_bytes(damage)
    assert_whole(fetch_download("lakh", tmp_path))


def test_a_page_that_is_gone_ends_in_a_sentence(server, tmp_path):
    server.statuses = [404] * 9
    assert refusal(tmp_path) == f"{server.address}: the server answers 404 Not Found"
    assert len(server.requests) == 1


def test_a_server_that_is_busy_is_asked_again(server, tmp_path):
    server.statuses = [500, 503, 429, 200]
    assert_whole(fetch_download("lakh", tmp_path))


def test_a_server_that_stays_broken_ends_in_a_sentence(server, tmp_path):
    server.statuses = [500] * 99
    assert refusal(tmp_path) == f"{server.address}: the server answers 500 Internal Server Error"
    assert len(server.requests) < 9


def test_a_server_that_cannot_be_reached_ends_in_a_sentence(monkeypatch, tmp_path):
    offer(monkeypatch, "http://127.0.0.1:9/lmd_full.tar.gz")
    assert refusal(tmp_path) == "http://127.0.0.1:9/lmd_full.tar.gz: cannot be reached ([Errno 111] Connection refused)"


def test_a_name_that_no_server_has_ends_in_a_sentence(monkeypatch, tmp_path):
    offer(monkeypatch, "http://nowhere.invalid/lmd_full.tar.gz")
    monkeypatch.setenv("no_proxy", "*")
    assert "http://nowhere.invalid/lmd_full.tar.gz: cannot be reached (" in refusal(tmp_path)


@pytest.mark.parametrize("breaks", [[], [300_000]])
def test_an_answer_of_unannounced_length_is_held_to_its_checksum(server, tmp_path, breaks):
    server.length, server.breaks = False, breaks
    if breaks:
        assert "another checksum" in refusal(tmp_path)
    assert_whole(fetch_download("lakh", tmp_path))


def test_an_archive_is_stored_as_sent_whatever_the_server_calls_it(server, tmp_path):
    server.encoding = "gzip"
    assert_whole(fetch_download("lakh", tmp_path))


def test_two_calls_at_once_do_not_write_one_file(server, tmp_path, monkeypatch):
    sentences = []
    session = downloads._session

    def another_call_meanwhile() -> requests.Session:
        monkeypatch.setattr(downloads, "_session", session)
        sentences.append(refusal(tmp_path))
        return session()

    monkeypatch.setattr(downloads, "_session", another_call_meanwhile)
    assert_whole(fetch_download("lakh", tmp_path))
    assert "another call is downloading this just now" in sentences[0]


def test_a_place_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/below/lakh: cannot write there"):
        fetch_download("lakh", tmp_path / "file" / "below")
    assert server.requests == []


def test_a_full_disk_is_one_sentence(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "_complete", full)
    assert refusal(tmp_path) == f"{tmp_path / 'lakh'}: cannot write there (No space left on device)"


@pytest.mark.parametrize("name", ["groove", "lakh"])
def test_every_corpus_names_its_licence_and_a_whole_checksum(name):
    download = downloads.DOWNLOADS[name]
    assert "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)" in download.license
    assert re.fullmatch("[0-9a-f]{64}", download.sha256)
    assert find_midi(download.file_name) == [download.file_name]
