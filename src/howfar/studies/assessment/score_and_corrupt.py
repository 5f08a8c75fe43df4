"""Prepare `howfar assess`: find or make predictions, score labelled datasets, corrupt copies of the primary's images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from howfar.data import Dataset
from howfar.data.box_files import read_document
from howfar.data.image_decoding import size
from howfar.data.prediction_maps import match_maps
from howfar.data.untrusted_documents_and_tables import TABLES
from howfar.errors import ImageError, InputError, MissingPathError
from howfar.formatting_and_escaping import share
from howfar.metrics import f_per_image, threshold_index
from howfar.option_checks_and_signatures import picked
from howfar.options_by_function import AssessOptions, FedOptions, TaskOptions
from howfar.pipeline.prediction import LARGER, Model, load_model, predict
from howfar.results import Evaluation
from howfar.results.assessment_result import OwnScore
from howfar.results.relation_result import BLANK
from howfar.segmenters.norm_adaptation import ADAPTED, WARNING
from howfar.studies.corruption import CorruptedSets, corrupt
from howfar.studies.evaluate_predictions import Seen, evaluate
from howfar.studies.performance.image_performance import counts_of
from howfar.studies.study_inputs import drawn
from howfar.tasks.segmentation_task import SegmentationTask
from howfar.tasks.task import FLIPPED, FOLDER, TILED, Task
from howfar.tasks.tasks_and_own_options import TASKS, own_options

MAPS, CORRUPTED, PERFORMANCE = "maps", "corrupted", "performance"
MOST = 30
"""So many of the primary's held-out images are corrupted: 236 gave no better estimates than 30 (docs/howto/no-labels.md)."""
_JSON = ".json"
TRUTHS: Final = (_JSON, *TABLES, ".xml", ".zip", FOLDER)
"""Endings that a dataset's file of true boxes may have."""


@dataclass(frozen=True)
class BlankSite:
    """Count the images, the masks, and the masks with false alarms of a site whose masks contain no foreground."""

    n: int
    masked: int
    alarms: int
    false_positive_share: float

    def words(self, site: str) -> str:
        """Describe the site in sentences that stand alone."""
        of = "its 1 mask" if self.masked == 1 else f"its {self.masked} masks"
        return (
            f"{site}: none of {of} holds foreground: F is undefined. Some is predicted in {self.alarms} of them, in "
            f"{share(self.false_positive_share)} of the pixels."
        )


def blank_sites(evaluations: Iterable[Evaluation]) -> dict[str, BlankSite]:
    """Collect the sites whose masks hold no foreground by name; tasks other than segmentation have none."""
    blank = {}
    for evaluation in evaluations:
        if evaluation.task != SegmentationTask.name:
            continue
        true = evaluation.images["true"].to_numpy(dtype=np.float64)
        masked = np.isfinite(true)
        if masked.any() and not true[masked].any():
            alarms = evaluation.images["predicted_foreground"].to_numpy(dtype=np.float64)[masked] > 0
            false_positive_share = evaluation.scores["false_positive_share"] or 0.0
            blank[evaluation.dataset] = BlankSite(len(true), int(masked.sum()), int(alarms.sum()), false_positive_share)
    return blank


@dataclass(frozen=True)
class Predictions:
    """Hold the paths of a dataset's predictions, true boxes, and COCO file of categories; a missing path is None."""

    main: Path
    flipped: Path | None = None
    tiled: Path | None = None
    truth: Path | None = None
    categories: Path | None = None


def find(folder: Path, name: str, endings: Sequence[str], what: str) -> Path | None:
    """Return the file or folder named after a dataset; None if it is missing, `InputError` if there are several."""
    there = [place for ending in endings if (place := folder / f"{name}{ending}").exists()]
    if len(there) > 1:
        listed = ", ".join(place.name for place in there)
        raise InputError.of(what, f"must hold {name} once", f"{listed} in {folder}", "move the others away")
    return there[0] if there else None


def folder_of(dataset: str) -> str:
    """Return a dataset's name as a valid folder name."""
    name = dataset.translate(str.maketrans("/\\\0", "---"))
    return name if name.strip(".") else name.replace(".", "-")


def labelled_part(dataset: Dataset, task: Task) -> Dataset:
    """Keep the labelled images of the primary dataset; raise `InputError` if there are none."""
    labelled = task.labelled(dataset)
    if not labelled.items:
        raise InputError.of("primary", f"must have {task.truth_noun}", f"{dataset.name} without any", task.labelling)
    return labelled


