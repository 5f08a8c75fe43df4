"""Parts, curves and trends of small sets against relation.json, which plain loops made (see make_relation.py beside it)."""

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
    assert found.n == case["trend"]["n"]
    for field in ("spearman", "kendall", "slope", "partial"):
        assert getattr(found, field).value == pytest.approx(case["trend"][field], rel=1e-10), field


def test_the_maker_makes_it() -> None:
    made = runpy.run_path(str(GOLDEN / "make_relation.py"))["document"]()
    assert json.loads(json.dumps(made)) == DOCUMENT
