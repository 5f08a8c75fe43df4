"""Read per-image scores from files and tables, and match their images to those of a run or a reference profile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.data.untrusted_files import check_separator, number_remedy, readable, renamed_columns
from howfar.errors import InputError, MissingPathError, option
from howfar.io.file_location import as_location, was_url
from howfar.io.untrusted_parquet import read_frame
from howfar.relation.labelled_images import EVERY_SIGNAL, HISTOGRAM, VALUES
from howfar.results import Evaluation, Provenance
from howfar.results.evaluation_result import KEY

VALUE, GIVEN = "performance", "given"
ROLES = ("image", VALUE, "dataset")
"""What the columns of a table may be named for."""
TEXTS = ("dataset", "image", "content", "prediction", "path")
_SHARES = (VALUE, "foreground")
NUMBERS = (*_SHARES, *EVERY_SIGNAL, "pixels", "tile_agreement", "threshold")


def evaluations_of(table: pd.DataFrame, source: str, remedy: str = "") -> list[Evaluation]:
    """Check a table with the columns image and performance, and convert it to one evaluation per dataset ("" if unnamed)."""
    for column in ("image", VALUE):
        if column not in table:
            columns = ", ".join(map(str, table.columns)) or "none"
            raise InputError(f"{source} has no column {column}; its columns: {columns}: it needs image and {VALUE}{remedy}")
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
        histograms: list[NDArray[np.int64] | None] = []
        for counts in frame[HISTOGRAM]:
            if not isinstance(counts, (np.ndarray, list)):
                histograms.append(None)  # an empty cell
                continue
            try:
                values = np.asarray(counts, dtype=np.float64)
            except (TypeError, ValueError):
                values = np.empty(0)
            if values.shape != (VALUES,) or not np.isfinite(values).all() or (values < 0.0).any() or (values % 1.0).any():
                raise InputError(f"{source}: column {HISTOGRAM} must hold {VALUES} counts of pixels, or nothing")
            histograms.append(values.astype(np.int64))
        frame[HISTOGRAM] = pd.Series(histograms, dtype=object)
    if (frame["image"] == "").any():
        raise InputError(f"{source}: row {int(np.argmax(frame['image'] == '')) + 1} has no image: name it")
    if "dataset" not in frame:
        frame["dataset"] = ""
    parts = []
    for dataset, rows in frame.groupby("dataset", sort=False):
        repeated = rows["image"][rows["image"].duplicated()]
        if len(repeated):
            raise InputError(
                f"{source}: image {repeated.iloc[0]} is there twice: "
                + ("" if dataset else "name each row's dataset in a column dataset, or ")
                + "keep one row an image"
            )
        parts.append(
            Evaluation(
                dataset=str(dataset),
                task=GIVEN,
                metric=VALUE,
                threshold=None,
                tolerance=0.0,
                n=len(rows),
                scored=int(rows[VALUE].notna().sum()),
                scores={},
                images=rows.reset_index(drop=True),
                provenance=Provenance.now(),
            )
        )
    return parts


def _numbers(column: pd.Series[Any], name: str, shares: bool) -> pd.Series[Any]:
    try:
        numbers = column.astype(float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must hold numbers ({error}): {number_remedy(error, 'leave unknown ones empty')}") from error
    infinite = np.isinf(numbers)
    if infinite.any():
        raise InputError.of(name, "must be finite", f"infinity in row {int(np.argmax(infinite)) + 1}", "leave it empty")
    beyond = (numbers < 0.0) | (numbers > 1.0)
    if shares and beyond.any():
        row = int(np.argmax(beyond))
        received = f"{numbers.iloc[row]:g} in row {row + 1}"
        raise InputError.of(name, "must lie between 0 and 1", received, "divide percent by 100")
    return numbers


Performances: TypeAlias = Evaluation | pd.DataFrame | str | Path

_UNKNOWN = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "None", "NULL", "null")


@dataclass(frozen=True, eq=False)
class Matched:
    """Hold the run's images with the performance matched to each, if any.

    `rows` has one row an image with the columns of the performance files, missing ones nan (texts ""). `unmatched` counts, by
    dataset, images of the files that are not in the run; `changed` the images found by name although both contents are known
    and differ; `strangers` names the datasets in which every image is so.
    """

    rows: pd.DataFrame
    unmatched: dict[str, int]
    changed: int = 0
    strangers: tuple[str, ...] = ()


def read_performances(
    given: Performances | Sequence[Performances], datasets: Sequence[str] = (), columns: Mapping[str, str] | None = None
) -> list[Evaluation]:
    """Read performances: ``howfar evaluate -o`` files, tables with columns image and performance, or objects in memory.

    A table may also have the columns dataset, foreground, and any signal of `Evaluation.images`; without the column dataset
    its images are of the one of the `datasets` that its file is called by, or of any. `columns` are a table's own by role.
    """
    read = [evaluation for argument in _each(given) for evaluation in _read(argument, datasets, columns)]
    if not read:
        raise InputError.of("performance", "must name at least one file", given, "run howfar evaluate -o FILE first")
    names = [evaluation.dataset for evaluation in read]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        received, remedy = twice[0], "leave one of the two out"
        if not received:
            received, remedy = "two tables without the column dataset", "add it, or call each file by its dataset's name"
        raise InputError.of("performance", "must tell of each dataset once", received, remedy)
    return read


def split_performances(
    read: Sequence[Evaluation], primary: str, remedy: str, *, kind: str = "secondary"
) -> tuple[Evaluation | None, list[Evaluation]]:
    """Split performances into the primary's own (None if absent) and the others; raise `InputError` without others."""
    others = [evaluation for evaluation in read if evaluation.dataset != primary]
    if not others:
        raise InputError.of("performance", f"must tell of a {kind} dataset", primary, remedy)
    return next((evaluation for evaluation in read if evaluation.dataset == primary), None), others


