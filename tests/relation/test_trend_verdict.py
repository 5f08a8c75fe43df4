from pathlib import Path
from typing import Any

import pytest

from howfar.errors import InputError
from howfar.relation.trend import signed, summary, verdict
from howfar.results import Interval, Trend, TrendVerdict
from snapshots import check

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


DOWN, UNSURE, UP = (-0.5, -0.6, -0.4), (-0.1, -0.3, 0.1), (0.3, 0.1, 0.5)
HIDDEN, TURNED = (-0.05, -0.2, 0.1), (0.3, 0.2, 0.4)


def test_verdicts_in_words() -> None:
    ranks = [(FALLS, DOWN), (FALLS, UNSURE), (FALLS, UP), (RISES, DOWN), (FLAT, UNSURE), (FLAT, DOWN), (VAGUE, UP)]
    partials = [(DOWN, HIDDEN), (DOWN, TURNED), (DOWN, UNSURE), (DOWN, (-0.05,)), (DOWN, (None,)), (UNSURE, HIDDEN)]
    found: list[tuple[Trend | None, float | None, dict[str, Any]]] = [
        (made(RISES, (0.3, 0.1, 0.5), n=1200, groups=30), 0.8, {"metric_name": "accuracy"}),
        *((made(FLAT), mean, {}) for mean in (0.81, 0.3, None)),
        *((made(VAGUE), mean, {}) for mean in (0.9, 0.3)),
        (None, 0.9, {}),
        (made((None,)), 0.9, {}),
        *((made((-0.3,), n=n, groups=groups), 0.9, {}) for n, groups in ((40, 5), (4, 4), (120, 120))),
        (made((-0.05, -0.1, -0.002)), 0.9, {}),
        *((made(slope), 0.9, {"sets": 3}) for slope in (FALLS, RISES, FLAT, VAGUE)),
        *((made(slope, rho), 0.9, {}) for slope, rho in [*ranks, (FALLS, (-0.5,))]),
        *((made(FALLS, rho, partial), 0.9, {}) for rho, partial in partials),
    ]
    lines = [verdict(trend, mean, tau=0.5, **how).text for trend, mean, how in found]
    for kinds in ("falls rises falls none falls", "consistent none", "rises", "none none"):
        lines.append(f"{kinds}: {summary((TrendVerdict(kind, '') for kind in kinds.split()), 'accuracy')}")
    check("\n".join(lines), Path(__file__).parent / "snapshots" / "verdicts.md")
    with pytest.raises(InputError, match="verdicts must hold at least one"):
        summary([])


def test_bounds_that_are_not_0_are_not_written_as_0() -> None:
    assert [signed(value) for value in (0.005, -0.00499, 0.00004, -0.994)] == ["+0.01", "−0.005", "+0.0000", "−0.99"]
