"""Write the report's sentences on the gain from training on a few labelled images, with confidence intervals."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from howfar.figures import adaptation_models as adapted
from howfar.figures.adaptation_figures import Bar, ranges
from howfar.formatting_and_escaping import signed
from howfar.report import section as doc
from howfar.results.adaptation_result import ALL, BASELINE, Adaptation
from howfar.results.display_and_shared_records import Interval, matching

FEW_SEEDS = 5
MOST_NAMED = 6
_UNBOUNDED = "(too few photographs for an interval)"
NO_EVIDENCE, UNJUDGED = "no evidence of a difference", "one seed does not tell"


def gain(result: Adaptation, segmenter: str, model: str, dataset: str = ALL) -> Interval:
    """Return a model's gain over the unadapted model, on all secondaries equally or on one dataset; NaN if unknown."""
    return Interval.of(_row(result, segmenter, model, dataset), "gain", "low", "high")


def over_random(result: Adaptation, segmenter: str, model: str, dataset: str = ALL) -> Interval:
    """Return a model's gain over random with the same number of images; NaN if random was no strategy."""
    return Interval.of(_row(result, segmenter, model, dataset), "over_random")


def lead(result: Adaptation) -> str:
    """State each segmenter's gain from the most images, with its interval, and whether the interval contains 0."""
    strategy = adapted.strategy_of(result)
    model = adapted.by_shots(result, strategy)[-1]
    sets = result.secondaries[0] if len(result.secondaries) == 1 else f"each of {len(result.secondaries)} datasets"
    labelled = f"Labelling {_images(_of_arm(result, model, 'shots'))} of {sets}, chosen by {strategy}"
    gains = {name: gain(result, name, model) for name in result.segmenters}
    alone = _alone(result, model) if any(change.above or change.below for change in gains.values()) else ""
    if len(gains) > 1:
        by_segmenter = "; ".join(f"with {name} {judged(change)}" for name, change in gains.items())
        return f"{labelled}, changed mean F {by_segmenter}.{alone}"
    (change,) = gains.values()
    if change.value is None:
        return f"{labelled}, could not be measured: no image that was left out has foreground."
    interval = f"[95 % CI {signed(change.low, 3)}, {signed(change.high, 3)}]" if change.low is not None else _UNBOUNDED
    if change.above or change.below:
        return f"{labelled}, {'raised' if change.above else 'lowered'} mean F by {abs(change.value):.3f} {interval}.{alone}"
    unproven = f"There is no evidence that {labelled[0].lower()}{labelled[1:]}, changed mean F"
    return f"{unproven}: {signed(change.value, 3)} {interval}."


def judged(change: Interval) -> str:
    """Format a change with its interval, and state whether the interval is above 0, below, or contains 0."""
    if change.value is None:
        return "by what could not be measured"
    if change.low is None:
        return f"by {signed(change.value, 3)} {_UNBOUNDED}"
    return f"by {change.signed()} ({'a rise' if change.above else 'a fall' if change.below else 'no evidence of a change'})"


def _alone(adaptation: Adaptation, model: str) -> str:
    """Warn that a change comes from only two trainings."""
    single = len(adapted.seeds_of(adaptation, [BASELINE, model])) < 2
    return " With one seed that may be a difference of two trainings." if single else ""


def against_random(adaptation: Adaptation) -> str:
    """State whether the chosen strategy beat drawing as many images at random, with the interval."""
    strategy = adapted.strategy_of(adaptation)
    if strategy == adapted.RANDOM:
        return "The images were drawn at random, and no other way of choosing them was tried."
    model, (segmenter, *_) = adapted.by_shots(adaptation, strategy)[-1], adaptation.segmenters
    change = over_random(adaptation, segmenter, model)
    if change.value is None:
        return (
            f"Random was no strategy of this study, so it does not tell whether choosing by {strategy} is any better than "
            "labelling as many images drawn at random."
        )
    text = f"Beside as many images drawn at random, those chosen by {strategy} gained {change.signed()} more"
    if not change.above and not change.below:
        return f"{text}: the interval holds 0, no evidence that {strategy} beats random."
    judged = standing(_row(adaptation, segmenter, model, ALL))
    if judged == UNJUDGED:
        return f"{text}. With one seed that may be a difference of two trainings, and is no verdict on {strategy}."
    rivals = len([name for name in adapted.strategies(adaptation) if name != adapted.RANDOM])
    if judged != NO_EVIDENCE:
        return f"{text}: {strategy} {'beats' if change.above else 'does worse than'} random here."
    return (
        f"{text}. Taken by itself that excludes 0; with {rivals} strategies compared, some would by chance, and corrected for "
        f"that it is no evidence that {strategy} {'beats' if change.above else 'does worse than'} random."
    )


