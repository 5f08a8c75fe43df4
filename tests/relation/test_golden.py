"""Parts, curves and trends of small sets against relation.json, which plain loops made (see make_relation.py beside it)."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from howfar.arrays import Float64Array
from howfar.relation.performance_by_distance import PerformancePoints, curve, parts, scale, split
from howfar.relation.trend import trend

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
DOCUMENT: dict[str, Any] = json.loads((GOLDEN / "relation.json").read_text(encoding="utf-8"))
CASES: dict[str, Any] = DOCUMENT["cases"]
THRESHOLDS = np.array(DOCUMENT["thresholds"])


def names(case: dict[str, Any]) -> list[str]:
    return [one["name"] for one in case["images"]]


def distances(case: dict[str, Any]) -> Float64Array:
    return scale([one["distance"] for one in case["images"]])


def performance(case: dict[str, Any]) -> Float64Array:
    return np.array([np.nan if value is None else value for value in case["performance"]])


def f(counts: Float64Array, indices: Any) -> Float64Array:
    tp, fp, fn = counts[indices].sum(axis=0).T
    return np.asarray(2 * tp / (2 * tp + fp + fn))


def check(case: dict[str, Any], kind: str, count: int) -> None:
    counts = np.array([one["counts"] for one in case["images"]], dtype=np.float64)
    labels = np.array(names(case))

    def retuned(indices: Any) -> tuple[float, float]:
        values = f(counts, indices)
        return float(values.max()), float(THRESHOLDS[values.argmax()])

    def common(indices: Any) -> float:
        return float(f(counts, indices)[DOCUMENT["common"]])

    found = parts(distances(case), names(case), count, retuned=retuned, common=common, values=performance(case))
    for one, indices, expected in zip(found, split(distances(case), names(case), count), case[kind], strict=True):
        assert labels[indices].tolist() == expected["images"]
        for field in ("n", "performance", "threshold", "performance_common", "mean", "distance_mean", "distance_std"):
            assert getattr(one, field) == pytest.approx(expected[field], rel=1e-12), (kind, one.label, field)


@pytest.mark.parametrize("name", CASES)
def test_parts(name: str) -> None:
    check(CASES[name], "halves", 2)
    check(CASES[name], "thirds", 3)
    np.testing.assert_allclose(distances(CASES[name]), CASES[name]["scaled"], rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_curves(name: str) -> None:
    case = CASES[name]
    order, x, smoothed = curve(distances(case), names(case), performance(case))
    assert np.array(names(case))[order].tolist() == case["curve"]["images"]
    np.testing.assert_allclose(x, case["curve"]["distances"], rtol=1e-12)
    np.testing.assert_allclose(smoothed, case["curve"]["smoothed"], rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_trends(name: str) -> None:
    case = CASES[name]
    points = PerformancePoints.of(distances(case), performance(case), [one["foreground"] for one in case["images"]])
    found = trend(points, np.random.default_rng(0), draws=0)
    assert found is not None
    assert found.partial is not None
    assert found.n == case["trend"]["n"]
    for field in ("spearman", "kendall", "slope", "partial"):
        assert getattr(found, field).value == pytest.approx(case["trend"][field], rel=1e-10), field


def test_the_golden_case_holds_what_matters() -> None:
    sizes = {name: (len(case["images"]), case["curve"]["window"]) for name, case in CASES.items()}
    assert sizes == {"six": (6, 1), "seven": (7, 1), "odd": (57, 5), "even": (44, 4)}
    assert all(len(set(case["scaled"])) < len(case["scaled"]) for case in CASES.values())
    assert sum(value is None for value in CASES["odd"]["performance"]) == 4


def test_six_images_by_hand() -> None:
    halves, thirds = CASES["six"]["halves"], CASES["six"]["thirds"]
    # Distances 2 4 4 | 6 8 12 scale by (x − 2) / 10 to 0 0.2 0.2 | 0.4 0.6 1; a comes before c at the same distance.
    assert halves[0]["images"] == ["b", "a", "c"]
    assert halves[0]["distance_mean"] == pytest.approx(0.4 / 3)
    # σ² = (0 + 0.04 + 0.04) / 3 − (0.4 / 3)² = 0.08 / 9 of the near half.
    assert halves[0]["distance_std"] == pytest.approx((0.08 / 9) ** 0.5)
    # Near half at t = 0.5: TP 50 + 20 + 40 = 110, FP 0 + 10 + 10 = 20, FN 10 + 20 + 10 = 40: F = 220 / 280.
    # At 0.2: 260 / (260 + 90 + 20) = 0.703; at 0.8: 160 / (160 + 0 + 70) = 0.696. So 0.5 is best.
    assert (halves[0]["performance"], halves[0]["threshold"]) == (pytest.approx(220 / 280), 0.5)
    # Own F: b 100 / 110, a 40 / 70, c 80 / 100.
    assert halves[0]["mean"] == pytest.approx((100 / 110 + 40 / 70 + 0.8) / 3)
    # Far third, e and f: at 0.8 TP 18, FP 12, FN 12: 36 / 60; at the common 0.5 TP 22, FP 42, FN 8: 44 / 94.
    assert thirds[2]["images"] == ["e", "f"]
    assert (thirds[2]["performance"], thirds[2]["threshold"]) == (pytest.approx(0.6), 0.8)
    assert thirds[2]["performance_common"] == pytest.approx(44 / 94)


def test_seven_images_by_hand() -> None:
    halves, thirds = CASES["seven"]["halves"], CASES["seven"]["thirds"]
    # floor(7 / 2) = 3 are near; "10" comes before "9" as text. Thirds of seven: 3, 2, 2.
    assert [part["images"] for part in halves] == [["10", "9", "blank"], ["x", "y", "z", "w"]]
    assert [part["n"] for part in thirds] == [3, 2, 2]
    # What is falsely predicted on the blank image counts: TP 140, FP 10 + 20 + 20, FN 40: 280 / 370.
    assert halves[0]["performance_common"] == pytest.approx(280 / 370)
    # It has no F of its own: (160 / 190 + 120 / 160) / 2.
    assert halves[0]["mean"] == pytest.approx((160 / 190 + 120 / 160) / 2)


def test_the_slope_of_six_images_by_hand() -> None:
    # x: 0 0.2 0.2 0.4 0.6 1, mean 0.4, Σ (x − 0.4)² = 0.16 + 0.04 + 0.04 + 0 + 0.04 + 0.36 = 0.64.
    # Σ (x − 0.4) F = −0.4·10/11 − 0.2·4/7 − 0.2·4/5 + 0 + 0.2·6/11 + 0.6·2/5.
    above = -0.4 * 10 / 11 - 0.2 * 4 / 7 - 0.2 * 4 / 5 + 0.2 * 6 / 11 + 0.6 * 2 / 5
    assert CASES["six"]["trend"]["slope"] == pytest.approx(above / 0.64)
    # Of 15 pairs a and c tie; the other 14 are in falling order but for a (0.571) with d (0.727): 1 − 13 = −12.
    assert CASES["six"]["trend"]["kendall"] == pytest.approx(-12 / (14 * 15) ** 0.5)


def test_the_maker_makes_it() -> None:
    made = runpy.run_path(str(GOLDEN / "make_relation.py"))["document"]()
    assert json.loads(json.dumps(made)) == DOCUMENT
