import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drumline.corpora.find import find_midi
from drumline.drums.midi import MOST_EVENTS, Reason, RejectedError
from drumline.drums.smf import read_drum_events
from drumline.drums.smf_chunks import SmfError
from drumline.drums.windows import MOST_BARS, read_song, read_windows
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz_corpus import FuzzCorpus, smf, write_fuzz_corpus
from tests.midi_files import BAR, KICK, midi_bytes

ROOT = Path(__file__).parent.parent.parent
MEMORY = 768 << 20  # bytes beyond what the imports take
BARS = 2

# Prints one JSON object a file: its name, and the digest of its windows or the reason why it has none.
READ_ALL = f"""
import hashlib, json, resource, sys
from drumline.corpora.find import find_midi
from drumline.drums.midi import RejectedError
from drumline.corpora.midi_sources import midi_in
from drumline.drums.windows import read_windows

taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + {MEMORY}, taken + {MEMORY}))
for path in find_midi(sys.argv[1]):
    for name, midi in midi_in(path):
        try:
            if isinstance(midi, RejectedError):
                raise midi
            print(json.dumps([name, hashlib.sha256(read_windows(midi, {BARS})[1]).hexdigest(), ""]))
        except RejectedError as rejection:
            print(json.dumps([name, rejection.reason, rejection.detail]))
"""


@pytest.fixture(scope="module")
def corpus(freedoom, tmp_path_factory) -> tuple[Path, FuzzCorpus]:
    songs = []
    for path in sorted(freedoom.glob("*.mid"), key=lambda path: path.stat().st_size):
        midi = path.read_bytes()
        if windows_of(midi) not in {str(reason) for reason in Reason}:
            songs.append(midi)
    folder = tmp_path_factory.mktemp("fuzz")
    return folder, write_fuzz_corpus(folder, songs[:6])


def windows_of(midi: bytes) -> str:
    """The digest of a file's windows, read alone, or the reason why it has none."""
    try:
        return hashlib.sha256(read_windows(midi, BARS)[1]).hexdigest()
    except RejectedError as rejection:
        return str(rejection.reason)


def outcomes(folder: Path, **environment: str) -> list[list[str]]:
    """What comes of each file when all are read in one process of bounded memory."""
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, folder],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def read(corpus) -> list[list[str]]:
    return outcomes(corpus[0])


def test_every_file_is_read_or_rejected_with_a_reason_once(corpus, read):
    folder, _ = corpus
    assert {name: times for name, times in Counter(name for name, _, _ in read).items() if times > 1} == {}
    reasons = {str(reason) for reason in Reason}
    assert all(detail and "\n" not in detail for _, outcome, detail in read if outcome in reasons)
    assert not any("Memory" in detail for _, _, detail in read)
    for path in find_midi(str(folder)):
        assert any(name == path or name.startswith(f"{path}/") for name, _, _ in read), path


def test_no_good_file_is_lost_because_of_a_bad_neighbour(corpus, read):
    found = {name: outcome for name, outcome, _ in read}
    good = corpus[1].good
    assert len(good) > 40
    assert {name: found.get(name) for name in good} == {name: windows_of(midi) for name, midi in good.items()}
    assert not {str(reason) for reason in Reason} & {found[name] for name in good}


def test_what_holds_no_song_is_rejected(corpus, read):
    reasons = {str(reason) for reason in Reason}
    rejected = {name for name, outcome, _ in read if outcome in reasons}
    assert corpus[1].rejected - rejected == set()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a million notes at once.mid", Reason.TOO_SHORT),
        ("a million bars.mid", Reason.TOO_LONG),
        ("a million notes far apart.mid", Reason.TOO_LONG),
        ("three million notes.mid", Reason.TOO_LONG),
        ("three million meters.mid", Reason.TOO_LONG),
        ("a million meters.mid", Reason.NO_COMMON_TIME),
        ("65,535 tracks.mid", Reason.NO_DRUMS),
        ("nothing.mid", Reason.UNREADABLE),
    ],
)
def test_what_is_enormous_is_rejected_for_what_it_is(corpus, read, name, reason):
    ((outcome, detail),) = [(outcome, detail) for found, outcome, detail in read if found == str(corpus[0] / name)]
    assert outcome == reason
    assert len(detail) < 200


def test_no_loop_reads_or_writes_outside_its_arrays(corpus, read, tmp_path):
    assert outcomes(corpus[0], NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path)) == read


