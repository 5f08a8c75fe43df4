"""Read per-image scores from files and tables, match them to the images of a run, and measure these for the judge of sites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.data.image_groups_and_variations import fits, image_groups
from howfar.data.prediction_maps import network_of
from howfar.data.untrusted_documents_and_tables import check_separator, number_remedy, readable, renamed_columns
from howfar.errors import InputError, MissingPathError, option
from howfar.io.file_location import as_location, was_url
from howfar.io.untrusted_parquet import read_frame
from howfar.metrics import THRESHOLDS, Counts, f, f_per_image, ods, precision_recall, threshold_index
from howfar.metrics.label_free_signals import predicted_foreground, soft_f
from howfar.metrics.metric_interface import mean_of_defined
from howfar.options_by_function import CalibrationOptions
from howfar.relation.labelled_images import (
    AT_THRESHOLD,
    EVERY_SIGNAL,
    HISTOGRAM,
    SOFT_F,
    TILE_AGREEMENT,
    VALUES,
    LabelledImages,
    take,
)
from howfar.relation.site_judge import Evidence, Terms
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
            either = "" if dataset else "name each row's dataset in a column dataset, or "
            raise InputError(f"{source}: image {repeated.iloc[0]} is there twice: {either}keep one row an image")
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


def groups_of(images: pd.DataFrame, group: str | None) -> list[str]:
    """Return each image's group, prefixed with its dataset: ``roads/a`` of roads' ``a-1.png`` by ``(.+)-[0-9]+``.

    The expression `group` is matched from the start of a name without its ending, and replaces the table's own groups in
    column `group`; an image without either is a group.
    """
    names, own = images["image"].tolist(), [of if isinstance(of, str) and of else None for of in images.get(GROUP, ())]
    photographs = names if group is None and not own else image_groups(names, own, group)
    return [f"{dataset}/{photograph}" for dataset, photograph in zip(images["dataset"], photographs, strict=True)]


GROUP: Final = "group"
PIXELS = "pixels"


UNTUNED = 0.5
NOT_TUNED = "not tuned on any set"
SHARE = "predicted_foreground"
THRESHOLD = "threshold"
"""Column of the threshold that an image's foreground was measured at."""
SAME = 1e-6
_COUNTS = ("predicted", "hits_predicted", "hits_true")


@dataclass(frozen=True, eq=False)
class ImagePerformance:
    """Hold the performance of n images, in the order of the comparison.

    `performance` (n,) is at the common threshold where there is one, nan where unknown. `counted` (n,) says whether an image
    has a part in its set's scores: it was compared with its mask, which may be blank, or a performance was given. `counts`
    are pixel counts, None where some performances came without; then `threshold` is None and its `source`, in words, "".
    """

    performance: Float64Array
    counted: NDArray[np.bool_]
    counts: Counts | None
    metric: str
    threshold: float | None
    source: str

    def common(self, indices: NDArray[np.intp]) -> float:
        """Compute the performance of several images at the common threshold: F of their summed counts, or the mean."""
        if self.counts is None or self.threshold is None:
            return mean_of_defined(self.performance[indices])
        return float(f(self.counts, indices)[threshold_index(self.threshold)])

    def retuned(self, indices: NDArray[np.intp]) -> tuple[float, float]:
        """Compute F of several images at their best threshold, and that threshold; without counts their mean and nan."""
        if self.counts is None:
            return mean_of_defined(self.performance[indices]), float("nan")
        return ods(self.counts, indices)

    def by_threshold(self, indices: NDArray[np.intp]) -> pd.DataFrame:
        """Compute precision, recall and F of several images at every threshold; no rows without foreground counts."""
        if self.counts is None or not self.counts.true[indices].any():
            return pd.DataFrame({name: np.empty(0) for name in ("threshold", "precision", "recall", "f")})
        precision, recall = precision_recall(self.counts, indices)
        values = f(self.counts, indices)
        return pd.DataFrame({"threshold": THRESHOLDS, "precision": precision, "recall": recall, "f": values})


