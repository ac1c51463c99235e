"""The listening test: which is the better beat? Pairs of clips of models and held-out songs, blind, and a ranking."""
