from __future__ import annotations

import re
from typing import Any

import pytest

from howfar.errors import InputError
from howfar.relation.trend import signed, summary, verdict
from howfar.results import Interval, Trend, TrendVerdict

NONE = Interval(None)
FALLS, RISES, FLAT, VAGUE = (-0.31, -0.40, -0.22), (0.2, 0.1, 0.3), (-0.02, -0.1, 0.06), (-0.1, -0.6, 0.4)


def made(
    slope: tuple[float | None, ...], rho: tuple[float, ...] | None = None, partial: Any = None, n: int = 120, groups: int = 120
) -> Trend:
    ranks = NONE if rho is None else Interval(*rho)
    return Trend(n, groups, ranks, NONE, Interval(*slope), None if partial is None else Interval(*partial))


@pytest.mark.parametrize(
    ("slope", "mean", "kind"),
    [
        (FALLS, 0.9, "falls"),
        (FALLS, 0.1, "falls"),
        (FALLS, None, "falls"),
        ((-0.01, -0.02, -0.001), 0.9, "falls"),
        (RISES, 0.9, "rises"),
        (FLAT, 0.9, "consistent"),
        (FLAT, 0.5, "consistent"),
        (FLAT, 0.49, "none"),
        (FLAT, None, "none"),
        (FLAT, float("nan"), "none"),
        (VAGUE, 0.9, "none"),
        ((0.0, -0.21, 0.1), 0.9, "none"),
        ((0.0, -0.1, 0.21), 0.9, "none"),
        ((0.0, -0.2, 0.2), 0.9, "consistent"),
        ((0.0, 0.0, 0.0), 0.9, "consistent"),
        ((-0.1, -0.2, 0.0), 0.9, "consistent"),
        ((-0.3, None, None), 0.9, "none"),
        ((None, None, None), 0.9, "none"),
    ],
)
def test_the_rule(slope: tuple[float | None, ...], mean: float | None, kind: str) -> None:
    assert verdict(made(slope), mean, tau=0.5).kind == kind


def test_flat_and_level_are_the_caller_s() -> None:
    assert verdict(made(FLAT), 0.9, tau=0.5, flat=0.05).kind == "none"
    assert verdict(made(VAGUE), 0.9, tau=0.5, flat=0.6).kind == "consistent"
    assert verdict(made(FLAT), 0.9, tau=0.95).kind == "none"
    assert "±0.15" in verdict(made(FLAT), 0.9, tau=0.5, flat=0.15).text
    assert "at least 0.75" in verdict(made(FLAT), 0.9, tau=0.75).text
    for setting, value in (("flat", 0.0), ("flat", -0.1), ("flat", float("nan")), ("sets", 0)):
        with pytest.raises(InputError, match=f"{setting} must be"):
            verdict(made(FLAT), 0.9, tau=0.5, **{setting: value})


FAR = "from the nearest to the farthest image"
OPEN = f"No evidence either way: the change of F {FAR}, "


@pytest.mark.parametrize(
    ("found", "mean", "metric", "text"),
    [
        (
            made(RISES, (0.3, 0.1, 0.5), n=1200, groups=30),
            0.8,
            "accuracy",
            f"Accuracy rises with distance: it changes by +0.20 [+0.10, +0.30] {FAR} (mean accuracy 0.80, Spearman +0.30 "
            "[+0.10, +0.50], 1,200 images of 30 groups)",
        ),
        (
            made(FLAT, (-0.03, -0.2, 0.14)),
            0.81,
            "F",
            f"F is consistent over distance: the change of F {FAR}, −0.02 [−0.10, +0.06], may be 0 and is no more than ±0.2, "
            "and mean F is at least 0.5 (mean F 0.81, Spearman −0.03 [−0.20, +0.14], 120 images)",
        ),
        (
            made(FLAT),
            0.3,
            "F",
            f"{OPEN}−0.02 [−0.10, +0.06], is no more than ±0.2, but mean F is below 0.5 (mean F 0.30, 120 images)",
        ),
        (made(FLAT), None, "F", f"{OPEN}−0.02 [−0.10, +0.06], is no more than ±0.2, but mean F is unknown (120 images)"),
        (made(VAGUE), 0.9, "F", f"{OPEN}−0.10 [−0.60, +0.40], may be 0 but also more than ±0.2 (mean F 0.90, 120 images)"),
        (
            made(VAGUE),
            0.3,
            "F",
            f"{OPEN}−0.10 [−0.60, +0.40], may be 0 but also more than ±0.2, and mean F is below 0.5 (mean F 0.30, 120 images)",
        ),
    ],
)
def test_verdicts_in_words(found: Trend, mean: float | None, metric: str, text: str) -> None:
    assert verdict(found, mean, tau=0.5, metric_name=metric).text == text


