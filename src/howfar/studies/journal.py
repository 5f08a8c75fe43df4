"""Pairs of datasets as they are measured, kept so that a matrix that was killed goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, TextIO

import pandas as pd

from howfar.results.matrix import PAIRS

JOURNAL: Final = "pairs.jsonl"
"""Pairs of an unfinished matrix, a line each."""


class PairJournal:
    """Pairs that were measured, by key: those of an earlier result in the folder, and a line for each one since.

    Without a folder it is kept in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._rows = folder, dict[str, dict[str, Any]]()
        self._file: TextIO | None = None

    def __enter__(self) -> PairJournal:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._rows |= _of_result(self._folder / PAIRS)
            path = self._folder / JOURNAL
            whole = _of_lines(path)
            self._rows |= whole
            # Written anew, so that a line which a kill has cut short is not gone on with.
            self._file = path.open("w", encoding="utf-8")
            for key, row in whole.items():
                self._write(key, row)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._rows[key]

    def add(self, key: str, row: dict[str, Any]) -> None:
        """Keep a row."""
        self._rows[key] = row
        self._write(key, row)

    def _write(self, key: str, row: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps({"key": key, **row}) + "\n")
            self._file.flush()


def _of_result(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        rows = pd.read_parquet(path).drop(columns=["one", "other"]).to_dict("records")
        return {str(row.pop("key")): {str(name): value for name, value in row.items()} for row in rows}
    # Another table, or a damaged one: it is measured, and written, anew.
    except (OSError, ValueError, KeyError):
        return {}


def _of_lines(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            found[str(row.pop("key"))] = row
        except (ValueError, AttributeError, KeyError):
            continue
    return found
