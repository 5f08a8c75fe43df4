"""Report the adaptation of several segmenters: what a few labelled images of each dataset gained (section 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from howfar.errors import MissingPathError
from howfar.figures import Caption, registration
from howfar.figures.adaptation_models import (
    AS_IN_PAPER,
    CAUTION,
    RANDOM,
    by_background,
    by_shots,
    seeds_of,
    strategies,
    strategy_of,
)
from howfar.figures.adaptation_rows import TITLE, adaptations_rows, first_seed
from howfar.figures.adaptation_scores import adaptations_bars, is_scored, ranges
from howfar.report import adaptation, adaptation_sentences
from howfar.report.adaptation_sentences import Change, both_scores, gain, opposed
from howfar.report.section import Cell, Column, Context, FigurePart, Part, Section, Table, TablePart, listing, plural
from howfar.results.adaptation import ALL, BASELINE, Adaptation
from howfar.results.segmenter_studies import Adaptations

ABSENT = "The study of adaptation does not lie beside this one, so the figures of its images are left out."


def folder_of(of: str, folder: Path) -> Path:
    """Give the folder of the study of adaptation called `of`, by the folder of a study of the same file."""
    return folder.resolve().parent / of


def beside(of: str, folder: Path) -> Adaptations | None:
    """Load the study of adaptation called `of` that lies beside a study's folder; None where it is not there."""
    try:
        return Adaptations.load(folder_of(of, folder))
    except MissingPathError:
        return None


def curves(studied: Adaptations, draw: Callable[..., Any], labels: Mapping[str, str], before: str = "") -> list[Part]:
    """Make a figure for each segmenter, under the name that the study file gives it; the first caption explains all.

    `draw` is a registered figure of one segmenter's study, `labels` are the paper's numbers by architecture, and `before` is
    what the first caption begins with.
    """
    parts: list[Part] = []
    for name, study in studied.runs().items():
        named = replace(study, segmenter=name)
        found = registration(f"curves-{name}", draw).caption(named)
        text = f"Of {name}, drawn as the figure before." if parts else f"{before} {found.text}".strip()
        caption = Caption(f"{found.title}, {name}", text, found.alternative)
        parts.append(FigurePart(f"curves-{name}", partial(draw, named), caption, labels.get(study.segmenter, "")))
    return parts


def bars_caption(result: Adaptations, background: bool = False) -> Caption:
    """Caption the bars of M and the adapted models, or of those with and without background."""
    study = result.first
    strategy = strategy_of(study)
    models = by_background(study, strategy) if background else [BASELINE, *by_shots(study, strategy)]
    rivals = not background and strategy != RANDOM and RANDOM in strategies(study)
    hollow = " Hollow: as many images drawn at random." if rivals else ""
    seeds = seeds_of(study, models)
    several = f" Bars are means over {len(seeds)} seeds, lines reach from the lowest to the highest." if len(seeds) > 1 else ""
    which = "the same with background images (B)" if background else f"the models that learnt from images chosen by {strategy}"
    return Caption(
        f"ODS by dataset, {'with and without background' if background else 'before and after adaptation'}",
        f"One panel a segmenter: {models[0]}, and {which}. {as_called(models)}{hollow}{several} ODS is F of the dataset's "
        f"summed counts at the threshold that is best for it, {AS_IN_PAPER}. {CAUTION}.",
        f"Bars of mean ODS over the secondaries: {'; '.join(_means(result, models))}.",
    )


def as_called(models: Sequence[str]) -> str:
    """Say which of the paper's names the models have there: M_7 is far-7, M_B3 is far-7-B3."""
    names = [f"M{model.rpartition('-')[2]}" for model in models if model != BASELINE]
    return f"The paper calls {listing([model for model in models if model != BASELINE], 6)} {listing(names, 6)}."


def _means(result: Adaptations, models: list[str]) -> list[str]:
    dataset = ALL if len(result.first.secondaries) > 1 else result.first.secondaries[0]
    lines = []
    for name, study in result.runs().items():
        bars = ranges(study, models, seeds_of(study, models), "ods")
        values = [f"{model} {bars[model, dataset].mean:.3f}" for model in models if (model, dataset) in bars]
        lines.append(f"{name} {', '.join(values) or 'none'}")
    return lines


def rows_caption(result: Adaptations, datasets: Sequence[str], background: bool = False) -> Caption:
    """Caption the rows of pictures of some datasets."""
    study = result.first
    strategy = strategy_of(study)
    models = by_background(study, strategy) if background else [BASELINE, *by_shots(study, strategy)]
    blind = " No model learnt from these datasets." if set(datasets) <= set(study.blind) else ""
    return Caption(
        f"{TITLE} on {listing(list(datasets))}",
        f"Photograph, ground truth where there is one, and the maps of {listing(models, 6)}; one row a segmenter.{blind} The "
        "image is chosen by rule, the same for all segmenters: in the middle by F of the unadapted models; where there is no "
        "F, by their false positives; else by name. Right of each name is the rule that held. Maps show the probability, white "
        f"is certain, as trained with seed {first_seed(study)}; under each the image's F at the model's own threshold, or its "
        "share of false positives. One image shows what changes look like, not how much they are worth.",
        "Rows of small pictures: photograph, ground truth where there is one, and each model's probability map.",
    )


