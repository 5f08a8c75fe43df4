"""Run the selection study (section 4.3): choose which few images of a dataset to label."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar import registry
from howfar.data.first_labels import FirstLabels
from howfar.data.image_list import match_list, read_list
from howfar.data.label_archives import Images
from howfar.errors import InputError
from howfar.io.location import absolute, ready_folder
from howfar.keywords import SelectOptions
from howfar.pipeline.pairs import KEPT
from howfar.protocols import Strategy
from howfar.relation.label_free_columns import HISTOGRAM
from howfar.results import Comparison, Pick, Provenance, Relation, Selection
from howfar.selection import named
from howfar.selection.pool import FEATURES, NAME
from howfar.selection.ridge_response import RIDGE
from howfar.settings import checked, with_options
from howfar.studies.auto_strategy import AUTO, chosen_strategy, relation_of
from howfar.studies.first_labels import first_labels
from howfar.studies.performance.image_performance import UNTUNED, signals_at
from howfar.studies.performance.performance_files import Performances, match, read_performances, split_performances
from howfar.studies.selection_columns import OF_MAPS, map_columns, missing_in, ridge_column

Labelled: TypeAlias = str | Path | Sequence[str | Path]

DISTANCE = "distance"
# What strategies read, by the name that an evaluation gives it, and what an evaluation needs for it.
SIGNALS = {
    "uncertainty": ("entropy", ""),
    "flip_agreement": ("flip_agreement", " --flipped DIR"),
    "predicted_foreground": ("predicted_foreground", ""),
}
EVALUATED = {**SIGNALS, **OF_MAPS}


@with_options(SelectOptions)
def select(
    run: Comparison | str | Path,
    dataset: str,
    k: int,
    strategy: str | Strategy = AUTO,
    *,
    predictions: str | Path | None = None,
    labelled: Labelled | None = None,
    among: Sequence[str] | None = None,
    performance: Performances | Sequence[Performances] | None = None,
    out: str | Path | None = None,
    **options: Unpack[SelectOptions],
) -> Selection:
    """Choose which k images of a dataset to label.

    Parameters
    ----------
    run
        What `howfar.compare` returned, or its run folder.
    dataset
        The name of one of its secondary datasets.
    k
        How many images.
    strategy
        ``auto``; a registered name (``howfar strategies`` lists them: far, random, kmedoids …); or a strategy. ``auto`` takes
        far where `howfar.relate` has said of the run folder that performance falls with distance, else random, which no
        strategy beat; `Selection.why` says which and why.
    predictions
        What the model says of the dataset, for the files that `out` gets: a folder of probability maps, a table of classes
        (.csv, .parquet) or a file of boxes (.json), as for `howfar.evaluate`. It stands there as first labels to correct. By
        default the maps that `howfar.relate` has on record in the run folder.
    labelled
        Images that have labels already, which are not chosen and count as covered: names or paths, or a list of them (a text
        file with one a line, a table with a column image). What is no image of the dataset is left out with a note.
    among
        Names of the images that may be chosen; by default all. Distances stay scaled over the whole dataset.
    performance
        As for `howfar.relate`: the predictions' entropy, flip agreement, predicted foreground, histograms and maps, of which
        some strategies read what they need. It needs no masks.
    out
        A folder to write, as the command does: the list (chosen.txt, chosen.csv), a contact sheet, files for labelling tools
        and selection.json. Images are pointed to; `with_images` copies or links them. What cannot be written (ready-made
        embeddings have no files of images, a file may be gone) is left out with a warning. None writes nothing.

    Returns
    -------
    Selection
        Shows as its table; ``.picks``, ``.paths``, ``.to_frame()``.

    Raises
    ------
    HowfarError
        An unknown dataset or strategy, more images than are left, a strategy whose data are not there, a list that names no
        image of the dataset.

    Examples
    --------
    >>> import howfar
    >>> rng = np.random.default_rng(0)
    >>> run = howfar.compare(rng.normal(size=(50, 8)), {"site": rng.normal(1, 1, size=(40, 8))}, bootstrap=0, permutations=0)
    >>> [round(pick.distance, 2) for pick in select(run, "site", 3, "far").picks]
    [0.79, 0.65, 0.82]
    """
    given = checked(SelectOptions, options)
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise InputError.of("k", "must be a whole number of at least 1", k, "pass 7")
    comparison, relation, chosen_by, why = _resolved(run, dataset, strategy)
    images = _images(comparison, dataset)
    columns = _columns(comparison, dataset, images, chosen_by, performance)
    if among is not None:
        rows = _rows_among(images, among, dataset)
        images, columns = images.iloc[rows].reset_index(drop=True), {name: values[rows] for name, values in columns.items()}
    mask, strangers = _labelled(images, labelled, dataset)
    rng = np.random.default_rng([given["seed"], zlib.crc32(dataset.encode()), 4])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        positions = chosen_by.pick(columns, int(k), rng, mask)
    picks = tuple(_picks(images, columns, positions, chosen_by))
    handed = given["label_names"], given["threshold"], given["min_score"]
    first, remarks = first_labels(images, picks, predictions, None if out is None else relation, *handed)
    selection = Selection(
        primary=comparison.primary.name,
        dataset=dataset,
        strategy=chosen_by.name,
        nested=chosen_by.nested,
        seed=given["seed"],
        n=len(images),
        labelled=int(mask.sum()),
        picks=picks,
        provenance=Provenance.now(),
        notes=(*(f"{dataset}: {warning.message}" for warning in caught), *_notes(columns, chosen_by, strangers, dataset)),
        why=why,
        task=first.task,
        label_names=first.names.given,
    ).made_from(comparison)
    for remark in (*remarks, *_write(selection, out, first, given["with_images"])):
        warnings.warn(remark, UserWarning, stacklevel=2)
    return selection


def _write(selection: Selection, out: str | Path | None, first: FirstLabels, with_images: Images) -> tuple[str, ...]:
    """Write a selection where it is to be written, and return what could not be written of it."""
    folder = ready_folder("out", out)
    if folder is None:
        return ()
    remarks: tuple[str, ...] = registry.load("reports", selection.REPORT)(selection, folder, first, with_images)
    return remarks


def _rows_among(images: pd.DataFrame, among: Sequence[str], dataset: str) -> NDArray[np.intp]:
    """Return the rows of the images that may be chosen; `InputError` for a name of none."""
    rows = np.flatnonzero(images["image"].isin(among))
    if len(rows) < len(set(among)):
        stranger = next(name for name in among if name not in set(images["image"]))
        raise InputError.of("among", f"must name images of {dataset}", stranger)
    return rows


def _resolved(
    run: Comparison | str | Path, dataset: str, strategy: str | Strategy
) -> tuple[Comparison, Relation | None, Strategy, str]:
    """Return the run, the relation on record in its folder, what chooses, and why where that was left to `auto`."""
    chosen_by = named("random" if strategy == AUTO else strategy)
    comparison = run if isinstance(run, Comparison) else Comparison.load(run)
    relation = relation_of(comparison, None if isinstance(run, Comparison) else absolute(run))
    if strategy != AUTO:
        return comparison, relation, chosen_by, ""
    name, why = chosen_strategy(relation, dataset)
    return comparison, relation, named(name), why


def _images(comparison: Comparison, dataset: str) -> pd.DataFrame:
    """Return the run's rows of one dataset."""
    names = [secondary.name for secondary in comparison.datasets]
    if dataset not in names:
        raise InputError.of("dataset", f"must be a secondary dataset of the run ({', '.join(names)})", dataset)
    return comparison.images[comparison.images["dataset"] == dataset].reset_index(drop=True)


