"""Tables of performance and distance: levels, trends, and the paper's tables 3-5."""

from __future__ import annotations

from collections.abc import Sequence

from howfar.figures.sets import signed
from howfar.report.tables import Cell, Column, Table, name_cell
from howfar.report.words_performance import KINDS
from howfar.results import Coefficient, Part, Relation, Trend

UNDEFINED = Cell("–")


def places(relation: Relation) -> dict[str, int]:
    """Each dataset's place among the secondaries of the run, which gives it its colour."""
    return {str(name): place for place, name in enumerate(dict.fromkeys(relation.images["dataset"]))}


def levels(relation: Relation) -> Table:
    """How well each labelled dataset does, at the common threshold and at its own best."""
    columns = (
        Column("dataset"),
        Column("images", "measured images of the dataset"),
        Column("scored", "those that have a performance: an image without foreground, or without a mask or label, has none"),
        Column("mean", "mean performance of its images at the common threshold: what estimates below aim at"),
        Column("pooled", "performance of the counts summed over its images, at the common threshold"),
        Column("ODS", "the same at the threshold that is best for this dataset, which looks at its labels"),
        Column("at threshold", "where the ODS is reached"),
        Column("verdict", "how performance goes with distance within the dataset"),
    )
    place = places(relation)
    rows = [
        (
            name_cell(one.name, place[one.name]),
            Cell(f"{one.n:,}", one.n),
            Cell(f"{one.scored:,}", one.scored),
            number(one.mean),
            number(one.pooled),
            number(one.ods),
            number(one.ods_threshold, 2),
            Cell(KINDS[one.verdict.kind]),
        )
        for one in relation.datasets
    ]
    return Table(columns, tuple(rows))


def trends(relation: Relation) -> Table:
    """Correlations and slopes of each labelled dataset with their intervals, and pooled within the datasets."""
    grouped = any(one.trend is not None and one.trend.groups != one.trend.n for one in relation.datasets)
    groups = Column("groups", "photographs that they come from, which the intervals resample")
    columns = (
        Column("dataset"),
        Column("images", "that have a performance"),
        *((groups,) if grouped else ()),
        Column("Spearman", "rank correlation of distance and performance: below 0, farther images do worse"),
        Column("Kendall", "the same by pairs (τ-b), in which outlying images weigh less"),
        Column("slope", "change of performance from the nearest image (0) to the farthest (1), by least squares"),
        Column(
            "Spearman, given foreground",
            "with the share of true foreground held fixed, on which F depends: far images may only hold thinner objects",
        ),
    )
    place = places(relation)
    known = [(one.name, one.trend) for one in relation.datasets if one.trend is not None]
    rows = [(name_cell(name, place[name]), *_trend(trend, grouped)) for name, trend in known]
    if relation.pooled is not None and len(rows) > 1:
        rows.append((Cell("all, each within itself", strong=True), *_trend(relation.pooled, grouped)))
    return Table(columns, tuple(rows))


def parts(relation: Relation, attribute: str) -> Table:
    """One of the paper's tables 3-5: F (μ, σ) of the parts of each dataset, nearest first.

    Parameters
    ----------
    relation
        The result.
    attribute
        "halves" or "thirds".
    """
    labels = ("nearest half", "farthest half") if attribute == "halves" else ("nearest third", "middle third", "farthest third")
    found: list[tuple[str, Sequence[Part]]] = [(one.name, getattr(one, attribute)) for one in relation.datasets]
    found = [(name, cut) for name, cut in found if len(cut) == len(labels)]
    # Without thresholds there is nothing to re-tune, and the two columns would be one twice.
    retuned = any(part.threshold is not None for _, cut in found for part in cut)
    columns = [Column("dataset")]
    for label in labels:
        columns.append(Column(label, _EXPLAINED if label == labels[0] else ""))
        if retuned:
            columns.append(Column(f"{label}, re\u2011tuned", _RETUNED if label == labels[0] else ""))
    columns.append(Column("change", f"{labels[-1]} less {labels[0]}, at the common threshold"))
    place = places(relation)
    rows = []
    for name, cut in found:
        cells = [cell for part in cut for cell in ((_part(part), _retuned(part)) if retuned else (_part(part),))]
        rows.append((name_cell(name, place[name]), *cells, _change(cut)))
    return Table(tuple(columns), tuple(rows))


_EXPLAINED = (
    "F (μ, σ): performance of the part's summed counts at the common threshold, then mean and standard deviation of its "
    "scaled distances"
)
_RETUNED = "performance at the threshold that is best for the part, as in the paper, and that threshold; it looks at labels"


def settings(relation: Relation) -> Table:
    """What the caller chose, and when the relation was made."""
    chosen = relation.settings
    facts = {
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
    return Table((Column("setting"), Column("value")), tuple((Cell(name), Cell(value)) for name, value in facts.items()))


def coefficient(one: Coefficient | None) -> Cell:
    """A coefficient with its interval."""
    if one is None or one.value is None:
        return UNDEFINED
    interval = "" if one.low is None or one.high is None else f" [{signed(one.low)}, {signed(one.high)}]"
    return Cell(f"{signed(one.value)}{interval}", one.value)


def number(value: float | None, decimals: int = 3) -> Cell:
    """A number with so many decimals, a dash where it is undefined."""
    return UNDEFINED if value is None or value != value else Cell(f"{value:.{decimals}f}", value)


def _trend(trend: Trend, grouped: bool) -> tuple[Cell, ...]:
    return (
        Cell(f"{trend.n:,}", trend.n),
        *((Cell(f"{trend.groups:,}", trend.groups),) if grouped else ()),
        *(coefficient(one) for one in (trend.spearman, trend.kendall, trend.slope, trend.partial)),
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
    if near is None or far is None:
        return UNDEFINED
    return Cell(f"{far - near:+.3f}".replace("-", "−"), far - near)
