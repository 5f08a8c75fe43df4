"""Write sentences on how far several backbones agree, computed from their numbers."""

from __future__ import annotations

from itertools import combinations
from typing import Final

from howfar.numbers import signed
from howfar.report.text import AGREES, UNRELATED, agreement, listing
from howfar.results.backbones import BackboneComparison

FEW_SETS: Final = 4


def lead(comparison: BackboneComparison) -> str:
    """Answer whether the backbones name the same farthest and the same nearest dataset."""
    frame = comparison.to_frame()
    own = frame[~frame["trivial"]]
    count = own["dataset"].nunique()
    number = len(comparison.backbones)
    if count < 2:
        return f"With one secondary dataset {number} backbones have no order to agree on."
    ends = {}
    for end, ascending in (("farthest", False), ("nearest", True)):
        firsts = own.sort_values(comparison.measure(), ascending=ascending, kind="stable").drop_duplicates("backbone")
        ends[end] = dict(zip(firsts["backbone"], firsts["dataset"], strict=True))
    return " ".join(_end(end, datasets, number) for end, datasets in ends.items())


def _end(end: str, datasets: dict[str, str], number: int) -> str:
    if len(set(datasets.values())) == 1:
        every = "Both backbones" if number == 2 else f"All {number} backbones"
        return f"{every} find {next(iter(datasets.values()))} {end}."
    by_dataset: dict[str, list[str]] = {}
    for backbone, dataset in datasets.items():
        by_dataset.setdefault(dataset, []).append(backbone)
    parts = [f"{dataset} by {listing(backbones)}" for dataset, backbones in by_dataset.items()]
    return f"They do not agree on the {end} dataset: {listing(parts, 6)}."


def sets_sentence(comparison: BackboneComparison) -> str:
    """Say how the orders of the datasets agree."""
    count = len(comparison.comparisons[0].datasets)
    pairs = list(combinations(comparison.backbones, 2))
    orders = [f"{a} and {b} put the datasets in {agreement(comparison.agreed(a, b)[0], count)}" for a, b in pairs]
    return f"{listing(orders, 6)}." if count > 1 else ""


def images_sentence(comparison: BackboneComparison) -> str:
    """Say how the orders of the images of a dataset agree."""
    pairs = [(a, b, comparison.agreed(a, b)[1]) for a, b in combinations(comparison.backbones, 2)]
    correlated = [(a, b, value) for a, b, value in pairs if value is not None]
    if not correlated:
        return ""
    between = [f"{signed(value)} between {a} and {b}" for a, b, value in correlated]
    lowest = min(value for _, _, value in correlated)
    meaning = (
        "which images are far is much the same by each"
        if lowest >= AGREES
        else "which images are far depends on the backbone"
        if lowest < UNRELATED
        else "which images are far is partly the same"
    )
    return f"Of the images of a dataset: {meaning} (Spearman, mean over the datasets: {listing(between, 6)})."


def trivial_sentence(comparison: BackboneComparison) -> str:
    """Say whether the trivial backbones give the same order."""
    count = len(comparison.comparisons[0].datasets)
    if not comparison.trivial or count < FEW_SETS:
        return ""
    alike = [
        f"{trivial} and {backbone}"
        for trivial in comparison.trivial
        for backbone in comparison.backbones
        if (comparison.agreed(backbone, trivial)[0] or 0.0) >= AGREES
    ]
    if not alike:
        return "No trivial backbone puts the datasets in an order like theirs: it is not colour and layout alone."
    return (
        f"Much the same order comes from {listing(alike, 6)}: where a trivial backbone agrees, the order is no evidence of "
        "more than colour and layout."
    )


def limits(comparison: BackboneComparison) -> list[str]:
    """Say what the numbers do not tell."""
    count = len(comparison.comparisons[0].datasets)
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
