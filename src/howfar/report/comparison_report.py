"""Report a comparison on one page: the datasets' distances, nearly equal images, and the method."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeAlias

from markupsafe import Markup

from howfar.figures.contact_sheets import ordered_pairs
from howfar.figures.performance_figures import is_scored
from howfar.relation.correlation import spearman
from howfar.report import performance_report
from howfar.report.comparison_sentences import (
    ALPHA,
    lead,
    of_rivals,
    rank_changes,
    same_farthest,
    smallest_p,
    trivial_verdict,
)
from howfar.report.page import SECTION, Page, SectionKind, fill_sections
from howfar.report.performance_report import relation_settings
from howfar.report.rerun import rerun
from howfar.report.run_figures import draw_figures
from howfar.report.run_results import RunResults
from howfar.report.section import (
    Cell,
    Column,
    ColumnOf,
    Columns,
    Disclosure,
    Items,
    Made,
    Part,
    RegisteredFigure,
    Section,
    Table,
    Text,
    agreement,
    count,
    facts,
    listing,
    name_cell,
    notes,
    number,
    paper_source,
    percentage,
    plural,
    ranked,
    ranks,
    shown,
    span,
    tabulate,
    texts,
)
from howfar.results import BaselineSummary, Comparison, DatasetSummary, Relation
from howfar.results.assessment_result import Assessment
from howfar.wording import format_number, format_p, signed

FARTHEST, MOST = 20, 200
SUMMARY = ("n", "o_dist", "o_dist_mean", "o_dist_scaled", "relative", "energy", "p_value", "explained_variance")

MAIN_COLUMNS = {
    "n": "images measured",
    "O^dist (sum)": "the paper's distance (eq. 7): mean over S of the sum of distances to P's images; it grows with the size "
    "of P",
    "O^dist (mean)": "the same over the size of P: mean distance of an image of S to an image of P",
    "row-scaled": "O^dist over its sum over all secondaries, as in tables 2 and 6 of the paper",
    "relative [95 % CI]": "O^dist over P's self-distance in the same subspace: the number to compare; 1 is as far as P's own "
    "images",
    "energy": "energy distance of the two sets: 0 only where they are spread alike, which O^dist is not",
    "p": "permutation test of “S and P are one distribution”, Holm-corrected over the secondaries",
    "expl. var.": "share of the features' variance that the components keep; what is left out is not measured",
}
RIVAL_MEASURES = {
    "knn_mean": ("kNN", "mean distance to the nearest images of P"),
    "mahalanobis_mean": ("Mahalanobis", "mean distance from P's mean in units of P's covariance"),
    "frechet": ("Fréchet", "between Gaussians fitted to the two sets"),
    "kid": ("KID", "maximum mean discrepancy with a cubic kernel, unbiased (may be below 0)"),
    "mmd": ("MMD", "maximum mean discrepancy with a Gaussian kernel"),
    "sliced_wasserstein": ("sliced Wasserstein", "mean Wasserstein distance of random one-dimensional projections"),
    "mind": ("MIND", "square of the sliced Wasserstein distance over more lines, times three times their dimension"),
}
"""How the literature's distances are called, and what each is."""
RIVAL_COLUMNS = {
    "95 % CI": "bootstrap over the images of both sets; of kNN and Mahalanobis over the secondary's alone",
    "p": "permutation test of “S and P are one distribution” by this distance, Holm-corrected over the secondaries",
}


def main(comparison: Comparison) -> Table:
    """Build the summary table: `Comparison.table()` and the share of unusual images."""
    header, texts = comparison.table()
    columns = [Column(title, MAIN_COLUMNS.get(title, "")) for title in header]
    columns.append(Column("beyond", "share of images farther than 95 % of P's own (conformal p at most 0.05); by chance 5 %"))
    rows = []
    for index, (dataset, cells) in enumerate(zip(comparison.datasets, texts, strict=True)):
        numbers = (Cell(text, getattr(dataset, name)) for text, name in zip(cells[1:], SUMMARY, strict=True))
        rows.append((name_cell(dataset.name, index), *numbers, percentage(dataset.beyond)))
    return Table(tuple(columns), tuple(rows))


Place: TypeAlias = tuple[int, DatasetSummary]


def _by_dataset(comparison: Comparison, *columns: ColumnOf[Place]) -> Table:
    """Build a table with a row per secondary, from its place and summary; the first column is its coloured name."""
    return tabulate(list(enumerate(comparison.datasets)), ("dataset", "", lambda row: name_cell(row[1].name, row[0])), *columns)


