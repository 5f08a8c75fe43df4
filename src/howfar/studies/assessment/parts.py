"""Prepare what an assessment rests on: predictions and scores of each dataset, and corrupted sets where few are labelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howfar.data import Dataset
from howfar.errors import InputError, MissingPathError
from howfar.keywords import AssessOptions, FedOptions, TaskOptions
from howfar.metrics import f_per_image, threshold_index
from howfar.results import Evaluation
from howfar.results.assessment import OwnScore
from howfar.results.relation import BLANK
from howfar.settings import picked
from howfar.studies.assessment.blank_sites import blank_sites
from howfar.studies.assessment.maps import GivenPredictions, MadeMaps, Source, folder_of, labelled_part
from howfar.studies.assessment.tasks import SEGMENTATION, TASKS, TILED, Predictions, Task
from howfar.studies.evaluation.evaluate import evaluate, own_options
from howfar.studies.evaluation.learnt_images import Seen
from howfar.studies.performance.image_performance import counts_of
from howfar.studies.study_inputs import drawn

if TYPE_CHECKING:
    from howfar.pipeline.prediction import Model
    from howfar.results.records import NetworkReading
    from howfar.studies.corruption.corrupt import CorruptedSets

MAPS, CORRUPTED, PERFORMANCE = "maps", "corrupted", "performance"
DEPLOYED = "the checkpoint's"
MOST = 30
"""So many of the primary's held-out images are corrupted: 236 gave no better estimates than 30 (docs/howto/no-labels.md)."""


@dataclass(frozen=True)
class Parts:
    """Hold what every dataset of an assessment scores.

    `own` is the primary dataset's evaluation, `evaluations` those of the sites in their order, and `predictions` what these
    were made of; `corrupted` are the corrupted versions of the primary's images, None where none were made; `notes` say what
    was left out, and `source` where the threshold comes from. `tiled` are the evaluations of maps by tiles, the primary
    dataset's first, where all have some.
    """

    own: Evaluation
    evaluations: tuple[Evaluation, ...]
    predictions: tuple[Predictions, ...]
    corrupted: CorruptedSets | None
    notes: tuple[str, ...]
    source: str = ""
    tiled: tuple[Evaluation, ...] = ()

    @property
    def labelled(self) -> int:
        """Return how many sites have a measured performance."""
        return sum(evaluation.scored > 0 for evaluation in self.evaluations)


