"""Report a comparison of datasets on one page: the datasets' distances, near-duplicate images, and the method."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from howfar import registry
from howfar.figures.contact_sheets import ordered_pairs
from howfar.figures.performance_figures import is_scored
from howfar.formatting_and_escaping import format_number, format_p, signed
from howfar.relation.trend import spearman
from howfar.report import performance_report
from howfar.report import section as doc
from howfar.report.comparison_sentences import ALPHA, lead, of_rivals, rank_changes, same_farthest, smallest_p, trivial_verdict
from howfar.report.page import SECTION, FilledSection, RunResults, SectionKind, fill, fill_section, write_page
from howfar.report.performance_report import relation_settings
from howfar.report.report_figures import draw_figures, tolerated
from howfar.report.reproduction_code import rerun
from howfar.results import BaselineSummary, Comparison, DatasetSummary, Relation
from howfar.results.assessment_result import BEHIND, Assessment
from howfar.results.comparison_result import BEYOND, COLUMNS

FARTHEST, MOST = 20, 200

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
    "beyond": "share of images farther than 95 % of P's own (conformal p at most 0.05); by chance 5 %",
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


def dataset_cells(comparison: Comparison) -> dict[str, doc.Cell]:
    """Return cells with the secondaries' names in their colours in the figures."""
    return doc.name_cells(dataset.name for dataset in comparison.datasets)


def _by_dataset(comparison: Comparison, *columns: doc.ColumnOf[DatasetSummary]) -> doc.Table:
    """Build a table with a row per secondary, from its summary; the first column is its coloured name."""
    names = dataset_cells(comparison)
    return doc.tabulate(comparison.datasets, ("dataset", "", lambda row: names[row.name]), *columns)


def _ranks(values: Mapping[str, float]) -> dict[str, float]:
    return dict(zip(values, doc.ranks(list(values.values())), strict=True))


def neighbours(comparison: Comparison) -> doc.Table:
    """Compare I^dist with the distance to the nearest primary images, between and within sets; differing ranks stand out."""
    by_mean = _ranks({dataset.name: dataset.o_dist_mean for dataset in comparison.datasets})
    images = dict(tuple(comparison.images.groupby("dataset", sort=False)[["i_dist_mean", "knn"]]))
    own = {name: images[name].astype(float) for name in by_mean}
    means = {name: sum(each["knn"]) / len(each) for name, each in own.items()}
    by_nearest = _ranks(means)
    within = {name: spearman(each["i_dist_mean"].tolist(), each["knn"].tolist()) for name, each in own.items()}
    nearest = f"mean distance to the {comparison.settings.neighbours} nearest images of P"
    correlation = "Spearman correlation of I^dist and kNN over the images of the set"

    def rank(row: DatasetSummary) -> doc.Cell:
        value, differs = by_nearest[row.name], by_mean[row.name] != by_nearest[row.name]
        return doc.Cell(f"{value:g}{' ≠' if differs else ''}", value, strong=differs)

    return _by_dataset(
        comparison,
        ("mean I^dist", "mean form, over the images of the set", lambda row: doc.number(row.o_dist_mean)),
        ("rank", "among the secondaries, 1 is nearest", lambda row: doc.Cell(f"{by_mean[row.name]:g}", by_mean[row.name])),
        ("mean kNN", nearest, lambda row: doc.number(means[row.name])),
        ("rank by kNN", "marked where it is another than by I^dist", rank),
        ("within the set", correlation, lambda row: doc.Cell(signed(within[row.name]), within[row.name])),
    )


def _ranked(
    title: str, explanation: str, values: Mapping[str, float], write: Callable[[float], str]
) -> doc.ColumnOf[DatasetSummary]:
    """Build a column of numbers with ranks."""
    order = _ranks(values)
    return title, explanation, lambda row: doc.with_rank(doc.written(values[row.name], write), order[row.name])


