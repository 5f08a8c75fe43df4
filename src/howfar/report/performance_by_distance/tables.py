"""Make the tables of F by distance: halves and thirds as the paper prints them, and slopes with verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from howfar.numbers import signed
from howfar.report.printed import PARTS, TABLES_3_TO_5
from howfar.report.tables import UNDEFINED, Cell, Column, Table, count, decimal, with_interval
from howfar.results.performance_by_distance import PerformanceByDistance

SHOWN = {"0–50 %": PARTS[0], "50–100 %": PARTS[1], "0–33 %": PARTS[2], "67–100 %": PARTS[3]}
"""The parts that the paper prints, by our labels."""
WORDS = {"falls": "falls", "rises": "rises", "consistent": "consistent", "none": "no evidence"}


def parts(result: PerformanceByDistance, segmenter: str, models: Sequence[str]) -> Table:
    """Lay out F (mean, standard deviation of distance) of halves and thirds, a row a dataset and model."""
    several = len(models) > 1
    columns = [Column("dataset"), *([Column("model")] if several else [])]
    columns += [Column(f"F(μ, σ) {label}") for label in SHOWN]
    rows = result.strata[(result.strata["segmenter"] == segmenter) & result.strata["seed"].isin(result.seeds)]
    lines = []
    for dataset in result.secondaries:
        for model in models:
            own = rows[(rows["dataset"] == dataset) & (rows["model"] == model)]
            cells = [_part(own[own["part"] == label]) for label in SHOWN]
            lines.append((Cell(dataset), *([Cell(model)] if several else []), *cells))
    return Table(tuple(columns), tuple(lines))


def _part(rows: pd.DataFrame) -> Cell:
    """Write F of a part over the seeds, with the mean and the spread of its distances."""
    if not rows["ods"].notna().any():
        return UNDEFINED
    f, mean, std = (float(rows[name].mean()) for name in ("ods", "distance_mean", "distance_std"))
    over = f" ± {float(rows['ods'].std()):.3f}" if len(rows) > 1 else ""
    return Cell(f"{f:.3f}{over} ({mean:.2f}, {std:.2f})", f)


def printed(result: PerformanceByDistance, architecture: str, symbols: Mapping[str, str]) -> Table | None:
    """Pick the paper's numbers for the datasets that stand for its own; None where none does, or of another segmenter."""
    numbers = TABLES_3_TO_5.get(architecture, {})
    shown = [(name, symbols[name]) for name in result.secondaries if symbols.get(name) in numbers]
    if not shown:
        return None
    rows = tuple(
        (
            Cell(f"{symbol.replace('_', '')} ({name})"),
            *(Cell(f"{f:.3f} ({mean:.2f}, {std:.2f})", f) for f, mean, std in numbers[symbol]),
        )
        for name, symbol in shown
    )
    return Table((Column("dataset"), *(Column(f"F(μ, σ) {label}") for label in SHOWN)), rows)


def slopes(result: PerformanceByDistance, measure: str) -> Table:
    """List slope and verdict of every segmenter, model and dataset, and how the slope differs from M's, by one of both Fs."""
    several = len(result.seeds) > 1
    columns = (
        Column("segmenter"),
        Column("model"),
        Column("dataset"),
        Column("n", "images that have an F"),
        Column("span", "from the nearest of them to the farthest; 1 where none was chosen to be learnt from; of all the mean"),
        Column("mean F"),
        Column("slope", "change of F over a distance of 1, with its 95 % interval"),
        *([Column("seeds", "lowest and highest slope of single seeds")] if several else []),
        Column("less M's", "the same images: this slope less that of M; marked where the interval excludes 0"),
        Column("by distance", f"consistent: no more than ±{result.flat:g}, and mean F at least {result.tau:g}"),
    )
    rows = []
    for row in result.slopes[result.slopes["measure"] == measure].to_dict("records"):
        change = _slope(row, "change", "change_low", "change_high")
        clear = row["change_low"] > 0 or row["change_high"] < 0
        rows.append(
            (
                *(Cell(str(row[key])) for key in ("segmenter", "model", "dataset")),
                count(int(row["n"])),
                decimal(row["span"], 2),
                decimal(row["mean"]),
                _slope(row, "slope", "low", "high"),
                *([_range(row)] if several else []),
                Cell(change.text, change.sort, strong=clear),
                Cell(WORDS[row["kind"]]),
            )
        )
    return Table(columns, tuple(rows))


def _slope(row: Mapping[Any, Any], *names: str) -> Cell:
    value, low, high = (row[name] for name in names)
    return with_interval(value, low, high, lambda number: signed(number, 3))


def _range(row: Mapping[Any, Any]) -> Cell:
    low, high = row["lowest"], row["highest"]
    return UNDEFINED if low != low else Cell(f"[{signed(low, 3)}, {signed(high, 3)}]", low)
