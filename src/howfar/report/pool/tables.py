"""Make the tables of a pool of models: scores, labels needed, slopes, spread, distances, costs and rankings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from howfar.numbers import format_number, signed
from howfar.report.pool.text import millions, seconds_of
from howfar.report.tables import UNDEFINED, Cell, Column, Table, count, decimal, name_cell, percentage, with_interval
from howfar.results.pool import ALL, Pool

Row = Mapping[Any, Any]


def scores(result: Pool) -> Table:
    """Make the table of models × datasets, without images of them and with the most."""
    columns = (
        Column("model"),
        Column("images of each", "that it learnt from, beside the primary dataset"),
        Column("dataset"),
        Column("n", "images that all models were scored on"),
        Column("ODS", "best F of summed counts, at the dataset's own threshold, as in section 3.3 of the paper"),
        Column("mean F", "of the images, at each model's own threshold"),
        Column("mean F at ODS", "of the images, at the dataset's own threshold"),
        Column("precision", "of summed counts, at each model's own threshold"),
        Column("recall", "at the same threshold"),
        Column("lean", "precision − recall"),
    )
    rows = result.scores[result.scores["shots"].isin([0, result.most])]
    return Table(columns, tuple(_score(result, row) for row in rows.to_dict("records")))


def _score(result: Pool, row: Row) -> tuple[Cell, ...]:
    return (
        _model(result, row),
        count(int(row["shots"])),
        Cell(str(row["dataset"])),
        count(int(row["n"])),
        decimal(row["ods"]),
        decimal(row["mean_f"]),
        decimal(row["mean_f_ods"]),
        *(with_interval(*_ends(row, name), lambda v: f"{v:.2f}") for name in ("precision", "recall")),
        with_interval(*_ends(row, "lean"), signed),
    )


def labels(result: Pool) -> Table:
    """Make the table of mean F by the number of images of each dataset, and from which on the level is reached."""
    columns = (
        Column("model"),
        Column("dataset"),
        *(Column("M" if not shots else f"M{shots}", f"mean F with {shots} of each") for shots in result.shots),
        Column(f"until F {result.level:g}", "images of each until mean F reaches it"),
        Column(f"gain of M{result.fewest}", "over M, with its 95 % interval"),
    )
    f = result.scores.set_index(["model", "dataset", "shots"])["mean_f"]
    means = result.spreads.set_index(["model", "shots"])["mean"]
    rows = []
    for row in result.labels.to_dict("records"):
        model, dataset = str(row["model"]), str(row["dataset"])
        values = [means[model, q] if dataset == ALL else f[model, dataset, q] for q in result.shots]
        reached = row["until"]
        until = Cell("not reached") if reached != reached else count(int(reached))
        gain = with_interval(*_ends(row, "gain"), lambda v: signed(v, 3))
        rows.append((_model(result, row), Cell(dataset), *(decimal(float(v)) for v in values), until, gain))
    return Table(columns, tuple(rows))


def slopes(result: Pool) -> Table:
    """Make the table of slopes and verdicts before and after adaptation."""
    shown = [f"M{shots}" if shots else "M" for shots in result.shots]
    columns = (Column("model"), Column("dataset"), *(Column(name) for name in shown))
    rows = []
    for (model, dataset), own in result.scores.groupby(["model", "dataset"], sort=False):
        if dataset in result.secondaries:
            cells = [_slope(row) for row in own.sort_values("shots").to_dict("records")]
            rows.append((_model(result, {"model": model}), Cell(str(dataset)), *cells))
    return Table(columns, tuple(rows))


def _slope(row: Row) -> Cell:
    slope, low, high = _ends(row, "slope")
    if slope is None or slope != slope:
        return UNDEFINED
    verdict = "" if row["verdict"] == "none" else f" {row['verdict']}"
    interval = "" if low is None else f" [{signed(low)}, {signed(high)}]"
    return Cell(f"{signed(slope)}{interval}{verdict}", slope)


def spreads(result: Pool) -> Table:
    """Make the table of how mean F differs between datasets and between seeds."""
    columns = (
        Column("model"),
        Column("images of each"),
        Column("mean", "of mean F over the secondary datasets"),
        Column("lowest"),
        Column("on"),
        Column("highest"),
        Column("over datasets", "standard deviation of mean F"),
        Column("over seeds", "standard deviation of the mean; a dash with one seed"),
    )
    rows = []
    for row in result.spreads.to_dict("records"):
        values = [decimal(row[name]) for name in ("mean", "lowest", "highest", "sets_std", "seeds_std")]
        rows.append((_model(result, row), count(int(row["shots"])), *values[:2], Cell(str(row["lowest_dataset"])), *values[2:]))
    return Table(columns, tuple(rows))


def distances(result: Pool) -> Table:
    """Make the table of every model's distances of the secondary datasets, by the features of M."""
    columns = (Column("model"), *(Column(name) for name in result.secondaries))
    rows = []
    for model in result.models:
        own = {row["dataset"]: row for row in result.distances[result.distances["model"] == model].to_dict("records")}
        cells = [_relative(own[name]) for name in result.secondaries]
        rows.append((_model(result, {"model": model}), *cells))
    return Table(columns, tuple(rows))


