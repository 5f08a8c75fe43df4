"""Report what background images changed for several segmenters (appendix C, figs 13 to 17)."""

from __future__ import annotations

from functools import partial

from howfar.figures.adaptation_curves import adaptation_curves_background
from howfar.figures.adaptations_bars import adaptations_bars
from howfar.figures.adaptations_rows import adaptations_rows
from howfar.figures.registration import Caption
from howfar.figures.suppression import suppression
from howfar.report.adaptations.beside import ABSENT, beside, curves, folder_of
from howfar.report.adaptations.captions import bars_caption, rows_caption
from howfar.report.parts import Context, FigurePart, Part, Section, TablePart
from howfar.report.suppression.text import lead, limits, sentences, table
from howfar.results.adaptations import Adaptations
from howfar.results.suppression import Suppression

FIGURES = {"deepcrack": "Figure 14", "unetplusplus": "Figure 15", "adsam": "Figure 16"}


def section(result: Suppression, context: Context) -> Section:
    """Make the section of a study of suppression."""
    studied = beside(result.of, context.folder)
    drawn = [] if studied is None else _figures(result, studied, context)
    return Section(
        lead=lead(result),
        sentences=sentences(result),
        parts=[
            FigurePart("shares", partial(suppression, result), _caption(result)),
            TablePart("shares", "False positives and their price", table(result), _TABLE),
            *drawn,
        ],
        limits=[*limits(result), *([ABSENT] if studied is None else [])],
    )


_TABLE = (
    "Share of the pixels of background above the model's own threshold, mean over images and seeds; its change from the same "
    "model without background, in percentage points; and what that cost on the secondaries. Brackets are 95 % intervals."
)


def _caption(result: Suppression) -> Caption:
    return Caption(
        "False positives and their price",
        f"Left: share of pixels of {result.background} that are taken for foreground although nothing is there. Right: how "
        "mean F of the secondaries changed by adding the background to what the model learnt from. Lines are 95 % intervals.",
        lead(result),
    )


def _figures(result: Suppression, studied: Adaptations, context: Context) -> list[Part]:
    """Make figs 13 to 17: pictures of the blind sets, or of the background without any; curves and bars of the secondaries."""
    datasets = studied.first.blind or (result.background,)
    rows = partial(adaptations_rows, studied, datasets, folder=folder_of(result.of, context.folder), background=True)
    bars = partial(adaptations_bars, studied, background=True)
    return [
        FigurePart("rows", rows, rows_caption(studied, datasets, background=True), "Figure 13"),
        *curves(studied, adaptation_curves_background, FIGURES),
        FigurePart("bars", bars, bars_caption(studied, background=True), "Figure 17"),
    ]
