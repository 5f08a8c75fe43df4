"""Load a run's comparison, relation and assessment for its report, and leave out the corrupted datasets that assess made."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from howfar.errors import InputError, StoreError
from howfar.explore.points import RunImages, points_of
from howfar.results import Comparison, Relation
from howfar.results.assessment_result import Assessment
from howfar.results.comparison_result import ImageMap

Kept = TypeVar("Kept", Comparison, Relation | None)
Saved = TypeVar("Saved", Relation, Assessment)


def without_corrupted(result: Kept, assessment: Assessment | None) -> Kept:
    """Remove from a result's tables and tuples the datasets that an assessment made itself, and the pooled trend if any."""
    made = {row.dataset for row in assessment.labelled if row.origin == "corrupted"} if assessment is not None else set()
    if result is None or not made:
        return result
    changes: dict[str, Any] = {"pooled": None, "pooled_verdict": None} if isinstance(result, Relation) else {}
    for field in fields(result):
        value = getattr(result, field.name)
        if isinstance(value, pd.DataFrame):
            columns = [name for name in ("dataset", "against", "other_dataset") if name in value]
            kept = ~value[columns].isin(made).any(axis=1) if columns else slice(None)
            changes.setdefault(field.name, value[kept].reset_index(drop=True))
        elif isinstance(value, tuple):
            own = (row for row in value if made.isdisjoint({getattr(row, "dataset", None), getattr(row, "name", None)}))
            changes.setdefault(field.name, tuple(own))
    return replace(result, **changes).part_of(result)


def gates_as_answered(relation: Relation | None, assessment: Assessment | None) -> Relation | None:
    """Replace a relation's gates by those in the assessment, which ignores image size for tiled maps."""
    if relation is None or assessment is None:
        return relation
    read = {site.dataset: site.gate for site in assessment.sites if site.gate is not None}
    gates = tuple(read.get(gate.dataset, gate) for gate in relation.gates)
    return replace(relation, gates=gates).part_of(relation)


@dataclass(frozen=True)
class RunResults:
    """Hold the results of a run for its pages; only `whole` has the corrupted sets that an assessment made to learn from."""

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

        Raises `InputError` for a relation of other datasets, and `StoreError` where one in the folder is of another run.
        """
        related = _relation_of(comparison, folder, relation)
        answers = _assessment_of(related, folder, assessment)
        related = gates_as_answered(related, answers)
        shown = without_corrupted(comparison, answers), without_corrupted(related, answers)
        return cls(*shown, answers, (comparison, related))


def _loaded(kind: type[Saved], folder: Path | None) -> Saved | None:
    return kind.load(folder) if folder is not None and (folder / kind.DOCUMENT).is_file() else None


def _relation_of(comparison: Comparison, folder: Path | None, relation: Relation | None) -> Relation | None:
    relation = relation or _loaded(Relation, folder)
    if relation is None:
        return None
    if relation.parents and comparison.run_id not in relation.parents:
        raise StoreError(f"{folder or 'relation'}: relation.json is of another run than result.json: run relate again")
    own, other = [dataset.name for dataset in comparison.datasets], list(dict.fromkeys(relation.images["dataset"]))
    if own != other:
        raise InputError.of("relation", f"must be of this run, whose datasets are {', '.join(own)}", ", ".join(map(str, other)))
    return relation


def _assessment_of(relation: Relation | None, folder: Path | None, assessment: Assessment | None) -> Assessment | None:
    assessment = assessment or _loaded(Assessment, folder)
    if assessment is None or relation is None or not assessment.fits(relation):
        return None
    return assessment if not assessment.parents or relation.run_id in assessment.parents else None
