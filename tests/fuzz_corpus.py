"""A folder of broken MIDI files and archives among good ones, made from real songs."""

import gzip
import io
import os
import random
import struct
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.midi_files import midi_bytes, steps

MILLION = 1_000_000
NOTHING = 100 << 20  # bytes
_ODD = "not UTF-8 \udcff.mid"
_LONGEST_DELTA = b"\xff\xff\xff\x7f"
_ALWAYS = b"\x00\xff\x58\x04\x04\x02\x18\x08"  # 4/4
_EVERY_EVENT = (
    _ALWAYS + b"\x00\x99\x24\x64\x81\x00\x24\x00\x00\xc9\x05\x00\xe9\x00\x40\x00\xff\x01\x02hi\x00\xf0\x03\x41\x10\xf7"
    b"\x00\xf2\x01\x02\x00\xf3\x01\x00\xf8\x00\xff\x51\x03\x07\xa1\x20\x81\x80\x80\x00\x89\x24\x00\x00\xff\x2f\x00"
)


# Banks, programs and system exclusive messages that make parts rhythm or melodic, whole and cut short, on odd ports.
_SETUPS = b"\x00\xff\x21\x01\xff\x00\xbf\x00\x7f\x00\xcf\x00\x00\x9f\x24\x64" + b"".join(
    b"\x00\xf0" + bytes([size]) + message[:size]
    for message in (
        b"\x41\x10\x42\x12\x40\x1f\x15\x01\x00\xf7",
        b"\x41\x10\x42\x12\x40\x00\x7f\x00\x41\xf7",
        b"\x43\x10\x4c\x08\x0f\x07\x01\xf7\x00\x00",
        b"\x43\x10\x4c\x08\x7f\x07\x01\xf7\x00\x00",
        b"\x43\x10\x4c\x00\x00\x7e\x00\xf7\x00\x00",
        b"\x7e\x7f\x09\x03\xf7\x00\x00\x00\x00\x00",
    )
    for size in range(len(message) + 1)
)


@dataclass
class FuzzCorpus:
    """Names as `midi_in` gives them, from the folder on. What is in neither may be read or rejected.

    good: the songs that must be read, with their bytes.  rejected: what must be rejected.
    """

    good: dict[str, bytes] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)


def write_fuzz_corpus(folder: Path, songs: list[bytes], seed: int = 0) -> FuzzCorpus:
    """Fills a folder; the same songs (six, of at least two bars) and seed give the same one."""
    good, rejected, others = _good(songs), _rejected(songs[0]), _damaged(songs, random.Random(seed))
    everything = good | rejected | others
    for name, data in {**everything, **_enormous()}.items():
        _write(folder, name, data)
    with open(folder / "nothing.mid", "wb") as file:
        file.truncate(NOTHING)
    corpus = FuzzCorpus(dict(good), {*rejected, *_enormous(), "nothing.mid"})
    _write_packed(folder, corpus, songs[0])
    _write_notes_without_end(folder, corpus)
    _write_what_is_no_file(folder, corpus, songs[1])
    _write_archives(folder, corpus, everything, good, rejected)
    return FuzzCorpus(
        {str(folder / name): data for name, data in corpus.good.items()},
        {str(folder / name) for name in corpus.rejected},
    )


def smf(*tracks: bytes, form: int = 1, division: int = 96) -> bytes:
    """A MIDI file of tracks whose events are given as bytes."""
    header = b"MThd" + struct.pack(">IHHH", 6, form, len(tracks), division)
    return header + b"".join(b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks)


def riff(midi: bytes) -> bytes:
    """The same as RIFF MIDI (.rmi), behind a chunk of information."""
    chunks = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
        for kind, data in ((b"LIST", b"INFOINAM\x04\0\0\0Song"), (b"data", midi))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"RMID" + chunks


def tar_of(files: dict[str, bytes], mode: str = "w") -> bytes:
    """A tar archive (mode "w:gz": packed) of files by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    """A zip archive of files by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    """The same with one bit changed."""
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def _good(songs: list[bytes]) -> dict[str, bytes]:
    karaoke = midi_bytes(steps(*range(0, 64, 3)), name="@KMIDI KARAOKE FILE")
    return {
        "a song.mid": songs[0],
        "UPPER.MID": songs[1],
        _ODD: songs[2],
        "below/riff.rmi": riff(songs[3]),
        "below/riff.mid": riff(songs[4]),
        "below/song.midi": songs[5],
        "karaoke.kar": karaoke,
        "setups.mid": smf(_ALWAYS + _SETUPS + b"\x20\x99\x24\x64" * 99),
        "a chunk of 4 GB.mid": songs[5][:18] + b"\xff\xff\xff\xff" + songs[5][22:],
        "time signature of nothing over four.mid": smf(b"\x00\xff\x58\x04\x00\x02\x18\x08" + b"\x20\x99\x24\x64" * 99),
    }


