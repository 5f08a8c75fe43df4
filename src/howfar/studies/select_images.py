"""Choose images of a dataset to label (`howfar select`), and propose labels from a model's predictions (paper: section 4.3)."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar import registry
from howfar.arrays import Float64Array, group_numbers
from howfar.data import Dataset, Item, decode, read_bytes
from howfar.data.annotations import FirstLabels, label_names
from howfar.data.image_tables_and_lists import match_list, read_list
from howfar.data.name_matching import examples
from howfar.data.prediction_maps import map_endings, read_prediction
from howfar.errors import HowfarError, InputError, StoreError
from howfar.io.file_location import absolute, ready_folder
from howfar.metrics.image_structure import FEATURES as REGION_FEATURES
from howfar.metrics.image_structure import MOST, foreground_regions, ridge_response
from howfar.metrics.label_free_signals import class_entropy
from howfar.metrics.multiclass import METRIC
from howfar.option_checks_and_signatures import checked, with_options
from howfar.options_by_function import SelectOptions
from howfar.pipeline.pair_measurement import KEPT
from howfar.protocols import Strategy
from howfar.random_streams import stream
from howfar.relation.labelled_images import HISTOGRAM
from howfar.results import Comparison, Pick, Provenance, Relation, Selection
from howfar.runners import LocalRunner
from howfar.selection import named
from howfar.selection.candidates import FEATURES, NAME, REGIONS
from howfar.selection.random_and_ranked import CLASSES, RIDGE
from howfar.studies.performance.image_performance import (
    GROUP,
    UNTUNED,
    Performances,
    groups_of,
    match,
    read_performances,
    signals_at,
    split_performances,
)
from howfar.tasks.task import ModelAnswer, ModelAnswers
from howfar.tasks.tasks_and_own_options import TASKS, own_options

_TASKS = {".json": "detection", ".csv": "classification", ".parquet": "classification", ".pq": "classification"}


def first_labels(
    images: pd.DataFrame, picks: Sequence[Pick], predictions: str | Path | None, relation: Relation | None, given: SelectOptions
) -> tuple[FirstLabels, tuple[str, ...]]:
    """Return the chosen images' first labels, and notes on images without one.

    A map, by default the one on record in `relation`, counts as foreground above the option `threshold` (by default the
    relation's, else 0.5); boxes are handed over from `min_score` on.
    """
    min_score, threshold = given["min_score"], given["threshold"]
    items = tuple(Item(str(name), str(path)) for name, path in zip(images["image"], images["path"], strict=True))
    dataset, file = Dataset(str(images["dataset"].iloc[0]), items), None if predictions is None else absolute(predictions)
    task, source = "segmentation", str(predictions)
    if file is not None and not file.is_dir():
        if file.suffix.lower() not in _TASKS:
            forms = "must be a folder of maps, a table of classes (.csv, .parquet) or a file of boxes (.json)"
            raise InputError.of("predictions", forms, str(file))
        task, source = _TASKS[file.suffix.lower()], str(file)
        own_options({"task": task, "min_score": min_score})
    elif min_score is not None:
        raise InputError.of("min_score", "is of no use without boxes", min_score, "pass a file of boxes as predictions")
    named = label_names(given["label_names"], task)
    recorded = UNTUNED if relation is None or relation.settings.threshold is None else relation.settings.threshold
    at = recorded if threshold is None else threshold
    reader = TASKS[task].of({"min_score": min_score, "threshold": at, "tolerance": 0.0})
    if file is not None:
        answers = reader.answers(dataset, file)
    else:
        source, maps = "the maps of howfar relate", dict[str, ModelAnswer]()
        # Maps of several classes are no foreground.
        if relation is not None and relation.metric != METRIC:
            wanted = {(pick.image, pick.path) for pick in picks}
            for image, path, place in relation.images[["image", "path", "prediction"]].itertuples(index=False, name=None):
                file_of_map = Path(place) if isinstance(place, str) and (image, path) in wanted else Path()
                if file_of_map.suffix.lower() in map_endings() and file_of_map.is_file():
                    maps[str(image)] = ModelAnswer(file_of_map)
        answers = ModelAnswers(dataset, Path(), maps)
    known = [pick.image for pick in picks if pick.image in answers.by_image]
    placed = {pick.image for pick in picks if pick.path or task != "segmentation"}
    first = replace(reader.first_labels(answers, [name for name in known if name in placed]), names=named)
    notes = [*answers.notes]
    if file is not None or answers.by_image:
        missing = [pick.image for pick in picks if pick.image not in known]
        if missing:
            what = f"{len(missing)} of {len(picks)} images have no prediction in {source} ({examples(missing)})"
            notes.append(f"{what}: without a first label")
        if first.faults:
            image, reason = next(iter(first.faults.items()))
            notes.append(f"{len(first.faults)} of {len(picks)} images are without a first label ({image}: {reason})")
    return first, tuple(notes)


AUTO, AUTO_STRATEGY = "auto", "random"
AUTO_REASON = "auto took random: no strategy has been shown to beat random (howfar strategies)"


SIDE = 512
"""Longest side, in pixels, that a picture is shrunk to for the ridge filter, so that its scales are relative to the image."""


def _regions(files: Sequence[tuple[str, str]], threshold: float) -> Float64Array:
    """Measure the predicted regions of images, (m, 16, 9); absent regions are 0, images without a map nan."""

    def measured(pair: tuple[str, str]) -> Float64Array:
        image, prediction = pair
        table = np.full((MOST, len(REGION_FEATURES)), np.nan)
        with suppress(HowfarError):
            if prediction:
                picture = np.asarray(decode(read_bytes(image)).image)
                regions = foreground_regions(read_prediction(prediction).values, picture, threshold)
                table[: len(regions)], table[len(regions) :] = regions, 0.0
        return table

    return np.stack(list(LocalRunner().run(measured, files)))


# A study asks for it again with each seed and number of shots, and no model changes it.
@lru_cache(maxsize=1 << 16)
def _ridge(path: str, content: str) -> float:
    """Compute the ridge response of an image file, nan if unreadable; `content` distinguishes files with the same path."""
    try:
        picture = decode(read_bytes(path)).image.convert("L")
    except HowfarError:
        return float("nan")
    picture.thumbnail((SIDE, SIDE))
    return ridge_response(np.asarray(picture) / 255.0)


Labelled: TypeAlias = str | Path | Sequence[str | Path]

DISTANCE = "distance"
# What strategies read, by the name that an evaluation gives it, and what an evaluation needs for it.
SIGNALS = {
    "uncertainty": ("entropy", ""),
    "flip_agreement": ("flip_agreement", " --flipped DIR"),
    "predicted_foreground": ("predicted_foreground", ""),
}
EVALUATED = {**SIGNALS, **dict.fromkeys(CLASSES, (HISTOGRAM, "")), REGIONS: ("maps", " --predictions DIR")}


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
    """Choose k images of a dataset to label.

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
        random, which no strategy has been shown to beat; `Selection.why` says so.
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
    chosen_by, why = (named(AUTO_STRATEGY), AUTO_REASON) if strategy == AUTO else (named(strategy), "")
    comparison, relation = run if isinstance(run, Comparison) else Comparison.load(run), None
    if not isinstance(run, Comparison) and (absolute(run) / Relation.DOCUMENT).is_file():
        relation = Relation.load(absolute(run))
        if relation.parents and comparison.run_id not in relation.parents:
            raise StoreError(f"{absolute(run)}: relation.json is of another run than result.json: run relate again")
    secondaries = [secondary.name for secondary in comparison.datasets]
    if dataset not in secondaries:
        raise InputError.of("dataset", f"must be a secondary dataset of the run ({', '.join(secondaries)})", dataset)
    images = comparison.images[comparison.images["dataset"] == dataset].reset_index(drop=True)
    columns = _columns(comparison, dataset, images, chosen_by, performance)
    if among is not None:
        names = set(images["image"])
        if unknown := [name for name in among if name not in names]:
            raise InputError.of("among", f"must name images of {dataset}", unknown[0])
        rows = np.flatnonzero(images["image"].isin(among))
        images, columns = images.iloc[rows].reset_index(drop=True), {name: values[rows] for name, values in columns.items()}
    mask, strangers = _labelled(images, labelled, dataset)
    rng = stream(given["seed"], "selection", dataset)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        groups = groups_of(images, None) if GROUP in images else ()
        positions = pick_by_group(chosen_by, columns, int(k), rng, mask, group_numbers(groups))
    values, picks = {name: columns[name] for name in chosen_by.needs if columns[name].ndim == 1}, list[Pick]()
    for rank, position in enumerate(positions.tolist(), start=1):
        row = images.iloc[position]
        reason = chosen_by.reason({name: float(column[position]) for name, column in values.items()})
        picks.append(Pick(rank, str(row["image"]), str(row["path"]), float(row["i_dist_scaled"]), reason))
    first, remarks = first_labels(images, picks, predictions, None if out is None else relation, given)
    selection = Selection(
        primary=comparison.primary.name,
        dataset=dataset,
        strategy=chosen_by.name,
        nested=chosen_by.nested,
        seed=given["seed"],
        n=len(images),
        labelled=int(mask.sum()),
        picks=tuple(picks),
        provenance=Provenance.now(),
        notes=(*(f"{dataset}: {warning.message}" for warning in caught), *_notes(columns, chosen_by, strangers, dataset)),
        why=why,
        task=first.task,
        label_names=first.names.given,
    ).made_from(comparison)
    folder = ready_folder("out", out)
    if folder is not None:
        remarks += registry.load("reports", selection.REPORT)(selection, folder, first, given["with_images"])
    for remark in remarks:
        warnings.warn(remark, UserWarning, stacklevel=2)
    return selection


def pick_by_group(
    strategy: Strategy,
    columns: Mapping[str, NDArray[Any]],
    k: int,
    rng: np.random.Generator,
    labelled: NDArray[np.bool_],
    groups: NDArray[np.integer[Any]] | None,
) -> NDArray[np.intp]:
    """Choose k of m images by a strategy, of different groups as long as there are groups without a label or a choice.

    `groups` (m,) number the groups of the images (scenes, patients, clips); None: the strategy alone chooses. Images of a group
    that has one count as labelled, so as covered, until every group that the strategy can choose from has one. Then groups are
    halved, in the order of their images, and halved again, so that frames are chosen from different parts of a clip.
    """
    if groups is None or k > int((~labelled).sum()):
        return np.asarray(strategy.pick(columns, k, rng, labelled), dtype=np.intp)
    chosen, parts, blocks = list[int](), 1, groups
    closed = np.isin(groups, groups[labelled])
    while len(chosen) < k:
        taken = labelled | closed
        taken[chosen] = True
        try:
            found = strategy.pick(columns, min(k - len(chosen), int((~taken).sum())), rng, taken)
        except InputError:
            if parts > len(groups):
                raise
            parts *= 2
            # Each group is cut into so many parts of equal length, in the order of its images.
            of_group = pd.Series(groups).groupby(groups)
            blocks = np.asarray(groups * parts + of_group.cumcount() * parts // of_group.transform("size"), dtype=np.intp)
            closed = np.isin(blocks, blocks[[*np.flatnonzero(labelled), *chosen]])
            continue
        for position in found.tolist():
            if not closed[position]:
                chosen.append(position)
                closed |= blocks == blocks[position]
    return np.array(chosen, dtype=np.intp)


def _columns(
    comparison: Comparison,
    dataset: str,
    images: pd.DataFrame,
    strategy: Strategy,
    performance: Performances | Sequence[Performances] | None,
) -> dict[str, NDArray[Any]]:
    """Collect the columns that the strategy needs: names, distances, features, signals."""
    columns: dict[str, NDArray[Any]] = {
        NAME: images["image"].to_numpy(dtype=str),
        DISTANCE: images["i_dist_scaled"].to_numpy(dtype=np.float64),
    }
    if FEATURES in strategy.needs:
        # All components of the images in their pair's space.
        components = next(secondary.components for secondary in comparison.datasets if secondary.name == dataset)
        wanted = [f"pc{number}" for number in range(1, components + 1)]
        present = sum(name in images for name in wanted)
        if present < components:
            remedy = "with --projection pair" if components > KEPT else "which keeps all now"
            raise InputError(
                f"the strategy {strategy.name} needs all {components:,} components of images of {dataset} and the run holds "
                f"{present}: run compare again, {remedy}"
            )
        columns[FEATURES] = images[wanted].to_numpy(dtype=np.float64)
    if performance is not None:
        names = [comparison.primary.name, *(each.name for each in comparison.datasets)]
        own, others = split_performances(read_performances(performance, names), names[0], f"evaluate {dataset}")
        tuned = None if own is None else own.scores.get("ods_threshold")
        cut = UNTUNED if tuned is None else tuned
        in_dataset = (comparison.images["dataset"] == dataset).to_numpy()
        rows = match(comparison.images, others).rows[in_dataset]
        signals = signals_at(rows, cut)
        known: dict[str, NDArray[Any]] = {name: signals[signal] for name, (signal, _) in SIGNALS.items() if signal in signals}
        if HISTOGRAM in signals and set(CLASSES) & set(strategy.needs):
            histograms = signals[HISTOGRAM]
            entropies = np.full((len(histograms), len(CLASSES)), np.nan)
            for row in np.flatnonzero(np.isfinite(histograms).all(axis=1)):
                entropies[row] = class_entropy(histograms[row].astype(np.int64), cut)
            known |= dict(zip(CLASSES, entropies.T, strict=True))
        if REGIONS in strategy.needs and "prediction" in rows:
            maps = rows["prediction"].fillna("").astype(str)
            known[REGIONS] = _regions(list(zip(comparison.images["path"][in_dataset], maps, strict=True)), cut)
        columns |= {name: values for name, values in known.items() if np.isfinite(values).any()}
    if RIDGE in strategy.needs:
        files = list(images[["path", "content"]].itertuples(index=False, name=None))
        ridges = np.array(list(LocalRunner().run(lambda file: _ridge(*file), files)), dtype=np.float64)
        columns |= {RIDGE: ridges} if np.isfinite(ridges).any() else {}
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


def _labelled(images: pd.DataFrame, labelled: Labelled | None, dataset: str) -> tuple[NDArray[np.bool_], int]:
    """Return a mask of the labelled images, and the number of listed names that match no image."""
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


def _notes(columns: dict[str, NDArray[Any]], strategy: Strategy, strangers: int, dataset: str) -> Iterator[str]:
    for name in strategy.needs:
        finite = np.isfinite(columns[name]).reshape(len(columns[name]), -1).all(axis=1)
        if lacking := int((~finite).sum()):
            signal = EVALUATED.get(name, (name,))[0]
            yield f"{lacking} of {len(columns[name])} images of {dataset} have no {signal}: they cannot be chosen"
    if strangers:
        noun, verb = ("entry", "is") if strangers == 1 else ("entries", "are")
        yield f"{strangers} {noun} of the list of labelled images {verb} no image of {dataset}: left out"
