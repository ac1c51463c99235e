"""A song as bytes, for its way through Beam's shuffles."""

import struct
import zlib

import numpy as np
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.drums.windows import Song


def pack(song: Song) -> bytes:
    """A song of some hundred bars takes a kilobyte or two: most steps are silent."""
    segments = song.segments.astype("<i4").tobytes()
    return zlib.compress(struct.pack("<i", len(song.segments)) + segments + song.velocities.tobytes(), 1)


def unpack(packed: bytes) -> Song:
    """The song that `pack` packed."""
    plain = zlib.decompress(packed)
    (count,) = struct.unpack_from("<i", plain)
    segments = np.frombuffer(plain, "<i4", count, 4).astype(np.int64)
    velocities = np.frombuffer(plain, np.uint8, offset=4 + 4 * count)
    return Song(velocities.reshape(-1, STEPS_PER_BAR, len(DRUMS)), segments)
