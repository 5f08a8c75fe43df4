"""Write the report's sections on performance by distance, and on slices such as each camera, site or day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from howfar.figures.performance import VERDICTS
from howfar.figures.style import looks
from howfar.report.page import SectionKind
from howfar.report.section import (
    UNDEFINED,
    Cell,
    Column,
    Sentence,
    Table,
    change,
    count,
    decimal,
    facts,
    listing,
    name_cell,
    plural,
    with_interval,
)
from howfar.results import Coefficient, Comparison, DatasetRelation, DistancePart, Relation, Trend
from howfar.results.relation import BLANK, without_foreground
from howfar.results.slices import EMPTY, DistanceSlice, PerformanceSlice, distance_table, performance_table, too_small
from howfar.wording import signed


def dataset_cells(relation: Relation) -> dict[str, Cell]:
    """Show the name of each dataset, labelled or not, with the colour that it has in the figures."""
    return {name: Cell(name, colour=look.colour) for name, look in looks(relation).items()}


def levels(relation: Relation) -> Table:
    """List how well each labelled dataset does: its mean, and with thresholds F at the common one and at its own best."""
    tuned = relation.settings.threshold is not None
    at = " at the common threshold" if tuned else ""
    by_threshold = (
        Column("pooled", "performance of the counts summed over its images, at the common threshold"),
        Column("ODS", "the same at the threshold that is best for this dataset, which looks at its labels"),
        Column("at threshold", "where the ODS is reached"),
    )
    columns = (
        Column("dataset"),
        Column("images", "measured images of the dataset"),
        Column("scored", "those that have a performance: an image without a label, or with nothing to find, has none"),
        Column("mean", f"mean performance of its images{at}: what estimates below aim at"),
        *(by_threshold if tuned else ()),
        Column("verdict", "how performance goes with distance within the dataset"),
    )
    names = dataset_cells(relation)
    rows = [
        (
            names[row.name],
            count(row.n),
            count(row.scored),
            decimal(row.mean),
            *((decimal(row.pooled), decimal(row.ods), decimal(row.ods_threshold, 2)) if tuned else ()),
            Cell(VERDICTS[row.verdict.kind]),
        )
        for row in relation.datasets
    ]
    return Table(columns, tuple(rows))


def trends(relation: Relation) -> Table:
    """List correlations and slopes of each labelled dataset with their intervals, and pooled within the datasets."""
    grouped = any(row.trend is not None and row.trend.groups != row.trend.n for row in relation.datasets)
    groups = Column("groups", "photographs that they come from, which the intervals resample")
    partial = any(row.trend is not None and row.trend.partial is not None for row in relation.datasets)
    given_foreground = Column(
        "Spearman, given foreground",
        "with the share of true foreground held fixed, on which F depends: far images may only hold thinner objects",
    )
    columns = (
        Column("dataset"),
        Column("images", "that have a performance"),
        *((groups,) if grouped else ()),
        Column("Spearman", "rank correlation of distance and performance: below 0, farther images do worse"),
        Column("Kendall", "the same by pairs (τ-b), in which outlying images weigh less"),
        Column("slope", "change of performance from the nearest image (0) to the farthest (1), by least squares"),
        *((given_foreground,) if partial else ()),
    )
    names = dataset_cells(relation)
    measured = [(row.name, row.trend) for row in relation.datasets if row.trend is not None]
    rows = [(names[name], *_trend(trend, grouped, partial)) for name, trend in measured]
    if relation.pooled is not None and len(rows) > 1:
        rows.append((Cell("all, each within itself", strong=True), *_trend(relation.pooled, grouped, partial)))
    return Table(columns, tuple(rows))


def parts(relation: Relation, attribute: str) -> Table:
    """Make one of the paper's tables 3-5: F (μ, σ) of each dataset's "halves" or "thirds", nearest first."""
    labels = ("nearest half", "farthest half") if attribute == "halves" else ("nearest third", "middle third", "farthest third")
    cuts: list[tuple[str, Sequence[DistancePart]]] = [(row.name, getattr(row, attribute)) for row in relation.datasets]
    cuts = [(name, cut) for name, cut in cuts if len(cut) == len(labels)]
    # Without thresholds there is nothing to re-tune, and the two columns would be row twice.
    retuned = any(part.threshold is not None for _, cut in cuts for part in cut)
    columns = [Column("dataset")]
    for label in labels:
        columns.append(Column(f"{label} (pooled)" if retuned else label, _explained(retuned) if label == labels[0] else ""))
        if retuned:
            columns.append(Column(f"{label}, re\u2011tuned", _RETUNED if label == labels[0] else ""))
    columns.append(Column("change", f"{labels[-1]} less {labels[0]}{', at the common threshold' if retuned else ''}"))
    names = dataset_cells(relation)
    rows = []
    for name, cut in cuts:
        cells = [cell for part in cut for cell in ((_part(part), _retuned(part)) if retuned else (_part(part),))]
        rows.append((names[name], *cells, _change(cut)))
    return Table(tuple(columns), tuple(rows))


def _explained(pooled: bool) -> str:
    """Say what a part's cell holds: the paper's F of summed counts, or, of a task without thresholds, its images' mean."""
    of_sums = "of the counts summed over the part's images at the common threshold, as in the paper: not the mean of its images"
    what = of_sums if pooled else "mean over the part's images"
    return f"performance (μ, σ): {what}; in brackets mean and standard deviation of its scaled distances"