def _span(interval: tuple[float, float] | None) -> Cell:
    low, high = interval or (None, None)
    return span(low, high, format_number)


def intervals(comparison: Comparison) -> Table:
    """List numbers beyond the summary table: intervals, self-distances, uncorrected p, components."""
    own = "leave-one-out, in this dataset's subspace: what `relative` divides by"
    return _by_dataset(
        comparison,
        ("O^dist (mean), 95 % CI", "", lambda row: _span(row[1].o_dist_mean_ci)),
        ("P's self-distance", own, lambda row: number(row[1].self_distance)),
        ("energy, 95 % CI", "", lambda row: _span(row[1].energy_ci)),
        ("p, uncorrected", "", lambda row: Cell(format_p(row[1].p_value_raw), row[1].p_value_raw)),
        ("z", "components kept", lambda row: count(row[1].components)),
    )


def neighbours(comparison: Comparison) -> Table:
    """Compare I^dist with the distance to the nearest primary images, between and within sets; differing ranks stand out."""
    by_mean = ranks([dataset.o_dist_mean for dataset in comparison.datasets])
    images = dict(tuple(comparison.images.groupby("dataset", sort=False)[["knn", "i_dist_mean"]]))
    own = [images[dataset.name].astype(float) for dataset in comparison.datasets]
    means = [sum(each["knn"]) / len(each) for each in own]
    by_nearest = ranks(means)
    within = [spearman(each["i_dist_mean"].tolist(), each["knn"].tolist()) for each in own]
    nearest = f"mean distance to the {comparison.settings.neighbours} nearest images of P"
    correlation = "Spearman correlation of I^dist and kNN over the images of the set"

    def rank(row: Place) -> Cell:
        differs = by_mean[row[0]] != by_nearest[row[0]]
        return Cell(f"{by_nearest[row[0]]:g}{' ≠' if differs else ''}", by_nearest[row[0]], strong=differs)

    return _by_dataset(
        comparison,
        ("mean I^dist", "mean form, over the images of the set", lambda row: number(row[1].o_dist_mean)),
        ("rank", "among the secondaries, 1 is nearest", lambda row: Cell(f"{by_mean[row[0]]:g}", by_mean[row[0]])),
        ("mean kNN", nearest, lambda row: number(means[row[0]])),
        ("rank by kNN", "marked where it is another than by I^dist", rank),
        ("within the set", correlation, lambda row: Cell(signed(within[row[0]]), within[row[0]])),
    )


def trivial(comparison: Comparison) -> tuple[Table, dict[str, float | None], str]:
    """Rank the secondaries by the backbone and by the trivial ones, with their Spearman correlations and the verdict."""
    measure = trivial_measure(comparison)
    model = {dataset.name: float(getattr(dataset, measure)) for dataset in comparison.datasets}
    views: dict[str, dict[str, float]] = {}
    for baseline in comparison.baselines:
        views.setdefault(baseline.backbone, {})[baseline.dataset] = float(getattr(baseline, measure))
    columns = {comparison.backbone.name: list(model.values())}
    columns |= {backbone: [view[name] for name in model] for backbone, view in views.items()}
    agreements = {backbone: spearman(list(model.values()), columns[backbone]) for backbone in views}
    table = _by_dataset(comparison, *(_ranked(key, "", values, "{:.3f}".format) for key, values in columns.items()))
    return table, agreements, trivial_verdict(agreements, len(model), *same_farthest(model, views))


def _ranked(title: str, explanation: str, values: Sequence[float], write: Callable[[float], str]) -> ColumnOf[Place]:
    """Build a column of numbers with ranks."""
    order = ranks(values)
    return title, explanation, lambda row: ranked(write(values[row[0]]), values[row[0]], order[row[0]])


def trivial_measure(comparison: Comparison) -> str:
    """Return the measure that compares trivial backbones: "relative" if always defined, else "o_dist_scaled"."""
    every: list[DatasetSummary | BaselineSummary] = [*comparison.datasets, *comparison.baselines]
    return "relative" if all(row.relative is not None for row in every) else "o_dist_scaled"