def _columns(
    comparison: Comparison,
    dataset: str,
    images: pd.DataFrame,
    strategy: Strategy,
    performance: Performances | Sequence[Performances] | None,
) -> dict[str, NDArray[Any]]:
    """Collect what the strategy needs of the images: names, distances, features, signals."""
    columns: dict[str, NDArray[Any]] = {
        NAME: images["image"].to_numpy(dtype=str),
        DISTANCE: images["i_dist_scaled"].to_numpy(dtype=np.float64),
    }
    if FEATURES in strategy.needs:
        columns[FEATURES] = _features(comparison, dataset, images, strategy)
    if performance is not None:
        columns |= _signals(comparison, dataset, performance, strategy)
    if RIDGE in strategy.needs:
        columns |= ridge_column(images)
    for name in sorted(set(strategy.needs) - set(columns)):
        if name == RIDGE:
            raise InputError(f"the strategy {strategy.name} needs the images of {dataset}, and no file of the run can be read")
        if name in EVALUATED:
            signal, option = EVALUATED[name]
            raise InputError(
                f"the strategy {strategy.name} needs the {signal} of images of {dataset}: pass as performance what howfar "
                f"evaluate{option} -o FILE writes of {dataset}"
            )
        if name not in images:
            raise InputError(f"the strategy {strategy.name} needs {name} of images of {dataset}, which no run holds")
        columns[name] = images[name].to_numpy(dtype=np.float64)
    return columns


