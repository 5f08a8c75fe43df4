"""Put tables and sentences on single segmenters together, for the sections that show several."""

from __future__ import annotations

from collections.abc import Callable

from howfar.figures.adaptation_models import by_shots, strategy_of
from howfar.report.adaptation.text import Change, both_scores, gain, opposed
from howfar.report.tables import Cell, Column, Table
from howfar.report.text import listing, plural
from howfar.results.adaptation import BASELINE, Adaptation
from howfar.results.adaptations import Adaptations


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
