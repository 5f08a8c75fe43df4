"""Write the captions of the figures that show several segmenters' adaptation."""

from __future__ import annotations

from collections.abc import Sequence

from howfar.figures.adaptation_bars import ranges
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
from howfar.figures.adaptation_rows import first_seed
from howfar.figures.adaptations_rows import TITLE
from howfar.figures.registration import Caption
from howfar.report.text import listing
from howfar.results.adaptation import ALL, BASELINE
from howfar.results.adaptations import Adaptations


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
