"""Report the distances between every two datasets on one page (`howfar matrix`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pandas as pd

from howfar.figures.distance_figures import arranged
from howfar.report import section as doc
from howfar.report.page import limits_section, made_section, write_page
from howfar.report.report_figures import draw_figures
from howfar.report.reproduction_code import rerun_matrix
from howfar.results.matrix_result import PAIRS, Matrix


def lead(matrix: Matrix) -> str:
    """Name the nearest and the farthest pair of datasets."""
    pairs = matrix.pairs.assign(mutual=matrix.mutual()).dropna(subset="mutual").sort_values("mutual", kind="stable")
    if not len(pairs):
        return "No two datasets can be compared: all images of one of each two are equal."
    near, far = pairs.iloc[0], pairs.iloc[-1]
    yardstick = "as images of the one that varies less are from each other"
    if len(pairs) == 1:
        return f"{near['one']} and {near['other']} lie {near['mutual']:.2f} times as far apart {yardstick}."
    return (
        f"Of {len(matrix.datasets)} datasets {near['one']} and {near['other']} are the most alike ({near['mutual']:.2f} times "
        f"as far apart {yardstick}), {far['one']} and {far['other']} the least ({far['mutual']:.2f} times)."
    )


def limits(matrix: Matrix) -> list[str]:
    """List the limits of the numbers."""
    own = {
        "pair": "Each two datasets have a space of their own, so raw distances of different pairs cannot be compared; "
        "relative ones and inhomogeneity are free of the unit, though not of what the components leave out.",
        "joint": "All datasets share one space: every number depends on which datasets take part, and most on the largest.",
        "none": "Distances are taken in all dimensions, in which many that tell nothing may drown the few that do.",
    }[matrix.settings.projection]
    return [
        own,
        "Inhomogeneity of two samples of one distribution is not 0 but about half of 1/n + 1/m: compare it with that before "
        "you call two sets different, or ask howfar compare for a p-value.",
        "Near in features is not near in what a model makes of it: whether performance falls with distance is a question that "
        "howfar relate answers, and often with no.",
    ]


SETTINGS: Final = ("components", "projection", "scale", "seed")
MUTUAL: Final = (
    "mean distance over self-distance, the larger of both directions: 1 is as far as their own images are from each other"
)
SHOWN: Final = 66  # pairs that are listed: those of 12 datasets; of more the nearest and the farthest half of so many


def write_matrix_report(matrix: Matrix, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path."""
    figures = draw_figures({"matrix_figures": matrix}, folder)
    title = f"Distances of {len(matrix.datasets)} datasets from each other"
    heads = "Distance report, every pair", "Which datasets are alike?", title
    counts = f"{len(matrix.datasets)} datasets, {len(matrix.pairs):,} pairs"
    facts = [counts, f"{matrix.backbone.name}, q = {matrix.backbone.length:,}", f"{matrix.settings.projection} projection"]
    return write_page(folder, figures, _sections(matrix), heads, facts, matrix.provenance)


