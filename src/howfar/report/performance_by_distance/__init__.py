"""Report how F goes with distance for every model of several segmenters (section 4.2, tables 3 to 5, figs 4 to 6)."""

from __future__ import annotations

from functools import partial

from howfar.figures.adaptation_curves import adaptation_curves
from howfar.figures.adaptation_models import by_shots, strategy_of
from howfar.figures.performance_slopes import performance_slopes
from howfar.figures.registration import Caption
from howfar.report.adaptations.beside import ABSENT, beside, curves
from howfar.report.adaptations.captions import as_called
from howfar.report.parts import Context, FigurePart, Part, Section, TablePart
from howfar.report.performance_by_distance.tables import parts, printed, slopes
from howfar.report.performance_by_distance.text import lead, limits, sentences
from howfar.results.adaptation import BASELINE, F_ODS, F_OWN
from howfar.results.adaptations import Adaptations
from howfar.results.performance_by_distance import PerformanceByDistance

TABLES = {"unetplusplus": "Table 3", "deepcrack": "Table 4", "adsam": "Table 5"}
FIGURES = {"deepcrack": "Figure 4", "unetplusplus": "Figure 5", "adsam": "Figure 6"}


def section(result: PerformanceByDistance, context: Context) -> Section:
    """Make the section of a study of performance by distance."""
    studied = beside(result.of, context.folder)
    return Section(
        lead=lead(result),
        sentences=sentences(result),
        parts=[
            *_unadapted(result, context),
            *([] if studied is None else _curves(studied)),
            FigurePart("slopes", partial(performance_slopes, result), _caption(result)),
            TablePart("slopes", "Slope of F at the dataset's best threshold", slopes(result, F_ODS), f"{_PAPER} {_SLOPES}"),
            TablePart("slopes-own", "Slope of F at each model's own threshold", slopes(result, F_OWN), f"{_HONEST} {_SLOPES}"),
            *_adapted(result),
        ],
        limits=[*limits(result), *([ABSENT] if studied is None else [])],
    )


_CELLS = (
    "F of the part at the threshold that is best for it, as in the paper (mean and standard deviation of scaled I^dist); parts "
    "by distance as M sees it, nearest first."
)
_PAPER = "F is at the threshold that is best for the dataset by that model, as in the paper, which looks at its labels."
_HONEST = "F is at the threshold tuned on P, which needs no label of the dataset."
_SLOPES = "Intervals are over photographs; all: within the secondaries, differences between them play no part."


def _unadapted(result: PerformanceByDistance, context: Context) -> list[Part]:
    """Make tables 3 to 5: halves and thirds by the unadapted model, one table a segmenter, beside the printed numbers."""
    return [
        TablePart(
            f"parts-{name}",
            f"F of nearer and farther images, {name} trained on {result.primary} alone",
            parts(result, name, [BASELINE]),
            _CELLS + _over(result),
            TABLES.get(architecture, ""),
            printed(result, architecture, context.symbols),
        )
        for name, architecture in zip(result.segmenters, result.architectures, strict=True)
    ]


def _adapted(result: PerformanceByDistance) -> list[Part]:
    """Make the same tables of the adapted models."""
    models = [model for model in dict.fromkeys(result.strata["model"]) if model != BASELINE]
    return [
        TablePart(
            f"parts-adapted-{name}",
            f"The same by the adapted models, {name}",
            parts(result, name, models),
            _CELLS + _over(result),
        )
        for name in result.segmenters
    ]


def _over(result: PerformanceByDistance) -> str:
    seeds = len(result.seeds)
    return f" Means over {seeds} seeds; after ± the standard deviation of F over them." if seeds > 1 else ""


def _curves(studied: Adaptations) -> list[Part]:
    models = [BASELINE, *by_shots(studied.first, strategy_of(studied.first))]
    return curves(studied, adaptation_curves, FIGURES, as_called(models))


def _caption(result: PerformanceByDistance) -> Caption:
    return Caption(
        "Slope of F on distance",
        f"One panel a segmenter, one row a model. Black: within all secondaries, with its 95 % interval over photographs; "
        f"hollow: single datasets. Within the band, of ±{result.flat:g}, a change counts as none; F is at the threshold that "
        "is best for the dataset, as in the paper.",
        lead(result),
    )