def test_why_there_is_no_interval() -> None:
    start = "No evidence either way: "
    assert verdict(None, 0.9, tau=0.5) == TrendVerdict("none", start + "fewer than 3 images have a performance")
    assert verdict(made((None,)), 0.9, tau=0.5).text == start + "all images are equally far"
    change = "F changes by −0.30 from the nearest to the farthest image, but "
    few = verdict(made((-0.3,), n=40, groups=5), 0.9, tau=0.5).text
    assert few == start + change + "5 groups are too few for an interval (at least 6)"
    assert "but 4 images are too few" in verdict(made((-0.3,), n=4, groups=4), 0.9, tau=0.5).text
    left_out = verdict(made((-0.3,)), 0.9, tau=0.5).text
    assert left_out == start + change + "there is no interval that would tell how sure that is"


DOWN, UNSURE, UP = (-0.5, -0.6, -0.4), (-0.1, -0.3, 0.1), (0.3, 0.1, 0.5)
ALONE = "; ranks alone do not show it, as Spearman's interval holds 0"
FIXED = "once the foreground share is held fixed (partial Spearman"


@pytest.mark.parametrize(
    ("slope", "rho", "partial", "says"),
    [
        (FALLS, DOWN, None, ""),
        (FALLS, UNSURE, None, ALONE),
        (FALLS, UP, None, "; Spearman contradicts it: by rank F rises"),
        (RISES, DOWN, None, "; Spearman contradicts it: by rank F falls"),
        (FLAT, UNSURE, None, ""),
        (FLAT, DOWN, None, "; by rank F falls, if by little"),
        (VAGUE, UP, None, "; by rank F rises"),
        (FALLS, (-0.5,), None, ""),
        (FALLS, None, None, ""),
        # What the foreground share explains.
        (FALLS, DOWN, (-0.05, -0.2, 0.1), f"; the trend is not there {FIXED} −0.05 [−0.20, +0.10])"),
        (FALLS, DOWN, (0.3, 0.2, 0.4), f"; the trend goes the other way {FIXED} +0.30 [+0.20, +0.40])"),
        (FALLS, DOWN, (-0.3, -0.4, -0.2), ""),
        (FALLS, DOWN, (-0.05,), ""),
        (FALLS, DOWN, (None,), ""),
        (FALLS, UNSURE, (-0.05, -0.2, 0.1), ALONE),
        (FALLS, UNSURE, (0.3, 0.2, 0.4), ALONE),
    ],
)
def test_what_ranks_and_foreground_say_beside_the_slope(slope: tuple[float, ...], rho: Any, partial: Any, says: str) -> None:
    assert verdict(made(slope, rho, partial), 0.9, tau=0.5).text.partition("120 images)")[2] == says


@pytest.mark.parametrize("slope", [FALLS, RISES, FLAT, VAGUE])
def test_pooled_sentences_name_the_sets(slope: tuple[float, ...]) -> None:
    text = verdict(made(slope), 0.9, tau=0.5, sets=3).text
    assert re.search(r"(with distance|over distance|either way) within sets: ", text)
    assert text.endswith("(mean F 0.90, 120 images in 3 sets)")
    assert "sets" not in verdict(made(slope), 0.9, tau=0.5).text


def test_bounds_that_are_not_0_are_not_written_as_0() -> None:
    text = verdict(made((-0.05, -0.1, -0.002)), 0.9, tau=0.5).text
    assert "[−0.10, −0.002]" in text
    assert [signed(value) for value in (0.005, -0.00499, 0.00004, -0.994)] == ["+0.01", "−0.005", "+0.0000", "−0.99"]


def test_summary() -> None:
    def said(*kinds: Any) -> str:
        return summary((TrendVerdict(kind, "") for kind in kinds), "accuracy")

    assert said("falls", "rises", "falls", "none", "falls") == (
        "Accuracy falls with distance in 3 of 5 sets, rises in 1, gives no evidence either way in 1"
    )
    assert said("consistent", "none") == "Accuracy is consistent in 1 of 2 sets, gives no evidence either way in 1"
    assert said("rises") == "Accuracy rises with distance in 1 of 1 set"
    assert said("none", "none") == "Accuracy gives no evidence either way in 2 of 2 sets"
    with pytest.raises(InputError, match="verdicts must hold at least one"):
        summary([])