def _images(comparison: Comparison, _: Relation | None) -> doc.Section:
    # The images farthest from the primary dataset, relative to the self-distance in the image's own subspace.
    own, names = {dataset.name: dataset.self_distance for dataset in comparison.datasets}, dataset_cells(comparison)
    units = comparison.images["dataset"].map({name: distance or 1.0 for name, distance in own.items()})
    frame = comparison.images.assign(over=comparison.images["i_dist_mean"] / units)
    top = frame.sort_values(["over", "dataset", "image"], ascending=[False, True, True], kind="stable").head(FARTHEST)
    sorted_by = "the same over P's self-distance in that subspace; the table is sorted by it"
    conformal = "conformal p-value: 5 in 100 of P's own images have 0.05 or less"
    table = doc.tabulate(
        top.to_dict("records"),
        ("image", "", lambda row: doc.Cell(str(row["image"]))),
        ("dataset", "", lambda row: names[row["dataset"]]),
        ("I^dist (mean)", "mean distance to P's images", lambda row: doc.number(row["i_dist_mean"])),
        ("over P's own", sorted_by, lambda row: doc.number(row["over"] if own[row["dataset"]] else None)),
        ("kNN", "mean distance to the nearest images of P", lambda row: doc.number(row["knn"])),
        ("percentile", "share of P's own images that are nearer to the rest of P", lambda row: doc.number(row["percentile"])),
        ("p", conformal, lambda row: doc.number(row["p_value"], 2)),
    )
    heading, named = f"The {len(table.rows)} farthest images of all", "The farthest images of all secondary datasets"
    farthest = doc.Disclosure(heading, doc.shown("farthest", named, table, style="named"))
    return doc.Section("", [doc.RegisteredFigure("thumbnails"), farthest])


def settings(comparison: Comparison) -> doc.Table:
    """List the caller's settings."""
    named = {"components": "components (z)", "bootstrap": "bootstrap resamples", "neighbours": "neighbours (kNN)"}
    return doc.facts({named.get(name, name): value for name, value in asdict(comparison.settings).items()})


def _near_duplicates(comparison: Comparison, _: Relation | None) -> doc.Section | None:
    total = len(comparison.near_duplicates)
    if not total:
        return None
    near = "saved anew, resized, cropped a little, mirrored, of one burst …"
    grouped = comparison.near_duplicates.groupby(["dataset", "other_dataset"], sort=False)
    by_dataset = doc.tabulate(
        [(dataset, other, pairs, int((pairs["kind"] == "equal").sum())) for (dataset, other), pairs in grouped],
        ("images of", "", lambda row: doc.Cell(str(row[0]))),
        ("that are images of", "", lambda row: doc.Cell(f"{row[1]} itself" if row[0] == row[1] else str(row[1]))),
        ("equal", "byte for byte", lambda row: doc.count(row[3])),
        ("nearly equal", near, lambda row: doc.count(len(row[2]) - row[3])),
        ("left out", "of all that was measured, as --leaks drop asks", lambda row: doc.count(int(row[2]["dropped"].sum()))),
    )
    bits = "share of the 256 bits of their perceptual hashes that are equal; unrelated images have a half"
    by = "content: the same bytes; hash: of all pairs; features: among the five nearest images of P too"

    def kind(row: Any) -> doc.Cell:
        return doc.Cell("equal to" if row["kind"] == "equal" else "nearly, mirrored," if row["mirrored"] else "nearly")

    # The first pairs in the figure's order: pairs with the primary dataset first, the least alike first.
    every = doc.tabulate(
        ordered_pairs(comparison).head(MOST).to_dict("records"),
        *map(doc.text_column, ("image", "dataset")),
        ("is", "", kind),
        ("the image", "", lambda row: doc.Cell(row["other"])),
        ("of", "", lambda row: doc.Cell(row["other_dataset"])),
        ("equal bits", bits, lambda row: doc.percentage(row["agreement"])),
        ("found by", by, lambda row: doc.Cell(row["found_by"])),
    )
    lead = (
        f"{total:,} pair{doc.plural(total, ' of images is', 's of images are')} equal or nearly so. A copy of an image of "
        f"{comparison.primary.name} makes its dataset look nearer than it is; copies within a dataset make it look larger."
    )
    cut = f"The first {len(every.rows)} of {total:,} pairs, in the order of the figure; all are in near_duplicates.parquet"
    summary = f"{total} pairs, in the order of the figure" if len(every.rows) == total else cut
    parts: list[doc.Part] = [
        *doc.shown("counts", "Near duplicates by dataset", by_dataset),
        doc.RegisteredFigure("near_duplicates"),
        *doc.shown("pairs", "Pairs of near duplicates", every, summary=summary, style="named"),
    ]
    return doc.Section(lead, parts, title="Images that are equal, or nearly so")