def rivals(comparison: Comparison) -> Table:
    """List the literature's dataset distances, each with the rank in its column (1 is nearest)."""
    names = dict.fromkeys(name for dataset in comparison.datasets for name in dataset.rivals)

    def column(name: str) -> ColumnOf[Place]:
        values = [dataset.rivals.get(name, math.nan) for dataset in comparison.datasets]
        return _ranked(*RIVAL_MEASURES.get(name, (name, "")), values, lambda value: format_number(value).replace("-", "−"))

    return _by_dataset(comparison, *map(column, names))


def rival_intervals(comparison: Comparison) -> Table:
    """List interval and p-value of the literature's distances, by distance."""
    header, texts = comparison.rivals_table()
    index_of = {dataset.name: index for index, dataset in enumerate(comparison.datasets)}
    rows = [
        (Cell(RIVAL_MEASURES.get(distance, (distance, ""))[0]), name_cell(dataset, index_of[dataset]), *map(Cell, cells))
        for distance, dataset, *cells in texts
    ]
    return Table(tuple(Column(title, RIVAL_COLUMNS.get(title, "")) for title in header), tuple(rows))


def farthest(comparison: Comparison) -> Table:
    """List the images farthest from the primary dataset, relative to the self-distance in the image's own subspace."""
    index_of = {dataset.name: index for index, dataset in enumerate(comparison.datasets)}
    units = {dataset.name: dataset.self_distance or 1.0 for dataset in comparison.datasets}
    frame = comparison.images.assign(over=comparison.images["i_dist_mean"] / comparison.images["dataset"].map(units))
    top = frame.sort_values(["over", "dataset", "image"], ascending=[False, True, True], kind="stable").head(FARTHEST)
    sorted_by = "the same over P's self-distance in that subspace; the table is sorted by it"
    conformal = "conformal p-value: at most 0.05 for one in twenty of P's own kind"

    def over(row: Any) -> Cell:
        return number(row["over"] if comparison.datasets[index_of[str(row["dataset"])]].self_distance else None)

    return tabulate(
        top.to_dict("records"),
        ("image", "", lambda row: Cell(str(row["image"]))),
        ("dataset", "", lambda row: name_cell(str(row["dataset"]), index_of[str(row["dataset"])])),
        ("I^dist (mean)", "mean distance to P's images", lambda row: number(row["i_dist_mean"])),
        ("over P's own", sorted_by, over),
        ("kNN", "mean distance to the nearest images of P", lambda row: number(row["knn"])),
        ("percentile", "share of P's own images that are nearer to the rest of P", lambda row: number(row["percentile"])),
        ("p", conformal, lambda row: number(row["p_value"], 2)),
    )


def settings(comparison: Comparison) -> Table:
    """List the caller's settings."""
    named = {"components": "components (z)", "bootstrap": "bootstrap resamples", "neighbours": "neighbours (kNN)"}
    return facts({named.get(name, name): value for name, value in asdict(comparison.settings).items()})


def backbone(comparison: Comparison) -> Table:
    """List the backbone's name, length, layers and identity, with a line for each key of nested parts."""
    named = comparison.backbone
    values: dict[str, object] = {"name": named.name, "feature length (q)": named.length}
    if len(named.layers) > 1:
        values["layers"] = " + ".join(f"{length:,}" for length in named.layers)
    for key, value in named.identity.items():
        if isinstance(value, Mapping):
            values |= {f"{key}: {part}": item for part, item in value.items()}
        elif (key, value) != ("name", named.name):
            values[key] = value
    return facts(values)


def counts(comparison: Comparison) -> Table:
    """Count pairs of copies by their two datasets."""
    near = "saved anew, resized, cropped a little, mirrored, of one burst …"
    grouped = comparison.near_duplicates.groupby(["dataset", "other_dataset"], sort=False)
    return tabulate(
        [(dataset, other, pairs, int((pairs["kind"] == "equal").sum())) for (dataset, other), pairs in grouped],
        ("images of", "", lambda row: Cell(str(row[0]))),
        ("that are images of", "", lambda row: Cell(f"{row[1]} itself" if row[0] == row[1] else str(row[1]))),
        ("equal", "byte for byte", lambda row: count(row[3])),
        ("nearly equal", near, lambda row: count(len(row[2]) - row[3])),
        ("left out", "of all that was measured, as --leaks drop asks", lambda row: count(int(row[2]["dropped"].sum()))),
    )


