"""How the MIDI files of a corpus are read: drum map, channel, loops."""

import os
from dataclasses import dataclass, field

from drumline.drums.kit import GM, DrumMap, read_drum_map
from drumline.drums.midi import DrumNotes, read_drum_notes
from drumline.drums.windows import Song, require_windows, song_of

from drumline.errors import InputError

DRUM_MAP_FILE = "drum_map.toml"


@dataclass(frozen=True)
class Reading:
    """How the MIDI files of a corpus are read.

    Attributes:
      drum_map: The name, file or text of a drum map (see `read_drum_map`); empty for the `drum_map.toml` in the folder
        of a file or in the nearest one above it, or else General MIDI's.
      channel: The MIDI channel of the drums, 1 to 16; 0 for channel 10 and what else a file makes a rhythm part.
      loops: Whether a file shorter than a window is repeated until it fills one.
    """

    drum_map: str = ""
    channel: int = 0
    loops: bool = False
    _maps: dict[str, DrumMap] = field(default_factory=dict, init=False, repr=False, compare=False)  # by folder

    def __post_init__(self):
        if not 0 <= self.channel <= 16:
            raise InputError(f"a MIDI channel is a number from 1 to 16, not {self.channel}")
        if self.drum_map:
            read_drum_map(self.drum_map)

    def read_notes(self, path: str, midi: bytes) -> DrumNotes:
        """The drum notes of a file, given its bytes and the path of it or of its archive. Raises RejectedError."""
        folder = os.path.dirname(path)
        if folder not in self._maps:
            self._maps[folder] = read_drum_map(self.drum_map) if self.drum_map else find_drum_map(folder)
        return read_drum_notes(midi, self._maps[folder], self.channel)

    def read_song(self, path: str, midi: bytes, bars: int) -> Song:
        """The song in a file, with at least one window of so many bars. Raises RejectedError."""
        song = song_of(self.read_notes(path, midi))
        if self.loops:
            song = song.looped(bars)
        require_windows(song, bars)
        return song


def find_drum_map(folder: str) -> DrumMap:
    """The drum map of the files in a folder, by its `drum_map.toml` or the nearest above it; else General MIDI's."""
    file = find_drum_map_file(folder)
    return read_drum_map(file) if file else GM


def find_drum_map_file(folder: str) -> str:
    """The path of the nearest `drum_map.toml`, in a folder of this machine or above it; empty where there is none."""
    if "://" in folder:
        return ""  # a bucket has no folders to look in
    folder = os.path.abspath(folder)
    while True:
        file = os.path.join(folder, DRUM_MAP_FILE)
        if os.path.isfile(file):
            return file
        if folder == (folder := os.path.dirname(folder)):
            return ""
