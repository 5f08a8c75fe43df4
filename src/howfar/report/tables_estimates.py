"""Tables of estimators and of what they expect of each dataset."""

from __future__ import annotations

from howfar.report.tables import Cell, Column, Table, name_cell
from howfar.report.tables_performance import UNDEFINED, number, places
from howfar.report.words import share
from howfar.report.words_estimates import ESTIMATORS, holds
from howfar.results import Relation

KINDS = {"baseline": "the mean"}


def judgements(relation: Relation) -> Table:
    """Every estimator as it was judged on datasets left out; the one in use stands out."""
    fewer = len({(one.sets, one.images) for one in relation.judgements}) > 1
    rows = []
    for one in relation.judgements:
        on = (Cell(f"{one.sets:,}", one.sets), Cell(f"{one.images:,}", one.images)) if fewer else ()
        rows.append(
            (
                Cell(one.estimator, strong=one.estimator == relation.estimator),
                Cell(KINDS.get(one.kind, one.kind)),
                *on,
                number(one.mae_image),
                number(one.mae_set),
                UNDEFINED if one.coverage is None else Cell(share(one.coverage), one.coverage),
                number(one.width, 2),
                number(one.auroc, 2),
                number(one.auroc_within, 2),
                number(one.aurc),
            )
        )
    return Table(_columns(relation, fewer), tuple(rows))


def _columns(relation: Relation, fewer: bool) -> tuple[Column, ...]:
    """Headings of the judgements; on how many images, where that is not the same for all."""
    level, tau = share(relation.settings.level), f"{relation.settings.tau:g}"
    on = (
        Column("sets", "datasets that it was judged on, each left out in turn"),
        Column("images", "images that it was judged on: those that have what it reads"),
    )
    return (
        Column("estimator", "the one whose estimates are shown is marked"),
        Column("kind", "what it reads: distances, the confidence of predictions, their agreement, or several of these"),
        *(on if fewer else ()),
        Column("error, image", "mean absolute error of an image's performance; each dataset counts alike"),
        Column("error, set", "mean absolute error of a dataset's mean performance"),
        Column("coverage", f"share of image intervals that hold the measured value; they claim {level}"),
        Column("width", "mean length of those intervals; one of 1 says nothing"),
        Column(
            "AUROC",
            f"chance that an image below τ = {tau} is estimated lower than another, over all datasets; 0.5 is guessing, and "
            "with few datasets leaving one out pushes it lower",
        ),
        Column(
            "AUROC within", "the same within a dataset, mean over the datasets that hold both kinds: ranking one set's images"
        ),
        Column(
            "AURC",
            "mean of 1 − performance over the images estimated highest, over all shares that might be kept; lower is better",
        ),
    )


def set_errors(relation: Relation) -> Table:
    """Estimate less measured mean of every labelled dataset when it was left out, one row an estimator."""
    names = list(dict.fromkeys(name for one in relation.judgements for name in one.set_errors))
    rows = [
        (Cell(one.estimator, strong=one.estimator == relation.estimator), *(_error(one.set_errors.get(name)) for name in names))
        for one in relation.judgements
    ]
    return Table((Column("estimator"), *(Column(name) for name in names)), tuple(rows))


def explained(relation: Relation) -> list[tuple[str, str]]:
    """Each judged estimator of howfar's own and what it is."""
    return [(one.estimator, ESTIMATORS[one.estimator]) for one in relation.judgements if one.estimator in ESTIMATORS]


def estimates(relation: Relation) -> Table:
    """What is expected of each dataset's mean performance, and what was measured where that is known."""
    columns = (
        Column("dataset"),
        Column("images", "that have an estimate"),
        Column("estimator"),
        Column("estimated mean", "made without any label of this dataset"),
        Column("interval", "conformal, from the errors of the estimator on the labelled datasets left out"),
        Column("level", "of the interval: the highest that so few labelled datasets allow, up to the one asked for"),
        Column("measured mean", "where the dataset has performances"),
        Column("error", "estimated less measured"),
        Column("held", "whether the interval holds the measured mean"),
    )
    place = places(relation)
    rows = []
    for one in relation.estimates:
        known = one.measured is not None
        rows.append(
            (
                name_cell(one.dataset, place[one.dataset]),
                Cell(f"{one.n:,}", one.n),
                Cell(one.estimator),
                number(one.predicted),
                Cell(f"{one.low:.3f} – {one.high:.3f}", one.low),
                Cell(share(one.level), one.level),
                number(one.measured),
                _error(None if one.measured is None else one.predicted - one.measured),
                Cell(("yes" if holds(one) else "no") if known else "–", strong=known and not holds(one)),
            )
        )
    return Table(columns, tuple(rows))


def _error(value: float | None) -> Cell:
    return UNDEFINED if value is None else Cell(f"{value:+.3f}".replace("-", "−"), value)
