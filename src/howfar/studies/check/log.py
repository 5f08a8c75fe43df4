"""Keep one row a checked batch in a file of JSON lines: it survives a kill, and several checks may write at once."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args

from howfar.errors import InputError, StoreError, one_line
from howfar.io.location import absolute
from howfar.io.lock import locked
from howfar.results.check import Batch, LogRow, Outcome
from howfar.results.json_values import plain
from howfar.studies.check.rules import moment

FORMAT: Final = 1
ENDING: Final = ".log.jsonl"


def log_of(profile: str | Path) -> Path:
    """Return the path of a profile's own log, beside it.

    Examples
    --------
    >>> log_of("profiles/roads.howfar").name
    'roads.howfar.log.jsonl'
    """
    path = absolute(profile)
    return path.with_name(path.name + ENDING)


def append(file: str | Path, make: Callable[[tuple[LogRow, ...]], Iterable[LogRow]]) -> None:
    """Read the rows of a log, and append those that are made of them, while nobody else writes.

    The lines are synced before this returns. A line that a kill left unfinished is ended first, so that it spoils no other.

    Raises
    ------
    InputError
        The file cannot be written.
    StoreError
        It was written by a later howfar.
    """
    path = absolute(file)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError.of("log", "must be a file in a folder that is there", str(file))
    try:
        with locked(path), path.open("a+b") as opened:
            opened.seek(0)
            data = opened.read()
            text = "".join(_line(row) for row in make(_parsed(data, path)[0]))
            opened.write((b"\n" if data and not data.endswith(b"\n") else b"") + text.encode("utf-8"))
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise InputError.of("log", f"must be a file that can be written ({one_line(error)})", str(file)) from error


def read(file: str | Path) -> tuple[tuple[LogRow, ...], int]:
    """Read the rows of a log in order, and count the lines that are damaged; no row where there is no file.

    Of several rows of the same images the last counts, in its place.

    Raises
    ------
    InputError
        The file cannot be read.
    StoreError
        It was written by a later howfar.
    """
    path = absolute(file)
    try:
        return _parsed(path.read_bytes(), path)
    except FileNotFoundError:
        return (), 0
    except OSError as error:
        raise InputError.of("log", f"must be a file that can be read ({one_line(error)})", str(file)) from error


def split(rows: Sequence[LogRow], since: datetime | None) -> tuple[tuple[LogRow, ...], tuple[LogRow, ...]]:
    """Split rows into those before a moment and those from then on; all are from then on where there is no moment."""
    if since is None:
        return (), tuple(rows)
    before = tuple(row for row in rows if moment(row.time) < since)
    return before, tuple(row for row in rows if moment(row.time) >= since)


def _line(row: LogRow) -> str:
    # Without bare line breaks and surrogates, whatever a name holds.
    return json.dumps({"format": FORMAT, **plain(row)}, ensure_ascii=True, allow_nan=False) + "\n"


def _parsed(data: bytes, path: Path) -> tuple[tuple[LogRow, ...], int]:
    rows: dict[str, LogRow] = {}
    damaged = 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        row = _row(line, path)
        if row is None:
            damaged += 1
            continue
        rows.pop(row.key, None)
        rows[row.key] = row
    return tuple(rows.values()), damaged


def _row(line: bytes, path: Path) -> LogRow | None:
    """Read one line; None where it is damaged."""
    try:
        document: dict[str, Any] = json.loads(line, parse_constant=_refused)
        if document.pop("format") > FORMAT:
            raise StoreError(f"{path} was written by a later howfar: update howfar to read it")
        batch = document.pop("batch")
        measured = tuple(float(value) for value in batch.pop("measured"))
        predicted = tuple(None if value is None else float(value) for value in batch.pop("predicted"))
        row = LogRow(**document, batch=Batch(**batch, measured=measured, predicted=predicted))
        moment(row.time)
        return row if len(measured) == len(predicted) and _sound(row) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _sound(row: LogRow) -> bool:
    """Return whether the values of a row are of their types and ranges."""
    batch = row.batch
    texts = (row.primary, row.key, batch.dataset, batch.source, *row.decisions, *row.decisions.values())
    counts = (batch.n, batch.unreadable, batch.judged, batch.failures, batch.far)
    numbers = (batch.mean_predicted, batch.value, batch.low, batch.high, batch.level, *batch.predicted)
    return (
        all(isinstance(text, str) for text in texts)
        and all(type(count) is int and count >= 0 for count in counts)
        and all(number is None or (type(number) in (int, float) and math.isfinite(number)) for number in numbers)
        and all(0 <= value <= 1 for value in batch.measured)
        and (batch.gate is None or isinstance(batch.gate, bool))
        and row.outcome in get_args(Outcome)
    )


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} stands where JSON has a number or null")
