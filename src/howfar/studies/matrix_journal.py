"""Keep the measured pairs of datasets on disk, so that a killed run of all pairs resumes where it stopped."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from howfar.errors import InputError
from howfar.io.atomic import replace_text
from howfar.io.lock import alone
from howfar.io.parquet import read_frame
from howfar.results.matrix import PAIRS

JOURNAL: Final = "pairs.jsonl"
"""A line for each pair that is not in the folder's result."""
LOCK: Final = ".lock"
SYNCED: Final = 5.0
"""Seconds of work that a power cut may cost."""


class PairJournal:
    """Hold the pairs that were measured, by key: those of the folder's result, and a line for each other one.

    Without a folder it is kept in memory alone. `PairJournal.open` makes it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._rows = folder, dict[str, dict[str, Any]]()
        self._file: TextIO | None = None
        self._synced = time.monotonic()

    @classmethod
    @contextmanager
    def open(cls, folder: Path | None) -> Iterator[PairJournal]:
        """Open the journal of a folder; `InputError` if another process uses it, where files can be locked."""
        journal = cls(folder)
        if folder is None:
            yield journal
            return
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder / LOCK) as free:
            if not free:
                rule = "must be a folder that no other howfar matrix is at work in"
                raise InputError.of("out", rule, str(folder), "wait, or name another")
            journal._rows = _of_result(folder / PAIRS) | _of_lines(folder / JOURNAL)
            journal._rewrite(folder / JOURNAL)
            journal._file = (folder / JOURNAL).open("a", encoding="utf-8")
            try:
                yield journal
            finally:
                journal._close()
            (folder / LOCK).unlink(missing_ok=True)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._rows[key]

    def add(self, key: str, row: dict[str, Any]) -> None:
        """Keep a row."""
        self._rows[key] = row
        if self._file is not None:
            self._file.write(_line(key, row))
            self._file.flush()
            if time.monotonic() - self._synced > SYNCED:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()

    def forget(self, keys: Iterable[str]) -> None:
        """Leave out pairs that the folder's result holds now; what it does not hold, of other settings say, is kept."""
        for key in keys:
            self._rows.pop(key, None)
        if self._folder is not None:
            self._rewrite(self._folder / JOURNAL)
            if not self._rows:
                (self._folder / JOURNAL).unlink()

    def _rewrite(self, path: Path) -> None:
        """Write the whole journal anew; a kill leaves the old one or the new one."""
        self._close()
        replace_text(path, "".join(_line(key, row) for key, row in self._rows.items()))

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def turned(row: Mapping[str, Any], turn: bool) -> dict[str, Any]:
    """Exchange the two datasets of a row if `turn`: values of ``self_one`` and ``self_other`` trade places."""
    if not turn:
        return dict(row)
    other = {name: name.replace("_one", "_other") if "_one" in name else name.replace("_other", "_one") for name in row}
    return {name: row[other[name]] for name in row}


def _line(key: str, row: dict[str, Any]) -> str:
    return json.dumps({"key": key, **row}) + "\n"


def _of_result(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        rows = read_frame(path).drop(columns=["one", "other"]).to_dict("records")
        plain = ({str(name): value for name, value in row.items()} for row in rows)
        return {str(row.pop("key")): turned(row, bool(row.pop("turned"))) for row in plain}
    # Another table, or a damaged one: it is measured, and written, anew.
    except Exception:  # over a damaged file Arrow may raise anything
        return {}


def _of_lines(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    rows = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = dict(json.loads(line))
            rows[str(row.pop("key"))] = row
        # A line that a kill has cut short.
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return rows
