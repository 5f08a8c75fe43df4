"""Report several backbones on one page, with their agreement on far datasets and images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from howfar.figures.backbone_figures import looks, nearest_first
from howfar.report.comparison_report import settings
from howfar.report.page import Page, fill_page, limits_section, made_section
from howfar.report.rerun import rerun_backbones
from howfar.report.run_figures import draw_figures
from howfar.report.section import (
    AGREES,
    Cell,
    Column,
    ColumnOf,
    Items,
    Made,
    RegisteredFigure,
    Section,
    Table,
    TablePart,
    listing,
    notes,
    paper_source,
    plural,
    ranked,
    row_interval,
    tabulate,
    texts,
    with_interval,
    with_rank,
)
from howfar.results import Comparison
from howfar.results.backbones_result import SETS, BackboneComparison
from howfar.results.run_files import PAGE
from howfar.wording import signed

FEW_SETS: Final = 4


def lead(comparison: BackboneComparison) -> str:
    """State whether the backbones name the same farthest and the same nearest dataset."""
    frame = comparison.to_frame()
    own = frame[~frame["trivial"]]
    count = own["dataset"].nunique()
    number = len(comparison.backbones)
    if count < 2:
        return f"With one secondary dataset {number} backbones have no order to agree on."
    ends = {}
    for end, ascending in (("farthest", False), ("nearest", True)):
        firsts = own.sort_values(comparison.measure(), ascending=ascending, kind="stable").drop_duplicates("backbone")
        ends[end] = dict(zip(firsts["backbone"], firsts["dataset"], strict=True))
    return " ".join(_end(end, datasets, number) for end, datasets in ends.items())


def _end(end: str, datasets: dict[str, str], number: int) -> str:
    if len(set(datasets.values())) == 1:
        every = "Both backbones" if number == 2 else f"All {number} backbones"
        return f"{every} find {next(iter(datasets.values()))} {end}."
    by_dataset: dict[str, list[str]] = {}
    for backbone, dataset in datasets.items():
        by_dataset.setdefault(dataset, []).append(backbone)
    parts = [f"{dataset} by {listing(backbones)}" for dataset, backbones in by_dataset.items()]
    return f"They do not agree on the {end} dataset: {listing(parts, 6)}."


def trivial_sentence(comparison: BackboneComparison) -> str:
    """State whether the trivial backbones give the same order."""
    count = len(comparison.comparisons[0].datasets)
    if not comparison.trivial or count < FEW_SETS:
        return ""
    alike = [
        f"{trivial} and {backbone}"
        for trivial in comparison.trivial
        for backbone in comparison.backbones
        if (comparison.agreed(backbone, trivial)[0] or 0.0) >= AGREES
    ]
    if not alike:
        return "No trivial backbone puts the datasets in an order like theirs: it is not colour and layout alone."
    return (
        f"Much the same order comes from {listing(alike, 6)}: where a trivial backbone agrees, the order is no evidence of "
        "more than colour and layout."
    )


def limits(comparison: BackboneComparison) -> list[str]:
    """List the limits of the numbers."""
    count = len(comparison.comparisons[0].datasets)
    few = f"Over {count} datasets a rank correlation says little: chance alone gives ±1 often."
    return [
        *([few] if 1 < count < FEW_SETS + 1 else []),
        "Agreement is no proof: backbones that were trained on the same pictures may share their blind spots.",
        "Each backbone has its own subspace and its own yardstick: compare ranks and relative distances across rows, never raw "
        "distances.",
        "Whether a model fails where images are far is another question: relate each backbone's run to the model's scores "
        "(howfar relate), and see which backbone's distance goes with them, if any does.",
    ]


def write_backbones_report(comparison: BackboneComparison, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path."""
    figures = draw_figures({"backbone_figures": comparison}, folder)
    first, count = comparison.comparisons[0], len(comparison.comparisons[0].datasets)
    return Page(
        kicker="Distance report, several backbones",
        question="Do backbones agree on what is far?",
        title=f"How far from {first.primary.name}, by {len(comparison.backbones)} backbones",
        facts=[
            Markup("P = <strong>{}</strong>, {:,} images").format(first.primary.name, first.primary.n),
            f"{count} secondary dataset{plural(count)}",
            ", ".join(comparison.backbones),
            f"beside them {', '.join(comparison.trivial)}" if comparison.trivial else "",
        ],
        provenance=first.provenance,
        sections=fill_page(_sections(comparison, first), figures),
    ).write(folder, figures)