def any_beats(adaptation: Adaptation) -> str:
    """State whether any strategy beats random, corrected for the number of strategies; return "" for a single one."""
    if adapted.RANDOM not in adapted.strategies(adaptation) or len(adapted.strategies(adaptation)) < 3:
        return ""
    verdict = adaptation.verdict()
    return f"{verdict} This is corrected for the number of strategies compared (Bonferroni)." if verdict else ""


def suppressed(adaptation: Adaptation) -> str:
    """State the effect of background images on false positives, and its cost; return "" if none were added."""
    rows = {str(row["model"]): row for row in adaptation.suppression.to_dict("records")}
    labels = adapted.by_background(adaptation, adapted.strategy_of(adaptation))
    if not labels or labels[-1] not in rows:
        return ""
    row = rows[labels[-1]]
    change, cost = Interval.of(row, *adapted.CHANGE), Interval.of(row, "cost")
    added = f"{_images(_of_arm(adaptation, labels[-1], 'background'))} of {adaptation.background}"
    text = (
        f"Adding {added} to {labels[0]} {did(change)} the share of false positives on "
        f"those left out: {in_points(change)}, to {100 * float(row['share']):.2f} %."
    )
    text += _alone(adaptation, labels[-1]) if change.below or change.above else ""
    return f"{text} On the secondaries that came {price(cost)}: {cost.signed()}." if cost.value is not None else text


def did(change: Interval) -> str:
    """Return the verb for the effect of background images on false positives."""
    return "lowered" if change.below else "raised" if change.above else "did not provably change"


def in_points(change: Interval) -> str:
    """Format a change of a share in percentage points, with its interval if any."""
    value, low, high = map(points, change.ends)
    return f"{value}{'' if change.low is None else f' [{low}, {high}]'} percentage points"


def price(cost: Interval) -> str:
    """State the cost of background images in mean F."""
    return "at a cost in mean F" if cost.below else "with a rise of mean F" if cost.above else "with no provable cost in mean F"


def both_scores(result: Adaptation) -> dict[tuple[str, str, str], tuple[float, ...]]:
    """Average mean_f, mean_f_ods and ods by segmenter, model and dataset over the shared seeds; NaN if undefined.

    Models stand in their order, each with all secondaries alike first, where there are several, then each dataset.
    """
    models = [BASELINE, *adapted.arms(result)["model"]]
    datasets = [*([ALL] if len(result.secondaries) > 1 else []), *adapted.scored(result)]
    seeds, undefined = adapted.seeds_of(result, models), Bar(math.nan, math.nan, math.nan)
    columns = ("mean_f", "mean_f_ods", "ods")
    bars = [ranges(result, models, seeds, name) if name in result.scores else {} for name in columns]
    keys = [(*key, dataset) for key in adapted.trained_models(result) for dataset in datasets]
    return {key: tuple(float(each.get(key, undefined).mean) for each in bars) for key in keys}


def opposed(one: float, other: float) -> bool:
    """Return whether two changes, rounded for display, have opposite signs."""
    return round(one, 3) * round(other, 3) < 0


