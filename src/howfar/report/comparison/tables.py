"""Make tables of the distances of datasets and images, by the backbone, trivial backbones and other measures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from howfar.numbers import format_number, format_p, signed
from howfar.relation.spearman import spearman
from howfar.report.tables import UNDEFINED, Cell, Column, Table, count, facts, name_cell, number, percentage
from howfar.report.text import agreement, ranks
from howfar.results import BaselineSummary, Comparison, DatasetSummary
from howfar.results.assessment import Assessment

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
RIVALS = {
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
    titled = [RIVALS.get(name, (name, "")) for name in names]
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
        (Cell(RIVALS.get(distance, (distance, ""))[0]), name_cell(dataset, index_of[dataset]), *map(Cell, cells))
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
