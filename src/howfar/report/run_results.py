"""Collect the results that belong to a run folder's comparison, without corrupted versions of the primary dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from howfar.errors import InputError, StoreError
from howfar.explore.points import RunImages, points_of
from howfar.results import Comparison, Relation
from howfar.results.assessment import Assessment
from howfar.results.comparison import ImageMap


def without_corrupted(comparison: Comparison, assessment: Assessment | None) -> Comparison:
    """Remove from a comparison the datasets that an assessment made itself."""
    made = _made(assessment)
    if not made:
        return comparison
    images, primary, copies = comparison.images, comparison.primary_images, comparison.near_duplicates
    return replace(
        comparison,
        datasets=tuple(row for row in comparison.datasets if row.name not in made),
        baselines=tuple(row for row in comparison.baselines if row.dataset not in made),
        images=images[~images["dataset"].isin(made)].reset_index(drop=True),
        primary_images=primary[~primary["against"].isin(made)].reset_index(drop=True),
        skipped=tuple(row for row in comparison.skipped if row.dataset not in made),
        leaks=tuple(row for row in comparison.leaks if row.dataset not in made),
        near_duplicates=copies[~(copies["dataset"].isin(made) | copies["other_dataset"].isin(made))].reset_index(drop=True),
    ).part_of(comparison)


def related_without_corrupted(relation: Relation | None, assessment: Assessment | None) -> Relation | None:
    """Remove from a relation the datasets that an assessment made, and the pooled trend; judgements stay."""
    made = _made(assessment)
    if not made or relation is None:
        return relation
    frames = {name: getattr(relation, name) for name in ("images", "curves", "thresholds")}
    return replace(
        relation,
        datasets=tuple(row for row in relation.datasets if row.name not in made),
        estimates=tuple(row for row in relation.estimates if row.dataset not in made),
        failures=tuple(row for row in relation.failures if row.dataset not in made),
        gates=tuple(row for row in relation.gates if row.dataset not in made),
        pooled=None,
        pooled_verdict=None,
        **{name: frame[~frame["dataset"].isin(made)].reset_index(drop=True) for name, frame in frames.items()},
    ).part_of(relation)


def gates_as_answered(relation: Relation | None, assessment: Assessment | None) -> Relation | None:
    """Replace a relation's gates by those in the assessment, which ignores image size for tiled maps."""
    if relation is None or assessment is None:
        return relation
    read = {site.dataset: site.gate for site in assessment.sites if site.gate is not None}
    gates = tuple(read.get(gate.dataset, gate) for gate in relation.gates)
    return replace(relation, gates=gates).part_of(relation)


def _made(assessment: Assessment | None) -> frozenset[str]:
    rows = () if assessment is None else assessment.labelled
    return frozenset(row.dataset for row in rows if row.origin == "corrupted")


@dataclass(frozen=True)
class RunResults:
    """Hold the results of a run for its pages.

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
    def points(self) -> RunImages:
        """Return the images of the interactive page, also placed by the run's map if there is one."""
        return points_of(self.comparison, self.relation, ImageMap.of(self.comparison))

    @classmethod
    def of(
        cls,
        comparison: Comparison,
        folder: Path | None,
        relation: Relation | None = None,
        assessment: Assessment | None = None,
    ) -> RunResults:
        """Collect the results of a run; relation and assessment default to those in its folder, if any.

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