def _features(comparison: Comparison, dataset: str, images: pd.DataFrame, strategy: Strategy) -> NDArray[np.float64]:
    """Return all components of the images in the space of their pair, (m, z)."""
    components = next(secondary.components for secondary in comparison.datasets if secondary.name == dataset)
    wanted = [f"pc{number}" for number in range(1, components + 1)]
    present = sum(name in images for name in wanted)
    if present < components:
        remedy = "with --projection pair" if components > KEPT else "which keeps all now"
        raise InputError(
            f"the strategy {strategy.name} needs all {components:,} components of images of {dataset} and the run holds "
            f"{present}: run compare again, {remedy}"
        )
    return images[wanted].to_numpy(dtype=np.float64)


def _signals(
    comparison: Comparison, dataset: str, performance: Performances | Sequence[Performances], strategy: Strategy
) -> dict[str, NDArray[np.float64]]:
    """Collect the label-free signals of the dataset's images, by the names that strategies use; only what some image has."""
    own, others = split_performances(read_performances(performance), comparison.primary.name, f"evaluate {dataset}")
    tuned = None if own is None else own.scores.get("ods_threshold")
    cut = UNTUNED if tuned is None else tuned
    in_dataset = (comparison.images["dataset"] == dataset).to_numpy()
    rows = match(comparison.images, others).rows[in_dataset]
    signals = signals_at(rows, cut)
    columns = {name: signals[signal] for name, (signal, _) in SIGNALS.items() if signal in signals}
    paths = comparison.images["path"][in_dataset].tolist()
    columns |= map_columns(strategy.needs, rows, paths, signals.get(HISTOGRAM), cut)
    return {name: values for name, values in columns.items() if np.isfinite(values).any()}


def _labelled(images: pd.DataFrame, labelled: Labelled | None, dataset: str) -> tuple[NDArray[np.bool_], int]:
    """Make a mask of the images that have labels, and count those named that are no image of the dataset."""
    mask = np.zeros(len(images), dtype=np.bool_)
    if labelled is None:
        return mask, 0
    listed = read_list(labelled) if isinstance(labelled, (str, Path)) else tuple(map(str, labelled))
    rows = match_list(listed, list(images["image"]), list(images["path"]))
    matched = [row for row in rows if row is not None]
    if listed and not matched:
        rule = f"must name images of {dataset}, by name ({images['image'].iloc[0]}) or path"
        raise InputError.of("labelled", rule, listed[0], "name them as the run does")
    mask[matched] = True
    return mask, len(rows) - len(matched)


def _picks(
    images: pd.DataFrame, columns: dict[str, NDArray[Any]], positions: NDArray[np.intp], strategy: Strategy
) -> Iterator[Pick]:
    values = {name: columns[name] for name in strategy.needs if columns[name].ndim == 1}
    for rank, position in enumerate(positions.tolist(), start=1):
        row = images.iloc[position]
        reason = strategy.reason({name: float(column[position]) for name, column in values.items()})
        yield Pick(rank, str(row["image"]), str(row["path"]), float(row["i_dist_scaled"]), reason)


def _notes(columns: dict[str, NDArray[Any]], strategy: Strategy, strangers: int, dataset: str) -> Iterator[str]:
    for name in strategy.needs:
        lacking = missing_in(columns[name])
        if lacking:
            signal = EVALUATED.get(name, (name,))[0]
            yield f"{lacking} of {len(columns[name])} images of {dataset} have no {signal}: they cannot be chosen"
    if strangers:
        noun, verb = ("entry", "is") if strangers == 1 else ("entries", "are")
        yield f"{strangers} {noun} of the list of labelled images {verb} no image of {dataset}: left out"
