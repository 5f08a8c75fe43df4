"""The gate: a labelled dataset lies inside its own range, one beyond all of them outside, whatever the order and the units."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from howfar.errors import InputError
from howfar.relation.gate import CERTIFY, CHECKS, TILE, GateRange, fit, values_by_set, values_of

NAMES = [check.name for check in CHECKS]
LABELLED = {
    "own": {"distance": 1.0, "knn": 0.54, "residual": 1.0, "share": 0.077, "scale": 2.9, "size": 152.0, "tiles": 0.95},
    "roads": {"distance": 1.08, "knn": 0.72, "residual": 1.14, "share": 0.061, "scale": 2.4, "size": 160.0, "tiles": 1.0},
    "cfd": {"distance": 1.22, "knn": 0.78, "residual": 1.23, "share": 0.008, "scale": 2.3, "size": 392.0, "tiles": 0.39},
}
SOME = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=8)


def outside(known: GateRange, **values: float | None) -> list[str]:
    return [reading.check for reading in known.read("site", values).outside]


@pytest.mark.parametrize("name", LABELLED)
def test_a_site_equal_to_a_labelled_set_is_inside(name: str) -> None:
    gate = fit(LABELLED).read("site", LABELLED[name])
    assert gate.inside is True
    assert gate.warning() == ""
    assert [reading.check for reading in gate.readings] == NAMES


@given(SOME, st.sampled_from(NAMES))
def test_every_labelled_value_is_inside_and_one_far_beyond_all_is_not(values: list[float], check: str) -> None:
    known = fit({f"set {number}": {check: value} for number, value in enumerate(values)})
    assert all(not outside(known, **{check: value}) for value in values)
    beyond = 3 * max(values) if check != "tiles" else min(values) / 2
    assert outside(known, **{check: beyond}) == [check]


@given(SOME, st.floats(0.01, 1e4), st.floats(0.01, 100.0))
def test_neither_order_nor_unit_matters(values: list[float], value: float, unit: float) -> None:
    def side(scale: float, turned: bool) -> list[str]:
        sets = {f"set {number}": {"scale": scale * one} for number, one in enumerate(values)}
        known = fit(dict(reversed(sets.items())) if turned else sets)
        low, high = known.limits("scale")
        near = min(abs(scale * value / low - 1), abs(scale * value / high - 1)) < 1e-9
        return ["at the limit"] if near else outside(known, scale=scale * value)

    assert side(1.0, False) == side(1.0, True) == side(unit, False)


def test_the_highway_photographs_are_stopped() -> None:
    gate = fit(LABELLED).read("highway", {"distance": 1.42, "size": 1200.0, "tiles": 0.16, "share": 0.02})
    assert [reading.check for reading in gate.outside] == ["distance", "size", "tiles"]
    assert gate.warning().endswith(f": {CERTIFY}; or {TILE}")
    for said in ("1.42", "most 1.22", "limit: 1.34", "1,200", "most 392", "limit: 980", "0.16", "least 0.39", "limit: 0.26"):
        assert said in gate.warning()


def test_missing_values_say_nothing() -> None:
    known = fit({"own": {"distance": 1.0, "knn": float("nan"), "size": None}, "roads": {}})
    gate = known.read("site", {"distance": float("nan"), "knn": 0.5, "share": float("inf")})
    assert [(reading.check, reading.value, reading.inside) for reading in gate.readings] == [
        ("distance", None, None),
        ("knn", 0.5, None),
    ]
    assert gate.readings[0].words == "relative distance in the primary's own PCA is not known"
    assert "not known of a labelled dataset" in gate.readings[1].words
    assert gate.inside is None
    assert fit({}).read("site", {}).readings == ()


def test_ranges_are_of_the_labelled_sets_that_are_not_left_out() -> None:
    known = fit({"own": {"distance": 1.0, "scale": 3.0}})
    assert known.limits("distance") == (None, pytest.approx(1.1))
    assert known.limits("scale") == (pytest.approx(2.0), pytest.approx(4.5))
    assert "labelled sites: at most 1; limit: 1.1" in known.read("site", {"distance": 1.2}).warning()
    (reading,) = fit({"own": {"share": 0.08}, "roads": {"share": 0.02}}).read("site", {"share": 0.05}).readings
    assert reading.words == "predicted foreground 5 % of the pixels, as it should be below 12 % (labelled 2 % to 8 %)"
    assert outside(fit(LABELLED), **LABELLED["cfd"]) == []
    assert outside(fit(LABELLED).without("cfd"), **LABELLED["cfd"]) == ["distance", "tiles"]


def test_json_gives_the_same_gate() -> None:
    known = fit(LABELLED)
    again = GateRange.from_dict(json.loads(json.dumps(known.to_dict())))
    site = {"distance": 1.42, "scale": 9.0}
    assert again.read("site", site) == known.read("site", site)
    assert again == known
    for wrong in ({}, {"sets": 3}):
        with pytest.raises(InputError):
            GateRange.from_dict(wrong)
    with pytest.raises(InputError, match="distance, knn"):
        known.limits("far")


def test_values_are_read_of_images() -> None:
    columns = {
        "i_dist": [1.0, 1.5, np.nan],
        "predicted_foreground": [0.0, 0.1, 0.2],
        "foreground_width": [0.0, 2.0, 4.0],
        "pixels": [100.0, 400.0, 900.0],
    }
    values = values_of(columns)
    wanted = {"distance": 1.25, "share": pytest.approx(0.1), "scale": 3.0, "size": 20.0}
    assert values == dict.fromkeys(NAMES) | wanted
    assert set(values_of({}).values()) == set(values_of({"i_dist": []}).values()) == {None}


def test_values_are_read_of_every_set_of_a_table() -> None:
    columns = {"i_dist": np.arange(6.0), "pixels": np.full(6, 4.0)}
    sets = np.array(["b", "a", "b", "a", "a", "b"], dtype=object)
    found = values_by_set(columns, sets)
    assert list(found) == ["b", "a"]
    for name in found:
        assert found[name] == values_of({key: values[sets == name] for key, values in columns.items()})
    for wrong in ("a", 5):
        with pytest.raises(InputError, match=r"^columns must be a mapping"):
            values_of(wrong)
    with pytest.raises(InputError, match="numeric"):
        values_of({"i_dist": ["near"]})
    with pytest.raises(InputError, match="one an image"):
        values_by_set(columns, ["a"])


@pytest.mark.parametrize("values", [None, [], {"distance": "a"}, {"distance": []}, {"distance": 10**400}, {"distance": -5}])
def test_values_that_are_no_numbers_of_at_least_0_are_refused(values: Any) -> None:
    known = fit({"own": {"distance": 1.0}})
    for call in (
        lambda: fit({"own": values}),
        lambda: known.read("site", values),
        lambda: GateRange.from_dict({"sets": {"own": values}}),
    ):
        with pytest.raises(InputError):
            call()