def test_a_folder_fuzzed_twice_is_the_same(corpus, freedoom, tmp_path):
    songs = [path.read_bytes() for path in sorted(freedoom.glob("*.mid"))[:6]]
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        write_fuzz_corpus(folder, songs)
    for path in find_midi(str(one)):
        if Path(path).is_file() and path.endswith("mid"):
            assert Path(path).read_bytes() == Path(other, os.path.relpath(path, one)).read_bytes()


# Arbitrary bytes

CHUNKS = st.builds(lambda kind, data: kind + len(data).to_bytes(4, "big") + data, st.just(b"MTrk"), st.binary())
DRUM_TRACKS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=4),
        st.sampled_from([b"\x00\x99\x24\x64", b"\x08\x24\x00", b"\x00\x89\x24\x00", b"\xff\xff\xff\x7f"]),
        st.sampled_from([b"\x00\xb3\x00\x7f", b"\x00\xc3\x00", b"\x00\x93\x24\x64", b"\x00\xff\x21\x01\x7f"]),
        st.builds(lambda data: b"\x00\xf0" + bytes([len(data)]) + data, st.binary(max_size=10)),
        st.builds(
            lambda above, below: b"\x00\xff\x58\x02" + bytes([above, below]), st.integers(0, 255), st.integers(0, 255)
        ),
    ),
    max_size=40,
).map(b"".join)


@settings(max_examples=500, deadline=None)
@given(
    tail=st.one_of(st.binary(max_size=400), st.lists(CHUNKS, max_size=4).map(b"".join)),
    header=st.tuples(st.integers(0, 1), st.integers(0, 65535), st.integers(1, 32767)),
)
def test_arbitrary_bytes_behind_a_header_are_read_or_refused(header, tail):
    form, tracks, division = header
    head = b"MThd\0\0\0\6" + form.to_bytes(2, "big") + tracks.to_bytes(2, "big") + division.to_bytes(2, "big")
    try:
        events = read_drum_events(head + tail)
    except SmfError:
        return
    assert len(events.ticks) == len(events.pitches) == len(events.velocities) <= len(tail)
    assert (events.ticks >= 0).all()


@settings(max_examples=500, deadline=None)
@given(st.lists(DRUM_TRACKS, min_size=1, max_size=3), st.integers(1, 32767))
def test_a_song_takes_memory_by_its_notes_and_not_by_its_ticks(tracks, division):
    midi = smf(*tracks, division=division)
    try:
        song = read_song(midi)
    except RejectedError:
        return
    notes = len(read_drum_events(midi).ticks)
    assert song.bars == song.segments.sum() <= 2 * notes
    assert len(song.segments) <= notes
    assert song.velocities.nbytes == song.bars * 16 * 9


@pytest.mark.parametrize(("extra", "reason"), [(0, None), (1, Reason.TOO_LONG)])
def test_a_song_may_have_so_many_bars_and_no_more(extra, reason):
    midi = midi_bytes([(bar * BAR, KICK, 100) for bar in range(MOST_BARS + extra)])
    if reason is None:
        assert read_song(midi).bars == MOST_BARS
        return
    with pytest.raises(RejectedError, match=f"{MOST_BARS + 1:,} bars, of {MOST_BARS:,}") as rejection:
        read_song(midi)
    assert rejection.value.reason is reason


def test_a_song_may_have_so_many_notes_and_no_more():
    def hits(notes: int) -> bytes:
        return smf(b"\x00\x99\x24\x64" + b"\x00\x24\x64" * (notes - 1) + b"\x01\x24\x00")

    assert read_song(hits(MOST_EVENTS)).bars == 1
    with pytest.raises(RejectedError, match="drum notes") as rejection:
        read_song(hits(MOST_EVENTS + 1))
    assert rejection.value.reason is Reason.TOO_LONG


def test_ticks_are_summed_beyond_32_bits():
    # Eight of the longest deltas, and then two hits a bar apart.
    wait = b"\xff\xff\xff\x7f\x99\x24\x00" * 64
    song = read_song(smf(wait + b"\x00\x99\x24\x64\x83\x00\x24\x64\x01\x24\x00"))
    events = read_drum_events(smf(wait + b"\x00\x99\x24\x64\x83\x00\x24\x64\x01\x24\x00"))
    assert events.ticks.tolist() == [64 * ((1 << 28) - 1), 64 * ((1 << 28) - 1) + 384]
    assert np.count_nonzero(song.velocities) == 2
