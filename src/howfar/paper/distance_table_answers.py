"""State each backbone's farthest datasets in the tables and sentences of the study of distances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from howfar.arrays import Float64Array
from howfar.report.backbones import FEW_SETS
from howfar.report.backbones import lead as agreement_lead
from howfar.report.section import UNDEFINED, Cell, Column, Table, count, decimal, listing, number, plural, with_interval
from howfar.results import Comparison, DatasetSummary
from howfar.results.backbones import DistanceTable
from howfar.wording import format_number, signed

WITHOUT_CRACKS: Final = ("S_5", "S_6")


@dataclass(frozen=True)
class BackboneOrder:
    """Hold a backbone's answer: whether the datasets without cracks are farthest.

    Attributes
    ----------
    nearest, farthest
        The dataset without cracks that is nearest by O^dist, and the farthest of the others.
    holds, relative
        Whether every dataset without cracks is farther than every other, by O^dist and by relative distance (None where that is
        undefined).
    apart
        Whether the intervals of the two distances do not overlap; None without intervals.
    trivial
        Whether the backbone is a trivial one.
    """

    nearest: DatasetSummary
    farthest: DatasetSummary
    holds: bool
    relative: bool | None
    apart: bool | None
    trivial: bool

    @property
    def ratio(self) -> float | None:
        """Return the nearest distance without cracks over the farthest other one; None if the latter is 0."""
        other = self.farthest.o_dist_mean
        return self.nearest.o_dist_mean / other if other > 0 else None


def orders(table: DistanceTable, symbols: Mapping[str, str]) -> dict[str, BackboneOrder]:
    """Return each backbone's answer; {} if no secondary, or every one, stands for S_5 or S_6."""
    bare = [name for name in table.secondaries if symbols.get(name) in WITHOUT_CRACKS]
    if not bare or len(bare) == len(table.secondaries):
        return {}
    comparisons = table.comparison.comparisons
    return {each.backbone.name: _order(each, bare, each.backbone.name in table.trivial) for each in comparisons}


def _order(comparison: Comparison, bare: list[str], trivial: bool) -> BackboneOrder:
    without = [dataset for dataset in comparison.datasets if dataset.name in bare]
    others = [dataset for dataset in comparison.datasets if dataset.name not in bare]
    nearest = min(without, key=lambda dataset: dataset.o_dist_mean)
    farthest = max(others, key=lambda dataset: dataset.o_dist_mean)
    near, far = nearest.o_dist_mean_ci, farthest.o_dist_mean_ci
    ends = [dataset.relative for dataset in without], [dataset.relative for dataset in others]
    defined = [[value for value in values if value is not None] for values in ends]
    whole = all(len(kept) == len(values) for kept, values in zip(defined, ends, strict=True))
    return BackboneOrder(
        nearest=nearest,
        farthest=farthest,
        holds=nearest.o_dist_mean > farthest.o_dist_mean,
        relative=min(defined[0]) > max(defined[1]) if whole else None,
        apart=None if near is None or far is None else near[0] > far[1] or near[1] < far[0],
        trivial=trivial,
    )


FARTHEST: Final = 2
"""How many of the farthest datasets of a row are marked, as in table 2 of the paper."""


def features(table: DistanceTable) -> Table:
    """List each backbone's feature (table 1)."""
    columns = (
        Column("backbone"),
        Column("loaded as", "the registered name (howfar backbones); M of a study is its model trained on P alone"),
        Column("feature"),
        Column("q", "length of the feature"),
    )
    rows = []
    for each in table.features:
        loaded = f"{each.registered}, M of {each.model}" if each.model else each.registered
        rows.append((Cell(each.label), Cell(loaded), Cell(each.feature), count(each.length)))
    return Table(columns, tuple(rows))


def scaled(table: DistanceTable) -> Table:
    """Build table 2: row-scaled O^dist, with the two farthest datasets of each row bold if there are more than two."""

    def cells(comparison: Comparison) -> Iterator[Cell]:
        values = {dataset.name: dataset.o_dist_scaled for dataset in comparison.datasets}
        far = set(sorted(values, key=lambda name: -values[name])[:FARTHEST]) if len(values) > FARTHEST else set()
        return (decimal(values[name], strong=name in far) for name in table.secondaries)

    return _by_backbone(table, cells)


