"""Keep the index of many shards in SQLite: in a file beside the shards that all processes share, or in a temporary one.

``shards/index.sqlite`` is derived from the indexes of the shards: nothing is lost with it, and it is made again where it is
absent or damaged. It has a rollback journal, which works on network file systems and in folders that can only be read. Each
entry has a checksum over its content, shard, row and the feature's folder, which finds damage that SQLite does not see.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Final
from weakref import finalize

import numpy as np
import xxhash
from numpy.typing import NDArray

from howfar.io.lock import locked
from howfar.store.index_file import digests_of
from howfar.store.shards import Shard

FILE: Final = "index.sqlite"
LOCK: Final = "index.lock"
JOURNAL: Final = f"{FILE}-journal"
SORTED: Final = "sorted"
"""Folder in which earlier versions kept sorted files (``.run``) and a lock for the same purpose."""
AT_ONCE: Final = 1 << 20
"""About as many entries are written in one transaction, which takes a few seconds."""
ASKED: Final = 1 << 16
"""Contents that are looked up at a time."""
BUSY_SECONDS: Final = 120.0
MOST_SHARDS: Final = 1 << 24
"""Highest number of a shard; a file with higher ones is damaged, or has been in use for so long that it is made anew."""
SCHEMA: Final = (
    "CREATE TABLE shards (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, rows INTEGER)",
    "CREATE TABLE entries (content BLOB, shard INTEGER, row INTEGER, checksum INTEGER, PRIMARY KEY (content, shard, row)) "
    "WITHOUT ROWID",
)
_TABLES: Final = "SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY rowid"
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
    """Report an index database that is damaged, or belongs to another process."""


class IndexDatabase:
    """Hold shard and row of many contents in the file at `path`, or in a temporary file if `path` is None.

    `key` is the name of the feature's folder. The file is made with `make`, and never changed with `read_only`. Every method
    raises `IndexDamagedError`, or `OSError` where the disk or another process refuses. Several threads may share it.
    """

    def __init__(self, path: Path | None, key: str, *, make: bool = True, read_only: bool = False) -> None:
        self.path, self._key, self._read_only = path, key, read_only
        self.numbers: dict[str, int] = {}
        self.rows: dict[str, int] = {}
        self._seeds = np.zeros(1, np.uint64)
        self._lock = RLock()
        with _as_index_errors():
            self._open(make or path is None)
        self.read_shards()

    def _open(self, make: bool) -> None:
        where, self._pid, self._file = "", os.getpid(), None
        if self.path is not None:
            where = f"{self.path.absolute().as_uri()}?mode={'ro' if self._read_only else 'rwc' if make else 'rw'}"
        self._connection = sqlite3.connect(
            where, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=self.path is not None
        )
        finalize(self, _close, self._connection, self._pid)
        for setting in (
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "temp_store = MEMORY",
            "cache_size = -16384",
            "synchronous = NORMAL",
            # A transaction touches most pages of a large file, which is quicker for few and large ones.
            "page_size = 16384",
        ):
            self._connection.execute(f"PRAGMA {setting}")
        if self.path is None:
            self._connection.execute("PRAGMA journal_mode = OFF")
        with self._transaction("BEGIN IMMEDIATE" if make else "BEGIN") as connection:
            tables = tuple(sql for (sql,) in connection.execute(_TABLES))
            if make and not tables:
                for table in SCHEMA:
                    connection.execute(table)
            elif tables != SCHEMA:
                raise IndexDamagedError("its tables are not those of an index")
        self._connection.execute("CREATE TEMP TABLE asked (k INTEGER PRIMARY KEY, content BLOB)")
        self._connection.execute("CREATE TEMP TABLE absent (shard INTEGER, row INTEGER, UNIQUE (shard, row))")
        if self.path is not None:
            self._file = self.path.stat()

    @property
    def current(self) -> bool:
        """Return whether the database's file still exists and was not replaced."""
        if self.path is None or self._file is None:
            return True
        try:
            return os.path.samestat(self.path.stat(), self._file)
        except FileNotFoundError:
            return False

    @contextmanager
    def _transaction(self, begin: str = "BEGIN") -> Iterator[sqlite3.Connection]:
        with self._lock, _as_index_errors():
            if self._pid != os.getpid():
                _inherited.append(self._connection)
                if self.path is None:
                    raise IndexDamagedError("it belongs to another process")
                self._open(make=False)
            try:
                self._connection.execute(begin)
                yield self._connection
                self._connection.execute("COMMIT" if begin else "")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise

    def read_shards(self) -> None:
        """Read the shards that other processes have added."""
        with self._transaction() as connection:
            self._read_shards(connection)

    def _read_shards(self, connection: sqlite3.Connection) -> None:
        known = len(self._seeds)
        fresh = connection.execute("SELECT number, id, rows FROM shards WHERE number >= ?", (known,)).fetchall()
        if fresh:
            numbers = np.array([number for number, _, _ in fresh], np.int64)
            texts = all(isinstance(name, str) and isinstance(rows, int) for _, name, rows in fresh)
            if numbers.max() > MOST_SHARDS or not texts:
                raise IndexDamagedError("its shards are not numbered as howfar does it")
            seeds = np.zeros(int(numbers.max()) + 1, np.uint64)
            seeds[:known] = self._seeds
            seeds[numbers] = [xxhash.xxh3_64_intdigest(f"{self._key}/{name}".encode()) | 1 for _, name, _ in fresh]
            self._seeds = seeds
            self.numbers |= {name: number for number, name, _ in fresh}
            self.rows |= {name: rows for _, name, rows in fresh}

    def add(self, shards: Iterable[Shard]) -> None:
        """Add shards, except those that another process has added meanwhile."""
        batch: list[Shard] = []
        entries = 0
        for shard in shards:
            batch.append(shard)
            entries += len(shard.rows)
            if entries >= AT_ONCE:
                self._add(batch)
                batch, entries = [], 0
        if batch:
            self._add(batch)

    def _add(self, shards: Sequence[Shard]) -> None:
        with self._transaction("BEGIN IMMEDIATE") as connection:
            self._read_shards(connection)
            new = [shard for shard in shards if shard.id not in self.numbers]
            connection.executemany("INSERT INTO shards (id, rows) VALUES (?, ?)", [(shard.id, shard.count) for shard in new])
            self._read_shards(connection)
            number = np.repeat([self.numbers[shard.id] for shard in new], [len(shard.rows) for shard in new]).astype(np.int64)
            digests = np.concatenate([digests_of([]), *(digests_of(shard.contents) for shard in new)])
            row = np.concatenate([np.zeros(0, np.int64), *(np.asarray(shard.rows, np.int64) for shard in new)])
            # Sorted, each page of the table is touched once.
            order = np.lexsort((digests[:, 1], digests[:, 0]))
            digests, number, row = digests[order], number[order], row[order]
            columns = (_blobs(digests), number.tolist(), row.tolist(), self._checksums(digests, number, row).tolist())
            connection.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?)", zip(*columns, strict=True))

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Find the entries of digests, (n, 2), as an array (entries, 3) of digest position, shard number and row."""
        order = np.lexsort((digests[:, 1], digests[:, 0]))
        parts = [np.zeros((0, 3), np.int64)]
        for start in range(0, len(order), ASKED):
            asked = order[start : start + ASKED]
            with self._transaction() as connection:
                connection.executemany("INSERT INTO asked VALUES (?, ?)", enumerate(_blobs(digests[asked])))
                question = "SELECT k, shard, row, checksum FROM asked CROSS JOIN entries USING (content)"
                found = np.array(connection.execute(question).fetchall(), np.int64).reshape(-1, 4)
                connection.execute("DELETE FROM asked")
            # What another process has entered since this one looked is not known here yet.
            found = found[(found[:, 1] > 0) & (found[:, 1] < len(self._seeds))]
            k, number, row, checksum = found.T
            if (self._checksums(digests[asked][k], number, row) != checksum).any():
                raise IndexDamagedError("an entry does not match its checksum")
            parts.append(np.stack([asked[k], number, row], axis=1))
        return np.concatenate(parts)

    def find_one(self, digest: bytes) -> list[tuple[int, int]]:
        """Find the entries of one content by its 16-byte digest, as (shard number, row) pairs."""
        with self._transaction("") as connection:
            found = connection.execute("SELECT shard, row FROM entries WHERE content = ?", (digest,))
            return [(int(number), int(row)) for number, row in found]

    def count(self, absent: Collection[int], lost: Iterable[tuple[int, int]]) -> int:
        """Count the contents, except those found only in `absent` shard numbers or `lost` (number, row) pairs."""
        entries = [*((number, -1) for number in absent), *lost]
        where = "WHERE (shard, -1) NOT IN absent AND (shard, row) NOT IN absent" if entries else ""
        with self._transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO absent VALUES (?, ?)", entries)
            counted = connection.execute(f"SELECT count(*) FROM (SELECT DISTINCT content FROM entries {where})").fetchone()
            connection.execute("DELETE FROM absent")
        return int(counted[0])

    def purge(self, gone: Collection[str]) -> None:
        """Delete the entries of vanished shards."""
        numbers = [(self.numbers.pop(shard_id), -1) for shard_id in gone]
        with self._transaction("BEGIN IMMEDIATE") as connection:
            connection.executemany("INSERT INTO absent VALUES (?, ?)", numbers)
            connection.execute("DELETE FROM entries WHERE shard IN (SELECT shard FROM absent)")
            connection.execute("DELETE FROM shards WHERE number IN (SELECT shard FROM absent)")
            connection.execute("DELETE FROM absent")
        self.rows = {shard_id: rows for shard_id, rows in self.rows.items() if shard_id in self.numbers}

    def _checksums(self, digests: NDArray[np.uint64], number: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.int64]:
        """Compute 32-bit checksums of entries from their digests, shards and rows."""
        mixed = _mix(_mix(digests[:, 0]) ^ digests[:, 1]) ^ self._seeds[number]
        return (_mix(_mix(mixed) ^ row.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


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


def _mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of 64-bit numbers, one to one (SplitMix64, https://doi.org/10.1145/2714064.2660195)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(31))


def _blobs(digests: NDArray[np.uint64]) -> list[bytes]:
    """Convert each digest to 16 bytes, which sort as the digests do."""
    blobs: list[bytes] = np.ascontiguousarray(digests, ">u8").view("V16").reshape(-1).tolist()
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
