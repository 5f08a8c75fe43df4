"""What stands under each figure of an adaptation study, and what stands for it where it cannot be seen."""

from __future__ import annotations

from howfar.figures.adaptation_bars import ranges
from howfar.figures.adaptation_gains import sorted_gains
from howfar.figures.adaptation_models import RANDOM, by_background, by_shots, change_text, seeds_of, strategies, strategy_of
from howfar.figures.adaptation_rows import first_seed
from howfar.figures.adaptation_suppression import by_seed
from howfar.report.captions import Caption
from howfar.results.adaptation import ALL, BASELINE, Adaptation


def caption(name: str, adaptation: Adaptation) -> Caption:
    """The caption of one of the report's figures of an adaptation study.

    Parameters
    ----------
    name
        "gains", "bars", "curves", "rows", "suppression", "bars_background" or "curves_background".
    adaptation
        The result that the figure shows.
    """
    return _CAPTIONS[name](adaptation)


def _gains(adaptation: Adaptation) -> Caption:
    found = sorted_gains(adaptation).to_dict("records")
    values = [f"{row['model']} {change_text(row['gain'], row['low'], row['high'])}" for row in found]
    rivals = RANDOM in strategies(adaptation)
    against = (
        " Right: how much more than random's model with as many images; bold names are models that this holds of, or the "
        "opposite, after correction for the number of strategies."
        if rivals
        else ""
    )
    return Caption(
        "Gain over M",
        "Change of mean F on images that no model learnt from, all secondaries alike, with its 95 % interval over photographs "
        f"and seeds. Models with as many images stand together.{' Hollow, on grey: random.' if rivals else ''}{against}",
        f"Dots with intervals, one row a model: {'; '.join(values)}.",
    )


def _bars(adaptation: Adaptation) -> Caption:
    strategy = strategy_of(adaptation)
    beside = " Hollow: as many images drawn at random." if RANDOM in strategies(adaptation) and strategy != RANDOM else ""
    return Caption(
        "Mean F by dataset",
        f"M, and the models that learnt from images chosen by {strategy}, as in fig. 7 of the paper."
        f"{beside}{_over(adaptation)}",
        f"Horizontal bars by dataset. {_means(adaptation, [BASELINE, *by_shots(adaptation, strategy)])}",
    )


def _bars_background(adaptation: Adaptation) -> Caption:
    labels = by_background(adaptation, strategy_of(adaptation))
    return Caption(
        "Mean F by dataset, with and without background",
        f"{labels[0]}, and the same with background images (B), as in fig. 17 of the paper.{_over(adaptation)}",
        f"Horizontal bars by dataset. {_means(adaptation, labels)}",
    )


def _curves(adaptation: Adaptation) -> Caption:
    return Caption(
        "F by distance, before and after",
        "One panel a dataset, distances as M sees them, scaled from 0 (its nearest image) to 1 (its farthest); figs. 4 to 6 of "
        f"the paper. {_LINES}",
        "Panels of curves, one for each model; the numbers are in the tables.",
    )


def _curves_background(adaptation: Adaptation) -> Caption:
    return Caption(
        "F by distance, with and without background",
        f"The same for the model with the most images, without and with background (B); figs. 14 to 16 of the paper. {_LINES}",
        "Panels of curves, one for each model; the numbers are in the tables.",
    )


_LINES = (
    "Lines are centred moving averages over a tenth of the images, faint dots images; F and distance of an image are means "
    "over seeds. Where a line is level, F does not go with distance. Where dots are few, it follows single images."
)


def _rows(adaptation: Adaptation) -> Caption:
    return Caption(
        "What the models predict",
        "One image of each dataset, chosen by rule: the one at the median of M's F; where there is no F, at the median of M's "
        "false positives; else the middle one by name. Right of each name is the rule that held. Maps show the probability, "
        f"white is certain, as trained with seed {first_seed(adaptation)}; under each the image's F, or its share of false "
        "positives. One image shows what changes look like, not how much they are worth.",
        "Rows of small pictures: photograph, ground truth where there is one, and each model's probability map.",
    )


def _suppression(adaptation: Adaptation) -> Caption:
    known = [BASELINE, *map(str, adaptation.suppression["model"])]
    shares = by_seed(adaptation, known).mean()
    values = [f"{model} {100 * float(shares[model]):.2f} %" for model in known]
    return Caption(
        "False positives and their price",
        f"Left: share of pixels of {adaptation.background} that are taken for foreground although nothing is there, on images "
        "that no model learnt from; hollow dots are seeds. Right: how mean F of the secondaries changed by adding the "
        "background, with its 95 % interval.",
        f"Dots, one row a model. Mean share of false positives: {'; '.join(values)}.",
    )


def _over(adaptation: Adaptation) -> str:
    seeds = seeds_of(adaptation, [BASELINE, *by_shots(adaptation, strategy_of(adaptation))])
    return f" Bars are means over {len(seeds)} seeds, lines reach from the lowest to the highest." if len(seeds) > 1 else ""


def _means(adaptation: Adaptation, models: list[str]) -> str:
    found = ranges(adaptation, models, seeds_of(adaptation, models))
    dataset = ALL if len(adaptation.secondaries) > 1 else adaptation.secondaries[0]
    values = [f"{model} {found[model, dataset].mean:.3f}" for model in models if (model, dataset) in found]
    return f"Mean over the secondaries: {'; '.join(values)}."


_CAPTIONS = {
    "gains": _gains,
    "bars": _bars,
    "curves": _curves,
    "rows": _rows,
    "suppression": _suppression,
    "bars_background": _bars_background,
    "curves_background": _curves_background,
}
