"""Write a report's sections on a model's score by distance, and on distance and score by slice, such as one camera or day."""

from collections.abc import Sequence

from howfar.figures.performance_figures import VERDICTS
from howfar.formatting_and_escaping import signed
from howfar.report import section as doc
from howfar.report.page import SECTION, SectionKind
from howfar.results import Comparison, DistancePart, Interval, Relation
from howfar.results.relation_result import BLANK, EMPTY, Slice, slice_columns, too_small, without_foreground


def dataset_cells(relation: Relation) -> dict[str, doc.Cell]:
    """Return cells with each dataset's name, labelled or not, in its colour in the figures."""
    return doc.name_cells(relation.images["dataset"])


def levels(relation: Relation) -> doc.Table:
    """List each labelled dataset's performance: the mean, and F at the common and its own best threshold if there are any."""
    tuned, names = relation.settings.threshold is not None, dataset_cells(relation)
    at = " at the common threshold" if tuned else ""
    pooled = "performance of all its pixels pooled, at the common threshold"
    best = "the same at the threshold that is best for this dataset, which looks at its labels"
    scored = "those that have a performance: an image without a label, or with nothing to find, has none"
    verdict = "how performance goes with distance within the dataset"
    return doc.tabulate(
        relation.datasets,
        ("dataset", "", lambda row: names[row.name]),
        ("images", "measured images of the dataset", lambda row: doc.count(row.n)),
        ("scored", scored, lambda row: doc.count(row.scored)),
        ("mean", f"mean performance of its images{at}: what estimates below aim at", lambda row: doc.decimal(row.mean)),
        ("pooled", pooled, lambda row: doc.decimal(row.pooled), tuned),
        ("ODS", best, lambda row: doc.decimal(row.ods), tuned),
        ("at threshold", "where the ODS is reached", lambda row: doc.decimal(row.ods_threshold, 2), tuned),
        ("verdict", verdict, lambda row: doc.Cell(VERDICTS[row.verdict.kind])),
    )


def trends(relation: Relation) -> doc.Table:
    """List each labelled dataset's correlations and slopes with intervals, also pooled within the datasets."""
    names = dataset_cells(relation)
    rows = [(names[row.name], row.trend) for row in relation.datasets if row.trend is not None]
    grouped = any(trend.groups != trend.n for _, trend in rows)
    partial = any(trend.partial is not None for _, trend in rows)
    if relation.pooled is not None and len(rows) > 1:
        rows.append((doc.Cell("all, each within itself", strong=True), relation.pooled))
    spearman = "rank correlation of distance and performance: below 0, farther images do worse"
    kendall = "the same by pairs (τ-b), in which outlying images weigh less"
    slope = "change of performance from the nearest image (0) to the farthest (1), by least squares"
    held = "with the share of true foreground held fixed, on which F depends: far images may only hold thinner objects"
    photographs = "photographs that they come from, which the intervals resample"
    return doc.tabulate(
        rows,
        ("dataset", "", lambda row: row[0]),
        ("images", "that have a performance", lambda row: doc.count(row[1].n)),
        ("groups", photographs, lambda row: doc.count(row[1].groups), grouped),
        ("Spearman", spearman, lambda row: coefficient(row[1].spearman)),
        ("Kendall", kendall, lambda row: coefficient(row[1].kendall)),
        ("slope", slope, lambda row: coefficient(row[1].slope)),
        ("Spearman, given foreground", held, lambda row: coefficient(row[1].partial), partial),
    )


def parts(relation: Relation, attribute: str) -> doc.Table:
    """Build one of the paper's tables 3-5: F (μ, σ) of each dataset's "halves" or "thirds", nearest first."""
    labels = ("nearest half", "farthest half") if attribute == "halves" else ("nearest third", "middle third", "farthest third")
    cuts: dict[str, Sequence[DistancePart]] = {row.name: getattr(row, attribute) for row in relation.datasets}
    cuts = {name: cut for name, cut in cuts.items() if len(cut) == len(labels)}
    # Without thresholds there is nothing to re-tune, and the two columns would be row twice.
    retuned = any(part.threshold is not None for cut in cuts.values() for part in cut)
    of_sums = "of the counts summed over the part's images at the common threshold, as in the paper: not the mean of its images"
    what = of_sums if retuned else "mean over the part's images"
    explained = f"performance (μ, σ): {what}; in brackets mean and standard deviation of its scaled distances"
    titles = ("{} (pooled)", "{}, re\u2011tuned") if retuned else ("{}",)
    header, names = [title.format(label) for label in labels for title in titles], dataset_cells(relation)
    meanings = dict(zip(header, (explained, _RETUNED)[: len(titles)], strict=False))
    meanings["change"] = f"{labels[-1]} less {labels[0]}{', at the common threshold' if retuned else ''}"

    def row(name: str) -> list[doc.Cell]:
        cells = [cell(part) for part in cuts[name] for cell in (_part, _retuned)[: len(titles)]]
        near, far = cuts[name][0].performance_common, cuts[name][-1].performance_common
        return [names[name], *cells, doc.change(None if near is None or far is None else far - near)]

    return doc.from_texts(["dataset", *header, "change"], map(row, cuts), meanings)