def pairs(comparison: Comparison) -> Table:
    """List the first pairs in the figure's order: pairs with the primary dataset first, the least alike first."""
    bits = "share of the 256 bits of their perceptual hashes that are equal; unrelated images have a half"
    by = "content: the same bytes; hash: of all pairs; features: among the five nearest images of P too"

    def kind(row: Any) -> Cell:
        return Cell("equal to" if row["kind"] == "equal" else "nearly, mirrored," if row["mirrored"] else "nearly")

    return tabulate(
        ordered_pairs(comparison).head(MOST).to_dict("records"),
        ("image", "", lambda row: Cell(row["image"])),
        ("dataset", "", lambda row: Cell(row["dataset"])),
        ("is", "", kind),
        ("the image", "", lambda row: Cell(row["other"])),
        ("of", "", lambda row: Cell(row["other_dataset"])),
        ("equal bits", bits, lambda row: percentage(row["agreement"])),
        ("found by", by, lambda row: Cell(row["found_by"])),
    )


def _near_duplicates_content(comparison: Comparison, _: Relation | None) -> Section | None:
    total = len(comparison.near_duplicates)
    if not total:
        return None
    lead = (
        f"{total:,} pair{plural(total, ' of images is', 's of images are')} equal or nearly so. A copy of an image of "
        f"{comparison.primary.name} makes its dataset look nearer than it is; copies within a dataset make it look larger."
    )
    every = pairs(comparison)
    cut = f"The first {len(every.rows)} of {total:,} pairs, in the order of the figure; all are in near_duplicates.parquet"
    summary = f"{total} pairs, in the order of the figure" if len(every.rows) == total else cut
    parts: list[Part] = [
        *shown("counts", "Near duplicates by dataset", counts(comparison)),
        RegisteredFigure("near_duplicates"),
        *shown("pairs", "Pairs of near duplicates", every, summary=summary, style="named"),
    ]
    return Section(lead, parts, title="Images that are equal, or nearly so")


NEAR_DUPLICATES = SectionKind("near_duplicates", "Near duplicates", SECTION, _near_duplicates_content)


