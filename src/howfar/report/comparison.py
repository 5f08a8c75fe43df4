"""Report a comparison on one page: how far its datasets are, which images are nearly equal, and how it was made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from howfar.figures.performance import is_scored
from howfar.figures.pictures import ordered_pairs
from howfar.figures.style import nearest_first
from howfar.relation.correlation import spearman
from howfar.report import estimates, performance
from howfar.report.figures import draw_figures
from howfar.report.page import SectionKind, fill_sections, write_page
from howfar.report.performance import relation_settings
from howfar.report.rerun import rerun
from howfar.report.run_results import RunResults
from howfar.report.section import (
    AGREES,
    UNDEFINED,
    Cell,
    Column,
    Sentence,
    Table,
    agreement,
    count,
    facts,
    listing,
    name_cell,
    number,
    percentage,
    plural,
    ranks,
    sentence_case,
)
from howfar.results import BaselineSummary, Comparison, DatasetSummary, PrimarySummary, Relation
from howfar.results.assessment import Assessment
from howfar.wording import format_number, format_p, p_text, share, signed, times

ALPHA = 0.05
_FEWEST_FOR_CONFORMAL = 19


def lead(comparison: Comparison) -> str:
    """Answer in one or two sentences which secondary is nearest, which farthest, and whether that order is settled."""
    datasets, primary = comparison.datasets, comparison.primary.name
    if any(dataset.relative is None for dataset in datasets):
        return f"{_no_yardstick(comparison.primary)} What follows are raw distances from P, with no yardstick to read them by."
    ordered = sorted(datasets, key=_relative)
    near, far = ordered[0], ordered[-1]
    if len(ordered) == 1:
        return (
            f"{near.name} lies {times(_relative(near))} as far from {primary} as the images of {primary} lie from each other."
        )
    if times(_relative(near)) == times(_relative(far)):
        return f"All {len(ordered)} datasets lie equally far from {primary}: {times(_relative(near))} as far as its own images."
    text = (
        f"Of {len(ordered)} datasets {near.name} lies nearest to {primary} and {far.name} farthest: {times(_relative(near))} "
        f"and {times(_relative(far))} as far as its own images lie from each other."
    )
    return f"{text} {_settled(ordered)}".strip()


def sentence(primary: PrimarySummary, dataset: DatasetSummary) -> Sentence:
    """Say what the numbers tell of one secondary: how far, how many images are unusual, whether the sets differ.

    P is called P, as a page that shows many such sentences says once what P is.
    """
    parts = [_distance(dataset), _beyond(primary, dataset), _test(dataset)]
    return Sentence(dataset.name, "; ".join(part for part in parts if part) + ".")


def plain(primary: PrimarySummary, dataset: DatasetSummary) -> str:
    """Say in one sentence, in a newcomer's words, how far a secondary is; its number stands in the table above it."""
    home = primary.name
    low, high = (None, None) if dataset.relative_ci is None else dataset.relative_ci
    if dataset.relative is None:
        text = f"{dataset.name} {_raw(dataset, home)}, with no yardstick to read that by"
    else:
        text = f"{dataset.name} lies {times(dataset.relative)} as far as images of {home} lie apart"
    if low is not None and high is not None and low <= 1:
        text += ", as a set of little variety can" if high < 1 else ", so that it is not shown to be farther"
    unusual = _unusual(primary, dataset)
    differs = "" if dataset.p_value is None or (low is not None and low > 1) else _test(dataset)
    return f"{'; '.join(part for part in (text, unusual, differs) if part)}."


def _unusual(primary: PrimarySummary, dataset: DatasetSummary) -> str:
    if dataset.beyond is None or primary.n < _FEWEST_FOR_CONFORMAL or dataset.n == 1:
        return _beyond(primary, dataset, primary.name)
    if dataset.beyond == 0:
        return "none of its images is unusual there"
    return f"{share(dataset.beyond) if dataset.beyond < 1 else 'all'} of its images are unusual there"


def smallest_p(permutations: int, secondaries: int) -> float | None:
    """Compute the smallest p-value that Holm's correction of a permutation test can give."""
    return min(1.0, secondaries / (permutations + 1)) if permutations else None


