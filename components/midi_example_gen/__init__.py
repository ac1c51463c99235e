"""MidiExampleGen: MIDI files in, tf.Examples of drum windows out, split by song."""

from components.midi_example_gen.component import SPLITS, MidiExampleGen

__all__ = ["SPLITS", "MidiExampleGen"]
