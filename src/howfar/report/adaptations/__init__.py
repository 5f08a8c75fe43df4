"""Report the adaptation of several segmenters: what a few labelled images of each dataset gained (section 4.3, figs 7 to 9)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from howfar.figures.adaptation_bars import is_scored
from howfar.figures.adaptation_models import RANDOM, strategies, strategy_of
from howfar.figures.adaptations_bars import adaptations_bars
from howfar.figures.adaptations_rows import adaptations_rows
from howfar.report.adaptation import tables, text
from howfar.report.adaptations.captions import bars_caption, rows_caption
from howfar.report.adaptations.stacked import disagreement, lead, stacked
from howfar.report.parts import Context, FigurePart, Part, Section, TablePart
from howfar.report.tables import Table
from howfar.results.adaptation import Adaptation
from howfar.results.adaptations import Adaptations


def section(result: Adaptations, context: Context) -> Section:
    """Make the section of a study of adaptation."""
    figures: list[Part] = []
    if any(map(is_scored, result.adaptations)):
        figures.append(FigurePart("bars", partial(adaptations_bars, result), bars_caption(result), "Figure 7"))
    figures.append(_rows(result, context.folder, result.first.secondaries, "rows", "Figure 8"))
    if result.first.blind:
        figures.append(_rows(result, context.folder, result.first.blind, "rows-blind", "Figure 9"))
    return Section(
        lead=lead(result),
        sentences=_sentences(result),
        parts=[figures[0], *_tables(result), *figures[1:], *_made(result)],
        limits=text.limits(result.first),
    )


def _sentences(result: Adaptations) -> list[str]:
    """Say for each segmenter how the choice did beside random, and whether both Fs say the same."""
    compared = RANDOM in strategies(result.first) and strategy_of(result.first) != RANDOM
    rivals = [f"{name}: {text.against_random(study)}" for name, study in result.runs().items()]
    return [*(rivals if compared else [text.against_random(result.first)]), disagreement(result)]


def _tables(result: Adaptations) -> list[Part]:
    parts: list[Part] = [
        TablePart("gains", "Gain over M", stacked(result, tables.gains), _GAINED),
        TablePart("mean-f", "Mean F at each model's own threshold", stacked(result, _mean_f), f"{_HONEST}{_over(result)}"),
        TablePart("ods", "ODS, as in the paper", stacked(result, _ods), f"{_PAPER}{_over(result)}"),
    ]
    rivals = stacked(result, tables.against_random)
    if rivals.rows:
        parts.append(TablePart("over-random", "Beside as many images drawn at random", rivals, _RIVALS))
    return parts


_GAINED = "Change of mean F from M on images that no model learnt from, each model at its own threshold, with 95 % intervals."
_HONEST = "Mean of the images' F at the threshold tuned on P, which no label of the dataset chose."
_PAPER = "F of the dataset's summed counts at the threshold that is best for it, which looks at its labels."
_RIVALS = "Difference from the model that learnt from as many images drawn at random."


def _mean_f(study: Adaptation) -> Table:
    return tables.scores(study, "mean_f")


def _ods(study: Adaptation) -> Table:
    return tables.scores(study, "ods")


def _over(result: Adaptations) -> str:
    seeds = len(tables.shared_seeds(result.first))
    return f" Means over {seeds} seeds; in brackets the lowest and the highest." if seeds > 1 else ""


def _made(result: Adaptations) -> list[Part]:
    trained: Table = stacked(result, tables.trained)
    return [TablePart("models", "The models", trained, "Every model and seed, its threshold, and how it does at home.")]


def _rows(result: Adaptations, folder: Path, datasets: tuple[str, ...], name: str, label: str) -> FigurePart:
    draw = partial(adaptations_rows, result, datasets, folder=folder)
    return FigurePart(name, draw, rows_caption(result, datasets), label)