def of_rivals(comparison: Comparison) -> str:
    """Say how the literature's distances are to be read: above 0 even for equal sets, and with how small a p."""
    from howfar.pipeline.bootstrap import MOST_RELABELLINGS

    read = (
        "A Fréchet or Wasserstein distance of two samples of one distribution is above 0, and so is its interval: what tells "
        "whether the sets differ is p."
    )
    permutations, secondaries = min(comparison.settings.permutations, MOST_RELABELLINGS), len(comparison.datasets)
    least = smallest_p(permutations, secondaries)
    if least is None:
        return read
    sets = "1 dataset" if secondaries == 1 else f"{secondaries} datasets"
    return (
        f"{read} {permutations:,} relabellings, as many as these distances take, and Holm's correction over {sets} cannot give "
        f"a p below {least:.3g}."
    )


def same_farthest(model: Mapping[str, float], views: Mapping[str, Mapping[str, float]]) -> tuple[str, list[str]]:
    """Name the dataset that the backbone puts farthest, and the trivial backbones that put it farthest too."""
    farthest = max(model, key=lambda name: model[name])
    return farthest, [backbone for backbone, view in views.items() if view[farthest] == max(view.values())]


def trivial_verdict(agreements: Mapping[str, float | None], count: int, farthest: str, also: Sequence[str]) -> str:
    """Conclude from how the trivial backbones order the secondaries.

    `agreements` are Spearman's correlations of each trivial backbone's order of `count` datasets with the backbone's;
    `farthest` and `also` are what `same_farthest` returns.
    """
    if not agreements:
        return ""
    if count < 3:
        return "With fewer than three secondary datasets, orders cannot tell the backbone from raw colour and layout."
    alike = [name for name, rho in agreements.items() if rho is not None and rho >= AGREES]
    if alike:
        return (
            f"{listing(alike)} alone {plural(len(alike), 'puts', 'put')} the datasets in much the same order as the "
            "backbone does: the order by itself is no evidence that the backbone sees more than colour and layout."
        )
    text = "No trivial backbone puts the datasets in the backbone's order, so that order is not colour and layout alone"
    if also:
        put = plural(len(also), "puts", "put")
        return f"{text}; but {listing(also)} {put} {farthest} farthest too, so that it is farthest proves little."
    return f"{text}, nor does one find {farthest} farthest."


def rank_changes(comparison: Comparison) -> list[str]:
    """Name the secondaries whose rank by raw O^dist is another than by `relative`; none where `relative` is undefined."""
    datasets = comparison.datasets
    if any(dataset.relative is None for dataset in datasets):
        return []
    raw, relative = ranks([dataset.o_dist_mean for dataset in datasets]), ranks([_relative(dataset) for dataset in datasets])
    return [dataset.name for dataset, a, b in zip(datasets, raw, relative, strict=True) if a != b]


def _relative(dataset: DatasetSummary) -> float:
    return float("nan") if dataset.relative is None else dataset.relative


def _no_yardstick(primary: PrimarySummary) -> str:
    if primary.n == 1:
        return f"{primary.name} is a single image, so it has no self-distance to measure others by."
    return f"The images of {primary.name} do not differ from each other, so there is no self-distance to measure others by."


def _settled(ordered: Sequence[DatasetSummary]) -> str:
    """Remark on intervals at the near or the far end that overlap with the neighbours'."""
    if all(_overlap(a.relative_ci, b.relative_ci) for a in ordered for b in ordered):
        return "All their intervals overlap, so the order is not settled."
    remarks = []
    for word, end in (("nearest", ordered), ("farthest", list(reversed(ordered)))):
        rivals = [other.name for other in end[1:] if _overlap(end[0].relative_ci, other.relative_ci)]
        if rivals:
            remarks.append(
                f"which is {word} is not settled: the interval of {end[0].name} overlaps with that of {listing(rivals)}"
            )
    return sentence_case("; ".join(remarks))


def _overlap(a: tuple[float, float] | None, b: tuple[float, float] | None) -> bool:
    return a is not None and b is not None and a[0] <= b[1] and b[0] <= a[1]


def _raw(dataset: DatasetSummary, home: str) -> str:
    return f"lies at a mean distance of {format_number(dataset.o_dist_mean)} from {home}"


