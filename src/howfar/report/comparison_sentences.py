"""Write the report's sentences on distances: which dataset is farthest, how certain that is, what colour baselines say."""

from collections.abc import Mapping, Sequence

from howfar.formatting_and_escaping import format_number, p_text, share, times
from howfar.report import section as doc
from howfar.results import Comparison, DatasetSummary, PrimarySummary

ALPHA = 0.05
_FEWEST_FOR_CONFORMAL = 19


def lead(comparison: Comparison) -> str:
    """State in one or two sentences the nearest and the farthest secondary, and whether the order is settled."""
    datasets, primary = comparison.datasets, comparison.primary.name
    if any(dataset.relative is None for dataset in datasets):
        why = f"The images of {primary} do not differ from each other, so there is no self-distance to measure others by."
        if comparison.primary.n == 1:
            why = f"{primary} is a single image, so it has no self-distance to measure others by."
        return f"{why} What follows are raw distances from P, with no yardstick to read them by."
    ordered = sorted(datasets, key=_relative)
    near, far = ordered[0], ordered[-1]
    unit = f"as images of {primary} are from each other"
    if len(ordered) == 1:
        return f"{near.name} is {_far(_relative(near))} times as far from {primary} {unit}."
    if _far(_relative(near)) == _far(_relative(far)):
        return f"All {len(ordered)} datasets are equally far from {primary}: {_far(_relative(near))} times as far {unit}."
    text = (
        f"Of {len(ordered)} datasets, {near.name} is nearest to {primary} and {far.name} farthest: {_far(_relative(near))} and "
        f"{_far(_relative(far))} times as far {unit}."
    )
    # Whether the order is settled, by intervals at either end that overlap with others.
    if all(_overlap(a.relative_ci, b.relative_ci) for a in ordered for b in ordered):
        return f"{text} All their intervals overlap, so the order is not settled."
    remarks = []
    for word, end in (("nearest", ordered), ("farthest", list(reversed(ordered)))):
        rivals = [other.name for other in end[1:] if _overlap(end[0].relative_ci, other.relative_ci)]
        if rivals:
            own = doc.plural(len(rivals), "its interval overlaps", "their intervals overlap")
            remarks.append(f"the {word} may be {doc.listing(rivals)} instead: {own} with that of {end[0].name}")
    return f"{text} {doc.sentence_case('; '.join(remarks))}".strip()


def plain(primary: PrimarySummary, dataset: DatasetSummary) -> str:
    """State in one plain sentence how far a secondary is; its number is in the table above."""
    home = primary.name
    low, high = (None, None) if dataset.relative_ci is None else dataset.relative_ci
    if dataset.relative is None:
        at = format_number(dataset.o_dist_mean)
        text = f"{dataset.name} is at a mean distance of {at} from {home}, without a unit to compare it with"
    else:
        text = f"{dataset.name} is {_far(dataset.relative)} times as far from {home} as images of {home} are from each other"
    if low is not None and high is not None and low <= 1:
        text += ", as a set of little variety can" if high < 1 else ", so that it is not shown to be farther"
    # The share of its images that are farther than 95 % of P's own.
    beyond, unusual, differs = dataset.beyond, "", ""
    if beyond is not None and primary.n < _FEWEST_FOR_CONFORMAL:
        unusual = f"{home} has too few images ({primary.n}) to say which single images are unusual"
    elif beyond is not None and dataset.n == 1:
        unusual = f"this one image is {'' if beyond else 'not '}farther than 95 % of {home}'s own"
    elif beyond is not None:
        count = "none" if beyond == 0 else "all" if beyond == 1 else share(beyond)
        unusual = f"{count} of its images {'is' if beyond == 0 else 'are'} unusual there"
    if dataset.p_value is not None and (low is None or low <= 1):
        differs = f"no evidence that the two sets differ ({p_text(dataset.p_value)})"
        if dataset.p_value <= ALPHA:
            differs = f"{'even so ' if low is not None else ''}the two sets differ ({p_text(dataset.p_value)})"
    return f"{'; '.join(part for part in (text, unusual, differs) if part)}."


def _far(relative: float) -> str:
    """Write a ratio of distances without its sign."""
    return times(relative).removesuffix("×")


def smallest_p(permutations: int, secondaries: int) -> float | None:
    """Compute the smallest possible p-value of a permutation test after Holm's correction."""
    return min(1.0, secondaries / (permutations + 1)) if permutations else None


def of_rivals(comparison: Comparison) -> str:
    """Explain how to read the literature's distances: positive even for equal sets, and the smallest possible p."""
    from howfar.pipeline.rival_distances import MOST_RELABELLINGS

    read = (
        "A Fréchet or Wasserstein distance of two samples of one distribution is above 0, and so is its interval: what tells "
        "whether the sets differ is p."
    )
    permutations, secondaries = min(comparison.settings.permutations, MOST_RELABELLINGS), len(comparison.datasets)
    least = smallest_p(permutations, secondaries)
    if least is None:
        return read
    sets = "1 dataset" if secondaries == 1 else f"{secondaries} datasets"
    return (
        f"{read} {permutations:,} relabellings, as many as these distances take, and Holm's correction over {sets} cannot give "
        f"a p below {least:.3g}."
    )


def same_farthest(model: Mapping[str, float], views: Mapping[str, Mapping[str, float]]) -> tuple[str, list[str]]:
    """Return the backbone's farthest dataset, and the trivial backbones that agree."""
    farthest = max(model, key=lambda name: model[name])
    return farthest, [backbone for backbone, view in views.items() if view[farthest] == max(view.values())]


def trivial_verdict(agreements: Mapping[str, float | None], count: int, farthest: str, also: Sequence[str]) -> str:
    """Judge the backbone's order by the trivial backbones' orders of `count` secondaries.

    `agreements` are Spearman's correlations with the backbone's order; `farthest` and `also` are what `same_farthest` returns.
    """
    if not agreements:
        return ""
    if count < 3:
        return "With fewer than three secondary datasets, orders cannot tell the backbone from raw colour and layout."
    alike = [name for name, rho in agreements.items() if rho is not None and rho >= doc.AGREES]
    if alike:
        return (
            f"{doc.listing(alike)} alone {doc.plural(len(alike), 'puts', 'put')} the datasets in much the same order as the "
            "backbone does: the order by itself is no evidence that the backbone sees more than colour and layout."
        )
    text = "No trivial backbone puts the datasets in the backbone's order, so that order is not colour and layout alone"
    if also:
        put = doc.plural(len(also), "puts", "put")
        return f"{text}; but {doc.listing(also)} {put} {farthest} farthest too, so that it is farthest proves little."
    return f"{text}, nor does one find {farthest} farthest."


def rank_changes(comparison: Comparison) -> list[str]:
    """Name the secondaries whose ranks by raw O^dist and by `relative` differ; [] if `relative` is undefined."""
    datasets = comparison.datasets
    if any(dataset.relative is None for dataset in datasets):
        return []
    raw = doc.ranks([dataset.o_dist_mean for dataset in datasets])
    relative = doc.ranks([_relative(dataset) for dataset in datasets])
    return [dataset.name for dataset, a, b in zip(datasets, raw, relative, strict=True) if a != b]


def _relative(dataset: DatasetSummary) -> float:
    return float("nan") if dataset.relative is None else dataset.relative


def _overlap(a: tuple[float, float] | None, b: tuple[float, float] | None) -> bool:
    return a is not None and b is not None and a[0] <= b[1] and b[0] <= a[1]