def _sections(comparison: BackboneComparison, first: Comparison) -> Iterator[tuple[str, str, Section]]:
    remarks, skipped = notes("Notes of the run", comparison.notes()), len(comparison.skipped)
    said = [*(f"{line}." for line in comparison.agreement_lines()), *filter(None, [trivial_sentence(comparison)])]
    yield "answer", "In short", Section(lead(comparison), [*remarks, RegisteredFigure("backbones_relative")], said)
    relative = "O^dist over P's self-distance in the same subspace, with 95 % intervals, and the rank in the row: 1 is nearest."
    scaled = "O^dist over its sum over the datasets: table 2 of the paper, a row a backbone."
    tables = [
        ("relative", "Relative", "Relative to P's own", relative),
        ("o_dist_scaled", "Row-scaled", "Row-scaled", scaled),
    ]
    parts = [
        TablePart(
            name, f"{title} distance of each dataset by each backbone", _by_backbone(comparison, name), text, heading=heading
        )
        for name, title, heading, text in tables
    ]
    yield "distances", "Distances", Section("", parts)
    agreement = TablePart("agreement", "Spearman's rank correlation between backbones", _agreement(comparison), heading="")
    yield "agreement", "Agreement", Section("", [RegisteredFigure("backbones_agreement"), agreement])
    pages = [
        (Markup('<a href="{}/{}">{}</a>: q = {:,}').format(folder, PAGE, name, comparison[name].backbone.length), "")
        for name, folder in comparison.folders().items()
    ]
    files = f"{skipped} file{plural(skipped)} could not be used; each run's report lists them."
    every = "Every backbone has a run folder and a report of its own, beside this page."
    yield "runs", "Each backbone", Section("", [Items(pages), *texts(files if skipped else "")], [every])
    yield limits_section(limits(comparison))
    additions = "Relative distances, intervals, the trivial backbones and rank agreement are howfar's additions to it."
    source = paper_source("tables 2 and 8", additions)
    yield made_section(Made([("Settings", settings(first))], first.provenance, rerun_backbones(comparison), source))


def _by_backbone(comparison: BackboneComparison, measure: str) -> Table:
    """Make a table with a row per backbone and a column per dataset; each number has its rank within the row."""
    frame, seen = comparison.to_frame(), looks(comparison)
    columns = [Column("backbone"), *(Column(name) for name in nearest_first(frame))]
    rows = []
    for backbone, own in frame.groupby("backbone", sort=False):
        by_name = own.set_index("dataset")
        ranks = by_name[measure].rank()
        cells = [_number(by_name.loc[column.title], measure, ranks[column.title]) for column in columns[1:]]
        rows.append((Cell(str(backbone), colour=seen[str(backbone)].colour), *cells))
    return Table(tuple(columns), tuple(rows))


def _number(row: Any, measure: str, rank: float) -> Cell:
    if measure == "o_dist_scaled":
        return ranked(f"{row[measure]:.3f}", row[measure], rank)
    cell = with_interval(row[measure], row["relative_low"], row["relative_high"], "{:.2f}".format)
    return with_rank(cell, rank)


def _agreement(comparison: BackboneComparison) -> Table:
    """List each two backbones' Spearman correlation on the datasets' order, then on each dataset's images."""
    names = [dataset.name for dataset in comparison.comparisons[0].datasets]
    pairs = [(pair, own.set_index("dataset")) for pair, own in comparison.agreement.groupby(["one", "other"], sort=False)]

    def correlation(name: str) -> ColumnOf[Any]:
        words = f"Spearman of I^dist over the images of {name} [95 % interval]"
        title, explanation = (name, words) if name != SETS else ("datasets", "Spearman of the two orders of the datasets")
        return title, explanation, lambda row: row_interval(row[1].loc[name], "spearman", signed, "low", "high")

    return tabulate(pairs, ("backbones", "", lambda row: Cell(" and ".join(row[0]))), *map(correlation, (SETS, *names)))
