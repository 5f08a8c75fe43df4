"""Leave corrupted versions of the primary's images, which nobody asked about, out of what a report shows."""

from __future__ import annotations

from dataclasses import replace

from howfar.results import Comparison, Relation
from howfar.results.assessment import Assessment


def without_corrupted(comparison: Comparison, assessment: Assessment | None) -> Comparison:
    """Leave the datasets that an assessment made itself out of a comparison."""
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
    """Leave the datasets that an assessment made itself, and the trend over all, out of a relation; judgements stay."""
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
    """Take the gates of a relation as the assessment read them: of maps by tiles the size of whole images does not matter."""
    if relation is None or assessment is None:
        return relation
    read = {site.dataset: site.gate for site in assessment.sites if site.gate is not None}
    gates = tuple(read.get(gate.dataset, gate) for gate in relation.gates)
    return replace(relation, gates=gates).part_of(relation)


def _made(assessment: Assessment | None) -> frozenset[str]:
    rows = () if assessment is None else assessment.labelled
    return frozenset(row.dataset for row in rows if row.origin == "corrupted")
