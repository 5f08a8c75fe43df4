"""The report of a matrix: one page that can be sent on, and its figures as files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pandas as pd

from howfar.figures.matrix import arranged, matrix_map, matrix_relative
from howfar.numbers import format_number
from howfar.report.captions import Caption
from howfar.report.embed import embed
from howfar.report.page import write_page
from howfar.report.rerun import rerun_matrix
from howfar.report.tables import Cell, Column, Table
from howfar.report.words_matrix import lead, limits, primary_sentence
from howfar.results.matrix import PAIRS, Matrix

FIGURES: Final = {"matrix_map": matrix_map, "matrix_relative": matrix_relative}
SHOWN: Final = 66
"""Pairs that are listed: those of 12 datasets; of more the nearest and the farthest half of so many."""


def write_matrix_report(found: Matrix, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    Parameters
    ----------
    found
        The result.
    folder
        Where; what is in it by these names is replaced.
    """
    place = Path(folder)
    pictures = place / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    # As dots where the cells are many: as shapes they would make the page large.
    vector = len(found.datasets) <= 60
    drawn = {name: (embed(draw(found), name, pictures, vector=vector), _caption(name, found)) for name, draw in FIGURES.items()}
    return write_page("matrix.html.j2", {**_context(found), "figures": drawn}, place)


def _context(found: Matrix) -> dict[str, Any]:
    return {
        "m": found,
        "lead": lead(found),
        "sentences": [text for text in (primary_sentence(found),) if text],
        "limits": limits(found),
        "datasets": _datasets(found),
        "pairs": _pairs(found),
        "shown": min(SHOWN, len(found.pairs)),
        "file": PAIRS,
        "settings": _settings(found),
        "rerun": rerun_matrix(found),
    }


def _datasets(found: Matrix) -> Table:
    """A row a dataset, in the order of the tree."""
    columns = (
        Column("dataset"),
        Column("images"),
        Column("nearest", "the other dataset of the lowest inhomogeneity"),
        Column("inhomogeneity", "energy over twice the mean distance: 0 for equal datasets, at most 1"),
        Column("farthest"),
        Column("inhomogeneity"),
    )
    order, _ = arranged(found)
    known = found.nearest()
    rows = []
    for row in (known.iloc[place] for place in order):
        ends = [(row[end], row[f"{end}_value"]) for end in ("nearest", "farthest")]
        cells = [cell for name, value in ends for cell in (Cell(name or "–"), _number(value))]
        rows.append((Cell(row["dataset"]), Cell(f"{row['n']:,}", float(row["n"])), *cells))
    return Table(columns, tuple(rows))


def _pairs(found: Matrix) -> Table:
    """A row for each two datasets, the most alike first."""
    columns = (
        Column("datasets"),
        Column("inhomogeneity", "energy over twice the mean distance: 0 for equal datasets, at most 1"),
        Column("energy", "2E d(s, p) − E d(p, p′) − E d(s, s′) [95 % interval]"),
        Column("mean distance", "over all pairs of an image of the one and one of the other [95 % interval]"),
        Column("relative, first as P", "mean distance over the first one's self-distance [95 % interval]"),
        Column("relative, second as P", "mean distance over the second one's self-distance [95 % interval]"),
        Column("expl. var.", "share of the variance that the components keep"),
    )
    ordered = found.pairs.sort_values("inhomogeneity", kind="stable")
    if len(ordered) > SHOWN:
        ordered = pd.concat([ordered.head(SHOWN // 2), ordered.tail(SHOWN // 2)])
    rows = [
        (
            Cell(f"{row['one']} and {row['other']}"),
            _number(row["inhomogeneity"]),
            *(_measured(row, name) for name in ("energy", "o_dist_mean", "relative_one", "relative_other")),
            Cell(f"{100 * row['explained_variance']:.1f} %", float(row["explained_variance"])),
        )
        for row in ordered.to_dict("records")
    ]
    return Table(columns, tuple(rows))


def _measured(row: Any, name: str) -> Cell:
    value, low, high = (float(row[one]) for one in (name, f"{name}_ci_low", f"{name}_ci_high"))
    if value != value:
        return Cell("–")
    form = "{:.2f}" if name.startswith("relative") else "{:.4g}"
    text = form.format(value)
    return Cell(f"{text} [{form.format(low)}, {form.format(high)}]" if low == low else text, value)


def _number(value: float) -> Cell:
    return Cell(f"{value:.3f}", float(value)) if value == value else Cell("–")


def _settings(found: Matrix) -> Table:
    known = found.settings
    facts = {
        "backbone": f"{found.backbone.name}, q = {found.backbone.length:,}",
        "components": known.components,
        "projection": known.projection,
        "scale": known.scale,
        "seed": known.seed,
        "bootstrap": known.bootstrap or "none",
        "limit": known.limit or "none",
    }
    return Table((Column("setting"), Column("value")), tuple((Cell(name), Cell(str(value))) for name, value in facts.items()))


def _caption(name: str, found: Matrix) -> Caption:
    if name == "matrix_map":
        table = found.nearest().to_dict("records")
        said = "; ".join(
            f"{row['dataset']}: nearest {row['nearest']} {format_number(row['nearest_value'], 3)}" for row in table[:30]
        )
        return Caption(
            "Which datasets are alike",
            "Inhomogeneity of every two datasets: their energy distance over twice their mean distance, which is 0 for equal "
            "sets and free of any unit. The tree joins what is most alike first (average linkage); rows and columns follow it.",
            f"A tree and a map. {said}.",
        )
    return Caption(
        "By the row's own yardstick",
        "The row is taken as the primary dataset: mean distance of the column's images from the row's, over the row's "
        "self-distance in the same space. It is not symmetric: a set that varies much has a long yardstick.",
        "A map of relative distances, a row a primary dataset.",
    )