def stacked(result: Adaptations, make: Callable[[Adaptation], Table]) -> Table:
    """Stack the tables that `make` makes of every segmenter's study, with the segmenter's name in a first column."""
    made = {name: make(study) for name, study in result.runs().items()}
    columns = next(iter(made.values())).columns
    rows = tuple((Cell(name), *row) for name, table in made.items() for row in table.rows)
    return Table((Column("segmenter"), *columns), rows)


def lead(result: Adaptations) -> str:
    """Say how the most images changed mean F by each segmenter, with intervals, and whether that is a change at all."""
    study = result.first
    strategy = strategy_of(study)
    model, count = by_shots(study, strategy)[-1], max(study.settings["shots"])
    sets = study.secondaries[0] if len(study.secondaries) == 1 else f"each of {len(study.secondaries)} datasets"
    changes = [f"with {name} {judged(gain(each, model))}" for name, each in result.runs().items()]
    labelled = f"Labelling {count} image{plural(count)} of {sets}, chosen by {strategy}, changed mean F {'; '.join(changes)}."
    single = len(study.settings["seeds"]) == 1 and any(_clear(gain(each, model)) for each in result.adaptations)
    return f"{labelled} With one seed that may be a difference of two trainings." if single else labelled


def disagreement(result: Adaptations) -> str:
    """Count by segmenter where mean F at the models' own thresholds and the paper's ODS change opposite ways from M."""
    told = []
    for name, study in result.runs().items():
        scores = both_scores(study)
        changes = [
            (now[0] - scores[BASELINE, dataset][0], now[2] - scores[BASELINE, dataset][2])
            for (model, dataset), now in scores.items()
            if model != BASELINE
        ]
        known = [(f, ods) for f, ods in changes if f == f and ods == ods]
        told.append(f"in {sum(opposed(f, ods) for f, ods in known)} of {len(known)} comparisons with {name}")
    return (
        "From M to an adapted model, mean F at the models' own thresholds and ODS change in opposite directions "
        f"{listing(told, 8)}. What a new site would see is the first."
    )


def judged(change: Change | None) -> str:
    """Write a change with its interval, and whether that lies above 0, below, or holds it."""
    if change is None or not change.known:
        return "by what could not be measured"
    if not change.bounded:
        return f"by {change.value:+.3f} (too few photographs for an interval)".replace("-", "−")
    return f"by {change} ({'a rise' if change.above else 'a fall' if change.below else 'no evidence of a change'})"


def _clear(change: Change | None) -> bool:
    return change is not None and (change.above or change.below)


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
        limits=adaptation_sentences.limits(result.first),
    )


def _sentences(result: Adaptations) -> list[str]:
    """Say for each segmenter how the choice did beside random, and whether both Fs say the same."""
    compared = RANDOM in strategies(result.first) and strategy_of(result.first) != RANDOM
    rivals = [f"{name}: {adaptation_sentences.against_random(study)}" for name, study in result.runs().items()]
    return [*(rivals if compared else [adaptation_sentences.against_random(result.first)]), disagreement(result)]


def _tables(result: Adaptations) -> list[Part]:
    parts: list[Part] = [
        TablePart("gains", "Gain over M", stacked(result, adaptation.gains), _GAINED),
        TablePart("mean-f", "Mean F at each model's own threshold", stacked(result, _mean_f), f"{_HONEST}{_over(result)}"),
        TablePart("ods", "ODS, as in the paper", stacked(result, _ods), f"{_PAPER}{_over(result)}"),
    ]
    rivals = stacked(result, adaptation.against_random)
    if rivals.rows:
        parts.append(TablePart("over-random", "Beside as many images drawn at random", rivals, _RIVALS))
    return parts


_GAINED = "Change of mean F from M on images that no model learnt from, each model at its own threshold, with 95 % intervals."
_HONEST = "Mean of the images' F at the threshold tuned on P, which no label of the dataset chose."
_PAPER = "F of the dataset's summed counts at the threshold that is best for it, which looks at its labels."
_RIVALS = "Difference from the model that learnt from as many images drawn at random."


def _mean_f(study: Adaptation) -> Table:
    return adaptation.scores(study, "mean_f")


def _ods(study: Adaptation) -> Table:
    return adaptation.scores(study, "ods")


def _over(result: Adaptations) -> str:
    seeds = len(adaptation.shared_seeds(result.first))
    return f" Means over {seeds} seeds; in brackets the lowest and the highest." if seeds > 1 else ""


def _made(result: Adaptations) -> list[Part]:
    trained: Table = stacked(result, adaptation.trained)
    return [TablePart("models", "The models", trained, "Every model and seed, its threshold, and how it does at home.")]


def _rows(result: Adaptations, folder: Path, datasets: tuple[str, ...], name: str, label: str) -> FigurePart:
    draw = partial(adaptations_rows, result, datasets, folder=folder)
    return FigurePart(name, draw, rows_caption(result, datasets), label)
