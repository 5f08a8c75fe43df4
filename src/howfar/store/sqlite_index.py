"""Map an image's content hash to shard (feature file) and row of its features, in SQLite; of copies the oldest is read.

What a process has read or written itself is in a private database. The index of a large store is also in a file beside the
shards, ``shards/index.sqlite``, that all processes share. It is derived from the indexes of the shards: nothing is lost with
it, and it is made again where it is absent or damaged. It has a rollback journal, which works on network file systems and in
folders that can only be read. Each entry has a checksum over its content, shard, row and the feature's folder, which finds
damage that SQLite does not see.
"""

import errno
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import finalize

import numpy as np
import xxhash
from numpy.typing import NDArray

from howfar.io.file_locks import locked
from howfar.store.shards import Shard, digest_of, digests_of

FILE: Final = "index.sqlite"
LOCK: Final = "index.lock"
JOURNAL: Final = f"{FILE}-journal"
SORTED: Final = "sorted"
"""Folder in which earlier versions kept sorted files (``.run``) and a lock for the same purpose."""
ASKED: Final = 1 << 16
"""Contents that are looked up at a time."""
BUSY_SECONDS: Final = 120.0
MOST_SHARDS: Final = 1 << 24
"""Highest number of a shard in a file (one with higher ones is damaged); private numbers lie above it."""
SCHEMA: Final = (
    "CREATE TABLE shards (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, rows INTEGER)",
    "CREATE TABLE entries (content BLOB, shard INTEGER, row INTEGER, checksum INTEGER, PRIMARY KEY (content, shard, row)) "
    "WITHOUT ROWID",
)
_SETTINGS: Final = (
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "main.journal_mode = MEMORY",
    "main.cache_size = -16384",
    "temp_store = MEMORY",
)
_FILE_SETTINGS: Final = (
    "cache_size = -16384",
    "synchronous = NORMAL",
    # A transaction touches most pages of a large file, which is quicker for few and large ones.
    "page_size = 16384",
)
_TABLES: Final = "SELECT sql FROM file.sqlite_master WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY rowid"
_SAVE: Final = (
    "INSERT OR IGNORE INTO file.shards (id, rows) SELECT id, rows FROM main.shards",
    "INSERT OR IGNORE INTO file.entries SELECT content, filed.number, row, checksum FROM main.entries "
    "CROSS JOIN main.shards AS own ON own.number = shard CROSS JOIN file.shards AS filed USING (id)",
    "DELETE FROM main.entries",
    "DELETE FROM main.shards",
)
_NONE: Final = -1
_REFUSALS: Final = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
"""Answers of SQLite that do not mean that the file is damaged."""
_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process, which a forked one must neither use nor close."""


class IndexDamagedError(Exception):
    """Report an index that is damaged, or belongs to another process."""


@dataclass(frozen=True, eq=False)
class RowPositions:
    """Hold the positions of a selection's rows: entry i is row ``row[i]`` of the shard ``ids[shard[i]]``.

    A `shard` of -1 means that no shard has the content. `digests`, (n, 2), are those of the contents.
    """

    ids: tuple[str, ...]
    shard: NDArray[np.int64]
    row: NDArray[np.int64]
    digests: NDArray[np.uint64]

    def by_shard(self, entries: slice = slice(None)) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
        """Yield, for each shard among the entries, its id, the entries' positions, and their rows in ascending order.

        Entries that no shard has are left out.
        """
        shard, row = self.shard[entries], self.row[entries]
        order = np.lexsort((row, shard))
        order = order[shard[order] >= 0]
        if not len(order):
            return
        for positions in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            yield self.ids[int(shard[positions[0]])], positions, row[positions]


class Index:
    """Map each content to the oldest shard that holds it, whatever the order in which shards were read.

    `key` is the name of the feature's folder, `lost` the damaged rows by shard. Only one thread at a time may use it. Every
    method raises `IndexDamagedError`, or `OSError` where the disk or another process refuses.
    """

    def __init__(self, key: str, lost: dict[str, frozenset[int]]) -> None:
        self.counts: dict[str, int] = {}
        """Rows of each shard in use."""
        self.filed: dict[str, int] = {}
        """Rows of each shard in the file, in use or not."""
        self.lost = dict(lost)
        self.file: Path | None = None
        self._key, self._pid = key, os.getpid()
        self._names: dict[int, str] = {}
        self._newest, self._private = 0, MOST_SHARDS
        with _as_index_errors():
            self._connection = sqlite3.connect(
                "", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True
            )
            finalize(self, _close, self._connection, self._pid)
            for setting in _SETTINGS:
                self._connection.execute(f"PRAGMA {setting}")
            for table in (
                *SCHEMA,
                "CREATE TEMP TABLE asked (k INTEGER PRIMARY KEY, content BLOB)",
                "CREATE TEMP TABLE absent (shard INTEGER, row INTEGER, UNIQUE (shard, row))",
            ):
                self._connection.execute(table)

    @property
    def inherited(self) -> bool:
        """Return whether this process got the index by a fork, and must not use it."""
        return self._pid != os.getpid()

    @property
    def current(self) -> bool:
        """Return whether the attached file, if any, still exists and was not replaced."""
        if self.file is None:
            return True
        try:
            return os.path.samestat(self.file.stat(), self._status)
        except FileNotFoundError:
            return False

    def attach(self, file: Path, *, make: bool = False, read_only: bool = False) -> None:
        """Use a file's entries too; `make` it if it is absent. Nothing is done where it is attached already."""
        if self.file is not None:
            return
        with _as_index_errors():
            mode = "ro" if read_only else "rwc" if make else "rw"
            self._connection.execute("ATTACH ? AS file", (f"{file.absolute().as_uri()}?mode={mode}",))
            for setting in _FILE_SETTINGS:
                self._connection.execute(f"PRAGMA file.{setting}")
        with self._transaction("BEGIN IMMEDIATE" if make else "BEGIN") as connection:
            tables = tuple(sql for (sql,) in connection.execute(_TABLES))
            if make and not tables:
                for table in SCHEMA:
                    connection.execute(table.replace("CREATE TABLE ", "CREATE TABLE file."))
            elif tables != SCHEMA:
                raise IndexDamagedError("its tables are not those of an index")
        self.file, self._status = file, file.stat()

    def read_filed(self, used: Collection[str] = ()) -> None:
        """Read which shards other processes have added to the file, and use those of `used` that it has."""
        with self._transaction() as connection:
            question = "SELECT number, id, rows FROM file.shards WHERE number > ?"
            fresh = connection.execute(question, (self._newest,)).fetchall()
        for number, name, rows in fresh:
            if number > MOST_SHARDS or not isinstance(name, str) or not isinstance(rows, int):
                raise IndexDamagedError("its shards are not numbered as howfar does it")
            self._names[number], self.filed[name] = name, rows
            self._newest = max(self._newest, number)
        self.counts |= {shard_id: self.filed[shard_id] for shard_id in used if shard_id in self.filed}

    def insert(self, shards: Sequence[Shard]) -> None:
        """Add shards to the private database."""
        numbers = range(self._private + 1, self._private + 1 + len(shards))
        self._private += len(shards)
        self._names |= {number: shard.id for number, shard in zip(numbers, shards, strict=True)}
        self.counts |= {shard.id: shard.count for shard in shards}
        lengths = [len(shard.rows) for shard in shards]
        number: NDArray[np.int64] = np.repeat(np.array(numbers, np.int64), lengths)
        seeds: NDArray[np.uint64] = np.repeat(np.array([self._seed(shard.id) for shard in shards], np.uint64), lengths)
        digests = np.concatenate([digests_of([]), *(digests_of(shard.contents) for shard in shards)])
        row = np.concatenate([np.zeros(0, np.int64), *(np.asarray(shard.rows, np.int64) for shard in shards)])
        # Sorted, each page of the table is touched once.
        order = np.lexsort((digests[:, 1], digests[:, 0]))
        digests, number, row = digests[order], number[order], row[order]
        columns = (_blobs(digests), number.tolist(), row.tolist(), _checksums(digests, seeds[order], row).tolist())
        with self._transaction() as connection:
            named = [(number, shard.id, shard.count) for number, shard in zip(numbers, shards, strict=True)]
            connection.executemany("INSERT OR REPLACE INTO main.shards VALUES (?, ?, ?)", named)
            connection.executemany("INSERT OR IGNORE INTO main.entries VALUES (?, ?, ?, ?)", zip(*columns, strict=True))

    def save(self) -> None:
        """Move the private entries to the attached file."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            for statement in _SAVE:
                connection.execute(statement)
        self.read_filed()

    def private(self) -> list[str]:
        """Return the shards in use that the file has not."""
        return [shard_id for shard_id in self.counts if shard_id not in self.filed]

    def drop(self, gone: Iterable[str]) -> None:
        """Stop using shards; their contents are then found in other shards that hold them."""
        dropped = [(shard_id,) for shard_id in gone]
        for (shard_id,) in dropped:
            self.counts.pop(shard_id, None)
            self.lost.pop(shard_id, None)
        with self._transaction() as connection:
            connection.executemany("DELETE FROM main.shards WHERE id = ?", dropped)

    def lose(self, shard_id: str, rows: Iterable[int]) -> None:
        """Stop using rows of a shard; their contents are then found in other shards that hold them."""
        self.lost[shard_id] = self.lost.get(shard_id, frozenset()) | frozenset(map(int, rows))

    def purge(self, gone: Collection[str]) -> None:
        """Delete the file's entries of vanished shards."""
        numbers = [(number, _NONE) for number, name in self._names.items() if name in gone and number <= MOST_SHARDS]
        with self._transaction("BEGIN IMMEDIATE") as connection:
            connection.executemany("INSERT INTO absent VALUES (?, ?)", numbers)
            connection.execute("DELETE FROM file.entries WHERE shard IN (SELECT shard FROM absent)")
            connection.execute("DELETE FROM file.shards WHERE number IN (SELECT shard FROM absent)")
            connection.execute("DELETE FROM absent")
        for number, _ in numbers:
            del self.filed[self._names.pop(number)]

    def __contains__(self, content: str) -> bool:
        with self._transaction("") as connection:
            question = self._of_both("SELECT shard, row FROM {} WHERE content = :content")
            found = connection.execute(question, {"content": digest_of(content)}).fetchall()
        named = ((self._names.get(number, ""), row) for number, row in found)
        return any(shard_id in self.counts and row not in self.lost.get(shard_id, ()) for shard_id, row in named)

    def __len__(self) -> int:
        absent = {(number, _NONE) for number, name in self._names.items() if name not in self.counts}
        absent |= {(number, row) for number, name in self._names.items() for row in self.lost.get(name, ())}
        used = "(({0}.shard, -1) NOT IN absent AND ({0}.shard, {0}.row) NOT IN absent)" if absent else "1"
        own, filed = used.format("own"), used.format("filed")
        counted = f"SELECT count(DISTINCT content) FROM main.entries AS own WHERE {own}"
        if self.file is not None:
            counted += f" AND NOT EXISTS (SELECT 1 FROM file.entries AS filed WHERE filed.content = own.content AND {filed})"
            of_file = f"SELECT count(*) FROM (SELECT DISTINCT content FROM file.entries AS filed WHERE {filed})"
            counted = f"SELECT ({counted}) + ({of_file})"
        with self._transaction() as connection:
            connection.executemany("INSERT INTO absent VALUES (?, ?)", absent)
            (count,) = connection.execute(counted).fetchone()
            connection.execute("DELETE FROM absent")
        return int(count)

    def locate(self, contents: Sequence[str]) -> RowPositions:
        """Find shard and row of each content, in order, in the oldest shard that has it."""
        digests = digests_of(contents)
        number, row = np.full(len(digests), _NONE), np.full(len(digests), _NONE)
        order = np.lexsort((digests[:, 1], digests[:, 0]))
        question = self._of_both("SELECT k, shard, row, checksum FROM asked CROSS JOIN {} USING (content)")
        for start in range(0, len(order), ASKED):
            asked = order[start : start + ASKED]
            with self._transaction() as connection:
                connection.executemany("INSERT INTO asked VALUES (?, ?)", enumerate(_blobs(digests[asked])))
                entries = np.array(connection.execute(question).fetchall(), np.int64).reshape(-1, 4)
                connection.execute("DELETE FROM asked")
            # What another process has entered since this one looked is not known here yet.
            entries = entries[(entries[:, 1] <= self._newest) | (entries[:, 1] > MOST_SHARDS)]
            numbers, shard = np.unique(entries[:, 1], return_inverse=True)
            names = [self._names.get(each, "") for each in numbers.tolist()]
            if "" in names:
                raise IndexDamagedError("an entry is of no shard")
            at, seeds = asked[entries[:, 0]], np.array([self._seed(name) for name in names], np.uint64)
            if (_checksums(digests[at], seeds[shard], entries[:, 2]) != entries[:, 3]).any():
                raise IndexDamagedError("an entry does not match its checksum")
            used = np.array([name in self.counts for name in names], bool)[shard]
            for which, name in enumerate(names):
                if self.lost.get(name):
                    used &= (shard != which) | ~np.isin(entries[:, 2], list(self.lost[name]))
            # The youngest first, so that of several rows of a content the oldest stays.
            age = np.argsort(np.argsort(np.array(names, str)))[shard]
            ordered = np.lexsort((entries[:, 2], age))[::-1]
            ordered = ordered[used[ordered]]
            number[at[ordered]], row[at[ordered]] = entries[ordered, 1], entries[ordered, 2]
        found, shard = np.unique(number, return_inverse=True)
        ids = tuple(self._names.get(each, "") for each in found.tolist())
        return RowPositions(ids, np.where(number == _NONE, _NONE, shard), row, digests)

    def _seed(self, shard_id: str) -> int:
        return int(xxhash.xxh3_64_intdigest(f"{self._key}/{shard_id}".encode()) | 1)

    def _of_both(self, question: str) -> str:
        """Put a question to the private entries and to those of the attached file."""
        tables = ("main.entries",) if self.file is None else ("main.entries", "file.entries")
        return " UNION ALL ".join(question.format(table) for table in tables)

    @contextmanager
    def _transaction(self, begin: str = "BEGIN") -> Iterator[sqlite3.Connection]:
        with _as_index_errors():
            if self.inherited:
                raise IndexDamagedError("it belongs to another process")
            try:
                self._connection.execute(begin)
                yield self._connection
                self._connection.execute("COMMIT" if begin else "")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise


