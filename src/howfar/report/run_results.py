"""Gather what a page of a run shows: the comparison, with the relation and the assessment in its folder that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from howfar.errors import InputError, StoreError
from howfar.explore.points import Points, points_of
from howfar.report.assessment.sites_alone import gates_as_answered, related_without_corrupted, without_corrupted
from howfar.results import Comparison, Relation
from howfar.results.assessment import Assessment
from howfar.results.image_map import ImageMap


@dataclass(frozen=True)
class RunResults:
    """Hold the results of one run as its pages show them.

    Attributes
    ----------
    comparison, relation, assessment
        What is shown: the datasets that somebody asked about. None where the run has none.
    whole
        Comparison and relation with the corrupted versions of the primary's images that an assessment made to learn from.
    """

    comparison: Comparison
    relation: Relation | None
    assessment: Assessment | None
    whole: tuple[Comparison, Relation | None]

    @property
    def points(self) -> Points:
        """Return the images that the interactive page shows, placed by the run's map too where it has one."""
        return points_of(self.comparison, self.relation, ImageMap.of(self.comparison))

    @classmethod
    def of(
        cls,
        comparison: Comparison,
        folder: Path | None,
        relation: Relation | None = None,
        assessment: Assessment | None = None,
    ) -> RunResults:
        """Gather the results of a run; relation and assessment are by default those in its folder, where it has one.

        Raises `InputError` for a relation of other datasets, and `StoreError` where one in the folder is damaged or of another
        run. An assessment of another relation is left out.
        """
        related = _relation_of(comparison, folder, relation)
        answers = _assessment_of(related, folder, assessment)
        related = gates_as_answered(related, answers)
        shown = without_corrupted(comparison, answers), related_without_corrupted(related, answers)
        return cls(*shown, answers, (comparison, related))


def _relation_of(comparison: Comparison, folder: Path | None, relation: Relation | None) -> Relation | None:
    if relation is None and folder is not None and (folder / Relation.DOCUMENT).is_file():
        relation = Relation.load(folder)
    if relation is None:
        return None
    if relation.parents and comparison.run_id not in relation.parents:
        raise StoreError(f"{folder or 'relation'}: relation.json is of another run than result.json: run relate again")
    own, other = [dataset.name for dataset in comparison.datasets], list(dict.fromkeys(relation.images["dataset"]))
    if own != other:
        raise InputError.of("relation", f"must be of this run, whose datasets are {', '.join(own)}", ", ".join(map(str, other)))
    return relation


def _assessment_of(relation: Relation | None, folder: Path | None, assessment: Assessment | None) -> Assessment | None:
    if assessment is None and folder is not None and (folder / Assessment.DOCUMENT).is_file():
        assessment = Assessment.load(folder)
    if assessment is None or relation is None or not assessment.fits(relation):
        return None
    return assessment if not assessment.parents or relation.run_id in assessment.parents else None