def _relative(row: Row) -> Cell:
    relative, distance = row["relative"], float(row["o_dist_mean"])
    if relative is None or relative != relative:
        return Cell(format_number(distance), distance)
    return Cell(f"{relative:.2f} ({format_number(distance)})", float(relative))


def costs(result: Pool) -> Table:
    """Make the table of parameters and seconds."""
    columns = (
        Column("model"),
        Column("segmenter"),
        Column("input", "side of the square that images are resized to, in pixels"),
        Column("parameters"),
        Column("trained", "parameters that training changes"),
        Column("seconds an image", "median, with the least and the most"),
    )
    seconds = seconds_of(result)
    rows = []
    for row in result.costs.to_dict("records"):
        timed = seconds.loc[row["model"]]
        sizes = [Cell(millions(int(row[name])), float(row[name])) for name in ("parameters", "trained")]
        speed = with_interval(timed["median"], timed["min"], timed["max"], lambda v: format_number(v, 3))
        rows.append((_model(result, row), Cell(str(row["segmenter"])), count(int(row["size"])), *sizes, speed))
    return Table(columns, tuple(rows))


MEASURED: Mapping[str, tuple[str, str]] = {
    "precision": ("precision", "mean over the secondary datasets, with the most images of each"),
    "recall": ("recall", "mean over the secondary datasets, with the most images of each"),
    "few labels": ("images of each", "until mean F over the secondary datasets reaches the level; then the gain decides"),
    "stable": ("lowest mean F", "of M over the datasets, which it learnt nothing from"),
    "fast": ("seconds an image", "median"),
    "weighted": ("mean rank", "over the wishes, weighted"),
}


def ranks(result: Pool, wish: str) -> Table:
    """Make the table of one wish's ranking, the best model first."""
    columns = (
        Column("model"),
        Column(*MEASURED[wish]),
        Column("rank", "with its 95 % interval over draws"),
        Column("first in", "share of draws in which it is first"),
        *([] if wish == "few labels" else [Column("from the best other", "difference, with its 95 % interval")]),
    )
    rows = []
    for row in result.ranking(wish).to_dict("records"):
        rank = Cell(f"{row['rank']} [{row['rank_low']}, {row['rank_high']}]", float(row["rank"]))
        cells = [_model(result, row, strong=row["rank"] == 1), _value(row, wish), rank, percentage(float(row["first"]))]
        if wish != "few labels":
            write = _small if wish == "fast" else lambda v: signed(v, 3)
            cells.append(with_interval(row["over"], row["over_low"], row["over_high"], write))
        rows.append(tuple(cells))
    return Table(columns, tuple(rows))


def _small(value: float) -> str:
    """Write a difference with its sign to two significant digits, as seconds may be of any size."""
    return f"{'−' if value < 0 else '+'}{format_number(abs(value), 2)}"


def _value(row: Row, wish: str) -> Cell:
    if wish == "few labels":
        low, high = ("more" if row[end] != row[end] else f"{row[end]:.0f}" for end in ("low", "high"))
        value = row["value"]
        return Cell("not reached") if value != value else Cell(f"{value:.0f} [{low}, {high}]", value)
    return with_interval(row["value"], row["low"], row["high"], lambda v: format_number(v, 3) if wish == "fast" else f"{v:.3f}")


def _model(result: Pool, row: Row, *, strong: bool = False) -> Cell:
    cell = name_cell(str(row["model"]), result.models.index(str(row["model"])))
    return Cell(cell.text, cell.sort, cell.colour, strong)


def _ends(row: Row, name: str) -> tuple[float | None, float | None, float | None]:
    """Return a value and its interval, None for an end that is unknown."""
    value, low, high = (float(row[each]) for each in (name, f"{name}_low", f"{name}_high"))
    return value, None if low != low else low, None if high != high else high