def scores_of(
    matched: Matched, secondaries: Sequence[Evaluation], own: Evaluation | None, threshold: float | None
) -> ImagePerformance:
    """Compute the images' performance at the common threshold: the caller's, else the primary dataset's own, else 0.5.

    Where any performances came without pixel counts, all are taken as they were given, so that one number does not stand for
    two things. Raises `InputError` for a threshold without counts, and for evaluations of several tasks or tolerances.
    """
    evaluations = [*secondaries] if own is None else [*secondaries, own]
    tasks = sorted({evaluation.task for evaluation in evaluations if evaluation.task != GIVEN})
    if len(tasks) > 1:
        raise InputError.of("performance", "must be of one task", ", ".join(tasks))
    tolerances = sorted({evaluation.tolerance for evaluation in evaluations if evaluation.task == "segmentation"})
    if len(tolerances) > 1:
        raise InputError.of("performance", "must be counted with one tolerance", tolerances, "evaluate again with one of them")
    rows = matched.rows
    if not all(evaluation.task == "segmentation" for evaluation in secondaries):
        if threshold is not None:
            rule = "is of use only where all performances hold pixel counts"
            raise InputError.of("threshold", rule, threshold, "leave it out")
        metrics = dict.fromkeys(evaluation.metric for evaluation in secondaries)
        values = rows[VALUE].to_numpy(dtype=np.float64, na_value=np.nan)
        return ImagePerformance(values, np.isfinite(values), None, " or ".join(metrics), None, "")
    counts = counts_of(rows)
    tuned = None if own is None else own.scores.get("ods_threshold")
    common, source = UNTUNED, NOT_TUNED
    if threshold is not None:
        common, source = float(THRESHOLDS[threshold_index(threshold)]), "given"
    elif own is not None and tuned is not None:
        common, source = float(tuned), f"tuned on {own.dataset}"
    performance = f_per_image(counts)[:, threshold_index(common)]
    counted = rows["true"].notna().to_numpy()
    return ImagePerformance(performance, counted, counts, f"F at threshold {common:.2f}", common, source)