def _sections(matrix: Matrix) -> Iterator[tuple[str, str, doc.Section]]:
    remarks, maps = doc.notes("Notes of the run", matrix.notes), map(doc.RegisteredFigure, ("matrix_map", "matrix_relative"))
    beside_compare = (
        "The table of datasets takes each row as the primary one and says what howfar compare says. The tree and the map order "
        "by the mutual distance, the larger of a pair's two relative ones. They differ from the table where one of the two "
        "varies much more than the other: by its yardstick the other is near, and by the other's it is far."
    )
    said = [beside_compare] if matrix.settings.projection == "pair" else []
    yield "answer", "In short", doc.Section(lead(matrix), [*remarks, *maps], said)
    skipped, all_pairs, half = len(matrix.skipped), len(matrix.pairs), SHOWN // 2
    files = f"{skipped} file{doc.plural(skipped)} could not be used; matrix.json lists them." if skipped else ""
    named = "Each dataset with its nearest and its farthest other"
    datasets = doc.TablePart("datasets", named, _datasets(matrix), heading="", explained=False)
    yield "datasets", "Datasets", doc.Section("", [datasets, *doc.texts(files)])
    few = f"The {half} most and the {half} least alike; all {all_pairs:,} are in {PAIRS}." if all_pairs > SHOWN else ""
    pairs = doc.TablePart("pairs", "Distances of every two datasets", _pairs(matrix), few, heading="")
    yield "pairs", "Pairs", doc.Section("", [pairs])
    yield limits_section(limits(matrix))
    energy = "Inhomogeneity: G. J. Székely and M. L. Rizzo, “Energy statistics”, J. Stat. Plan. Inference 143, 2013."
    source = doc.paper_source("equations 2 to 7", energy)
    settings: dict[str, object] = {"backbone": f"{matrix.backbone.name}, q = {matrix.backbone.length:,}"}
    settings |= {name: getattr(matrix.settings, name) for name in SETTINGS}
    settings |= {"bootstrap": matrix.settings.bootstrap or None, "limit": matrix.settings.limit or None}
    yield made_section(doc.Made([("Settings", doc.facts(settings))], matrix.provenance, rerun_matrix(matrix), source))


def _datasets(matrix: Matrix) -> doc.Table:
    """List the datasets in tree order."""
    rows = matrix.nearest().iloc[arranged(matrix)[0]].to_dict("records")
    relative = "mean distance over the row's self-distance, as howfar compare gives it: 1 is as far as its own images"
    nearest = "the other dataset of the smallest relative distance, the row taken as the primary dataset"
    return doc.tabulate(
        rows,
        ("dataset", "", lambda row: doc.Cell(row["dataset"])),
        ("images", "", lambda row: doc.count(int(row["n"]))),
        ("nearest", nearest, lambda row: doc.Cell(row["nearest"] or "–")),
        ("relative", relative, lambda row: doc.decimal(row["nearest_value"], 2)),
        ("farthest", "", lambda row: doc.Cell(row["farthest"] or "–")),
        ("relative", "", lambda row: doc.decimal(row["farthest_value"], 2)),
    )


def _pairs(matrix: Matrix) -> doc.Table:
    """List each two datasets, most alike first."""
    ordered = matrix.pairs.assign(mutual=matrix.mutual()).sort_values("mutual", kind="stable")
    if len(ordered) > SHOWN:
        ordered = pd.concat([ordered.head(SHOWN // 2), ordered.tail(SHOWN // 2)])
    unit = "energy over twice the mean distance: 0 for equal datasets, at most 1"
    kept = "share of the variance that the components keep"

    def measured(title: str, explanation: str, name: str) -> doc.ColumnOf[Any]:
        write, low, high = doc.two if name.startswith("relative") else "{:.4g}".format, f"{name}_ci_low", f"{name}_ci_high"
        return title, f"{explanation} [95 % interval]", lambda row: doc.row_interval(row, name, write, low, high)

    return doc.tabulate(
        ordered.to_dict("records"),
        ("datasets", "", lambda row: doc.Cell(f"{row['one']} and {row['other']}")),
        ("mutual", MUTUAL, lambda row: doc.decimal(row["mutual"], 2)),
        ("inhomogeneity", unit, lambda row: doc.decimal(row["inhomogeneity"])),
        measured("energy", "2E d(s, p) − E d(p, p′) − E d(s, s′)", "energy"),
        measured("mean distance", "over all pairs of an image of the one and one of the other", "o_dist_mean"),
        measured("relative, first as P", "mean distance over the first one's self-distance", "relative_one"),
        measured("relative, second as P", "mean distance over the second one's self-distance", "relative_other"),
        ("expl. var.", kept, lambda row: doc.written(row["explained_variance"], lambda value: f"{100 * value:.1f} %")),
    )
