"""MidiExampleGen: MIDI files in, tf.Examples of drum windows out, split by song."""

from drumline.components.midi_example_gen.component import SPLITS, MidiExampleGen
from drumline.components.midi_example_gen.fingerprint import CorpusFingerprint

__all__ = ["SPLITS", "CorpusFingerprint", "MidiExampleGen"]