_RETUNED = "performance at the threshold that is best for the part, as in the paper, and that threshold; it looks at labels"


def relation_settings(relation: Relation) -> Table:
    """List what the caller chose, and when the relation was made."""
    chosen = relation.settings
    values = {
        "performance": relation.metric,
        "common threshold": "none" if chosen.threshold is None else chosen.threshold_source,
        "τ (failed below)": f"{chosen.tau:g}",
        "flat (no change)": f"{chosen.flat:g}",
        "level of intervals": f"{chosen.level:g}",
        "error rate of lists": f"{chosen.error_rate:g}",
        "estimator": relation.estimator or "none",
        "bootstrap resamples": f"{chosen.bootstrap:,}",
        "seed": f"{chosen.seed}",
        "photograph": "each image for itself" if chosen.group is None else chosen.group,
        "made": relation.provenance.created.replace("T", " ").replace("+00:00", " UTC"),
    }
    return facts(values)


def coefficient(value: Coefficient | None) -> Cell:
    """Show a coefficient with its interval."""
    return UNDEFINED if value is None else with_interval(value.value, value.low, value.high, signed)


def _trend(trend: Trend, grouped: bool, partial: bool) -> tuple[Cell, ...]:
    return (
        count(trend.n),
        *((count(trend.groups),) if grouped else ()),
        *(coefficient(row) for row in (trend.spearman, trend.kendall, trend.slope)),
        *((coefficient(trend.partial),) if partial else ()),
    )


def _part(part: DistancePart) -> Cell:
    if part.performance_common is None:
        return UNDEFINED
    spread = f"({part.distance_mean:.2f}, {part.distance_std:.2f})"
    return Cell(f"{part.performance_common:.3f} {spread}", part.performance_common)


def _retuned(part: DistancePart) -> Cell:
    if part.performance is None:
        return UNDEFINED
    at = "" if part.threshold is None else f" at {part.threshold:.2f}"
    return Cell(f"{part.performance:.3f}{at}", part.performance)


def _change(cut: Sequence[DistancePart]) -> Cell:
    near, far = cut[0].performance_common, cut[-1].performance_common
    return change(None if near is None or far is None else far - near)


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


def _performance_content(_: Comparison, relation: Relation | None) -> Mapping[str, Any] | None:
    if relation is None:
        return None
    names = dataset_cells(relation)
    return {
        "lead": lead(relation),
        "tally": tally(relation),
        "unknown": unknown(relation),
        "sentences": [(sentence, names[sentence.name].colour) for sentence in sentences(relation)],
        "measured": how_measured(relation),
        "standing": standing(relation),
        "levels": levels(relation),
        "trends": trends(relation),
        "halves": parts(relation, "halves"),
        "thirds": parts(relation, "thirds"),
    }


PERFORMANCE = SectionKind("performance", "Performance", "performance/section.html.j2", _performance_content)


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


def slice_distance(comparison: Comparison) -> Table:
    """List the slices by distance, the farthest first."""
    known = any(each.energy is not None for each in comparison.slices)
    sorts = [
        (each.n, each.relative, each.beyond_95, each.difference, each.p_value)
        + ((each.energy, each.energy_p_value) if known else ())
        for each in comparison.slices
    ]
    return _table(*distance_table(comparison.slices), sorts, [dataset.name for dataset in comparison.datasets])


def slice_performance(relation: Relation) -> Table:
    """List the slices by performance, the worst first."""
    sorts = [
        (each.n, each.scored, each.mean, each.difference, each.p_value, each.estimate, each.listed) for each in relation.slices
    ]
    names = [str(name) for name in relation.images["dataset"].unique()]
    return _table(*performance_table(relation.slices), sorts, names)


def slice_lead(by_distance: Sequence[DistanceSlice], by_performance: Sequence[PerformanceSlice]) -> str:
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


def _slices_content(comparison: Comparison, relation: Relation | None) -> Mapping[str, Any] | None:
    performance = () if relation is None else relation.slices
    if not comparison.slices and not performance:
        return None
    return {
        "distance": slice_distance(comparison) if comparison.slices else None,
        "performance": slice_performance(relation) if relation is not None and performance else None,
        "lead": slice_lead(comparison.slices, performance),
        "small_distance": too_small(comparison.slices),
        "small_performance": too_small(performance),
    }


SLICES = SectionKind("slices", "Slices", "slices/section.html.j2", _slices_content)