def _rejected(song: bytes) -> dict[str, bytes]:
    return {
        "empty.mid": b"",
        "text.mid": b"These are the words of a song, not its notes.\n" * 99,
        "picture.mid": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9,
        "zero division.mid": song[:12] + bytes(2) + song[14:],
        "SMPTE.mid": song[:12] + b"\xe7\x28" + song[14:],
        "format 2.mid": song[:8] + b"\x00\x02" + song[10:],
        "format 77.mid": song[:8] + b"\x00\x4d" + song[10:],
        "header only.mid": song[:14],
        "no track.mid": smf(),
        "half a header.kar": song[:9],
        "half a RIFF.rmi": riff(song)[:30],
        "a chunk of 4 GB without an end.mid": smf() + b"MTrk\xff\xff\xff\xff" + b"\x20\x99\x24\x64" * 99,
        "endless number.mid": smf(b"\xff" * 99),
        "no status.mid": smf(b"\x00\x24\x64" * 99),
        "note cut off.mid": smf(_ALWAYS + b"\x00\x99\x24"),
        "time signature cut off.mid": smf(_ALWAYS + b"\x00\xff\x58\x04"),
        "text cut off.mid": smf(_ALWAYS + b"\x20\x99\x24\x64" * 99 + b"\x00\xff\x01\x7fabc"),
        "system exclusive cut off.mid": smf(_ALWAYS + b"\x00\xf0\xff\xff\xff\x7f"),
    }


def _damaged(songs: list[bytes], chance: random.Random) -> dict[str, bytes]:
    """Files of which nobody knows whether they still hold a song."""
    files = {}
    for number in range(30):
        song = chance.choice(songs)
        files[f"damaged/cut {number}.mid"] = song[: chance.randrange(len(song))]
        bits = bytearray(song)
        for _ in range(1 << chance.randrange(10)):
            bits[chance.randrange(len(bits))] ^= 1 << chance.randrange(8)
        files[f"damaged/flipped {number}.mid"] = bytes(bits)
        chunk = song.index(b"MTrk") + 4
        length = struct.pack(">I", chance.choice([0, 1, 7, len(song), 1 << 31, chance.randrange(len(song))]))
        files[f"damaged/length {number}.mid"] = song[:chunk] + length + song[chunk + 4 :]
        noise = bytes(chance.choices(range(256), k=3000))
        files[f"damaged/noise {number}.mid"] = smf(_ALWAYS + b"\x00\x99" + noise)
        running = bytes(chance.choices(range(128), k=3000))
        files[f"damaged/running status {number}.mid"] = smf(_ALWAYS + b"\x00\x99" + running)
        moved = bytearray(song)
        at = chance.randrange(chunk, len(song))
        moved[at:at] = _LONGEST_DELTA
        files[f"damaged/delta {number}.mid"] = bytes(moved)
    for end in range(len(_EVERY_EVENT)):
        files[f"damaged/end {end}.mid"] = smf(_EVERY_EVENT[:end])
    files["damaged/time signature of one byte.mid"] = smf(b"\x00\xff\x58\x01\x04")
    return files


