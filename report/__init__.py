"""The report of a run: what it reached, as figures, pictures, beats that can be heard, and lineage."""
