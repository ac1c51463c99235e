"""What a server tells of itself: one JSON object a line."""

import json
import logging
import time
from pathlib import Path

from drumline.errors import InputError

_LOGGER = logging.getLogger("drumline.serving")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        fields = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(fields | getattr(record, "fields", {}), default=str)


def event(name: str, **fields) -> None:
    """Something that was to be expected."""
    _LOGGER.info(name, extra={"fields": fields})


def problem(name: str, **fields) -> None:
    """Something that somebody should look at."""
    _LOGGER.warning(name, extra={"fields": fields})


def write_to(file: Path) -> None:
    """Appends what is told from now on to a file. Raises InputError where that cannot be."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file)
    except OSError as error:
        raise InputError(f"{file}: cannot write there ({error.strerror}); name another folder for runs") from error
    handler.setFormatter(_Lines())
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False