def _enormous() -> dict[str, bytes]:
    """Well-formed, and no windows of two bars: of too many notes or bars, or of too few."""
    a_bar_on = b"\x83\x00\x24\x64"  # 384 ticks
    return {
        "a million notes at once.mid": smf(b"\x00\x99\x24\x64" + b"\x00\x24\x64" * MILLION + b"\x01\x24\x00" * MILLION),
        "a million bars.mid": smf(b"\x00\x99\x24\x64" + a_bar_on * MILLION + b"\x01\x24\x00"),
        "a million notes far apart.mid": smf(
            b"\x00\x99\x24\x64" + (_LONGEST_DELTA + b"\x24\x64") * MILLION + b"\x01\x24\x00", division=1
        ),
        "three million notes.mid": smf(b"\x00\x99\x24\x64" + b"\x00\x24\x64" * (3 * MILLION) + b"\x01\x24\x00"),
        "three million meters.mid": smf(b"\x01\xff\x58\x02\x03\x02" * (3 * MILLION)),
        "a million meters.mid": smf(
            b"".join(b"\x01\xff\x58\x02" + bytes([number % 251, number % 7]) for number in range(MILLION // 10)) * 10
            + b"\x00\x99\x24\x64\x01\x24\x00"
        ),
        "65,535 tracks.mid": smf(*[b""] * 65_535),
    }


def _write_notes_without_end(folder: Path, corpus: FuzzCorpus) -> None:
    name, midi = "a million notes that never end.mid", smf(b"\x00\x99\x24\x64" + b"\x01\x24\x64" * MILLION)
    _write(folder, name, midi)
    corpus.good[name] = midi


def _write_what_is_no_file(folder: Path, corpus: FuzzCorpus, song: bytes) -> None:
    (folder / "dangling.mid").symlink_to("nowhere")
    (folder / "itself.mid").symlink_to("itself.mid")
    (folder / "zeros.mid").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.mid")
    os.mkfifo(folder / "pipe.tar.gz")
    corpus.rejected |= {"dangling.mid", "itself.mid", "zeros.mid", "pipe.mid", "pipe.tar.gz"}
    (folder / "below" / "circle").symlink_to(folder)
    (folder / "circle.mid").symlink_to(folder)
    (folder / "folder.mid").mkdir()
    _write(folder, "folder.mid/song.mid", song)
    corpus.good["folder.mid/song.mid"] = song


def _write_packed(folder: Path, corpus: FuzzCorpus, song: bytes) -> None:
    packed = gzip.compress(song)
    _write(folder, "song.mid.gz", packed)
    _write(folder, "cut.mid.gz", packed[:-9])
    _write(folder, "bomb.mid.gz", gzip.compress(bytes(NOTHING)))
    corpus.good["song.mid.gz"] = song
    corpus.rejected |= {"cut.mid.gz", "bomb.mid.gz"}


def _write_archives(folder: Path, corpus: FuzzCorpus, everything, good, rejected) -> None:
    for name, mode in (("all.tar", "w"), ("all.tar.gz", "w:gz"), ("all.tgz", "w:gz")):
        _write(folder, name, tar_of(everything, mode))
        corpus.good |= {f"{name}/{member}": data for member, data in good.items()}
        corpus.rejected |= {f"{name}/{member}" for member in rejected}

    # zipfile writes no name that is not UTF-8; other programs do, and it reads them as code page 437.
    in_zip = {name.replace("\udcff", "~"): data for name, data in everything.items()}
    zipped = zip_of(in_zip | {"nothing.mid": bytes(NOTHING)}).replace(b"UTF-8 ~", b"UTF-8 \xff")
    as_read = {name: name.replace("\udcff", b"\xff".decode("cp437")) for name in everything}
    _write(folder, "all.zip", zipped)
    corpus.good |= {f"all.zip/{as_read[member]}": data for member, data in good.items()}
    corpus.rejected |= {f"all.zip/{member}" for member in (*rejected, "nothing.mid")}
    _write(folder, "cut.zip", zipped[: zipped.index(b"PK\1\2")])

    few = dict(list(good.items())[3:])
    victim, *others = few
    tar, zipped = tar_of(few), zip_of(few)
    broken = {
        "damaged.tar": flipped(tar, 5),
        "damaged.zip": flipped(zipped, zipped.index(b"riff.rmi") + 500),
    }
    for name, data in broken.items():
        _write(folder, name, data)
        corpus.good |= {f"{name}/{member}": few[member] for member in others}
    _write(folder, "damaged directory.zip", flipped(zipped, zipped.index(b"PK\1\2")))
    corpus.rejected |= {"damaged.tar", f"damaged.zip/{victim}", "damaged directory.zip", "cut.zip"}

    noise = random.Random(1).randbytes(20_000)
    for suffix in ("tar", "tar.gz", "tgz", "zip"):
        _write(folder, f"noise.{suffix}", noise)
        _write(folder, f"empty.{suffix}", b"")
        corpus.rejected |= {f"noise.{suffix}", f"empty.{suffix}"}
    packed = tar_of(few, "w:gz")
    for cut in (5, 200, len(packed) // 2, len(packed) - 4):
        _write(folder, f"cut at {cut}.tar.gz", packed[:cut])
        _write(folder, f"cut at {cut}.zip", zipped[:cut])
        corpus.rejected |= {f"cut at {cut}.tar.gz", f"cut at {cut}.zip"}


def _write(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
