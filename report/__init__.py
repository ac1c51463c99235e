"""The report of a run: what it reached, as figures, pictures, beats that can be heard, and lineage."""

from pathlib import Path

COLOURS = Path(__file__).parent / "colours.css"  # of every page, in light and dark