def signals_at(rows: pd.DataFrame, threshold: float | None) -> dict[str, NDArray[np.float64]]:
    """Collect each image's label-free signals at the common threshold (None: 0.5), and the gate's inputs.

    Missing values are nan. The predicted share and soft F are computed from the histogram, and stay as given where there is
    none; a share at an unknown threshold is left out. The foreground's shape and overlap with its mirror image cannot be
    computed anew: an image evaluated at another threshold lacks them.
    """
    known = (name for name in (*EVERY_SIGNAL, PIXELS, TILE_AGREEMENT) if name in rows)
    columns = {name: rows[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in known}
    at = UNTUNED if threshold is None else threshold
    if THRESHOLD in rows:
        elsewhere = np.abs(rows[THRESHOLD].to_numpy(dtype=np.float64, na_value=np.nan) - at) > SAME
        for name in set(AT_THRESHOLD) & set(columns):
            columns[name] = np.where(elsewhere, np.nan, columns[name])
    if HISTOGRAM in rows:
        columns[HISTOGRAM] = _stacked(rows[HISTOGRAM], VALUES, np.nan)
        columns.setdefault(PIXELS, columns[HISTOGRAM].sum(axis=1))
        for name, signal in ((SHARE, predicted_foreground), (SOFT_F, soft_f)):
            counted = (counts.astype(np.int64) if np.isfinite(counts).all() else None for counts in columns[HISTOGRAM])
            values = np.array([np.nan if counts is None else signal(counts, at) for counts in counted])
            columns[name] = np.where(np.isnan(values), columns.get(name, values), values)
    elif threshold is None:
        columns.pop(SHARE, None)
    return columns


def counts_of(rows: pd.DataFrame) -> Counts:
    """Return the pixel counts of an evaluation's images, zeros without a mask; `KeyError` for evaluations without counts."""
    predicted, hits_predicted, hits_true = (_stacked(rows[name], len(THRESHOLDS), 0).astype(np.int64) for name in _COUNTS)
    true = rows["true"].fillna(0).to_numpy(dtype=np.int64)
    pixels = rows[HISTOGRAM].map(lambda counts: int(np.sum(counts)) if isinstance(counts, (np.ndarray, list)) else 0)
    return Counts(predicted, hits_predicted, hits_true, true, pixels.to_numpy(dtype=np.int64))


def _stacked(column: pd.Series, width: int, missing: float) -> NDArray[np.float64]:
    """Stack a column of lists into an array with one row per image; an absent list becomes `missing`."""
    blank = np.full(width, missing)
    rows = [values if isinstance(values, (np.ndarray, list)) else blank for values in column]
    return np.stack([np.asarray(row, dtype=np.float64) for row in rows])


@dataclass(frozen=True, eq=False)
class MeasuredImages:
    """Hold the images of several datasets with their performance, the judge's inputs, and the primary's own evaluation."""

    images: pd.DataFrame
    matched: Matched
    scores: ImagePerformance
    columns: dict[str, NDArray[Any]]
    own: Evaluation | None
    tiled: bool
    network: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        images: pd.DataFrame,
        distances: Mapping[str, NDArray[Any]],
        evaluations: Sequence[Evaluation],
        own: Evaluation | None,
        threshold: float | None,
    ) -> MeasuredImages:
        """Add to images and their distances the performance at the common threshold, and the label-free signals."""
        matched = match(images, evaluations)
        scores = scores_of(matched, evaluations, own, threshold)
        columns = {**distances, **signals_at(matched.rows, scores.threshold)}
        known = (*([] if own is None else [own]), *evaluations)
        maps = [of.images["prediction"].iloc[0] for of in known if of.task == "segmentation" and "prediction" in of.images]
        network = network_of(Path(maps[0])) if maps else {}
        return cls(images, matched, scores, columns, own, all(evaluation.tiled for evaluation in known), network)

    @property
    def sets(self) -> NDArray[np.str_]:
        """Return each image's dataset."""
        return self.images["dataset"].to_numpy(dtype=str)

    def terms(self, given: CalibrationOptions) -> Terms:
        """Return the settings of a judge of these images."""
        return Terms(given["tau"], given["level"], given["error_rate"], self.tiled, self.network)

    def evidence(self, group: str | None, primary: str, further: MeasuredImages | None = None) -> Evidence:
        """Collect the labelled images of sites, of corrupted sets (`further`), and of the primary dataset's own kind."""
        photographs = np.array(groups_of(self.images, group), dtype=np.str_)
        images = LabelledImages(self.columns, self.scores.performance, self.sets, photographs)
        if further is not None:
            corrupted = LabelledImages(further.columns, further.scores.performance, further.sets, further.sets)
            images = LabelledImages.stacked(images, corrupted)
        return Evidence.of(images, home_of(self.own, self.scores.threshold, group), primary)


def home_of(own: Evaluation | None, threshold: float | None, group: str | None) -> LabelledImages | None:
    """Collect the labelled images of the primary dataset's own evaluation, at the common threshold; None if there are none.

    They have no distances: an image of the primary dataset is not as far from it as a new one would be. Without pixel counts,
    where the others are at a common threshold, they are left out: one number would stand for two things.
    """
    if own is None:
        return None
    rows = own.images if own.threshold is None else own.images.assign(**{THRESHOLD: own.threshold})
    if threshold is not None and "hits_true" not in rows:
        return None
    if threshold is None:
        performance = rows[VALUE].to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        performance = f_per_image(counts_of(rows))[:, threshold_index(threshold)]
    scored = np.isfinite(performance)
    if not scored.any():
        return None
    images = rows[["dataset", "image", *([GROUP] if GROUP in rows else [])]]
    # An expression that is made for the names of the secondary datasets need not match those of the primary one.
    fitting = group is not None and fits(images["image"].tolist(), group)
    groups = np.array(groups_of(images, group if fitting else None))
    # By name, so that the order of a file's rows changes no digit.
    order = np.flatnonzero(scored)[np.argsort(images["image"].to_numpy(dtype=str)[scored], kind="stable")]
    columns = take(signals_at(rows, threshold), order)
    return LabelledImages(columns, performance[order], np.full(len(order), own.dataset), groups[order])
