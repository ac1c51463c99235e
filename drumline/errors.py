"""The one error that a user of Drumline is meant to see."""


class InputError(ValueError):
    """What the user gave cannot be used. The message is one sentence: what, where, and what to do about it."""
