"""Make tables of performance estimators, their errors, and their estimates for each dataset."""

from __future__ import annotations

from howfar.numbers import percentage_of
from howfar.report.estimates.text import ESTIMATORS
from howfar.report.performance.tables import dataset_cells
from howfar.report.tables import Cell, Column, Table, change, count, decimal, estimated, percentage
from howfar.results import Judgement, Relation

KINDS = {"baseline": "the mean"}


def judgements(relation: Relation) -> Table:
    """List every estimator with its judgement on datasets left out; the one in use stands out."""
    fewer = len({(row.sets, row.images) for row in relation.judgements}) > 1
    rows = []
    for row in relation.judgements:
        on = (count(row.sets), count(row.images)) if fewer else ()
        rows.append(
            (
                Cell(row.estimator, strong=row.estimator == relation.estimator),
                Cell(KINDS.get(row.kind, row.kind)),
                *on,
                decimal(row.mae_set),
                decimal(row.mae_image),
                _held(row),
                percentage(row.coverage),
                *(decimal(value, 2) for value in (row.width, row.auroc, row.auroc_within)),
                decimal(row.aurc),
            )
        )
    return Table(_columns(relation, fewer), tuple(rows))


def _gate(relation: Relation, dataset: str) -> Cell:
    gate = relation.gate(dataset)
    if gate is None or gate.inside is None:
        return Cell("–")
    return Cell("inside" if gate.inside else ", ".join(reading.check for reading in gate.outside), strong=not gate.inside)


def _held(row: Judgement) -> Cell:
    """Say of how many datasets left out the interval held the mean."""
    if row.set_coverage is None:
        return Cell("–")
    return Cell(f"{round(row.set_coverage * row.sets)} of {row.sets}", row.set_coverage)


def _columns(relation: Relation, fewer: bool) -> tuple[Column, ...]:
    """Head the judgements; on how many images, where that is not the same for all."""
    level, tau = percentage_of(relation.settings.level), f"{relation.settings.tau:g}"
    on = (
        Column("sets", "datasets that it was judged on, each left out in turn"),
        Column("images", "images that it was judged on: those that have what it reads"),
    )
    return (
        Column("estimator", "the one whose estimates are shown is marked"),
        Column("kind", "what it reads: distances, the confidence of predictions, their agreement, or several of these"),
        *(on if fewer else ()),
        Column("error, set", "mean absolute error of a dataset's mean performance"),
        Column("error, image", "mean absolute error of an image's performance; each dataset counts alike"),
        Column("sets held", f"how many of the datasets' intervals held the measured mean; they claim {level}"),
        Column(
            "coverage", f"share of image intervals that hold the measured value; they claim {level}; – where images have none"
        ),
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
    """Compare estimate and measured mean of every labelled dataset when it was left out, one row an estimator."""
    names = list(dict.fromkeys(name for row in relation.judgements for name in row.set_errors))
    rows = [
        (Cell(row.estimator, strong=row.estimator == relation.estimator), *(change(row.set_errors.get(name)) for name in names))
        for row in relation.judgements
    ]
    return Table((Column("estimator"), *(Column(name) for name in names)), tuple(rows))


def explained(relation: Relation) -> list[tuple[str, str]]:
    """Explain each judged estimator of howfar's own."""
    return [(row.estimator, ESTIMATORS[row.estimator]) for row in relation.judgements if row.estimator in ESTIMATORS]


def estimates(relation: Relation) -> Table:
    """List what is expected of each dataset's mean performance, and what was measured where that is known."""
    columns = (
        Column("dataset"),
        Column("images", "that have an estimate"),
        Column("estimator"),
        Column("estimated mean", "made without any label of this dataset"),
        Column("interval", "Student's, from the errors of the estimator on the labelled datasets left out"),
        Column("level", "of the interval"),
        Column("gate", "whether labelled datasets like it are known: outside their range no estimate is to be believed"),
        Column("measured mean", "where the dataset has performances"),
        Column("error", "estimated less measured"),
        Column("held", "whether the interval holds the measured mean"),
    )
    names = dataset_cells(relation)
    rows = []
    for row in relation.estimates:
        measured = row.measured is not None
        rows.append(
            (
                names[row.dataset],
                count(row.n),
                Cell(row.estimator),
                *estimated(row.predicted, row.low, row.high, doubted=relation.doubted(row)),
                percentage(row.level),
                _gate(relation, row.dataset),
                decimal(row.measured),
                change(None if row.measured is None else row.predicted - row.measured),
                Cell(("yes" if row.held else "no") if measured else "–", strong=measured and not row.held),
            )
        )
    return Table(columns, tuple(rows))