def _distance(dataset: DatasetSummary) -> str:
    if dataset.relative is None:
        return _raw(dataset, "P")
    text = f"lies {times(dataset.relative)} as far from P as P's own images from each other"
    if dataset.relative_ci is None:
        return f"{text} (no interval)"
    low, high = dataset.relative_ci
    interval = f"95 % CI {low:.2f}–{high:.2f}"
    if low <= 1 <= high:
        return f"{text} ({interval}, which holds 1: neither farther nor nearer than P's own is shown)"
    if high < 1:
        return f"{text} ({interval}: nearer than these, as a set of little variety near P's centre can be)"
    return f"{text} ({interval})"


def _beyond(primary: PrimarySummary, dataset: DatasetSummary, home: str = "P") -> str:
    if dataset.beyond is None:
        return ""
    if primary.n < _FEWEST_FOR_CONFORMAL:
        return f"{home} has too few images ({primary.n}) to say which single images are unusual"
    own = f"farther than 95 % of {home}'s own"
    if dataset.n == 1:
        return f"this one image is {'' if dataset.beyond else 'not '}{own}"
    if dataset.beyond == 0:
        return f"none of its images is {own}"
    return f"{share(dataset.beyond) if dataset.beyond < 1 else 'all'} of its images are {own}"


def _test(dataset: DatasetSummary) -> str:
    if dataset.p_value is None:
        return "whether the two sets differ was not tested"
    if dataset.p_value <= ALPHA:
        farther = dataset.relative_ci is None or dataset.relative_ci[0] > 1
        return f"{'' if farther else 'even so '}the two sets differ ({p_text(dataset.p_value)})"
    return f"no evidence that the two sets differ ({p_text(dataset.p_value)})"


FARTHEST = 20
SUMMARY = ("n", "o_dist", "o_dist_mean", "o_dist_scaled", "relative", "energy", "p_value", "explained_variance")

MAIN_COLUMNS = (
    ("dataset", ""),
    ("n", "images measured"),
    (
        "O^dist (sum)",
        "the paper's distance (eq. 7): mean over S of the sum of distances to P's images; it grows with the size of P",
    ),
    ("O^dist (mean)", "the same over the size of P: mean distance of an image of S to an image of P"),
    ("row-scaled", "O^dist over its sum over all secondaries, as in tables 2 and 6 of the paper"),
    (
        "relative [95 % CI]",
        "O^dist over P's self-distance in the same subspace: the number to compare; 1 is as far as P's own images",
    ),
    ("energy", "energy distance of the two sets: 0 only where they are spread alike, which O^dist is not"),
    ("p", "permutation test of “S and P are one distribution”, Holm-corrected over the secondaries"),
    ("expl. var.", "share of the features' variance that the components keep; what is left out is not measured"),
)
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


def main(comparison: Comparison) -> Table:
    """Make the summary table: `Comparison.table()` with the share of unusual images beside it."""
    header, texts = comparison.table()
    explained = dict(MAIN_COLUMNS)
    columns = [Column(title, explained.get(title, "")) for title in header]
    columns.append(Column("beyond", "share of images farther than 95 % of P's own (conformal p at most 0.05); by chance 5 %"))
    rows = []
    for index, (dataset, cells) in enumerate(zip(comparison.datasets, texts, strict=True)):
        sorts = [getattr(dataset, name) for name in SUMMARY]
        numbers = (Cell(text, sort) for text, sort in zip(cells[1:], sorts, strict=True))
        rows.append((name_cell(dataset.name, index), *numbers, percentage(dataset.beyond)))
    return Table(tuple(columns), tuple(rows))


def intervals(comparison: Comparison) -> Table:
    """List what the summary table leaves out: intervals, self-distances, the uncorrected p, components."""
    columns = (
        Column("dataset"),
        Column("O^dist (mean), 95 % CI"),
        Column("P's self-distance", "leave-one-out, in this dataset's subspace: what `relative` divides by"),
        Column("energy, 95 % CI"),
        Column("p, uncorrected"),
        Column("z", "components kept"),
    )
    rows = [
        (
            name_cell(dataset.name, index),
            _interval(dataset.o_dist_mean_ci),
            number(dataset.self_distance),
            _interval(dataset.energy_ci),
            Cell(format_p(dataset.p_value_raw), dataset.p_value_raw),
            count(dataset.components),
        )
        for index, dataset in enumerate(comparison.datasets)
    ]
    return Table(columns, tuple(rows))