_RETUNED = "performance at the threshold that is best for the part, as in the paper, and that threshold; it looks at labels"


def relation_settings(relation: Relation) -> doc.Table:
    """List the caller's settings, and the time of the relation."""
    chosen = relation.settings
    values = {
        "performance": relation.metric,
        "common threshold": "none" if chosen.threshold is None else chosen.threshold_source,
        "τ (failed below)": f"{chosen.tau:g}",
        "flat (no change)": f"{chosen.flat:g}",
        "level of intervals": f"{chosen.level:g}",
        "error rate of lists": f"{chosen.error_rate:g}",
        "estimator": relation.estimator or "none",
        "bootstrap resamples": f"{chosen.bootstrap:,}",
        "seed": f"{chosen.seed}",
        "photograph": "each image for itself" if chosen.group is None else chosen.group,
        "made": relation.provenance.created.replace("T", " ").replace("+00:00", " UTC"),
    }
    return doc.facts(values)


def coefficient(value: Interval | None) -> doc.Cell:
    """Format a coefficient with its interval."""
    return doc.UNDEFINED if value is None else doc.interval_cell(value, signed)


def _part(part: DistancePart) -> doc.Cell:
    if part.performance_common is None:
        return doc.UNDEFINED
    return doc.f_mu_sigma(part.performance_common, part.distance_mean, part.distance_std)


def _retuned(part: DistancePart) -> doc.Cell:
    if part.performance is None:
        return doc.UNDEFINED
    if part.threshold is None:
        return doc.decimal(part.performance)
    return doc.Cell(f"{part.performance:.3f} at {part.threshold:.2f}", part.performance, numbers=(("at", part.threshold),))


def lead(relation: Relation) -> str:
    """State the verdict over all labelled datasets together; for a single dataset, its own verdict."""
    scored = [dataset for dataset in relation.datasets if dataset.scored]
    if not scored:
        return "No image of this run has a performance, so nothing can be said of how performance goes with distance."
    if len(scored) == 1 or relation.pooled_verdict is None:
        return f"{scored[0].name}: {scored[0].verdict.text.rstrip('.')}."
    own = f"This is over {len(scored)} datasets together, each image compared with those of its own dataset only."
    return f"{relation.pooled_verdict.text.rstrip('.')}. {own}"


def tally(relation: Relation) -> str:
    """Count the datasets whose performance falls, rises, is consistent, or is inconclusive; return "" for a single one."""
    if len(relation.datasets) < 2:
        return ""
    begins = {"falls": "it", "rises": "it", "consistent": "it is", "none": "there is"}
    parts = []
    for kind, begin in begins.items():
        names = [dataset.name for dataset in relation.datasets if dataset.verdict.kind == kind]
        if names:
            parts.append(f"{begin} {VERDICTS[kind]} in {len(names)} ({doc.listing(names)})")
    return f"Dataset by dataset, {'; '.join(parts)}."


def unknown(relation: Relation) -> str:
    """Name the datasets without performances; return "" if all have some."""
    scored = {dataset.name for dataset in relation.datasets if dataset.scored}
    names = [name for name in map(str, dict.fromkeys(relation.images["dataset"])) if name not in scored]
    if not names or not scored:
        return ""
    blank = without_foreground(relation.images)
    names = [f"{name} ({BLANK})" if name in blank else name for name in names]
    expected = ": what to expect there stands under Estimates" if relation.estimates else ""
    return f"No performance is known of {doc.listing(names)}{expected}."


