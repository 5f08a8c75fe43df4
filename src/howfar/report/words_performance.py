"""Sentences on how performance goes with distance: what was measured, and nothing beyond it."""

from __future__ import annotations

from howfar.report.words import Sentence, listing
from howfar.results import DatasetRelation, Relation

KINDS = {
    "falls": "falls with distance",
    "rises": "rises with distance",
    "consistent": "consistent",
    "none": "no evidence either way",
}


def lead(relation: Relation) -> str:
    """The answer over all labelled datasets together; for one dataset, that of the dataset."""
    scored = [one for one in relation.datasets if one.scored]
    if not scored:
        return "No image of this run has a performance, so nothing can be said of how performance goes with distance."
    if len(scored) == 1 or relation.pooled_verdict is None:
        return f"{scored[0].name}: {scored[0].verdict.text.rstrip('.')}."
    own = f"This is over {len(scored)} datasets together, each image compared with those of its own dataset only."
    return f"{relation.pooled_verdict.text.rstrip('.')}. {own}"


def tally(relation: Relation) -> str:
    """In how many datasets performance falls, rises, is consistent, or tells nothing; empty for a single one."""
    if len(relation.datasets) < 2:
        return ""
    verbs = {
        "falls": "it falls with distance",
        "rises": "it rises with distance",
        "consistent": "it is consistent",
        "none": "there is no evidence either way",
    }
    parts = []
    for kind, verb in verbs.items():
        names = [one.name for one in relation.datasets if one.verdict.kind == kind]
        if names:
            parts.append(f"{verb} in {len(names)} ({listing(names)})")
    return f"Dataset by dataset, {'; '.join(parts)}."


def unknown(relation: Relation) -> str:
    """Which datasets of the run have no performances; empty where all have."""
    scored = {one.name for one in relation.datasets if one.scored}
    names = [name for name in map(str, dict.fromkeys(relation.images["dataset"])) if name not in scored]
    if not names or not scored:
        return ""
    expected = ": what to expect there stands under Estimates" if relation.estimates else ""
    return f"No performance is known of {listing(names)}{expected}."


def sentences(relation: Relation) -> list[Sentence]:
    """The verdict on each labelled dataset, in the words of its record."""
    return [Sentence(one.name, f"{one.verdict.text.rstrip('.')}.{_unscored(one)}") for one in relation.datasets]


def how_measured(relation: Relation) -> str:
    """What a performance is here, and the threshold that all images share."""
    text = f"Performance of an image: {relation.metric}."
    if relation.settings.threshold is None:
        return text
    return f"{text} The threshold that all images share is {relation.settings.threshold_source}."


def standing(relation: Relation) -> str:
    """What a reader should take from a verdict: how the words were chosen."""
    settings = relation.settings
    return (
        "“Falls” and “rises” stand where the interval of the slope lies wholly on one side of 0. “Consistent” stands only "
        f"where that interval holds 0 and rules out a change of more than {settings.flat:g}, and mean performance is at least "
        f"τ = {settings.tau:g}: a flat curve at a low level is no consistency. Everything else is “no evidence either way”."
    )


def _unscored(one: DatasetRelation) -> str:
    missing = one.n - one.scored
    if not missing or not one.scored:
        return ""
    return f" {missing:,} of its {one.n:,} images {'has' if missing == 1 else 'have'} no performance."
