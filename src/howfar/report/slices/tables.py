"""Make tables of slices, and say in a sentence which stand out."""

from __future__ import annotations

from collections.abc import Sequence

from howfar.report.tables import Cell, Column, Table, name_cell
from howfar.report.text import listing, plural
from howfar.results import Comparison, Relation
from howfar.results.slices import EMPTY, DistanceSlice, PerformanceSlice, distance_table, performance_table

SIGNIFICANCE = 0.05
EXPLAINED = {
    "n": "images in the slice",
    "scored": "images that have a performance",
    "relative [95 % CI]": "mean distance over P's self-distance, as of the dataset; the interval is over the slice's images, "
    "with P's held fixed",
    "over 95th percentile": "share of images that are farther than 95 % of P's own",
    "mean [95 % CI]": "mean performance of the scored images; the interval is over photographs",
    "less the rest": "the slice's mean less that of the rest of its dataset",
    "p": "permutation test of “this slice is like the rest of its dataset”, Holm-corrected over the slices of the column",
    "energy [95 % CI]": "energy distance of the slice from P, which is 0 only where they are spread alike; P's images are held "
    "fixed in the interval",
    "p of energy": "the same test by the energy distance, corrected alike",
    "estimate": "mean performance that is estimated without the labels of the slice's dataset",
    "listed": "images that are listed as probable failures",
}


def distance(comparison: Comparison) -> Table:
    """List the slices by distance, the farthest first."""
    known = any(each.energy is not None for each in comparison.slices)
    sorts = [
        (each.n, each.relative, each.beyond_95, each.difference, each.p_value)
        + ((each.energy, each.energy_p_value) if known else ())
        for each in comparison.slices
    ]
    return _table(*distance_table(comparison.slices), sorts, [dataset.name for dataset in comparison.datasets])


def performance(relation: Relation) -> Table:
    """List the slices by performance, the worst first."""
    sorts = [
        (each.n, each.scored, each.mean, each.difference, each.p_value, each.estimate, each.listed) for each in relation.slices
    ]
    names = [str(name) for name in relation.images["dataset"].unique()]
    return _table(*performance_table(relation.slices), sorts, names)


def lead(by_distance: Sequence[DistanceSlice], by_performance: Sequence[PerformanceSlice]) -> str:
    """Name the slices that are clearly farther than the rest of their dataset, and those that clearly do worse."""
    far = [each for each in by_distance if _clear(each) and (each.difference or 0) > 0]
    worse = [each for each in by_performance if _clear(each) and (each.difference or 0) < 0]
    sentences = [_sentence(far, "lies", "lie", "farther")] if by_distance else []
    return " ".join([*sentences, *([_sentence(worse, "does", "do", "worse")] if by_performance else [])])


def _sentence(slices: Sequence[DistanceSlice | PerformanceSlice], verb: str, many: str, how: str) -> str:
    if not slices:
        return f"No slice is shown to {many} {how} than the rest of its dataset."
    names = listing([f"{each.column} = {each.value or EMPTY} of {each.dataset}" for each in slices])
    return f"{names} {plural(len(slices), verb, many)} {how} than the rest of {plural(len(slices), 'its', 'their')} dataset."


def _clear(each: DistanceSlice | PerformanceSlice) -> bool:
    return each.p_value is not None and each.p_value <= SIGNIFICANCE


def _table(
    header: Sequence[str],
    texts: Sequence[Sequence[str]],
    sorts: Sequence[Sequence[float | None]],
    datasets: Sequence[str],
) -> Table:
    rows = []
    for cells, numbers in zip(texts, sorts, strict=True):
        values = (Cell(text, number) for text, number in zip(cells[2:], numbers, strict=True))
        rows.append((Cell(cells[0]), name_cell(cells[1], datasets.index(cells[1])), *values))
    return Table(tuple(Column(title, EXPLAINED.get(title, "")) for title in header), tuple(rows))
