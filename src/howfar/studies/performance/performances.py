"""Performances from files, and their images found again among those of a run or of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from howfar.errors import InputError, MissingPathError, StoreError
from howfar.results import Evaluation, Provenance

Performances: TypeAlias = Evaluation | pd.DataFrame | str | Path
VALUE = "performance"
_TEXT = ("dataset", "image", "content", "prediction", "path")


@dataclass(frozen=True, eq=False)
class Matched:
    """A run's images with what is known of their performance.

    Attributes
    ----------
    rows
        One row an image of the run, in its order: the columns of the performance files, missing ones nan (texts "").
    unmatched
        By dataset: images of the performance files that are not in the run.
    """

    rows: pd.DataFrame
    unmatched: dict[str, int]


def read_performances(given: Performances | Sequence[Performances]) -> list[Evaluation]:
    """Read performances: files of ``howfar evaluate -o``, tables with columns image and performance, or such in memory.

    A table may also have the columns dataset, foreground, and any signal of `Evaluation.images`; without the column
    dataset its images may be of any dataset. Each dataset of a table becomes one `Evaluation`.

    Raises
    ------
    MissingPathError
        There is no such file.
    InputError
        A table lacks a column, holds text where numbers are due, names an image twice; or two files tell of one dataset.

    Examples
    --------
    >>> found = read_performances(pd.DataFrame({"image": ["1.png", "2.png"], "performance": [0.5, None]}))
    >>> found[0].n, found[0].scored, found[0].metric
    (2, 1, 'performance')
    """
    several = [given] if isinstance(given, (Evaluation, pd.DataFrame, str, Path)) else list(given)
    read = [one for argument in several for one in _read(argument)]
    if not read:
        raise InputError.of("performance", "must name at least one file", given, "run howfar evaluate -o FILE first")
    names = [one.dataset for one in read]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError.of("performance", "must tell of each dataset once", twice[0] or "tables without the column dataset")
    return read


def match(images: pd.DataFrame, performances: Sequence[Evaluation]) -> Matched:
    """Find the images of performances among a run's: by dataset and name, or where names differ, by content.

    Parameters
    ----------
    images
        dataset, image and content of each image of the run.
    performances
        As `read_performances` gives them.

    Raises
    ------
    InputError
        No image of a performance file is in the run, or one image of it is two in the run.
    """
    found: list[pd.DataFrame] = []
    unmatched: dict[str, int] = {}
    for one in performances:
        places = _places(images, one)
        here = places >= 0
        if not here.any():
            known = ", ".join(map(str, images["dataset"].unique()))
            first = one.images["image"].iloc[0] if len(one.images) else "nothing"
            raise InputError(
                f"performance of {one.dataset or 'a table'}: none of its {len(one.images)} images (first: {first}) is in the "
                f"run, whose datasets are {known}: name them as the run does (NAME=PATH) and keep the images' names"
            )
        unmatched[one.dataset] = int((~here).sum())
        rows = one.images.loc[here].drop(columns=["dataset", "image", "path", "content"], errors="ignore")
        found.append(rows.set_axis(places[here], axis=0))
    together = pd.concat(found) if found else pd.DataFrame()
    if together.index.has_duplicates:
        place = int(together.index[together.index.duplicated()][0])
        row = images.iloc[place]
        raise InputError(f"{row['dataset']}/{row['image']} has two performances: pass each image once")
    rows = together.reindex(range(len(images)))
    texts = [name for name in _TEXT if name in rows]
    rows[texts] = rows[texts].fillna("")
    return Matched(rows, unmatched)


def _places(images: pd.DataFrame, one: Evaluation) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Row of the run for each image of a performance, -1 where there is none."""
    own = np.flatnonzero(images["dataset"] == one.dataset) if one.dataset in set(images["dataset"]) else np.arange(len(images))
    by_name = _index(images["image"].iloc[own].tolist(), own.tolist())
    by_content = _index(images["content"].iloc[own].tolist(), own.tolist())
    contents = one.images["content"] if "content" in one.images else [""] * len(one.images)
    # Without the dataset's name, equal image names may be different images: contents come first, and names must be clear.
    sure = one.dataset in set(images["dataset"])
    places = []
    for name, content in zip(one.images["image"], contents, strict=True):
        keys = ((by_name, name), (by_content, content)) if sure else ((by_content, content), (by_name, name))
        hits = next((table[key] for table, key in keys if key and key in table), [])
        if len(hits) > 1 and not sure:
            twice = " and ".join(sorted({str(images["dataset"].iloc[hit]) for hit in hits[:2]}))
            raise InputError(f"performance: image {name} is in {twice}: add the column dataset")
        places.append(hits[0] if hits else -1)
    return np.asarray(places, dtype=np.intp)


def _index(keys: Sequence[str], places: Sequence[int]) -> dict[str, list[int]]:
    table: dict[str, list[int]] = {}
    for key, place in zip(keys, places, strict=True):
        table.setdefault(key, []).append(place)
    return table


def _read(argument: Performances) -> list[Evaluation]:
    if isinstance(argument, Evaluation):
        return [argument]
    if isinstance(argument, pd.DataFrame):
        return _of_table(argument, "performance")
    path = Path(argument)
    if not path.is_file():
        raise MissingPathError(f"performance: nothing at {path}: run howfar evaluate -o FILE, or pass a CSV or Parquet table")
    if path.suffix.lower() == ".csv":
        try:
            return _of_table(pd.read_csv(path, dtype=dict.fromkeys(_TEXT, str)), str(path))
        except (ValueError, OSError) as error:
            raise _unreadable(path, error) from error
    try:
        return [Evaluation.load(path)]
    except StoreError:
        return _of_table(_parquet(path), str(path))


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa

    try:
        return pd.read_parquet(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is not a readable table ({' '.join(str(error).split())[:120]}): pass UTF-8 CSV or Parquet")


def _of_table(table: pd.DataFrame, source: str) -> list[Evaluation]:
    for column in ("image", VALUE):
        if column not in table:
            columns = ", ".join(map(str, table.columns)) or "none"
            raise InputError(f"{source} has no column {column}; its columns: {columns}: it needs image and {VALUE}")
    frame = table.copy()
    for name in frame.columns:
        if name in _TEXT:
            frame[name] = frame[name].fillna("").astype(str)
    for name in (VALUE, "foreground"):
        if name in frame:
            frame[name] = _numbers(frame[name], f"{source}: column {name}")
    if "dataset" not in frame:
        frame["dataset"] = ""
    parts = []
    for dataset, rows in frame.groupby("dataset", sort=False):
        repeated = rows["image"][rows["image"].duplicated()]
        if len(repeated):
            raise InputError(f"{source}: image {repeated.iloc[0]} is there twice: keep one row an image")
        parts.append(_evaluation(str(dataset), rows.reset_index(drop=True)))
    return parts


def _numbers(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    try:
        numbers = column.astype(float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must hold numbers ({error}): leave unknown ones empty") from error
    infinite = np.isinf(numbers)
    if infinite.any():
        raise InputError.of(name, "must be finite", f"infinity in row {int(np.argmax(infinite)) + 1}", "leave it empty")
    return numbers


def _evaluation(dataset: str, rows: pd.DataFrame) -> Evaluation:
    return Evaluation(
        dataset=dataset,
        task="given",
        metric=VALUE,
        threshold=None,
        tolerance=0.0,
        n=len(rows),
        scored=int(rows[VALUE].notna().sum()),
        scores={},
        images=rows,
        provenance=Provenance.now(),
    )