def write_report(
    comparison: Comparison, folder: str | Path, relation: Relation | None = None, assessment: Assessment | None = None
) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    Relation and assessment default to those in the folder, if any. A relation of another run raises `InputError`, a damaged
    one in the folder `StoreError` or `MissingPathError`.
    """
    run = RunResults.of(comparison, Path(folder), relation, assessment)
    results = {"figures": run.comparison, "relation_figures": run.relation, "assessment_figures": run.assessment}
    figures = draw_figures(results, folder)
    kicker, question, facts = _distance_head(run.comparison) if run.assessment is None else _assessment_head(run.assessment)
    sections = fill_sections(run, figures)
    return Page(kicker, question, question, facts, run.comparison.provenance, sections).write(folder, figures)


def _distance_head(comparison: Comparison) -> tuple[str, str, list[str]]:
    primary, secondaries = comparison.primary, len(comparison.datasets)
    facts = [
        f"P is {primary.name}: {primary.n:,} image{plural(primary.n)}",
        f"{secondaries} secondary dataset{plural(secondaries)}",
        f"features of {comparison.backbone.name}",
    ]
    return "Distance report", f"How far from {primary.name}?", facts


def _assessment_head(assessment: Assessment) -> tuple[str, str, list[str]]:
    asked = [site for site in assessment.ordered() if site.measured is None] or assessment.ordered()
    own = assessment.first or f"P is {assessment.primary}"
    sites = listing([site.dataset for site in asked])
    return "Assessment", f"What will {assessment.model} score on {sites}?", [own]


def _answer(comparison: Comparison, relation: Relation | None, assessment: Assessment | None) -> Section:
    # The section before this one says the warnings where there is an assessment.
    warnings = relation.warnings() if relation is not None and assessment is None else ()
    table, names = main(comparison), f"Distances of the secondary datasets from {comparison.primary.name}"
    parts: list[Part] = [
        *shown("main", names, table, heading="", explained=False),
        Disclosure("What the columns mean", [Columns(table)]),
        *texts(_caution(comparison, relation), style="caution"),
        RegisteredFigure("relative"),
        *notes("Notes of the run", comparison.notes),
    ]
    doubts = [Markup("<strong>Do not believe the estimate</strong> of {}").format(warning) for warning in warnings]
    title = "In short" if assessment is None else "How far each site is"
    return Section(lead(comparison), parts, warnings=doubts, title=title)


def _caution(comparison: Comparison, relation: Relation | None) -> Markup:
    """Warn that distance is not performance, and state the performance measured here."""
    if relation is None or not is_scored(relation):
        return Markup(
            "<strong>Distance is not performance.</strong> These numbers say how unlike P the images look to {}; near images "
            "can be hard, far ones easy. To know the performance, score predictions against masks or labels."
        ).format(comparison.backbone.name)
    here = '<strong>Distance is not performance</strong>, and here <a href="#performance">performance</a> was measured. {}'
    return Markup(here).format(performance_report.lead(relation))


def _distances(comparison: Comparison, _: Relation | None) -> Section:
    primary, chosen, sets = comparison.primary, comparison.settings, len(comparison.datasets)
    own = Markup("Self-distance of {}, each of its images against all others{}: <strong>{}</strong>.").format(
        primary.name,
        " in a subspace fitted to it alone" if chosen.projection == "pair" else "",
        "undefined" if primary.self_distance is None else format_number(primary.self_distance),
    )
    least = smallest_p(chosen.permutations, sets)
    few = "" if least is None or least <= ALPHA else ": too few to find any difference; ask for more permutations"
    tests = (
        f"{chosen.permutations:,} permutations and Holm's correction over {sets} dataset{plural(sets)} cannot give a p below"
    )
    parts: list[Part] = [
        *texts("" if least is None else f"{tests} {least:.3g}{few}.", style="small"),
        *shown("intervals", "Intervals and uncorrected values", intervals(comparison)),
        *(RegisteredFigure(name) for name in ("violin", "sorted_distances", "scatter")),
    ]
    return Section("", parts, [own])


TWO_RULERS: Final = Markup(
    "The projection is fitted anew on P and each secondary, as in the paper, so every pair has its own subspace. The raw "
    "O^dist of two secondaries is therefore measured with two rulers, and so is the row-scaled value. <i>Relative</i> divides "
    "by P's own distance under the same ruler: compare datasets by it."
)
ONE_SPACE: Final = Markup(
    "All secondaries share one {} (projection “{}”), so their raw O^dist may be compared with each other. <i>Relative</i> is "
    "the same number in units of P's own distance."
)
ENERGY: Final = Markup(
    "O^dist is not 0 for two equal sets, and a set of little variety near P's centre lies nearer to P than P's own images do: "
    "its <i>relative</i> is below 1 although it is another set. The energy distance takes both sets' own spread into account "
    "and is 0 only where they are spread alike. The p-value is that of the energy distance."
)
CENTRE: Final = Markup(
    "I<sup>dist</sup> is a mean over all of P, so it ranks images much like their distance to P's centre: where P has two "
    "clusters, the empty middle looks near. The distance to the {} nearest images of P (kNN) has no such fault and stands "
    "beside it."
)


def _reading(comparison: Comparison, _: Relation | None) -> Section:
    near, changed, several = neighbours(comparison), rank_changes(comparison), len(comparison.datasets) > 1
    alike = " Here the two rank the datasets alike."
    if comparison.settings.projection == "pair":
        differ = Markup(" <strong>Here the two rank {} differently.</strong>").format(listing(changed)) if changed else ""
        same = alike if several and comparison.primary.self_distance is not None else ""
        why = Text([TWO_RULERS + (differ or same)], heading=Markup("Why O^dist and <i>relative</i> may disagree"))
    else:
        space = "space" if comparison.settings.projection == "none" else "subspace"
        why = Text([ONE_SPACE.format(space, comparison.settings.projection)], heading="Which number to compare")
    differing = [row[0].text for row in near.rows if any(cell.strong for cell in row)]
    look = Markup(" <strong>The two rank {} differently</strong>: look at {} images before relying on either.").format(
        listing(differing) if differing else "", plural(len(differing), "its", "their")
    )
    said = look if differing else alike if several else ""
    parts: list[Part] = [
        why,
        Text([ENERGY], heading="What the energy distance adds"),
        Text([CENTRE.format(comparison.settings.neighbours) + said], heading="Near the centre is not near an image"),
        *shown("neighbours", "Mean distance to all of P beside the distance to its nearest images", near),
    ]
    return Section("", parts, title="Reading the numbers")


def _trivial(comparison: Comparison, _: Relation | None) -> Section | None:
    if not comparison.baselines:
        return None
    table, agreements, verdict = trivial(comparison)
    by = Markup("<i>relative</i>" if trivial_measure(comparison) == "relative" else "the row-scaled O^dist")
    read = Markup(
        "The same images measured by backbones that know nothing of content, by {}; in brackets the rank, 1 is nearest. If "
        "these put the sets in the same order, the backbone's order proves little."
    ).format(by)
    lines = Items([(f"{name}: {agreement(rho, len(comparison.datasets))}", "") for name, rho in agreements.items()])
    named = f"Trivial backbones beside {comparison.backbone.name}"
    parts: list[Part] = [*shown("trivial", named, table), lines, Text([verdict])]
    return Section("", parts, [read], title="What colour and layout alone would say")


def _images(comparison: Comparison, _: Relation | None) -> Section:
    table = farthest(comparison)
    heading, named = f"The {len(table.rows)} farthest images of all", "The farthest images of all secondary datasets"
    parts: list[Part] = [RegisteredFigure("thumbnails"), Disclosure(heading, shown("farthest", named, table, style="named"))]
    return Section("", parts)


def _rivals(comparison: Comparison, _: Relation | None) -> Section:
    own = " Like O^dist they are measured in each pair's own subspace and are not divided by anything of P's."
    read = "The literature's distances on the same projected features; in brackets the rank, 1 is nearest."
    table, ends = rivals(comparison), "Intervals and p-values of these distances"
    parts: list[Part] = [
        *shown("rivals", f"Other distances between the secondary datasets and {comparison.primary.name}", table),
        Disclosure(ends, shown("rival_intervals", ends, rival_intervals(comparison))),
        Text([of_rivals(comparison)]),
    ]
    said = read + (own if comparison.settings.projection == "pair" else "")
    found = parts if len(table.columns) > 1 else texts("None were computed.")
    return Section("", found, [said], title="Other distances between datasets")


def _files(comparison: Comparison, _: Relation | None) -> Section:
    primary, copies, files = comparison.primary.name, len(comparison.leaks), len(comparison.skipped)
    shared = tabulate(
        comparison.leaks,
        ("image", "", lambda leak: Cell(leak.image)),
        ("dataset", "", lambda leak: Cell(leak.dataset)),
        (f"the same file in {primary}", "", lambda leak: Cell(leak.primary_image)),
    )
    left_out = tabulate(
        comparison.skipped,
        ("file", "", lambda file: Cell(file.path)),
        ("dataset", "", lambda file: Cell(file.dataset)),
        ("reason", "", lambda file: Cell(file.reason)),
    )
    both = (
        f"{copies} image{plural(copies, ' is', 's are')} in {primary} and in a secondary dataset too, byte for byte. Each "
        "makes its dataset look nearer."
    )
    neither = (
        f"No image of a secondary is in {primary} too (compared byte for byte; nearly equal images, where any were found, have "
        "a section of their own)."
    )
    out = f"{files} file{plural(files, ' was', 's were')} left out of every number above."
    in_both, left = "In both P and a secondary", "Left out"
    parts: list[Part] = [
        *shown("leaks", "Images that are in both", shared, in_both, summary=both, style="texts"),
        *([] if copies else [Text([neither], heading=in_both)]),
        *shown("skipped", "Files that were left out", left_out, left, summary=out, style="texts"),
        *([] if files else [Text(["Every image file could be read."], heading=left)]),
    ]
    return Section("", parts)


def _made(comparison: Comparison, relation: Relation | None, assessment: Assessment | None = None) -> Section:
    tables = [
        ("Settings", settings(comparison)),
        ("Backbone", backbone(comparison)),
        ("Performance", None if relation is None else relation_settings(relation)),
        ("Model", facts({"name": assessment.model, **assessment.identity}) if assessment and assessment.identity else None),
    ]
    again = (assessment.command if assessment is not None else "") or rerun(comparison, relation)
    source = paper_source("", "Self-distance, relative and energy distance, intervals and tests are howfar's additions to it.")
    return Section("", [Made(tables, comparison.provenance, again, source)])


ANSWER = SectionKind("answer", "In short", SECTION, _answer)
DISTANCES = SectionKind("distances", "Distances", SECTION, _distances)
READING = SectionKind("reading", "Reading them", SECTION, _reading)
TRIVIAL = SectionKind("trivial", "Trivial backbones", SECTION, _trivial)
IMAGES = SectionKind("images", "Images", SECTION, _images)
RIVALS = SectionKind("rivals", "Other distances", SECTION, _rivals)
FILES = SectionKind("files", "Files", SECTION, _files)
MADE = SectionKind("made", "How it was made", SECTION, _made, whole=True)