@dataclass(frozen=True)
class AssessmentScores:
    """Hold the evaluations of the primary dataset, the sites, the corrupted sets and the maps by tiles (primary first).

    `held_out` says that the model is known not to have learnt from the primary's scored images; `doubts` are warnings that it
    may be fed or read otherwise than it was trained.
    """

    own: Evaluation
    evaluations: tuple[Evaluation, ...]
    predictions: tuple[Predictions, ...]
    corrupted: CorruptedSets | None
    notes: tuple[str, ...]
    source: str = ""
    tiled: tuple[Evaluation, ...] = ()
    held_out: bool = False
    doubts: tuple[str, ...] = ()

    def save(self, run: Path) -> None:
        """Save the scores of every dataset to its own file below the run folder."""
        for evaluation in (self.own, *self.evaluations):
            evaluation.save(score_file(run, evaluation.dataset))
        for evaluation in self.tiled:
            evaluation.save(score_file(run, f"{evaluation.dataset}{TILED}"))


@dataclass(frozen=True)
class Preparation:
    """Prepare the evaluations of an assessment in its run folder, with a model or existing predictions."""

    run: Path
    model: Model | None
    predictions: Path | None
    given: AssessOptions

    @property
    def task(self) -> type[Task]:
        """Return the model's task."""
        return TASKS[self.given["task"]]

    @property
    def maps(self) -> Path:
        """Return the folder that holds the predictions of each dataset."""
        return self.run / MAPS if self.predictions is None else self.predictions

    def parts(self, primary: Dataset, sites: Sequence[Dataset]) -> AssessmentScores:
        """Score the primary's held-out images and every site; with a model, make corrupted sets unless `corrupted` is off."""
        names = [f"{folder_of(each.name)}{ending}" for each in (primary, *sites) for ending in ("", *self.task.further)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            rule = "must have names whose predictions lie in places of their own"
            raise InputError.of("sites", rule, twice[0], "name them as NAME=PATH")
        held_out, notes = self._held_out(primary)
        warnings = () if self.model is None else self.model.warnings
        known = self.model is not None and self.model.card is not None
        sites, further = self._fair(sites)
        datasets = [held_out, *sites]
        places = [self._found(dataset) for dataset in datasets] if self.model is None else self._made(self.model, datasets)
        threshold, source = self._threshold()
        # A model may have learnt from primary images without a prediction; what it could not read is listed as skipped.
        own = self._scored(held_out, places[0], threshold, partial=True)
        partial = self.given["partial"] or self.model is not None
        tuned = own if threshold is None and own.threshold is not None else None
        pairs = zip(sites, places[1:], strict=True)
        evaluations = tuple(self._scored(site, place, threshold, partial, tuned) for site, place in pairs)
        if not source and own.threshold is not None:
            source = f"chosen on {own.scored} {'held-out ' if known else ''}images of {own.dataset}"
        tiled = []
        for dataset, place in zip(datasets, places, strict=True) if all(place.tiled for place in places) else ():
            chosen: Any = {name: self.given[name] for name in ("tolerance", "foreground", "progress")}
            by_tiles = evaluate(dataset, place.tiled, threshold=own.threshold, partial=True, **chosen)
            tiled.append(replace(by_tiles, tiled=True))
        said = (*notes, *further)
        parts = AssessmentScores(own, evaluations, tuple(places[1:]), None, said, source, tuple(tiled), known, warnings)
        if self.model is not None and self.given["corrupted"]:
            few = drawn(held_out, MOST, self.given["seed"])
            how: dict[str, Any] = {name: self.given[name] for name in ("only", "seed", "tolerance", "progress")}
            # Scored at the threshold of all primary images.
            return replace(parts, corrupted=corrupt(few, self.run / CORRUPTED, model=self.model, tuned_on=own, **how))
        if not any(evaluation.scored for evaluation in evaluations):
            blank = blank_sites(evaluations)
            received = ", ".join(f"{site.name} ({BLANK})" if site.name in blank else site.name for site in sites)
            remedy = f"label one: {self.task.labelling}"
            if self.task is SegmentationTask:
                remedy = "label a site" + ("" if self.given["corrupted"] else ", or leave out --no-corrupted")
                remedy += "" if self.model else ", or pass a model (--model CKPT), which can be tried on corrupted images"
            raise InputError.of("sites", f"must hold one with {self.task.truth_noun}", received, remedy)
        return parts

    def _threshold(self) -> tuple[float | None, str]:
        """Return the threshold and its source; None means that it is tuned on the primary's images."""
        given, card = self.given["threshold"], None if self.model is None else self.model.card
        deployed = None if card is None else card.threshold
        if given is not None:
            if self.given["retune"]:
                raise InputError.of("retune", "is of no use beside a threshold", given, "leave one of them out")
            return float(given), "given"
        if self.given["retune"] and deployed is None:
            rule = "is of use only to a checkpoint with a threshold of its own"
            raise InputError.of("retune", rule, "none", "leave it out: without one the threshold is found anyway")
        return (None, "") if deployed is None or self.given["retune"] else (deployed, "the checkpoint's")

    def _found(self, dataset: Dataset) -> Predictions:
        """Find the existing predictions of a dataset, DIR/NAME or a file DIR/NAME.csv; maps must match its images."""
        truths = None if self.given["truth"] is None else Path(self.given["truth"])
        if truths is not None and not truths.is_dir():
            remedy = "pass the folder that holds NAME.json, or another file, of each dataset"
            raise MissingPathError(f"truth: {truths} is {'a file' if truths.exists() else 'missing'}: {remedy}")
        name, endings = folder_of(dataset.name), self.task.endings
        main = find(self.maps, name, endings, "predictions")
        if main is None:
            places = [f"{self.maps / name}{ending}" for ending in endings]
            if endings == (FOLDER,):
                line = f"no folder {places[0]}: put the maps of {dataset.name} there, one for each image"
            else:
                line = f"none of {dataset.name}: put them at {' or '.join(places)}"
            raise MissingPathError(f"predictions: {line}")
        further = {other: find(self.maps, f"{name}{other}", endings, "predictions") for other in self.task.further}
        for folder in (main, *further.values()) if endings == (FOLDER,) else ():
            if folder is not None:
                match_maps(dataset, folder)
        truth = None if truths is None else find(truths, name, TRUTHS, "truth")
        categories: Path | None = None
        if truth is not None and truth.suffix.lower() == _JSON:
            document = read_document(truth, "true boxes")
            # A COCO file without annotations names images and classes, and is no truth.
            if isinstance(document, Mapping) and isinstance(document.get("images"), list):
                if main.suffix.lower() == _JSON and document.get("categories") and not self.given["classes"]:
                    categories = truth
                truth = truth if "annotations" in document else None
        return Predictions(main, further.get(FLIPPED), further.get(TILED), truth, categories)

    def _made(self, model: Model, datasets: Sequence[Dataset]) -> list[Predictions]:
        """Predict every dataset as it is and mirrored; existing maps are kept.

        If a site's images are much larger than the primary's, all are also predicted by tiles: where both agree less than on
        known images, the whole images are made too small.
        """

        def made(model: Model, ending: str) -> list[Path]:
            folders = [self.maps / f"{folder_of(dataset.name)}{ending}" for dataset in datasets]
            how: Any = {"flipped": ending == FLIPPED, "progress": self.given["progress"]}
            return [predict(model, dataset, at, **how).folder for dataset, at in zip(datasets, folders, strict=True)]

        plain, flipped = made(model, ""), made(model, FLIPPED)
        tiled: list[Path | None] = [None] * len(datasets)
        # The median side, √(width · height), of each dataset's images, from the headers of their maps.
        sides = []
        for dataset, folder in zip(datasets, plain, strict=True) if not model.predictor.tiled else ():
            areas = []
            for file in match_maps(dataset, folder).files.values():
                try:
                    width, height = size(file)
                except ImageError as error:
                    raise InputError(f"{file} cannot be read ({error}): remove it, and it is made anew") from error
                areas.append(width * height)
            sides.append(float(np.median(np.sqrt(areas))))
        if any(side > LARGER * sides[0] for side in sides[1:]):
            identity = {**model.identity, "size": model.predictor.size, "tiled": True}
            by_tiles = replace(model, predictor=replace(model.predictor, tiled=True), identity=identity)
            tiled = [*made(by_tiles, TILED)]
        return [Predictions(*folders) for folders in zip(plain, flipped, tiled, strict=True)]

    def _held_out(self, primary: Dataset) -> tuple[Dataset, tuple[str, ...]]:
        """Return the labelled primary images that the model has not learnt from, up to the limit, with notes."""
        limit, seed = self.given["limit"], self.given["seed"]
        found = Predictions(self.maps) if self.model is not None else self._found(primary)
        classes = found.categories or self.given["classes"]
        reader = self.task.of({**self.given, "classes": classes, "truth": found.truth})
        primary = labelled_part(primary, reader)
        if self.model is None:
            if limit is None:
                return primary, ()
            # Of images without a prediction none can be scored: a limit is drawn of the others.
            names = set(reader.predicted(primary, found.main))
            with_one = replace(primary, items=tuple(item for item in primary.items if item.name in names))
            return drawn(with_one, limit, seed), ()
        if self.model.card is None:
            return drawn(primary, limit, seed), ()
        seen = Seen.of(primary, self.model.card, group=self.given["group"])
        unseen = replace(seen.unseen(primary), skipped=primary.skipped)
        count, name = len(seen.contents) + len(seen.tiles), primary.name
        learnt = f"{count} images of {name} were not scored: the model learnt from them, or from tiles of their photographs."
        began = f"The model began with weights of unknown images: it may have learnt from some of {name} that were scored."
        return drawn(unseen, limit, seed), (*((learnt,) if count else ()), *(() if seen.complete else (began,)))

    def _fair(self, sites: Sequence[Dataset]) -> tuple[list[Dataset], tuple[str, ...]]:
        """Hide the masks of site images that the model learnt from, and note these images and any adapted normalization."""
        card = None if self.model is None else self.model.card
        if card is None:
            return list(sites), ()
        adapted = card.data.get(ADAPTED)
        notes = [] if adapted is None else [WARNING.format(adapted["dataset"])]
        fair = []
        for site in sites:
            seen = Seen.of(site, card)
            known = seen.contents | {name for name, _ in seen.tiles}
            items = tuple(replace(item, mask=None) if item.name in known else item for item in site.items)
            fair.append(replace(site, items=items))
            if known:
                notes.append(f"{len(known)} images of {site.name} were not scored: the model learnt from them.")
        return fair, tuple(notes)

    def _scored(
        self, dataset: Dataset, place: Predictions, threshold: float | None, partial: bool, tuned_on: Evaluation | None = None
    ) -> Evaluation:
        reading: Any = {**picked(TaskOptions, self.given), "partial": partial}
        reading |= {name: self.given[name] for name in ("task", "progress")}
        if place.truth is None and place.categories is not None:
            reading["classes"] = place.categories
        reading |= {"truth": place.truth, "flipped": place.flipped, "tiles": place.tiled}
        return evaluate(dataset, place.main, threshold=threshold, tuned_on=tuned_on, **reading)


def own_score(own: Evaluation, source: str) -> OwnScore | None:
    """Return the model's score on the primary's images, also at their best threshold; None if no image was scored."""
    if not own.scored:
        return None
    mean = float(own.images["performance"].mean())
    best = own.scores.get("ods_threshold")
    if own.threshold is None or best is None:
        return OwnScore(own.scored, mean, own.threshold, source)
    there = f_per_image(counts_of(own.images))[:, threshold_index(best)]
    return OwnScore(own.scored, mean, own.threshold, source, float(np.nanmean(there)), float(best))


def score_file(run: Path, dataset: str) -> Path:
    """Return the path of a dataset's scores below the run folder."""
    return run / PERFORMANCE / f"{folder_of(dataset)}.parquet"


def preparation(run: Path, primary: Dataset, model: Any, predictions: str | Path | None, given: AssessOptions) -> Preparation:
    """Check the source of the predictions; load a model if one is given and settle its settings on the primary's masks."""
    own_options(given)
    if (model is None) == (predictions is None):
        received = "neither" if model is None else "both"
        rule, remedy = "must be given one or the other", "pass --model or --predictions"
        raise InputError.of("model and predictions", rule, received, remedy)
    if predictions is not None:
        for name, value in picked(FedOptions, given).items():
            if name != "device" and value is not False:
                raise InputError.of(name, "is of use only to a model", value, "leave it out, or pass a model")
        return Preparation(run, None, Path(predictions), given)
    if given["task"] != SegmentationTask.name:
        remedy = "pass its predictions (--predictions DIR)"
        raise InputError.of("model", "is of use only to segmentation", given["task"], remedy)
    loaded = model if isinstance(model, Model) else load_model(model, **picked(FedOptions, given))
    return Preparation(run, loaded.settled(labelled_part(primary, SegmentationTask()), given["progress"]), None, given)