@dataclass(frozen=True)
class Preparation:
    """Prepare an assessment's parts in its run folder, by a model or from predictions that are there."""

    run: Path
    model: Model | None
    predictions: Path | None
    given: AssessOptions

    @property
    def task(self) -> Task:
        """Return the model's task."""
        return TASKS[self.given["task"]]

    @property
    def maps(self) -> Path:
        """Return the folder that holds the predictions of each dataset."""
        return self.run / MAPS if self.predictions is None else self.predictions

    @property
    def reading(self) -> NetworkReading | None:
        """Return how a foreign network is fed and read; None for any other model."""
        return None if self.model is None else self.model.reading

    def parts(self, primary: Dataset, sites: Sequence[Dataset]) -> Parts:
        """Score the primary's held-out images and every site; make corrupted sets where too few sites are labelled.

        Raises `HowfarError` for a primary without labels or of which the model learnt every image, predictions that are
        missing, and where neither a site is labelled nor corrupted sets can be made.
        """
        held_out, notes = self._held_out(primary)
        notes = (*(() if self.model is None else self.model.warnings), *notes)
        sites, further = self._fair(sites)
        own_predictions, *predictions = self._source().of([held_out, *sites])
        # What a model could not read has no map; it is listed among the files that were skipped.
        threshold, source = self._threshold()
        scoring = Scoring(self.given, threshold, partial=self.given["partial"] or self.model is not None)
        own = scoring.own(held_out, own_predictions)
        evaluations = tuple(scoring.others(sites, predictions, own))
        tiled = tuple(scoring.by_tiles([held_out, *sites], [own_predictions, *predictions], own))
        parts = Parts(own, evaluations, tuple(predictions), None, (*notes, *further), source or tuned_source(own), tiled)
        if self.model is not None and self.given["corrupted"]:
            return replace(parts, corrupted=self._corrupted(held_out, own))
        if not parts.labelled:
            blank = blank_sites(evaluations)
            names = ", ".join(f"{site.name} ({BLANK})" if site.name in blank else site.name for site in sites)
            raise InputError.of("sites", f"must hold one with {self.task.truth}", names, self._remedy())
        return parts

    def _remedy(self) -> str:
        """Say what to do where no site is labelled."""
        if self.task is not SEGMENTATION:
            return f"label one: {self.task.labelling}"
        remedy = "label a site" + ("" if self.given["corrupted"] else ", or leave out --no-corrupted")
        return remedy + ("" if self.model else ", or pass a model (--model CKPT), which can be tried on corrupted images")

    def files(self, datasets: Sequence[Dataset]) -> list[Path]:
        """List the files of the scores of the primary and the sites."""
        return [score_file(self.run, dataset.name) for dataset in datasets]

    def save(self, parts: Parts) -> None:
        """Write the scores of every dataset into files of their own below the run."""
        for evaluation in (parts.own, *parts.evaluations):
            evaluation.save(score_file(self.run, evaluation.dataset))
        for evaluation in parts.tiled:
            evaluation.save(score_file(self.run, f"{evaluation.dataset}{TILED}"))

    def _threshold(self) -> tuple[float | None, str]:
        """Return the threshold that is deployed, and where it comes from; None where it is found on the primary's images."""
        given, card = self.given["threshold"], None if self.model is None else self.model.card
        deployed = None if card is None else card.threshold
        if given is not None:
            if self.given["retune"]:
                raise InputError.of("retune", "is of no use beside a threshold", given, "leave one of them out")
            return float(given), "given"
        if self.given["retune"] and deployed is None:
            rule = "is of use only to a checkpoint with a threshold of its own"
            raise InputError.of("retune", rule, "none", "leave it out: without one the threshold is found anyway")
        return (None, "") if deployed is None or self.given["retune"] else (deployed, DEPLOYED)

    def _source(self) -> Source:
        return self._given() if self.model is None else MadeMaps(self.model, self.maps, self.given["progress"])

    def _given(self) -> GivenPredictions:
        truth = self.given["truth"]
        if truth is not None and not Path(truth).is_dir():
            raise MissingPathError(
                f"truth: no folder {truth}: pass the one that holds NAME.json, or another file, of each dataset"
            )
        return GivenPredictions(self.maps, self.task, None if truth is None else Path(truth), bool(self.given["classes"]))

    def _held_out(self, primary: Dataset) -> tuple[Dataset, tuple[str, ...]]:
        """Leave out what a checkpoint learnt from; without one take all labelled images, but for those without a prediction."""
        limit, seed = self.given["limit"], self.given["seed"]
        if self.model is None:
            found = self._given().one(primary)
            primary = labelled_part(primary, found, self.task)
            if limit is None:
                return primary, ()
            # Of images without a prediction none can be scored: a limit is drawn of the others.
            names = set(self.task.predicted(primary, found, self.given))
            with_one = replace(primary, items=tuple(item for item in primary.items if item.name in names))
            return drawn(with_one, limit, seed), ()
        primary, card = labelled_part(primary, Predictions(self.maps), self.task), self.model.card
        if card is None:
            return drawn(primary, limit, seed), ()
        seen = Seen.of(primary, card, group=self.given["group"])
        unseen = replace(seen.unseen(primary), skipped=primary.skipped)
        return drawn(unseen, limit, seed), tuple(_left_out(primary.name, seen))

    def _fair(self, sites: Sequence[Dataset]) -> tuple[list[Dataset], tuple[str, ...]]:
        """Hide the masks of site images that the model learnt from, and say so, and what it was adapted to."""
        card = None if self.model is None else self.model.card
        if card is None:
            return list(sites), ()
        from howfar.pipeline.norm_adaptation import ADAPTED, WARNING  # with torch, which given maps do not need

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

    def _corrupted(self, held_out: Dataset, own: Evaluation) -> CorruptedSets:
        """Make corrupted sets of some of the primary's images, and score them at the threshold of all, as the sites are."""
        from howfar.studies.corruption.corrupt import corrupt

        few = drawn(held_out, MOST, self.given["seed"])
        chosen: dict[str, Any] = {name: self.given[name] for name in ("only", "seed", "tolerance", "progress")}
        return corrupt(few, self.run / CORRUPTED, model=self.model, tuned_on=own, **chosen)


