"""Report several backbones on one page: whether they agree on which datasets and images are far."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.figures.backbones import looks, nearest_first
from howfar.numbers import signed
from howfar.report.backbones import text
from howfar.report.comparison.tables import settings
from howfar.report.figures import draw_figures
from howfar.report.page import write_page
from howfar.report.rerun import rerun_backbones
from howfar.report.tables import UNDEFINED, Cell, Column, Table, with_interval
from howfar.results.backbones import SETS, BackboneComparison
from howfar.results.run_files import PAGE

if TYPE_CHECKING:
    import pandas as pd

SENTENCES = (text.sets_sentence, text.images_sentence, text.trivial_sentence)


def write_backbones_report(comparison: BackboneComparison, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    The page is whole in itself, but for its links to the backbones' own reports in the folders beside it. What is in the
    folder by these names is replaced.
    """
    figures = draw_figures({"backbone_figures": comparison}, folder)
    return write_page("backbones/page.html.j2", _content(comparison), folder, figures)


def _content(comparison: BackboneComparison) -> dict[str, Any]:
    frame = comparison.to_frame()
    first = comparison.comparisons[0]
    return {
        "c": first,
        "backbones": comparison.backbones,
        "trivial": comparison.trivial,
        "lead": text.lead(comparison),
        "sentences": list(filter(None, (write(comparison) for write in SENTENCES))),
        "limitations": text.limits(comparison),
        "remarks": comparison.notes(),
        "scaled": _by_backbone(comparison, frame, "o_dist_scaled"),
        "relative": _by_backbone(comparison, frame, "relative"),
        "agreement": _agreement(comparison),
        "runs": [(name, f"{folder}/{PAGE}", comparison[name].backbone.length) for name, folder in comparison.folders().items()],
        "settings": settings(first),
        "skipped": comparison.skipped,
        "rerun": rerun_backbones(comparison),
    }


def _by_backbone(comparison: BackboneComparison, frame: pd.DataFrame, measure: str) -> Table:
    """Make a table of a row a backbone, a column a dataset, each number with its rank in the row."""
    columns = [Column("backbone"), *(Column(name) for name in nearest_first(frame))]
    seen = looks(comparison)
    rows = []
    for backbone, own in frame.groupby("backbone", sort=False):
        by_name = own.set_index("dataset")
        ranks = by_name[measure].rank()
        cells = [_number(by_name.loc[column.title], measure, ranks[column.title]) for column in columns[1:]]
        rows.append((Cell(str(backbone), colour=seen[str(backbone)].colour), *cells))
    return Table(tuple(columns), tuple(rows))


def _number(row: Any, measure: str, rank: float) -> Cell:
    value = row[measure]
    if value is None or value != value:
        return UNDEFINED
    interval = ""
    if measure == "relative" and row["relative_low"] == row["relative_low"] and row["relative_low"] is not None:
        interval = f" [{row['relative_low']:.2f}, {row['relative_high']:.2f}]"
    shown = f"{value:.3f}" if measure == "o_dist_scaled" else f"{value:.2f}{interval}"
    return Cell(f"{shown} ({rank:g})", float(value))


def _agreement(comparison: BackboneComparison) -> Table:
    """List each two backbones: Spearman of the datasets' order, then of the images of each dataset."""
    names = [dataset.name for dataset in comparison.comparisons[0].datasets]
    columns = (
        Column("backbones"),
        Column("datasets", "Spearman of the two orders of the datasets"),
        *(Column(name, f"Spearman of I^dist over the images of {name} [95 % interval]") for name in names),
    )
    rows = []
    for (one, other), pair in comparison.agreement.groupby(["one", "other"], sort=False):
        by_name = pair.set_index("dataset")
        rows.append((Cell(f"{one} and {other}"), *(_correlation(by_name.loc[name]) for name in (SETS, *names))))
    return Table(columns, tuple(rows))


def _correlation(row: Any) -> Cell:
    return with_interval(row["spearman"], row["low"], row["high"], signed)
