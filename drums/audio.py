"""The sound of grids and MIDI files: the program fluidsynth and a General MIDI sound font in, WAV or MP3 out."""

import io
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.drums.notes import encode_midi

from drumline.errors import InputError

SAMPLE_RATE = 44100  # Hz
SOUNDFONT = "DRUMLINE_SOUNDFONT"  # the environment variable with the path of another sound font

# TimGM6mb before the others, so that beats sound the same wherever its package is.
_SOUNDFONTS = tuple(
    Path("/usr/share/sounds", name)
    for name in ("sf2/TimGM6mb.sf2", "sf2/default-GM.sf2", "sf3/default-GM.sf3", "sf2/FluidR3_GM.sf2")
)
_PEAK = 0.89  # -1 dB: MP3 may come out a little louder than what went in
_INAUDIBLE = 1e-3  # -60 dB
_NOISE = 1e-6  # above fluidsynth's silence, and below the softest hit
_TAIL = 1.5  # seconds that may sound on behind the last step
_FADE = 0.05  # seconds
_BPM_OF_ONE_SHOTS = 40.0  # a bar of 6 seconds, in which every drum dies away


def why_unavailable() -> str | None:
    """Why there is no sound on this machine and what to install, in one sentence; None where there is."""
    if not shutil.which("fluidsynth"):
        return (
            "no sound: the program fluidsynth is not on the PATH; "
            "install it (Debian: apt-get install fluidsynth timgm6mb-soundfont)"
        )
    font = _soundfont()
    if font and not _is_soundfont(font):
        return f"no sound: {font}: this is no sound font; set {SOUNDFONT} to one, or unset it"
    if not font:
        return (
            "no sound: there is no General MIDI sound font in /usr/share/sounds; install one "
            f"(Debian: apt-get install timgm6mb-soundfont) or set {SOUNDFONT} to the path of one"
        )
    return None


def render(hits: np.ndarray, bpm: float = 120.0) -> np.ndarray:
    """The sound of a grid, with a tail; `render_midi` tells how.

    Args:
      hits: [steps, 9], hits or velocities as `drums.notes.encode_midi` takes them.
      bpm: Quarter notes a minute.

    Raises:
      InputError: There is no synthesizer.
      ValueError: This is not a grid.
    """
    return render_midi(encode_midi(hits, bpm), len(hits) * _seconds_of_step(bpm))


def render_midi(midi: bytes, seconds: float, *, loop: bool = False) -> np.ndarray:
    """The sound of a MIDI file, its peak at -1 dB, so that clips are about as loud as each other.

    Args:
      midi: The bytes of the file.
      seconds: How long its bars are.
      loop: Whether it lasts exactly as long as its bars, and what sounds on behind them sounds at its beginning, as it
        does where the bars are repeated. Without, it lasts up to 1.5 s longer where a drum sounds on.

    Returns:
      Float32 [samples], mono at 44.1 kHz. A file without notes is silence.

    Raises:
      InputError: There is no synthesizer.
    """
    length, sound = round(seconds * SAMPLE_RATE), _synthesize(midi)
    if loop:
        sound = np.pad(sound, (0, -len(sound) % max(length, 1)))
        return _normalize(sound.reshape(-1, length).sum(axis=0) if length else sound)
    sound = _trim(sound[: length + round(_TAIL * SAMPLE_RATE)])
    return _normalize(_fade(np.pad(sound, (0, max(length - len(sound), 0)))))


def encode_wav(samples: np.ndarray) -> bytes:
    """A WAV file of samples, float [samples], mono at 44.1 kHz: unlike an MP3 file it has exactly these samples."""
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def encode_mp3(samples: np.ndarray) -> bytes:
    """An MP3 file of samples, float [samples], mono at 44.1 kHz: about 60 kilobit a second."""
    file = io.BytesIO()
    quality = {"compression_level": 0.7, "bitrate_mode": "VARIABLE"}
    soundfile.write(file, samples, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III", **quality)
    return file.getvalue()


def render_one_shots() -> dict[str, bytes]:
    """An MP3 file of one hit of each drum of the kit, up to 1.5 s; together as loud as drums are to each other.

    Raises InputError where there is no synthesizer.
    """
    hits = np.zeros([len(DRUMS) * STEPS_PER_BAR, len(DRUMS)], np.int64)
    hits[np.arange(len(DRUMS)) * STEPS_PER_BAR, np.arange(len(DRUMS))] = 1
    sound = _normalize(_synthesize(encode_midi(hits, _BPM_OF_ONE_SHOTS)))
    bar, length = STEPS_PER_BAR * _seconds_of_step(_BPM_OF_ONE_SHOTS) * SAMPLE_RATE, round(_TAIL * SAMPLE_RATE)
    starts = (round(drum * bar) for drum in range(len(DRUMS)))
    return {
        drum: encode_mp3(_fade(_trim(sound[start : start + length]))) for drum, start in zip(DRUMS, starts, strict=True)
    }


def _soundfont() -> Path | None:
    if named := os.environ.get(SOUNDFONT):
        return Path(named)
    return next((path for path in _SOUNDFONTS if path.is_file()), None)


def _is_soundfont(path: Path) -> bool:
    """By its first bytes: fluidsynth passes over a file that is none and plays with another one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(12)
    return start[:4] == b"RIFF" and start[8:] == b"sfbk"


def _seconds_of_step(bpm: float) -> float:
    return 60 / bpm / (STEPS_PER_BAR // 4)


def _synthesize(song: bytes) -> np.ndarray:
    """What fluidsynth makes of a MIDI file, both channels as one, float32 [samples]."""
    if why := why_unavailable():
        raise InputError(why)
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder, "beat.mid"), Path(folder, "beat.wav")
        midi.write_bytes(song)
        sound_of_midi = ["-ni", "-q", "-T", "wav", "-O", "float", "-r", str(SAMPLE_RATE), "-F", str(wav)]
        done = subprocess.run(["fluidsynth", *sound_of_midi, str(_soundfont()), str(midi)], capture_output=True)
        if done.returncode or not wav.exists():
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise InputError(f"{_soundfont()}: fluidsynth could not play with this sound font ({' '.join(said)})")
        sound = soundfile.read(wav, dtype="float32", always_2d=True)[0].mean(axis=1)
    return np.where(np.abs(sound) < _NOISE, np.float32(0), sound)


def _loudest(sound: np.ndarray) -> float:
    return float(np.abs(sound).max(initial=0))


def _normalize(sound: np.ndarray) -> np.ndarray:
    return sound * np.float32(_PEAK / (_loudest(sound) or 1))


def _trim(sound: np.ndarray) -> np.ndarray:
    """Without the silence behind."""
    audible = np.flatnonzero(np.abs(sound) > _INAUDIBLE * _loudest(sound))
    return sound[: audible[-1] + 1 if len(audible) else 0]


def _fade(sound: np.ndarray) -> np.ndarray:
    """Its last 50 ms going to nothing, so that a cut does not click."""
    fade = min(round(_FADE * SAMPLE_RATE), len(sound))
    return sound * np.concatenate([np.ones(len(sound) - fade), np.linspace(1, 0, fade)]).astype(np.float32)
