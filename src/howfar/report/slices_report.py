"""Write the report's section on distance and performance by slice, such as each camera, site or day."""

from collections.abc import Mapping, Sequence

from howfar.report import section as doc
from howfar.report.page import SECTION, SectionKind
from howfar.report.performance_report import dataset_cells
from howfar.results import Comparison, Relation
from howfar.results.relation_result import (
    EMPTY,
    DistanceSlice,
    PerformanceSlice,
    distance_table,
    performance_table,
    too_small,
)

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


def slice_distance(comparison: Comparison) -> doc.Table:
    """List the slices by distance, farthest first."""
    known = any(each.energy is not None for each in comparison.slices)
    sorts = [
        (each.n, each.relative, each.beyond_95, each.difference, each.p_value)
        + ((each.energy, each.energy_p_value) if known else ())
        for each in comparison.slices
    ]
    names = doc.name_cells(dataset.name for dataset in comparison.datasets)
    return _table(*distance_table(comparison.slices), sorts, names)


def slice_performance(relation: Relation) -> doc.Table:
    """List the slices by performance, worst first."""
    sorts = [
        (each.n, each.scored, each.mean, each.difference, each.p_value, each.estimate, each.listed) for each in relation.slices
    ]
    return _table(*performance_table(relation.slices), sorts, dataset_cells(relation))


def slice_lead(by_distance: Sequence[DistanceSlice], by_performance: Sequence[PerformanceSlice]) -> str:
    """Name the slices that are clearly farther or score clearly worse than the rest of their dataset."""
    far = [each for each in by_distance if _clear(each) and (each.difference or 0) > 0]
    worse = [each for each in by_performance if _clear(each) and (each.difference or 0) < 0]
    sentences = [_sentence(far, "lies", "lie", "farther")] if by_distance else []
    return " ".join([*sentences, *([_sentence(worse, "does", "do", "worse")] if by_performance else [])])


def _sentence(slices: Sequence[DistanceSlice | PerformanceSlice], verb: str, many: str, how: str) -> str:
    if not slices:
        return f"No slice is shown to {many} {how} than the rest of its dataset."
    names = doc.listing([f"{each.column} = {each.value or EMPTY} of {each.dataset}" for each in slices])
    does, of = (doc.plural(len(slices), *words) for words in ((verb, many), ("its", "their")))
    return f"{names} {does} {how} than the rest of {of} dataset."


def _clear(each: DistanceSlice | PerformanceSlice) -> bool:
    return each.p_value is not None and each.p_value <= SIGNIFICANCE


def _table(
    header: Sequence[str],
    texts: Sequence[Sequence[str]],
    sorts: Sequence[Sequence[float | None]],
    names: Mapping[str, doc.Cell],
) -> doc.Table:
    rows = [
        (doc.Cell(column), names[name], *map(doc.Cell, cells, numbers))
        for (column, name, *cells), numbers in zip(texts, sorts, strict=True)
    ]
    return doc.from_texts(header, rows, EXPLAINED)


def _slices_content(comparison: Comparison, relation: Relation | None) -> doc.Section | None:
    performance = () if relation is None else relation.slices
    if not comparison.slices and not performance:
        return None
    tables = [("Distance", slice_distance(comparison), too_small(comparison.slices))]
    tables += [("Performance", slice_performance(relation), too_small(performance))] if relation else []
    parts: list[doc.Part] = []
    for title, table, small in tables:
        summary = f"{len(table.rows)} slice{doc.plural(len(table.rows), '', 's, the worst first')}"
        parts += doc.shown(title, f"{title} by slice", table, f"{title} by slice", summary=summary, style="named")
        parts += doc.texts(f"{small}." if small and table.rows else "")
    return doc.Section(slice_lead(comparison.slices, performance), parts)


SLICES = SectionKind("slices", "Slices", SECTION, _slices_content)
