"""The TFX components and the functions that TFX calls. They only wire what `drums` and `models` do."""
