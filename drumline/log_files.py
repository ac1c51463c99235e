"""Sending what libraries write, native code too, to a log file."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from drumline.errors import InputError


@contextlib.contextmanager
def open_log(log: Path) -> Iterator[TextIO]:
    """A log file to append to, its folder made. Raises InputError where that cannot be."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = log.open("a")
    except OSError as error:
        raise InputError(f"{log}: cannot write there ({error.strerror}); name another folder for runs") from error
    with file:
        yield file


@contextlib.contextmanager
def redirect(log: TextIO, *descriptors: int) -> Iterator[list[TextIO]]:
    """Sends file descriptors (1, 2) to a log file while it is open; gives what each was before, as files."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(descriptor) for descriptor in descriptors]
    before: list[TextIO] = [os.fdopen(os.dup(copy), "w", buffering=1) for copy in saved]
    try:
        for descriptor in descriptors:
            os.dup2(log.fileno(), descriptor)
        yield before
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, copy, file in zip(descriptors, saved, before, strict=True):
            file.close()
            os.dup2(copy, descriptor)
            os.close(copy)
