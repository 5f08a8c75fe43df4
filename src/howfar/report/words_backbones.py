"""Sentences on how far several backbones agree, computed from their numbers."""

from __future__ import annotations

from itertools import combinations
from typing import Final

from howfar.report.words import AGREES, UNRELATED, agreement, listing
from howfar.results.backbones import BackboneComparison

FEW_SETS: Final = 4


def lead(found: BackboneComparison) -> str:
    """The answer: whether the backbones name the same farthest and the same nearest dataset."""
    frame = found.to_frame()
    own = frame[~frame["trivial"]]
    count = own["dataset"].nunique()
    number = len(found.backbones)
    if count < 2:
        return f"With one secondary dataset {number} backbones have no order to agree on."
    ends = {}
    for end, ascending in (("farthest", False), ("nearest", True)):
        firsts = own.sort_values(found.measure(), ascending=ascending, kind="stable").drop_duplicates("backbone")
        ends[end] = dict(zip(firsts["backbone"], firsts["dataset"], strict=True))
    return " ".join(_end(end, said, number) for end, said in ends.items())


def _end(end: str, said: dict[str, str], number: int) -> str:
    if len(set(said.values())) == 1:
        every = "Both backbones" if number == 2 else f"All {number} backbones"
        return f"{every} find {next(iter(said.values()))} {end}."
    by_dataset: dict[str, list[str]] = {}
    for backbone, dataset in said.items():
        by_dataset.setdefault(dataset, []).append(backbone)
    parts = [f"{dataset} by {listing(backbones)}" for dataset, backbones in by_dataset.items()]
    return f"They do not agree on the {end} dataset: {listing(parts, 6)}."


def sets_sentence(found: BackboneComparison) -> str:
    """On the order of the datasets."""
    count = len(found.comparisons[0].datasets)
    pairs = list(combinations(found.backbones, 2))
    said = [f"{a} and {b} put the datasets in {agreement(found.agreed(a, b)[0], count)}" for a, b in pairs]
    return f"{listing(said, 6)}." if count > 1 else ""


def images_sentence(found: BackboneComparison) -> str:
    """On the order of the images of a dataset."""
    pairs = [(a, b, found.agreed(a, b)[1]) for a, b in combinations(found.backbones, 2)]
    known = [(a, b, value) for a, b, value in pairs if value is not None]
    if not known:
        return ""
    said = [f"{value:+.2f} between {a} and {b}".replace("-", "−") for a, b, value in known]
    lowest = min(value for _, _, value in known)
    meaning = (
        "which images are far is much the same by each"
        if lowest >= AGREES
        else "which images are far depends on the backbone"
        if lowest < UNRELATED
        else "which images are far is partly the same"
    )
    return f"Of the images of a dataset: {meaning} (Spearman, mean over the datasets: {listing(said, 6)})."


def trivial_sentence(found: BackboneComparison) -> str:
    """On the trivial backbones beside the others."""
    count = len(found.comparisons[0].datasets)
    if not found.trivial or count < FEW_SETS:
        return ""
    alike = [
        f"{trivial} and {backbone}"
        for trivial in found.trivial
        for backbone in found.backbones
        if (found.agreed(backbone, trivial)[0] or 0.0) >= AGREES
    ]
    if not alike:
        return "No trivial backbone puts the datasets in an order like theirs: it is not colour and layout alone."
    return (
        f"Much the same order comes from {listing(alike, 6)}: where a trivial backbone agrees, the order is no evidence of "
        "more than colour and layout."
    )


def limits(found: BackboneComparison) -> list[str]:
    """What the numbers do not tell."""
    count = len(found.comparisons[0].datasets)
    few = (
        [f"Over {count} datasets a rank correlation says little: chance alone gives ±1 often."]
        if 1 < count < FEW_SETS + 1
        else []
    )
    return [
        *few,
        "Agreement is no proof: backbones that were trained on the same pictures may share their blind spots.",
        "Each backbone has its own subspace and its own yardstick: compare ranks and relative distances across rows, never raw "
        "distances.",
        "Whether a model fails where images are far is another question: relate each backbone's run to the model's scores "
        "(howfar relate), and see which backbone's distance goes with them, if any does.",
    ]