def raw(table: DistanceTable) -> Table:
    """List O^dist in mean form with its interval, and P's self-distance."""
    own = Column("P itself", "mean distance of P's own images from each other, in P's own subspace or the one that all share")

    def cells(comparison: Comparison) -> Iterator[Cell]:
        yield number(comparison.primary.self_distance, 3)
        for dataset in comparison.datasets:
            yield _with_ci(dataset.o_dist_mean, dataset.o_dist_mean_ci, _digits)

    return _by_backbone(table, cells, own)


def relative(table: DistanceTable) -> Table:
    """List O^dist over P's self-distance, with its interval."""

    def cells(comparison: Comparison) -> Iterator[Cell]:
        return (_with_ci(dataset.relative, dataset.relative_ci, "{:.2f}".format) for dataset in comparison.datasets)

    return _by_backbone(table, cells)


def _by_backbone(table: DistanceTable, cells: Callable[[Comparison], Iterable[Cell]], *before: Column) -> Table:
    """Build a table with a row per backbone, the columns `before`, and a column per secondary dataset."""
    rows = ((Cell(each.backbone.name), *cells(each)) for each in table.comparison.comparisons)
    return Table((Column("backbone"), *before, *map(Column, table.secondaries)), tuple(rows))


def without_cracks(orders: Mapping[str, BackboneOrder]) -> Table:
    """List by backbone the nearest dataset without cracks and the farthest other one."""
    columns = (
        Column("backbone"),
        Column("nearest without cracks", "the dataset standing for S5 or S6 with the least O^dist (mean form)"),
        Column("farthest other", "the other dataset with the greatest O^dist"),
        Column("ratio", "of the two distances; above 1 all datasets without cracks are farthest"),
        Column("farthest?", "whether every dataset without cracks is farther than every other, by O^dist"),
        Column("intervals apart", "whether the 95 % intervals of the two distances do not overlap"),
        Column("by relative", "the same question by O^dist over P's distance from itself in each pair's subspace"),
    )
    rows = []
    for name, order in orders.items():
        pair = (Cell(f"{each.name} {_digits(each.o_dist_mean)}") for each in (order.nearest, order.farthest))
        ratio = UNDEFINED if order.ratio is None else Cell(f"{order.ratio:.3f}", order.ratio)
        told = (_yes(order.holds), _yes(order.apart), _yes(order.relative))
        rows.append((Cell(f"{name} (trivial)" if order.trivial else name), *pair, ratio, *told))
    return Table(columns, tuple(rows))


def last_thirds(table: DistanceTable) -> Table:
    """List the share of each dataset's I^dist range covered by its last third; 1/3 is an even spread."""

    def cells(comparison: Comparison) -> Iterator[Cell]:
        spans = spans_of(comparison)
        return (decimal(spans[name], 2) for name in table.secondaries)

    return _by_backbone(table, cells)


def spans_of(comparison: Comparison) -> dict[str, float | None]:
    """Compute, by dataset, the share of the I^dist range above the nearest image of the last third."""
    by_name = dict(tuple(comparison.images.groupby("dataset", sort=False)["i_dist_scaled"]))
    return {str(name): _span(values.to_numpy(dtype=np.float64)) for name, values in by_name.items()}


def _span(values: Float64Array) -> float | None:
    """Return the span of a dataset's scaled distances; None below three images or for equal distances."""
    ordered = np.sort(values)
    if len(ordered) < 3 or ordered[-1] == ordered[0]:
        return None
    return float(ordered[-1] - np.array_split(ordered, 3)[2][0])


def _with_ci(value: float | None, interval: tuple[float, float] | None, write: Any) -> Cell:
    low, high = interval or (None, None)
    return with_interval(value, low, high, write)


def _digits(value: float) -> str:
    return format_number(value, 3)


def _yes(answer: bool | None) -> Cell:
    return UNDEFINED if answer is None else Cell("yes" if answer else "no", float(answer), strong=not answer)


def undecided(datasets: tuple[DatasetSummary, ...], level: float) -> list[str]:
    """Name the datasets whose permutation p-value, after Holm's correction, exceeds the level."""
    return [dataset.name for dataset in datasets if dataset.p_value is not None and dataset.p_value > level]


