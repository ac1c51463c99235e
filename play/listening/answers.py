"""The pairs of clips that were asked and what was answered, in an SQLite file.

The file holds the beats themselves, so a pair can be heard and answered whatever became of the models since.
"""

import random
import secrets
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import combinations
from pathlib import Path
from urllib.parse import quote

import numpy as np
from drumline.drums.kit import combinations_of, hits_of
from drumline.play.listening.clips import Source
from drumline.play.listening.ranking import Tally

from drumline.errors import InputError

SIDES = ("a", "b")
SAME = "same"  # the choice of those who cannot say
CHOICES = (*SIDES, SAME)

_TABLES = """
CREATE TABLE IF NOT EXISTS clip (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, version INTEGER NOT NULL, steps INTEGER NOT NULL, beat BLOB NOT NULL,
    UNIQUE (source, version, beat)
);
CREATE TABLE IF NOT EXISTS pair (
    token TEXT PRIMARY KEY,
    a INTEGER NOT NULL REFERENCES clip, b INTEGER NOT NULL REFERENCES clip,
    asked TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    choice TEXT CHECK (choice IN ('a', 'b', 'same')), answered TEXT
);
"""
_TALLY = """
WITH newest AS (SELECT source, MAX(version) AS version FROM clip WHERE steps = :steps GROUP BY source)
SELECT a.source, b.source, choice, COUNT(*) FROM pair
JOIN clip a ON a.id = pair.a JOIN clip b ON b.id = pair.b
JOIN newest x ON x.source = a.source AND x.version = a.version
JOIN newest y ON y.source = b.source AND y.version = b.version
WHERE choice IS NOT NULL AND a.steps = :steps GROUP BY 1, 2, 3
"""
_BEAT = np.dtype("<u2")  # a combination a step


class Answers:
    """Any number of servers and threads may use one file at the same time.

    Raises InputError where the path cannot be written, or is something else than such a file.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise InputError(f"{path}: cannot keep answers there ({error}); name another file") from error
        with self._transaction() as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_TABLES)

    def keep(self, sources: Sequence[Source]) -> dict[str, list[int]]:
        """Keeps the beats of sources. Returns the ids of each source's clips, the same ones for the same beats."""
        with self._transaction() as database:
            return {
                source.name: [_keep_clip(database, source, combinations_of(beat)) for beat in source.beats]
                for source in sources
            }

    def ask(self, clips: dict[str, list[int]]) -> str:
        """A new pair of clips of two sources: those two that were least compared. Returns its token.

        clips: as `keep` gives them, of two sources or more. Which two, which clips and which side is drawn at random.
        """
        with self._transaction() as database:
            (steps,) = database.execute(
                "SELECT steps FROM clip WHERE id = ?", [next(iter(clips.values()))[0]]
            ).fetchone()
            asked = Counter({frozenset((tally.a, tally.b)): tally.answers for tally in _tallies(database, steps)})
            chance = random.SystemRandom()
            pair = min(combinations(clips, 2), key=lambda two: (asked[frozenset(two)], chance.random()))
            a, b = (chance.choice(clips[source]) for source in chance.sample(pair, 2))
            token = secrets.token_urlsafe(16)
            database.execute("INSERT INTO pair (token, a, b) VALUES (?, ?, ?)", [token, a, b])
        return token

    def beat(self, token: str, side: str) -> np.ndarray:
        """What plays on a side of a pair, hits int64 [steps, 9]. Raises InputError for a token or side that is none."""
        if side not in SIDES:
            raise InputError(f"A pair has no side {side!r}: it has a and b.")
        query = f"SELECT beat FROM pair JOIN clip ON clip.id = pair.{side} WHERE token = ?"
        with self._transaction() as database:
            (beat,) = database.execute(query, [token]).fetchone() or _unknown()
        return hits_of(np.frombuffer(beat, _BEAT))

    def answer(self, token: str, choice: str) -> bool:
        """Keeps the choice for a pair, one of CHOICES. Returns False where there was an answer: the first one stays.

        Raises InputError for a token or choice that is none.
        """
        if choice not in CHOICES:
            raise InputError(f"There is no choice {choice[:20]!r}: there are a, b and same.")
        update = "UPDATE pair SET choice = ?, answered = CURRENT_TIMESTAMP WHERE token = ? AND choice IS NULL"
        with self._transaction() as database:
            if database.execute(update, [choice, token]).rowcount:
                return True
            database.execute("SELECT 1 FROM pair WHERE token = ?", [token]).fetchone() or _unknown()
        return False

    def tallies(self, steps: int) -> list[Tally]:
        """How often each was chosen, of every two sources with beats of that length, in their newest versions."""
        with self._transaction() as database:
            return _tallies(database, steps)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        address = f"file:{quote(str(self.path.absolute()))}?mode=rw"  # one that was moved away is not made again
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=30)) as database, database:
                yield database
        except sqlite3.Error as error:
            raise InputError(f"{self.path}: cannot keep answers there ({error}); name another file") from error


def _keep_clip(database: sqlite3.Connection, source: Source, beat: np.ndarray) -> int:
    """The id of a clip. beat: combinations [steps]."""
    clip = [source.name, source.version, beat.astype(_BEAT).tobytes()]
    database.execute(
        "INSERT OR IGNORE INTO clip (source, version, beat, steps) VALUES (?, ?, ?, ?)", [*clip, len(beat)]
    )
    (number,) = database.execute("SELECT id FROM clip WHERE source = ? AND version = ? AND beat = ?", clip).fetchone()
    return number


def _tallies(database: sqlite3.Connection, steps: int) -> list[Tally]:
    counted = Counter({row[:3]: row[3] for row in database.execute(_TALLY, {"steps": steps})})
    names = database.execute("SELECT DISTINCT source FROM clip WHERE steps = ? ORDER BY source", [steps])
    return [
        Tally(
            a,
            b,
            counted[a, b, "a"] + counted[b, a, "b"],
            counted[a, b, "b"] + counted[b, a, "a"],
            counted[a, b, SAME] + counted[b, a, SAME],
        )
        for (a,), (b,) in combinations(names.fetchall(), 2)
    ]


def _unknown():
    raise InputError("There is no such pair: it was never asked here. Reload the page for another one.")