def files_of(given: Performances | Sequence[Performances]) -> tuple[str, ...]:
    """Return the absolute paths of performance files; () if some performances are in memory."""
    each = _each(given)
    return tuple(str(as_location(file)) for file in each) if all(isinstance(file, (str, Path)) for file in each) else ()


def _each(given: Any) -> list[Any]:
    several = isinstance(given, Iterable) and not isinstance(given, (Evaluation, pd.DataFrame, str, Path))
    return list(given) if several else [given]


def match(images: pd.DataFrame, performances: Sequence[Evaluation]) -> Matched:
    """Match the images of performances to those of a comparison: by content, which finds renamed images, then by name.

    Within its dataset an image with unknown content is found by its name: it may have been saved anew, and `Matched.changed`
    counts it. Performances of a dataset that the run lacks are found by content alone, as an image of that name may be
    another image; those without a dataset by content, else by name. Raises `InputError` where no image of a file is in the
    run.
    """
    images = images.reset_index(drop=True)
    frames: list[pd.DataFrame] = []
    unmatched: dict[str, int] = {}
    changed, strangers = 0, []
    for evaluation in performances:
        places = _places(images, evaluation)
        matched = places >= 0
        if not matched.any():
            count, datasets = len(evaluation.images), ", ".join(map(str, images["dataset"].unique()))
            first = evaluation.images["image"].iloc[0] if count else "nothing"
            none = f"its only image ({first}) is not" if count == 1 else f"none of its {count} images (first: {first}) is"
            raise InputError(
                f"performance of {evaluation.dataset or 'a table'}: {none} in the run, whose datasets are {datasets} "
                f"(first: {images['image'].iloc[0]}): name datasets (NAME=PATH) and images as the run does"
            )
        homes = images["dataset"].iloc[places[matched]].unique()
        home = str(homes[0]) if len(homes) == 1 else evaluation.dataset
        unmatched[home] = unmatched.get(home, 0) + int((~matched).sum())
        if "content" in evaluation.images and "content" in images:
            # Images whose content is known in both and differs; embeddings, without a path, have none.
            then = evaluation.images["content"][matched].to_numpy(dtype=object)
            found = images.iloc[places[matched]]
            now = found["content"].to_numpy(dtype=object)
            of_image = found["path"].to_numpy(dtype=object) != "" if "path" in found else True
            count = int(np.sum((then != now) & (then != "") & (now != "") & of_image))
            changed += count
            strangers += [home] if count == matched.sum() else []
        rows = evaluation.images.loc[matched].drop(columns=["dataset", "image", "path", "content"], errors="ignore")
        if evaluation.threshold is not None:
            rows = rows.assign(threshold=evaluation.threshold)
        frames.append(rows.set_axis(places[matched], axis=0))
    together = pd.concat(frames) if frames else pd.DataFrame()
    if together.index.has_duplicates:
        index = int(together.index[together.index.duplicated()][0])
        row = images.iloc[index]
        raise InputError(f"{row['dataset']}/{row['image']} has two performances: pass each image once")
    rows = together.reindex(range(len(images)))
    texts = [name for name in TEXTS if name in rows]
    rows[texts] = rows[texts].fillna("")
    return Matched(rows, unmatched, changed, tuple(strangers))


