"""Several backbones side by side as one page that can be sent on, and its figures as files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.figures.backbones import backbones_agreement, backbones_relative, looks, nearest_first
from howfar.numbers import format_number
from howfar.report.captions import Caption
from howfar.report.embed import embed
from howfar.report.page import PAGE, write_page
from howfar.report.rerun import rerun_backbones
from howfar.report.tables import Cell, Column, Table, settings
from howfar.report.words_backbones import images_sentence, lead, limits, sets_sentence, trivial_sentence
from howfar.results.backbones import SETS, BackboneComparison

if TYPE_CHECKING:
    import pandas as pd

FIGURES = {"backbones_relative": backbones_relative, "backbones_agreement": backbones_agreement}


def write_backbones_report(found: BackboneComparison, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    The page is whole in itself, but for its links to the backbones' own reports in the folders beside it.

    Parameters
    ----------
    found
        The result.
    folder
        The one that holds the backbones' run folders; what is in it by these names is replaced.
    """
    place = Path(folder)
    pictures = place / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    drawn = {name: (embed(draw(found), name, pictures, vector=True), _caption(name, found)) for name, draw in FIGURES.items()}
    return write_page("backbones.html.j2", {**_context(found), "figures": drawn}, place)


def _context(found: BackboneComparison) -> dict[str, Any]:
    frame = found.to_frame()
    first = found.comparisons[0]
    return {
        "c": first,
        "backbones": found.backbones,
        "trivial": found.trivial,
        "lead": lead(found),
        "sentences": [text for text in (sets_sentence(found), images_sentence(found), trivial_sentence(found)) if text],
        "limits": limits(found),
        "notes": found.notes(),
        "scaled": _by_backbone(found, frame, "o_dist_scaled"),
        "relative": _by_backbone(found, frame, "relative"),
        "agreement": _agreement(found),
        "runs": [(name, f"{folder}/{PAGE}", found[name].backbone.length) for name, folder in found.folders().items()],
        "settings": settings(first),
        "skipped": found.skipped,
        "rerun": rerun_backbones(found),
    }


def _by_backbone(found: BackboneComparison, frame: pd.DataFrame, measure: str) -> Table:
    """A row a backbone, a column a dataset, each number with its rank in the row."""
    columns = [Column("backbone"), *(Column(name) for name in nearest_first(frame))]
    seen = looks(found)
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
        return Cell("–")
    interval = ""
    if measure == "relative" and row["relative_low"] == row["relative_low"] and row["relative_low"] is not None:
        interval = f" [{row['relative_low']:.2f}, {row['relative_high']:.2f}]"
    text = f"{value:.3f}" if measure == "o_dist_scaled" else f"{value:.2f}{interval}"
    return Cell(f"{text} ({rank:g})", float(value))


def _agreement(found: BackboneComparison) -> Table:
    """A row for each two backbones: Spearman of the datasets' order, then of the images of each dataset."""
    names = [dataset.name for dataset in found.comparisons[0].datasets]
    columns = (
        Column("backbones"),
        Column("datasets", "Spearman of the two orders of the datasets"),
        *(Column(name, f"Spearman of I^dist over the images of {name} [95 % interval]") for name in names),
    )
    rows = []
    for (one, other), pair in found.agreement.groupby(["one", "other"], sort=False):
        by_name = pair.set_index("dataset")
        rows.append((Cell(f"{one} and {other}"), *(_correlation(by_name.loc[name]) for name in (SETS, *names))))
    return Table(columns, tuple(rows))


def _correlation(row: Any) -> Cell:
    value = row["spearman"]
    if value != value:
        return Cell("–")
    text = f"{value:+.2f}"
    if row["low"] == row["low"]:
        text = f"{text} [{row['low']:+.2f}, {row['high']:+.2f}]"
    return Cell(text.replace("-", "−"), float(value))


def _caption(name: str, found: BackboneComparison) -> Caption:
    frame = found.to_frame()
    if name == "backbones_relative":
        measure = found.measure()
        values = [
            f"{backbone}: {', '.join(f'{row.dataset} {format_number(getattr(row, measure), 3)}' for row in own.itertuples())}"
            for backbone, own in frame.groupby("backbone", sort=False)
        ]
        hollow = " Hollow marks: the trivial backbones." if found.trivial else ""
        text = (
            "Each dataset's mean distance from P over the mean distance of P's own images from each other, by each backbone in "
            "its own features, with 95 % bootstrap intervals. The dashed line is P itself."
            if measure == "relative"
            else "Each dataset's share of the summed distances, by each backbone; one has no yardstick of P's own images."
        )
        return Caption("The same datasets by several backbones", f"{text}{hollow}", f"Dots on one axis. {'; '.join(values)}.")
    return Caption(
        "Where they agree",
        "Spearman's rank correlation between each two backbones: left of the order in which they put the datasets, right of "
        "the order in which they put the images of a dataset, mean over the datasets.",
        "; ".join(found.agreement_lines()),
    )
