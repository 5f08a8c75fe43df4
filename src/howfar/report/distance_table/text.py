"""Write sentences on the distances by several backbones: which datasets are farthest, how far backbones agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

from howfar.numbers import signed
from howfar.report.backbones.text import FEW_SETS
from howfar.report.backbones.text import lead as agreement_lead
from howfar.report.distance_table.order import Order
from howfar.report.distance_table.tables import spans_of, undecided
from howfar.report.text import listing, plural
from howfar.results.distance_table import DistanceTable

NAMED: Final = 6
LEVEL: Final = 0.05


def lead(table: DistanceTable, answers: Mapping[str, Order]) -> str:
    """Answer whether the datasets without cracks are the farthest; without such, which dataset is."""
    if answers:
        return _without_cracks(answers)
    if len(table.backbones) > 1:
        return agreement_lead(table.comparison)
    values = {dataset.name: dataset.o_dist_mean for dataset in table.comparison.comparisons[0].datasets}
    far, near = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    beside = f", and {near} nearest" if near != far else ""
    return f"By {table.backbones[0]} {far} is farthest from {table.primary}{beside}."


def _without_cracks(answers: Mapping[str, Order]) -> str:
    own = [name for name, answer in answers.items() if not answer.trivial]
    trivial = [name for name, answer in answers.items() if answer.trivial]
    kinds = ((own, "backbone", "backbones"), (trivial, "trivial one", "trivial ones"))
    parts = [_counted(names, answers, one, many) for names, one, many in kinds if names]
    return f"Every dataset without cracks is farther than every other {' and '.join(parts)}."


def _counted(names: Sequence[str], answers: Mapping[str, Order], one: str, many: str) -> str:
    """Count the backbones by which it holds, and name the fewer of these and the others."""
    holding = [name for name in names if answers[name].holds]
    failing = [name for name in names if not answers[name].holds]
    if not holding:
        return f"by no {one} ({listing(failing, NAMED)})"
    if not failing:
        every = {1: f"the {one}", 2: f"both {many}"}.get(len(names), f"all {len(names)} {many}")
        return f"by {every} ({listing(holding, NAMED)})"
    named = listing(holding, NAMED) if len(holding) <= len(failing) else f"not {listing(failing, NAMED)}"
    return f"by {len(holding)} of {len(names)} {many} ({named})"


def evidence_sentence(answers: Mapping[str, Order]) -> str:
    """Say what the order of the datasets is evidence of, given the trivial backbones."""
    if not answers:
        return ""
    trivial = [answer for answer in answers.values() if answer.trivial]
    if not trivial:
        return (
            "No trivial backbone is listed, so it is open whether colour alone gives this order: name pixels and "
            "colour_moments among the backbones."
        )
    if any(answer.holds for answer in trivial) and any(answer.holds for answer in answers.values() if not answer.trivial):
        return (
            "Where a trivial backbone gives the same order, the order is no evidence that a model sees more than colour and "
            "layout."
        )
    if not any(answer.holds for answer in answers.values()):
        return ""
    names = listing([name for name, answer in answers.items() if answer.trivial], NAMED)
    return f"{names}, which see colour and layout alone, give another order."


def apart_sentence(answers: Mapping[str, Order]) -> str:
    """Say for how many backbones the answer is beyond the intervals."""
    known = {name: answer for name, answer in answers.items() if answer.apart is not None}
    close = [name for name, answer in known.items() if not answer.apart]
    both = "of the nearest dataset without cracks and the farthest with them"
    if not known or not close:
        return f"By every backbone the intervals {both} do not overlap." if known else ""
    return f"By {listing(close, NAMED)} the intervals {both} overlap: the answer may be chance."


def relative_sentence(answers: Mapping[str, Order]) -> str:
    """Name the backbones whose answer differs by relative distance."""
    differs = [name for name, answer in answers.items() if answer.relative is not None and answer.relative != answer.holds]
    if not differs:
        return ""
    return (
        f"By relative distance the answer is the other one by {listing(differs, NAMED)}: P's own spread differs between pairs."
    )


def p_sentence(table: DistanceTable) -> str:
    """Say which datasets cannot be told from P by the permutation test."""
    tested = [each for each in table.comparison.comparisons if any(row.p_value is not None for row in each.datasets)]
    if not tested:
        return ""
    draws = tested[0].settings.permutations
    if len(table.secondaries) / (draws + 1) > LEVEL:
        return f"With {draws} permutations no dataset can be told from {table.primary} at a level of {LEVEL:g}: draw more."
    alike = {each.backbone.name: names for each in tested if (names := undecided(each.datasets, LEVEL))}
    if not alike:
        return (
            f"Every dataset differs from {table.primary} by every backbone (permutation test of the energy distance, p at most "
            "0.05 after Holm)."
        )
    parts = [f"{listing(names, NAMED)} by {name}" for name, names in alike.items()]
    return f"Not told from {table.primary} by the permutation test (p above 0.05 after Holm): {listing(parts, NAMED)}."


def agreement_sentence(table: DistanceTable) -> str:
    """Say how far each two backbones agree on the order of datasets and of images."""
    pairs = list(combinations(table.backbones, 2))
    if not pairs:
        return ""
    agreed = [table.comparison.agreed(*pair) for pair in pairs]
    orders = [value for value, _ in agreed if value is not None]
    images = [value for _, value in agreed if value is not None]
    which = plural(len(pairs), "the two", f"each two of {len(table.backbones)}")
    parts = []
    if orders and len(table.secondaries) > 2:
        parts.append(f"{_span(orders)} for the order of the datasets")
    if images:
        parts.append(f"{_span(images)} for the order of a dataset's images, mean over the datasets")
    return f"Between {which} backbones Spearman's rank correlation is {', and '.join(parts)}." if parts else ""


def _span(values: Sequence[float]) -> str:
    low, high = signed(min(values)), signed(max(values))
    return low if low == high else f"from {low} to {high}"


def thirds_sentence(table: DistanceTable) -> str:
    """Say in which dataset the last third of the images rises most, by each backbone."""
    steepest: dict[str, list[str]] = {}
    for comparison in table.comparison.comparisons:
        spans = {name: span for name, span in spans_of(comparison).items() if span is not None}
        if spans:
            most = max(spans, key=spans.__getitem__)
            steepest.setdefault(most, []).append(f"{comparison.backbone.name} ({100 * spans[most]:.0f} %)")
    if not steepest:
        return ""
    parts = [f"{dataset} by {listing(backbones, NAMED)}" for dataset, backbones in steepest.items()]
    by = "by the share of the range that the last third of the images spans"
    return f"The end is steepest, {by}, in {'; in '.join(parts)}; 33 % is even."


def limits(table: DistanceTable) -> list[str]:
    """Say what the numbers do not tell."""
    few = len(table.secondaries) <= FEW_SETS and len(table.backbones) > 1
    return [
        "A row of table 2 sums to 1, so that one share falls where another rises, and a row says nothing of the level: raw and "
        "relative distances stand beside.",
        "Each backbone has its own features and each pair its own subspace: compare ranks and relative distances across rows, "
        "never raw distances.",
        *(
            [f"Over {len(table.secondaries)} datasets a rank correlation says little: chance alone gives ±1 often."]
            if few
            else []
        ),
        "The paper's numbers are of its own datasets: ours stand beside where a dataset is of the same kind, not where it is "
        "the same.",
    ]
