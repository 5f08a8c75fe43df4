"""Write sentences on how performance changes with distance, from what was measured alone."""

from __future__ import annotations

from howfar.figures.performance import VERDICTS
from howfar.report.text import Sentence, listing, plural
from howfar.results import DatasetRelation, Relation
from howfar.results.relation import BLANK, without_foreground


def lead(relation: Relation) -> str:
    """Give the answer over all labelled datasets together; for one dataset, that of the dataset."""
    scored = [dataset for dataset in relation.datasets if dataset.scored]
    if not scored:
        return "No image of this run has a performance, so nothing can be said of how performance goes with distance."
    if len(scored) == 1 or relation.pooled_verdict is None:
        return f"{scored[0].name}: {scored[0].verdict.text.rstrip('.')}."
    own = f"This is over {len(scored)} datasets together, each image compared with those of its own dataset only."
    return f"{relation.pooled_verdict.text.rstrip('.')}. {own}"


def tally(relation: Relation) -> str:
    """Count the datasets in which performance falls, rises, is consistent, or tells nothing; empty for a single one."""
    if len(relation.datasets) < 2:
        return ""
    begins = {"falls": "it", "rises": "it", "consistent": "it is", "none": "there is"}
    parts = []
    for kind, begin in begins.items():
        names = [dataset.name for dataset in relation.datasets if dataset.verdict.kind == kind]
        if names:
            parts.append(f"{begin} {VERDICTS[kind]} in {len(names)} ({listing(names)})")
    return f"Dataset by dataset, {'; '.join(parts)}."


def unknown(relation: Relation) -> str:
    """Name the datasets that have no performances; empty where all have."""
    scored = {dataset.name for dataset in relation.datasets if dataset.scored}
    names = [name for name in map(str, dict.fromkeys(relation.images["dataset"])) if name not in scored]
    if not names or not scored:
        return ""
    blank = without_foreground(relation.images)
    names = [f"{name} ({BLANK})" if name in blank else name for name in names]
    expected = ": what to expect there stands under Estimates" if relation.estimates else ""
    return f"No performance is known of {listing(names)}{expected}."


def sentences(relation: Relation) -> list[Sentence]:
    """State the verdict on each labelled dataset, in the words of its record."""
    return [Sentence(row.name, f"{row.verdict.text.rstrip('.')}.{_unscored(row)}") for row in relation.datasets]


def how_measured(relation: Relation) -> str:
    """Say what a performance is here, and the threshold that all images share."""
    text = f"Performance of an image: {relation.metric}."
    if relation.settings.threshold is None:
        return text
    return f"{text} The threshold that all images share is {relation.settings.threshold_source}."


def standing(relation: Relation) -> str:
    """Explain how the words of a verdict were chosen."""
    settings = relation.settings
    return (
        "“Falls” and “rises” stand where the interval of the slope lies wholly on one side of 0. “Consistent” stands only "
        f"where that interval holds 0 and rules out a change of more than {settings.flat:g}, and mean performance is at least "
        f"τ = {settings.tau:g}: a flat curve at a low level is no consistency. Everything else is “no evidence either way”."
    )


def _unscored(dataset: DatasetRelation) -> str:
    missing = dataset.n - dataset.scored
    if not missing or not dataset.scored:
        return ""
    return f" {missing:,} of its {dataset.n:,} images {plural(missing, 'has', 'have')} no performance."
