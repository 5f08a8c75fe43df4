"""Say in sentences whether F goes with distance, and whether it still does after adaptation."""

from __future__ import annotations

from typing import Any

from howfar.numbers import signed
from howfar.report.performance_by_distance.tables import WORDS
from howfar.results.adaptation import BASELINE, F_ODS, F_OWN
from howfar.results.performance_by_distance import PerformanceByDistance

Row = dict[Any, Any]


def lead(result: PerformanceByDistance) -> str:
    """Say for every segmenter how F changes from the nearest image to the farthest, before adaptation and after."""
    told = []
    for name in result.segmenters:
        before, after = _ends(result, name)
        told.append(f"with {name} by {_short(before)} and {_short(after)}")
    return (
        f"From the nearest image to the farthest F changes, before adaptation and after ({result.adapted}): {'; '.join(told)}."
    )


def _short(row: Row) -> str:
    interval = "" if row["low"] != row["low"] else f" [{signed(row['low'])}, {signed(row['high'])}]"
    value = "an undefined amount" if row["slope"] != row["slope"] else f"{signed(row['slope'])}{interval}"
    return f"{value} ({WORDS[row['kind']]})"


def _ends(result: PerformanceByDistance, segmenter: str, measure: str = F_ODS) -> tuple[Row, Row]:
    """Return the rows, of all secondaries alike, of M and of the first strategy's model with the most shots."""
    rows = result.pooled(measure)
    own = {str(row["model"]): row for row in rows[rows["segmenter"] == segmenter].to_dict("records")}
    return own[BASELINE], own[result.adapted]


def sentences(result: PerformanceByDistance) -> list[str]:
    """Write the verdict on M and on the adapted model for every segmenter, how the slope changed, and what the other F says."""
    lines = []
    for name in result.segmenters:
        before, after = _ends(result, name)
        lines.append(f"{name}, M: {before['verdict']}.")
        lines.append(f"{name}, {after['model']}: {after['verdict']}. {_changed(after)}{_otherwise(result, name)}")
    return lines


def _changed(row: Row) -> str:
    value, low, high = row["change"], row["change_low"], row["change_high"]
    if value != value:
        return ""
    if low != low:
        return f"Its slope differs from M's by {signed(value)}, with no interval."
    judged = "no evidence that adapting changed it" if low <= 0 <= high else "a change, or a difference of two trainings"
    return f"Its slope differs from M's by {signed(value)} [{signed(low)}, {signed(high)}]: {judged}."


def _otherwise(result: PerformanceByDistance, name: str) -> str:
    """Say where F at the threshold tuned on P leads to another verdict."""
    pairs = zip(_ends(result, name), _ends(result, name, F_OWN), strict=True)
    differing = [
        f"{own['model']} {_short(own)} instead of {_short(paper)}" for paper, own in pairs if own["kind"] != paper["kind"]
    ]
    return f" At the threshold tuned on P the verdict is another: {'; '.join(differing)}." if differing else ""


def limits(result: PerformanceByDistance) -> list[str]:
    """Say what the numbers do not tell."""
    seeds, least = len(result.seeds), float(result.slopes["span"].min())
    trained = (
        "There is one training of each model: how slopes differ between trainings is unknown."
        if seeds == 1
        else f"F and distance of an image are means over {seeds} seeds; intervals are over photographs; the column seeds shows "
        "how single trainings differ."
    )
    return [
        trained,
        "F re-tuned in a part, and at a dataset's best threshold, looks at its labels, as in the paper. A new site has none.",
        f"Flat is not good: consistent needs a mean F of {result.tau:g} besides, and an interval that holds 0 is no evidence "
        "of flatness where it is wide.",
        "Images that any model learnt from are left out for all models. Where those were the farthest, those that are left "
        f"span little of the distances (the least span is {least:.2f} of 1), and a slope, which is for all, is extrapolated.",
    ]
