"""Report the study of distances: tables 1 and 2, figs. 3 and 10, and whether the datasets without cracks are farthest."""

from __future__ import annotations

from functools import partial

from howfar.figures.backbones import backbones_agreement, backbones_relative
from howfar.figures.distance_panels import sorted_thirds, violins
from howfar.figures.registration import Caption, registration
from howfar.report.distance_table import tables, text
from howfar.report.distance_table.order import Order, orders
from howfar.report.parts import Context, FigurePart, Part, Section, TablePart
from howfar.report.printed import SHORT_ROWS, TABLE_2, scaled_rows
from howfar.results.distance_table import DistanceTable


def section(result: DistanceTable, context: Context) -> Section:
    """Make the section of a study of distances."""
    answers = orders(result, context.symbols)
    sentences = [
        text.evidence_sentence(answers),
        text.apart_sentence(answers),
        text.relative_sentence(answers),
        text.agreement_sentence(result),
        text.p_sentence(result),
        text.thirds_sentence(result),
    ]
    return Section(
        lead=text.lead(result, answers),
        sentences=list(filter(None, sentences)),
        parts=[*_tables(result, context, answers), *_figures(result)],
        limits=text.limits(result),
    )


def _tables(result: DistanceTable, context: Context, answers: dict[str, Order]) -> list[Part]:
    printed = scaled_rows(TABLE_2, "model", result.secondaries, context.symbols)
    far = " The two farthest are marked, as in the paper." if len(result.secondaries) > tables.FARTHEST else ""
    scaled = f"Each row is divided by its sum over the datasets.{far}{SHORT_ROWS if printed else ''}"
    raw = "Mean over the pairs of images, with 95 % bootstrap intervals over the images of both; times n it is the paper's sum."
    relative = "Over the mean distance of P's own images from each other, in the same subspace: 1 is as far as P's own images."
    asked = TablePart("without-cracks", "Are the datasets without cracks the farthest?", tables.without_cracks(answers))
    return [
        TablePart("features", "What each backbone measures", tables.features(result), "", "Table 1"),
        TablePart("scaled", "Row-scaled O^dist", tables.scaled(result), scaled, "Table 2", printed),
        TablePart("relative", "Relative distance, with 95 % intervals", tables.relative(result), relative),
        TablePart("raw", "O^dist in mean form, with 95 % intervals", tables.raw(result), raw),
        *([asked] if answers else []),
        TablePart(
            "last-third",
            "Share of the range of I^dist that the last third of the images spans",
            tables.last_thirds(result),
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
        text.thirds_sentence(result) or "No dataset has three images.",
    )