@dataclass(frozen=True)
class Scoring:
    """Evaluate datasets at one threshold, by default the primary dataset's best."""

    given: AssessOptions
    threshold: float | None
    partial: bool

    def own(self, dataset: Dataset, predictions: Predictions) -> Evaluation:
        """Score the primary dataset's images that have predictions; further ones may have been learnt from."""
        return self._scored(dataset, predictions, None, partial=True)

    def others(self, datasets: Sequence[Dataset], predictions: Sequence[Predictions], own: Evaluation) -> list[Evaluation]:
        """Score the sites; one without labels has signals and no performance."""
        pairs = zip(datasets, predictions, strict=True)
        return [self._scored(dataset, of, own, partial=self.partial) for dataset, of in pairs]

    def by_tiles(
        self, datasets: Sequence[Dataset], predictions: Sequence[Predictions], own: Evaluation
    ) -> Iterator[Evaluation]:
        """Score the maps by tiles at the same threshold, where every dataset has some."""
        folders = [of.tiled for of in predictions]
        for dataset, folder in zip(datasets, folders, strict=True) if all(folders) else ():
            chosen: Any = {name: self.given[name] for name in ("tolerance", "foreground", "progress")}
            yield replace(evaluate(dataset, folder, threshold=own.threshold, partial=True, **chosen), tiled=True)

    def _scored(self, dataset: Dataset, predictions: Predictions, own: Evaluation | None, *, partial: bool) -> Evaluation:
        reading: Any = {**picked(TaskOptions, self.given), "partial": partial}
        if predictions.truth is None and predictions.categories is not None:
            reading["classes"] = predictions.categories
        return evaluate(
            dataset,
            predictions.main,
            task=self.given["task"],
            truth=predictions.truth,
            flipped=predictions.flipped,
            tiles=predictions.tiled,
            threshold=self.threshold,
            tuned_on=None if own is None or own.threshold is None or self.threshold is not None else own,
            progress=self.given["progress"],
            **reading,
        )


def own_score(own: Evaluation, source: str) -> OwnScore | None:
    """Read what the model scores on the primary's images, and would at their best threshold; None where nothing was scored."""
    if not own.scored:
        return None
    mean = float(own.images["performance"].mean())
    best = own.scores.get("ods_threshold")
    if own.threshold is None or best is None:
        return OwnScore(own.scored, mean, own.threshold, source)
    there = f_per_image(counts_of(own.images))[:, threshold_index(best)]
    return OwnScore(own.scored, mean, own.threshold, source, float(np.nanmean(there)), float(best))


def tuned_source(own: Evaluation) -> str:
    """Say where a threshold comes from that was found on the primary's own images; "" where the task has none."""
    return "" if own.threshold is None else f"found on {own.scored} held-out images of {own.dataset}"


def score_file(run: Path, dataset: str) -> Path:
    """Return where a dataset's scores are kept below the run folder."""
    return run / PERFORMANCE / f"{folder_of(dataset)}.parquet"


def _left_out(primary: str, seen: Seen) -> Iterator[str]:
    count = len(seen.contents) + len(seen.tiles)
    if count:
        yield f"{count} images of {primary} were not scored: the model learnt from them, or from tiles of their photographs."
    if not seen.complete:
        yield f"The model began with weights of unknown images: it may have learnt from some of {primary} that were scored."


def preparation(run: Path, primary: Dataset, model: Any, predictions: str | Path | None, given: AssessOptions) -> Preparation:
    """Check where predictions come from, and load the model where they are to be made, fed and read as the primary's masks say.

    Raises `HowfarError` for neither a model nor predictions, or both, a model of a task whose predictions howfar cannot make,
    options of no use to the task or to predictions that are there, and what `howfar.pipeline.prediction.load_model` and
    `Model.settled` refuse.
    """
    own_options(given)
    if (model is None) == (predictions is None):
        received = "neither" if model is None else "both"
        raise InputError.of(
            "model and predictions", "must be given one or the other", received, "pass --model or --predictions"
        )
    if predictions is not None:
        for name, value in picked(FedOptions, given).items():
            if name != "device" and value is not False:
                raise InputError.of(name, "is of use only to a model", value, "leave it out, or pass a model")
        return Preparation(run, None, Path(predictions), given)
    if given["task"] != SEGMENTATION.name:
        remedy = "pass its predictions (--predictions DIR)"
        raise InputError.of("model", "is of use only to segmentation", given["task"], remedy)
    from howfar.pipeline.prediction import Model, load_model

    loaded = model if isinstance(model, Model) else load_model(model, **picked(FedOptions, given))
    return Preparation(
        run, loaded.settled(labelled_part(primary, Predictions(run / MAPS), SEGMENTATION), given["progress"]), None, given
    )
