"""Make tables of performance and distance: levels, trends, and the paper's tables 3-5."""

from __future__ import annotations

from collections.abc import Sequence

from howfar.figures.datasets import looks
from howfar.figures.performance import VERDICTS
from howfar.numbers import signed
from howfar.report.tables import UNDEFINED, Cell, Column, Table, change, count, decimal, facts, with_interval
from howfar.results import Coefficient, Part, Relation, Trend


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
    cuts: list[tuple[str, Sequence[Part]]] = [(row.name, getattr(row, attribute)) for row in relation.datasets]
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


def settings(relation: Relation) -> Table:
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


def _part(part: Part) -> Cell:
    if part.performance_common is None:
        return UNDEFINED
    spread = f"({part.distance_mean:.2f}, {part.distance_std:.2f})"
    return Cell(f"{part.performance_common:.3f} {spread}", part.performance_common)


def _retuned(part: Part) -> Cell:
    if part.performance is None:
        return UNDEFINED
    at = "" if part.threshold is None else f" at {part.threshold:.2f}"
    return Cell(f"{part.performance:.3f}{at}", part.performance)


def _change(cut: Sequence[Part]) -> Cell:
    near, far = cut[0].performance_common, cut[-1].performance_common
    return change(None if near is None or far is None else far - near)