def _close(connection: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()
    else:
        _inherited.append(connection)


def delete(path: Path) -> None:
    """Delete an index file while nobody writes to it; others may go on reading it."""
    with locked(path.with_name(LOCK)):
        # In this order: a journal without its file would be played back into the next one.
        for name in (JOURNAL, FILE):
            path.with_name(name).unlink(missing_ok=True)


def _checksums(digests: NDArray[np.uint64], seeds: NDArray[np.uint64], row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Compute 32-bit checksums of entries from their digests, shards and rows."""
    mixed = _mix(_mix(digests[:, 0]) ^ digests[:, 1]) ^ seeds
    return (_mix(_mix(mixed) ^ row.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


def _mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of 64-bit numbers, one to one (SplitMix64, https://doi.org/10.1145/2714064.2660195)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(31))


def _blobs(digests: NDArray[np.uint64]) -> list[bytes]:
    """Convert each digest to 16 bytes, which sort as the digests do."""
    blobs: list[Any] = np.ascontiguousarray(digests, ">u8").view("V16").reshape(-1).tolist()
    return blobs


@contextmanager
def _as_index_errors() -> Iterator[None]:
    """Raise errors of SQLite as `IndexDamagedError` or, for a refusal of the disk, as `OSError`."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _REFUSALS:
            raise OSError(errno.EIO, str(error)) from error
        raise IndexDamagedError(str(error)) from error
    # Numbers that are none, or beyond 64 bits.
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise IndexDamagedError(str(error)) from error
