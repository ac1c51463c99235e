"""The music: kit, MIDI to windows, grid to MIDI, corpora. No TensorFlow, no TFX."""
