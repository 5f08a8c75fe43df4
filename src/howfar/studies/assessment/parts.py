"""Prepare what an assessment rests on: maps and scores of each dataset, and corrupted sets where few sites are labelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.data import Dataset
from howfar.errors import InputError
from howfar.keywords import AssessOptions
from howfar.results import Evaluation
from howfar.studies.assessment.maps import GivenMaps, MadeMaps, MapSource, labelled_part
from howfar.studies.assessment.scores import Scoring
from howfar.studies.evaluation.learnt_images import Seen
from howfar.studies.study_inputs import drawn

if TYPE_CHECKING:
    from howfar.pipeline.prediction import Model
    from howfar.segmenters.probability_models import Reading
    from howfar.studies.corruption.corrupt import CorruptedSets

MAPS, CORRUPTED = "maps", "corrupted"
ENOUGH = 3
"""With fewer labelled foreign sets than these, corrupted ones are made: docs/howto/no-labels.md."""
MOST = 60
"""So many of the primary's held-out images are corrupted: 236 gave no better estimates than 30 (docs/howto/no-labels.md)."""


@dataclass(frozen=True)
class Parts:
    """Hold what every dataset of an assessment scores.

    `own` is the primary dataset's evaluation, `evaluations` those of the sites in their order; `corrupted` are the corrupted
    versions of the primary's images, None where none were needed; `notes` say what was left out.
    """

    own: Evaluation
    evaluations: tuple[Evaluation, ...]
    corrupted: CorruptedSets | None
    notes: tuple[str, ...]

    @property
    def labelled(self) -> int:
        """Return how many sites have a measured performance."""
        return sum(evaluation.scored > 0 for evaluation in self.evaluations)


@dataclass(frozen=True)
class Preparation:
    """Prepare an assessment's parts in its run folder, by a model or from maps that are there."""

    run: Path
    model: Model | None
    predictions: Path | None
    given: AssessOptions

    @property
    def maps(self) -> Path:
        """Return the folder that holds a folder of maps for each dataset."""
        return self.run / MAPS if self.predictions is None else self.predictions

    def parts(self, primary: Dataset, sites: Sequence[Dataset]) -> Parts:
        """Score the primary's held-out images and every site; make corrupted sets where too few sites are labelled.

        Raises `HowfarError` for a primary without masks or of which the model learnt every image, maps that are missing, and
        where neither a site is labelled nor corrupted sets can be made.
        """
        held_out, notes = self._held_out(labelled_part(primary))
        sites, further = self._fair(sites)
        maps = self._source().of([held_out, *sites])
        # What a model could not read has no map; it is listed among the files that were skipped.
        partial = self.given["partial"] or self.model is not None
        scoring = Scoring(self.run, self.given["tolerance"], partial, self.given["progress"])
        own = scoring.own(held_out, maps[0])
        parts = Parts(own, tuple(scoring.others(sites, maps[1:], own)), None, (*notes, *further))
        if self.model is not None and self.given["corrupted"] and parts.labelled < ENOUGH:
            return replace(parts, corrupted=self._corrupted(held_out, own))
        if not parts.labelled:
            remedy = "label a site" + ("" if self.given["corrupted"] else ", or leave out --no-corrupted")
            remedy += (
                "" if self.model is not None else ", or pass a model (--model CKPT), which can be tried on corrupted images"
            )
            raise InputError.of("sites", "must hold one with masks", ", ".join(site.name for site in sites), remedy)
        return parts

    def files(self, parts: Parts, datasets: Sequence[Dataset]) -> list[Path]:
        """List the files of all scores, of the primary and the sites, then of corrupted sets."""
        scoring = Scoring(self.run, 0.0, partial=True, progress=False)
        further = () if parts.corrupted is None else parts.corrupted.files[1:]
        return [*(scoring.file(dataset.name) for dataset in datasets), *further]

    def _source(self) -> MapSource:
        if self.model is not None:
            return MadeMaps(self.model, self.maps, self.given["progress"])
        return GivenMaps(self.maps)

    def _held_out(self, primary: Dataset) -> tuple[Dataset, tuple[str, ...]]:
        """Leave out what a checkpoint learnt from; without one all labelled images are taken, those without a map left out."""
        limit, seed = self.given["limit"], self.given["seed"]
        card = None if self.model is None else self.model.card
        if self.model is None:
            # Of images without a map none can be scored: a limit is drawn of the others.
            return primary if limit is None else drawn(GivenMaps(self.maps).mapped(primary), limit, seed), ()
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


def _left_out(primary: str, seen: Seen) -> Iterator[str]:
    count = len(seen.contents) + len(seen.tiles)
    if count:
        yield f"{count} images of {primary} were not scored: the model learnt from them, or from tiles of their photographs."
    if not seen.complete:
        yield f"The model began with weights of unknown images: it may have learnt from some of {primary} that were scored."


def preparation(
    run: Path, model: Any, predictions: str | Path | None, reading: Reading | None, given: AssessOptions
) -> Preparation:
    """Check where maps come from, and load the model where they are to be made.

    Raises `HowfarError` for neither a model nor predictions, or both, options of no use to maps that are there, and what
    `howfar.pipeline.prediction.load_model` refuses.
    """
    if (model is None) == (predictions is None):
        received = "neither" if model is None else "both"
        raise InputError.of(
            "model and predictions", "must be given one or the other", received, "pass --model or --predictions"
        )
    if predictions is not None:
        idle = [name for name in ("size", "tiled") if given[name]]
        idle += [] if reading is None else ["reading"]
        if idle:
            raise InputError.of(idle[0], "is of use only to a model", True, "leave it out, or pass a model")
        return Preparation(run, None, Path(predictions), given)
    from howfar.pipeline.prediction import Model, load_model

    loading: dict[str, Any] = {name: given[name] for name in ("device", "size", "tiled")}
    loaded = model if isinstance(model, Model) else load_model(model, reading=reading, **loading)
    return Preparation(run, loaded, None, given)
