"""Check tables of image performances that a user brings, and turn them into evaluations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.errors import InputError
from howfar.relation.label_free_columns import EVERY_SIGNAL, HISTOGRAM, VALUES
from howfar.results import Evaluation, Provenance

VALUE, GIVEN = "performance", "given"
TEXTS = ("dataset", "image", "content", "prediction", "path")
_SHARES = (VALUE, "foreground")
NUMBERS = (*_SHARES, *EVERY_SIGNAL, "pixels", "tile_agreement", "threshold")


def evaluations_of(table: pd.DataFrame, source: str) -> list[Evaluation]:
    """Check a table with the columns image and performance, and turn it into an evaluation of each dataset.

    `table` holds one row an image, and `source` is its name in an error. The evaluations are of the task "given", in the
    table's order; the dataset's name is "" where the table has no such column. Raises `InputError` where a column is missing or
    there is no row; a value is no number, or outside 0-1 where it must be a share; an image is named twice or not at all.
    """
    for column in ("image", VALUE):
        if column not in table:
            columns = ", ".join(map(str, table.columns)) or "none"
            raise InputError(f"{source} has no column {column}; its columns: {columns}: it needs image and {VALUE}")
    if not len(table):
        raise InputError(f"{source} has no row: it needs one for each image")
    frame = table.reset_index(drop=True)
    for name in set(TEXTS) & set(frame):
        texts = frame[name].astype(object)
        frame[name] = texts.where(texts.notna(), "").astype(str)
    for name in NUMBERS:
        if name in frame:
            frame[name] = _numbers(frame[name], f"{source}: column {name}", shares=name in _SHARES)
    if HISTOGRAM in frame:
        frame[HISTOGRAM] = pd.Series([_histogram(counts, source) for counts in frame[HISTOGRAM]], dtype=object)
    if (frame["image"] == "").any():
        raise InputError(f"{source}: row {int(np.argmax(frame['image'] == '')) + 1} has no image: name it")
    if "dataset" not in frame:
        frame["dataset"] = ""
    parts = []
    for dataset, rows in frame.groupby("dataset", sort=False):
        repeated = rows["image"][rows["image"].duplicated()]
        if len(repeated):
            raise InputError(f"{source}: image {repeated.iloc[0]} is there twice: keep one row an image")
        parts.append(_evaluation(str(dataset), rows.reset_index(drop=True)))
    return parts


def _numbers(column: pd.Series[Any], name: str, shares: bool) -> pd.Series[Any]:
    try:
        numbers = column.astype(float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must hold numbers ({error}): leave unknown ones empty") from error
    infinite = np.isinf(numbers)
    if infinite.any():
        raise InputError.of(name, "must be finite", f"infinity in row {int(np.argmax(infinite)) + 1}", "leave it empty")
    beyond = (numbers < 0.0) | (numbers > 1.0)
    if shares and beyond.any():
        row = int(np.argmax(beyond))
        received = f"{numbers.iloc[row]:g} in row {row + 1}"
        raise InputError.of(name, "must lie between 0 and 1", received, "divide percent by 100")
    return numbers


def _histogram(counts: Any, source: str) -> NDArray[np.int64] | None:
    """Check the counts of the 256 values; None where there are none."""
    if not isinstance(counts, (np.ndarray, list)):
        return None
    try:
        values = np.asarray(counts, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (VALUES,) or not np.isfinite(values).all() or (values < 0.0).any() or (values % 1.0).any():
        raise InputError(f"{source}: column {HISTOGRAM} must hold {VALUES} counts of pixels, or nothing")
    return values.astype(np.int64)


def _evaluation(dataset: str, rows: pd.DataFrame) -> Evaluation:
    return Evaluation(
        dataset=dataset,
        task=GIVEN,
        metric=VALUE,
        threshold=None,
        tolerance=0.0,
        n=len(rows),
        scored=int(rows[VALUE].notna().sum()),
        scores={},
        images=rows,
        provenance=Provenance.now(),
    )