def _places(images: pd.DataFrame, evaluation: Evaluation) -> NDArray[np.intp]:
    """Return each performance image's row in the comparison, -1 if it has none; no row is used twice."""
    named = evaluation.dataset in set(images["dataset"])
    rows = images[images["dataset"] == evaluation.dataset] if named else images
    places = np.full(len(evaluation.images), -1, dtype=np.intp)
    taken: set[int] = set()
    # The safest columns come first; names alone come last, as files may be renumbered.
    orders: list[tuple[str, ...]] = [("image", "content"), ("content",)]
    for columns in orders if evaluation.dataset and not named else [*orders, ("image",)]:
        free: dict[tuple[str, ...], list[int]] = {}
        for row, key in zip(rows.index.tolist(), _keys(rows, columns), strict=True):
            free.setdefault(key, []).append(row)
        for i, key in enumerate(_keys(evaluation.images, columns)):
            hits = [hit for hit in free.get(key, ()) if hit not in taken]
            if places[i] >= 0 or not hits or "" in key:
                continue
            sets = sorted({str(images["dataset"].iloc[hit]) for hit in hits})
            if len(sets) > 1:
                name = evaluation.images["image"].iloc[i]
                remedy = "add the column dataset, or call the file by its dataset's name"
                remedy = "name its dataset as the run does (NAME=PATH)" if evaluation.dataset else remedy
                raise InputError(f"performance: image {name} is in {sets[0]} and {sets[1]}: {remedy}")
            places[i] = hits[0]
            taken.add(hits[0])
    return places


def _keys(rows: pd.DataFrame, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Make one key per image; "" stands for unknown values."""
    blank = [""] * len(rows)
    return list(zip(*(rows[name].tolist() if name in rows else blank for name in columns), strict=True))


def _read(argument: Any, datasets: Sequence[str], columns: Mapping[str, str] | None) -> list[Evaluation]:
    if isinstance(argument, Evaluation):
        return [argument]
    if isinstance(argument, pd.DataFrame):
        return _of_table(argument, columns, "performance")
    if not isinstance(argument, (str, Path)):
        raise InputError.of("performance", "must be an Evaluation, a file or a table", type(argument).__name__)
    path = Path(argument)
    if was_url(argument) and not path.exists():
        raise InputError.of("performance", "must be a path, not a URL", str(argument), "copy the file to this machine first")
    if path.is_dir():
        raise InputError.of("performance", "must be a file", str(path), "name each file in the folder")
    if not path.is_file():
        # NAME=FILE is for datasets.
        named = str(path).partition("=")[2]
        remedy = "run howfar evaluate -o FILE, or pass a CSV or Parquet table"
        if named and Path(named).is_file():
            remedy = f"pass {named} alone; an evaluation says which dataset it is of, and so does the column dataset of a table"
        raise MissingPathError(f"performance: nothing at {path}: {remedy}")
    table = _table(path)
    if table is None:
        return [Evaluation.load(path)]
    return _of_table(table, columns, path, path.stem if path.stem in datasets else "")


def _of_table(table: pd.DataFrame, columns: Mapping[str, str] | None, source: object, dataset: str = "") -> list[Evaluation]:
    """Convert a table with its own names of columns; a column that has a role's name and not the role is left out."""
    remedy = ""
    if columns is not None:
        table = renamed_columns(table, columns, dict(zip(ROLES, ROLES, strict=True)), source)
        remedy = f"; name others by {option('columns')}, as image=filename,{VALUE}=f1"
    named = table.assign(dataset=dataset) if dataset and "dataset" not in table else table
    return evaluations_of(named, str(source), remedy)


def _table(path: Path) -> pd.DataFrame | None:
    """Read a CSV or Parquet table; None for a Parquet file that is marked as an evaluation."""
    import pyarrow.parquet as pq

    with readable(path, "pass UTF-8 CSV (named .csv) or Parquet"):
        if path.suffix.lower() == ".csv":
            check_separator(path)
            # "NA" stands for a missing value in columns of numbers alone: a dataset may be called so.
            unknown = dict.fromkeys(NUMBERS, _UNKNOWN)
            return pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=unknown)
        return None if KEY in (pq.read_schema(path).metadata or {}) else read_frame(path, (HISTOGRAM,))