def _performance(_: Comparison, relation: Relation | None) -> doc.Section | None:
    if relation is None:
        return None
    table = levels(relation)
    chosen, shared = relation.settings, ""
    if chosen.threshold is not None:
        shared = f" The threshold that all images share is {chosen.threshold_source}."
    scaled = (
        f"Performance of an image: {relation.metric}.{shared} Distances are scaled to 0–1 within each dataset and every trend "
        "is a dataset's own: datasets are never mixed, as one that is harder and farther would make a trend by itself."
    )
    verdicts = (
        "“Falls” and “rises” stand where the interval of the slope lies wholly on one side of 0. “Consistent” stands only "
        f"where that interval holds 0 and rules out a change of more than {chosen.flat:g}, and mean performance is at least "
        f"τ = {chosen.tau:g}: a flat curve at a low level is no consistency. Everything else is “no evidence either way”."
    )
    halves = "Performance of the near and the far half, as in tables 3a to 5a of the paper"
    thirds = "Performance of the thirds by distance, as in tables 3b to 5b of the paper"
    cut = {name: parts(relation, name) for name in ("halves", "thirds")}
    tables: list[doc.Part] = [
        *doc.shown("levels", "Performance of the labelled datasets", table, "Levels"),
        *doc.shown("trends", "How performance goes with distance", trends(relation), "Trends, with 95 % intervals"),
        *doc.shown("halves", halves, cut["halves"], "Near and far halves"),
        *doc.shown("thirds", thirds, cut["thirds"], "Thirds", explained=False),
        doc.RegisteredFigure("parts"),
        doc.RegisteredFigure("thresholds"),
    ]
    of_labelled: list[doc.Part] = [
        doc.RegisteredFigure("performance"),
        doc.Disclosure("How performance is measured, and what the verdicts mean", [doc.Text([scaled, verdicts], "prose")]),
        doc.Disclosure("Levels, trends, halves and thirds, and thresholds", tables),
    ]
    said = f"{tally(relation)} {unknown(relation)}".strip()
    parts_shown = [*(of_labelled if table.rows else []), *doc.notes("Notes on performance", relation.notes)]
    return doc.Section(lead(relation), parts_shown, [said] if said else [])


PERFORMANCE = SectionKind("performance", "Performance", SECTION, _performance)


SIGNIFICANCE = 0.05
EXPLAINED = {
    "n": "images in the slice",
    "scored": "images that have a performance",
    "relative [95 % CI]": "mean distance over P's self-distance, as of the dataset; the interval is over the slice's images, "
    "with P's held fixed",
    "over 95th percentile": "share of images that are farther than 95 % of P's own",
    "mean [95 % CI]": "mean performance of the scored images; the interval is over photographs",
    "less the rest": "the slice's mean less that of the rest of its dataset",
    "p": "permutation test of “this slice is like the rest of its dataset”, Holm-corrected over the slices of the column",
    "energy [95 % CI]": "energy distance of the slice from P, which is 0 only where they are spread alike; P's images are held "
    "fixed in the interval",
    "p of energy": "the same test by the energy distance, corrected alike",
    "estimate": "mean performance that is estimated without the labels of the slice's dataset",
    "listed": "images that are listed as probable failures",
}


def slice_lead(by_distance: Sequence[Slice], by_performance: Sequence[Slice]) -> str:
    """Name the slices that are clearly farther or score clearly worse than the rest of their dataset."""
    far = [each for each in by_distance if _clear(each) and (each.difference or 0) > 0]
    worse = [each for each in by_performance if _clear(each) and (each.difference or 0) < 0]
    sentences = [_sentence(far, "lies", "lie", "farther")] if by_distance else []
    return " ".join([*sentences, *([_sentence(worse, "does", "do", "worse")] if by_performance else [])])


def _sentence(slices: Sequence[Slice], verb: str, many: str, how: str) -> str:
    if not slices:
        return f"No slice is shown to {many} {how} than the rest of its dataset."
    names = doc.listing([f"{each.column} = {each.value or EMPTY} of {each.dataset}" for each in slices])
    does, of = (doc.plural(len(slices), *words) for words in ((verb, many), ("its", "their")))
    return f"{names} {does} {how} than the rest of {of} dataset."


def _clear(each: Slice) -> bool:
    return each.p_value is not None and each.p_value <= SIGNIFICANCE


def _slices(comparison: Comparison, relation: Relation | None) -> doc.Section | None:
    performance = () if relation is None else relation.slices
    if not comparison.slices and not performance:
        return None
    names = doc.name_cells(dataset.name for dataset in comparison.datasets)
    parts: list[doc.Part] = []
    # The slices by distance, the farthest first, then by performance, the worst first.
    for title, slices in (("Distance", comparison.slices), ("Performance", performance)):
        table, small = doc.declared(slices, slice_columns(slices), EXPLAINED, names), too_small(slices)
        summary = f"{len(slices)} slice{doc.plural(len(slices), '', 's, the worst first')}"
        parts += doc.shown(title, f"{title} by slice", table, f"{title} by slice", summary=summary, style="named")
        parts += doc.texts(f"{small}." if small else "")
    return doc.Section(slice_lead(comparison.slices, performance), parts)


SLICES = SectionKind("slices", "Slices", SECTION, _slices)
