"""Whether an ML Metadata store can be used, told before TFX dies of it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from drumline.errors import InputError

_SECONDS_TO_WAIT = 10


def check_store(path: Path, *, to_write: bool) -> None:
    """Refuses an ML Metadata store that is locked, damaged or something else; one that is not there passes.

    Args:
      path: The SQLite file.
      to_write: Whether a run is to write into it.

    Raises:
      InputError: where it cannot be used.
    """
    if not path.exists():
        return
    mode = "rw" if to_write else "ro"
    try:
        address = f"file:{quote(str(path.absolute()))}?mode={mode}"
        with closing(sqlite3.connect(address, uri=True, timeout=_SECONDS_TO_WAIT)) as database:
            if to_write:
                database.execute("BEGIN IMMEDIATE")
            ((found, *_),) = database.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise InputError(f"{path}: another program keeps it locked; wait for it, or end it") from error
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
            raise InputError(f"{path}: cannot be opened ({error}); see who may read and write it") from error
        found = str(error)
    if found != "ok":
        raise InputError(
            f"{path}: damaged, or not an ML Metadata store ({found}); put a copy there, or move it away to begin anew"
        )