def neighbours(comparison: Comparison) -> Table:
    """Compare I^dist with the distance to the nearest primary images, over each set and in it; ranks that differ stand out."""
    by_mean = ranks([dataset.o_dist_mean for dataset in comparison.datasets])
    nearest = [_of_images(comparison, dataset, "knn") for dataset in comparison.datasets]
    by_nearest = ranks([sum(values) / len(values) for values in nearest])
    k = comparison.settings.neighbours
    columns = (
        Column("dataset"),
        Column("mean I^dist", "mean form, over the images of the set"),
        Column("rank", "among the secondaries, 1 is nearest"),
        Column("mean kNN", f"mean distance to the {k} nearest images of P"),
        Column("rank by kNN", "marked where it is another than by I^dist"),
        Column("within the set", "Spearman correlation of I^dist and kNN over the images of the set"),
    )
    rows = []
    for index, dataset in enumerate(comparison.datasets):
        within = spearman(_of_images(comparison, dataset, "i_dist_mean"), nearest[index])
        differs = by_mean[index] != by_nearest[index]
        by_distance = (number(dataset.o_dist_mean), Cell(f"{by_mean[index]:g}", by_mean[index]))
        rank = Cell(f"{by_nearest[index]:g}{' ≠' if differs else ''}", by_nearest[index], strong=differs)
        by_neighbours = (number(sum(nearest[index]) / len(nearest[index])), rank, Cell(signed(within), within))
        rows.append((name_cell(dataset.name, index), *by_distance, *by_neighbours))
    return Table(columns, tuple(rows))


def disagreeing(neighbours: Table) -> list[str]:
    """Name the secondaries that rank differently by mean I^dist and by mean kNN."""
    return [row[0].text for row in neighbours.rows if any(cell.strong for cell in row)]


def trivial_views(comparison: Comparison) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Collect the backbone's number for each secondary, and each trivial backbone's: which number, `trivial_measure` tells."""
    measure = trivial_measure(comparison)
    model = {dataset.name: float(getattr(dataset, measure)) for dataset in comparison.datasets}
    views: dict[str, dict[str, float]] = {}
    for baseline in comparison.baselines:
        views.setdefault(baseline.backbone, {})[baseline.dataset] = float(getattr(baseline, measure))
    return model, views


def trivial(comparison: Comparison) -> tuple[Table, dict[str, float | None]]:
    """Put the trivial backbones beside the backbone, each number with its rank.

    Returned beside the table is Spearman's correlation with the backbone's order by trivial backbone.
    """
    model, trivials = trivial_views(comparison)
    columns = {comparison.backbone.name: list(model.values())}
    columns |= {backbone: [view[name] for name in model] for backbone, view in trivials.items()}
    agreements = {backbone: spearman(list(model.values()), columns[backbone]) for backbone in trivials}
    order = {backbone: ranks(values) for backbone, values in columns.items()}
    rows = []
    for index, name in enumerate(model):
        cells = [Cell(f"{values[index]:.3f} ({order[key][index]:g})", values[index]) for key, values in columns.items()]
        rows.append((name_cell(name, index), *cells))
    return Table((Column("dataset"), *(Column(backbone) for backbone in columns)), tuple(rows)), agreements


def trivial_measure(comparison: Comparison) -> str:
    """Choose the number that trivial backbones are compared by: "relative" if it is always defined, else "o_dist_scaled"."""
    every: list[DatasetSummary | BaselineSummary] = [*comparison.datasets, *comparison.baselines]
    return "relative" if all(row.relative is not None for row in every) else "o_dist_scaled"


def agreements_text(agreements: dict[str, float | None], count: int) -> list[str]:
    """Say of each trivial backbone in which order it puts the datasets."""
    return [f"{backbone}: {agreement(rho, count)}" for backbone, rho in agreements.items()]


def rivals(comparison: Comparison) -> Table:
    """List the literature's dataset distances, each column with the rank it gives (1 is nearest)."""
    names = list(dict.fromkeys(name for dataset in comparison.datasets for name in dataset.rivals))
    titled = [RIVAL_MEASURES.get(name, (name, "")) for name in names]
    values = {name: [dataset.rivals.get(name, math.nan) for dataset in comparison.datasets] for name in names}
    order = {name: ranks(column) for name, column in values.items()}
    rows = []
    for index, dataset in enumerate(comparison.datasets):
        cells = [_ranked(values[name][index], order[name][index]) for name in names]
        rows.append((name_cell(dataset.name, index), *cells))
    return Table((Column("dataset"), *(Column(*title) for title in titled)), tuple(rows))


