"""Report the distances by several backbones on one page, and whether the backbones agree on the farthest datasets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from howfar.figures.distance_figures import looks, nearest_first
from howfar.formatting_and_escaping import signed
from howfar.report import section as doc
from howfar.report.comparison_report import settings
from howfar.report.page import limits_section, made_section, write_page
from howfar.report.report_figures import draw_figures
from howfar.report.reproduction_code import rerun_backbones
from howfar.results import Comparison
from howfar.results.backbones_result import SETS, BackboneComparison
from howfar.results.checksums_and_overwrite_guard import PAGE

FEW_SETS: Final = 4


def lead(comparison: BackboneComparison) -> str:
    """State whether the backbones name the same farthest and the same nearest dataset."""
    frame = comparison.to_frame()
    own = frame[~frame["trivial"]]
    count = own["dataset"].nunique()
    number = len(comparison.backbones)
    if count < 2:
        return f"With one secondary dataset {number} backbones have no order to agree on."
    every, said = "Both backbones" if number == 2 else f"All {number} backbones", list[str]()
    for end, ascending in (("farthest", False), ("nearest", True)):
        firsts = own.sort_values(comparison.measure(), ascending=ascending, kind="stable").drop_duplicates("backbone")
        by_dataset = firsts.groupby("dataset", sort=False)["backbone"].agg(list)
        parts = [f"{dataset} by {doc.listing(backbones)}" for dataset, backbones in by_dataset.items()]
        agreed = f"{every} find {by_dataset.index[0]} {end}."
        said.append(agreed if len(parts) == 1 else f"They do not agree on the {end} dataset: {doc.listing(parts, 6)}.")
    return " ".join(said)


def trivial_sentence(comparison: BackboneComparison) -> str:
    """State whether the trivial backbones give the same order."""
    count = len(comparison.comparisons[0].datasets)
    if not comparison.trivial or count < FEW_SETS:
        return ""
    alike = [
        f"{trivial} and {backbone}"
        for trivial in comparison.trivial
        for backbone in comparison.backbones
        if (comparison.agreed(backbone, trivial)[0] or 0.0) >= doc.AGREES
    ]
    if not alike:
        return "No trivial backbone puts the datasets in an order like theirs: it is not colour and layout alone."
    return (
        f"Much the same order comes from {doc.listing(alike, 6)}: where a trivial backbone agrees, the order is no evidence of "
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
    title = f"How far from {first.primary.name}, by {len(comparison.backbones)} backbones"
    heads = "Distance report, several backbones", "Do backbones agree on what is far?", title
    facts = [
        Markup("P = <strong>{}</strong>, {:,} images").format(first.primary.name, first.primary.n),
        f"{count} secondary dataset{doc.plural(count)}",
        ", ".join(comparison.backbones),
        f"beside them {', '.join(comparison.trivial)}" if comparison.trivial else "",
    ]
    return write_page(folder, figures, _sections(comparison, first), heads, facts, first.provenance)


def _sections(comparison: BackboneComparison, first: Comparison) -> Iterator[tuple[str, str, doc.Section]]:
    remarks, skipped = doc.notes("Notes of the run", comparison.notes()), len(comparison.skipped)
    said = [*(f"{line}." for line in comparison.agreement_lines()), *filter(None, [trivial_sentence(comparison)])]
    yield "answer", "In short", doc.Section(lead(comparison), [*remarks, doc.RegisteredFigure("backbones_relative")], said)
    ranked = "O^dist over P's self-distance in the same subspace, with 95 % intervals, and the rank in the row: 1 is nearest."
    summed = "O^dist over its sum over the datasets: table 2 of the paper, a row a backbone."
    tables = [_by_backbone(comparison, measure) for measure in ("relative", "o_dist_scaled")]
    each = "{} distance of each dataset by each backbone".format
    relative = doc.TablePart("relative", each("Relative"), tables[0], ranked, heading="Relative to P's own")
    scaled = doc.TablePart("o_dist_scaled", each("Row-scaled"), tables[1], summed, heading="Row-scaled")
    yield "distances", "Distances", doc.Section("", [relative, scaled])
    agreement = doc.TablePart("agreement", "Spearman's rank correlation between backbones", _agreement(comparison), heading="")
    yield "agreement", "Agreement", doc.Section("", [doc.RegisteredFigure("backbones_agreement"), agreement])
    pages = [
        Markup('<a href="{}/{}">{}</a>: q = {:,}').format(folder, PAGE, name, comparison[name].backbone.length)
        for name, folder in comparison.folders().items()
    ]
    files = f"{skipped} file{doc.plural(skipped)} could not be used; each run's report lists them."
    every = "Every backbone has a run folder and a report of its own, beside this page."
    yield "runs", "Each backbone", doc.Section("", [doc.Items(pages), *doc.texts(files if skipped else "")], [every])
    yield limits_section(limits(comparison))
    additions = "Relative distances, intervals, the trivial backbones and rank agreement are howfar's additions to it."
    source = doc.paper_source("tables 2 and 8", additions)
    yield made_section(doc.Made([("Settings", settings(first))], first.provenance, rerun_backbones(comparison), source))


def _by_backbone(comparison: BackboneComparison, measure: str) -> doc.Table:
    """Make a table with a row per backbone and a column per dataset; each number has its rank within the row."""
    frame, seen = comparison.to_frame(), looks(comparison)
    rows = [(name, own.set_index("dataset")) for name, own in frame.groupby("backbone", sort=False)]

    def head(row: Any) -> doc.Cell:
        return doc.Cell(row[0], colour=seen[row[0]].colour)

    def cell(row: Any, name: str) -> doc.Cell:
        numbers, rank = row[1].loc[name], row[1][measure].rank()[name]
        one = doc.decimal(numbers[measure]) if measure != "relative" else doc.row_interval(numbers, measure, doc.two)
        return doc.with_rank(one, rank)

    return doc.crossed("backbone", rows, nearest_first(frame), head, cell)


def _agreement(comparison: BackboneComparison) -> doc.Table:
    """List each two backbones' Spearman correlation on the datasets' order, then on each dataset's images."""
    names = [dataset.name for dataset in comparison.comparisons[0].datasets]
    pairs = [(pair, own.set_index("dataset")) for pair, own in comparison.agreement.groupby(["one", "other"], sort=False)]

    def correlation(name: str) -> doc.ColumnOf[Any]:
        words = f"Spearman of I^dist over the images of {name} [95 % interval]"
        title, explanation = (name, words) if name != SETS else ("datasets", "Spearman of the two orders of the datasets")
        return title, explanation, lambda row: doc.row_interval(row[1].loc[name], "spearman", signed, "low", "high")

    return doc.tabulate(pairs, ("backbones", "", lambda row: doc.Cell(" and ".join(row[0]))), *map(correlation, (SETS, *names)))
