"""Report the study of distances: tables 1 and 2, figs. 3 and 10, and the answer on datasets without cracks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures import Caption, registration
from howfar.figures.backbones import backbones_agreement, backbones_relative
from howfar.figures.distances import curve, half_violin, min_max
from howfar.figures.style import (
    I_DIST,
    MUTED,
    PRIMARY,
    WIDTH,
    DatasetRow,
    blank,
    drawing,
    first,
    head,
    head_panel,
    name_legend,
    name_rows,
    name_text,
    rows,
)
from howfar.paper import distance_table_answers
from howfar.paper.distance_table_answers import BackboneOrder, orders
from howfar.paper.printed_values import SHORT_ROWS, TABLE_2, scaled_rows
from howfar.report.section import Context, FigurePart, Part, Section, TablePart
from howfar.results import Comparison
from howfar.results.backbones import DistanceTable

COLUMNS: Final = 3
THIRDS: Final = (1 / 3, 2 / 3)


def violins(table: DistanceTable, *, limit: int = 12) -> Figure:
    """Draw the distribution of I^dist (mean form) in each secondary over the primary's own, a panel per backbone.

    After fig. 3 of Achara & Pandey. Each panel has an axis of its own, as each backbone has features of its own. Datasets stand
    in the study file's order; at most `limit` are drawn, the first.
    """
    height = 0.5 * min(len(table.secondaries), limit) + 0.75
    title = f"Distances of images from {name_text(table.primary)}; grey: its own images, leave-one-out"
    return _panels(table, title, limit, height, _violins, f"mean distance to the images of P ({I_DIST} / n)")


def sorted_thirds(table: DistanceTable, *, limit: int = 12) -> Figure:
    """Draw each secondary's images by increasing I^dist, scaled to 0-1, against rank share, a panel per backbone.

    After fig. 10 of Achara & Pandey, with upright lines between the thirds. At most `limit` datasets are drawn, the first.
    """
    title = f"Images in order of distance from {name_text(table.primary)}, scaled from 0 to 1 in each dataset"
    figure = _panels(table, title, limit, 2.5, _curves, "share of images, nearest first", legend=True)
    figure.supylabel(f"scaled {I_DIST}", fontsize=9.5)
    return figure


Draw = Callable[[Axes, list[DatasetRow]], None]


def _panels(
    table: DistanceTable, title: str, limit: int, height: float, draw: Draw, below: str, *, legend: bool = False
) -> Figure:
    """Lay out a panel per backbone, at most three in a row, and call `draw` to fill each."""
    shown, left_out = first(table.secondaries, limit)
    count = len(table.backbones)
    columns = min(COLUMNS, count)
    lines = -(-count // columns)
    with drawing():
        figure = blank(WIDTH if columns > 1 else 6.2, 1.1 + height * lines + (0.5 if legend else 0.0))
        panels = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel().tolist()
        for axes, comparison, feature in zip(panels, table.comparison.comparisons, table.features, strict=False):
            draw(axes, in_order(comparison, shown))
            kind = "trivial" if feature.trivial else f"M of {feature.model}" if feature.model else feature.registered
            head_panel(axes, feature.label, f"{kind}, q = {feature.length:,}")
        for spare in panels[count:]:
            spare.remove()
        if not legend:
            figure.supxlabel(below, fontsize=9.5)
        else:
            for axes in panels[:count][-columns:]:
                axes.set_xlabel(below)
            name_legend(figure, panels[0], min(len(shown), 6), handlelength=3)
        head(figure, title, left_out)
    return figure


def in_order(comparison: Comparison, names: list[str]) -> list[DatasetRow]:
    """Return the named secondaries of a comparison in the given order."""
    every, _ = rows(comparison, len(comparison.datasets))
    by_name = {row.name: row for row in every}
    return [by_name[name] for name in names]


def _violins(axes: Axes, shown: list[DatasetRow]) -> None:
    for position, row in enumerate(shown):
        half_violin(axes, row.distances, position, -1, row.look.colour, row.name)
        half_violin(axes, row.own, position, +1, PRIMARY, f"own:{row.name}")
    name_rows(axes, [name_text(row.name, 20) for row in shown])
    axes.set_ylim(len(shown) - 0.45, -0.55)
    axes.tick_params(labelsize=8.5)


def _curves(axes: Axes, shown: list[DatasetRow]) -> None:
    for share in THIRDS:
        axes.axvline(share, color=MUTED, lw=0.9, ls=(0, (2, 2)), label="_third", zorder=1)
    for row in shown:
        curve(axes, min_max(row.distances), row)
    axes.grid(True, axis="y")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.tick_params(labelsize=8.5)


def section(result: DistanceTable, context: Context) -> Section:
    """Build the section of a study of distances."""
    answers = orders(result, context.symbols)
    sentences = [
        distance_table_answers.evidence_sentence(answers),
        distance_table_answers.apart_sentence(answers),
        distance_table_answers.relative_sentence(answers),
        distance_table_answers.agreement_sentence(result),
        distance_table_answers.p_sentence(result),
        distance_table_answers.thirds_sentence(result),
    ]
    return Section(
        lead=distance_table_answers.lead(result, answers),
        sentences=list(filter(None, sentences)),
        parts=[*_tables(result, context, answers), *_figures(result)],
        limits=distance_table_answers.limits(result),
    )


def _tables(result: DistanceTable, context: Context, answers: dict[str, BackboneOrder]) -> list[Part]:
    printed = scaled_rows(TABLE_2, "model", result.secondaries, context.symbols)
    far = " The two farthest are marked, as in the paper." if len(result.secondaries) > distance_table_answers.FARTHEST else ""
    scaled = f"Each row is divided by its sum over the datasets.{far}{SHORT_ROWS if printed else ''}"
    raw = "Mean over the pairs of images, with 95 % bootstrap intervals over the images of both; times n it is the paper's sum."
    relative = "Over the mean distance of P's own images from each other, in the same subspace: 1 is as far as P's own images."
    asked = TablePart(
        "without-cracks", "Are the datasets without cracks the farthest?", distance_table_answers.without_cracks(answers)
    )
    return [
        TablePart("features", "What each backbone measures", distance_table_answers.features(result), "", "Table 1"),
        TablePart("scaled", "Row-scaled O^dist", distance_table_answers.scaled(result), scaled, "Table 2", printed),
        TablePart("relative", "Relative distance, with 95 % intervals", distance_table_answers.relative(result), relative),
        TablePart("raw", "O^dist in mean form, with 95 % intervals", distance_table_answers.raw(result), raw),
        *([asked] if answers else []),
        TablePart(
            "last-third",
            "Share of the range of I^dist that the last third of the images spans",
            distance_table_answers.last_thirds(result),
            "Of each dataset's images in order of distance: a third is an even rise, more is a steep end (appendix A.2).",
        ),
    ]


def _figures(result: DistanceTable) -> list[Part]:
    comparison = result.comparison
    relative, agreement = (registration("", draw).caption(comparison) for draw in (backbones_relative, backbones_agreement))
    several = len(result.backbones) > 1
    return [
        FigurePart("violins", partial(violins, result), _violins_caption(result), "Figure 3"),
        FigurePart("relative", partial(backbones_relative, comparison), relative),
        *([FigurePart("agreement", partial(backbones_agreement, comparison), agreement)] if several else []),
        FigurePart("thirds", partial(sorted_thirds, result), _thirds_caption(result), "Figure 10"),
    ]


def _violins_caption(result: DistanceTable) -> Caption:
    medians = []
    for comparison in result.comparison.comparisons:
        by_name = comparison.images.groupby("dataset", sort=False)["i_dist_mean"].median()
        medians.append(f"{comparison.backbone.name}: {', '.join(f'{name} {value:.3g}' for name, value in by_name.items())}")
    return Caption(
        "How the distances are spread, by each backbone",
        "One panel a backbone, with an axis of its own. Coloured: mean distance of each image to P's images; grey: of P's own "
        "images to the rest of P, in the same subspace. Bars span the quartiles, white dots are medians.",
        f"Half-violins of image distances. Medians by {'; '.join(medians)}.",
    )


def _thirds_caption(result: DistanceTable) -> Caption:
    return Caption(
        "Images in order of distance, by each backbone",
        "One panel a backbone, one line a dataset: distances scaled from 0 to 1 within the dataset, from its nearest image to "
        "its farthest. Upright lines part the thirds.",
        distance_table_answers.thirds_sentence(result) or "No dataset has three images.",
    )