def rival_intervals(comparison: Comparison) -> Table:
    """List interval and p-value of each of the literature's distances, by distance."""
    header, texts = comparison.rivals_table()
    explained = {
        "95 % CI": "bootstrap over the images of both sets; of kNN and Mahalanobis over the secondary's alone",
        "p": "permutation test of “S and P are one distribution” by this distance, Holm-corrected over the secondaries",
    }
    index_of = {dataset.name: index for index, dataset in enumerate(comparison.datasets)}
    rows = [
        (Cell(RIVAL_MEASURES.get(distance, (distance, ""))[0]), name_cell(dataset, index_of[dataset]), *map(Cell, cells))
        for distance, dataset, *cells in texts
    ]
    return Table(tuple(Column(title, explained.get(title, "")) for title in header), tuple(rows))


def farthest(comparison: Comparison, most: int = FARTHEST) -> Table:
    """List the images farthest from the primary dataset, by distance over its self-distance in the image's own subspace."""
    index_of = {dataset.name: index for index, dataset in enumerate(comparison.datasets)}
    units = {dataset.name: dataset.self_distance or 1.0 for dataset in comparison.datasets}
    frame = comparison.images.assign(over=comparison.images["i_dist_mean"] / comparison.images["dataset"].map(units))
    top = frame.sort_values(["over", "dataset", "image"], ascending=[False, True, True], kind="stable").head(most)
    columns = (
        Column("image"),
        Column("dataset"),
        Column("I^dist (mean)", "mean distance to P's images"),
        Column("over P's own", "the same over P's self-distance in that subspace; the table is sorted by it"),
        Column("kNN", "mean distance to the nearest images of P"),
        Column("percentile", "share of P's own images that are nearer to the rest of P"),
        Column("p", "conformal p-value: at most 0.05 for one in twenty of P's own kind"),
    )
    rows = []
    for record in top.to_dict("records"):
        index = index_of[str(record["dataset"])]
        over = record["over"] if comparison.datasets[index].self_distance else None
        numbers = (number(value) for value in (record["i_dist_mean"], over, record["knn"], record["percentile"]))
        image, dataset = Cell(str(record["image"])), name_cell(str(record["dataset"]), index)
        rows.append((image, dataset, *numbers, number(record["p_value"], 2)))
    return Table(columns, tuple(rows))


def settings(comparison: Comparison) -> Table:
    """List what the caller chose."""
    named = {"components": "components (z)", "bootstrap": "bootstrap resamples", "neighbours": "neighbours (kNN)"}
    return facts({named.get(name, name): _setting(value) for name, value in asdict(comparison.settings).items()})


def _setting(value: object) -> str:
    if value is None or value == ():
        return "none set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else _fact(value)


def backbone(comparison: Comparison) -> Table:
    """List what was measured with: name, length, layers, and the identity, a nested part of it as one line for each key."""
    named = comparison.backbone
    values = {"name": named.name, "feature length (q)": f"{named.length:,}"}
    if len(named.layers) > 1:
        values["layers"] = " + ".join(f"{length:,}" for length in named.layers)
    for key, value in named.identity.items():
        inner = value.items() if isinstance(value, Mapping) else [(None, value)]
        values |= {
            f"{key}: {part}" if part else key: _fact(item) for part, item in inner if (key, item) != ("name", named.name)
        }
    return facts(values)