def disagreement(result: Adaptation) -> str:
    """State for each segmenter where mean F at own thresholds and the paper's ODS change from M in opposite directions."""
    scores = both_scores(result)
    compared: dict[str, int] = dict.fromkeys(result.segmenters, 0)
    opposite: dict[str, list[str]] = {name: [] for name in result.segmenters}
    for (name, model, dataset), now in scores.items():
        f, _, ods = (new - old for new, old in zip(now, scores[name, BASELINE, dataset], strict=True))
        compared[name] += model != BASELINE and f == f and ods == ods
        if opposed(f, ods):
            where = "all secondaries alike" if dataset == ALL else dataset
            change = f"mean F {signed(f, 3)} to {now[0]:.3f}, ODS {signed(ods, 3)} to {now[2]:.3f}"
            opposite[name].append(f"{model} on {where} ({change})")
    if len(compared) > 1:
        told = [f"in {len(opposite[name])} of {count} comparisons with {name}" for name, count in compared.items()]
        both = "From M to an adapted model, mean F at the models' own thresholds and ODS change in opposite directions"
        return f"{both} {doc.listing(told, 8)}. What a new site would see is the first."
    ((count, lines),) = zip(compared.values(), opposite.values(), strict=True)
    if not count:
        return "Neither could be measured."
    if not lines:
        return "Mean F at the models' own thresholds and ODS nowhere change in opposite directions."
    more = f" and {len(lines) - MOST_NAMED} more" if len(lines) > MOST_NAMED else ""
    return (
        f"In {len(lines)} of {count} comparisons with M, mean F at the models' own thresholds and ODS change in opposite "
        f"directions: {'; '.join(lines[:MOST_NAMED])}{more}. What a new site would see is the first."
    )


def limits(adaptation: Adaptation) -> list[str]:
    """List the limits of the numbers."""
    seeds = len(adapted.seeds_of(adaptation, [BASELINE, *adapted.by_shots(adaptation, adapted.strategy_of(adaptation))]))
    one = (
        "With one seed nothing is known of how trainings differ by chance: the intervals are of the photographs alone, "
        "and narrower than they should be."
    )
    few = (
        f"{seeds} seeds say little of how trainings differ by chance: the intervals reckon with that, and are wide where "
        "seeds disagree."
    )
    threshold = f"F is taken at threshold 0.5, as no photograph of {adaptation.primary} was held out to tune one on."
    if dict(adaptation.settings.get("training", {})).get("holdout", 1):
        threshold = (
            "F is taken at a threshold that needs no label of the datasets: the one that is best for the model on the "
            f"photographs of {adaptation.primary} that were held out. ODS, the bars and the curves look at the labels of the "
            "dataset they are about, as the paper does; the gains do not."
        )
    pool = adaptation.settings.get("pool")
    scored_images = (
        "Images were chosen from whole datasets, so what is scored is what no strategy took: perhaps easier or harder than "
        "the whole, though the same for all models."
        if pool is None
        else f"Images were chosen from {100 * pool:.0f} % of each dataset's photographs; all models are scored on the others."
    )
    return [
        *([one] if seeds == 1 else [few] if seeds < FEW_SEEDS else []),
        "Intervals are over other photographs and other trainings, not over other datasets: they are about these.",
        threshold,
        "Images that any model of the study learnt from are left out for all models, with all tiles of their photographs, so "
        "every model is scored on the same images. An image without foreground has no F.",
        scored_images,
    ]


def points(value: float) -> str:
    """Format a change of a share in percentage points, with its sign."""
    return signed(100 * value)


def _row(result: Adaptation, segmenter: str, model: str, dataset: str) -> Mapping[Any, Any]:
    """Return a row of gains; one of NaN where the model was not scored on the dataset."""
    own = matching(result.gains, segmenter=segmenter, model=model, dataset=dataset)
    return own.to_dict("records")[0] if len(own) else defaultdict(lambda: math.nan)


def standing(row: Mapping[Any, Any]) -> str:
    """Judge a row of gains against random, at the level corrected for the number of strategies."""
    if row["beats_random"] not in (True, False):  # None, or NaN, which is true
        return UNJUDGED
    return "better" if row["beats_random"] else "worse" if row["below_random"] else NO_EVIDENCE


def _of_arm(result: Adaptation, model: str, number: str) -> int:
    """Return how many labelled images ("shots") of each dataset, or "background" images, a model learnt from."""
    return int(adapted.arms(result).set_index("model")[number].loc[model])


def _images(count: int) -> str:
    return f"{count:,} image{doc.plural(count)}"