NAMED: Final = 6
LEVEL: Final = 0.05


def lead(table: DistanceTable, answers: Mapping[str, BackboneOrder]) -> str:
    """State whether the datasets without cracks are farthest; without such datasets, name the farthest dataset."""
    if answers:
        return _without_cracks(answers)
    if len(table.backbones) > 1:
        return agreement_lead(table.comparison)
    values = {dataset.name: dataset.o_dist_mean for dataset in table.comparison.comparisons[0].datasets}
    far, near = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    beside = f", and {near} nearest" if near != far else ""
    return f"By {table.backbones[0]} {far} is farthest from {table.primary}{beside}."


def _without_cracks(answers: Mapping[str, BackboneOrder]) -> str:
    own = [name for name, answer in answers.items() if not answer.trivial]
    trivial = [name for name, answer in answers.items() if answer.trivial]
    kinds = ((own, "backbone", "backbones"), (trivial, "trivial one", "trivial ones"))
    parts = [_counted(names, answers, one, many) for names, one, many in kinds if names]
    return f"Every dataset without cracks is farther than every other {' and '.join(parts)}."


def _counted(names: Sequence[str], answers: Mapping[str, BackboneOrder], one: str, many: str) -> str:
    """State for how many backbones the claim holds, naming these or the others, whichever are fewer."""
    holding = [name for name in names if answers[name].holds]
    failing = [name for name in names if not answers[name].holds]
    if not holding:
        return f"by no {one} ({listing(failing, NAMED)})"
    if not failing:
        every = {1: f"the {one}", 2: f"both {many}"}.get(len(names), f"all {len(names)} {many}")
        return f"by {every} ({listing(holding, NAMED)})"
    named = listing(holding, NAMED) if len(holding) <= len(failing) else f"not {listing(failing, NAMED)}"
    return f"by {len(holding)} of {len(names)} {many} ({named})"


def evidence_sentence(answers: Mapping[str, BackboneOrder]) -> str:
    """Compare the order of the datasets with that of the trivial backbones, which only see colour."""
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


def apart_sentence(answers: Mapping[str, BackboneOrder]) -> str:
    """State for which backbones the intervals overlap, so that the answer may be chance."""
    known = {name: answer for name, answer in answers.items() if answer.apart is not None}
    close = [name for name, answer in known.items() if not answer.apart]
    both = "of the nearest dataset without cracks and the farthest with them"
    if not known or not close:
        return f"By every backbone the intervals {both} do not overlap." if known else ""
    return f"By {listing(close, NAMED)} the intervals {both} overlap: the answer may be chance."


def relative_sentence(answers: Mapping[str, BackboneOrder]) -> str:
    """Name the backbones with a different answer by relative distance."""
    differs = [name for name, answer in answers.items() if answer.relative is not None and answer.relative != answer.holds]
    if not differs:
        return ""
    return (
        f"By relative distance the answer is the other one by {listing(differs, NAMED)}: P's own spread differs between pairs."
    )


def p_sentence(table: DistanceTable) -> str:
    """Name the datasets that the permutation test does not distinguish from P."""
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
    """State each two backbones' agreement on the order of datasets and of images."""
    pairs = list(combinations(table.backbones, 2))
    if not pairs:
        return ""
    agreed = [table.comparison.agreed(*pair) for pair in pairs]
    orders = [value for value, _ in agreed if value is not None]
    images = [value for _, value in agreed if value is not None]
    which = plural(len(pairs), "the two", f"each two of {len(table.backbones)}")
    parts = []
    if orders and len(table.secondaries) > 2:
        parts.append(f"{_range_text(orders)} for the order of the datasets")
    if images:
        parts.append(f"{_range_text(images)} for the order of a dataset's images, mean over the datasets")
    return f"Between {which} backbones Spearman's rank correlation is {', and '.join(parts)}." if parts else ""


def _range_text(values: Sequence[float]) -> str:
    low, high = signed(min(values)), signed(max(values))
    return low if low == high else f"from {low} to {high}"


def thirds_sentence(table: DistanceTable) -> str:
    """State for each backbone the dataset with the steepest last third of images."""
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
    """List the limits of the numbers."""
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