def model(assessment: Assessment) -> Table | None:
    """List what the assessed maps depend on; None for a run of an earlier version, which does not say."""
    identity = {key: _fact(value) for key, value in assessment.identity.items()}
    return facts({"name": assessment.model, **identity}) if identity else None


def skipped(comparison: Comparison) -> Table:
    """List the files that could not be used, and why."""
    rows = [(Cell(file.path), Cell(file.dataset), Cell(file.reason)) for file in comparison.skipped]
    return Table((Column("file"), Column("dataset"), Column("reason")), tuple(rows))


def leaks(comparison: Comparison) -> Table:
    """List the images that are in the primary dataset and in a secondary too, byte for byte."""
    rows = [(Cell(leak.image), Cell(leak.dataset), Cell(leak.primary_image)) for leak in comparison.leaks]
    return Table((Column("image"), Column("dataset"), Column(f"the same file in {comparison.primary.name}")), tuple(rows))


def _of_images(comparison: Comparison, dataset: DatasetSummary, column: str) -> Sequence[float]:
    images = comparison.images
    return [float(value) for value in images.loc[images["dataset"] == dataset.name, column]]


def _fact(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return "none" if value is None else str(value)


def _ranked(value: float, rank: float) -> Cell:
    return UNDEFINED if math.isnan(value) else Cell(f"{format_number(value).replace('-', '−')} ({rank:g})", value)


def _interval(interval: tuple[float, float] | None) -> Cell:
    if interval is None:
        return UNDEFINED
    low, high = interval
    return Cell(f"{format_number(low)} – {format_number(high)}", low)


MOST = 200


def counts(comparison: Comparison) -> Table:
    """Count pairs by dataset and by what they are copies of."""
    columns = (
        Column("images of"),
        Column("that are images of"),
        Column("equal", "byte for byte"),
        Column("nearly equal", "saved anew, resized, cropped a little, mirrored, of one burst …"),
        Column("left out", "of all that was measured, as --leaks drop asks"),
    )
    rows = []
    for (dataset, other), pairs in comparison.near_duplicates.groupby(["dataset", "other_dataset"], sort=False):
        equal = int((pairs["kind"] == "equal").sum())
        same = Cell(f"{other} itself" if dataset == other else str(other))
        rows.append((Cell(str(dataset)), same, count(equal), count(len(pairs) - equal), count(int(pairs["dropped"].sum()))))
    return Table(columns, tuple(rows))


def pairs(comparison: Comparison, most: int = MOST) -> Table:
    """List pairs in the order of the figure: those with the primary dataset first, the least alike first; at most so many."""
    columns = (
        Column("image"),
        Column("dataset"),
        Column("is"),
        Column("the image"),
        Column("of"),
        Column("equal bits", "share of the 256 bits of their perceptual hashes that are equal; unrelated images have a half"),
        Column("found by", "content: the same bytes; hash: of all pairs; features: among the five nearest images of P too"),
    )
    rows = []
    for row in ordered_pairs(comparison).head(most).to_dict("records"):
        kind = "equal to" if row["kind"] == "equal" else "nearly, mirrored," if row["mirrored"] else "nearly"
        names = (Cell(row["image"]), Cell(row["dataset"]), Cell(kind), Cell(row["other"]), Cell(row["other_dataset"]))
        rows.append((*names, percentage(row["agreement"]), Cell(row["found_by"])))
    return Table(columns, tuple(rows))


def _near_duplicates_content(comparison: Comparison, _: Relation | None) -> Mapping[str, Any] | None:
    if not len(comparison.near_duplicates):
        return None
    return {
        "counts": counts(comparison),
        "pairs": pairs(comparison),
        "total": len(comparison.near_duplicates),
    }


NEAR_DUPLICATES = SectionKind("near_duplicates", "Near duplicates", "near_duplicates/section.html.j2", _near_duplicates_content)


TEMPLATE = "comparison/page.html.j2"


def write_report(
    comparison: Comparison, folder: str | Path, relation: Relation | None = None, assessment: Assessment | None = None
) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    The page is whole in itself: it asks for no other file and no address, and can be read without scripts.

    Parameters
    ----------
    comparison
        The result.
    folder
        A run folder; made where it is not there, what is in it by these names is replaced.
    relation
        How performance goes with distance in this run; by default the one that `folder` holds, where it holds one. Without
        it the page is about distance alone.
    assessment
        The answers about this run's sites; by default those that `folder` holds, where they are of this relation.

    Returns
    -------
    Path
        ``folder/report.html``.

    Raises
    ------
    InputError
        The relation is of another run.
    StoreError, MissingPathError
        The one in the folder is damaged.
    """
    run = RunResults.of(comparison, Path(folder), relation, assessment)
    results = {"figures": run.comparison, "relation_figures": run.relation, "assessment_figures": run.assessment}
    figures = draw_figures(results, folder)
    sections = fill_sections(run.comparison, run.relation, figures, run.assessment, run.whole)
    return write_page(TEMPLATE, {"c": run.comparison, "sections": sections}, folder, figures)


def _answer(comparison: Comparison, relation: Relation | None, assessment: Assessment | None) -> Mapping[str, Any]:
    measured = relation is not None and is_scored(relation)
    return {
        "lead": lead(comparison),
        "sentences": [
            (sentence(comparison.primary, comparison.datasets[index]), name_cell("", index).colour)
            for index in nearest_first(comparison)
        ],
        "verdict": _verdict(comparison),
        # The section before this one says them where there is an assessment.
        "warnings": relation.warnings() if relation is not None and assessment is None else [],
        "measured": (performance.lead(relation), estimates.distance(relation)) if relation and measured else None,
        "expected": relation is not None and bool(estimates.unlabelled(relation)),
    }


def _verdict(comparison: Comparison) -> str:
    agreements, views = trivial(comparison)[1], trivial_views(comparison)
    return trivial_verdict(agreements, len(comparison.datasets), *same_farthest(*views))


def _distances(comparison: Comparison, _: Relation | None) -> Mapping[str, Any]:
    return {
        "main": main(comparison),
        "intervals": intervals(comparison),
        "smallest_p": smallest_p(comparison.settings.permutations, len(comparison.datasets)),
    }


def _reading(comparison: Comparison, _: Relation | None) -> Mapping[str, Any]:
    near, changed = neighbours(comparison), rank_changes(comparison)
    differing = disagreeing(near)
    return {
        "neighbours": near,
        "disagreeing": listing(differing) if differing else "",
        "changed": listing(changed) if changed else "",
    }


def _trivial(comparison: Comparison, _: Relation | None) -> Mapping[str, Any] | None:
    if not comparison.baselines:
        return None
    table, agreements = trivial(comparison)
    return {
        "trivial": table,
        "measure": trivial_measure(comparison),
        "agreements": agreements_text(agreements, len(comparison.datasets)),
        "verdict": _verdict(comparison),
    }


def _rivals(comparison: Comparison, _: Relation | None) -> Mapping[str, Any]:
    return {
        "rivals": rivals(comparison),
        "rival_intervals": rival_intervals(comparison),
        "of_rivals": of_rivals(comparison),
    }


def _files(comparison: Comparison, _: Relation | None) -> Mapping[str, Any]:
    return {"skipped": skipped(comparison), "leaks": leaks(comparison)}


def _made(comparison: Comparison, relation: Relation | None, assessment: Assessment | None = None) -> Mapping[str, Any]:
    return {
        "backbone": backbone(comparison),
        "settings": settings(comparison),
        "chosen": None if relation is None else relation_settings(relation),
        "model": None if assessment is None else model(assessment),
        "rerun": (assessment.command if assessment is not None else "") or rerun(comparison, relation),
    }


ANSWER = SectionKind("answer", "In short", TEMPLATE, _answer)
DISTANCES = SectionKind("distances", "Distances", TEMPLATE, _distances)
READING = SectionKind("reading", "Reading them", TEMPLATE, _reading)
TRIVIAL = SectionKind("trivial", "Trivial backbones", TEMPLATE, _trivial)
IMAGES = SectionKind("images", "Images", TEMPLATE, lambda comparison, _: {"farthest": farthest(comparison)})
RIVALS = SectionKind("rivals", "Other distances", TEMPLATE, _rivals)
FILES = SectionKind("files", "Files", TEMPLATE, _files)
MADE = SectionKind("made", "How it was made", TEMPLATE, _made, whole=True)