NEAR_DUPLICATES = SectionKind("near_duplicates", "Near duplicates", SECTION, _near_duplicates)


def write_report(
    comparison: Comparison, folder: str | Path, relation: Relation | None = None, assessment: Assessment | None = None
) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    Relation and assessment default to those in the folder, if any. A relation of another run raises `InputError`, a damaged
    one in the folder `StoreError` or `MissingPathError`.
    """
    run = RunResults.of(comparison, Path(folder), relation, assessment)
    comparison, primary, secondaries = run.comparison, run.comparison.primary, len(run.comparison.datasets)
    results = {"figures": comparison, "relation_figures": run.relation, "assessment_figures": run.assessment}
    figures = draw_figures(results, folder)
    # The answer and its pictures are open, and stand before the sections for specialists, which are folded.
    pictures = "failures" if "failures" in figures.drawn else "images"
    opened = {"answer" if run.assessment is None else "assessment", pictures}
    filled = list[FilledSection]()
    for name in registry.ordered("sections"):
        # A section of another package that fails becomes a note.
        with tolerated("sections", name, figures.notes, f"The section {name} could not be made"):
            section: SectionKind = registry.load("sections", name)
            takes = "assessment" in inspect.signature(section.content).parameters
            shown = run.whole if section.whole else (comparison, run.relation)
            content = section.content(*shown, **({"assessment": run.assessment} if takes else {}))
            if isinstance(content, doc.Section):
                content = replace(content, folded=name not in opened)
                filled.append(fill_section(section.name, section.title, content, figures))
            elif content is not None:
                read = {"c": shown[0], "r": shown[1], "figures": figures, **content}
                filled.append(FilledSection(section.name, section.title, fill(section.template, read, section.name)))
    filled.sort(key=attrgetter("folded"))
    home = f"P is {primary.name}: {primary.n:,} image{doc.plural(primary.n)}"
    facts = [home, f"{secondaries} secondary dataset{doc.plural(secondaries)}", f"features of {comparison.backbone.name}"]
    kicker, question = "Distance report", f"How far from {primary.name}?"
    if run.assessment is not None:
        asked = [site for site in run.assessment.ordered() if site.measured is None] or run.assessment.ordered()
        own = run.assessment.first or f"P is {run.assessment.primary}"
        sites = doc.listing([site.dataset for site in asked])
        # A folder of maps names no model, and a path is no title.
        model, maps = run.assessment.model, run.assessment.model.removeprefix(BEHIND)
        kicker, question = "Assessment", f"What will {model if maps == model else 'the model'} score on {sites}?"
        facts = [own.removesuffix(".") if maps == model else f"{own} Predictions: {maps}"]
    return write_page(folder, figures, filled, (kicker, question, question), facts, comparison.provenance)


def _answer(comparison: Comparison, relation: Relation | None, assessment: Assessment | None) -> doc.Section:
    # The section before this one says the warnings where there is an assessment.
    warnings = relation.warnings() if relation is not None and assessment is None else ()
    table = doc.declared(comparison.datasets, (*COLUMNS, BEYOND), MAIN_COLUMNS, dataset_cells(comparison))
    names = f"Distances of the secondary datasets from {comparison.primary.name}"
    if relation is None or not is_scored(relation):
        caution = Markup(
            "<strong>Distance is not performance.</strong> These numbers say how unlike P the images look to {}; near images "
            "can be hard, far ones easy. To know the performance, score predictions against masks or labels."
        ).format(comparison.backbone.name)
    else:
        here = '<strong>Distance is not performance</strong>, and here <a href="#performance">performance</a> was measured. {}'
        caution = Markup(here).format(performance_report.lead(relation))
    parts: list[doc.Part] = [
        *doc.shown("main", names, table, heading="", explained=False),
        doc.Disclosure("What the columns mean", [doc.Definitions(table.explained())]),
        *doc.texts(caution, style="caution"),
        doc.RegisteredFigure("relative"),
        *doc.notes("Notes of the run", comparison.notes),
    ]
    doubts = [Markup("<strong>Do not believe the estimate</strong> of {}").format(warning) for warning in warnings]
    title = "In short" if assessment is None else "How far each site is"
    ruler = [GATE_RULER] if relation is not None and relation.gates and comparison.settings.projection == "pair" else []
    return doc.Section(lead(comparison), parts, ruler, warnings=doubts, title=title)


GATE_RULER: Final = (
    "The gate judges by other numbers: it measures all datasets in one subspace, fitted to P alone; here each has a subspace "
    "fitted to it and P together."
)


def _distances(comparison: Comparison, _: Relation | None) -> doc.Section:
    primary, chosen, sets = comparison.primary, comparison.settings, len(comparison.datasets)
    own = Markup("Self-distance of {}, each of its images against all others{}: <strong>{}</strong>.").format(
        primary.name,
        " in a subspace fitted to it alone" if chosen.projection == "pair" else "",
        "undefined" if primary.self_distance is None else format_number(primary.self_distance),
    )
    least = smallest_p(chosen.permutations, sets)
    few = "" if least is None or least <= ALPHA else ": too few to find any difference; ask for more permutations"
    over = f"{sets} dataset{doc.plural(sets)}"
    tests = f"{chosen.permutations:,} permutations and Holm's correction over {over} cannot give a p below"
    left_out = "leave-one-out, in this dataset's subspace: what “relative” divides by"
    uncorrected = _by_dataset(
        comparison,
        ("O^dist (mean), 95 % CI", "", lambda row: doc.span(row.o_dist_mean_ci, format_number)),
        ("P's self-distance", left_out, lambda row: doc.number(row.self_distance)),
        ("energy, 95 % CI", "", lambda row: doc.span(row.energy_ci, format_number)),
        ("p, uncorrected", "", lambda row: doc.Cell(format_p(row.p_value_raw), row.p_value_raw)),
        ("z", "components kept", lambda row: doc.count(row.components)),
    )
    parts: list[doc.Part] = [
        *doc.texts("" if least is None else f"{tests} {least:.3g}{few}.", style="small"),
        *doc.shown("intervals", "Intervals and uncorrected values", uncorrected),
        *(doc.RegisteredFigure(name) for name in ("violin", "sorted_distances", "scatter")),
    ]
    return doc.Section("", parts, [own])


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


def _reading(comparison: Comparison, _: Relation | None) -> doc.Section:
    near, changed, several = neighbours(comparison), rank_changes(comparison), len(comparison.datasets) > 1
    alike = " Here the two rank the datasets alike."
    if comparison.settings.projection == "pair":
        differ = Markup(" <strong>Here the two rank {} differently.</strong>").format(doc.listing(changed)) if changed else ""
        same = alike if several and comparison.primary.self_distance is not None else ""
        why = doc.Text([TWO_RULERS + (differ or same)], heading=Markup("Why O^dist and <i>relative</i> may disagree"))
    else:
        space = "space" if comparison.settings.projection == "none" else "subspace"
        why = doc.Text([ONE_SPACE.format(space, comparison.settings.projection)], heading="Which number to compare")
    differing = [row[0].text for row in near.rows if any(cell.strong for cell in row)]
    look = Markup(" <strong>The two rank {} differently</strong>: look at {} images before relying on either.").format(
        doc.listing(differing) if differing else "", doc.plural(len(differing), "its", "their")
    )
    said = look if differing else alike if several else ""
    parts: list[doc.Part] = [
        why,
        doc.Text([ENERGY], heading="What the energy distance adds"),
        doc.Text([CENTRE.format(comparison.settings.neighbours) + said], heading="Near the centre is not near an image"),
        *doc.shown("neighbours", "Mean distance to all of P beside the distance to its nearest images", near),
    ]
    return doc.Section("", parts, title="How to read the distances")


def _trivial(comparison: Comparison, _: Relation | None) -> doc.Section | None:
    if not comparison.baselines:
        return None
    every: list[DatasetSummary | BaselineSummary] = [*comparison.datasets, *comparison.baselines]
    measure = "relative" if all(row.relative is not None for row in every) else "o_dist_scaled"
    model = {dataset.name: float(getattr(dataset, measure)) for dataset in comparison.datasets}
    views: dict[str, dict[str, float]] = {}
    for baseline in comparison.baselines:
        views.setdefault(baseline.backbone, {})[baseline.dataset] = float(getattr(baseline, measure))
    agreements = {backbone: spearman(list(model.values()), [view[name] for name in model]) for backbone, view in views.items()}
    columns = {comparison.backbone.name: model} | views
    table = _by_dataset(comparison, *(_ranked(name, "", values, "{:.3f}".format) for name, values in columns.items()))
    verdict = trivial_verdict(agreements, len(model), *same_farthest(model, views))
    by = Markup("<i>relative</i>" if measure == "relative" else "the row-scaled O^dist")
    read = Markup(
        "The same images measured by backbones that know nothing of content, by {}; in brackets the rank, 1 is nearest. If "
        "these put the sets in the same order, the backbone's order proves little."
    ).format(by)
    lines = doc.Items([f"{name}: {doc.agreement(rho, len(comparison.datasets))}" for name, rho in agreements.items()])
    named = f"Trivial backbones beside {comparison.backbone.name}"
    parts: list[doc.Part] = [*doc.shown("trivial", named, table), lines, doc.Text([verdict])]
    return doc.Section("", parts, [read], title="Baselines: colour and layout alone")


def _rival(name: str) -> tuple[str, str]:
    """Return how a distance is called, and what it is: of another package's, if installed, its docstring's first line."""
    kind, own = ("image_distances", name.removesuffix("_mean")) if name.endswith("_mean") else ("dataset_distances", name)
    described = registry.load(kind, own).__doc__ if name not in RIVAL_MEASURES and own in registry.names(kind) else ""
    return RIVAL_MEASURES.get(name, (name, (described or "").partition("\n")[0]))


def _rivals(comparison: Comparison, _: Relation | None) -> doc.Section:
    own = " Like O^dist they are measured in each pair's own subspace and are not divided by anything of P's."
    read = "The literature's distances on the same projected features; in brackets the rank, 1 is nearest."
    names = dict.fromkeys(name for dataset in comparison.datasets for name in dataset.rivals)

    def column(name: str) -> doc.ColumnOf[DatasetSummary]:
        values = {dataset.name: dataset.rivals.get(name, math.nan) for dataset in comparison.datasets}
        return _ranked(*_rival(name), values, lambda value: format_number(value).replace("-", "−"))

    table = _by_dataset(comparison, *map(column, names))
    (header, texts), cells = comparison.rivals_table(), dataset_cells(comparison)
    rows = [(doc.Cell(_rival(distance)[0]), cells[dataset], *map(doc.Cell, row)) for distance, dataset, *row in texts]
    ends = "Intervals and p-values of these distances"
    parts: list[doc.Part] = [
        *doc.shown("rivals", f"Other distances between the secondary datasets and {comparison.primary.name}", table),
        doc.Disclosure(ends, doc.shown("rival_intervals", ends, doc.from_texts(header, rows, RIVAL_COLUMNS))),
        doc.Text([of_rivals(comparison)]),
    ]
    said = read + (own if comparison.settings.projection == "pair" else "")
    found = parts if names else doc.texts("None were computed.")
    return doc.Section("", found, [said], title="The literature's distances, for comparison")


def _files(comparison: Comparison, _: Relation | None) -> doc.Section:
    primary, copies, files = comparison.primary.name, len(comparison.leaks), len(comparison.skipped)
    image, dataset, reason = map(doc.text_column, ("image", "dataset", "reason"))
    same = doc.text_column("primary_image", title=f"the same file in {primary}")
    shared = doc.tabulate(comparison.leaks, image, dataset, same)
    left_out = doc.tabulate(comparison.skipped, doc.text_column("path", title="file"), dataset, reason)
    both = (
        f"{copies} image{doc.plural(copies, ' is', 's are')} in {primary} and in a secondary dataset too, byte for byte. Each "
        "makes its dataset look nearer."
    )
    neither = (
        f"No image of a secondary is in {primary} too (compared byte for byte; nearly equal images, where any were found, have "
        "a section of their own)."
    )
    out = f"{files} file{doc.plural(files, ' was', 's were')} left out of every number above."
    in_both, left = "In both P and a secondary", "Left out"
    parts: list[doc.Part] = [
        *doc.shown("leaks", "Images that are in both", shared, in_both, summary=both, style="texts"),
        *([] if copies else [doc.Text([neither], heading=in_both)]),
        *doc.shown("skipped", "Files that were left out", left_out, left, summary=out, style="texts"),
        *([] if files else [doc.Text(["Every image file could be read."], heading=left)]),
    ]
    return doc.Section("", parts)


def _made(comparison: Comparison, relation: Relation | None, assessment: Assessment | None = None) -> doc.Section:
    backbone = comparison.backbone
    described: dict[str, object] = {"name": backbone.name, "feature length (q)": backbone.length}
    if len(backbone.layers) > 1:
        described["layers"] = " + ".join(f"{length:,}" for length in backbone.layers)
    # A line for each key of nested parts.
    for key, value in backbone.identity.items():
        if isinstance(value, Mapping):
            described |= {f"{key}: {part}": item for part, item in value.items()}
        elif (key, value) != ("name", backbone.name):
            described[key] = value
    tables = [
        ("Settings", settings(comparison)),
        ("Backbone", doc.facts(described)),
        ("Performance", None if relation is None else relation_settings(relation)),
        ("Model", doc.facts({"name": assessment.model, **assessment.identity}) if assessment and assessment.identity else None),
    ]
    again = (assessment.command if assessment is not None else "") or rerun(comparison, relation)
    additions = "Self-distance, relative and energy distance, intervals and tests are howfar's additions to it."
    return doc.Section("", [doc.Made(tables, comparison.provenance, again, doc.paper_source("", additions))])


ANSWER = SectionKind("answer", "In short", SECTION, _answer)
DISTANCES = SectionKind("distances", "Intervals and spread of the distances", SECTION, _distances)
READING = SectionKind("reading", "Reading them", SECTION, _reading)
TRIVIAL = SectionKind("trivial", "Trivial backbones", SECTION, _trivial)
IMAGES = SectionKind("images", "Images", SECTION, _images)
RIVALS = SectionKind("rivals", "The literature's distances", SECTION, _rivals)
FILES = SectionKind("files", "Duplicate and skipped files", SECTION, _files)
MADE = SectionKind("made", "How it was made", SECTION, _made, whole=True)
